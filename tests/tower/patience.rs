//! Callers that stop waiting, services that are not ready, and bodies without an end.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::{LocalClock, SkewClock};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::Full;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};

use crate::log::Log;
use crate::script::{Lost, Script, basic, signed, with_body};
use crate::stack::{credentials, operation};
use crate::world::{HOUR, MINUTE, World, minutes, shifted};

/// Credentials that are there so many times, and later never.
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
async fn a_call_that_is_given_up_has_updated_the_clock() {
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
    // So the next request of any client is signed with the correct time.
    let layer = clock.signing_layer(credentials(), "us-east-1", "sqs");
    let unsigned = operation("http://sqs.test/", "AmazonSQS.Op", String::new());
    let answer = layer.layer(script.clone()).oneshot(unsigned).await;
    assert_eq!(answer.map(|answer| answer.status()), Ok(StatusCode::OK));
    assert_eq!(script.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn credentials_at_hand_are_not_waited_for() {
    let world = World::with_skew(-HOUR);
    let script = Script::new(&world);
    let clock = world.skew_clock();
    let layer = clock.signing_layer(Then(AtomicUsize::new(1)), "us-east-1", "sqs");
    let unsigned = operation("http://sqs.test/", "AmazonSQS.Op", String::new());
    let call = layer.layer(script.clone()).oneshot(unsigned);
    let answer = timeout(Duration::from_secs(1), call).await;
    let answer = answer.expect("the credentials that signed are known");
    assert_eq!(answer.map(|answer| answer.status()), Ok(StatusCode::OK));
    assert_eq!(script.sent().len(), 2);
}

/// A machine in the time of a paused runtime.
#[derive(Clone, Debug)]
struct Paused {
    start: Instant,
    skew: i64,
}

impl Paused {
    fn with_skew(skew: i64) -> Self {
        let start = Instant::now();
        Self { start, skew }
    }

    fn skew_clock(&self) -> SkewClock {
        SkewClock::builder().local_clock(self.clone()).build()
    }

    fn true_time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

impl LocalClock for Paused {
    fn wall(&self) -> SystemTime {
        shifted(self.true_time(), self.skew)
    }

    fn boot(&self) -> Duration {
        Duration::from_secs(1_000) + self.elapsed()
    }
}

/// A service with a tolerance of five minutes that takes half a second, and before its
/// second request ten minutes until it is ready.
#[derive(Debug)]
struct Sqs {
    machine: Paused,
    requests: Arc<AtomicUsize>,
    is_resting: bool,
    rest: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Sqs {
    fn new(machine: &Paused, is_resting: bool) -> Self {
        Self {
            machine: machine.clone(),
            requests: Arc::default(),
            is_resting,
            rest: None,
        }
    }
}

impl Clone for Sqs {
    fn clone(&self) -> Self {
        Self {
            machine: self.machine.clone(),
            requests: self.requests.clone(),
            is_resting: self.is_resting,
            rest: None,
        }
    }
}

impl Service<Request<Full<Bytes>>> for Sqs {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if !self.is_resting || self.requests.load(Ordering::Relaxed) == 0 {
            return Poll::Ready(Ok(()));
        }
        let rest = self
            .rest
            .get_or_insert_with(|| Box::pin(sleep(minutes(10))));
        rest.as_mut().poll(cx).map(Ok)
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let machine = self.machine.clone();
        Box::pin(async move {
            let signed_at = request.headers()["x-amz-date"].to_str()?.to_owned();
            let now = machine.true_time();
            let low = basic(now - minutes(5));
            sleep(Duration::from_millis(500)).await;
            if signed_at >= low {
                return Ok(Response::new(Full::from("{}")));
            }
            let text = format!(
                "Signature expired: {signed_at} is now earlier than {low} ({} - 5 min.)",
                basic(now)
            );
            Ok(Response::builder().status(403).body(Full::from(text))?)
        })
    }
}

fn unsigned() -> Request<Full<Bytes>> {
    let url = "https://sqs.us-east-1.amazonaws.com/";
    operation(url, "AmazonSQS.Op", "x".to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_resend_is_signed_when_the_service_below_is_ready() {
    let machine = Paused::with_skew(-20 * MINUTE);
    let clock = machine.skew_clock();
    let layer = clock.signing_layer(credentials(), "us-east-1", "sqs");
    let service = layer.layer(Sqs::new(&machine, true));
    let answer = service.oneshot(unsigned()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(machine.elapsed() >= minutes(10));
}

#[tokio::test(start_paused = true)]
async fn no_signature_expires_in_the_queue_of_a_limit() {
    for limit in [1, 2] {
        for skew in [0, -20 * MINUTE] {
            let machine = Paused::with_skew(skew);
            let stack = ServiceBuilder::new()
                .layer(
                    machine
                        .skew_clock()
                        .signing_layer(credentials(), "us-east-1", "sqs"),
                )
                .concurrency_limit(limit)
                .service(Sqs::new(&machine, false));
            let mut calls = JoinSet::new();
            for _ in 0..2_000 {
                let stack = stack.clone();
                calls.spawn(async move { stack.oneshot(unsigned()).await.unwrap().status() });
            }
            let statuses = calls.join_all().await;
            let lost = statuses.iter().filter(|status| **status != StatusCode::OK);
            assert_eq!(lost.count(), 0, "{limit} at a time, {skew} s ahead");
        }
    }
}

/// Ready with an empty frame as often as it is asked, and never done.
struct Endless(Arc<AtomicUsize>);

impl Body for Endless {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
    }
}

#[tokio::test]
async fn an_error_body_of_empty_frames_is_passed_on_unread() {
    let world = World::with_skew(0);
    let script = Script::new(&world);
    let frames = Arc::new(AtomicUsize::new(0));
    script.plan([Some(Ok(with_body(403, Endless(frames.clone()))))]);
    let layer = world.skew_clock().layer(credentials());
    let answer = layer.layer(script.clone()).oneshot(signed(&world)).await;
    assert_eq!(
        answer.map(|answer| answer.status()),
        Ok(StatusCode::FORBIDDEN)
    );
    let read = frames.load(Ordering::Relaxed);
    assert!(read <= 10_000, "{read} empty frames were read");
}

/// Other keys at each load, as `AssumeRole` gives, which a clock 20 minutes ahead takes
/// for expired at once.
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

/// However many access keys are in flight, of one layer or of one layer each: a resend
/// has the key of its first send.
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
        // The last ones are signed when the first have come back.
        assert!((500..=600).contains(&sent.len()), "{layers} layers");
        let mut times_sent = std::collections::HashMap::new();
        for sent in &sent {
            let authorization = sent.headers["authorization"].to_str().unwrap();
            let (before, _) = authorization.split_once('/').unwrap();
            *times_sent.entry(before.to_owned()).or_insert(0) += 1;
        }
        if layers == 1 {
            // Calls that waited for a load share it.
            assert!(times_sent.len() > 100, "{}", times_sent.len());
            continue;
        }
        assert_eq!(times_sent.len(), 300);
        assert!(times_sent.values().all(|times| *times <= 2));
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

/// What lies within two minutes goes as it was signed, and so does what cannot be
/// proven.
#[tokio::test]
async fn other_signatures_go_as_they_came() {
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
