//! [reqwest](https://docs.rs/reqwest) as a Tower service under `signing_layer`, for services
//! without an SDK: API Gateway, OpenSearch and others.

use aws_clock_skew::SkewClock;
use aws_clock_skew::tower::SkewBody;
use aws_credential_types::provider::ProvideCredentials;
use http::{Request, Response};
use tower::{BoxError, Service, ServiceBuilder};

/// Returns a service that signs and sends.
///
/// # Panics
///
/// The service panics if the URI of a request is not absolute.
pub fn client(
    clock: &SkewClock,
    credentials: impl ProvideCredentials + 'static,
    client: reqwest::Client,
) -> impl Service<
    Request<String>,
    Response = Response<SkewBody<reqwest::Body>>,
    Error = BoxError,
    Future: Send,
> + Clone {
    ServiceBuilder::new()
        .layer(clock.signing_layer(credentials, "us-east-1", "sqs"))
        .map_request(|request: Request<String>| -> reqwest::Request {
            request
                .try_into()
                .unwrap_or_else(|error| panic!("not an absolute URI: {error}"))
        })
        .map_response(Response::<reqwest::Body>::from)
        .service(client)
}
