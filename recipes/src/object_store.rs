//! [object_store](https://docs.rs/object_store): an `HttpConnector` around its own.
//!
//! ```no_run
//! use aws_clock_skew::SkewClock;
//! use aws_clock_skew_recipes::object_store::SkewConnector;
//! use object_store::aws::AmazonS3Builder;
//!
//! # fn store(credentials: aws_credential_types::Credentials) -> object_store::Result<()> {
//! let clock = SkewClock::new();
//! // The credentials that the store signs with.
//! let store = AmazonS3Builder::from_env()
//!     .with_http_connector(SkewConnector(clock.layer(credentials)))
//!     .build()?;
//! # Ok(())
//! # }
//! ```

use aws_clock_skew::tower::SkewLayer;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    ReqwestConnector,
};

/// Corrects the clock of an object store.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a recipe")]
pub struct SkewConnector(pub SkewLayer);

#[derive(Debug)]
struct SkewClient {
    layer: SkewLayer,
    inner: HttpClient,
}

impl HttpConnector for SkewConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        let layer = self.0.clone();
        Ok(HttpClient::new(SkewClient { layer, inner }))
    }
}

#[async_trait::async_trait]
impl HttpService for SkewClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let send = |request| self.inner.execute(request);
        let response = self.layer.send(request, send).await?;
        Ok(response.map(HttpResponseBody::new))
    }
}
