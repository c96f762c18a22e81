//! Settings before the endpoint starts.

use crate::{
    ACCESS_KEY_ID, SECRET_ACCESS_KEY,
    counts::RequestRecord,
    credentials::{Keyring, NewCredentials},
    endpoint::Endpoint,
    request::RequestInfo,
    server::{Hooks, Server},
    settings::Settings,
};
use std::{
    fmt, io,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::net::TcpSocket;

/// Settings of an [`Endpoint`] to be started; made by [`Endpoint::builder`].
pub struct EndpointBuilder {
    clock: Box<dyn Fn() -> SystemTime + Send + Sync>,
    credentials: Vec<NewCredentials>,
    settings: Settings,
    hooks: Hooks,
}

impl EndpointBuilder {
    pub(crate) fn new(clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            clock: Box::new(clock),
            credentials: Vec::new(),
            settings: Settings::default(),
            hooks: Hooks::default(),
        }
    }

    /// Accepts these credentials. May be called several times.
    ///
    /// With a session token, requests must have the same token in `x-amz-security-token`; without
    /// one, they must have none. The first call replaces the default pair, [`ACCESS_KEY_ID`].
    #[must_use]
    pub fn credentials(
        mut self,
        access_key_id: &str,
        secret: &str,
        session_token: Option<&str>,
    ) -> Self {
        self.credentials.push(NewCredentials::new(
            access_key_id,
            secret,
            session_token,
            None,
        ));
        self
    }

    /// Accepts these credentials until the server's clock reads `expires`; see
    /// [`Self::credentials`].
    #[must_use]
    pub fn credentials_expiring(
        mut self,
        access_key_id: &str,
        secret: &str,
        session_token: Option<&str>,
        expires: SystemTime,
    ) -> Self {
        let expires = Some(expires);
        self.credentials.push(NewCredentials::new(
            access_key_id,
            secret,
            session_token,
            expires,
        ));
        self
    }

    /// Sets the tolerance for the time of a signature, for every service.
    ///
    /// The default is that of AWS: 15 minutes for SQS and STS and 5 for KMS.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.settings.tolerance = Some(tolerance);
        self
    }

    /// Sets whether responses have a `Date` header. They do by default.
    #[must_use]
    pub fn send_date(mut self, send_date: bool) -> Self {
        self.settings.send_date = send_date;
        self
    }

    /// Sets a clock for the `Date` header, instead of the server's clock.
    ///
    /// There is no header if it returns `None` or a text that cannot be a header.
    #[must_use]
    pub fn date_clock(
        mut self,
        date_clock: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.settings.date_clock = Some(Arc::new(date_clock));
        self
    }

    /// Sets whether time errors omit the parenthesis with the server's time and the tolerance.
    #[must_use]
    pub fn bound_only(mut self, bound_only: bool) -> Self {
        self.settings.bound_only = bound_only;
        self
    }

    /// Denies an operation, such as `Encrypt`, to everyone. May be called several times.
    #[must_use]
    pub fn deny(mut self, operation: &str) -> Self {
        self.settings.denied.insert(operation.to_owned());
        self
    }

    /// Calls `hook` with every request before its verification.
    ///
    /// The server reads its clock afterwards. So a hook that advances the clocks simulates a
    /// request that was frozen on its way.
    #[must_use]
    pub fn before_verify(mut self, hook: impl Fn(&RequestInfo) + Send + Sync + 'static) -> Self {
        self.hooks.before_verify = Box::new(hook);
        self
    }

    /// Calls `hook` with every request before its response is sent.
    ///
    /// The response already has its `Date`. So a hook that advances the clocks simulates a response
    /// that was frozen on its way.
    #[must_use]
    pub fn after_verify(mut self, hook: impl Fn(&RequestRecord) + Send + Sync + 'static) -> Self {
        self.hooks.after_verify = Box::new(hook);
        self
    }

    /// Listens on a free port of 127.0.0.1, served by the current tokio runtime.
    ///
    /// # Errors
    ///
    /// If no port can be bound, or if the length of a secret is not 40.
    pub async fn start(mut self) -> io::Result<Endpoint> {
        if self.credentials.is_empty() {
            self = self.credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None);
        }
        let keyring = Keyring::default();
        for credentials in self.credentials {
            keyring.insert(credentials)?;
        }
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let server = Server::new(address, self.clock, keyring, self.settings, self.hooks);
        Ok(Endpoint::serve(listener, server))
    }
}

impl fmt::Debug for EndpointBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EndpointBuilder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Thousands of clients may connect at the same moment. A connection beyond the backlog would
/// arrive a second late.
const BACKLOG: u32 = 4096;
