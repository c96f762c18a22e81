//! From a connection to the upstream and back.

use std::error::Error;
use std::fmt::{self, Display};
use std::sync::Arc;

use aws_clock_skew::tower::SkewLayer;
use aws_clock_skew::{LocalClock, SkewClock};
use aws_credential_types::provider::ProvideCredentials;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::gate::{Gate, NotAdmitted, Now};

type Upstream = Client<HttpConnector, Full<Bytes>>;
type Body = UnsyncBoxBody<Bytes, hyper::Error>;
type Say = dyn Fn(&dyn Display) + Send + Sync;

/// Everything that connections share.
#[derive(Clone)]
pub(crate) struct Proxy {
    upstream: Uri,
    client: Upstream,
    layer: SkewLayer,
    pub(crate) gate: Gate,
    clock: SkewClock,
    local: Arc<dyn LocalClock>,
    say: Arc<Say>,
}

impl Proxy {
    /// `say` is told what an operator has to know.
    pub(crate) fn new(
        clock: &SkewClock,
        local: impl LocalClock + 'static,
        credentials: impl ProvideCredentials + 'static,
        upstream: Uri,
        say: impl Fn(&dyn Display) + Send + Sync + 'static,
    ) -> Self {
        Self {
            upstream,
            client: Client::builder(TokioExecutor::new()).build_http(),
            layer: clock.layer(credentials),
            gate: Gate::default(),
            clock: clock.clone(),
            local: Arc::new(local),
            say: Arc::new(say),
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
        let now = Now {
            monotonic: self.local.monotonic(),
            local: self.local.wall(),
            corrected: self.clock.now(),
        };
        let ticket = self.gate.admit(&parts.headers, now);
        let request = Request::from_parts(parts, Full::from(body));
        let answer = match ticket {
            Err(reason) => {
                if reason != NotAdmitted::Unreadable {
                    self.say(&format_args!(
                        "{} {} is passed on as it came: {reason}",
                        request.method(),
                        shown(request.uri().path()),
                    ));
                }
                let answer = self.client.request(request).await;
                answer.map(|answer| answer.map(Body::new))
            }
            Ok(ticket) => {
                let original = request.headers().get(AUTHORIZATION).cloned();
                let answer = self.layer.send(request, |request| {
                    // The layer re-signs only what it has proven. This is before the send:
                    // a program that hangs up now has sent it all the same.
                    if request.headers().get(AUTHORIZATION) != original.as_ref() {
                        ticket.prove();
                    }
                    self.client.request(request)
                });
                let answer = answer.await;
                if answer
                    .as_ref()
                    .is_ok_and(|answer| answer.status().is_success())
                {
                    ticket.prove();
                }
                answer.map(|answer| answer.map(Body::new))
            }
        };
        Ok(answer.unwrap_or_else(|error| self.bad_gateway(&error)))
    }

    fn bad_gateway(&self, error: &dyn Error) -> Response<Body> {
        let mut text = format!("no response from {}: {error}", self.upstream);
        let mut source = error.source();
        while let Some(error) = source {
            text += &format!(": {error}");
            source = error.source();
        }
        self.say(&text);
        let body = Full::from(text + "\n").map_err(|never| match never {});
        let mut response = Response::new(Body::new(body));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        response
    }

    fn say(&self, line: &dyn Display) {
        (self.say)(line);
    }

    fn target(&self, path: Option<&PathAndQuery>) -> Uri {
        let mut parts = self.upstream.clone().into_parts();
        parts.path_and_query = path.cloned();
        Uri::from_parts(parts).unwrap_or_else(|_| self.upstream.clone())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("upstream", &self.upstream)
            .finish_non_exhaustive()
    }
}

/// A path's first 64 characters, which a URI has only of those that can be shown.
fn shown(path: &str) -> &str {
    path.get(..64).unwrap_or(path)
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
