//! [`SkewClock::configure`] and [`SkewClock::apply`] for every client of a config, and
//! [`SkewClock::synchronize`], which uses the config's HTTP client.

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
use crate::event::{Details, Missing};
use crate::evidence::Evidence;
use crate::host::dns_suffix_of;
use crate::synchronize::{LONGEST_WAIT, SynchronizeError};

impl SkewClock {
    /// Corrects every client of a config, including those inside its credential providers.
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
    /// It sets two things on the loader: the HTTP client, which is the SDK's default client
    /// in [`wrap_http_client`](Self::wrap_http_client), and the [identity
    /// cache](Self::identity_cache). If a client is later given another HTTP client, its
    /// signatures are not corrected, and an `incomplete_installation` event reports that.
    /// The same event reports a program without a default HTTPS client; use
    /// [`configure_with_http_client`](Self::configure_with_http_client) there.
    ///
    /// The profile key `disable_clock_skew_correction` switches off only the SDK's own
    /// correction, and not this clock. The SDK returns the key only combined with the setting
    /// of the same name, with which a program saves the cost of the SDK's own correction. Use
    /// [`observe_only`](crate::SkewClockBuilder::observe_only) or the environment variable
    /// `AWS_DISABLE_CLOCK_SKEW_CORRECTION` instead.
    pub fn configure(&self, loader: ConfigLoader) -> ConfigLoader {
        match default_http_client() {
            Some(client) => self.configure_with_http_client(loader, client),
            None => {
                self.report_missing(Missing::HttpClient, Details::default());
                self.with_identity_cache(loader)
            }
        }
    }

    /// Corrects every client of a config like [`configure`](Self::configure), with the HTTP
    /// client `inner`.
    ///
    /// Use it for an HTTP client with its own TLS or proxy settings, and in programs
    /// without the SDK's default HTTPS client.
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

    /// Corrects every client of a config that was loaded elsewhere.
    ///
    /// It returns a copy of the config with two changes: the HTTP client, or the SDK's
    /// default client if there is none, is wrapped by
    /// [`wrap_http_client`](Self::wrap_http_client), and the identity cache is replaced.
    /// The credential providers keep their own, uncorrected clients; if you load the config
    /// yourself, use [`configure`](Self::configure).
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
            self.report_missing(Missing::HttpClient, Details::default());
        }
        if !self.is_observe_only() {
            builder = builder.identity_cache(self.identity_cache());
        }
        builder.build()
    }

    /// Asks a server for the time before the first request is signed, so that even the
    /// first request is accepted. Use it on devices that boot without a clock, or if one
    /// rejected request matters.
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
    /// It sends one unsigned request (`HEAD /`) with the config's HTTP client to the
    /// config's endpoint, or to STS in the config's region, and reads the `Date` of the
    /// response, whatever its status is. It takes 15 seconds at most. A clock that is
    /// correct to two minutes does not change.
    ///
    /// # Trust in the result
    ///
    /// A `Date` is weaker evidence than the message of a clock skew error, which repeats
    /// the time of your own signature. Only TLS authenticates it, so plain HTTP is accepted
    /// only from loopback. A proxy that terminates TLS with a certificate that the machine
    /// trusts can state any time, so a correction forward is limited by
    /// [`Limits::with_max_forward`](crate::Limits::with_max_forward), which is 7 days by
    /// default: set a higher limit for a device that boots in 1970. The next error message
    /// that states the time replaces the sample. On a machine whose clock is years off, TLS
    /// itself may fail; this crate cannot help there.
    ///
    /// # Errors
    ///
    /// Returns a [`SynchronizeError`] if there is no server to ask, if no response comes,
    /// or if its time cannot be used. The clock is then unchanged. The program can go on:
    /// the first rejected request corrects the clock.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the clock is unchanged.
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
        let head = head
            .serializer(|(): ()| {
                let mut request = HttpRequest::new(SdkBody::empty());
                request.set_method("HEAD")?;
                request.set_uri("/")?;
                Ok(request)
            })
            .deserializer(|response: &HttpResponse| {
                // Our own HTTP client adds `Age: 0` to every response.
                let view = view_of(response, &[], true);
                Ok::<_, OrchestratorError<Infallible>>(Evidence::read(&view))
            })
            .build();
        let answer = async { head.invoke(()).await.map_err(Into::into) };
        self.ask(&url, answer).await
    }

    fn with_identity_cache(&self, loader: ConfigLoader) -> ConfigLoader {
        if self.is_observe_only() {
            return loader;
        }
        loader.identity_cache(self.identity_cache())
    }
}
