//! A scenario, played to one kind of client.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use aws_clock_skew::{SkewClock, install};
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sqs::config::retry::RetryPartition;
use aws_sdk_sqs::error::{DisplayErrorContext, SdkError};
use aws_smithy_async::rt::sleep::TokioSleep;
use futures_util::future::join_all;

use super::net::{Net, Sent};
use super::scenario::{Call, Cancel, End, Host, Line, Scenario, Setting};
use crate::clocks::World;
use crate::site::{ACCESS_KEY, SECRET};

/// Who corrects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Correction {
    Install,
    Configure,
    Apply,
    Both,
    /// The SDK's own.
    Sdk,
    None,
}

impl Correction {
    pub(super) const OURS: [Self; 4] = [Self::Install, Self::Configure, Self::Apply, Self::Both];
}

/// What became of one line of calls.
#[derive(Clone, Debug)]
pub(super) struct Played {
    pub(super) line: usize,
    pub(super) outcomes: Vec<Result<(), String>>,
    pub(super) sent: Vec<Sent>,
}

impl Played {
    pub(super) fn lost(&self) -> usize {
        self.outcomes.iter().filter(|one| one.is_err()).count()
    }
}

impl Scenario {
    /// Plays it, and returns what became of the calls.
    pub(super) fn play(&self, correction: Correction) -> Vec<Played> {
        // The SDK draws its back-off from the same generator.
        fastrand::seed(1);
        crate::block_on(self.run(correction))
    }

    async fn run(&self, correction: Correction) -> Vec<Played> {
        let world = World::in_tokio_time();
        let net = Net::new(&world);
        let clock = world.skew_clock();
        let mut machine = Machine {
            correction,
            config: config(self, correction, &world, &net, &clock),
            clock,
            net,
            clients: HashMap::new(),
        };
        let mut played = Vec::new();
        for (number, line) in self.0.iter().enumerate() {
            match line {
                Line::Setting(_) => {}
                Line::Clock(event) => world.undergoes(*event),
                Line::Slew(ppm) => world.slews(*ppm),
                Line::Wait(time) => tokio::time::sleep(*time).await,
                Line::Host(host, site) => machine.net.set(*host, (**site).clone()),
                Line::Call(call) => {
                    machine.net.expect(call);
                    let outcomes = machine.calls(call).await;
                    played.push(Played {
                        line: number,
                        outcomes,
                        sent: machine.net.take_sent(),
                    });
                }
            }
        }
        played
    }
}

/// A process with all its clients.
struct Machine {
    correction: Correction,
    config: SdkConfig,
    clock: SkewClock,
    net: Net,
    clients: HashMap<(Host, bool), Client>,
}

#[derive(Clone)]
enum Client {
    Sqs(aws_sdk_sqs::Client, String),
    S3(aws_sdk_s3::Client),
}

impl Machine {
    async fn calls(&mut self, call: &Call) -> Vec<Result<(), String>> {
        let has_wrong_key = call.end == End::WrongKey;
        let client = self.client(call.host, has_wrong_key);
        let one = || async {
            let outcome = client.call(call.is_head);
            match call.cancel {
                None => outcome.await,
                Some(Cancel::After(time)) => tokio::time::timeout(time, outcome)
                    .await
                    .unwrap_or_else(|_| Err(CANCELLED.to_owned())),
                Some(Cancel::AfterPolls(count)) => polled(outcome, count).await,
            }
        };
        join_all((0..call.count).map(|_| one())).await
    }

    fn client(&mut self, host: Host, has_wrong_key: bool) -> Client {
        let known = self.clients.get(&(host, has_wrong_key));
        known.cloned().unwrap_or_else(|| {
            let client = self.new_client(host, has_wrong_key);
            self.clients.insert((host, has_wrong_key), client.clone());
            client
        })
    }

    fn new_client(&self, host: Host, has_wrong_key: bool) -> Client {
        let mut config = self.config.to_builder().endpoint_url(host.url());
        if has_wrong_key {
            let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYANOTHERKEY";
            config.set_credentials_provider(Some(provider(secret)));
        }
        let config = config.build();
        let is_installed = matches!(self.correction, Correction::Install | Correction::Both);
        // The quota of retries is one for the process otherwise.
        let own = || RetryPartition::custom("own").build();
        if host.is_s3() {
            let builder = aws_sdk_s3::config::Builder::from(&config)
                .force_path_style(true)
                .retry_partition(own());
            let builder = if is_installed {
                install!(builder, &self.clock)
            } else {
                builder
            };
            Client::S3(aws_sdk_s3::Client::from_conf(builder.build()))
        } else {
            let builder = aws_sdk_sqs::config::Builder::from(&config).retry_partition(own());
            let builder = if is_installed {
                install!(builder, &self.clock)
            } else {
                builder
            };
            let client = aws_sdk_sqs::Client::from_conf(builder.build());
            Client::Sqs(client, format!("{}/1/q", host.url()))
        }
    }
}

impl Client {
    async fn call(&self, is_head: bool) -> Result<(), String> {
        match self {
            Self::Sqs(sqs, queue) => {
                let received = sqs.receive_message().queue_url(queue).send().await;
                received.map(drop).map_err(shown)
            }
            Self::S3(s3) if is_head => {
                let found = s3.head_object().bucket("b").key("k").send().await;
                found.map(drop).map_err(shown)
            }
            Self::S3(s3) => {
                let found = s3.get_object().bucket("b").key("k").send().await;
                found.map(drop).map_err(shown)
            }
        }
    }
}

fn config(
    scenario: &Scenario,
    correction: Correction,
    world: &World,
    net: &Net,
    clock: &SkewClock,
) -> SdkConfig {
    let mut retries = RetryConfig::standard();
    let mut timeouts = TimeoutConfig::builder();
    for setting in scenario.settings() {
        match setting {
            Setting::NoRetries => retries = RetryConfig::disabled(),
            Setting::AttemptTimeout(time) => timeouts = timeouts.operation_attempt_timeout(time),
        }
    }
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(provider(SECRET))
        .http_client(net.clone())
        .time_source(world.clone())
        .sleep_impl(TokioSleep::new())
        .timeout_config(timeouts.build())
        // The SDK takes any jump of a clock for a stream that has stalled.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .retry_config(retries)
        .disable_clock_skew_correction(correction == Correction::None);
    match correction {
        Correction::Configure | Correction::Both => config
            .http_client(clock.wrap_http_client(net.clone()))
            .identity_cache(clock.identity_cache())
            .build(),
        Correction::Apply => clock.apply(&config.build()),
        Correction::Install | Correction::Sdk | Correction::None => config.build(),
    }
}

fn provider(secret: &str) -> SharedCredentialsProvider {
    let credentials = Credentials::new(ACCESS_KEY, secret, None, None, "scenario");
    SharedCredentialsProvider::new(credentials)
}

/// Polls so often at most.
async fn polled(
    call: impl Future<Output = Result<(), String>>,
    mut count: u32,
) -> Result<(), String> {
    let mut call = pin!(call);
    poll_fn(|context| {
        if count == 0 {
            return Poll::Ready(Err(CANCELLED.to_owned()));
        }
        count -= 1;
        call.as_mut().poll(context)
    })
    .await
}

fn shown<E: std::error::Error + 'static>(error: SdkError<E>) -> String {
    DisplayErrorContext(&error).to_string()
}

const CANCELLED: &str = "cancelled";
