//! [aws-sign-v4](https://docs.rs/aws-sign-v4): `layer` goes below the code that signs.
//!
//! It is not enough to sign with `clock.now()`: no response would update the clock.

use aws_clock_skew::SkewClock;
use aws_credential_types::provider::ProvideCredentials;
use http::{Request, Response};
use http_body::Body;
use tower::{Service, ServiceBuilder};

/// Returns a service for requests that `aws-sign-v4` has signed.
pub fn corrected<S, B, R>(
    clock: &SkewClock,
    credentials: impl ProvideCredentials + 'static,
    client: S,
) -> impl Service<Request<B>, Response = Response<impl Body>, Error = S::Error> + Clone
where
    S: Service<Request<B>, Response = Response<R>, Error: Send, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Error: Send> + Clone + Send + 'static,
    R: Body<Error: Send> + Send + 'static,
{
    ServiceBuilder::new()
        .layer(clock.layer(credentials))
        .service(client)
}
