//! Services that are not ready: a signature does not expire before its request is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::{LocalClock, SkewClock};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};

use crate::script::basic;
use crate::stack::{credentials, operation};
use crate::world::{MINUTE, minutes, shifted};

/// A machine whose time is that of a paused runtime.
#[derive(Clone, Debug)]
pub(crate) struct Paused {
    start: Instant,
    skew: i64,
    /// How many requests the service has rejected.
    rejected: Arc<AtomicUsize>,
}

impl Paused {
    pub(crate) fn with_skew(skew: i64) -> Self {
        let start = Instant::now();
        Self {
            start,
            skew,
            rejected: Arc::default(),
        }
    }

    pub(crate) fn skew_clock(&self) -> SkewClock {
        SkewClock::builder().local_clock(self.clone()).build()
    }

    fn true_time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.elapsed()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

impl LocalClock for Paused {
    fn wall(&self) -> SystemTime {
        shifted(self.true_time(), self.skew)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(1_000) + self.elapsed()
    }
}

/// A service with a tolerance of five minutes. A response takes half a second. Before its second
/// request it takes ten minutes to become ready.
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
            machine.rejected.fetch_add(1, Ordering::Relaxed);
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
    for signs in [true, false] {
        let machine = Paused::with_skew(-20 * MINUTE);
        let service = over(&machine, signs, Sqs::new(&machine, true));
        assert_eq!(service.oneshot(unsigned()).await.unwrap(), StatusCode::OK);
        assert!(machine.elapsed() >= minutes(10));
    }
}

type Stack = BoxCloneSyncService<Request<Full<Bytes>>, StatusCode, BoxError>;

/// `SigningLayer` over a service, or `SkewLayer` below a signer that reads the local clock.
fn over<S>(machine: &Paused, signs: bool, service: S) -> Stack
where
    S: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = BoxError>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    let clock = machine.skew_clock();
    if signs {
        let layer = clock.signing_layer(credentials(), "us-east-1", "sqs");
        let service = layer.layer(service);
        return Stack::new(service.map_response(|answer| answer.status()));
    }
    let machine = machine.clone();
    let service = ServiceBuilder::new()
        .map_request(move |request| {
            crate::stack::signed(request, "sqs", &credentials(), machine.wall())
        })
        .layer(clock.layer(credentials()))
        .service(service);
    Stack::new(service.map_response(|answer| answer.status()))
}

/// The service or layer below the layer under test.
#[derive(Clone, Copy, Debug)]
enum Below {
    Limit,
    Rate,
    Buffer,
}

/// Up to two thousand calls in flight, over a service that answers two a second. The last one waits
/// for longer than a signature is valid.
#[tokio::test(start_paused = true)]
async fn no_signature_expires_in_the_queue_of_a_limit() {
    for (below, signs, calls) in [
        (Below::Limit, true, 2_000),
        (Below::Limit, false, 1_000),
        (Below::Rate, true, 1_000),
        (Below::Rate, false, 1_000),
        (Below::Buffer, true, 1_000),
        (Below::Buffer, false, 1_000),
    ] {
        let machine = Paused::with_skew(-20 * MINUTE);
        let sqs = Sqs::new(&machine, false);
        let limits = ServiceBuilder::new();
        let stack = match below {
            Below::Limit => over(&machine, signs, limits.concurrency_limit(1).service(sqs)),
            Below::Rate => {
                let limits = limits.buffer(1).rate_limit(2, Duration::from_secs(1));
                over(&machine, signs, limits.service(sqs))
            }
            Below::Buffer => {
                let limits = limits.buffer(100).concurrency_limit(1);
                over(&machine, signs, limits.service(sqs))
            }
        };
        let case = format!("{below:?}, {signs}");
        assert_eq!(failed(stack, calls).await, 0, "{case}");
        // The calls that were in the queue when the first clock skew error came.
        let most = if matches!(below, Below::Buffer) {
            103
        } else {
            5
        };
        let rejected = machine.rejected.load(Ordering::Relaxed);
        assert!(
            (1..=most).contains(&rejected),
            "{case}: {rejected} rejected"
        );
        assert!(machine.elapsed() > minutes(8), "{case}");
    }
}

/// Sends calls all at once, and returns how many fail.
async fn failed<S>(stack: S, calls: usize) -> usize
where
    S: Service<Request<Full<Bytes>>, Response = StatusCode, Error = BoxError>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let mut sent = JoinSet::new();
    for _ in 0..calls {
        sent.spawn(stack.clone().oneshot(unsigned()));
    }
    let statuses = sent.join_all().await;
    let is_failed = |status: &&Result<_, _>| !matches!(status, Ok(StatusCode::OK));
    statuses.iter().filter(is_failed).count()
}

/// A buffer holds requests that are already signed. If it holds more than the service can answer
/// while a signature is valid, it has to stand above the layer.
#[tokio::test(start_paused = true)]
async fn a_deep_buffer_stands_above_the_layer() {
    let machine = Paused::with_skew(-20 * MINUTE);
    let limited = ServiceBuilder::new()
        .concurrency_limit(1)
        .service(Sqs::new(&machine, false));
    let stack = ServiceBuilder::new()
        .buffer(2_000)
        .service(over(&machine, true, limited));
    assert_eq!(failed(stack, 2_000).await, 0);
    assert_eq!(machine.rejected.load(Ordering::Relaxed), 1);
}
