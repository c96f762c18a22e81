//! The server: connections, and the steps that each request takes.

use crate::{
    answer::{Failure, respond},
    authorization::denial,
    counts::{Ledger, RequestRecord, Verdict},
    credentials::Keyring,
    hold::Gate,
    identifiers::Identifiers,
    input::Input,
    kms::Kms,
    lock::lock,
    request::{Request, RequestInfo, Service},
    settings::Settings,
    sqs::Sqs,
    sts,
    verify::{Rejection, verify},
};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::SystemTime,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// The state that all connections share.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) clock: Box<dyn Fn() -> SystemTime + Send + Sync>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) settings: Mutex<Settings>,
    pub(crate) gate: Mutex<Option<Arc<Gate>>>,
    pub(crate) ledger: Ledger,
    pub(crate) identifiers: Identifiers,
    pub(crate) sqs: Sqs,
    pub(crate) kms: Kms,
    hooks: Hooks,
}

impl Server {
    pub(crate) fn new(
        address: SocketAddr,
        clock: Box<dyn Fn() -> SystemTime + Send + Sync>,
        keyring: Keyring,
        settings: Settings,
        hooks: Hooks,
    ) -> Self {
        let url = format!("http://{address}");
        Self {
            sqs: Sqs::new(url.clone()),
            url,
            clock,
            keyring: Arc::new(keyring),
            settings: Mutex::new(settings),
            gate: Mutex::default(),
            ledger: Ledger::default(),
            identifiers: Identifiers::new(address.port()),
            kms: Kms::default(),
            hooks,
        }
    }

    async fn answer(&self, request: Request) -> Response<Full<Bytes>> {
        self.ledger.arrived();
        let gate = lock(&self.gate).clone();
        if let Some(gate) = gate {
            gate.pass().await;
        }
        (self.hooks.before_verify)(&request.info);
        let rejection = self.judge(&request).await.err();
        let verdict = rejection
            .as_ref()
            .map_or(Verdict::Accepted, |rejection| rejection.verdict);
        let record = RequestRecord::new(request.info.clone(), verdict);
        self.ledger.judged(record.clone());
        let request_id = self.identifiers.uuid();
        let outcome = match rejection {
            Some(rejection) => Err(Failure::rejected(request.service, rejection)),
            None => self.perform(&request, &request_id).await,
        };
        let settings = lock(&self.settings).clone();
        let date = settings.date((self.clock)());
        let response = respond(request.service, outcome, &request_id, date);
        (self.hooks.after_verify)(&record);
        response
    }

    /// Verifies a request at the server's time, and then checks whether its operation is denied.
    async fn judge(&self, request: &Request) -> Result<(), Rejection> {
        let settings = lock(&self.settings).clone();
        verify(request, &self.keyring, &settings, (self.clock)()).await?;
        if settings.denied.contains(&request.info.operation) {
            return Err(denial(request));
        }
        Ok(())
    }

    async fn perform(&self, request: &Request, request_id: &str) -> Result<String, Failure> {
        let Request {
            body,
            service,
            region,
            info,
            ..
        } = request;
        let (operation, now) = (&info.operation, (self.clock)());
        match service {
            Service::Sqs => {
                self.sqs
                    .perform(operation, &Input::parse(body)?, &self.identifiers)
                    .await
            }
            Service::Kms => self.kms.perform(
                operation,
                &Input::parse(body)?,
                region,
                &self.identifiers,
                now,
            ),
            Service::Sts => sts::perform(
                operation,
                body,
                &self.keyring,
                &self.identifiers,
                request_id,
                now,
            ),
        }
    }
}

/// The hooks of a test. By default they do nothing.
pub(crate) struct Hooks {
    pub(crate) before_verify: Box<dyn Fn(&RequestInfo) + Send + Sync>,
    pub(crate) after_verify: Box<dyn Fn(&RequestRecord) + Send + Sync>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            before_verify: Box::new(|_| ()),
            after_verify: Box::new(|_| ()),
        }
    }
}

/// Accepts and serves connections. Dropping the future closes them.
pub(crate) async fn accept(listener: TcpListener, server: Arc<Server>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // The error concerns one connection, or ends when other connections close.
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(serve(stream, Arc::clone(&server)));
            }
            Some(_) = connections.join_next() => {}
            else => tokio::task::yield_now().await,
        }
    }
}

async fn serve(stream: TcpStream, server: Arc<Server>) {
    // Without this, a response may wait 40 ms for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let server = Arc::clone(&server);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(server.answer(Request::new(parts, body)).await)
        }
    });
    // hyper would add a `Date` with the real time.
    let connection = http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    // A connection that the client closes needs no handling.
    let _ = connection.await;
}
