//! Limits of the HTTP client: signatures that it cannot reproduce, and responses that it must
//! return unchanged.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::Notify;

use crate::clients::{receive, through};
use crate::resent::{QUEUE, Scenario};
use crate::wire::{Answer, Fate};

/// Changes a request between the signer and the HTTP client.
#[derive(Debug)]
struct Tamper(fn(&str) -> String);

impl Intercept for Tamper {
    fn name(&self) -> &'static str {
        "Tamper"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.request_mut().headers_mut();
        let signature = headers.get("authorization").expect("is signed");
        let changed = (self.0)(signature);
        headers.insert("authorization", changed);
        Ok(())
    }
}

/// The signature as another secret would have made it: a different one.
fn forged(signature: &str) -> String {
    let (rest, last) = signature.split_at(signature.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

#[tokio::test]
async fn a_signature_that_cannot_be_reproduced_is_left_alone() {
    let meddlers: [fn(&str) -> String; 5] = [
        forged,
        |_| "AWS4-HMAC-SHA256".to_owned(),
        |_| "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=, Signature=".to_owned(),
        |known| known.replace("SignedHeaders", "Headers"),
        |known| known.replace("AKIA", "ASIA"),
    ];
    for meddler in meddlers {
        let scenario = Scenario::new();
        let sqs = aws_sdk_sqs::config::Builder::from(&scenario.config).interceptor(Tamper(meddler));
        let sqs = aws_sdk_sqs::Client::from_conf(sqs.build());
        let error = receive(&sqs, QUEUE).await.expect_err("is too old");
        assert!(error.contains("Signature expired"), "{error}");
        assert_eq!(scenario.wire.sent(), 1);
        assert_eq!(scenario.log.names(), ["skew_detected", "resend_skipped"]);
        assert_eq!(scenario.log.events()[1].get("reason"), Some("proof"));
        assert!(
            scenario.clock.status().is_correcting(),
            "the clock was updated"
        );
    }
}

/// A provider that returns credentials once. They expire an hour after the local time.
#[derive(Debug)]
struct LoadsOnce {
    credentials: Credentials,
    loads: Arc<AtomicUsize>,
}

impl ProvideCredentials for LoadsOnce {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let is_first = self.loads.fetch_add(1, Ordering::Relaxed) == 0;
        future::ProvideCredentials::ready(if is_first {
            Ok(self.credentials.clone())
        } else {
            Err(CredentialsError::provider_error("the provider is down"))
        })
    }
}

#[tokio::test]
async fn credentials_that_have_ended_and_cannot_be_loaded_again_are_left_to_the_service() {
    let scenario = Scenario::new();
    // Valid by the local clock, and expired by the clock of the service.
    let expiry = scenario.world.machine_wall() + Duration::from_secs(900);
    let since_1970 = expiry.duration_since(UNIX_EPOCH).expect("is after 1970");
    let access_key = format!("EXP{}", since_1970.as_secs());
    let loads = Arc::<AtomicUsize>::default();
    let provider = LoadsOnce {
        credentials: Credentials::new(access_key, "secret", None, Some(expiry), "test"),
        loads: loads.clone(),
    };
    let config = scenario.config.to_builder();
    let config = config.credentials_provider(SharedCredentialsProvider::new(provider));
    let sqs = aws_sdk_sqs::Client::new(&config.build());
    let error = receive(&sqs, QUEUE).await.expect_err("they have ended");
    assert!(error.contains("ExpiredToken"), "{error}");
    // One load for the first signature, and one that failed.
    assert_eq!(loads.load(Ordering::Relaxed), 2);
    assert_eq!(scenario.wire.sent(), 2);
    assert_eq!(scenario.log.names(), ["skew_detected", "not_clock_skew"]);
}

#[tokio::test]
async fn a_long_error_response_reaches_the_caller_byte_for_byte() {
    for length in [65_000, 65_536, 300_000] {
        let scenario = Scenario::new();
        let long = format!(
            r#"{{"__type":"AccessDeniedException","message":"{}"}}"#,
            "x".repeat(length)
        );
        scenario
            .wire
            .plan([Fate::answered(Answer::new(400, &long))]);
        let sent = scenario
            .sqs()
            .receive_message()
            .queue_url(QUEUE)
            .send()
            .await;
        let error = sent.expect_err("is denied");
        let raw = error.raw_response().expect("an answer");
        assert_eq!(raw.body().bytes(), Some(long.as_bytes()));
        assert_eq!(scenario.wire.sent(), 1);
    }
}

/// Sends a response at once, except the end of the body, which waits for a bell. A sleep on it
/// rings the bell and returns.
#[derive(Clone, Debug, Default)]
struct SlowBody {
    status: u16,
    bell: Arc<Notify>,
    slept: Arc<Mutex<Vec<Duration>>>,
}

impl HttpConnector for SlowBody {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let bell = self.bell.clone();
        let end = async move {
            bell.notified().await;
            b" and the end"
        };
        let pieces = stream::once(async { b"the beginning" as &[u8] })
            .chain(stream::once(end.map(|end| end as &[u8])));
        let frames =
            pieces.map(|piece| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(piece))));
        let status = StatusCode::try_from(self.status).expect("a status");
        let body = SdkBody::from_body_1_x(StreamBody::new(frames));
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, body)))
    }
}

impl HttpClient for SlowBody {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl AsyncSleep for SlowBody {
    fn sleep(&self, duration: Duration) -> Sleep {
        let slow_body = self.clone();
        Sleep::new(async move {
            slow_body
                .slept
                .lock()
                .expect("is not poisoned")
                .push(duration);
            slow_body.bell.notify_one();
        })
    }
}

/// A client behind the crate's HTTP client, with this one inside.
fn s3_through(slow_body: &SlowBody) -> aws_sdk_s3::Client {
    let scenario = Scenario::new();
    let config = through(&scenario.config, slow_body.clone(), &scenario.clock);
    let config = aws_sdk_s3::config::Builder::from(&config)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .sleep_impl(slow_body.clone())
        .force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}

#[tokio::test]
async fn an_error_response_that_comes_slowly_is_passed_on_after_five_seconds() {
    let slow_body = SlowBody {
        status: 400,
        ..SlowBody::default()
    };
    let get = s3_through(&slow_body).get_object().bucket("b").key("k");
    let sent = get.send().await;
    let error = sent.expect_err("is rejected");
    let raw = error.raw_response().expect("an answer");
    assert_eq!(raw.body().bytes(), Some(&b"the beginning and the end"[..]));
    let slept = slow_body.slept.lock().expect("is not poisoned").clone();
    assert_eq!(slept, [Duration::from_secs(5)]);
}

#[tokio::test]
async fn a_success_is_not_waited_for() {
    let slow_body = SlowBody {
        status: 200,
        ..SlowBody::default()
    };
    let get = s3_through(&slow_body).get_object().bucket("b").key("k");
    let sent = get.send().await;
    let object = sent.expect("the head has come");
    assert!(slow_body.slept.lock().expect("is not poisoned").is_empty());
    slow_body.bell.notify_one();
    let body = object.body.collect().await.expect("ends after the bell");
    assert_eq!(&body.into_bytes()[..], b"the beginning and the end");
}
