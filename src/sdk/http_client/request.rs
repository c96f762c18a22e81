//! [`SdkRequest`]: a request of an SDK client that can be sent again.

use std::borrow::Cow;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use super::kept::Kept;
use super::{Observed, Wiring};
use crate::buffered::Buffered;
use crate::evidence::ResponseView;
use crate::host::Host;
use crate::resend::{LARGEST_READ, LONGEST_READ, ReplayRequest};
use crate::resign::{Head, SignatureHeader};
use crate::sdk::operation::view;

/// A request on its way, and a copy of it. Where the body cannot be sent twice,
/// the copy has none.
pub(super) struct SdkRequest {
    wiring: Arc<Wiring>,
    copy: HttpRequest,
    is_replayable: bool,
    is_ours_to_sign: bool,
}

impl SdkRequest {
    pub(super) fn new(wiring: Arc<Wiring>, kept: Kept) -> Self {
        let is_ours_to_sign = kept.is_ours_to_sign();
        let (copy, is_replayable) = kept.into_request();
        Self {
            wiring,
            copy,
            is_replayable,
            is_ours_to_sign,
        }
    }

    pub(super) const fn wiring(&self) -> &Arc<Wiring> {
        &self.wiring
    }

    pub(super) const fn is_ours_to_sign(&self) -> bool {
        self.is_ours_to_sign
    }

    pub(super) fn host_of_uri(&self) -> Option<Host> {
        Host::of_uri(self.copy.uri())
    }

    pub(super) fn put(&mut self, headers: &[SignatureHeader]) {
        put(headers, &mut self.copy);
    }
}

impl ReplayRequest for SdkRequest {
    type Response = HttpResponse;
    type Error = ConnectorError;

    fn head(&self) -> Head<'_> {
        Head {
            method: self.copy.method(),
            uri: Cow::Borrowed(self.copy.uri()),
            headers: self.copy.headers().iter().collect(),
        }
    }

    fn is_replayable(&self) -> bool {
        self.is_replayable
    }

    fn body(&mut self) -> impl Future<Output = Option<Bytes>> + Send {
        let body = self.copy.body().bytes().map(Bytes::copy_from_slice);
        std::future::ready(body.filter(|_| self.is_replayable))
    }

    async fn credentials(&mut self, at: SystemTime) -> Option<Credentials> {
        self.wiring.means.credentials(at).await
    }

    fn recent_credentials(&self, access_key: &str) -> Option<Credentials> {
        let recent = self.wiring.shared.clock.recent_credentials();
        recent.find(access_key)
    }

    async fn read(&mut self, mut response: HttpResponse) -> (HttpResponse, Bytes) {
        let deadline = deadline(self.wiring.means.sleep());
        let body = std::mem::replace(response.body_mut(), SdkBody::taken());
        let (body, text) = Buffered::read(body, LARGEST_READ, deadline).await;
        *response.body_mut() = match body.whole() {
            Some(whole) => SdkBody::from(whole),
            None => SdkBody::from_body_1_x(body),
        };
        (response, text)
    }

    fn is_success(response: &HttpResponse) -> bool {
        response.status().is_success()
    }

    fn view<'a>(response: &'a HttpResponse, text: &'a [u8]) -> ResponseView<'a> {
        view(response, text)
    }

    fn ready(&mut self) -> impl Future<Output = Result<(), ConnectorError>> + Send {
        std::future::ready(Ok(()))
    }

    fn send(
        &mut self,
        headers: Vec<SignatureHeader>,
    ) -> impl Future<Output = Result<HttpResponse, ConnectorError>> + Send {
        put(&headers, &mut self.copy);
        let mut request = head_of(&self.copy);
        *request.body_mut() = std::mem::replace(self.copy.body_mut(), SdkBody::taken());
        if let Some(connection) = self.copy.extension::<CaptureSmithyConnection>() {
            request.add_extension(connection.clone());
        }
        self.wiring.inner.call(request)
    }

    fn mark(&self, response: &mut HttpResponse) {
        response.add_extension(Observed(self.wiring.shared.clock.clone()));
    }
}

/// Resolves when a body has been waited for long enough.
async fn deadline(sleep: Option<SharedAsyncSleep>) {
    match sleep {
        Some(sleep) => sleep.sleep(LONGEST_READ).await,
        None => pending().await,
    }
}

/// Returns the request without its body and extensions.
fn head_of(request: &HttpRequest) -> HttpRequest {
    let mut head = HttpRequest::new(SdkBody::taken());
    // Both come from a request, so neither can fail.
    drop(head.set_method(request.method()));
    drop(head.set_uri(request.uri()));
    *head.headers_mut() = request.headers().clone();
    head
}

pub(super) fn put(headers: &[SignatureHeader], request: &mut HttpRequest) {
    for header in headers {
        // The signer writes nothing that a header cannot hold.
        drop(
            request
                .headers_mut()
                .try_insert(header.name, header.value.clone()),
        );
    }
}
