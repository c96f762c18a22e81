//! Callers that stop waiting, and signatures that were made some time ago.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::time::timeout;
use tower::{Layer, ServiceExt};

use crate::log::Log;
use crate::script::{Script, basic, signed};
use crate::stack::{credentials, operation};
use crate::world::{HOUR, MINUTE, World, minutes, shifted};

/// A provider that returns credentials this many times, and then never.
#[derive(Debug)]
struct Then(AtomicUsize);

impl ProvideCredentials for Then {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        future::ProvideCredentials::new(async move {
            if left == 0 {
                pending::<()>().await;
            }
            Ok(credentials())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_has_updated_the_clock() {
    let log = Log::start();
    let world = World::with_skew(-HOUR);
    let clock = world.skew_clock();
    let script = Script::new(&world);
    let layer = clock.layer(Then(AtomicUsize::new(0)));
    let call = layer.layer(script.clone()).oneshot(signed(&world));
    assert!(timeout(Duration::from_secs(1), call).await.is_err());
    assert_eq!(script.sent().len(), 1);
    assert!(clock.status().is_correcting());
    assert_eq!(log.names(), ["skew_detected"]);
    // The next request of any client is signed with the correct time.
    let layer = clock.signing_layer(credentials(), "us-east-1", "sqs");
    let unsigned = operation("http://sqs.test/", "AmazonSQS.Op", String::new());
    let answer = layer.layer(script.clone()).oneshot(unsigned).await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    assert_eq!(script.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_resend_does_not_wait_for_the_credentials_that_signed() {
    let world = World::with_skew(-HOUR);
    let script = Script::new(&world);
    let clock = world.skew_clock();
    let layer = clock.signing_layer(Then(AtomicUsize::new(1)), "us-east-1", "sqs");
    let unsigned = operation("http://sqs.test/", "AmazonSQS.Op", String::new());
    let call = layer.layer(script.clone()).oneshot(unsigned);
    let answer = timeout(Duration::from_secs(1), call).await;
    let answer = answer.expect("the credentials that signed are known");
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    assert_eq!(script.sent().len(), 2);
}

/// A provider that returns other keys at each load, as `AssumeRole` does. A clock 20 minutes ahead
/// shows them as expired at once.
#[derive(Clone, Debug)]
struct Role {
    tenant: usize,
    world: World,
    loads: Arc<AtomicUsize>,
}

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let load = self.loads.fetch_add(1, Ordering::Relaxed);
        let key = format!("ASIA{}N{load}", self.tenant);
        let end = Some(self.world.true_time() + minutes(1));
        let role = Credentials::new(key, "secret", Some("token".to_owned()), end, "role");
        future::ProvideCredentials::ready(Ok(role))
    }
}

fn unsigned() -> Request<Full<Bytes>> {
    let url = "https://sqs.us-east-1.amazonaws.com/";
    operation(url, "AmazonSQS.Op", "x".to_owned())
}

/// However many access keys are in flight, in one layer or in one layer each: a resend is signed
/// with the key of its first send.
#[tokio::test]
async fn hundreds_of_access_keys_in_flight_are_remembered() {
    for layers in [1, 300] {
        let world = World::with_skew(20 * MINUTE);
        let clock = world.skew_clock();
        let script = Script::new(&world);
        let roles = (0..layers).map(|tenant| {
            let role = Role {
                tenant,
                world: world.clone(),
                loads: Arc::default(),
            };
            let layer = clock.signing_layer(role, "us-east-1", "sqs");
            layer.layer(script.clone())
        });
        let roles: Vec<_> = roles.collect();
        let calls = (0..300).map(|call| roles[call % layers].clone().oneshot(unsigned()));
        for answer in futures_util::future::join_all(calls).await {
            assert_eq!(answer.unwrap().status(), StatusCode::OK, "{layers} layers");
        }
        let sent = script.sent();
        // The last requests are signed after the first responses have arrived.
        assert!((500..=600).contains(&sent.len()), "{layers} layers");
        let mut times_sent = std::collections::HashMap::new();
        for sent in &sent {
            let authorization = sent.headers["authorization"].to_str().unwrap();
            let (before, _) = authorization.split_once('/').unwrap();
            *times_sent.entry(before.to_owned()).or_insert(0) += 1;
        }
        let (keys, most) = (times_sent.len(), times_sent.values().max());
        if layers == 300 {
            assert_eq!((keys, most), (300, Some(&2)));
        } else {
            // Requests that wait at the same time share a key.
            assert!(keys > 100, "{keys} keys");
        }
    }
}

#[tokio::test]
async fn a_signature_of_another_clock_is_replaced_before_the_first_send() {
    let log = Log::start();
    for ahead in [-20 * MINUTE, 20 * MINUTE, -3 * MINUTE] {
        let world = World::with_skew(0);
        let clock = world.skew_clock();
        let script = Script::new(&world);
        let other = World::with_skew(ahead);
        let layer = clock.layer(credentials());
        let answer = layer.layer(script.clone()).oneshot(signed(&other)).await;
        assert_eq!(answer.map(|answer| answer.status()), Ok(StatusCode::OK));
        let sent = script.sent();
        assert_eq!(sent.len(), 1, "{ahead}");
        assert_eq!(sent[0].headers["x-amz-date"], basic(world.machine_wall()));
        assert_eq!(clock.now(), world.machine_wall());
        assert!(!clock.status().is_correcting());
    }
    assert_eq!(log.names(), Vec::<String>::new());
}

/// A signature within two minutes of the time is sent as it is. So is one that cannot be
/// reproduced.
#[tokio::test]
async fn other_signatures_are_sent_as_they_are() {
    let world = World::with_skew(0);
    let script = Script::new(&world);
    let layer = world.skew_clock().layer(credentials());
    let near = signed(&World::with_skew(-MINUTE));
    let by_another_key = crate::stack::signed(
        operation("http://sqs.test/", "AmazonSQS.Op", "hello".to_owned()),
        "sqs",
        &Credentials::new("AKIAOTHER", "other", None, None, "test"),
        shifted(world.true_time(), -4 * MINUTE),
    );
    for request in [near, by_another_key] {
        let came = request.headers().clone();
        let answer = layer.layer(script.clone()).oneshot(request).await;
        assert_eq!(answer.map(|answer| answer.status()), Ok(StatusCode::OK));
        let sent = script.sent().pop().unwrap();
        assert_eq!(sent.headers["authorization"], came["authorization"]);
    }
}
