//! [`SkewHttpClient`]: corrects every client that sends through it.

mod kept;
mod means;

use std::borrow::Cow;
use std::future::{Future, pending};
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
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
use crate::local_clock::Reading;
use crate::recent::RecentCredentials;
use crate::resend::{
    Anew, Carrier, Departure, LARGEST_READ, LONGEST_READ, Seen, accept, has_to_prepare,
    minds_accepted, prepare, recover,
};
use crate::resign::{Head, SignatureHeader, stamp_of};
use crate::sdk::metadata_session;
use crate::sdk::operation::{date_of, view};
use crate::sdk::time_source::Asked;

use kept::Kept;
use means::Means;

/// Sends through another HTTP client, and signs and sends a request once more if
/// it was rejected because of its time.
///
/// Works for every client that is given it, those inside credential providers
/// included, whether or not they retry. The credentials are those of the client
/// itself. A response says `Age: 0` unless it says its age already: this is what
/// keeps the SDK's own correction from acting on top, which skips responses that
/// come from a cache. (Not if the clock only observes.) A client whose time source is
/// another `SkewClock` is left to that.
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
        let asked = components.time_source().as_ref().and_then(Asked::by);
        if asked.is_some_and(|asked| !asked.is(&self.clock)) {
            // This client is another clock's.
            return inner;
        }
        Connector(Arc::new(Wiring {
            clock: self.clock.clone(),
            inner,
            means: Means::of(components),
        }))
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
struct Connector(Arc<Wiring>);

#[derive(Debug)]
struct Wiring {
    clock: SkewClock,
    inner: SharedHttpConnector,
    means: Means,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wiring = self.0.clone();
        let clock = &wiring.clock;
        let Some(kept) = Kept::of(&request) else {
            // Nothing was signed, so nothing is learned.
            let session = metadata_session::InSession::of(&request, clock);
            let sent = wiring.inner.call(request);
            return HttpConnectorFuture::new(unsigned(wiring, session, sent));
        };
        if has_to_prepare(clock) {
            let date = request.headers().get("x-amz-date").and_then(stamp_of);
            if Anew::of(clock, date, || Host::of_uri(request.uri())).is_some() {
                return HttpConnectorFuture::new(prepare_and_send(wiring, kept, request));
            }
        }
        let departure = Departure::now(clock);
        let sent = wiring.inner.call(request);
        HttpConnectorFuture::new(first(wiring, kept, departure, sent))
    }
}

/// A request of a client that does not sign.
async fn unsigned(
    wiring: Arc<Wiring>,
    session: Option<metadata_session::InSession>,
    sent: HttpConnectorFuture,
) -> Result<HttpResponse, ConnectorError> {
    let mut response = sent.await?;
    if let Some(session) = session {
        let sleep = wiring.means.sleep();
        response = session.answered(response, &wiring.inner, sleep).await;
    }
    Ok(wiring.clock.aged(response))
}

/// A request that has to be signed anew before it is sent at all.
async fn prepare_and_send(
    wiring: Arc<Wiring>,
    kept: Kept,
    mut request: HttpRequest,
) -> Result<HttpResponse, ConnectorError> {
    let mut carrier = SdkCarrier::new(wiring, kept);
    let clock = carrier.wiring.clock.clone();
    if let Some(headers) = prepare(&mut carrier, &clock).await {
        put(&headers, &mut request);
        put(&headers, &mut carrier.copy);
    }
    let departure = Departure::now(&clock);
    let response = carrier.wiring.inner.call(request).await?;
    let received = clock.reading();
    let host = || Host::of_uri(carrier.copy.uri());
    if is_of_interest(&clock, departure, &response, host) {
        carrier.hear(departure, received, response).await
    } else {
        Ok(clock.aged(response))
    }
}

/// The first send of a request, and as a rule the only one.
async fn first(
    wiring: Arc<Wiring>,
    kept: Kept,
    departure: Departure,
    sent: HttpConnectorFuture,
) -> Result<HttpResponse, ConnectorError> {
    let response = sent.await?;
    if !is_of_interest(&wiring.clock, departure, &response, || {
        Host::of_uri(kept.uri())
    }) {
        return Ok(wiring.clock.aged(response));
    }
    let received = wiring.clock.reading();
    let carrier = SdkCarrier::new(wiring, kept);
    // On the heap, as few answers come this far.
    Box::pin(carrier.hear(departure, received, response)).await
}

/// On a response: what the HTTP client of a clock has done about it. A server cannot
/// set it, as it could a header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marked {
    clock: usize,
    seen: Seen,
}

impl Marked {
    pub(super) fn by(clock: &SkewClock, response: &HttpResponse) -> Option<Seen> {
        let marked = response.extension::<Self>()?;
        (marked.clock == clock.address()).then_some(marked.seen)
    }
}

/// Returns whether an answer that has just come says anything new.
fn is_of_interest(
    clock: &SkewClock,
    departure: Departure,
    response: &HttpResponse,
    host: impl FnOnce() -> Option<Host>,
) -> bool {
    let is_new = !response.status().is_success()
        || minds_accepted(clock, departure, || date_of(response), host);
    // Another of this clock may be inside this one.
    is_new && Marked::by(clock, response).is_none()
}

impl SkewClock {
    /// Says that a response comes from a cache, so that the SDK's own correction
    /// does not look at its `Date` (aws-runtime, `service_clock_skew.rs`): with
    /// this clock as time source it would correct a second time.
    fn aged(&self, mut response: HttpResponse) -> HttpResponse {
        let is_age = |(name, _)| name == "age";
        if !self.is_observe_only() && !response.headers().iter_bytes().any(is_age) {
            response.headers_mut().insert(http::header::AGE, "0");
        }
        response
    }
}

/// A request on its way, and a copy of it. Where the body cannot be sent twice,
/// the copy has none.
struct SdkCarrier {
    wiring: Arc<Wiring>,
    copy: HttpRequest,
    is_replayable: bool,
}

impl SdkCarrier {
    fn new(wiring: Arc<Wiring>, kept: Kept) -> Self {
        let (copy, is_replayable) = kept.into_request();
        Self {
            wiring,
            copy,
            is_replayable,
        }
    }

    async fn hear(
        mut self,
        departure: Departure,
        received: Reading,
        response: HttpResponse,
    ) -> Result<HttpResponse, ConnectorError> {
        let clock = self.wiring.clock.clone();
        let response = if Self::is_success(&response) {
            accept(&self, &clock, departure, received, &response);
            let mut response = response;
            self.mark(&mut response, Seen::Settled);
            response
        } else {
            recover(&mut self, &clock, departure, received, response).await?
        };
        if let Some(Seen::Disputed { .. }) = Marked::by(&clock, &response) {
            // Only the SDK's own correction can help there.
            return Ok(response);
        }
        Ok(clock.aged(response))
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
        self.wiring.means.credentials().await
    }

    fn recent_credentials(&self, access_key: &str) -> Option<Credentials> {
        let recent = self.wiring.clock.attachment::<RecentCredentials>();
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

    fn mark(&self, response: &mut HttpResponse, seen: Seen) {
        response.add_extension(Marked {
            clock: self.wiring.clock.address(),
            seen,
        });
    }
}

/// Resolves when a body has been waited for long enough.
pub(super) async fn deadline(sleep: Option<SharedAsyncSleep>) {
    match sleep {
        Some(sleep) => sleep.sleep(LONGEST_READ).await,
        None => pending().await,
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
