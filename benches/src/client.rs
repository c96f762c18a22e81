//! Clients with each integration.

use aws_clock_skew::{SkewClock, install};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Builder;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime_api::client::http::HttpClient;

/// The integration that corrects a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "only the benchmarks use it")]
pub enum Integration {
    /// No correction: the SDK's own correction is off.
    None,
    /// The SDK's own correction.
    SdkAlone,
    /// `install!`.
    Install,
    /// The settings of `configure`. The HTTP client keeps the SDK's own correction from acting, and
    /// the figure includes its cost.
    Configure,
    /// The same, with the SDK's own correction switched off.
    ConfigureSdkOff,
    /// `configure` and `install!` together.
    Both,
}

impl Integration {
    /// All integrations.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::SdkAlone,
        Self::Install,
        Self::Configure,
        Self::ConfigureSdkOff,
        Self::Both,
    ];

    const fn has_http_client(self) -> bool {
        matches!(self, Self::Configure | Self::ConfigureSdkOff | Self::Both)
    }
}

/// Returns a client that `clock` corrects.
pub fn client(
    integration: Integration,
    clock: &SkewClock,
    wire: impl HttpClient + 'static,
) -> Client {
    let credentials = Credentials::new("AKIDEXAMPLE", SECRET, None, None, "benchmark");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .time_source(SystemTimeSource::new())
        .sleep_impl(TokioSleep::new());
    let mut config = if integration.has_http_client() {
        config
            .http_client(clock.wrap_http_client(wire))
            .identity_cache(clock.identity_cache())
    } else {
        config
            .http_client(wire)
            .identity_cache(aws_config::identity::IdentityCache::lazy().build())
    };
    if matches!(
        integration,
        Integration::None | Integration::ConfigureSdkOff
    ) {
        config = config.disable_clock_skew_correction(true);
    }
    let builder = Builder::from(&config.build());
    let builder = match integration {
        Integration::Install | Integration::Both => install!(builder, clock),
        _ => builder,
    };
    Client::from_conf(builder.build())
}

/// Makes one call, which is accepted.
///
/// # Panics
///
/// If the call fails.
#[expect(clippy::expect_used, reason = "a benchmark must not measure failures")]
pub async fn accepted_call(client: &Client) {
    client
        .receive_message()
        .queue_url("https://sqs.us-east-1.amazonaws.com/123456789012/queue")
        .send()
        .await
        .expect("the wire accepts it");
}

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
