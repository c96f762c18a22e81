//! [`SkewHttpClient`]: corrects every client that sends through it.

use std::borrow::Cow;
use std::future::{Future, pending};
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_smithy_async::rt::sleep::AsyncSleep;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::{AuthScheme, AuthSchemeId};
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::identity::ResolveCachedIdentity;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{
    RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_runtime_api::shared::IntoShared;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;

use crate::buffered::Buffered;
use crate::clock::SkewClock;
use crate::evidence::ResponseView;
use crate::host::Host;
use crate::recent::RecentCredentials;
use crate::resend::{
    self, Carrier, Departure, LARGEST_READ, LONGEST_READ, Seen, accept, minds_accepted, prepare,
    recover,
};
use crate::resign::{Head, SignatureHeader, is_signature};
use crate::sdk::metadata_session;
use crate::sdk::operation::view;

/// Sends through another HTTP client, and signs and sends a request once more if
/// it was rejected because of its time.
///
/// Works for every client that is given it, those inside credential providers
/// included, whether or not they retry. The credentials are those of the client
/// itself. A response says `Age: 0` unless it says its age already: this is what
/// keeps the SDK's own correction from acting on top, which skips responses that
/// come from a cache.
///
/// Of an instance's metadata service it begins another session where a move of the
/// clock has made the SDK keep one beyond its end.
///
/// What is signed in pieces, each by the time of the first, only the SDK can sign
/// again: S3 uploads of streams over plain `http:`, and event streams. They pass as
/// they are, and what their rejection says of the time is learned. For them install
/// [`interceptor`](SkewClock::interceptor) and
/// [`retry_classifier`](SkewClock::retry_classifier) in the client as well.
///
/// Made by [`SkewClock::http_client`].
#[derive(Clone, Debug)]
pub struct SkewHttpClient {
    clock: SkewClock,
    inner: SharedHttpClient,
}

impl SkewClock {
    /// Returns an HTTP client that sends through `inner`.
    pub fn http_client(&self, inner: impl HttpClient + 'static) -> SkewHttpClient {
        SkewHttpClient {
            clock: self.clone(),
            inner: inner.into_shared(),
        }
    }
}

impl HttpClient for SkewHttpClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        let components = Arc::new(components.clone());
        Connector {
            clock: self.clock.clone(),
            inner,
            components,
        }
        .into_shared()
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        cfg: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.inner.validate_base_client_config(components, cfg)
    }

    fn validate_final_config(
        &self,
        components: &RuntimeComponents,
        cfg: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.inner.validate_final_config(components, cfg)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

/// The connector of one attempt of one client.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    clock: SkewClock,
    pub(super) inner: SharedHttpConnector,
    components: Arc<RuntimeComponents>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move { connector.carry(request).await })
    }
}

impl Connector {
    /// Reads the beginning of an answer's body, and gives the answer back whole.
    pub(super) async fn read(&self, mut response: HttpResponse) -> (HttpResponse, Bytes) {
        let sleep = self.components.sleep_impl();
        let deadline = async move {
            match sleep {
                Some(sleep) => sleep.sleep(LONGEST_READ).await,
                None => pending().await,
            }
        };
        let body = std::mem::replace(response.body_mut(), SdkBody::taken());
        let (body, text) = Buffered::read(body, LARGEST_READ, deadline).await;
        *response.body_mut() = match body.whole() {
            Some(whole) => SdkBody::from(whole),
            None => SdkBody::from_body_1_x(body),
        };
        (response, text)
    }

    async fn carry(self, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let authorization = request.headers().get("authorization");
        if !authorization.is_some_and(|value| is_signature(value.as_bytes())) {
            // Nothing was signed, so nothing is learned.
            let session = metadata_session::Kept::of(&request, &self.clock);
            let mut response = self.inner.call(request).await?;
            if let Some(session) = session {
                response = session.answered(response, &self).await;
            }
            return Ok(self.clock.aged(response));
        }
        let mut carrier = SdkCarrier::new(self, &request);
        let clock = carrier.connector.clock.clone();
        if resend::has_to_prepare(&clock)
            && let Some(headers) = prepare(&mut carrier, &clock).await
        {
            put(&headers, &mut request);
            put(&headers, &mut carrier.copy);
        }
        let departure = Departure::now(&clock);
        let response = carrier.connector.inner.call(request).await?;
        let received = clock.reading();
        if !SdkCarrier::is_success(&response) {
            let response = recover(&mut carrier, &clock, departure, received, response).await?;
            return Ok(clock.aged(response));
        }
        if minds_accepted(&clock, received, || Host::of_uri(carrier.copy.uri())) {
            accept(&carrier, &clock, departure, received, &response);
        }
        Ok(clock.aged(response))
    }
}

impl SkewClock {
    /// Says that a response comes from a cache, so that the SDK's own correction
    /// does not look at its `Date` (aws-runtime, `service_clock_skew.rs`): with
    /// this clock as time source it would correct a second time.
    fn aged(&self, mut response: HttpResponse) -> HttpResponse {
        if !self.observes_only() && !response.headers().contains_key("age") {
            response.headers_mut().insert("age", "0");
        }
        response
    }
}

/// A request on its way, and a copy of it. Where the body cannot be sent twice,
/// the copy has none.
struct SdkCarrier {
    connector: Connector,
    copy: HttpRequest,
    is_replayable: bool,
}

impl SdkCarrier {
    fn new(connector: Connector, request: &HttpRequest) -> Self {
        let copy = request.try_clone();
        let is_replayable = copy.is_some();
        let mut copy = copy.unwrap_or_else(|| head_of(request));
        // Copies have no extensions. This one lets the SDK close a connection
        // that turned out broken; the telemetry of the attempt is the first
        // send's.
        if let Some(connection) = request.extension::<CaptureSmithyConnection>() {
            copy.add_extension(connection.clone());
        }
        Self {
            connector,
            copy,
            is_replayable,
        }
    }
}

impl Carrier for SdkCarrier {
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

    async fn credentials(&mut self) -> Option<Credentials> {
        let components = &self.connector.components;
        // Never "sigv4-s3express": its resolver panics without the operation's
        // config.
        let scheme = components.auth_scheme(AuthSchemeId::from("sigv4"))?;
        let resolver = scheme.identity_resolver(&**components)?;
        let cfg = ConfigBag::base();
        let identity = components
            .identity_cache()
            .resolve_cached_identity(resolver, components, &cfg)
            .await
            .ok()?;
        identity.data::<Credentials>().cloned()
    }

    fn recent_credentials(&self, access_key: &str) -> Option<Credentials> {
        let recent = self.connector.clock.attachment::<RecentCredentials>();
        recent.find(access_key)
    }

    fn read(
        &mut self,
        response: HttpResponse,
    ) -> impl Future<Output = (HttpResponse, Bytes)> + Send {
        self.connector.read(response)
    }

    fn is_success(response: &HttpResponse) -> bool {
        response.status().is_success()
    }

    fn view<'a>(response: &'a HttpResponse, text: &'a [u8]) -> ResponseView<'a> {
        view(response, text)
    }

    fn send(
        &mut self,
        headers: Vec<SignatureHeader>,
    ) -> impl Future<Output = Result<HttpResponse, ConnectorError>> + Send {
        put(&headers, &mut self.copy);
        let connection = self.copy.extension::<CaptureSmithyConnection>().cloned();
        let mut request = head_of(&self.copy);
        *request.body_mut() = std::mem::replace(self.copy.body_mut(), SdkBody::taken());
        if let Some(connection) = connection {
            request.add_extension(connection);
        }
        self.connector.inner.call(request)
    }

    fn mark(&self, response: &mut HttpResponse, seen: Seen) {
        response.add_extension(seen);
    }
}

/// Returns the request without its body and extensions.
fn head_of(request: &HttpRequest) -> HttpRequest {
    let mut head = HttpRequest::new(SdkBody::taken());
    // Both come from a request, so neither can be refused.
    drop(head.set_method(request.method()));
    drop(head.set_uri(request.uri()));
    *head.headers_mut() = request.headers().clone();
    head
}

fn put(headers: &[SignatureHeader], request: &mut HttpRequest) {
    for header in headers {
        // The signer writes nothing that a header cannot hold.
        drop(
            request
                .headers_mut()
                .try_insert(header.name, header.value.clone()),
        );
    }
}
