//! What is chosen before the endpoint starts.

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

    /// Accepts these credentials; once for each pair.
    ///
    /// With a session token, requests must carry the same in
    /// `x-amz-security-token`; without, they must carry none. The first call
    /// takes the place of the default pair, [`ACCESS_KEY_ID`].
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

    /// Lets a signature's time be this far off, at every service.
    ///
    /// As at AWS, the default is 15 minutes for SQS and STS and 5 for KMS.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.settings.tolerance = Some(tolerance);
        self
    }

    /// Says whether answers carry a `Date` header, as they do by default.
    #[must_use]
    pub fn send_date(mut self, send_date: bool) -> Self {
        self.settings.send_date = send_date;
        self
    }

    /// Makes the `Date` header whatever `date_clock` returns, in place of the
    /// server's clock.
    ///
    /// `None`, and a text that cannot be a header, leave it out.
    #[must_use]
    pub fn date_clock(
        mut self,
        date_clock: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.settings.date_clock = Some(Arc::new(date_clock));
        self
    }

    /// Says whether time errors leave out the parenthesis with the server's
    /// time and the tolerance.
    #[must_use]
    pub fn bound_only(mut self, bound_only: bool) -> Self {
        self.settings.bound_only = bound_only;
        self
    }

    /// Denies an operation, as in `Encrypt`, to everyone; once for each.
    #[must_use]
    pub fn deny(mut self, operation: &str) -> Self {
        self.settings.denied.insert(operation.to_owned());
        self
    }

    /// Calls `hook` with every request that is about to be verified.
    ///
    /// The server's clock is read after it: a hook that advances the clocks
    /// makes a request that was frozen on its way to the server.
    #[must_use]
    pub fn before_verify(mut self, hook: impl Fn(&RequestInfo) + Send + Sync + 'static) -> Self {
        self.hooks.before_verify = Box::new(hook);
        self
    }

    /// Calls `hook` with every request whose answer is about to be sent.
    ///
    /// The answer has its `Date` already: a hook that advances the clocks makes
    /// an answer that was frozen on its way to the client.
    #[must_use]
    pub fn after_verify(mut self, hook: impl Fn(&RequestRecord) + Send + Sync + 'static) -> Self {
        self.hooks.after_verify = Box::new(hook);
        self
    }

    /// Listens on a free port of 127.0.0.1, served by the current tokio runtime.
    ///
    /// # Errors
    ///
    /// If no port can be bound, or if a secret has not 40 characters.
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

/// Thousands may connect at the same moment; a connection beyond the backlog
/// would come a second late.
const BACKLOG: u32 = 4096;
