//! The allocations of an accepted request in `SkewLayer`.
//!
//! If a request has extensions, the layer clones those too.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use aws_clock_skew::{ClockOffset, LocalClock, ManualClock, SkewClock};
use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{Layer, Service};

/// Accepts every request without allocating.
#[derive(Clone, Debug)]
struct Accepts;

impl Service<Request<Full<Bytes>>> for Accepts {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        drop(request);
        ready(Ok(Response::default()))
    }
}

fn request(uri: &str) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::from("body"));
    *request.uri_mut() = uri.parse().unwrap_or_default();
    let signature = "AWS4-HMAC-SHA256 Credential=AKIA/20270115/us-east-1/sqs/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature=00";
    for (name, value) in [
        ("host", "sqs.us-east-1.amazonaws.com"),
        ("x-amz-date", "20270115T080000Z"),
        ("authorization", signature),
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "AmazonSQS.SendMessage"),
    ] {
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    request
}

fn call<S: Service<Request<Full<Bytes>>>>(service: &mut S, request: Request<Full<Bytes>>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let answer = pin!(service.call(request)).poll(&mut cx);
    assert!(answer.is_ready());
}

/// The allocations of a call through the layer, less those of the service and of cloning the header
/// map and the URI.
fn beyond_the_clones(clock: &SkewClock, uri: &str) -> u64 {
    let layer = clock.layer(Credentials::new("AKIA", "secret", None, None, "test"));
    let mut service = layer.layer(Accepts);
    // Values that are built once are built here.
    call(&mut service, request(uri));
    let given = request(uri);
    let clones = allocation_counter::measure(|| {
        drop((given.headers().clone(), given.uri().clone()));
    });
    let alone = allocation_counter::measure(|| call(&mut Accepts, request(uri)));
    let layered = allocation_counter::measure(|| call(&mut service, request(uri)));
    println!(
        "{uri}: {} alone, {} clones, {} through the layer",
        alone.count_total, clones.count_total, layered.count_total
    );
    layered.count_total - alone.count_total - clones.count_total
}

fn machine() -> ManualClock {
    ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000))
}

/// Two are allowed. One of them is the host name, which the layer reads once a minute until AWS has
/// confirmed the clock.
#[test]
fn an_accepted_request_costs_little_more_than_the_copy_of_its_head() {
    let clock = SkewClock::builder().local_clock(machine()).build();
    assert_eq!(beyond_the_clones(&clock, "http://sqs.test/"), 1);
    assert_eq!(beyond_the_clones(&clock, "https://sqs.test/"), 1);
    assert_eq!(beyond_the_clones(&clock, AWS), 0);
}

/// A response without a `Date`, or with one that agrees, is no evidence.
#[test]
fn a_corrected_request_costs_no_more() {
    let machine = machine();
    // The request is signed with the corrected time.
    machine.set_wall(machine.wall() - Duration::from_secs(60));
    let clock = SkewClock::builder()
        .local_clock(machine)
        .initial_offset(ClockOffset::from_millis(60_000))
        .build();
    assert!(clock.status().is_correcting());
    assert_eq!(beyond_the_clones(&clock, AWS), 0);
}

const AWS: &str = "https://sqs.us-east-1.amazonaws.com/";
