//! [`SigningService`]: the service that [`SigningLayer`](super::SigningLayer) makes.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::{ReplayBody, SkewBody, bytes_at_hand, bytes_of};
use super::future::SkewFuture;
use super::request::{head_of, put};
use super::service::SkewService;
use crate::clock::SkewClock;
use crate::resign::sign_anew;

/// Signs requests with the corrected clock, and corrects it.
///
/// See [`SigningLayer`](super::SigningLayer).
#[derive(Clone)]
pub struct SigningService<S> {
    skew: SkewService<S>,
    scope: Arc<Scope>,
}

/// What a signature is valid for.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) region: Cow<'static, str>,
    pub(super) service: Cow<'static, str>,
}

impl<S> SigningService<S> {
    pub(super) const fn new(skew: SkewService<S>, scope: Arc<Scope>) -> Self {
        Self { skew, scope }
    }
}

impl Scope {
    /// Signs a request; `body` is `None` if its bytes are not known.
    fn sign<B>(
        &self,
        request: &mut Request<B>,
        body: Option<&[u8]>,
        credentials: &Credentials,
        clock: &SkewClock,
    ) {
        let uri = request.uri().to_string();
        let head = head_of(request.method(), uri, request.headers());
        let signed = sign_anew(
            &head,
            body,
            credentials,
            (&self.region, &self.service),
            clock.now(),
        );
        if let Ok(headers) = signed {
            put(&headers, request.headers_mut());
        }
    }
}

impl<S, B, R> Service<Request<B>> for SigningService<S>
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
        self.skew.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let ready = self.skew.take_ready();
        if is_signed(&request) {
            return ready.pass(request);
        }
        let wiring = ready.wiring();
        let known = wiring.credentials.known(&wiring.clock);
        let copy = request.body().try_clone();
        let is_streaming = copy.is_none();
        let at_hand = copy.and_then(bytes_at_hand);
        if let Some(credentials) = known
            && (at_hand.is_some() || is_streaming)
        {
            self.scope.sign(
                &mut request,
                at_hand.as_deref(),
                &credentials,
                &wiring.clock,
            );
            return ready.carry(request);
        }
        let scope = self.scope.clone();
        SkewFuture::boxed(async move {
            let clock = ready.wiring().clock.clone();
            let body: Option<Bytes> = match request.body().try_clone() {
                Some(body) => bytes_of(body).await,
                None => None,
            };
            let credentials = ready.wiring().credentials.get(&clock, clock.now()).await;
            match credentials {
                Some(credentials) => {
                    scope.sign(&mut request, body.as_deref(), &credentials, &clock);
                    ready.carry(request).await
                }
                None => ready.pass(request).await,
            }
        })
    }
}

/// In a header, or in the query as presigned URLs are.
fn is_signed<B>(request: &Request<B>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    request.headers().contains_key(AUTHORIZATION)
        || query
            .split('&')
            .any(|pair| pair.starts_with("X-Amz-Signature="))
}

impl<S: fmt::Debug> fmt::Debug for SigningService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningService")
            .field("skew", &self.skew)
            .field("scope", &self.scope)
            .finish()
    }
}
