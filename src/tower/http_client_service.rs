//! [`HttpClientService`]: the SDK's HTTP client as a `tower` service.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_smithy_async::rt::sleep::default_async_sleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::BuildError;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::sdk_body::into_sdk_body;
use crate::sdk::{default_http_client, minimal_components};

/// Service that sends requests with an HTTP client of the AWS SDK, to use its connections,
/// TLS and proxy settings under a `tower` stack.
///
/// ```no_run
/// # async fn send(config: &aws_config::SdkConfig, clock: &aws_clock_skew::SkewClock) -> Result<(), tower::BoxError> {
/// use aws_clock_skew::tower::HttpClientService;
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, ServiceExt};
///
/// let credentials = config.credentials_provider().ok_or("no credentials")?;
/// let service = ServiceBuilder::new()
///     .layer(clock.signing_layer(credentials, "us-east-1", "execute-api"))
///     .service(HttpClientService::from_config(config).ok_or("no HTTP client")?);
/// let request = http::Request::get("https://abc.execute-api.us-east-1.amazonaws.com/orders");
/// let response = service.oneshot(request.body(Full::default())?).await?;
/// # Ok(())
/// # }
/// ```
///
/// A request needs an absolute URI. The service does nothing that the SDK does around its
/// HTTP client: no signatures, retries, user agent or stalled-stream protection, and no
/// removal of a connection from the pool after errors. A
/// [`SkewHttpClient`](crate::sdk::SkewHttpClient) re-signs nothing here, because it gets no
/// credentials: use the layers of this crate above the service instead.
///
/// The service is always ready. If its future is dropped, the request is cancelled.
#[derive(Clone, Debug)]
pub struct HttpClientService {
    /// `None` under a [`LayeredHttpClient`](super::LayeredHttpClient), where the connector of
    /// an attempt is an extension of its request.
    pub(super) connector: Option<SharedHttpConnector>,
}

impl HttpClientService {
    /// Returns a service with the HTTP client of a config, or the SDK's default client if
    /// the config has none, and with the config's connect and read timeouts.
    ///
    /// Returns `None` if there is neither; see
    /// [`default_http_client`](crate::sdk::default_http_client).
    pub fn from_config(config: &SdkConfig) -> Option<Self> {
        let client = config.http_client().or_else(default_http_client)?;
        let timeouts = config.timeout_config();
        let mut settings = HttpConnectorSettings::builder();
        settings.set_connect_timeout(timeouts.and_then(|timeouts| timeouts.connect_timeout()));
        settings.set_read_timeout(timeouts.and_then(|timeouts| timeouts.read_timeout()));
        Self::new(client, &settings.build()).ok()
    }

    /// Returns a service with an HTTP client and the timeouts in `settings`.
    ///
    /// # Errors
    ///
    /// Returns an error if the version of the SDK requires components that this crate does
    /// not know.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use aws_clock_skew::sdk::default_http_client;
    /// use aws_clock_skew::tower::HttpClientService;
    /// use aws_smithy_runtime_api::client::http::HttpConnectorSettings;
    ///
    /// let settings = HttpConnectorSettings::builder().connect_timeout(Duration::from_secs(3)).build();
    /// let service = default_http_client().map(|client| HttpClientService::new(client, &settings));
    /// assert!(service.is_none_or(|service| service.is_ok()));
    /// ```
    pub fn new(
        client: impl HttpClient + 'static,
        settings: &HttpConnectorSettings,
    ) -> Result<Self, BuildError> {
        let components = minimal_components(SystemTimeSource::new(), default_async_sleep())?;
        Ok(Self {
            connector: Some(client.http_connector(settings, &components)),
        })
    }
}

impl<B> Service<Request<B>> for HttpClientService
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<SdkBody>;
    type Error = ConnectorError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<SdkBody>, ConnectorError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectorError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let own = request.extensions_mut().remove::<SharedHttpConnector>();
        let connector = own.or_else(|| self.connector.clone());
        Box::pin(async move {
            let connector = connector.ok_or_else(|| {
                let lost = "a layer has dropped the extensions of the request";
                ConnectorError::user(lost.into())
            })?;
            let request = HttpRequest::try_from(request.map(into_sdk_body));
            let request = request.map_err(|error| ConnectorError::user(error.into()))?;
            let response = connector.call(request).await?.try_into_http1x();
            response.map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
