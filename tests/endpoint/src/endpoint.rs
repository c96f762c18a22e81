//! The handle for tests.

use crate::{
    builder::EndpointBuilder,
    counts::{Counts, RequestRecord},
    credentials::NewCredentials,
    hold::{Gate, Hold},
    lock::lock,
    server::{Server, accept},
};
use std::{
    fmt, io,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{net::TcpListener, task::AbortHandle};

/// A running endpoint. Dropping it stops it and closes all its connections.
///
/// `Send` and `Sync`; all methods take `&self`, so that it can be shared in an
/// `Arc` and changed while requests are on their way.
pub struct Endpoint {
    server: Arc<Server>,
    accepting: AbortHandle,
}

impl Endpoint {
    /// Starts building an endpoint whose time is that of `clock`.
    pub fn builder(clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> EndpointBuilder {
        EndpointBuilder::new(clock)
    }

    pub(crate) fn serve(listener: TcpListener, server: Server) -> Self {
        let server = Arc::new(server);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&server))).abort_handle();
        Self { server, accepting }
    }

    /// Returns the endpoint URL for clients, the same for all services.
    pub fn url(&self) -> String {
        self.server.url.clone()
    }

    /// Returns the URL of a queue, whether it exists or not.
    pub fn queue_url(&self, queue_name: &str) -> String {
        self.server.sqs.queue_url(queue_name)
    }

    /// Puts a message into a queue without a request, and creates the queue if it does not exist.
    pub fn feed(&self, queue_name: &str, body: impl Into<String>) {
        self.server
            .sqs
            .feed(queue_name, body.into(), &self.server.identifiers);
    }

    /// Creates a KMS key without a request, and returns its id.
    pub fn create_key(&self) -> String {
        self.server
            .kms
            .create_key(&self.server.identifiers, (self.server.clock)())
    }

    /// Returns the current counts.
    pub fn counts(&self) -> Counts {
        self.server.ledger.counts()
    }

    /// Returns the most recent requests that were verified or rejected, at most 100,000, oldest
    /// first.
    pub fn requests_log(&self) -> Vec<RequestRecord> {
        self.server.ledger.records()
    }

    /// Holds the next `requests` requests until all of them have been received.
    ///
    /// The server then verifies them at the time of that moment, and later requests are not held.
    /// The `Hold` may be dropped. A hold replaces the previous one, which keeps the requests that
    /// it already holds.
    pub fn hold(&self, requests: usize) -> Hold {
        self.install(Gate::new(requests, true))
    }

    /// Holds the next `requests` requests until [`Hold::release`] is called or the `Hold` is
    /// dropped. Otherwise the same as [`Self::hold`].
    #[must_use = "dropping the hold releases it"]
    pub fn hold_until_released(&self, requests: usize) -> Hold {
        self.install(Gate::new(requests, false))
    }

    /// Accepts further credentials until the server's clock reads `expires`. They replace those
    /// with the same access key id.
    ///
    /// # Errors
    ///
    /// If the length of the secret is not 40.
    pub fn add_credentials(
        &self,
        access_key_id: &str,
        secret: &str,
        session_token: Option<&str>,
        expires: Option<SystemTime>,
    ) -> io::Result<()> {
        let credentials = NewCredentials::new(access_key_id, secret, session_token, expires);
        self.server.keyring.insert(credentials)
    }

    /// The same as [`EndpointBuilder::tolerance`], from the next request on.
    pub fn set_tolerance(&self, tolerance: Duration) {
        lock(&self.server.settings).tolerance = Some(tolerance);
    }

    /// The same as [`EndpointBuilder::send_date`], from the next response on.
    pub fn set_send_date(&self, send_date: bool) {
        lock(&self.server.settings).send_date = send_date;
    }

    /// The same as [`EndpointBuilder::date_clock`], from the next response on.
    pub fn set_date_clock(&self, date_clock: impl Fn() -> Option<String> + Send + Sync + 'static) {
        lock(&self.server.settings).date_clock = Some(Arc::new(date_clock));
    }

    /// The same as [`EndpointBuilder::bound_only`], from the next request on.
    pub fn set_bound_only(&self, bound_only: bool) {
        lock(&self.server.settings).bound_only = bound_only;
    }

    /// The same as [`EndpointBuilder::deny`], from the next request on.
    pub fn deny(&self, operation: &str) {
        lock(&self.server.settings)
            .denied
            .insert(operation.to_owned());
    }

    fn install(&self, gate: Gate) -> Hold {
        let gate = Arc::new(gate);
        *lock(&self.server.gate) = Some(Arc::clone(&gate));
        Hold::new(gate)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Endpoint")
            .field("url", &self.server.url)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
