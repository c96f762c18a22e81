//! [`TowerRequest`]: a request that is sent through a service and can be sent again.

use std::borrow::Cow;
use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::header::{AUTHORIZATION, DATE};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body::Body;
use tower_service::Service;

use super::body::{ReplayBody, SkewBody, bytes_of};
use super::service::Wiring;
use crate::clock::SentAt;
use crate::event::Label;
use crate::evidence::ResponseView;
use crate::host::Host;
use crate::resend::{ReplayRequest, has_to_prepare, prepare, recover};
use crate::resign::{Head, NOT_TEXT, NewSignature, SignatureHeader, X_AMZ_DATE, service_of};
use crate::timestamp;

/// A signed request that is sent through a service, so that it can be sent again.
pub(super) struct TowerRequest<S, B> {
    /// The service that sends the request; for the resend it has to become ready again.
    pub(super) service: S,
    wiring: Arc<Wiring>,
    /// The copy of the request. It has no body if that cannot be sent twice.
    copy: Request<Option<B>>,
    sent_at: SentAt,
}

impl<S, B: ReplayBody> TowerRequest<S, B> {
    /// Copies a signed request before it is sent through `service`.
    pub(super) fn of(service: S, wiring: Arc<Wiring>, request: &Request<B>) -> Self {
        let clock = &wiring.clock;
        clock.note_request(&wiring.is_noted, "tower", || {
            let authorization = as_text(request.headers().get(AUTHORIZATION)?)?;
            Label::of_service(service_of(authorization)?)
        });
        let mut copy = Request::new(request.body().try_clone());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.version_mut() = request.version();
        *copy.headers_mut() = request.headers().clone();
        *copy.extensions_mut() = request.extensions().clone();
        Self {
            service,
            sent_at: SentAt::now(clock, || host_of(request.uri())),
            wiring,
            copy,
        }
    }

    /// Returns whether the request has to be re-signed before its first send.
    pub(super) fn has_to_prepare(&self) -> bool {
        let date = self.copy.headers().get(&X_AMZ_DATE);
        let signed_at = date.and_then(|date| self.wiring.last_date.read(date.as_bytes()));
        has_to_prepare(&self.wiring.clock, self.sent_at, signed_at)
    }

    /// Returns whether the clock has to observe a response.
    pub(super) fn wants<R>(&self, response: &Response<R>) -> bool {
        let date = || timestamp::http_date(as_text(response.headers().get(DATE)?)?);
        let host = || host_of(self.copy.uri());
        let is_success = response.status().is_success();
        (self.wiring.clock).must_observe(self.sent_at, is_success, date, host)
    }
}

impl<S, B, R> TowerRequest<S, B>
where
    S: Service<Request<B>, Response = Response<R>, Future: Send, Error: Send> + Send,
    B: ReplayBody + Send,
    R: Body<Error: Send> + Send,
{
    /// Sends the request, and recovers it if it is rejected. If it has to be re-signed
    /// before its first send and its signature can be reproduced, it is.
    pub(super) async fn call(
        mut self,
        mut request: Request<B>,
    ) -> Result<Response<SkewBody<R>>, S::Error> {
        if self.has_to_prepare() {
            let clock = self.wiring.clock.clone();
            if let Some(signature) = prepare(&mut self, &clock).await {
                put(&signature.headers, self.copy.headers_mut());
                put(&signature.headers, request.headers_mut());
            }
            self.sent_at = SentAt::now(&clock, || self.host());
        }
        let response = self.service.call(request).await?.map(SkewBody::untouched);
        if !self.wants(&response) {
            return Ok(response);
        }
        self.recover(response).await
    }

    /// Observes a response that was just received, and resends the request if that can
    /// help.
    pub(super) async fn recover(
        mut self,
        response: Response<SkewBody<R>>,
    ) -> Result<Response<SkewBody<R>>, S::Error> {
        let (clock, sent_at) = (self.wiring.clock.clone(), self.sent_at);
        recover(&mut self, &clock, sent_at, response).await
    }
}

impl<S, B, R> ReplayRequest for TowerRequest<S, B>
where
    S: Service<Request<B>, Response = Response<R>, Future: Send, Error: Send> + Send,
    B: ReplayBody + Send,
    R: Body<Error: Send> + Send,
{
    type Response = Response<SkewBody<R>>;
    type Error = S::Error;

    fn head(&self) -> Head<'_> {
        head_of(&self.copy)
    }

    fn host(&self) -> Option<Host> {
        host_of(self.copy.uri())
    }

    fn is_replayable(&self) -> bool {
        self.copy.body().is_some()
    }

    async fn body(&mut self) -> Option<Bytes> {
        bytes_of(self.copy.body().as_ref()?.try_clone()?).await
    }

    async fn credentials(&mut self, at: SystemTime) -> Option<Credentials> {
        let credentials = &self.wiring.credentials;
        credentials.get(&self.wiring.clock, at).await.ok()
    }

    fn recent_credentials(&self, access_key: &str) -> Option<Credentials> {
        self.wiring.credentials.recent(access_key)
    }

    async fn read(&mut self, response: Response<SkewBody<R>>) -> (Response<SkewBody<R>>, Bytes) {
        let (parts, body) = response.into_parts();
        let (body, text) = body.read().await;
        (Response::from_parts(parts, body), text)
    }

    fn view<'a>(response: &'a Response<SkewBody<R>>, text: &'a [u8]) -> ResponseView<'a> {
        view(response, text)
    }

    async fn ready(&mut self) -> Result<(), S::Error> {
        poll_fn(|cx| self.service.poll_ready(cx)).await
    }

    async fn send(&mut self, signature: NewSignature) -> Result<Response<SkewBody<R>>, S::Error> {
        put(&signature.headers, self.copy.headers_mut());
        let request = mem::take(&mut self.copy).map(|body| {
            // The caller has checked `is_replayable`.
            body.unwrap_or_else(|| unreachable!("the body was copied"))
        });
        let response = self.service.call(request).await?;
        Ok(response.map(SkewBody::untouched))
    }
}

pub(super) fn head_of<B>(request: &Request<B>) -> Head<'_> {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str(), as_text(value).unwrap_or(NOT_TEXT)));
    Head {
        method: request.method().as_str(),
        uri: Cow::Owned(request.uri().to_string()),
        headers: headers.collect(),
    }
}

pub(super) fn put(headers: &[SignatureHeader], map: &mut HeaderMap) {
    for header in headers {
        // The signer writes only valid header values, so this cannot fail.
        if let Ok(mut value) = HeaderValue::from_str(&header.value) {
            value.set_sensitive(header.name != "x-amz-date");
            map.insert(header.name, value);
        }
    }
}

/// Returns the parts of a response that can be evidence; `text` is the beginning of its
/// body.
pub(super) fn view<'a, T>(response: &'a Response<T>, text: &'a [u8]) -> ResponseView<'a> {
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
    ResponseView::new(response.status().as_u16(), text).with_headers(headers)
}

impl<'a, B: AsRef<[u8]>> From<&'a Response<B>> for ResponseView<'a> {
    /// Returns the view of a response whose body is in memory.
    fn from(response: &'a Response<B>) -> Self {
        view(response, response.body().as_ref())
    }
}

pub(super) fn host_of(uri: &Uri) -> Option<Host> {
    Host::new(
        uri.authority()?.as_str(),
        uri.scheme() == Some(&Scheme::HTTPS),
    )
}

fn as_text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}
