//! Adaptive retries: the SDK's rate limiter reads the local clock, so no call waits because of a
//! correction.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_clock_skew::{LocalClock as _, SkewClock};
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::config::retry::RetryPartition;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::clients::{config, receive};
use crate::wire::{Answer, Fate, Wire, http_date};
use crate::world::{DAY, HOUR, World, minutes};

const URL: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

struct Site {
    world: World,
    wire: Wire,
    clock: SkewClock,
    sqs: aws_sdk_sqs::Client,
}

impl Site {
    /// The SDK's rate limiters are global: one for each name of a retry partition.
    fn new(skew: i64, partition: &str) -> Self {
        let partition = RetryPartition::new(partition.to_owned());
        Self::of(skew, partition, World::skew_clock)
    }

    fn of(skew: i64, partition: RetryPartition, clock: fn(&World) -> SkewClock) -> Self {
        let world = World::with_skew(skew);
        let wire = Wire::new(&world, minutes(5));
        let clock = clock(&world);
        let sqs = client(&world, &clock, partition, wire.clone());
        Self {
            sqs,
            world,
            wire,
            clock,
        }
    }

    /// How long a call takes, including the time that the client sleeps.
    async fn call_time(&self) -> Duration {
        let before = self.world.machine.monotonic();
        receive(&self.sqs, QUEUE).await.expect("no call is lost");
        self.world.machine.monotonic() - before
    }

    async fn throttle(&self) {
        self.wire.plan([Fate::from(Answer::throttled())]);
        receive(&self.sqs, QUEUE).await.expect("the SDK retries");
    }

    /// Ten calls, one a second: none waits for the clock.
    #[track_caller]
    fn assert_no_wait(&self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            for call in 0..10 {
                let took = self.call_time().await;
                assert!(
                    took <= Duration::from_secs(10),
                    "call {call}: {took:?}, {caller}"
                );
                self.world.advance(Duration::from_secs(1));
            }
        }
    }
}

fn client(
    world: &World,
    clock: &SkewClock,
    partition: RetryPartition,
    wire: impl HttpClient + 'static,
) -> aws_sdk_sqs::Client {
    let config = adaptive(world, wire);
    aws_sdk_sqs::Client::from_conf(
        aws_clock_skew::install!(Builder::from(&config).retry_partition(partition), &clock).build(),
    )
}

fn adaptive(world: &World, wire: impl HttpClient + 'static) -> SdkConfig {
    config(URL)
        .into_builder()
        .http_client(wire)
        .time_source(SharedTimeSource::new(world.clone()))
        .sleep_impl(world.clone())
        // The stalled-stream protection sleeps in every call. Here only the limiter is to sleep.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .retry_config(RetryConfig::adaptive().with_max_attempts(5))
        .build()
}

#[tokio::test]
async fn after_a_change_in_either_direction_the_next_call_does_not_wait() {
    for skew in [HOUR, DAY, -HOUR, -DAY] {
        let site = Site::new(skew, &format!("either-direction {skew}"));
        // Throttled while the clock is wrong, then rejected, then corrected.
        site.throttle().await;
        assert!(site.clock.status().is_correcting());
        site.assert_no_wait().await;
    }
}

#[tokio::test]
async fn throttling_goes_on_after_a_change() {
    for skew in [HOUR, -HOUR] {
        let site = Site::new(skew, &format!("goes-on {skew}"));
        site.throttle().await;
        for _ in 0..5 {
            site.throttle().await;
        }
        let mut waited = Duration::ZERO;
        for _ in 0..5 {
            waited += site.call_time().await;
        }
        assert!(
            waited >= Duration::from_secs(2),
            "{waited:?} for five calls"
        );
        assert!(waited <= minutes(1), "{waited:?} for five calls");
    }
}

#[tokio::test]
async fn a_limiter_outlives_the_operation_that_first_had_it() {
    let site = Site::new(HOUR, "outlives");
    site.call_time().await;
    site.throttle().await;
    // A second client of the same clock and partition shares the limiter.
    let second = Site {
        sqs: client(
            &site.world,
            &site.clock,
            RetryPartition::new("outlives"),
            site.wire.clone(),
        ),
        ..site
    };
    let waited = second.call_time().await + second.call_time().await;
    assert!(waited > Duration::ZERO);
    // A client of another partition does not.
    let third = Site {
        sqs: client(
            &second.world,
            &second.clock,
            RetryPartition::new("outlives-elsewhere"),
            second.wire.clone(),
        ),
        ..second
    };
    assert_eq!(third.call_time().await, Duration::ZERO);
}

#[tokio::test]
async fn a_partition_of_the_users_own_does_not_wait_either() {
    for skew in [HOUR, -HOUR] {
        let partition = RetryPartition::custom("own").build();
        let site = Site::of(skew, partition, World::skew_clock);
        site.throttle().await;
        site.assert_no_wait().await;
    }
}

#[tokio::test]
async fn neither_a_trial_nor_a_reset_makes_a_call_wait() {
    let site = Site::new(0, "every-change");
    let ahead = Answer {
        status: 403,
        headers: vec![
            (
                "date",
                http_date(site.world.true_time() + minutes(6 * 24 * 60)),
            ),
            ("x-amzn-requestid", "id-1".to_owned()),
        ],
        body: r#"{"__type":"AccessDeniedException","message":"no"}"#.into(),
    };
    // A wrong `Date` moves the time six days forward, the service throttles, and the time goes
    // back.
    site.wire.plan([
        ahead.clone().into(),
        Answer::throttled().into(),
        ahead.into(),
    ]);
    assert!(receive(&site.sqs, QUEUE).await.is_err());
    site.world.advance(minutes(1));
    site.assert_no_wait().await;
    assert!(!site.clock.status().is_correcting());
    // Behind, corrected, and repaired.
    site.world.set_skew(-HOUR);
    site.throttle().await;
    assert!(site.clock.status().is_correcting());
    site.world.set_skew(0);
    site.assert_no_wait().await;
    // Behind, corrected, reset, and corrected again.
    site.world.set_skew(-HOUR);
    let site = Site::new(-HOUR, "reset");
    site.throttle().await;
    site.clock.reset();
    site.throttle().await;
    site.assert_no_wait().await;
}

/// A wire that holds the first requests until all of them have arrived.
#[derive(Clone, Debug)]
struct Together {
    wire: Wire,
    barrier: Arc<Barrier>,
    left: Arc<AtomicUsize>,
}

impl HttpConnector for Together {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        let is_held = this
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        HttpConnectorFuture::new(async move {
            if is_held {
                this.barrier.wait().await;
            }
            this.wire.answer(&request)
        })
    }
}

impl HttpClient for Together {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Starts fifty calls before the first response and returns the sum of the time that they sleep.
async fn fifty_calls_sleep(skew: i64, is_ours: bool) -> Duration {
    let partition = format!("in-flight {skew} {is_ours}");
    let site = Site::new(skew, &partition);
    let together = Together {
        wire: site.wire.clone(),
        barrier: Arc::new(Barrier::new(50)),
        left: Arc::new(AtomicUsize::new(50)),
    };
    let partition = RetryPartition::new(partition);
    let sqs = if is_ours {
        client(&site.world, &site.clock, partition, together)
    } else {
        let config = adaptive(&site.world, together);
        aws_sdk_sqs::Client::from_conf(Builder::from(&config).retry_partition(partition).build())
    };
    // The service throttles one of them and rejects the others.
    site.wire.plan([Fate::from(Answer::throttled())]);
    let before = site.world.machine.monotonic();
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let sqs = sqs.clone();
        calls.spawn(async move { receive(&sqs, QUEUE).await });
    }
    let outcomes = calls.join_all().await;
    assert_eq!(outcomes.iter().filter(|call| call.is_err()).count(), 0);
    site.world.machine.monotonic() - before
}

/// The limiter has been told to slow down, and it counts resends like other requests.
#[tokio::test]
async fn fifty_calls_in_flight_at_the_change_wait_no_longer_than_with_the_sdk_alone() {
    for skew in [HOUR, -HOUR] {
        let (ours, sdks) = (
            fifty_calls_sleep(skew, true).await,
            fifty_calls_sleep(skew, false).await,
        );
        assert!(ours <= sdks, "{ours:?}, the SDK alone {sdks:?}");
    }
}
