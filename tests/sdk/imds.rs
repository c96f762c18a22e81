//! The SDK's provider of an instance's credentials, whose session with the metadata service depends
//! on the clock too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::SkewClock;
use aws_config::imds;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sqs::config::Builder;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::{DateTime, Format};

use crate::clients::{config, receive};
use crate::wire::Wire;
use crate::world::{DAY, World, minutes};

const URL: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";
const HOURS: u64 = 3_600;

/// The metadata service: sessions and credentials last six hours.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    world: World,
    issued: Arc<AtomicUsize>,
}

impl Metadata {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            world: world.clone(),
            issued: Arc::default(),
        }
    }

    fn answer(&self, request: &HttpRequest) -> (u16, String) {
        let now = seconds(self.world.true_time());
        if request.method() == "PUT" {
            return (200, (now + 6 * HOURS).to_string());
        }
        let session = request.headers().get("x-aws-ec2-metadata-token");
        let ends = session.and_then(|session| session.parse::<u64>().ok());
        if ends.is_none_or(|ends| ends <= now) {
            return (401, String::new());
        }
        if request.uri().ends_with("/security-credentials/") {
            return (200, "role".to_owned());
        }
        self.issued.fetch_add(1, Ordering::Relaxed);
        let ends = now + 6 * HOURS;
        let said = DateTime::from(UNIX_EPOCH + Duration::from_secs(ends))
            .fmt(Format::DateTime)
            .expect("a year of four digits");
        let credentials = format!(
            r#"{{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"EXP{ends}","SecretAccessKey":"s","Token":"t","Expiration":"{said}"}}"#
        );
        (200, credentials)
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

impl HttpConnector for Metadata {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = self.answer(&request);
        let status = StatusCode::try_from(status).expect("a status");
        let mut response = HttpResponse::new(status, SdkBody::from(body));
        let ttl = (6 * HOURS).to_string();
        response
            .headers_mut()
            .append("x-aws-ec2-metadata-token-ttl-seconds", ttl);
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for Metadata {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// What the credential provider got. The client may have something else.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Providers {
    /// The local clock and the crate's HTTP client, as `configure` sets them.
    Configured,
    Nothing,
}

/// The SDK's provider of the credentials of an instance.
pub(crate) fn provider(
    clock: &SkewClock,
    metadata: &Metadata,
    providers: Providers,
) -> SharedCredentialsProvider {
    let environment = ProviderConfig::empty()
        .with_time_source(clock.local_time())
        .with_sleep_impl(TokioSleep::new());
    let environment = match providers {
        Providers::Configured => {
            environment.with_http_client(clock.wrap_http_client(metadata.clone()))
        }
        Providers::Nothing => environment.with_http_client(metadata.clone()),
    };
    let client = imds::Client::builder()
        .configure(&environment)
        .endpoint("http://127.0.0.1:1/")
        .expect("is an address")
        .build();
    let provider = imds::credentials::ImdsCredentialsProvider::builder()
        .configure(&environment)
        .imds_client(client)
        .build();
    SharedCredentialsProvider::new(provider)
}

/// Calls every ten minutes for a day. Returns how many are lost, and how often
/// credentials were issued.
async fn day(skew: i64, providers: Providers) -> (Vec<usize>, usize) {
    let world = World::with_skew(skew);
    let clock = world.skew_clock();
    let metadata = Metadata::new(&world);
    let provider = provider(&clock, &metadata, providers);
    let config = config(URL)
        .into_builder()
        .http_client(Wire::new(&world, minutes(5)))
        .credentials_provider(provider)
        .build();
    let sqs = aws_sdk_sqs::Client::from_conf(
        aws_clock_skew::install!(Builder::from(&config), &clock).build(),
    );
    let mut lost = Vec::new();
    for call in 0..24 * 6 {
        if receive(&sqs, QUEUE).await.is_err() {
            lost.push(call);
        }
        world.advance(minutes(10));
    }
    (lost, metadata.issued.load(Ordering::Relaxed))
}

/// A clock that is ahead makes the provider extend valid credentials by ten to fifteen minutes at a
/// time. It loads them more often, and no call fails.
#[tokio::test(start_paused = true)]
async fn an_instances_credentials_outlive_a_wrong_clock() {
    for (skew, most) in [(0, 6), (-3_600, 6), (-DAY, 6), (3_600, 100), (DAY, 100)] {
        for providers in [Providers::Configured, Providers::Nothing] {
            let (lost, issued) = day(skew, providers).await;
            assert_eq!(lost, Vec::<usize>::new(), "{providers:?}, {skew} s");
            assert!(
                (4..=most).contains(&issued),
                "{issued} in 24 h, {providers:?}"
            );
        }
    }
}
