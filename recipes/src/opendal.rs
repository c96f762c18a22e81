//! [opendal](https://docs.rs/opendal): an `HttpTransport` over `reqwest`.
//!
//! ```no_run
//! use aws_clock_skew::SkewClock;
//! use aws_clock_skew_recipes::opendal::SkewTransport;
//! use opendal::{HttpTransporter, OperationContext, Operator, services::S3};
//!
//! # fn operator(credentials: aws_credential_types::Credentials) -> opendal::Result<()> {
//! let clock = SkewClock::new();
//! // The credentials that the operator signs with.
//! let transport = SkewTransport {
//!     layer: clock.layer(credentials),
//!     client: reqwest::Client::new(),
//! };
//! let context = OperationContext::new().with_http_transport(HttpTransporter::new(transport));
//! let operator = Operator::new(S3::default().bucket("bucket"))?.with_context(context);
//! # Ok(())
//! # }
//! ```

use aws_clock_skew::tower::SkewLayer;
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, Result};

/// Corrects the clock of an operator.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a recipe")]
pub struct SkewTransport {
    /// With the credentials of the operator.
    pub layer: SkewLayer,
    /// The client that sends.
    pub client: reqwest::Client,
}

impl HttpTransport for SkewTransport {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        let request = request.map(|body| Full::from(body.to_bytes()));
        let send = |request: Request<Full<Bytes>>| self.send(request);
        let response = self.layer.send(request, send).await.map_err(error)?;
        Ok(response.map(|body| {
            let stream = body.into_data_stream();
            let stream = stream.map_ok(Buffer::from).map_err(error);
            HttpBody::new(Box::pin(stream), None)
        }))
    }
}

impl SkewTransport {
    async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> reqwest::Result<Response<reqwest::Body>> {
        let request = request.map(reqwest::Body::wrap).try_into()?;
        Ok(self.client.execute(request).await?.into())
    }
}

fn error(error: reqwest::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "the request failed").set_source(error)
}
