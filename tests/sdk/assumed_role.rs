//! `configure` and credentials of an assumed role: the providers' own clients are corrected too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_clock_skew::SkewClock;
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, RequestRecord, SECRET_ACCESS_KEY};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use tokio::task::JoinSet;

use crate::clients::{Integration, encrypt, send};
use crate::log::Log;
use crate::world::{DAY, HOUR, MINUTE, World, minutes};

/// A machine that assumes a role through another role, each for an hour.
struct Scenario {
    log: Log,
    world: World,
    /// Seconds for which the machine was paused; its clocks stood still too.
    paused: Arc<AtomicU64>,
    clock: SkewClock,
    endpoint: Endpoint,
    config: SdkConfig,
    key: String,
}

impl Scenario {
    async fn new(skew: i64) -> Self {
        let log = Log::start();
        let world = World::with_skew(skew);
        let paused = Arc::<AtomicU64>::default();
        let (clock, after) = (world.clock(), paused.clone());
        let truth = move || clock() + Duration::from_secs(after.load(Ordering::Relaxed));
        let endpoint = Endpoint::builder(truth).start().await;
        let endpoint = endpoint.expect("loopback can be bound");
        endpoint.feed("q", "first");
        let clock = world.skew_clock();
        let loader = aws_config::defaults(BehaviorVersion::latest())
            // Otherwise it is the date of the machine that the test runs on.
            .time_source(clock.local_time())
            .profile_files(profiles(&endpoint.url()))
            .profile_name("app")
            .timeout_config(TimeoutConfig::disabled())
            .retry_config(RetryConfig::standard());
        let http_client = aws_smithy_http_client::Builder::new().build_http();
        let config = clock
            .configure_with_http_client(loader, http_client)
            .load()
            .await;
        let key = endpoint.create_key();
        Self {
            log,
            world,
            paused,
            clock,
            endpoint,
            config,
            key,
        }
    }

    /// Makes twenty calls to each of two services.
    async fn calls(&self) {
        let sqs = aws_sdk_sqs::Client::new(&self.config);
        let kms = aws_sdk_kms::Client::new(&self.config);
        for call in 0..20 {
            let sent = send(&sqs, &self.endpoint.queue_url("q")).await;
            assert_eq!(sent, Ok(()), "call {call}");
            let encrypted = encrypt(&kms, &self.key).await;
            assert_eq!(encrypted, Ok(()), "call {call}");
            self.world.advance(Duration::from_secs(1));
        }
    }

    fn sts(&self) -> Vec<RequestRecord> {
        let mut records = self.endpoint.requests_log();
        records.retain(|record| record.request.service == "sts");
        records
    }

    fn sts_rejections(&self) -> usize {
        self.sts().iter().filter(|record| record.rejected()).count()
    }
}

pub(crate) fn profiles(url: &str) -> EnvConfigFiles {
    let config = format!(
        "[profile app]\n\
         region = us-east-1\n\
         endpoint_url = {url}\n\
         role_arn = arn:aws:iam::123456789012:role/app\n\
         source_profile = middle\n\
         [profile middle]\n\
         role_arn = arn:aws:iam::123456789012:role/middle\n\
         source_profile = base\n\
         [profile base]\n\
         aws_access_key_id = {ACCESS_KEY_ID}\n\
         aws_secret_access_key = {SECRET_ACCESS_KEY}\n"
    );
    EnvConfigFiles::builder()
        .with_contents(EnvConfigFileKind::Config, config)
        .build()
}

const SKEWS: [i64; 4] = [-2 * DAY, -20 * MINUTE, 20 * MINUTE, 2 * DAY];

#[tokio::test]
async fn assuming_and_renewing_a_role_costs_one_rejection() {
    for skew in SKEWS {
        let scenario = Scenario::new(skew).await;
        scenario.calls().await;
        let loaded = scenario.sts().len();
        for _ in 0..4 {
            scenario.world.advance(minutes(61));
            scenario.calls().await;
        }
        assert!(
            scenario.sts().len() >= loaded + 8,
            "it was loaded again each time"
        );
        assert_eq!(scenario.endpoint.counts().rejected, 1, "{skew}");
        assert_eq!(scenario.sts_rejections(), 1, "{skew}");
        assert_eq!(scenario.log.names(), ["skew_detected"]);
        // The repair of the clock changes nothing.
        scenario.world.set_skew(0);
        scenario.calls().await;
        scenario.world.advance(minutes(61));
        scenario.calls().await;
        assert_eq!(scenario.endpoint.counts().rejected, 1, "{skew}");
        assert_eq!(
            scenario.log.names(),
            ["skew_detected", "correction_cleared"]
        );
    }
}

#[tokio::test]
async fn credentials_that_expire_in_a_sleep_before_the_first_rejection_are_renewed() {
    for skew in SKEWS {
        let scenario = Scenario::new(0).await;
        scenario.calls().await;
        assert_eq!(scenario.endpoint.counts().rejected, 0);
        // The machine sleeps, and shows another time when it wakes.
        scenario.world.advance(minutes(120));
        scenario.world.set_skew(skew);
        scenario.calls().await;
        assert_eq!(scenario.endpoint.counts().rejected, 1, "{skew}");
        assert!(scenario.sts_rejections() <= 1);
        assert_eq!(scenario.log.names(), ["skew_detected"]);
        assert_eq!(scenario.log.counted("resends", "outcome", "accepted"), 1);
    }
}

#[tokio::test]
async fn the_first_call_after_a_pause_of_two_hours_succeeds() {
    let scenario = Scenario::new(0).await;
    scenario.calls().await;
    let loads = scenario.sts().len();
    scenario
        .paused
        .store(2 * HOUR.unsigned_abs(), Ordering::Relaxed);
    let sqs = aws_sdk_sqs::Client::new(&scenario.config);
    assert_eq!(send(&sqs, &scenario.endpoint.queue_url("q")).await, Ok(()));
    assert_eq!(scenario.endpoint.counts().rejected, 1);
    assert_eq!(scenario.sts_rejections(), 0);
    assert_eq!(scenario.sts().len(), loads + 2, "both roles, once");
    assert_eq!(scenario.log.names(), ["skew_detected"]);
    let offset = scenario.clock.status().offset().as_millis() - 2 * HOUR * 1_000;
    assert!(offset.abs() <= 1_000, "{offset}");
    scenario.calls().await;
    assert_eq!(scenario.endpoint.counts().rejected, 1);
}

#[tokio::test]
async fn all_of_two_hundred_calls_in_flight_succeed_though_the_keys_change() {
    const CALLS: usize = 200;
    for (asleep, skew) in [(0, -20 * MINUTE), (0, 20 * MINUTE), (120, -2 * DAY)] {
        let scenario = Scenario::new(0).await;
        scenario.calls().await;
        scenario.world.advance(minutes(asleep));
        scenario.world.set_skew(skew);
        let sqs = aws_sdk_sqs::Client::new(&scenario.config);
        let queue = Arc::<str>::from(scenario.endpoint.queue_url("q"));
        let hold = scenario.endpoint.hold(CALLS);
        let mut calls = JoinSet::new();
        for _ in 0..CALLS {
            let (sqs, queue) = (sqs.clone(), queue.clone());
            calls.spawn(async move { send(&sqs, &queue).await });
        }
        hold.arrived().await;
        let outcomes = calls.join_all().await;
        let failed = outcomes.into_iter().filter_map(Result::err).count();
        assert_eq!(failed, 0, "{asleep} min, {skew} s");
        assert_eq!(scenario.endpoint.counts().rejected, CALLS as u64);
        assert_eq!(scenario.sts_rejections(), 0);
        assert_eq!(scenario.log.names(), ["skew_detected"]);
    }
}

#[tokio::test]
async fn assuming_a_role_costs_one_rejection_with_the_interceptor_too() {
    for skew in SKEWS {
        let scenario = Scenario::new(skew).await;
        let sqs = Integration::Interceptor.sqs(&scenario.config, &scenario.clock);
        for _ in 0..3 {
            for _ in 0..20 {
                assert_eq!(send(&sqs, &scenario.endpoint.queue_url("q")).await, Ok(()));
            }
            scenario.world.advance(minutes(61));
        }
        assert_eq!(scenario.endpoint.counts().rejected, 1, "{skew}");
        assert_eq!(scenario.log.names(), ["skew_detected"]);
        assert_eq!(scenario.log.counted("resends", "outcome", "accepted"), 1);
    }
}
