//! [reqwest-middleware](https://docs.rs/reqwest-middleware): a middleware below the one that signs.
//!
//! ```no_run
//! # fn client(credentials: aws_credential_types::Credentials, signer: impl reqwest_middleware::Middleware) {
//! use aws_clock_skew::SkewClock;
//! use aws_clock_skew_recipes::reqwest_middleware::SkewMiddleware;
//! use reqwest_middleware::ClientBuilder;
//!
//! let clock = SkewClock::new();
//! let client = ClientBuilder::new(reqwest::Client::new())
//!     .with(signer)
//!     .with(SkewMiddleware(clock.layer(credentials)))
//!     .build();
//! # }
//! ```

use aws_clock_skew::tower::SkewLayer;
use bytes::Bytes;
use http::Extensions;
use http_body_util::Full;
use reqwest::{Body, Request, Response};
use reqwest_middleware::{Middleware, Next, Result};

/// Corrects the clock of the middleware above it. It sends a request with a streaming body
/// unchanged.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a recipe")]
pub struct SkewMiddleware(pub SkewLayer);

#[async_trait::async_trait]
impl Middleware for SkewMiddleware {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let body = request.body().map_or(Some(&[][..]), Body::as_bytes);
        let Some(body) = body.map(Bytes::copy_from_slice) else {
            return next.run(request, extensions).await;
        };
        let request = http::Request::<Body>::try_from(request)?.map(|_| Full::from(body));
        let response = self.0.send(request, |request: http::Request<Full<Bytes>>| {
            let (next, mut extensions) = (next.clone(), extensions.clone());
            async move {
                let request = Request::try_from(request.map(Body::wrap))?;
                let response = next.run(request, &mut extensions).await?;
                Ok::<_, reqwest_middleware::Error>(http::Response::<Body>::from(response))
            }
        });
        Ok(response.await?.map(Body::wrap).into())
    }
}
