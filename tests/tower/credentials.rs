//! Credentials of `SigningLayer`: the caller gets their errors, and valid ones are kept.

use std::collections::VecDeque;
use std::error::Error;
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_clock_skew::tower::SigningError;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::{Body, Frame};
use http_body_util::Full;
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, ServiceExt};

use crate::script::{Lost, Script};
use crate::stack::{credentials, operation};
use crate::world::{HOUR, World, minutes};

/// What a provider does when it is called.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Returns other keys each time, which are valid for this many minutes.
    Load(u64),
    Fail,
    Hang,
}

/// A provider that takes 300 ms.
#[derive(Clone, Debug)]
struct Provider {
    world: World,
    left: Arc<Mutex<Plan>>,
}

#[derive(Debug)]
struct Plan {
    steps: VecDeque<Step>,
    loads: usize,
}

impl Provider {
    fn new(world: &World, steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = steps.into_iter().collect();
        Self {
            world: world.clone(),
            left: Arc::new(Mutex::new(Plan { steps, loads: 0 })),
        }
    }

    fn loads(&self) -> usize {
        self.left.lock().expect("is not poisoned").loads
    }
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let (step, number) = {
                let mut plan = self.left.lock().expect("is not poisoned");
                plan.loads += 1;
                (plan.steps.pop_front().unwrap_or(Step::Fail), plan.loads)
            };
            sleep(Duration::from_millis(300)).await;
            match step {
                Step::Load(valid) => {
                    let end = Some(self.world.true_time() + minutes(valid));
                    let key = format!("ASIA{number}");
                    Ok(Credentials::new(key, "secret", None, end, "test"))
                }
                Step::Fail => Err(CredentialsError::not_loaded("logged out")),
                Step::Hang => pending().await,
            }
        })
    }
}

fn unsigned() -> Request<Full<Bytes>> {
    operation("https://sqs.test/", "AmazonSQS.Op", String::new())
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_signed_is_an_error_and_is_not_sent() {
    let world = World::with_skew(-HOUR);
    let script = Script::new(&world);
    let clock = world.skew_clock();
    let layer = clock.signing_layer(Provider::new(&world, []), "us-east-1", "sqs");
    let error = layer.layer(script.clone()).oneshot(unsigned()).await;
    let error = error.map(drop).unwrap_err().downcast::<SigningError>();
    let error = error.expect("the layer's own error");
    assert!(matches!(
        error.credentials_error(),
        Some(CredentialsError::CredentialsNotLoaded(_))
    ));
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    assert!(source.contains("not enabled"), "{source}");

    // Without a host it cannot be signed, whether or not the credentials are loaded.
    let layer = clock.signing_layer(credentials(), "us-east-1", "sqs");
    for _ in 0..2 {
        let relative = operation("/path", "AmazonSQS.Op", String::new());
        let error = layer.layer(script.clone()).oneshot(relative).await;
        let error = error.map(drop).unwrap_err().downcast::<SigningError>();
        assert!(
            error
                .expect("the layer's own error")
                .credentials_error()
                .is_none()
        );
    }
    assert_eq!(script.sent().len(), 0);
    assert_eq!(clock.status().event_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_service_keeps_its_type() {
    let world = World::with_skew(0);
    let script = Script::new(&world);
    let layer = world
        .skew_clock()
        .signing_layer(credentials(), "us-east-1", "sqs");
    script.plan([Some(Err(Lost)), Some(Err(Lost))]);
    // The first request waits for the credentials. The second has them already.
    for _ in 0..2 {
        let error = layer.layer(script.clone()).oneshot(unsigned()).await;
        assert!(error.map(drop).unwrap_err().is::<Lost>());
    }
    script.break_down();
    let mut service = layer.layer(script);
    let error = ServiceExt::<Request<Full<Bytes>>>::ready(&mut service).await;
    assert!(error.map(drop).unwrap_err().is::<Lost>());
}

/// A body that can be cloned and cannot be read.
#[derive(Clone)]
struct Broken;

impl Body for Broken {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        Poll::Ready(Some(Err(Lost)))
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_not_sent_as_an_unsigned_payload() {
    let world = World::with_skew(0);
    let script = Script::new(&world);
    let clock = world.skew_clock();
    let layer = clock.signing_layer(credentials(), "us-east-1", "s3");
    let sent = layer.layer(script.clone()).oneshot(unsigned()).await;
    assert!(sent.is_ok());
    let request = unsigned().map(|_| Broken);
    let error = layer.layer(script.clone()).oneshot(request).await;
    assert!(error.map(drop).unwrap_err().is::<SigningError>());
    assert_eq!(script.sent().len(), 1);
}

/// After a change of the correction the layer asks the provider again. On a clock that is behind,
/// the credentials seem to last longer than they do. On one that is ahead, they seem to have
/// expired when they are loaded.
#[tokio::test(start_paused = true)]
async fn valid_credentials_stand_in_for_a_provider_that_fails_after_a_change_of_the_clock() {
    for skew in [-HOUR, HOUR] {
        for then in [Step::Fail, Step::Hang] {
            let world = World::with_skew(skew);
            let script = Script::new(&world);
            let provider = Provider::new(&world, [Step::Load(30), then, Step::Fail]);
            let clock = world.skew_clock();
            let layer = clock.signing_layer(provider.clone(), "us-east-1", "sqs");
            let call = async || {
                let answer = layer.layer(script.clone()).oneshot(unsigned()).await;
                answer.map(|answer| answer.status())
            };
            let before = Instant::now();
            for _ in 0..10 {
                assert_eq!(call().await.unwrap(), StatusCode::OK, "{skew} {then:?}");
            }
            // One call waits for the provider, for up to five seconds.
            assert_eq!((provider.loads(), before.elapsed().as_secs() / 6), (2, 0));
            assert_eq!(script.sent().len(), 11);
            // Now they have expired by the local clock too.
            world.advance(minutes(91));
            let error = call().await.unwrap_err();
            assert!(error.is::<SigningError>(), "{skew} {then:?}: {error}");
            assert_eq!(script.sent().len(), 11);
        }
    }
}

/// On a clock nine hours ahead, a role of an hour has expired when it is loaded. The calls that
/// wait for it use it all the same.
#[tokio::test(start_paused = true)]
async fn a_burst_on_a_clock_hours_ahead_asks_for_credentials_once() {
    let world = World::with_skew(9 * HOUR);
    let script = Script::new(&world);
    let provider = Provider::new(&world, [Step::Load(60); 300]);
    let clock = world.skew_clock();
    let layer = clock.signing_layer(provider.clone(), "us-east-1", "sqs");
    let service = layer.layer(script.clone());
    let before = Instant::now();
    for burst in 0..2 {
        let calls = (0..200).map(|_| {
            let call = service.clone().oneshot(unsigned());
            timeout(Duration::from_secs(1), call)
        });
        let answers = futures_util::future::join_all(calls).await;
        let failed = answers.iter().filter(
            |answer| !matches!(answer, Ok(Ok(answer)) if answer.status() == StatusCode::OK),
        );
        assert_eq!(failed.count(), 0, "burst {burst}");
        // The second load since the correction changed.
        assert_eq!(provider.loads(), burst + 1);
    }
    assert!(before.elapsed() < Duration::from_secs(1));
    assert_eq!(script.sent().len(), 600);
}

/// A load that fails costs one call, as with the SDK's own cache. The next call that waits asks
/// again.
#[tokio::test(start_paused = true)]
async fn one_failure_of_the_provider_fails_one_call() {
    let world = World::with_skew(0);
    let script = Script::new(&world);
    let provider = Provider::new(&world, [Step::Fail, Step::Load(60)]);
    let clock = world.skew_clock();
    let layer = clock.signing_layer(provider.clone(), "us-east-1", "sqs");
    let service = layer.layer(script.clone());
    let calls: Vec<_> = (0..100)
        .map(|_| service.clone().oneshot(unsigned()))
        .collect();
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 1);
    assert_eq!((provider.loads(), script.sent().len()), (2, 99));
    assert!(service.oneshot(unsigned()).await.is_ok());
    assert_eq!(provider.loads(), 2);
}
