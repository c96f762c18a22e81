//! [`default_http_client`]: the HTTP client of a config that sets none.

use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;

/// Returns the SDK's default HTTPS client, or `None` if the program has no TLS (the SDK's
/// cargo feature `default-https-client`).
///
/// Pass it to [`LayeredHttpClient`](crate::tower::LayeredHttpClient) or
/// [`SkewClock::wrap_http_client`](crate::SkewClock::wrap_http_client) if the program has
/// no HTTP client of its own. It honors `HTTP_PROXY` and the configured timeouts; a client
/// built by hand may not.
///
/// ```
/// use aws_clock_skew::SkewClock;
/// use aws_clock_skew::sdk::default_http_client;
///
/// let clock = SkewClock::new();
/// let http_client = default_http_client().map(|inner| clock.wrap_http_client(inner));
/// ```
pub fn default_http_client() -> Option<SharedHttpClient> {
    default_http_client_plugin_v2(BehaviorVersion::latest())?
        .runtime_components(&RuntimeComponentsBuilder::new("aws-clock-skew"))
        .http_client()
}
