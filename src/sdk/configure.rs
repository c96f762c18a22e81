//! [`SkewClock::configure`] and [`SkewClock::apply`]: every client of a config.

use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;

use crate::clock::SkewClock;
use crate::event::{Details, EventKind, Missing, SkewEvent};

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
    /// given another HTTP client is an ordinary client of the SDK. Where the program has
    /// no default HTTPS client it sets only the identity cache and reports an
    /// `incomplete_installation`; use
    /// [`configure_with_http_client`](Self::configure_with_http_client) there.
    pub fn configure(&self, loader: ConfigLoader) -> ConfigLoader {
        match default_https_client() {
            Some(client) => self.configure_with_http_client(loader, client),
            None => {
                self.report_no_http_client();
                self.with_identity_cache(loader)
            }
        }
    }

    /// The same, through an HTTP client of one's own.
    pub fn configure_with_http_client(
        &self,
        loader: ConfigLoader,
        inner: impl HttpClient + 'static,
    ) -> ConfigLoader {
        self.with_identity_cache(loader)
            .http_client(self.wrap_http_client(inner))
    }

    /// Corrects every client that is made from a config which somebody else has loaded.
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
        if let Some(inner) = config.http_client().or_else(default_https_client) {
            builder = builder.http_client(self.wrap_http_client(inner));
        } else {
            self.report_no_http_client();
        }
        if !self.is_observe_only() {
            builder = builder.identity_cache(self.identity_cache());
        }
        builder.build()
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

/// The client that the SDK would take by itself.
pub(super) fn default_https_client() -> Option<SharedHttpClient> {
    default_http_client_plugin_v2(BehaviorVersion::latest())?
        .runtime_components(&RuntimeComponentsBuilder::new("aws-clock-skew"))
        .http_client()
}
