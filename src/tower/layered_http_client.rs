//! [`LayeredHttpClient`]: `tower` layers between the SDK and its HTTP client.

use std::fmt;
use std::future::poll_fn;
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

use super::http_client_service::{HttpClientService, RequestConnector};
use super::sdk_body::{ReplaySdkBody, into_sdk_body};

/// Puts `tower` layers between the AWS SDK and its HTTP client: limits, tracing,
/// time-outs, headers, for every attempt of every client of a config.
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
/// The stack is built once, and all clients share its state. A stack of several layers is
/// a `ServiceBuilder` without a service, and a `Clone` service at its end: put a `Buffer`
/// over a `RateLimit`. Layers see requests that are signed already, with a
/// [`ReplaySdkBody`], and may not change what is signed.
///
/// # Where the clock goes
///
/// Around the stack, as above: a signature that has waited there for too long is then
/// re-signed after the service has rejected it. Inside, with
/// `LayeredHttpClient::new(skew.wrap_http_client(inner), layers)`, it is re-signed before
/// it leaves. Either way the credentials are those of the client.
/// [`SkewLayer`](super::SkewLayer) works as one of the layers, and needs credentials of
/// its own.
///
/// # What it keeps, and what is lost
///
/// The connect and read time-outs of each client and operation, connection poisoning, the
/// connector's name in the user agent and the extensions of requests and responses reach
/// the inner client and come back. This is lost:
///
/// * The legacy client of `aws-smithy-http-client` (hyper 0.14) cannot be the inner one:
///   extensions do not pass from one version of `http` to the other, and every call fails.
/// * A layer that makes a new request has to keep the extensions of the old one: they
///   name the connector.
/// * An error of a layer is one that the SDK does not retry, unless a [`ConnectorError`]
///   is in its chain of sources. Above `tower`'s `TimeoutLayer`, for example, put
///   `.map_err(|error: BoxError| match error.is::<Elapsed>() { true =>
///   ConnectorError::timeout(error).into(), false => error })`.
#[derive(Clone)]
pub struct LayeredHttpClient {
    inner: SharedHttpClient,
    stack: Arc<Stack>,
}

type Stack = dyn Fn(Request<ReplaySdkBody>) -> HttpConnectorFuture + Send + Sync;

impl LayeredHttpClient {
    /// Puts layers over an HTTP client of the SDK.
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
        // Behind a lock, as many services are `Send` only.
        let service = Mutex::new(layers.layer(HttpClientService::of_each_request()));
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
        let inner = self.inner.http_connector(settings, components);
        Connector {
            inner: RequestConnector(inner),
            stack: self.stack.clone(),
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

impl fmt::Debug for LayeredHttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayeredHttpClient")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// The connector of one attempt. The SDK asks for a new one each time, so the state of
/// the layers is not in it.
struct Connector {
    inner: RequestConnector,
    stack: Arc<Stack>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match request.try_into_http1x() {
            Ok(mut request) => {
                request.extensions_mut().insert(self.inner.clone());
                (self.stack)(request.map(ReplaySdkBody::from))
            }
            Err(error) => HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// Returns the error of the inner client as it was, and any other as of the kind that is
/// in its chain of sources.
fn connector_error(error: impl Into<BoxError>) -> ConnectorError {
    let error = match error.into().downcast::<ConnectorError>() {
        Ok(error) => return *error,
        Err(error) => error,
    };
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(inner) = cause.downcast_ref::<ConnectorError>() {
            return if inner.is_timeout() {
                ConnectorError::timeout(error)
            } else if inner.is_io() {
                ConnectorError::io(error)
            } else if inner.is_user() {
                ConnectorError::user(error)
            } else {
                let kind = inner.as_other();
                ConnectorError::other(error, kind)
            };
        }
        source = cause.source();
    }
    ConnectorError::other(error, None)
}
