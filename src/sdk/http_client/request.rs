//! [`SdkRequest`], a request of an SDK client that can be sent again, and
//! [`SigningContext`], the client's credentials and signer for it.

use std::borrow::Cow;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_runtime::auth::sigv4::SigV4AuthScheme;
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use aws_smithy_async::time::{SharedTimeSource, StaticTimeSource, TimeSource};
use aws_smithy_runtime_api::client::auth::{AuthSchemeId, SharedAuthSchemeOptionResolver};
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::endpoint::SharedEndpointResolver;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::identity::{
    ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::retries::SharedRetryStrategy;
use aws_smithy_runtime_api::client::runtime_components::{
    GetIdentityResolver, RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;

use super::chunks::Chunks;
use super::copy::RequestCopy;
use super::{Observed, Wiring};
use crate::buffered::Buffered;
use crate::evidence::ResponseView;
use crate::host::Host;
use crate::resend::{LARGEST_READ, LONGEST_READ, ReplayRequest};
use crate::resign::{Head, NewSignature, SignatureHeader};
use crate::sdk::identity_cache::ValidAt;
use crate::sdk::operation::view;

/// A request that is being sent, and its copy. If the body cannot be sent twice, the copy
/// has none.
pub(super) struct SdkRequest {
    wiring: Arc<Wiring>,
    copy: HttpRequest,
    is_replayable: bool,
    is_ours_to_sign: bool,
}

impl SdkRequest {
    pub(super) fn new(wiring: Arc<Wiring>, copy: RequestCopy) -> Self {
        let is_ours_to_sign = copy.is_ours_to_sign();
        let (copy, is_replayable) = copy.into_request();
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

    /// Puts a new signature on the request and on this copy.
    pub(super) fn sign(&mut self, signature: NewSignature, request: &mut HttpRequest) {
        put_headers(&signature.headers, &mut self.copy);
        put(signature, request);
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

    fn body(&mut self) -> impl Future<Output = Option<Bytes>> + Send {
        let body = self.copy.body().bytes().map(Bytes::copy_from_slice);
        std::future::ready(body.filter(|_| self.is_replayable))
    }

    async fn credentials(&mut self, at: SystemTime) -> Option<Credentials> {
        self.wiring.signing.credentials(at).await
    }

    fn recent_credentials(&self, access_key: &str) -> Option<Credentials> {
        let recent = self.wiring.shared.clock.recent_credentials();
        recent.find(access_key)
    }

    async fn read(&mut self, mut response: HttpResponse) -> (HttpResponse, Bytes) {
        let deadline = deadline(self.wiring.signing.sleep());
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
        signature: NewSignature,
    ) -> impl Future<Output = Result<HttpResponse, ConnectorError>> + Send {
        let mut request = head_of(&self.copy);
        *request.body_mut() = std::mem::replace(self.copy.body_mut(), SdkBody::taken());
        self.sign(signature, &mut request);
        if let Some(connection) = self.copy.extension::<CaptureSmithyConnection>() {
            request.add_extension(connection.clone());
        }
        self.wiring.inner.call(request)
    }

    /// Leaves the response to the SDK, which can sign the request with the credentials of
    /// its next attempt.
    fn skipped(&mut self) {
        self.is_ours_to_sign = false;
    }

    fn mark(&self, response: &mut HttpResponse) {
        response.add_extension(Observed(self.wiring.shared.clock.clone()));
    }
}

/// The components of a client that its identity resolver and the SDK's signer need. They
/// are put together only when those are called: a copy of all components costs more than
/// all other work on an accepted request.
#[derive(Debug)]
pub(in crate::sdk) struct SigningContext {
    /// `None` if the client does not sign with SigV4.
    resolver: Option<SharedIdentityResolver>,
    cache: SharedIdentityCache,
    options: SharedAuthSchemeOptionResolver,
    endpoints: SharedEndpointResolver,
    retries: SharedRetryStrategy,
    sleep: Option<SharedAsyncSleep>,
    http_client: Option<SharedHttpClient>,
}

impl SigningContext {
    pub(in crate::sdk) fn of(components: &RuntimeComponents) -> Self {
        Self {
            // Not the resolver of "sigv4-s3express", which panics without the operation's
            // config.
            resolver: components.identity_resolver(SIGV4),
            cache: components.identity_cache(),
            options: components.auth_scheme_option_resolver(),
            endpoints: components.endpoint_resolver(),
            retries: components.retry_strategy(),
            sleep: components.sleep_impl(),
            http_client: components.http_client(),
        }
    }

    /// Returns credentials of the client that are valid at the time `at`.
    pub(super) async fn credentials(&self, at: SystemTime) -> Option<Credentials> {
        let resolver = self.resolver.clone()?;
        let components = self.components(StaticTimeSource::new(at))?;
        let mut cfg = ConfigBag::base();
        // Our identity cache needs it: it judges by the clock, whatever the time source is.
        cfg.interceptor_state().store_put(ValidAt(at));
        let identity = self
            .cache
            .resolve_cached_identity(resolver, &components, &cfg)
            .await
            .ok()?;
        identity.data::<Credentials>().cloned()
    }

    pub(super) fn sleep(&self) -> Option<SharedAsyncSleep> {
        self.sleep.clone()
    }

    /// Returns components with another time source, without the client's own auth schemes.
    pub(in crate::sdk) fn components(
        &self,
        time_source: impl TimeSource + 'static,
    ) -> Option<RuntimeComponents> {
        RuntimeComponentsBuilder::new("aws-clock-skew")
            .with_auth_scheme(SigV4AuthScheme::new())
            .with_identity_resolver(SIGV4, self.resolver.clone()?)
            .with_identity_cache(Some(self.cache.clone()))
            .with_auth_scheme_option_resolver(Some(self.options.clone()))
            .with_endpoint_resolver(Some(self.endpoints.clone()))
            .with_retry_strategy(Some(self.retries.clone()))
            .with_time_source(Some(SharedTimeSource::new(time_source)))
            .with_sleep_impl(self.sleep.clone())
            .with_http_client(self.http_client.clone())
            .build()
            .ok()
    }
}

/// Completes when the time to wait for a body is over.
async fn deadline(sleep: Option<SharedAsyncSleep>) {
    match sleep {
        Some(sleep) => sleep.sleep(LONGEST_READ).await,
        None => pending().await,
    }
}

/// Returns the request without its body and extensions.
fn head_of(request: &HttpRequest) -> HttpRequest {
    let mut head = HttpRequest::new(SdkBody::taken());
    // The method and the URI come from a request, so neither call can fail.
    drop(head.set_method(request.method()));
    drop(head.set_uri(request.uri()));
    *head.headers_mut() = request.headers().clone();
    head
}

fn put(signature: NewSignature, request: &mut HttpRequest) {
    put_headers(&signature.headers, request);
    if let Some(signer) = signature.chunks {
        let body = std::mem::replace(request.body_mut(), SdkBody::taken());
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

const SIGV4: AuthSchemeId = AuthSchemeId::new("sigv4");
