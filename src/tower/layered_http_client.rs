//! [`LayeredHttpClient`]: `tower` layers between the SDK and its HTTP client.

use std::fmt;
use std::future::poll_fn;
use std::iter;
use std::sync::{Arc, Mutex, PoisonError};

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
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::http_client_service::HttpClientService;
use super::sdk_body::{ReplaySdkBody, into_sdk_body};

/// HTTP client with `tower` layers between the AWS SDK and another HTTP client: limits,
/// tracing, timeouts or headers for every attempt of every client of a config.
///
/// ```no_run
/// # async fn start() -> Option<()> {
/// use aws_clock_skew::SkewClock;
/// use aws_clock_skew::sdk::default_http_client;
/// use aws_clock_skew::tower::LayeredHttpClient;
/// use aws_config::BehaviorVersion;
/// use tower::limit::ConcurrencyLimitLayer;
///
/// let client = LayeredHttpClient::new(default_http_client()?, ConcurrencyLimitLayer::new(50));
/// let loader = aws_config::defaults(BehaviorVersion::latest());
/// let skew = SkewClock::new();
/// let config = skew.configure_with_http_client(loader, client).load().await;
/// # Some(())
/// # }
/// ```
///
/// The stack is built once, and all clients share its state. For several layers, pass a
/// `ServiceBuilder` without a service. The resulting service must be `Clone`, so put a
/// `Buffer` over a `RateLimit`. The layers get signed requests with a [`ReplaySdkBody`],
/// and must not change anything that is signed.
///
/// # Where the clock goes
///
/// In the example above, the clock is around the stack: if a request waits in the stack for
/// too long, it is re-signed after the service has rejected it. If the clock is inside, as
/// in `LayeredHttpClient::new(skew.wrap_http_client(inner), layers)`, such a request is
/// re-signed before it is sent. Both use the credentials of the client.
/// [`SkewLayer`](super::SkewLayer) also works as one of the layers, and needs its own
/// credentials.
///
/// # What is kept and what is lost
///
/// The inner client still gets the connect and read timeouts of each client and operation
/// and the extensions of requests, and the SDK still gets the extensions of responses.
/// Connection poisoning and the connector's name in the user agent work as before. There
/// are three restrictions:
///
/// * The legacy client of `aws-smithy-http-client` (hyper 0.14) cannot be the inner client:
///   every call fails, because extensions cannot be converted between the versions of
///   `http`.
/// * A layer that builds a new request has to copy the extensions of the old one, which
///   hold the connector.
/// * The SDK retries an error of a layer only if a [`ConnectorError`] is in its chain of
///   sources. For example, put this above the `TimeoutLayer` of `tower`: `.map_err(|error:
///   BoxError| match error.is::<Elapsed>() { true => ConnectorError::timeout(error).into(),
///   false => error })`.
#[derive(Clone)]
pub struct LayeredHttpClient {
    inner: SharedHttpClient,
    stack: Arc<dyn Fn(Request<ReplaySdkBody>) -> HttpConnectorFuture + Send + Sync>,
}

impl LayeredHttpClient {
    /// Returns an HTTP client that sends requests through `layers` to `inner`.
    pub fn new<L, R>(inner: impl HttpClient + 'static, layers: L) -> Self
    where
        L: Layer<HttpClientService>,
        L::Service: Service<
                Request<ReplaySdkBody>,
                Response = Response<R>,
                Error: Into<BoxError>,
                Future: Send,
            > + Clone
            + Send
            + 'static,
        R: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        // The lock is needed because many services are `Send` and not `Sync`.
        let service = Mutex::new(layers.layer(HttpClientService { connector: None }));
        let stack = move |request| {
            let mut service = service
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            HttpConnectorFuture::new(async move {
                let ready = poll_fn(|cx| service.poll_ready(cx)).await;
                ready.map_err(connector_error)?;
                let response = service.call(request).await.map_err(connector_error)?;
                let response = HttpResponse::try_from(response.map(into_sdk_body));
                response.map_err(|error| ConnectorError::other(error.into(), None))
            })
        };
        Self {
            inner: inner.into_shared(),
            stack: Arc::new(stack),
        }
    }
}

impl HttpClient for LayeredHttpClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connector = self.inner.http_connector(settings, components);
        let client = self.clone();
        Connector { connector, client }.into_shared()
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

impl fmt::Debug for LayeredHttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayeredHttpClient")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// The connector of one attempt. The SDK requests a new one for each attempt, so it holds
/// no state of the layers.
#[derive(Debug)]
struct Connector {
    connector: SharedHttpConnector,
    client: LayeredHttpClient,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match request.try_into_http1x() {
            Ok(mut request) => {
                request.extensions_mut().insert(self.connector.clone());
                (self.client.stack)(request.map(ReplaySdkBody::from))
            }
            Err(error) => HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        }
    }
}

/// Converts an error of the stack. An error of the inner client is returned unchanged; any
/// other gets the kind of the [`ConnectorError`] in its chain of sources.
fn connector_error(error: impl Into<BoxError>) -> ConnectorError {
    let error = match error.into().downcast::<ConnectorError>() {
        Ok(error) => return *error,
        Err(error) => error,
    };
    let mut sources = iter::successors(error.source(), |cause| cause.source());
    match sources.find_map(|cause| cause.downcast_ref::<ConnectorError>()) {
        Some(inner) if inner.is_timeout() => ConnectorError::timeout(error),
        Some(inner) if inner.is_io() => ConnectorError::io(error),
        Some(inner) if inner.is_user() => ConnectorError::user(error),
        inner => {
            let kind = inner.and_then(ConnectorError::as_other);
            ConnectorError::other(error, kind)
        }
    }
}
