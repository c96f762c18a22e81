//! The contract of `tower::Service`.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use aws_clock_skew::SkewClock;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_http::timeout::TimeoutLayer;

use crate::script::{Lost, Script, signed};
use crate::stack::{credentials, operation};
use crate::world::{HOUR, MINUTE, World};

async fn ready<S: Service<Request<Full<Bytes>>>>(service: &mut S) -> Result<&mut S, S::Error> {
    service.ready().await
}

async fn call<S: Service<Request<Full<Bytes>>>>(
    service: &mut S,
    request: Request<Full<Bytes>>,
) -> Result<S::Response, S::Error> {
    ready(service).await?.call(request).await
}

/// Credentials that take a moment to load.
#[derive(Debug)]
struct Slow;

impl ProvideCredentials for Slow {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            tokio::task::yield_now().await;
            Ok::<Credentials, _>(credentials())
        })
    }
}

/// `Script` panics when it is called without being ready.
#[tokio::test]
async fn only_a_service_that_is_ready_is_called() {
    for skew in [-HOUR, 0] {
        let world = World::with_skew(skew);
        let clock = world.skew_clock();
        let script = Script::new(&world);
        let mut below = ServiceBuilder::new()
            .layer(clock.layer(Slow))
            .service(script.clone());
        let mut signing = ServiceBuilder::new()
            .layer(clock.signing_layer(Slow, "us-east-1", "sqs"))
            .service(script.clone());
        for _ in 0..3 {
            let answer = call(&mut below, signed(&world)).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            let unsigned = operation("http://sqs.test/", "AmazonSQS.Op", String::new());
            let answer = call(&mut signing, unsigned).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
        }
        assert_eq!(script.sent().len(), 6 + usize::from(skew != 0));
    }
}

#[tokio::test]
async fn a_clone_that_is_left_has_to_become_ready_itself() {
    let world = World::with_skew(0);
    let skew = world.skew_clock().layer(credentials());
    let mut service = tower::Layer::layer(&skew, Script::new(&world));
    drop(ready(&mut service).await.unwrap().call(signed(&world)));
    let again = std::panic::AssertUnwindSafe(|| drop(service.call(signed(&world))));
    assert!(std::panic::catch_unwind(again).is_err());
}

#[tokio::test]
async fn limits_and_buffers_below_do_not_get_stuck() {
    let world = World::with_skew(-HOUR);
    let script = Script::new(&world);
    let service = ServiceBuilder::new()
        .layer(world.skew_clock().layer(Slow))
        .layer(ConcurrencyLimitLayer::new(1))
        .buffer(1)
        .layer(ConcurrencyLimitLayer::new(1))
        .service(script.clone());
    let calls = (0..50).map(|_| service.clone().oneshot(signed(&world)));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    let sent = script.sent().len();
    assert!((51..=100).contains(&sent), "{sent}");
}

/// The layers of tower-http that respond by themselves need a body for the response.
#[tokio::test(start_paused = true)]
async fn a_time_out_of_tower_http_stands_above_or_below() {
    let world = World::with_skew(-HOUR);
    let script = Script::new(&world);
    let limit = || {
        let status = StatusCode::GATEWAY_TIMEOUT;
        TimeoutLayer::with_status_code(status, Duration::from_secs(1))
    };
    let below = ServiceBuilder::new()
        .layer(limit())
        .layer(world.skew_clock().layer(credentials()))
        .service(script.clone());
    let answer = below.oneshot(signed(&world)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let clock = world.skew_clock();
    let mut signing = ServiceBuilder::new()
        .layer(limit())
        .layer(clock.signing_layer(credentials(), "us-east-1", "sqs"))
        .layer(limit())
        .service(script.clone());
    let unsigned = || operation("http://sqs.test/", "AmazonSQS.Op", String::new());
    let answer = call(&mut signing, unsigned()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Result<_, Lost>>();
    let hangs = futures_util::stream::unfold(receiver, async |mut receiver| {
        Some((receiver.recv().await?, receiver))
    });
    let hangs = http_body_util::StreamBody::new(hangs);
    script.plan([Some(Ok(crate::script::with_body(503, hangs)))]);
    let answer = call(&mut signing, unsigned()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(
        answer
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .is_empty()
    );
    drop(sender.send(Ok(http_body::Frame::data(Bytes::new()))));
}

#[tokio::test]
async fn a_dropped_future_sends_nothing_more_and_the_correction_stays() {
    let mut corrections = 0;
    for polls in 0..100 {
        let world = World::with_skew(-HOUR);
        let clock = world.skew_clock();
        let script = Script::new(&world);
        let service = tower::Layer::layer(&clock.layer(Slow), script.clone());
        let is_done = {
            let mut call = pin!(service.oneshot(signed(&world)));
            let mut cx = Context::from_waker(Waker::noop());
            (0..polls).any(|_| call.as_mut().poll(&mut cx).is_ready())
        };
        let sent = script.sent().len();
        let is_correcting = clock.status().is_correcting();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(script.sent().len(), sent, "after {polls} polls");
        assert_eq!(clock.status().is_correcting(), is_correcting);
        if is_done {
            assert!(
                is_correcting && sent == 2 && polls > 5 && corrections > 1,
                "{polls}"
            );
            return;
        }
        corrections += u32::from(is_correcting);
    }
    panic!("it never ended");
}

#[tokio::test]
async fn nothing_is_spawned() {
    let world = World::with_skew(-HOUR);
    let service = tower::Layer::layer(&world.skew_clock().layer(Slow), Script::new(&world));
    let handle = tokio::runtime::Handle::current();
    let before = handle.metrics().num_alive_tasks();
    let mut call = pin!(service.oneshot(signed(&world)));
    let mut cx = Context::from_waker(Waker::noop());
    while call.as_mut().poll(&mut cx).is_pending() {
        assert_eq!(handle.metrics().num_alive_tasks(), before);
    }
}

#[tokio::test]
async fn errors_of_the_service_pass_through() {
    let world = World::with_skew(20 * MINUTE);
    let script = Script::new(&world);
    let clock = world.skew_clock();
    let mut service = tower::Layer::layer(&clock.layer(credentials()), script.clone());
    script.plan([Some(Err(Lost))]);
    let error = call(&mut service, signed(&world)).await;
    assert_eq!(error.map(drop), Err(Lost));
    script.break_down();
    assert_eq!(ready(&mut service).await.map(drop), Err(Lost));
    assert_eq!(clock.status().event_count(), 0);
}

#[tokio::test]
async fn an_unsigned_request_is_passed_on_and_changes_nothing() {
    let world = World::with_skew(-HOUR);
    let clock = world.skew_clock();
    let script = Script::new(&world);
    let mut service = tower::Layer::layer(&clock.layer(credentials()), script.clone());
    let request = operation("http://sqs.test/", "AmazonSQS.Op", String::new());
    let answer = call(&mut service, request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(answer.into_body().collect().await.is_ok());
    assert_eq!(script.sent().len(), 1);
    assert_eq!(clock.status().event_count(), 0);
}

/// Other code may rely on these bounds and send the types across threads.
#[test]
fn everything_can_be_cloned_sent_and_shared() {
    fn is<T: Clone + Send + Sync>(value: T) -> T {
        value
    }
    fn is_send<T: Send>(_: &T) {}
    let world = World::with_skew(0);
    let clock: SkewClock = world.skew_clock();
    let below = is(clock.layer(credentials()));
    let signing = is(clock.signing_layer(credentials(), "us-east-1", "sqs"));
    let mut below = is(tower::Layer::layer(
        &below,
        crate::stack::client::<Full<_>>(),
    ));
    is(tower::Layer::layer(
        &signing,
        crate::stack::client::<Full<Bytes>>(),
    ));
    let request = Request::new(Full::<Bytes>::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let _guard = runtime.as_ref().map(tokio::runtime::Runtime::enter);
    is_send(&below.call(request));
}
