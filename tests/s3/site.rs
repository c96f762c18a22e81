//! A server, and a machine whose clock is wrong by an hour.

use std::time::{Duration, SystemTime};

use aws_clock_skew::{LocalClock, SkewClock, SystemClock};
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_smithy_http_client::hyper_014::HyperClientBuilder;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::server::{ACCESS_KEY, SECRET_KEY, Server};

pub(crate) const BUCKET: &str = "bucket";

/// The clock of the machine that runs the tests, moved.
#[derive(Debug)]
struct Moved {
    machine: SystemClock,
    ahead: bool,
}

impl LocalClock for Moved {
    fn wall(&self) -> SystemTime {
        let wall = self.machine.wall();
        if self.ahead { wall + HOUR } else { wall - HOUR }
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }
}

/// A server with a bucket, and the config of its clients.
pub(crate) struct Site {
    pub(crate) server: Server,
    http_client: SharedHttpClient,
}

impl Site {
    pub(crate) async fn start(is_tls: bool) -> Self {
        let server = Server::start(is_tls).await;
        let builder = aws_smithy_http_client::Builder::new();
        let http_client = match &server.certificate {
            None => builder.build_http(),
            Some(certificate) => {
                let store = TrustStore::empty().with_pem_certificate(certificate.as_bytes());
                let context = TlsContext::builder().with_trust_store(store).build();
                builder
                    .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                    .tls_context(context.expect("the store is a store"))
                    .build_https()
            }
        };
        let site = Self {
            server,
            http_client,
        };
        let (client, _) = site.client(true).await;
        let made = client.create_bucket().bucket(BUCKET).send().await;
        made.expect("the bucket can be made");
        site
    }

    /// From now on clients use the SDK's previous HTTP client.
    pub(crate) fn use_legacy_client(&mut self) {
        self.http_client = HyperClientBuilder::new().build_https();
    }

    /// The config that `configure` returns on a machine whose clock is wrong by an hour, without
    /// retries, and a clock without a correction.
    async fn config(&self, is_ahead: bool) -> (SdkConfig, SkewClock) {
        let clock = SkewClock::builder()
            .local_clock(Moved {
                machine: SystemClock::default(),
                ahead: is_ahead,
            })
            .build();
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.server.url)
            .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
            .time_source(clock.local_time())
            .retry_config(RetryConfig::disabled());
        let config = clock.configure_with_http_client(loader, self.http_client.clone());
        (config.load().await, clock)
    }

    pub(crate) async fn client(&self, is_ahead: bool) -> (Client, SkewClock) {
        let (config, clock) = self.config(is_ahead).await;
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
        (Client::from_conf(config.build()), clock)
    }

    /// A client of that config, with the clock installed too.
    pub(crate) async fn client_of_both(&self, is_ahead: bool) -> (Client, SkewClock) {
        let (config, clock) = self.config(is_ahead).await;
        let config = aws_clock_skew::install!(aws_sdk_s3::config::Builder::from(&config), &clock)
            .force_path_style(true);
        (Client::from_conf(config.build()), clock)
    }
}

/// Megabytes without a period near the length of a part.
pub(crate) fn content(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

#[track_caller]
pub(crate) fn succeeded<T, E: std::error::Error + 'static>(outcome: Result<T, SdkError<E>>) -> T {
    match outcome {
        Ok(output) => output,
        Err(error) => panic!("{}", DisplayErrorContext(&error)),
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
