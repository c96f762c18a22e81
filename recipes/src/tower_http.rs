//! [tower-http](https://docs.rs/tower-http) above or below a layer of this crate. Only
//! `DecompressionLayer` has to be below, so that the layer can read error messages.

use std::fmt::Display;
use std::time::Duration;

use aws_clock_skew::tower::SigningLayer;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tower::{BoxError, Service, ServiceBuilder};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

/// One span and one time-out for each call.
pub fn above<S, R>(
    layer: SigningLayer,
    client: S,
) -> impl Service<Request<String>, Response = Response<impl Body>, Error = BoxError>
where
    S: Service<Request<String>, Response = Response<R>> + Clone + Send + 'static,
    S: Service<Request<String>, Error: Into<BoxError> + Send, Future: Send>,
    R: Body<Error: Display + Send> + Default + Send + 'static,
{
    ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(TimeoutLayer::with_status_code(TOO_LATE, PATIENCE))
        .layer(layer)
        .service(client)
}

/// One span and one time-out for each request. A call may need two requests.
pub fn below<S, R>(
    layer: SigningLayer,
    client: S,
) -> impl Service<Request<String>, Response = Response<impl Body>, Error = BoxError>
where
    S: Service<Request<String>, Response = Response<R>> + Clone + Send + 'static,
    S: Service<Request<String>, Error: Into<BoxError> + Display + Send, Future: Send>,
    R: Body<Error: Display + Send> + Default + Send + 'static,
{
    ServiceBuilder::new()
        .layer(layer)
        .layer(TraceLayer::new_for_http())
        .layer(TimeoutLayer::with_status_code(TOO_LATE, PATIENCE))
        .service(client)
}

const TOO_LATE: StatusCode = StatusCode::GATEWAY_TIMEOUT;
const PATIENCE: Duration = Duration::from_secs(30);
