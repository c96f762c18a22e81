//! [`SkewService`]: the service of a [`SkewLayer`](super::SkewLayer).

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::{ReplayBody, SkewBody};
use super::credentials::CachedCredentials;
use super::future::SkewFuture;
use super::request::{TowerRequest, host_of};
use crate::clock::{SentAt, SkewClock};
use crate::report::FirstRequest;
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
#[derive(Clone)]
pub struct SkewService<S> {
    inner: S,
    wiring: Arc<Wiring>,
}

/// The state that all services of a layer share.
#[derive(Debug)]
pub(super) struct Wiring {
    pub(super) clock: SkewClock,
    pub(super) credentials: CachedCredentials,
    pub(super) first_request: FirstRequest,
}

impl Wiring {
    pub(super) fn new(clock: &SkewClock, credentials: CachedCredentials) -> Self {
        Self {
            clock: clock.clone(),
            credentials,
            first_request: FirstRequest::default(),
        }
    }
}

impl<S> SkewService<S> {
    pub(super) const fn new(inner: S, wiring: Arc<Wiring>) -> Self {
        Self { inner, wiring }
    }

    pub(super) fn wiring(&self) -> &Arc<Wiring> {
        &self.wiring
    }
}

impl<S: Clone> SkewService<S> {
    /// Returns the service that is ready, and leaves a clone, which may not be ready.
    pub(super) fn take_ready(&mut self) -> Self {
        let next = self.clone();
        mem::replace(self, next)
    }
}

impl<S> SkewService<S> {
    /// Sends a request unchanged, and does not observe the response.
    pub(super) fn send_unsigned<B, R>(mut self, request: Request<B>) -> SkewFuture<S, B, R>
    where
        S: Service<Request<B>, Response = Response<R>>,
        R: Body,
    {
        SkewFuture::passing(self.inner.call(request))
    }

    /// Sends a signed request, and observes the response. `self` has to be ready.
    pub(super) fn send_signed<B, R>(self, request: Request<B>) -> SkewFuture<S, B, R>
    where
        S: Service<Request<B>, Response = Response<R>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send,
        B: ReplayBody + Send + 'static,
        R: Body + Send + 'static,
        R::Error: Send,
    {
        let sent_at = SentAt::now(&self.wiring.clock, || host_of(request.uri()));
        let mut kept = TowerRequest::of(self.inner, self.wiring, &request);
        if !kept.has_to_prepare(sent_at) {
            let sent = kept.service.call(request);
            return SkewFuture::first(sent, kept, sent_at);
        }
        SkewFuture::boxed(async move {
            let mut request = request;
            let sent_at = kept.prepare(&mut request).await;
            let sent = kept.service.call(request);
            SkewFuture::first(sent, kept, sent_at).await
        })
    }
}

impl<S, B, R> Service<Request<B>> for SkewService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send,
    B: ReplayBody + Send + 'static,
    R: Body + Send + 'static,
    R::Error: Send,
{
    type Response = Response<SkewBody<R>>;
    type Error = S::Error;
    type Future = SkewFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let ready = self.take_ready();
        if is_signed(&request) {
            ready.send_signed(request)
        } else {
            // The response to an unsigned request says nothing about the clock.
            ready.send_unsigned(request)
        }
    }
}

pub(super) fn is_signed<B>(request: &Request<B>) -> bool {
    let authorization = request.headers().get(AUTHORIZATION);
    authorization.is_some_and(|value| is_signature(value.as_bytes()))
}

impl<S: fmt::Debug> fmt::Debug for SkewService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SkewService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
