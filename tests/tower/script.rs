//! A service in the process that follows a script and enforces the contract of `tower::Service`.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::date_time::{DateTime, Format};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tower::Service;

use crate::world::World;

pub(crate) type Answer = Result<Response<UnsyncBoxBody<Bytes, Lost>>, Lost>;

/// The error of a lost connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection lost")
    }
}

impl std::error::Error for Lost {}

/// A service with the true time and a tolerance of five minutes. It checks only the time of a
/// signature; the endpoint verifies signatures.
#[derive(Debug)]
pub(crate) struct Script {
    shared: Arc<Mutex<Shared>>,
    world: World,
    /// The error message, if only the `Date` states the time.
    message: Option<&'static str>,
    /// Whether `poll_ready` of this very clone returned `Ready`.
    is_ready: bool,
    readiness: Pending,
}

struct Shared {
    sent: Vec<Sent>,
    planned: VecDeque<Option<Answer>>,
    unready: VecDeque<Lost>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// A request as the service received it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) version: Version,
    pub(crate) marker: Option<u32>,
    pub(crate) declared: Option<u64>,
    pub(crate) body: Bytes,
}

impl Script {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared {
                sent: Vec::new(),
                planned: VecDeque::new(),
                unready: VecDeque::new(),
            })),
            world: world.clone(),
            message: None,
            is_ready: false,
            readiness: Pending::default(),
        }
    }

    /// A service that states its time only in `Date`.
    pub(crate) fn with_message(world: &World, message: &'static str) -> Self {
        Self {
            message: Some(message),
            ..Self::new(world)
        }
    }

    /// Plans the responses to the next requests; `None` is that of the service itself.
    pub(crate) fn plan(&self, answers: impl IntoIterator<Item = Option<Answer>>) {
        self.shared().planned.extend(answers);
    }

    /// Drops the plans that have not happened.
    pub(crate) fn forget_plans(&self) {
        self.shared().planned.clear();
    }

    /// From now on the service is not usable.
    pub(crate) fn break_down(&self) {
        self.shared().unready.push_back(Lost);
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.shared().sent.clone()
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().expect("is not poisoned")
    }
}

impl Clone for Script {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            world: self.world.clone(),
            message: self.message,
            is_ready: false,
            readiness: Pending::default(),
        }
    }
}

impl<B> Service<Request<B>> for Script
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: fmt::Debug,
{
    type Response = Response<UnsyncBoxBody<Bytes, Lost>>;
    type Error = Lost;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        if self.readiness.is_pending(cx) {
            return Poll::Pending;
        }
        if let Some(lost) = self.shared().unready.pop_front() {
            return Poll::Ready(Err(lost));
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.is_ready),
            "called before it was ready"
        );
        let (shared, world) = (self.shared.clone(), self.world.clone());
        let dated_message = self.message;
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let declared = body.size_hint().exact();
            tokio::task::yield_now().await;
            let body = body.collect().await.expect("a request's body").to_bytes();
            let own = answer(&parts.headers, world.true_time(), dated_message);
            let planned = {
                let mut shared = shared.lock().expect("is not poisoned");
                shared.sent.push(Sent {
                    marker: parts.extensions.get().copied(),
                    method: parts.method,
                    uri: parts.uri,
                    headers: parts.headers,
                    version: parts.version,
                    declared,
                    body,
                });
                shared.planned.pop_front().flatten()
            };
            tokio::task::yield_now().await;
            planned.unwrap_or(own)
        })
    }
}

fn answer(headers: &HeaderMap, now: SystemTime, dated_message: Option<&str>) -> Answer {
    let signed_at = headers
        .get("x-amz-date")
        .and_then(|date| date.to_str().ok());
    let signed_at = signed_at.unwrap_or_default();
    let tolerance = Duration::from_mins(5);
    let (low, high) = (basic(now - tolerance), basic(now + tolerance));
    // In this layout the texts sort as the times do.
    let message = if signed_at < low.as_str() {
        format!(
            "Signature expired: {signed_at} is now earlier than {low} ({} - 5 min.)",
            basic(now)
        )
    } else if signed_at > high.as_str() {
        format!(
            "Signature not yet current: {signed_at} is still later than {high} ({} + 5 min.)",
            basic(now)
        )
    } else {
        return Ok(response(200, "{}"));
    };
    Ok(match dated_message {
        Some(text) => dated(text, now),
        None => response(403, &rejection(&message)),
    })
}

/// A clock skew error that states its time only in `Date`.
pub(crate) fn dated(text: &str, time: SystemTime) -> Response<UnsyncBoxBody<Bytes, Lost>> {
    let mut rejection = response(403, text);
    let date = httpdate::fmt_http_date(time);
    let headers = rejection.headers_mut();
    headers.insert(
        "date",
        HeaderValue::from_str(&date).expect("a date is a value"),
    );
    headers.insert("x-amz-request-id", HeaderValue::from_static("id-1"));
    rejection
}

pub(crate) fn rejection(message: &str) -> String {
    format!(r#"{{"__type":"InvalidSignatureException","message":"{message}"}}"#)
}

pub(crate) fn response(status: u16, body: &str) -> Response<UnsyncBoxBody<Bytes, Lost>> {
    with_body(
        status,
        Full::from(body.to_owned()).map_err(|never| match never {}),
    )
}

pub(crate) fn with_body(
    status: u16,
    body: impl Body<Data = Bytes, Error = Lost> + Send + 'static,
) -> Response<UnsyncBoxBody<Bytes, Lost>> {
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status.try_into().expect("a status");
    response
}

/// `20270115T080000Z`
pub(crate) fn basic(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let text = DateTime::from_secs(seconds.try_into().unwrap_or_default()).fmt(Format::DateTime);
    text.unwrap_or_default().replace(['-', ':'], "")
}

/// `Pending` every other time.
#[derive(Debug, Default)]
struct Pending(bool);

impl Pending {
    fn is_pending(&mut self, cx: &Context<'_>) -> bool {
        self.0 = !self.0;
        if self.0 {
            cx.waker().wake_by_ref();
        }
        self.0
    }
}

/// A request signed by the local clock.
pub(crate) fn signed(world: &World) -> Request<Full<Bytes>> {
    let request = crate::stack::operation("http://sqs.test/", "AmazonSQS.Op", "hello".to_owned());
    crate::stack::signed(
        request,
        "sqs",
        &crate::stack::credentials(),
        world.machine_wall(),
    )
}

/// A request without a signature.
pub(crate) fn unsigned() -> Request<Full<Bytes>> {
    crate::stack::operation("http://sqs.test/", "AmazonSQS.Op", "hello".to_owned())
}
