//! A reverse proxy with [axum](https://docs.rs/axum) that signs the requests that it forwards.

use aws_clock_skew::tower::SigningLayer;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, Uri, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::{ServiceBuilder, ServiceExt};

/// Returns a router that passes every request on to the server `http://{authority}`.
pub fn proxy(layer: SigningLayer, authority: String) -> Router {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let upstream = ServiceBuilder::new().layer(layer).service(client);
    Router::new().fallback(async move |request: Request| -> Response {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri = format!("http://{authority}{path}").parse::<Uri>();
        // The signer needs the whole body, and a resend needs a copy of it.
        let (Ok(uri), Ok(body)) = (uri, to_bytes(body, 16 << 20).await) else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        head.uri = uri;
        head.headers.remove(header::HOST);
        let request = Request::from_parts(head, Full::from(body));
        match upstream.oneshot(request).await {
            Ok(response) => response.map(Body::new),
            Err(_) => StatusCode::BAD_GATEWAY.into_response(),
        }
    })
}
