//! Real SDK clients, configured as users configure them.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_clock_skew::{SkewClock, install};
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sqs::config::retry::RetryPartition;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};

use super::{Arm, Choice};
use crate::clocks::World;
use crate::wire::Wire;

pub(super) struct Client {
    sqs: aws_sdk_sqs::Client,
    queue: String,
}

impl Client {
    pub(super) fn new(
        arm: Arm,
        world: &World,
        wire: &Wire,
        clock: &SkewClock,
        choice: Choice,
        credentials: Credentials,
    ) -> Self {
        let retries = if choice.retries && !matches!(arm, Arm::Configure | Arm::Apply) {
            RetryConfig::standard()
        } else {
            RetryConfig::disabled()
        };
        let sleep = if choice.is_parallel {
            SharedAsyncSleep::new(TokioSleep::new())
        } else {
            SharedAsyncSleep::new(world.clone())
        };
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(choice.url)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(wire.clone())
            .time_source(world.clone())
            .sleep_impl(sleep)
            .timeout_config(TimeoutConfig::disabled())
            // A sleep returns at once here, and the SDK takes a jump of the clock for a stalled
            // stream.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(retries)
            .disable_clock_skew_correction(arm == Arm::Nobody);
        let config = match arm {
            Arm::Configure | Arm::Both => config
                .http_client(clock.wrap_http_client(wire.clone()))
                .identity_cache(clock.identity_cache())
                .build(),
            Arm::Apply => clock.apply(&config.build()),
            _ => config.build(),
        };
        // The retry quota is shared by the process, and each station stands for one.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let process = format!("process {}", COUNT.fetch_add(1, Ordering::Relaxed));
        let config = aws_sdk_sqs::config::Builder::from(&config)
            .retry_partition(RetryPartition::new(process));
        let config = match arm {
            Arm::Install | Arm::Both => install!(config, clock),
            _ => config,
        };
        Self {
            sqs: aws_sdk_sqs::Client::from_conf(config.build()),
            queue: format!("{}/1/q", choice.url),
        }
    }

    pub(super) async fn calls(&self) -> Result<(), String> {
        let sent = self.sqs.receive_message().queue_url(&self.queue).send();
        let sent = sent.await.map(drop);
        sent.map_err(|error| DisplayErrorContext(&error).to_string())
    }
}
