//! From a connection to the upstream and back.

use std::error::Error;
use std::fmt::{self, Display};
use std::sync::{Arc, LazyLock};

use aws_clock_skew::tower::SkewLayer;
use aws_clock_skew::{LocalClock, SkewClock};
use aws_credential_types::Credentials;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::BoxError;

use super::aws_host::Target;
use super::body::{Memory, Outgoing};
use super::connect::{Connections, client};
use super::gate::{Gate, NotAdmitted, Now, Ticket};
use super::rejection::Rejection;
use super::settings::{Settings, Upstream};
use super::signature::{Authorization, CONTENT_SHA256, Proof, only};

type Body = UnsyncBoxBody<Bytes, hyper::Error>;
type Say = dyn Fn(&dyn Display) + Send + Sync;

/// Everything that connections share.
#[derive(Clone)]
pub(crate) struct Proxy {
    upstream: Upstream,
    /// The port that it listens on.
    port: u16,
    credentials: Credentials,
    client: Connections,
    layer: SkewLayer,
    pub(crate) gate: Gate,
    memory: Arc<Memory>,
    clock: SkewClock,
    local: Arc<dyn LocalClock>,
    say: Arc<Say>,
}

impl Proxy {
    /// `say` is told what an operator has to know. Fails if the certificates cannot be read.
    pub(crate) fn new(
        clock: &SkewClock,
        local: impl LocalClock + 'static,
        settings: Settings,
        say: impl Fn(&dyn Display) + Send + Sync + 'static,
    ) -> Result<Self, String> {
        Ok(Self {
            upstream: settings.upstream,
            port: settings.port,
            client: client(&settings.roots, settings.connect_to)?,
            layer: clock.layer(settings.credentials.clone()),
            credentials: settings.credentials,
            gate: Gate::default(),
            memory: Arc::default(),
            clock: clock.clone(),
            local: Arc::new(local),
            say: Arc::new(say),
        })
    }

    /// Serves connections until it is dropped.
    pub(crate) async fn serve(mut self, listener: TcpListener) {
        if let Ok(address) = listener.local_addr() {
            self.port = address.port();
        }
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            // Nobody closes the semaphore.
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            let proxy = self.clone();
            let service = service_fn(move |request| proxy.clone().answer(request));
            let connection = http1::Builder::new()
                // The upstream's own, or none.
                .auto_date_header(false)
                .serve_connection(TokioIo::new(stream), service);
            connections.spawn(async move {
                drop(connection.await);
                drop(place);
            });
            while connections.try_join_next().is_some() {}
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
        let (mut parts, body) = request.into_parts();
        let received = self.memory.read(&parts.headers, body).await?;
        for name in HOP_BY_HOP {
            parts.headers.remove(name);
        }
        let ticket = match &self.upstream {
            Upstream::One(upstream) => {
                parts.uri = target(upstream, parts.uri.path_and_query());
                match self.gate.admit(&parts.headers, self.now(&parts.uri)) {
                    Ok(ticket) => Some(ticket),
                    Err(reason) => {
                        if reason != NotAdmitted::Unreadable {
                            self.say_of(&parts, &format_args!("is passed on as it came: {reason}"));
                        }
                        None
                    }
                }
            }
            Upstream::Aws => match self.sign_for_aws(&mut parts, received.whole.as_ref()) {
                Ok(ticket) => Some(ticket),
                Err(rejection) => {
                    self.say_of(&parts, &format_args!("is not sent: {rejection}"));
                    let answer = rejection.answer(&parts.headers);
                    return Ok(answer.map(own));
                }
            },
        };
        let upstream = target(&parts.uri, None);
        let request = Request::from_parts(parts, received.outgoing);
        let answer = match ticket {
            None => {
                let answer = self.client.request(request).await;
                answer.map(|answer| answer.map(Body::new))
            }
            Some(ticket) => self.send(&ticket, request).await,
        };
        Ok(answer.unwrap_or_else(|error| self.bad_gateway(&upstream, &error)))
    }

    /// Signs a request for the host of AWS that its signature is for in truth, if it is
    /// proven that the holder of the credentials signed it.
    fn sign_for_aws(&self, parts: &mut Parts, body: Option<&Bytes>) -> Result<Ticket, Rejection> {
        let signed = Authorization::of(&parts.headers);
        let signed = signed.ok_or(Rejection::NotAdmitted(NotAdmitted::Unreadable))?;
        let hash = parts.headers.get(CONTENT_SHA256);
        if hash.is_some_and(|hash| hash.as_bytes().starts_with(b"STREAMING-AWS4-")) {
            return Err(Rejection::SignedInPieces);
        }
        let body = match (body, hash) {
            (Some(body), _) => body.as_ref(),
            (None, Some(_)) => &[],
            (None, None) => return Err(Rejection::TooLarge),
        };
        let target = Target::of(
            (signed.service, signed.region),
            only(&parts.headers, HOST.as_str()).unwrap_or_default(),
            self.port,
            parts.uri.path_and_query().unwrap_or(&ROOT),
        );
        let target = target.map_err(Rejection::NoHost)?;
        let uri = Uri::builder()
            .scheme(Scheme::HTTPS)
            .authority(&*target.host)
            .path_and_query(target.path)
            .build()
            .map_err(|_| Rejection::NotProven)?;
        let ticket = self.gate.admit(&parts.headers, self.now(&uri));
        let ticket = ticket.map_err(Rejection::NotAdmitted)?;
        let proof = Proof::of(parts, body, &self.credentials).ok_or(Rejection::NotProven)?;
        // This is before the send: a program that hangs up now has sent it all the same.
        ticket.prove();
        let host = HeaderValue::from_str(&target.host);
        parts
            .headers
            .insert(HOST, host.map_err(|_| Rejection::NotProven)?);
        parts.uri = uri;
        let time = self.now(&parts.uri).corrected;
        let headers = proof.sign(parts, body, &self.credentials, time);
        for (name, value) in &headers.ok_or(Rejection::NotProven)? {
            parts.headers.insert(name, value.clone());
        }
        Ok(ticket)
    }

    /// Sends a request that may be re-signed.
    async fn send(
        &self,
        ticket: &Ticket,
        request: Request<Outgoing>,
    ) -> Result<Response<Body>, legacy::Error> {
        let original = request.headers().get(AUTHORIZATION).cloned();
        let answer = self.layer.send(request, |request| {
            // The layer re-signs only what it has proven. As above, before the send.
            if request.headers().get(AUTHORIZATION) != original.as_ref() {
                ticket.prove();
            }
            self.client.request(request)
        });
        let answer = answer.await?;
        if answer.status().is_success() {
            ticket.prove();
        }
        Ok(answer.map(Body::new))
    }

    fn bad_gateway(&self, upstream: &Uri, error: &dyn Error) -> Response<Body> {
        let mut text = format!("no response from {upstream}: {error}");
        let mut source = error.source();
        while let Some(error) = source {
            text += &format!(": {error}");
            source = error.source();
        }
        self.say(&text);
        let mut response = Response::new(own(Bytes::from(text + "\n")));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        response
    }

    /// Returns the clocks, with the time that the next request to a host is signed for: the
    /// time of one host may be on trial while the clock is not corrected yet.
    fn now(&self, uri: &Uri) -> Now {
        Now {
            monotonic: self.local.monotonic(),
            local: self.local.wall(),
            corrected: self.clock.attempt(&uri.to_string()).signing_time(),
        }
    }

    fn say_of(&self, request: &Parts, what: &dyn Display) {
        let path = shown(request.uri.path());
        self.say(&format_args!("{} {path} {what}", request.method));
    }

    fn say(&self, line: &dyn Display) {
        (self.say)(line);
    }
}

/// Returns a URI of the upstream.
fn target(upstream: &Uri, path: Option<&PathAndQuery>) -> Uri {
    let mut parts = upstream.clone().into_parts();
    parts.path_and_query = Some(path.unwrap_or(&ROOT).clone());
    Uri::from_parts(parts).unwrap_or_else(|_| upstream.clone())
}

/// Returns the body of a response that the proxy makes itself.
fn own(body: Bytes) -> Body {
    Body::new(Full::from(body).map_err(|never| match never {}))
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

static ROOT: LazyLock<PathAndQuery> = LazyLock::new(|| PathAndQuery::from_static("/"));
/// What the open files of a process allow for, twice: each may have one to the upstream.
const MOST_CONNECTIONS: usize = 256;
/// What concerns one connection only; no signer signs it.
const HOP_BY_HOP: [&str; 6] = [
    "connection",
    "expect",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
];
