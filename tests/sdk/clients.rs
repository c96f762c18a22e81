//! Real SDK clients, configured as users configure them.

use aws_clock_skew::SkewClock;
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sqs::config::retry::RetryPartition;
use aws_sdk_sqs::error::{DisplayErrorContext, SdkError};
use aws_smithy_runtime_api::client::http::HttpClient;

use crate::wire::Wire;
use crate::world::World;

/// A config for the endpoint at `url`, without time-outs: a test may hold its requests for any
/// time.
pub(crate) fn config(url: &str) -> SdkConfig {
    config_with_secret(url, SECRET_ACCESS_KEY)
}

pub(crate) fn config_with_secret(url: &str, secret: &str) -> SdkConfig {
    let credentials = Credentials::new(ACCESS_KEY_ID, secret, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .timeout_config(TimeoutConfig::disabled())
        .retry_config(RetryConfig::standard())
        .build()
}

/// The same config without retries.
pub(crate) fn without_retries(config: SdkConfig) -> SdkConfig {
    config
        .into_builder()
        .retry_config(RetryConfig::disabled())
        .build()
}

/// A config for `url`, where `wire` answers.
pub(crate) fn config_on(wire: &Wire, url: &str) -> SdkConfig {
    config(url).into_builder().http_client(wire.clone()).build()
}

/// A config with any HTTP client and the clock of a world, whose time passes while the client
/// sleeps.
pub(crate) fn config_in(world: &World, inner: impl HttpClient + 'static, url: &str) -> SdkConfig {
    let config = config(url).into_builder().http_client(inner);
    let config = config.time_source(world.clone());
    config.sleep_impl(world.clone()).build()
}

/// How a client gets the clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Integration {
    /// By `install!`.
    Interceptor,
    /// By what `configure` sets.
    HttpClient,
    /// By `apply`, to a config that was loaded before.
    Apply,
    /// By `configure` and `install!`.
    Both,
}

impl Integration {
    pub(crate) const ALL: [Self; 4] =
        [Self::Interceptor, Self::HttpClient, Self::Apply, Self::Both];

    /// The config for clients of any service. The HTTP client needs no retries, so they are off.
    pub(crate) fn config(self, config: &SdkConfig, skew: &SkewClock) -> SdkConfig {
        match self {
            Self::Interceptor => config.clone(),
            Self::HttpClient => without_retries(behind(config, skew)),
            Self::Apply => {
                let config = without_retries(config.clone()).into_builder();
                skew.apply(&config.time_source(skew.local_time()).build())
            }
            Self::Both => behind(config, skew),
        }
    }

    /// Whether the clock is installed in the client as well.
    pub(crate) const fn installs(self) -> bool {
        matches!(self, Self::Interceptor | Self::Both)
    }

    pub(crate) fn sqs(self, config: &SdkConfig, skew: &SkewClock) -> aws_sdk_sqs::Client {
        let config = self.config(config, skew);
        if self.installs() {
            sqs(&config, skew)
        } else {
            aws_sdk_sqs::Client::from_conf(sqs_builder(&config).build())
        }
    }
}

/// The SDK alone, and then every integration.
pub(crate) const SDK_AND_ALL: [Option<Integration>; 5] = [
    None,
    Some(Integration::Interceptor),
    Some(Integration::HttpClient),
    Some(Integration::Apply),
    Some(Integration::Both),
];

/// The config for clients with this integration, or of the SDK alone. The retries stay as they are.
pub(crate) fn config_of(
    integration: Option<Integration>,
    config: &SdkConfig,
    skew: &SkewClock,
) -> SdkConfig {
    let Some(integration) = integration else {
        return config.clone();
    };
    let retries = config.retry_config().expect("was given").clone();
    let config = integration.config(config, skew).into_builder();
    config.retry_config(retries).build()
}

pub(crate) fn sqs_of(
    integration: Option<Integration>,
    config: &SdkConfig,
    skew: &SkewClock,
) -> aws_sdk_sqs::Client {
    let builder = sqs_builder(&config_of(integration, config, skew));
    let builder = if integration.is_some_and(Integration::installs) {
        aws_clock_skew::install!(builder, skew)
    } else {
        builder
    };
    aws_sdk_sqs::Client::from_conf(builder.build())
}

pub(crate) fn s3_of(
    integration: Option<Integration>,
    config: &SdkConfig,
    skew: &SkewClock,
) -> aws_sdk_s3::Client {
    let config = config_of(integration, config, skew);
    if integration.is_some_and(Integration::installs) {
        return s3(&config, skew);
    }
    aws_sdk_s3::Client::from_conf(s3_builder(&config).build())
}

/// The config with everything that `configure` sets.
pub(crate) fn behind(config: &SdkConfig, skew: &SkewClock) -> SdkConfig {
    let inner = config.http_client().expect("was given");
    config
        .to_builder()
        .http_client(skew.wrap_http_client(inner))
        .time_source(skew.local_time())
        .identity_cache(skew.identity_cache())
        .build()
}

/// The same, around another HTTP client.
pub(crate) fn through(
    config: &SdkConfig,
    inner: impl HttpClient + 'static,
    skew: &SkewClock,
) -> SdkConfig {
    behind(&config.to_builder().http_client(inner).build(), skew)
}

pub(crate) fn sqs(config: &SdkConfig, skew: &SkewClock) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::from_conf(aws_clock_skew::install!(sqs_builder(config), skew).build())
}

pub(crate) fn kms(config: &SdkConfig, skew: &SkewClock) -> aws_sdk_kms::Client {
    let builder = aws_sdk_kms::config::Builder::from(config).retry_partition(own_quota());
    aws_sdk_kms::Client::from_conf(aws_clock_skew::install!(builder, skew).build())
}

pub(crate) fn s3(config: &SdkConfig, skew: &SkewClock) -> aws_sdk_s3::Client {
    aws_sdk_s3::Client::from_conf(aws_clock_skew::install!(s3_builder(config), skew).build())
}

fn sqs_builder(config: &SdkConfig) -> aws_sdk_sqs::config::Builder {
    aws_sdk_sqs::config::Builder::from(config).retry_partition(own_quota())
}

fn s3_builder(config: &SdkConfig) -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::config::Builder::from(config)
        .force_path_style(true)
        .retry_partition(own_quota())
}

/// A retry quota that no other test of this process uses up.
fn own_quota() -> RetryPartition {
    RetryPartition::custom("own").build()
}

/// Makes one call. The error is its text.
pub(crate) async fn send(sqs: &aws_sdk_sqs::Client, queue_url: &str) -> Result<(), String> {
    let sent = sqs
        .send_message()
        .queue_url(queue_url)
        .message_body("hello")
        .send()
        .await;
    sent.map(drop).map_err(error_text)
}

pub(crate) async fn receive(sqs: &aws_sdk_sqs::Client, queue_url: &str) -> Result<(), String> {
    let received = sqs.receive_message().queue_url(queue_url).send().await;
    received.map(drop).map_err(error_text)
}

pub(crate) async fn encrypt(kms: &aws_sdk_kms::Client, key: &str) -> Result<(), String> {
    let blob = aws_sdk_kms::primitives::Blob::new("secret");
    let encrypted = kms.encrypt().key_id(key).plaintext(blob).send().await;
    encrypted.map(drop).map_err(error_text)
}

pub(crate) async fn head(s3: &aws_sdk_s3::Client) -> Result<(), String> {
    let found = s3.head_object().bucket("b").key("k").send().await;
    found.map(drop).map_err(error_text)
}

pub(crate) fn error_text<E: std::error::Error + 'static>(error: SdkError<E>) -> String {
    DisplayErrorContext(&error).to_string()
}
