//! The service and the requests for the Tower layers.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aws_clock_skew::{LocalClock, SystemClock};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tower::Service;

/// A service that accepts every request at once, with the local time.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Accepts;

impl Accepts {
    /// Returns the service.
    #[expect(clippy::new_without_default, reason = "one way is enough")]
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Service<Request<Full<Bytes>>> for Accepts {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        drop(request);
        let mut response = Response::default();
        let date = httpdate::fmt_http_date(SystemClock::new().wall());
        if let Ok(date) = HeaderValue::try_from(date) {
            response.headers_mut().insert("date", date);
        }
        ready(Ok(response))
    }
}

/// Returns a request with a made-up signature and the local time, to an endpoint of AWS.
///
/// # Panics
///
/// If the year is after 9999.
#[must_use]
pub fn signed_request() -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::from(
        "{\"QueueUrl\":\"https://sqs.us-east-1.amazonaws.com/1/q\"}",
    ));
    *request.uri_mut() = http::Uri::from_static("https://sqs.us-east-1.amazonaws.com/");
    request.headers_mut().insert("x-amz-date", amz_date());
    for (name, value) in [
        ("host", "sqs.us-east-1.amazonaws.com"),
        ("authorization", AUTHORIZATION),
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "AmazonSQS.ReceiveMessage"),
    ] {
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    request
}

/// The local time as `YYYYMMDDTHHMMSSZ`.
#[expect(clippy::unwrap_used, reason = "there is nothing to measure without")]
fn amz_date() -> HeaderValue {
    let now = DateTime::from_secs(DateTime::from(SystemClock::new().wall()).secs());
    let text = now.fmt(Format::DateTime).unwrap();
    HeaderValue::try_from(text.replace(['-', ':'], "")).unwrap()
}

/// Sends a request through a service that responds at once.
///
/// # Panics
///
/// If the service does not respond at once.
pub fn call<S: Service<Request<Full<Bytes>>>>(service: &mut S, request: Request<Full<Bytes>>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    assert!(pin!(service.call(request)).poll(&mut cx).is_ready());
}

const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20270115/us-east-1/sqs/aws4_request, \
     SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
     Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
