//! AWS, and a server that is not AWS and has a clock of its own.

use std::time::Duration;

use aws_clock_skew::SkewClock;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;

use crate::clients::{config, head, receive, s3, sqs, through, without_retries};
use crate::log::Log;
use crate::net::Net;
use crate::wire::{Manner, Wire};
use crate::world::{World, minutes};

pub(crate) const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
pub(crate) const MINIO: &str = "https://minio.example:9000";

/// A machine, AWS with the correct time, MinIO with its own, and a client of each.
pub(crate) struct TwoServers {
    pub(crate) log: Log,
    pub(crate) world: World,
    pub(crate) clock: SkewClock,
    pub(crate) aws: Wire,
    pub(crate) minio: Wire,
    sqs: aws_sdk_sqs::Client,
    pub(crate) s3: aws_sdk_s3::Client,
}

impl TwoServers {
    /// The clock is installed in both clients. MinIO's has the SDK's standard retries.
    pub(crate) fn installed(skew: i64, manner: Manner) -> Self {
        Self::new(skew, manner, |net, clock| {
            let on = |url| config(url).into_builder().http_client(net.clone()).build();
            let sqs = sqs(&without_retries(on(AWS)), clock);
            (sqs, s3(&with_short_backoff(on(MINIO)), clock))
        })
    }

    /// Both clients have one config, without retries, whose HTTP client corrects.
    pub(crate) fn behind_http_client(skew: i64, manner: Manner) -> Self {
        Self::new(skew, manner, |net, clock| {
            let on_aws = through(&without_retries(config(AWS)), net, clock);
            let on_minio = on_aws.to_builder().endpoint_url(MINIO).build();
            let s3 = aws_sdk_s3::config::Builder::from(&on_minio).force_path_style(true);
            let s3 = aws_sdk_s3::Client::from_conf(s3.build());
            (aws_sdk_sqs::Client::new(&on_aws), s3)
        })
    }

    fn new(
        skew: i64,
        manner: Manner,
        clients: impl FnOnce(Net, &SkewClock) -> (aws_sdk_sqs::Client, aws_sdk_s3::Client),
    ) -> Self {
        let log = Log::start();
        let world = World::with_skew(skew);
        let clock = world.skew_clock();
        let aws = Wire::new(&world, minutes(5));
        let minio = Wire::with_manner(&world, minutes(15), manner);
        let net = Net::new([(AWS, aws.clone()), (MINIO, minio.clone())]);
        let (sqs, s3) = clients(net, &clock);
        Self {
            log,
            world,
            clock,
            aws,
            minio,
            sqs,
            s3,
        }
    }

    pub(crate) async fn call_aws(&self) -> Result<(), String> {
        receive(&self.sqs, &format!("{AWS}/1/q")).await
    }

    pub(crate) async fn call_minio(&self) -> Result<(), String> {
        head(&self.s3).await
    }

    #[track_caller]
    pub(crate) fn assert_true_time(&self) {
        self.world.assert_true_time(&self.clock);
    }

    #[track_caller]
    pub(crate) fn assert_local_time(&self) {
        self.world.assert_local_time(&self.clock);
    }
}

/// The SDK's standard retries, after a millisecond.
pub(crate) fn with_short_backoff(config: SdkConfig) -> SdkConfig {
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    config.into_builder().retry_config(retries).build()
}
