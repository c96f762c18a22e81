//! Clients through each door.

use aws_clock_skew::SkewClock;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Builder;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime_api::client::http::HttpClient;
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;

use crate::idle::{IdleClassifier, IdleInterceptor};

/// Who corrects a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "nobody but the benchmarks uses it")]
pub enum Door {
    /// Nobody: the SDK's own correction is off.
    Nobody,
    /// The SDK itself.
    Native,
    /// Nobody, but there is an interceptor with the hooks of ours, and a classifier,
    /// that do nothing at all.
    Idle,
    /// Our interceptor.
    Interceptor,
    /// The same, in a wrapper that the SDK does not ask at each hook whether it has
    /// been switched off.
    PermanentInterceptor,
    /// Our HTTP client.
    HttpClient,
    /// The same, with the SDK's own correction switched off, which our HTTP client by
    /// itself only keeps from acting.
    HttpClientAlone,
    /// Our interceptor and our HTTP client.
    Both,
}

impl Door {
    /// All that correct, and nobody.
    pub const ALL: [Self; 5] = [
        Self::Nobody,
        Self::Native,
        Self::Interceptor,
        Self::HttpClient,
        Self::Both,
    ];

    const fn has_http_client(self) -> bool {
        matches!(self, Self::HttpClient | Self::HttpClientAlone | Self::Both)
    }

    fn wire(self, clock: &SkewClock, config: Builder) -> Builder {
        let config = match self {
            Self::Nobody | Self::Native | Self::HttpClient | Self::HttpClientAlone => {
                return config;
            }
            Self::Idle => {
                return config
                    .interceptor(IdleInterceptor)
                    .retry_classifier(IdleClassifier);
            }
            Self::Interceptor | Self::Both => config.interceptor(clock.interceptor()),
            Self::PermanentInterceptor => {
                let mut config = config;
                config.push_interceptor(SharedInterceptor::permanent(clock.interceptor()));
                config
            }
        };
        config
            .time_source(clock.clone())
            .retry_classifier(clock.retry_classifier())
    }
}

/// Returns a client that is corrected by `clock` through a door.
pub fn client(door: Door, clock: &SkewClock, wire: impl HttpClient + 'static) -> Client {
    let credentials = Credentials::new("AKIDEXAMPLE", SECRET, None, None, "benchmark");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .sleep_impl(TokioSleep::new());
    let mut config = if door.has_http_client() {
        config
            .http_client(clock.http_client(wire))
            .time_source(clock.clone())
            .identity_cache(clock.identity_cache())
    } else {
        config
            .http_client(wire)
            .time_source(SystemTimeSource::new())
            .identity_cache(aws_config::identity::IdentityCache::lazy().build())
    };
    if matches!(door, Door::Nobody | Door::Idle | Door::HttpClientAlone) {
        config = config.disable_clock_skew_correction(true);
    }
    Client::from_conf(door.wire(clock, Builder::from(&config.build())).build())
}

/// Makes one call that is accepted.
///
/// # Panics
///
/// If it fails.
#[expect(clippy::expect_used, reason = "a benchmark of failures is none")]
pub async fn accepted_call(client: &Client) {
    client
        .receive_message()
        .queue_url("https://sqs.us-east-1.amazonaws.com/123456789012/queue")
        .send()
        .await
        .expect("the wire accepts it in the end");
}

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
