//! Calls that are dropped at any moment: the clock keeps what their responses said.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tokio::time::{sleep, timeout};

use crate::clients::{Integration, SDK_AND_ALL, config, head, receive, s3_of, sqs_of};
use crate::polled::polled;
use crate::site::QUEUE;
use crate::wire::{Manner, Wire};
use crate::world::{HOUR, MINUTE, World, minutes};

/// A wire that takes some time, or yields to other tasks if that time is zero.
#[derive(Clone, Debug)]
struct Slow(Wire, Duration);

impl HttpConnector for Slow {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, takes) = (self.0.call(request), self.1);
        HttpConnectorFuture::new(async move {
            pause(takes).await;
            let response = inner.await;
            tokio::task::yield_now().await;
            response
        })
    }
}

impl HttpClient for Slow {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Sessions of an hour, each with its own keys, from an STS that takes some time.
#[derive(Debug)]
struct Sts {
    world: World,
    takes: Duration,
    loads: std::sync::atomic::AtomicUsize,
}

impl ProvideCredentials for Sts {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            pause(self.takes).await;
            let load = self
                .loads
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let (key, end) = (format!("ASIA{load}"), self.world.true_time() + minutes(60));
            Ok(Credentials::new(
                key,
                "secret",
                Some("token".to_owned()),
                Some(end),
                "sts",
            ))
        })
    }
}

async fn pause(takes: Duration) {
    if takes.is_zero() {
        tokio::task::yield_now().await;
    } else {
        sleep(takes).await;
    }
}

/// A host that reports a wrong time in one manner, and a client of it.
struct Scenario {
    world: World,
    manner: Manner,
    sqs: aws_sdk_sqs::Client,
    s3: aws_sdk_s3::Client,
}

impl Scenario {
    fn new(
        integration: Option<Integration>,
        manner: Manner,
        skew: i64,
        [wire_takes, sts_takes]: [Duration; 2],
        prepare: impl Fn(SdkConfig) -> SdkConfig,
    ) -> Self {
        let world = World::with_skew(skew);
        let wire = Wire::with_manner(&world, minutes(15), manner);
        let url = match manner {
            Manner::ByCode => "https://minio.example",
            Manner::InMessage => "https://sqs.us-east-1.amazonaws.com",
            _ => "https://s3.us-east-1.amazonaws.com",
        };
        let sts = Sts {
            world: world.clone(),
            takes: sts_takes,
            loads: Default::default(),
        };
        let config = config(url)
            .into_builder()
            .http_client(Slow(wire, wire_takes))
            .credentials_provider(SharedCredentialsProvider::new(sts))
            .identity_cache(IdentityCache::lazy().build())
            .time_source(world.clone())
            .build();
        let (config, clock) = (prepare(config), world.skew_clock());
        Self {
            sqs: sqs_of(integration, &config, &clock),
            s3: s3_of(integration, &config, &clock),
            world,
            manner,
        }
    }

    async fn call(&self) -> bool {
        match self.manner {
            Manner::InMessage => receive(&self.sqs, QUEUE).await.is_ok(),
            Manner::Silently => head(&self.s3).await.is_ok(),
            _ => {
                let get = self.s3.get_object().bucket("b").key("k");
                get.send().await.is_ok()
            }
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

const MANNERS: [Manner; 4] = [
    Manner::InMessage,
    Manner::InFields,
    Manner::ByCode,
    Manner::Silently,
];

/// What ends a call that takes longer than a second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cancellation {
    Attempt,
    Operation,
    Around,
    Select,
}

impl Cancellation {
    const ALL: [Self; 4] = [Self::Attempt, Self::Operation, Self::Around, Self::Select];

    fn config(self, config: SdkConfig, after: Duration) -> SdkConfig {
        let timeouts = TimeoutConfig::builder();
        let timeouts = match self {
            Self::Attempt => timeouts.operation_attempt_timeout(after),
            Self::Operation => timeouts.operation_timeout(after),
            Self::Around | Self::Select => return config,
        };
        config
            .into_builder()
            .timeout_config(timeouts.build())
            .build()
    }

    async fn call(self, scenario: &Scenario, after: Duration) -> bool {
        match self {
            Self::Attempt | Self::Operation => scenario.call().await,
            Self::Around => timeout(after, scenario.call()).await.unwrap_or(false),
            Self::Select => tokio::select! {
                is_ok = scenario.call() => is_ok,
                () = sleep(after) => false,
            },
        }
    }
}

fn quick_retries() -> RetryConfig {
    RetryConfig::standard().with_initial_backoff(Duration::from_millis(1))
}

/// How long the wire and STS take, and how long the caller waits.
struct Times {
    takes: [Duration; 2],
    waits: Duration,
}

/// How many of ten calls fail.
async fn lost(
    integration: Option<Integration>,
    (manner, skew): (Manner, i64),
    times: &Times,
    how: Cancellation,
    retries: &RetryConfig,
) -> usize {
    let prepare = |config: SdkConfig| {
        let config = config.into_builder().retry_config(retries.clone()).build();
        how.config(config, times.waits)
    };
    let scenario = Scenario::new(integration, manner, skew, times.takes, prepare);
    let mut lost = 0;
    for _ in 0..10 {
        scenario.world.advance(SECOND);
        lost += usize::from(!how.call(&scenario, times.waits).await);
    }
    lost
}

/// There is time for one round trip and not for two. On a machine two hours ahead, where sessions
/// of an hour count as expired, there is time for one load from STS and not for two.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_always_cancelled_before_its_second_response_is_the_only_one_to_fail() {
    let slow_wire = || Times {
        takes: [millis(600), Duration::ZERO],
        waits: SECOND,
    };
    let slow_sts = Times {
        takes: [millis(100), millis(800)],
        waits: millis(1_500),
    };
    let cases = MANNERS.map(|manner| ((manner, -20 * MINUTE), slow_wire()));
    let cases = cases
        .into_iter()
        .chain([((Manner::InMessage, 2 * HOUR), slow_sts)]);
    for (server, times) in cases {
        for how in Cancellation::ALL {
            for retries in [RetryConfig::disabled(), quick_retries()] {
                let is_retried = how == Cancellation::Attempt && retries.max_attempts() > 1;
                // The SDK alone does not take the response to a HEAD for a clock skew error.
                let of_sdk = usize::from(!is_retried || server.0 == Manner::Silently);
                assert_eq!(lost(None, server, &times, how, &retries).await, of_sdk);
                for integration in Integration::ALL {
                    // Each attempt has its own time-out.
                    let is_first = how == Cancellation::Attempt && integration.installs();
                    let expected = usize::from(!is_retried && !is_first);
                    let lost = lost(Some(integration), server, &times, how, &retries).await;
                    assert_eq!(lost, expected, "{integration:?}, {server:?}, {how:?}");
                }
            }
        }
    }
}

/// After a correction, credentials are loaded again. Callers wait for a shorter time than that
/// takes.
#[tokio::test(start_paused = true)]
async fn of_calls_that_are_cancelled_while_credentials_load_again_one_fails() {
    for integration in SDK_AND_ALL {
        let takes = [Duration::ZERO, millis(100)];
        let behind = -20 * MINUTE;
        let scenario = Scenario::new(integration, Manner::InMessage, behind, takes, |config| {
            config
        });
        assert!(scenario.call().await, "{integration:?}");
        let mut lost = 0;
        for _ in 0..5 {
            let done = timeout(millis(50), scenario.call()).await;
            lost += usize::from(done != Ok(true));
        }
        assert!(
            lost <= usize::from(integration.is_some()),
            "{integration:?}: {lost}"
        );
    }
}

/// Drops a call after `polls` polls, from the start or after the clock was set, and makes five
/// calls after it. Returns how many of the five fail, or `None` if the call ended earlier.
async fn lost_after(
    integration: Option<Integration>,
    (manner, skew): (Manner, i64),
    steps: bool,
    polls: u32,
) -> Option<usize> {
    let first = if steps { 0 } else { skew };
    let scenario = Scenario::new(integration, manner, first, [Duration::ZERO; 2], |config| {
        config.into_builder().retry_config(quick_retries()).build()
    });
    if steps {
        assert!(scenario.call().await);
        scenario.world.set_skew(skew);
    }
    let is_done = polled(polls, scenario.call()).await.is_some();
    let mut lost = 0;
    for _ in 0..5 {
        scenario.world.advance(SECOND);
        lost += usize::from(!scenario.call().await);
    }
    (!is_done).then_some(lost)
}

#[tokio::test]
async fn a_call_that_is_dropped_at_any_poll_costs_the_next_ones_nothing() {
    for manner in MANNERS {
        for (skew, steps) in [
            (-20 * MINUTE, true),
            (-20 * MINUTE, false),
            (2 * HOUR, false),
        ] {
            for integration in SDK_AND_ALL {
                let mut polls = 0;
                while let Some(lost) = lost_after(integration, (manner, skew), steps, polls).await {
                    // The SDK alone loses the first HEAD that gets a response.
                    let most = usize::from(integration.is_none() && manner == Manner::Silently);
                    assert!(
                        lost <= most,
                        "{integration:?}, {manner:?}, {skew} s ahead, {polls} polls"
                    );
                    polls += 1;
                }
                let least = if steps || integration.is_none() { 3 } else { 5 };
                assert!(polls >= least, "{polls} polls, {integration:?}, {manner:?}");
            }
        }
    }
}
