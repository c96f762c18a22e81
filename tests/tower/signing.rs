//! `SigningLayer`: what it signs, by which clock and with which credentials.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_clock_skew::SkewClock;
use aws_clock_skew::tower::NonReplayable;
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::{Empty, Full};
use tower::{Layer, ServiceExt};

use crate::script::{Script, basic, signed};
use crate::stack::{client, credentials, operation};
use crate::world::{DAY, HOUR, World};

/// A provider of sessions of an hour by a correct clock. It counts the loads.
#[derive(Clone, Debug)]
struct Hourly {
    world: World,
    loads: Arc<AtomicUsize>,
}

impl Hourly {
    fn new(world: &World) -> Self {
        Self {
            world: world.clone(),
            loads: Arc::default(),
        }
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::Relaxed)
    }
}

impl ProvideCredentials for Hourly {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            tokio::task::yield_now().await;
            self.loads.fetch_add(1, Ordering::Relaxed);
            let expiry = self.world.true_time() + Duration::from_hours(1);
            let (key, secret) = (ACCESS_KEY_ID, SECRET_ACCESS_KEY);
            Ok(Credentials::new(key, secret, None, Some(expiry), "test"))
        })
    }
}

#[tokio::test]
async fn a_signed_request_passes_as_it_is() {
    let world = World::with_skew(-HOUR);
    let clock = world.skew_clock();
    let script = Script::new(&world);
    let layer = clock.signing_layer(credentials(), "us-east-1", "sqs");
    let request = signed(&world);
    let headers = request.headers().clone();
    assert!(layer.layer(script.clone()).oneshot(request).await.is_ok());
    let mut presigned = operation("https://s3.test/key", "", String::new());
    let uri = "https://s3.test/key?X-Amz-Date=20270116T080000Z&X-Amz-Signature=00";
    *presigned.uri_mut() = uri.parse().unwrap();
    let presigned_headers = presigned.headers().clone();
    assert!(layer.layer(script.clone()).oneshot(presigned).await.is_ok());
    let sent = script.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].headers, headers);
    assert_eq!(sent[1].headers, presigned_headers);
    assert_eq!(clock.status().event_count(), 0);
}

#[tokio::test]
async fn a_stated_payload_hash_is_kept() {
    let world = World::with_skew(0);
    let script = Script::new(&world);
    let layer = world
        .skew_clock()
        .signing_layer(credentials(), "us-east-1", "s3");
    let send = |stated: Option<&'static str>| {
        let mut request = operation("https://s3.test/key", "", "body".to_owned());
        if let Some(stated) = stated {
            request
                .headers_mut()
                .insert("x-amz-content-sha256", HeaderValue::from_static(stated));
        }
        layer.layer(script.clone()).oneshot(request)
    };
    assert!(send(Some("UNSIGNED-PAYLOAD")).await.is_ok());
    assert!(send(None).await.is_ok());
    let once = operation("https://s3.test/key", "", String::new());
    let once = once.map(|_| NonReplayable::new(Empty::<Bytes>::new()));
    assert!(layer.layer(script.clone()).oneshot(once).await.is_ok());
    let hashes: Vec<_> = script
        .sent()
        .iter()
        .map(|sent| sent.headers["x-amz-content-sha256"].clone())
        .collect();
    let of_body = "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5";
    assert_eq!(hashes, ["UNSIGNED-PAYLOAD", of_body, "UNSIGNED-PAYLOAD"]);
}

#[tokio::test]
async fn a_thousand_calls_ask_for_credentials_once() {
    let world = World::with_skew(0);
    let provider = Hourly::new(&world);
    let script = Script::new(&world);
    let layer = world
        .skew_clock()
        .signing_layer(provider.clone(), "us-east-1", "sqs");
    let service = layer.layer(script.clone());
    let calls = (0..1_000).map(|_| {
        let request = operation("https://sqs.test/", "AmazonSQS.Op", String::new());
        service.clone().oneshot(request)
    });
    let answers = futures_util::future::join_all(calls).await;
    assert!(
        answers
            .into_iter()
            .all(|answer| answer.is_ok_and(|answer| answer.status() == 200))
    );
    assert_eq!(provider.loads(), 1);
    assert_eq!(script.sent().len(), 1_000);
}

/// On a machine two days ahead, credentials seem to be expired from the start. On a machine two
/// days behind, they never seem to expire.
#[tokio::test]
async fn credentials_are_refreshed_by_the_corrected_clock() {
    for skew in [-2 * DAY, 2 * DAY] {
        let world = World::with_skew(skew);
        let provider = Hourly::new(&world);
        let script = Script::new(&world);
        let clock = world.skew_clock();
        let layer = clock.signing_layer(provider.clone(), "us-east-1", "sqs");
        let service = layer.layer(script.clone());
        let call = || {
            let request = operation("https://sqs.test/", "AmazonSQS.Op", String::new());
            let service = service.clone();
            async move { service.oneshot(request).await.unwrap().status().as_u16() }
        };
        assert_eq!(call().await, 200);
        assert!(clock.status().is_correcting());
        assert_eq!(call().await, 200);
        let at_the_change = provider.loads();
        assert!(at_the_change <= 3, "{at_the_change}");
        for hour in 1..=24 {
            world.advance(Duration::from_mins(50));
            assert_eq!(call().await, 200);
            assert_eq!(provider.loads(), at_the_change + hour - 1, "{skew} s");
            world.advance(Duration::from_mins(10));
            assert_eq!(call().await, 200);
            assert_eq!(provider.loads(), at_the_change + hour, "{skew} s");
        }
    }
}

/// A virtual machine that was paused for two hours; its clock stood still.
#[tokio::test]
async fn credentials_that_expired_during_a_pause_are_replaced_at_the_second_send() {
    let world = World::with_skew(0);
    let endpoint = Endpoint::builder(world.clock())
        .credentials_expiring(
            "AKIAFIRST",
            SECRET_ACCESS_KEY,
            None,
            world.true_time() + Duration::from_hours(1),
        )
        .credentials("AKIASECOND", SECRET_ACCESS_KEY, None)
        .start()
        .await
        .expect("loopback can be bound");
    endpoint.feed("q", "first");
    let issuer = world.clone();
    let is_over = world.true_time() + Duration::from_mins(55);
    let provider = Rotating {
        issue: Arc::new(move || issuer.true_time()),
        is_over,
    };
    let clock = world.skew_clock();
    let layer = clock.signing_layer(provider, "us-east-1", "sqs");
    let service = layer.layer(client());
    let call = || {
        let body = format!(
            r#"{{"QueueUrl":"{}","MessageBody":"m"}}"#,
            endpoint.queue_url("q")
        );
        let request = operation(&endpoint.url(), "AmazonSQS.SendMessage", body);
        let service = service.clone();
        async move { service.oneshot(request).await.unwrap().status().as_u16() }
    };
    assert_eq!(call().await, 200);
    let wall = world.machine_wall();
    world.advance(Duration::from_hours(2));
    world.machine.set_wall(wall);
    assert_eq!(call().await, 200);
    assert_eq!(endpoint.counts().rejected, 1);
}

#[derive(Clone)]
struct Rotating {
    issue: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    is_over: SystemTime,
}

impl std::fmt::Debug for Rotating {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rotating")
    }
}

impl ProvideCredentials for Rotating {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let now = (self.issue)();
        let key = if now < self.is_over {
            "AKIAFIRST"
        } else {
            "AKIASECOND"
        };
        let expiry = Some(now + Duration::from_hours(1));
        let credentials = Credentials::new(key, SECRET_ACCESS_KEY, None, expiry, "test");
        future::ProvideCredentials::ready(Ok(credentials))
    }
}

#[tokio::test]
async fn the_signing_layer_signs_by_a_known_offset() {
    let world = World::with_skew(-HOUR);
    let known = SkewClock::builder()
        .local_clock(world.machine.clone())
        .initial_offset(aws_clock_skew::ClockOffset::from_millis(HOUR * 1_000))
        .build();
    let script = Script::new(&world);
    let layer = known.signing_layer(credentials(), "us-east-1", "sqs");
    let request: Request<Full<Bytes>> =
        operation("https://sqs.test/", "AmazonSQS.Op", String::new());
    assert_eq!(
        layer
            .layer(script.clone())
            .oneshot(request)
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(
        script.sent()[0].headers["x-amz-date"],
        basic(world.true_time())
    );
}
