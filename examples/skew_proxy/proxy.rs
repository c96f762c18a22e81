//! From a connection to the upstream and back.

use std::sync::Arc;

use aws_clock_skew::tower::{SkewBody, SkewService};
use aws_clock_skew::{LocalClock, SkewClock};
use aws_credential_types::provider::ProvideCredentials;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt};

use super::gate::Gate;

type Upstream = Client<HttpConnector, Full<Bytes>>;
type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// Everything that connections share.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    upstream: Uri,
    client: Upstream,
    corrected: SkewService<Upstream>,
    gate: Arc<Gate>,
    machine: Arc<dyn LocalClock>,
}

impl Proxy {
    pub(crate) fn new(
        clock: &SkewClock,
        machine: impl LocalClock + 'static,
        credentials: impl ProvideCredentials + 'static,
        upstream: Uri,
    ) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            upstream,
            corrected: clock.layer(credentials).layer(client.clone()),
            client,
            gate: Arc::default(),
            machine: Arc::new(machine),
        }
    }

    /// Serves connections until it is dropped.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let proxy = self.clone();
            let service = service_fn(move |request| proxy.clone().answer(request));
            let connection = http1::Builder::new()
                // The upstream's own, or none.
                .auto_date_header(false)
                .serve_connection(TokioIo::new(stream), service);
            connections.spawn(connection);
            while connections.try_join_next().is_some() {}
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        parts.uri = self.target(parts.uri.path_and_query());
        for name in HOP_BY_HOP {
            parts.headers.remove(name);
        }
        let ticket = self.gate.admit(&parts.headers, self.machine.boot());
        let request = Request::from_parts(parts, Full::from(body));
        let answer = match ticket {
            None => self
                .client
                .request(request)
                .await
                .map(|answer| answer.map(Body::new)),
            Some(ticket) => {
                let answer = self.corrected.oneshot(request).await;
                if answer
                    .as_ref()
                    .is_ok_and(|answer| answer.status().is_success())
                {
                    self.gate.accepted(ticket);
                }
                answer.map(|answer| answer.map(|body: SkewBody<_>| Body::new(body)))
            }
        };
        Ok(answer.unwrap_or_else(|error| bad_gateway(&error)))
    }

    fn target(&self, path: Option<&PathAndQuery>) -> Uri {
        let mut parts = self.upstream.clone().into_parts();
        parts.path_and_query = path.cloned();
        Uri::from_parts(parts).unwrap_or_else(|_| self.upstream.clone())
    }
}

fn bad_gateway(error: &Error) -> Response<Body> {
    eprintln!("skew_proxy: {error}");
    let empty = Empty::new().map_err(|never| match never {});
    let mut response = Response::new(Body::new(empty));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

/// What concerns one connection only; no signer signs it.
const HOP_BY_HOP: [&str; 6] = [
    "connection",
    "expect",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
];
