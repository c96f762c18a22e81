//! [`SkewClock::configure`]: one line for every client of a process.

use aws_config::{BehaviorVersion, ConfigLoader};
use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;

use crate::clock::SkewClock;

impl SkewClock {
    /// Makes every client of a config right: those made from it, and those inside
    /// its credential providers.
    ///
    /// ```no_run
    /// # async fn config() -> aws_config::SdkConfig {
    /// use aws_clock_skew::SkewClock;
    /// use aws_config::BehaviorVersion;
    ///
    /// let skew = SkewClock::new();
    /// skew.configure(aws_config::defaults(BehaviorVersion::latest())).load().await
    /// # }
    /// ```
    ///
    /// It sets the time source, the identity cache and the HTTP client: the SDK's
    /// default HTTPS client, with its proxy settings, wrapped by
    /// [`http_client`](Self::http_client). If the SDK was built without a TLS
    /// stack there is none, and the loader is left without, as it was; use
    /// [`configure_with`](Self::configure_with) then, and to keep an HTTP client of
    /// one's own: these three replace what the loader has. With a clock that only
    /// observes, time source and identity cache are left alone.
    ///
    /// The SDK's own correction is not switched off but kept from acting (see
    /// [`SkewHttpClient`](crate::SkewHttpClient)), so a client that is given
    /// another HTTP client later has it still.
    ///
    /// With adaptive retries, install [`interceptor`](Self::interceptor) and
    /// [`retry_classifier`](Self::retry_classifier) in the client as well: the
    /// SDK's rate limiter takes a clock that was corrected backwards for a debt,
    /// and an HTTP client cannot reach it. Both together correct once.
    pub fn configure(&self, loader: ConfigLoader) -> ConfigLoader {
        match default_https_client() {
            Some(client) => self.configure_with(loader, client),
            None => self.configure_clock(loader),
        }
    }

    /// The same, through an HTTP client of one's own.
    pub fn configure_with(
        &self,
        loader: ConfigLoader,
        inner: impl HttpClient + 'static,
    ) -> ConfigLoader {
        self.configure_clock(loader)
            .http_client(self.http_client(inner))
    }

    fn configure_clock(&self, loader: ConfigLoader) -> ConfigLoader {
        if self.is_observe_only() {
            return loader;
        }
        loader
            .time_source(self.clone())
            .identity_cache(self.identity_cache())
    }
}

/// The client that the SDK would take by itself.
pub(super) fn default_https_client() -> Option<SharedHttpClient> {
    default_http_client_plugin_v2(BehaviorVersion::latest())?
        .runtime_components(&RuntimeComponentsBuilder::new("aws-clock-skew"))
        .http_client()
}
