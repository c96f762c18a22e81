//! [`SkewClock::configure`] and [`SkewClock::apply`]: every client of a config;
//! [`SkewClock::synchronize`]: asking for the time with that config.

use std::convert::Infallible;

use aws_config::{ConfigLoader, SdkConfig};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::http::HttpClient;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::timeout::TimeoutConfig;

use super::default_http_client::default_http_client;
use super::operation::view_of;
use crate::clock::{SkewClock, SkewStatus};
use crate::event::{Details, EventKind, Missing, SkewEvent};
use crate::evidence::Evidence;
use crate::host::dns_suffix_of;
use crate::synchronize::{LONGEST_WAIT, SynchronizeError};

impl SkewClock {
    /// Corrects every client of a config: the clients that are made from it, and those
    /// inside its credential providers.
    ///
    /// ```no_run
    /// # async fn start() {
    /// use aws_clock_skew::SkewClock;
    /// use aws_config::BehaviorVersion;
    ///
    /// let clock = SkewClock::new();
    /// let loader = aws_config::defaults(BehaviorVersion::latest());
    /// let config = clock.configure(loader).load().await;
    /// let sqs = aws_sdk_sqs::Client::new(&config);
    /// # }
    /// ```
    ///
    /// It sets the loader's HTTP client, to the SDK's default client through
    /// [`wrap_http_client`](Self::wrap_http_client), and its
    /// [identity cache](Self::identity_cache), and nothing else: a client that is later
    /// given another HTTP client is an ordinary client of the SDK, which an
    /// `incomplete_installation` reports. Where the program has
    /// no default HTTPS client it sets only the identity cache and reports an
    /// `incomplete_installation`; use
    /// [`configure_with_http_client`](Self::configure_with_http_client) there.
    pub fn configure(&self, loader: ConfigLoader) -> ConfigLoader {
        match default_http_client() {
            Some(client) => self.configure_with_http_client(loader, client),
            None => {
                self.report_no_http_client();
                self.with_identity_cache(loader)
            }
        }
    }

    /// Corrects every client of a config, like [`configure`](Self::configure), through the
    /// given HTTP client.
    ///
    /// Use it for a client with its own TLS or proxy settings, and in programs without the
    /// SDK's default HTTPS client.
    ///
    /// ```no_run
    /// # async fn start(http_client: aws_smithy_runtime_api::client::http::SharedHttpClient) {
    /// use aws_clock_skew::SkewClock;
    /// use aws_config::BehaviorVersion;
    ///
    /// let clock = SkewClock::new();
    /// let loader = aws_config::defaults(BehaviorVersion::latest());
    /// let config = clock.configure_with_http_client(loader, http_client).load().await;
    /// # }
    /// ```
    pub fn configure_with_http_client(
        &self,
        loader: ConfigLoader,
        inner: impl HttpClient + 'static,
    ) -> ConfigLoader {
        self.with_identity_cache(loader)
            .http_client(self.wrap_http_client(inner))
    }

    /// Corrects every client that is made from a config that was loaded elsewhere.
    ///
    /// The config's HTTP client is wrapped, or the SDK's default client where it has
    /// none, and its identity cache is replaced. Its credential providers keep the
    /// clients that they were made with: use [`configure`](Self::configure) where you
    /// load the config yourself.
    ///
    /// ```no_run
    /// # async fn start() {
    /// use aws_clock_skew::SkewClock;
    ///
    /// let config = aws_config::load_from_env().await;
    /// let clock = SkewClock::new();
    /// let sqs = aws_sdk_sqs::Client::new(&clock.apply(&config));
    /// # }
    /// ```
    pub fn apply(&self, config: &SdkConfig) -> SdkConfig {
        let mut builder = config.to_builder();
        if let Some(inner) = config.http_client().or_else(default_http_client) {
            builder = builder.http_client(self.wrap_http_client(inner));
        } else {
            self.report_no_http_client();
        }
        if !self.is_observe_only() {
            builder = builder.identity_cache(self.identity_cache());
        }
        builder.build()
    }

    /// Asks for the time before the first signature, so that even the first request is
    /// accepted: for devices that boot without a clock, and where the one rejection
    /// matters.
    ///
    /// ```no_run
    /// # async fn start() {
    /// use aws_clock_skew::SkewClock;
    /// use aws_config::BehaviorVersion;
    ///
    /// let skew = SkewClock::new();
    /// let config = skew.configure(aws_config::defaults(BehaviorVersion::latest())).load().await;
    /// if let Err(error) = skew.synchronize(&config).await {
    ///     eprintln!("going on without: {error}");
    /// }
    /// # }
    /// ```
    ///
    /// One unsigned request (`HEAD /`) is sent to the config's endpoint, or to STS in its
    /// region, through its HTTP client; what counts is the `Date` of the response, whatever
    /// its status. It takes 15 seconds at most. A clock that may be correct, give or take
    /// two minutes, stays as it is.
    ///
    /// # Trust in the result
    ///
    /// The sample is weaker than the message of a clock skew error, which repeats the time of
    /// your own signature. Only TLS authenticates this `Date`, so plain HTTP is accepted from
    /// loopback only. A
    /// proxy that ends TLS with a certificate that the machine trusts can state any time.
    /// Therefore the correction forward is limited by
    /// [`Limits::with_max_forward`](crate::Limits::with_max_forward), which is 7 days: a device that
    /// boots in 1970, more than a week after the release of this crate, needs a wider limit.
    /// The next error message that states the time replaces the sample. TLS itself may fail
    /// on a machine whose clock is years off; this crate cannot help there.
    ///
    /// # Errors
    ///
    /// If there is no server to ask, no response came, or its time cannot be used; see
    /// [`SynchronizeError`]. The clock is then as it was, and the first rejection updates
    /// it: go on.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the clock is as it was.
    pub async fn synchronize(&self, config: &SdkConfig) -> Result<SkewStatus, SynchronizeError> {
        let url = match (config.endpoint_url(), config.region()) {
            (Some(url), _) => url.to_owned(),
            (None, Some(region)) => {
                let region = region.as_ref();
                format!("https://sts.{region}.{}", dns_suffix_of(region))
            }
            (None, None) => return Err(SynchronizeError::NoEndpoint),
        };
        let client = config.http_client().or_else(default_http_client);
        let timeouts = TimeoutConfig::builder().operation_timeout(LONGEST_WAIT);
        let mut head = Operation::builder()
            .service_name("aws-clock-skew")
            .operation_name("Synchronize")
            .http_client(client.ok_or(SynchronizeError::NoHttpClient)?)
            .endpoint_url(&url)
            .no_auth()
            .no_retry()
            .timeout_config(timeouts.build())
            .time_source(self.clone());
        if let Some(sleep) = config.sleep_impl() {
            head = head.sleep_impl(sleep);
        }
        let head = head.serializer(|(): ()| {
            let mut request = HttpRequest::new(SdkBody::empty());
            request.set_method("HEAD")?;
            request.set_uri("/")?;
            Ok(request)
        });
        let head = head.deserializer(|response: &HttpResponse| Ok::<_, Failure>(read(response)));
        let head = head.build();
        let answer = async { head.invoke(()).await.map_err(Into::into) };
        self.ask(&url, answer).await
    }

    fn with_identity_cache(&self, loader: ConfigLoader) -> ConfigLoader {
        if self.is_observe_only() {
            return loader;
        }
        loader.identity_cache(self.identity_cache())
    }

    fn report_no_http_client(&self) {
        let missing = Missing::HttpClient;
        let kind = EventKind::IncompleteInstallation { missing };
        self.enter(SkewEvent::new(kind, Details::default()));
    }
}

type Failure = OrchestratorError<Infallible>;

/// Reads a response, and ignores `Age: 0`, which our own HTTP client adds to every response.
fn read(response: &HttpResponse) -> Evidence {
    Evidence::read(&view_of(response, &[], true))
}
