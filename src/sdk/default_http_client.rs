//! [`default_http_client`]: the HTTP client of a config that names none.

use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;

/// Returns the HTTPS client that the SDK takes where it is given none, or `None` if the
/// program has no TLS (`default-https-client`, a feature of the SDK's crates).
///
/// It is what [`LayeredHttpClient`](crate::tower::LayeredHttpClient) and
/// [`SkewClock::wrap_http_client`](crate::SkewClock::wrap_http_client) usually go around:
/// it honors `HTTP_PROXY` and the configured time-outs, and one built by hand may not.
pub fn default_http_client() -> Option<SharedHttpClient> {
    default_http_client_plugin_v2(BehaviorVersion::latest())?
        .runtime_components(&RuntimeComponentsBuilder::new("aws-clock-skew"))
        .http_client()
}
