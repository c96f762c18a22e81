//! [`SkewService`]: the service of a [`SkewLayer`](super::SkewLayer).

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::{ReplayBody, SkewBody};
use super::credentials::CachedCredentials;
use super::future::SkewFuture;
use super::request::TowerRequest;
use crate::clock::SkewClock;
use crate::resend::LastDate;
use crate::resign::is_signature;

/// Service that re-signs a rejected request and sends it once more.
///
/// It is the service of a [`SkewLayer`](super::SkewLayer), which documents it.
///
/// ```
/// use aws_clock_skew::SkewClock;
/// use aws_clock_skew::tower::SkewService;
/// use tower::Layer;
///
/// # let credentials = aws_credential_types::Credentials::new("AKID", "secret", None, None, "doc");
/// # let client = reqwest::Client::new();
/// let service: SkewService<reqwest::Client> = SkewClock::new().layer(credentials).layer(client);
/// ```
#[derive(Clone, Debug)]
pub struct SkewService<S> {
    pub(super) inner: S,
    pub(super) wiring: Arc<Wiring>,
}

/// The state that all services of a layer share.
pub(super) struct Wiring {
    pub(super) clock: SkewClock,
    pub(super) credentials: CachedCredentials,
    pub(super) last_date: LastDate,
    /// Whether the first signed request was logged.
    pub(super) is_noted: AtomicBool,
}

/// Shows no credentials.
impl fmt::Debug for Wiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wiring")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl<S> SkewService<S> {
    /// Returns the service that is ready, and leaves a clone, which may not be ready.
    pub(super) fn take_ready(&mut self) -> Self
    where
        S: Clone,
    {
        let next = self.clone();
        mem::replace(self, next)
    }

    /// Sends a signed request, and observes the response. `self` has to be ready.
    pub(super) fn send_signed<B, R>(self, request: Request<B>) -> SkewFuture<S, B, R>
    where
        S: Service<Request<B>, Response = Response<R>, Future: Send, Error: Send> + Send + 'static,
        B: ReplayBody + Send + 'static,
        R: Body<Error: Send> + Send + 'static,
    {
        let mut kept = TowerRequest::of(self.inner, self.wiring, &request);
        if kept.has_to_prepare() {
            return SkewFuture::boxed(kept.call(request));
        }
        SkewFuture::sent(kept.service.call(request), Some(kept))
    }
}

impl<S, B, R> Service<Request<B>> for SkewService<S>
where
    S: Service<Request<B>, Response = Response<R>, Future: Send, Error: Send>
        + Clone
        + Send
        + 'static,
    B: ReplayBody + Send + 'static,
    R: Body<Error: Send> + Send + 'static,
{
    type Response = Response<SkewBody<R>>;
    type Error = S::Error;
    type Future = SkewFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut ready = self.take_ready();
        if is_signed(&request) {
            ready.send_signed(request)
        } else {
            // The response to an unsigned request says nothing about the clock.
            SkewFuture::sent(ready.inner.call(request), None)
        }
    }
}

pub(super) fn is_signed<B>(request: &Request<B>) -> bool {
    let authorization = request.headers().get(AUTHORIZATION);
    authorization.is_some_and(|value| is_signature(value.as_bytes()))
}
