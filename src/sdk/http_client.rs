//! [`SkewHttpClient`]: an HTTP client that corrects every SDK client that uses it.

mod chunks;
mod copy;
mod request;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use aws_runtime::service_clock_skew::DisableClockSkewCorrection;
use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_runtime_api::box_error::BoxError;
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
use aws_smithy_types::config_bag::ConfigBag;
use http::header::{AGE, AUTHORIZATION};

use crate::clock::{SentAt, SkewClock};
use crate::event::Label;
use crate::host::Host;
use crate::resend::{LastDate, ReplayRequest, has_to_prepare, prepare, recover};
use crate::resign::service_of;
use crate::sdk::auth_scheme::ResignedBySdk;
use crate::sdk::credentials::ClientCredentials;
use crate::sdk::interceptor;
use crate::sdk::operation::{date_of, first_header};
use crate::sdk::retry_classifier::is_ours;

use copy::RequestCopy;
pub(super) use request::Observed;
use request::{SdkRequest, put};

/// HTTP client that wraps another one. It re-signs and resends a request once after a clock
/// skew error.
///
/// It corrects every SDK client that uses it, including those inside credential providers,
/// whether or not they retry. It signs with the credentials of the client itself. If the
/// signing time of a request is two minutes or more from the time for its host, the request
/// is re-signed before its first send.
///
/// It adds `Age: 0` to responses that have no `Age`: the SDK's own correction ignores
/// responses from a cache, so the two do not correct twice. An observe-only clock does not
/// add it, nor is it added for clients that have that correction off.
///
/// A stream that the S3 SDK signs in chunks, over plain `http:`, is re-signed with its
/// chunks.
///
/// Requests that only the SDK can re-sign pass unchanged, and so do their responses: event
/// streams, whose frames are signed one by one, and S3 Express sessions. The same holds for
/// requests whose credentials change at each load, unless the client uses this clock's
/// [identity cache](SkewClock::identity_cache). Error responses to all of them still update
/// the clock. For event streams, [`install!`](crate::install) the clock in the client as
/// well; a request is still re-signed only once.
///
/// The resend happens below the SDK's retries. Retry classifiers see only the response to
/// the resend, so a classifier that forbids the retry of a 403 does not prevent the resend.
///
/// [`SkewClock::wrap_http_client`] returns it.
#[derive(Clone, Debug)]
pub struct SkewHttpClient {
    shared: Arc<Shared>,
    inner: SharedHttpClient,
}

#[derive(Debug)]
struct Shared {
    clock: SkewClock,
    /// Whether at least one SDK client that uses this one has the SDK's own correction on.
    adds_age: AtomicBool,
    /// Whether the first signed request was logged.
    is_noted: AtomicBool,
    last_date: LastDate,
    /// The sleep implementation of the first client that has one.
    sleep: OnceLock<SharedAsyncSleep>,
}

impl SkewClock {
    /// Returns an HTTP client that wraps `inner` and corrects every SDK client that uses
    /// it.
    ///
    /// [`configure`](Self::configure) sets it and the [identity
    /// cache](Self::identity_cache) for a whole config.
    ///
    /// ```no_run
    /// # fn wire(
    /// #     clock: &aws_clock_skew::SkewClock,
    /// #     config: &aws_config::SdkConfig,
    /// #     http_client: aws_smithy_runtime_api::client::http::SharedHttpClient,
    /// # ) {
    /// let builder = aws_sdk_sqs::config::Builder::from(config)
    ///     .http_client(clock.wrap_http_client(http_client))
    ///     .identity_cache(clock.identity_cache());
    /// # }
    /// ```
    pub fn wrap_http_client(&self, inner: impl HttpClient + 'static) -> SkewHttpClient {
        SkewHttpClient {
            shared: Arc::new(Shared {
                clock: self.clone(),
                adds_age: AtomicBool::new(false),
                is_noted: AtomicBool::new(false),
                last_date: LastDate::default(),
                sleep: OnceLock::new(),
            }),
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
        // A client in which the clock is installed re-signs its requests itself.
        let first = components.retry_classifiers().next();
        if first.is_some_and(is_ours) && !self.shared.clock.has_other_signers() {
            return inner;
        }
        if self.shared.sleep.get().is_none()
            && let Some(sleep) = components.sleep_impl()
        {
            // Another client may have been first.
            drop(self.shared.sleep.set(sleep));
        }
        SharedHttpConnector::new(Connector {
            shared: self.shared.clone(),
            inner,
            credentials: ClientCredentials::of(components),
        })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        cfg: &ConfigBag,
    ) -> Result<(), BoxError> {
        let sdk_correction = cfg.load::<DisableClockSkewCorrection>();
        if !sdk_correction.is_some_and(DisableClockSkewCorrection::is_disabled) {
            self.shared.adds_age.store(true, Ordering::Relaxed);
        }
        // S3 Express makes a client without interceptors for its sessions.
        if components.retry_classifiers().any(is_ours) && !interceptor::is_in(components) {
            self.shared.clock.note_other_signer();
        }
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
struct Connector {
    shared: Arc<Shared>,
    inner: SharedHttpConnector,
    credentials: ClientCredentials,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if request.extension::<ResignedBySdk>().is_some() {
            return self.inner.call(request);
        }
        let connector = self.clone();
        let clock = &connector.shared.clock;
        let Some(copy) = RequestCopy::of(&request, &connector.shared.last_date) else {
            // The request has no signature, so a rejection cannot be due to its time.
            let sent = connector.inner.call(request);
            return HttpConnectorFuture::new(async move {
                let mut response = sent.await?;
                connector.shared.mark_cached(&mut response);
                Ok(response)
            });
        };
        clock.note_request(&connector.shared.is_noted, "http_client", || {
            let authorization = first_header(request.headers(), &AUTHORIZATION)?;
            Label::of_service(service_of(str::from_utf8(authorization).ok()?)?)
        });
        let sent_at = SentAt::now(clock, || Host::of_uri(request.uri()));
        if copy.is_ours_to_sign && has_to_prepare(clock, sent_at, copy.signed_at) {
            return HttpConnectorFuture::new(prepare_and_send(connector, copy, request));
        }
        let mut sent = connector.inner.call(request);
        // Emptied when the response is observed; `sent` is then that.
        let mut kept = Some((connector, copy));
        HttpConnectorFuture::new(poll_fn(move |context| {
            let mut polled = Pin::new(&mut sent).poll(context);
            let (Poll::Ready(Ok(response)), Some((connector, copy))) = (&mut polled, &kept) else {
                return polled;
            };
            let shared = &connector.shared;
            let host = || Host::of_uri(copy.uri());
            if !must_observe(&shared.clock, sent_at, response, host) {
                if copy.is_ours_to_sign {
                    shared.mark_cached(response);
                }
                return polled;
            }
            if let (Poll::Ready(Ok(response)), Some((connector, copy))) = (polled, kept.take()) {
                let copy = SdkRequest::new(connector, copy);
                sent = HttpConnectorFuture::new(observe(copy, sent_at, response));
            }
            Pin::new(&mut sent).poll(context)
        }))
    }
}

/// Re-signs a request before its first send, and sends it.
async fn prepare_and_send(
    connector: Connector,
    copy: RequestCopy,
    mut request: HttpRequest,
) -> Result<HttpResponse, ConnectorError> {
    let mut copy = SdkRequest::new(connector.clone(), copy);
    let clock = &connector.shared.clock;
    if let Some(signature) = prepare(&mut copy, clock).await {
        copy.sign(&signature);
        put(signature, &mut request);
    }
    let sent_at = SentAt::now(clock, || Host::of_uri(request.uri()));
    let mut response = connector.inner.call(request).await?;
    if !must_observe(clock, sent_at, &response, || copy.host()) {
        connector.shared.mark_cached(&mut response);
        return Ok(response);
    }
    observe(copy, sent_at, response).await
}

async fn observe(
    mut request: SdkRequest,
    sent_at: SentAt,
    response: HttpResponse,
) -> Result<HttpResponse, ConnectorError> {
    let shared = request.connector.shared.clone();
    let mut response = recover(&mut request, &shared.clock, sent_at, response).await?;
    if request.is_ours_to_sign {
        shared.mark_cached(&mut response);
    }
    Ok(response)
}

/// Returns whether the clock has to observe a response that was just received, and no HTTP
/// client of this clock has done so.
#[inline]
pub(super) fn must_observe(
    clock: &SkewClock,
    sent_at: SentAt,
    response: &HttpResponse,
    host: impl FnOnce() -> Option<Host>,
) -> bool {
    let is_success = response.status().is_success();
    clock.must_observe(sent_at, is_success, || date_of(response), host)
        && !Observed::is_on(response, clock)
}

impl Shared {
    /// Marks a response as one from a cache. The SDK's own correction then ignores its
    /// `Date` (aws-runtime, `service_clock_skew.rs`); otherwise it would correct a second
    /// time. If only the SDK can re-sign a request, its response is left to the SDK's own
    /// correction.
    fn mark_cached(&self, response: &mut HttpResponse) {
        let adds_age = self.adds_age.load(Ordering::Relaxed) && !self.clock.is_observe_only();
        if adds_age && first_header(response.headers(), &AGE).is_none() {
            response.headers_mut().insert("age", "0");
        }
    }
}
