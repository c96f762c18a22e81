//! The integration: a layer over a server that rejects the first send for its time.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::event::{EventKind, SkipReason};
use aws_clock_skew::{ManualClock, SkewClock, SkewEvent};
use aws_credential_types::Credentials;
use aws_smithy_types::date_time::{DateTime, Format};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt};

/// When everything here is signed first: 2027-01-15T08:00:00Z.
pub(crate) fn signed_at() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// How the server words its rejection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rejection {
    /// The server's clock agrees with ours: sign again, by the same clock.
    SameTime,
    /// The server's clock is this far ahead: sign again by that.
    Ahead(Duration),
}

/// What the server has seen, and what came of it.
#[derive(Debug)]
pub(crate) struct Passage {
    pub(crate) sent: Vec<Request<Bytes>>,
    pub(crate) status: StatusCode,
    pub(crate) reason: Option<SkipReason>,
}

/// Sends a request through the layer; the server rejects it once.
pub(crate) async fn pass(
    request: &Request<Bytes>,
    credentials: &Credentials,
    rejection: Rejection,
) -> Passage {
    let clock = SkewClock::builder()
        .local_clock(ManualClock::new(signed_at()))
        .build();
    let signed_at = request.headers().get("x-amz-date");
    let signed_at = signed_at
        .and_then(|date| date.to_str().ok())
        .unwrap_or_default();
    let server = Server::new([rejection.response(signed_at)]);
    let request = request.clone().map(Full::new);
    let layer = clock.layer(credentials.clone());
    let Ok(response) = layer.layer(server.clone()).oneshot(request).await;
    let reason = match clock.status().last_event().map(SkewEvent::kind) {
        Some(EventKind::ResendSkipped { reason, .. }) => Some(reason),
        _ => None,
    };
    Passage {
        sent: server.sent(),
        status: response.status(),
        reason,
    }
}

impl Rejection {
    /// To a request with this `x-amz-date`, which the message states.
    fn response(self, signed: &str) -> Response<Full<Bytes>> {
        let (time, text) = match self {
            Self::SameTime => {
                let text = "<Error><Code>RequestTimeTooSkewed</Code></Error>".to_owned();
                (signed_at(), text)
            }
            Self::Ahead(by) => {
                let now = signed_at() + by;
                let tolerance = Duration::from_mins(15);
                let (low, high) = (basic(now - tolerance), basic(now + tolerance));
                let now_stated = basic(now);
                let message = if signed > high.as_str() {
                    format!(
                        "not yet current: {signed} is still later than {high} ({now_stated} + 15 min.)"
                    )
                } else {
                    format!("expired: {signed} is now earlier than {low} ({now_stated} - 15 min.)")
                };
                let text = format!(
                    r#"{{"__type":"InvalidSignatureException","message":"Signature {message}"}}"#
                );
                (now, text)
            }
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = StatusCode::FORBIDDEN;
        let date = DateTime::from(time)
            .fmt(Format::HttpDate)
            .unwrap_or_default();
        let headers = response.headers_mut();
        headers.extend(
            [("date", date), ("x-amz-request-id", "id-1".to_owned())].map(|(name, value)| {
                let value = value.parse().unwrap_or(http::HeaderValue::from_static(""));
                (http::HeaderName::from_static(name), value)
            }),
        );
        response
    }
}

/// `20270115T080000Z`
pub(crate) fn basic(time: SystemTime) -> String {
    let seconds = DateTime::from_secs(DateTime::from(time).secs());
    let text = seconds.fmt(Format::DateTime).unwrap_or_default();
    text.replace(['-', ':'], "")
}

/// Keeps what it is sent; answers as planned, and then that all is well.
#[derive(Clone, Debug)]
struct Server(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    sent: Vec<Request<Full<Bytes>>>,
    answers: VecDeque<Response<Full<Bytes>>>,
}

impl Server {
    fn new(answers: impl IntoIterator<Item = Response<Full<Bytes>>>) -> Self {
        Self(Arc::new(Mutex::new(Seen {
            sent: Vec::new(),
            answers: answers.into_iter().collect(),
        })))
    }

    fn sent(&self) -> Vec<Request<Bytes>> {
        let seen = self
            .0
            .lock()
            .expect("no thread panicked while it held the lock");
        let whole = |request: &Request<Full<Bytes>>| request.clone().map(bytes_of);
        seen.sent.iter().map(whole).collect()
    }
}

impl Service<Request<Full<Bytes>>> for Server {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let mut seen = self
            .0
            .lock()
            .expect("no thread panicked while it held the lock");
        seen.sent.push(request);
        ready(Ok(seen.answers.pop_front().unwrap_or_default()))
    }
}

fn bytes_of(body: Full<Bytes>) -> Bytes {
    use http_body::Body;
    let mut body = std::pin::pin!(body);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    match body.as_mut().poll_frame(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => Bytes::new(),
    }
}
