//! [`SdkRequest`]: a request of an SDK client that can be sent again.

use std::borrow::Cow;
use std::future::pending;
use std::mem;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use super::Connector;
use super::chunks::Chunks;
use super::copy::RequestCopy;
use crate::buffered::Buffered;
use crate::clock::SkewClock;
use crate::evidence::ResponseView;
use crate::host::Host;
use crate::resend::{LONGEST_READ, ReplayRequest};
use crate::resign::{Head, NewSignature, SignatureHeader};
use crate::sdk::operation::view;

/// A request that is being sent, and its copy. If the body cannot be sent twice, the copy
/// has none.
pub(super) struct SdkRequest {
    pub(super) connector: Connector,
    copy: HttpRequest,
    is_replayable: bool,
    pub(super) is_ours_to_sign: bool,
}

impl SdkRequest {
    pub(super) fn new(connector: Connector, copy: RequestCopy) -> Self {
        let is_ours_to_sign = copy.is_ours_to_sign;
        let (copy, is_replayable) = copy.into_request();
        Self {
            connector,
            copy,
            is_replayable,
            is_ours_to_sign,
        }
    }

    /// Puts the headers of a new signature on the copy.
    pub(super) fn sign(&mut self, signature: &NewSignature) {
        put_headers(&signature.headers, &mut self.copy);
    }
}

impl ReplayRequest for SdkRequest {
    type Response = HttpResponse;
    type Error = ConnectorError;

    const SIGNS_CHUNKS: bool = true;

    fn head(&self) -> Head<'_> {
        Head {
            method: self.copy.method(),
            uri: Cow::Borrowed(self.copy.uri()),
            headers: self.copy.headers().iter().collect(),
        }
    }

    fn host(&self) -> Option<Host> {
        Host::of_uri(self.copy.uri())
    }

    fn is_replayable(&self) -> bool {
        self.is_replayable
    }

    async fn body(&mut self) -> Option<Bytes> {
        self.copy.body().bytes().map(Bytes::copy_from_slice)
    }

    async fn credentials(&mut self, at: SystemTime) -> Option<Credentials> {
        let sleep = self.connector.shared.sleep.get().cloned();
        self.connector.credentials.valid_at(at, sleep).await
    }

    fn recent_credentials(&self, access_key: &str) -> Option<Credentials> {
        let recent = self.connector.shared.clock.recent_credentials();
        recent.find(access_key)
    }

    async fn read(&mut self, mut response: HttpResponse) -> (HttpResponse, Bytes) {
        let deadline = deadline(self.connector.shared.sleep.get().cloned());
        let body = mem::replace(response.body_mut(), SdkBody::taken());
        let (body, text) = Buffered::read(body, deadline).await;
        *response.body_mut() = match body.whole() {
            Some(whole) => SdkBody::from(whole),
            None => SdkBody::from_body_1_x(body),
        };
        (response, text)
    }

    fn view<'a>(response: &'a HttpResponse, text: &'a [u8]) -> ResponseView<'a> {
        view(response, text)
    }

    async fn ready(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn send(&mut self, signature: NewSignature) -> Result<HttpResponse, ConnectorError> {
        let mut request = mem::replace(&mut self.copy, HttpRequest::new(SdkBody::taken()));
        put(signature, &mut request);
        self.connector.inner.call(request).await
    }

    /// Leaves the response to the SDK, which can sign the request with the credentials of
    /// its next attempt.
    fn skipped(&mut self) {
        self.is_ours_to_sign = false;
    }

    fn mark(&self, response: &mut HttpResponse) {
        response.add_extension(Observed::by(&self.connector.shared.clock));
    }
}

/// Mark on a response that an HTTP client has observed: the [`id`](SkewClock::id) of its
/// clock. It is an extension, since a server could set a header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Observed(usize);

impl Observed {
    fn by(clock: &SkewClock) -> Self {
        Self(clock.id())
    }

    pub(crate) fn is_on(response: &HttpResponse, clock: &SkewClock) -> bool {
        response.extension() == Some(&Self::by(clock))
    }
}

/// Completes when the time to wait for a body is over.
async fn deadline(sleep: Option<SharedAsyncSleep>) {
    match sleep {
        Some(sleep) => sleep.sleep(LONGEST_READ).await,
        None => pending().await,
    }
}

/// Puts a new signature on a request.
pub(super) fn put(signature: NewSignature, request: &mut HttpRequest) {
    put_headers(&signature.headers, request);
    if let Some(signer) = signature.chunks {
        let body = mem::replace(request.body_mut(), SdkBody::taken());
        *request.body_mut() = SdkBody::from_body_1_x(Chunks::new(body, signer));
    }
}

fn put_headers(headers: &[SignatureHeader], request: &mut HttpRequest) {
    for header in headers {
        // The signer writes only valid header values, so this cannot fail.
        drop(
            request
                .headers_mut()
                .try_insert(header.name, header.value.clone()),
        );
    }
}
