//! The second send and its outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_clock_skew::SkewClock;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Version};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};

use crate::log::Log;
use crate::script::{Lost, Script, basic, response, signed};
use crate::stack::{credentials, operation};
use crate::world::{HOUR, World};

struct Second {
    log: Log,
    world: World,
    clock: SkewClock,
    script: Script,
}

impl Second {
    fn new() -> Self {
        let world = World::with_skew(-HOUR);
        Self {
            log: Log::start(),
            clock: world.skew_clock(),
            script: Script::new(&world),
            world,
        }
    }

    async fn call(
        &self,
        credentials: impl ProvideCredentials + 'static,
    ) -> Result<Response<Bytes>, Lost> {
        let service = self.clock.layer(credentials).layer(self.script.clone());
        let mut request = signed(&self.world);
        *request.version_mut() = Version::HTTP_2;
        request.extensions_mut().insert(7_u32);
        let (parts, body) = service.oneshot(request).await?.into_parts();
        Ok(Response::from_parts(
            parts,
            body.collect().await?.to_bytes(),
        ))
    }

    fn resends(&self, outcome: &str) -> usize {
        self.log.counted("resends", "outcome", outcome)
    }
}

#[tokio::test]
async fn only_the_signature_of_the_second_send_differs() {
    let second = Second::new();
    let answer = second.call(credentials()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let sent = second.script.sent();
    let [first, again] = &sent[..] else {
        panic!("sent {} times", sent.len());
    };
    let given = signed(&second.world);
    for sent in [first, again] {
        assert_eq!((&sent.method, &sent.uri), (given.method(), given.uri()));
        assert_eq!((sent.version, sent.marker), (Version::HTTP_2, Some(7)));
        assert_eq!((&sent.body[..], sent.declared), (&b"hello"[..], Some(5)));
        assert_eq!(sent.headers.len(), given.headers().len());
    }
    assert_eq!(&first.headers, given.headers());
    let is_other = |name: &&http::HeaderName| again.headers.get(*name) != first.headers.get(*name);
    let mut names: Vec<_> = first
        .headers
        .keys()
        .filter(is_other)
        .map(|name| name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "x-amz-date"]);
    assert_eq!(again.headers["x-amz-date"], basic(second.world.true_time()));
}

/// Anybody can write a name of AWS into a header.
#[tokio::test]
async fn the_host_that_counts_is_the_one_in_the_url_and_not_the_one_in_a_header() {
    let second = Second::new();
    let mut request = operation("https://other.test/", "AmazonSQS.Op", "hello".to_owned());
    let name = HeaderValue::from_static("sqs.us-east-1.amazonaws.com");
    request.headers_mut().insert("host", name);
    let time = second.world.machine_wall();
    let request = crate::stack::signed(request, "sqs", &credentials(), time);
    let layer = second.clock.layer(credentials());
    let answer = layer.layer(second.script.clone()).oneshot(request).await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    let events = second.log.events();
    assert_eq!(events[0].get("event"), Some("skew_detected"));
    assert_eq!(events[0].get("server.address"), Some("other.test"));
}

#[tokio::test]
async fn a_connection_lost_on_the_second_send_is_the_callers_error() {
    let second = Second::new();
    second.script.plan([None, Some(Err(Lost))]);
    assert_eq!(second.call(credentials()).await.map(drop), Err(Lost));
    assert_eq!(second.script.sent().len(), 2);
    assert!(
        second.clock.status().is_correcting(),
        "the correction stays"
    );
    assert_eq!(second.resends("failed"), 1);
}

#[tokio::test]
async fn a_second_rejection_is_the_callers_answer() {
    let second = Second::new();
    let future = second.world.true_time() + std::time::Duration::from_hours(3);
    let text = format!(
        "Signature expired: {} is now earlier than {} ({} - 5 min.)",
        basic(second.world.true_time()),
        basic(future - std::time::Duration::from_mins(5)),
        basic(future)
    );
    let rejection = crate::script::rejection(&text);
    second
        .script
        .plan([None, Some(Ok(response(403, &rejection)))]);
    let answer = second.call(credentials()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(answer.body(), &rejection);
    assert_eq!(
        second.script.sent().len(),
        2,
        "nothing is sent a third time"
    );
    assert_eq!(second.resends("rejected"), 1);
    let failed = second
        .log
        .events()
        .into_iter()
        .find(|e| e.get("event") == Some("resend_rejected"));
    assert_eq!(failed.map(|event| event.level), Some(tracing::Level::WARN));
}

#[tokio::test]
async fn another_error_of_the_second_send_is_the_callers_answer() {
    let second = Second::new();
    second.script.plan([None, Some(Ok(response(503, "busy")))]);
    let answer = second.call(credentials()).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.body()[..]),
        (503, &b"busy"[..])
    );
    assert_eq!(second.script.sent().len(), 2);
}

/// A provider without credentials.
#[derive(Debug)]
struct Missing;

impl ProvideCredentials for Missing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("none")))
    }
}

#[tokio::test]
async fn without_credentials_the_caller_gets_the_first_response_and_the_clock_is_updated() {
    let second = Second::new();
    let answer = second.call(Missing).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(answer.body().starts_with(b"{\"__type\""), "{answer:?}");
    assert_eq!(second.script.sent().len(), 1);
    assert!(second.clock.status().is_correcting());
    assert_eq!(second.log.names(), ["skew_detected", "resend_skipped"]);
    let events = second.log.events();
    assert_eq!(events[1].get("reason"), Some("identity"));
    assert_eq!(
        second.log.counted("resends_skipped", "reason", "identity"),
        1
    );
    // While the correction lasts, a request that cannot be re-signed is sent as it is.
    let answer = second.call(Missing).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(second.script.sent().len(), 2);
}

/// A provider that returns another session at each load, as `AssumeRole` does.
#[derive(Debug, Default)]
struct Sessions(Arc<AtomicUsize>);

impl ProvideCredentials for Sessions {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let session = self.0.fetch_add(1, Ordering::Relaxed);
        let key = if session == 0 {
            credentials().access_key_id().to_owned()
        } else {
            format!("AKIASESSION{session}")
        };
        let secret = credentials().secret_access_key().to_owned();
        let expiry = Some(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_900_000_000));
        future::ProvideCredentials::ready(Ok(Credentials::new(key, secret, None, expiry, "test")))
    }
}

/// A signature from before the correction is reproduced with the credentials of that time, although
/// the correction makes the layer load new ones.
#[tokio::test]
async fn all_in_flight_are_verified_with_the_credentials_that_signed_them() {
    let second = Second::new();
    let service = second
        .clock
        .layer(Sessions::default())
        .layer(second.script.clone());
    let calls = (0..10).map(|_| service.clone().oneshot(signed(&second.world)));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(second.log.names(), ["skew_detected"]);
    assert_eq!(second.script.sent().len(), 20);
}

/// A provider whose load is preceded by a change of the local clock and a response to another
/// request.
#[derive(Debug)]
struct Meanwhile {
    world: World,
    clock: SkewClock,
    script: Script,
    skew: i64,
}

impl ProvideCredentials for Meanwhile {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.world.set_skew(self.skew);
            let other = self.clock.layer(credentials()).layer(self.script.clone());
            let answer = other.oneshot(signed(&self.world)).await;
            assert_eq!(answer.map(|answer| answer.status()), Ok(StatusCode::OK));
            Ok(credentials())
        })
    }
}

#[tokio::test]
async fn the_second_send_is_signed_with_the_correction_as_it_is_then() {
    for skew in [0, 2 * HOUR, -3 * HOUR] {
        let second = Second::new();
        let meanwhile = Meanwhile {
            world: second.world.clone(),
            clock: second.clock.clone(),
            script: second.script.clone(),
            skew,
        };
        let answer = second.call(meanwhile).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{skew}");
        assert_eq!(second.script.sent().len(), 3, "{skew}");
        assert_eq!(second.resends("accepted"), 1, "{skew}");
    }
}
