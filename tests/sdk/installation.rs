//! Clients that have all of it, half of it, or more than they need.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use aws_clock_skew::{ClockOffset, Incident, Missing, SkewClock};
use aws_clock_skew_endpoint::Endpoint;
use aws_config::retry::RetryConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::config::retry::RetryPartition;
use tokio::task::JoinSet;

use crate::clients::{config, encrypt, kms, receive, send, sqs, without_retries};
use crate::log::Log;
use crate::wire::{Answer, Fate, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes};

const URL: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

/// What of ours a client has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Parts {
    /// Nothing: the SDK's own correction.
    None,
    InterceptorAlone,
    NoClassifier,
    NoTimeSource,
    OthersTimeSource,
    /// The classifiers of two clocks are the same.
    OthersClassifier,
    All,
}

const HALVES: [Parts; 4] = [
    Parts::InterceptorAlone,
    Parts::NoClassifier,
    Parts::NoTimeSource,
    Parts::OthersTimeSource,
];

impl Parts {
    fn missing(self) -> Option<Missing> {
        match self {
            Self::InterceptorAlone => Some(Missing::Both),
            Self::NoClassifier => Some(Missing::RetryClassifier),
            Self::NoTimeSource | Self::OthersTimeSource => Some(Missing::TimeSource),
            Self::None | Self::OthersClassifier | Self::All => None,
        }
    }

    fn install(self, config: &SdkConfig, clock: &SkewClock, other: &SkewClock) -> Builder {
        // A partition has a retry quota of its own, which no other test uses up.
        let builder = Builder::from(config).retry_partition(RetryPartition::custom("own").build());
        match self {
            Self::None => builder,
            Self::InterceptorAlone => builder.interceptor(clock.interceptor()),
            Self::NoClassifier => builder
                .interceptor(clock.interceptor())
                .time_source(clock.clone()),
            Self::NoTimeSource => builder
                .interceptor(clock.interceptor())
                .retry_classifier(clock.retry_classifier()),
            Self::OthersTimeSource => builder
                .interceptor(clock.interceptor())
                .retry_classifier(clock.retry_classifier())
                .time_source(other.clone()),
            Self::OthersClassifier => builder
                .interceptor(clock.interceptor())
                .retry_classifier(other.retry_classifier())
                .time_source(clock.clone()),
            Self::All => builder
                .interceptor(clock.interceptor())
                .retry_classifier(clock.retry_classifier())
                .time_source(clock.clone()),
        }
    }
}

/// One client on a machine of its own, in virtual time.
struct Site {
    world: World,
    wire: Wire,
    clock: SkewClock,
    /// The clock that the client asks for the time, if it asks one of ours.
    asked: SkewClock,
    config: SdkConfig,
    sqs: aws_sdk_sqs::Client,
}

impl Site {
    fn new(parts: Parts, skew: i64, prepare: fn(SdkConfig) -> SdkConfig) -> Self {
        let world = World::with_skew(skew);
        let clock = world.skew_clock();
        Self::with_clock(world, clock, parts, prepare)
    }

    fn with_clock(
        world: World,
        clock: SkewClock,
        parts: Parts,
        prepare: fn(SdkConfig) -> SdkConfig,
    ) -> Self {
        let wire = Wire::new(&world, minutes(5));
        let config = config(URL)
            .into_builder()
            .http_client(wire.clone())
            .time_source(world.clone())
            .sleep_impl(world.clone())
            .build();
        let config = prepare(config);
        let other = world.skew_clock();
        let builder = parts.install(&config, &clock, &other);
        let asked = if parts == Parts::OthersTimeSource {
            other
        } else {
            clock.clone()
        };
        Self {
            sqs: aws_sdk_sqs::Client::from_conf(builder.build()),
            asked,
            config,
            world,
            wire,
            clock,
        }
    }

    /// Calls, a minute apart. Returns how many fail.
    async fn lost(&self, calls: usize) -> usize {
        let mut lost = 0;
        for _ in 0..calls {
            lost += usize::from(receive(&self.sqs, QUEUE).await.is_err());
            self.world.advance(minutes(1));
        }
        lost
    }

    fn rejected(&self) -> usize {
        self.wire
            .seen()
            .iter()
            .filter(|accepted| !**accepted)
            .count()
    }
}

/// Things that happen to a machine; each returns how many calls are lost.
#[derive(Clone, Copy, Debug)]
enum Story {
    WrongFromTheStart,
    SetWrongAndRepaired,
    Frozen,
    LongCall,
    ProxyOf1970,
    WrongKeyAnswer,
}

const STORIES: [Story; 6] = [
    Story::WrongFromTheStart,
    Story::SetWrongAndRepaired,
    Story::Frozen,
    Story::LongCall,
    Story::ProxyOf1970,
    Story::WrongKeyAnswer,
];

impl Story {
    async fn lost(self, site: &Site, skew: i64) -> usize {
        match self {
            Self::WrongFromTheStart => {
                site.world.set_skew(skew);
                site.lost(20).await
            }
            Self::SetWrongAndRepaired => {
                let before = site.lost(3).await;
                site.world.set_skew(skew);
                let wrong = site.lost(5).await;
                site.world.set_skew(0);
                before + wrong + site.lost(5).await
            }
            Self::Frozen => {
                site.wire.plan([Fate {
                    before: minutes(7),
                    ..Fate::default()
                }]);
                site.lost(5).await
            }
            Self::LongCall => {
                site.wire.plan([Fate {
                    after: minutes(14),
                    ..Fate::default()
                }]);
                site.lost(5).await
            }
            Self::ProxyOf1970 => {
                let mut proxy = Answer::unavailable();
                proxy.headers = vec![("date", "Thu, 01 Jan 1970 00:00:00 GMT".to_owned())];
                site.wire.plan([proxy.into()]);
                site.lost(5).await
            }
            Self::WrongKeyAnswer => {
                site.world.set_skew(skew);
                let denied = Answer {
                    status: 403,
                    headers: Vec::new(),
                    body: r#"{"__type":"AccessDeniedException","message":"no"}"#.to_owned(),
                };
                site.wire.plan([denied.into()]);
                site.lost(5).await
            }
        }
    }
}

#[tokio::test]
async fn a_client_wired_in_part_loses_no_more_calls_than_one_without_us() {
    for prepare in [|config| config, without_retries] as [fn(SdkConfig) -> SdkConfig; 2] {
        for story in STORIES {
            for skew in [-2 * DAY, -20 * MINUTE, 20 * MINUTE] {
                let native = Site::new(Parts::None, 0, prepare);
                let lost_without_us = story.lost(&native, skew).await;
                for parts in HALVES {
                    let site = Site::new(parts, 0, prepare);
                    let lost = story.lost(&site, skew).await;
                    assert!(
                        lost <= lost_without_us,
                        "{parts:?} loses {lost} calls, native {lost_without_us}: {story:?}, {skew} s"
                    );
                    assert_eq!(site.rejected(), native.rejected(), "{parts:?}, {story:?}");
                    assert!(!site.clock.status().is_corrected(), "learns nothing");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_missing_is_said_once_for_a_client_and_its_clones() {
    for parts in HALVES {
        let log = Log::start();
        let site = Site::new(parts, -20 * MINUTE, |config| config);
        site.lost(3).await;
        let clone = site.sqs.clone();
        receive(&clone, QUEUE).await.expect("the SDK corrects");
        assert_eq!(log.names(), ["half_installed"], "{parts:?}");
        let event = log.incidents().pop().expect("there is one");
        assert_eq!(event.level, tracing::Level::WARN);
        assert_eq!(event.get("service"), Some("SQS"));
        let missing = parts.missing().expect("is a half");
        assert_eq!(event.get("missing"), Some(missing.as_str()));
        let status = site.clock.status();
        assert_eq!(status.incidents(), 1);
        assert!(
            matches!(status.last_incident(), Some(Incident::HalfInstalled(_, said)) if *said == missing)
        );
        // Another client of the clock has an event of its own, a minute later.
        site.world.advance(minutes(1));
        let builder = parts.install(&site.config, &site.clock, &site.world.skew_clock());
        let second = aws_sdk_sqs::Client::from_conf(builder.build());
        receive(&second, QUEUE).await.expect("the SDK corrects");
        assert_eq!(log.names().len(), 2);
    }
}

#[tokio::test]
async fn a_whole_client_is_not_told_that_something_is_missing() {
    for parts in [Parts::All, Parts::OthersClassifier] {
        let log = Log::start();
        let site = Site::new(parts, -20 * MINUTE, without_retries);
        assert_eq!(site.lost(5).await, 0, "{parts:?}");
        assert_eq!(site.rejected(), 1);
        assert_eq!(log.names(), ["skew"]);
    }
}

#[tokio::test]
async fn fifty_in_flight_of_a_client_wired_in_part_fare_as_without_us() {
    let lost = |parts: Parts| async move {
        let world = World::with_skew(-20 * MINUTE);
        let endpoint = Endpoint::builder(world.clock()).start().await;
        let endpoint = endpoint.expect("loopback can be bound");
        endpoint.feed("q", "first");
        let config = config(&endpoint.url())
            .into_builder()
            .time_source(world.clone())
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
            .build();
        let builder = parts.install(&config, &world.skew_clock(), &world.skew_clock());
        let sqs = aws_sdk_sqs::Client::from_conf(builder.build());
        let queue = Arc::<str>::from(endpoint.queue_url("q"));
        let hold = endpoint.hold(50);
        let mut calls = JoinSet::new();
        for _ in 0..50 {
            let (sqs, queue) = (sqs.clone(), queue.clone());
            calls.spawn(async move { send(&sqs, &queue).await });
        }
        hold.arrived().await;
        let outcomes = calls.join_all().await;
        outcomes.iter().filter(|outcome| outcome.is_err()).count()
    };
    let native = lost(Parts::None).await;
    for parts in HALVES {
        assert!(lost(parts).await <= native, "{parts:?}");
    }
}

/// Whatever happens in whatever order: `h`, the client in question calls; `w`, a
/// whole client of the clock that it asks calls, and teaches it; `s`, somebody
/// sets the machine's clock wrong, or right again.
#[tokio::test]
async fn a_client_wired_in_part_beside_a_whole_one_loses_no_more_than_without_us() {
    let story = |parts: Parts, skew: i64, events: String| async move {
        let site = Site::new(parts, 0, without_retries);
        let whole = sqs(&site.config, &site.asked);
        let mut lost = 0;
        let mut is_wrong = false;
        for event in events.chars() {
            match event {
                'h' => lost += site.lost(1).await,
                'w' => assert_eq!(receive(&whole, QUEUE).await, Ok(())),
                _ => {
                    is_wrong = !is_wrong;
                    site.world.set_skew(if is_wrong { skew } else { 0 });
                }
            }
        }
        lost
    };
    let any_five = (0..3_usize.pow(5)).map(|number| {
        let event = |place| char::from(b"hws"[number / 3_usize.pow(place) % 3]);
        (0..5).map(event).collect::<String>()
    });
    // Repaired, and wrong again with nobody to teach the clock: the SDK's own
    // correction goes on as it would.
    let long = ["swshshhh", "hswhshshhh"].map(str::to_owned);
    for events in any_five.chain(long) {
        for skew in [-20 * MINUTE, 10 * MINUTE] {
            let native = story(Parts::None, skew, events.clone()).await;
            for parts in [Parts::NoClassifier, Parts::OthersTimeSource] {
                let half = story(parts, skew, events.clone()).await;
                assert!(
                    half <= native,
                    "{half} lost by {parts:?}, {native} by native: {skew} s, {events}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_interceptor_of_another_clock_meddles_with_nothing() {
    for others_first in [true, false] {
        let log = Log::start();
        let site = Site::new(Parts::None, -20 * MINUTE, without_retries);
        let other = site.world.skew_clock();
        let builder = Builder::from(&site.config)
            .time_source(site.clock.clone())
            .retry_classifier(site.clock.retry_classifier());
        let builder = if others_first {
            builder
                .interceptor(other.interceptor())
                .interceptor(site.clock.interceptor())
        } else {
            builder
                .interceptor(site.clock.interceptor())
                .interceptor(other.interceptor())
        };
        let sqs = aws_sdk_sqs::Client::from_conf(builder.build());
        for _ in 0..5 {
            assert_eq!(receive(&sqs, QUEUE).await, Ok(()), "{others_first}");
        }
        assert_eq!(site.rejected(), 1);
        let mut names = log.names();
        names.sort();
        assert_eq!(names, ["half_installed", "skew"]);
        // And not when the clock has moved before, and is to learn again.
        site.clock.reset();
        for _ in 0..3 {
            assert_eq!(receive(&sqs, QUEUE).await, Ok(()), "{others_first}");
        }
        assert_eq!(site.rejected(), 2);
        assert!(site.clock.status().is_corrected());
        assert!(!other.status().is_corrected(), "has learned nothing");
    }
}

#[tokio::test]
async fn a_clock_that_only_observes_stands_back_for_one_that_corrects() {
    for observer_first in [true, false] {
        let site = Site::new(Parts::None, -20 * MINUTE, without_retries);
        let observer = observer(&site.world);
        let builder = Builder::from(&site.config)
            .time_source(site.clock.clone())
            .retry_classifier(site.clock.retry_classifier());
        let builder = if observer_first {
            builder
                .interceptor(observer.interceptor())
                .interceptor(site.clock.interceptor())
        } else {
            builder
                .interceptor(site.clock.interceptor())
                .interceptor(observer.interceptor())
        };
        let sqs = aws_sdk_sqs::Client::from_conf(builder.build());
        for _ in 0..5 {
            assert_eq!(receive(&sqs, QUEUE).await, Ok(()), "{observer_first}");
        }
        assert_eq!(site.rejected(), 1);
        assert!(site.clock.status().is_corrected());
    }
}

/// A thousand calls in flight tell whether our retry still spares the user's
/// quota, and the log whether the first answer was taken for the second.
#[tokio::test]
async fn the_same_clock_twice_on_one_client_corrects_once() {
    for is_one_interceptor in [true, false] {
        let log = Log::start();
        let world = World::with_skew(-20 * MINUTE);
        let endpoint = Endpoint::builder(world.clock()).start().await;
        let endpoint = endpoint.expect("loopback can be bound");
        endpoint.feed("q", "first");
        let clock = world.skew_clock();
        let config = without_retries(config(&endpoint.url()));
        let first = aws_sdk_sqs::config::SharedInterceptor::new(clock.interceptor());
        let second = if is_one_interceptor {
            first.clone()
        } else {
            aws_sdk_sqs::config::SharedInterceptor::new(clock.interceptor())
        };
        let mut builder = Builder::from(&config)
            .retry_partition(RetryPartition::custom("own").build())
            .time_source(clock.clone())
            .retry_classifier(clock.retry_classifier())
            .retry_classifier(clock.retry_classifier());
        builder.push_interceptor(first);
        builder.push_interceptor(second);
        let sqs = aws_sdk_sqs::Client::from_conf(builder.build());
        let queue = Arc::<str>::from(endpoint.queue_url("q"));
        let hold = endpoint.hold(300);
        let mut calls = JoinSet::new();
        for _ in 0..300 {
            let (sqs, queue) = (sqs.clone(), queue.clone());
            calls.spawn(async move { send(&sqs, &queue).await });
        }
        hold.arrived().await;
        let outcomes = calls.join_all().await;
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_err()).count(),
            0
        );
        assert_eq!(endpoint.counts().requests, 600);
        assert_eq!(log.names(), ["skew"]);
        assert_eq!(log.counted("retries", "outcome", "accepted"), 300);
        assert_eq!(log.counted("retries", "outcome", "rejected"), 0);
    }
}

#[tokio::test]
async fn clones_and_rebuilt_clients_go_on_with_what_is_known() {
    let log = Log::start();
    let site = Site::new(Parts::All, -20 * MINUTE, without_retries);
    assert_eq!(site.lost(1).await, 0);
    let clone = site.sqs.clone();
    let rebuilt = aws_sdk_sqs::Client::from_conf(site.sqs.config().to_builder().build());
    let elsewhere = aws_sdk_sqs::Client::from_conf(
        site.sqs
            .config()
            .to_builder()
            .region(Region::new("eu-west-1"))
            .build(),
    );
    for client in [&clone, &rebuilt, &elsewhere, &site.sqs] {
        assert_eq!(receive(client, QUEUE).await, Ok(()));
    }
    assert_eq!(site.rejected(), 1);
    // Each of them can teach as well.
    for client in [&clone, &rebuilt, &elsewhere, &site.sqs] {
        site.world.advance(minutes(2));
        site.clock.reset();
        assert_eq!(receive(client, QUEUE).await, Ok(()));
    }
    assert_eq!(site.rejected(), 5);
    assert!(log.names().iter().all(|name| name == "skew"));
}

async fn overridden(sqs: &aws_sdk_sqs::Client, builder: Builder) -> bool {
    let call = sqs.receive_message().queue_url(QUEUE).customize();
    call.config_override(builder).send().await.is_ok()
}

#[tokio::test]
async fn one_operation_with_a_config_of_its_own() {
    let log = Log::start();
    let site = Site::new(Parts::All, -20 * MINUTE, |config| config);
    let own = || Builder::new();
    // Retries switched off for this one only.
    assert!(overridden(&site.sqs, own().retry_config(RetryConfig::disabled())).await);
    assert_eq!((site.wire.seen().len(), site.rejected()), (2, 1));
    assert_eq!(log.names(), ["skew"]);
    // The machine's own clock for this one only: that is not ours, so the SDK's
    // own correction is left to it.
    assert!(overridden(&site.sqs, own().time_source(site.world.clone())).await);
    assert_eq!((site.wire.seen().len(), site.rejected()), (4, 2));
    assert_eq!(log.names(), ["skew", "half_installed"]);
    // What it has learned does not act on top of ours.
    for _ in 0..3 {
        assert_eq!(receive(&site.sqs, QUEUE).await, Ok(()));
    }
    assert_eq!(site.rejected(), 2);
    // A client that has nothing of ours, and one operation that has it all.
    let bare = aws_sdk_sqs::Client::new(&site.config);
    let config = without_retries(site.config.clone());
    for _ in 0..2 {
        let whole = Parts::All.install(&config, &site.clock, &site.clock);
        assert!(overridden(&bare, whole).await);
    }
    assert_eq!(site.rejected(), 2);
}

#[tokio::test]
async fn one_operation_with_our_parts_teaches_the_clock() {
    let site = Site::new(Parts::None, -20 * MINUTE, without_retries);
    let whole = Parts::All.install(&site.config, &site.clock, &site.clock);
    assert!(overridden(&site.sqs, whole).await);
    assert_eq!((site.wire.seen().len(), site.rejected()), (2, 1));
    assert!(site.clock.status().is_corrected());
}

#[tokio::test]
async fn a_user_who_has_switched_the_sdks_correction_off_has_ours() {
    let off = |config: SdkConfig| {
        config
            .into_builder()
            .disable_clock_skew_correction(true)
            .build()
    };
    let site = Site::new(Parts::All, -20 * MINUTE, off);
    assert_eq!(site.lost(5).await, 0);
    assert_eq!(site.rejected(), 1);
    // And a half has neither, as the user wants it.
    let half = Site::new(Parts::NoClassifier, -20 * MINUTE, off);
    assert_eq!(half.lost(5).await, 5);
}

fn observer(world: &World) -> SkewClock {
    SkewClock::builder()
        .local_clock(world.machine.clone())
        .observe_only()
        .build()
}

#[tokio::test]
async fn an_observer_learns_and_reports_and_leaves_the_sdks_correction_as_it_is_set() {
    for is_native_on in [true, false] {
        for parts in [Parts::All, Parts::InterceptorAlone] {
            let log = Log::start();
            let world = World::with_skew(-20 * MINUTE);
            let prepare: fn(SdkConfig) -> SdkConfig = if is_native_on {
                |config| config
            } else {
                |config: SdkConfig| {
                    config
                        .into_builder()
                        .disable_clock_skew_correction(true)
                        .build()
                }
            };
            let clock = observer(&world);
            let site = Site::with_clock(world, clock, parts, prepare);
            let expected = if is_native_on { 0 } else { 10 };
            assert_eq!(site.lost(10).await, expected, "{parts:?}");
            assert_eq!(
                site.wire.seen().len(),
                if is_native_on { 11 } else { 10 },
                "retries nothing itself"
            );
            assert_eq!(log.names(), ["skew"], "{parts:?}");
            let status = site.clock.status();
            assert!(status.is_corrected());
            let error = status.offset().as_millis() - 20 * MINUTE * 1_000;
            assert!(error.abs() <= 1_000, "{error}");
            assert_eq!(
                site.clock.now(),
                site.world.machine_wall(),
                "shifts nothing"
            );
            // It sees the repair as well.
            site.world.set_skew(0);
            assert!(!site.clock.status().is_corrected());
            assert_eq!(log.names(), ["skew", "healed"]);
        }
    }
}

/// A `Date` alone teaches until an answer to a request signed by it confirms it.
/// Nothing is signed by what an observer learns.
#[tokio::test]
async fn an_observers_provisional_lesson_is_not_confirmed_by_what_it_did_not_sign() {
    let log = Log::start();
    let world = World::with_skew(0);
    let clock = observer(&world);
    let site = Site::with_clock(world, clock, Parts::All, |config| {
        let config = config.into_builder();
        config.disable_clock_skew_correction(true).build()
    });
    let lie = Answer {
        status: 403,
        headers: vec![
            (
                "date",
                crate::wire::http_date(site.world.true_time() + minutes(600)),
            ),
            ("x-amzn-requestid", "id-1".to_owned()),
        ],
        body: r#"{"__type":"AccessDeniedException","message":"no"}"#.to_owned(),
    };
    site.wire.plan([lie.into()]);
    assert!(receive(&site.sqs, QUEUE).await.is_err());
    assert_eq!(receive(&site.sqs, QUEUE).await, Ok(()));
    site.world.advance(minutes(1));
    assert!(!site.clock.status().is_corrected());
    assert_eq!(log.names(), ["skew", "withdrawn"]);
}

#[test]
fn the_environment_variable_makes_an_observer_of_any_clock() {
    for (value, observes) in [
        ("true", true),
        (" TRUE ", true),
        ("false", false),
        ("1", false),
        ("", false),
    ] {
        let child = Command::new(std::env::current_exe().expect("this is a program"))
            .args(["--exact", "installation::in_a_process_of_its_own"])
            .args(["--ignored", "--test-threads=1"])
            .env("AWS_DISABLE_CLOCK_SKEW_CORRECTION", value)
            .env("EXPECT_OBSERVER", observes.to_string())
            .output()
            .expect("it can be started");
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{value:?}: {said}");
        assert!(said.contains("1 passed"), "{value:?}: {said}");
    }
}

#[tokio::test]
#[ignore = "started by the_environment_variable_makes_an_observer_of_any_clock"]
async fn in_a_process_of_its_own() {
    let expect_observer = std::env::var("EXPECT_OBSERVER").is_ok_and(|value| value == "true");
    let log = Log::start();
    let site = Site::new(Parts::All, -20 * MINUTE, without_retries);
    // Without retries the SDK's own correction loses the call that it learns from.
    let lost = site.lost(5).await;
    assert_eq!(lost, usize::from(expect_observer));
    assert_eq!(log.names(), ["skew"]);
    let is_shifted = site.clock.now() != site.world.machine_wall();
    assert_eq!(is_shifted, !expect_observer);
}

fn knowing(world: &World, offset: i64) -> SkewClock {
    SkewClock::builder()
        .local_clock(world.machine.clone())
        .initial_offset(ClockOffset::from_millis(offset * 1_000))
        .build()
}

#[tokio::test]
async fn a_known_offset_is_right_from_the_first_request_on() {
    for skew in [-2 * DAY, -20 * MINUTE, 20 * MINUTE] {
        let log = Log::start();
        let world = World::with_skew(skew);
        let clock = knowing(&world, -skew);
        let site = Site::with_clock(world, clock, Parts::All, without_retries);
        assert_eq!(site.clock.now(), site.world.true_time());
        assert_eq!(site.lost(5).await, 0);
        assert_eq!(site.rejected(), 0);
        assert_eq!(site.clock.status().offset().as_millis(), -skew * 1_000);
        // A repair by NTP ends it with the very next reading.
        site.world.set_skew(0);
        assert_eq!(site.clock.now(), site.world.machine_wall());
        assert_eq!(site.lost(5).await, 0);
        assert_eq!(site.rejected(), 0);
        assert_eq!(log.names(), ["healed"]);
    }
}

#[tokio::test]
async fn evidence_replaces_a_known_offset() {
    for (skew, known) in [
        (-20 * MINUTE, 3 * HOUR),
        (20 * MINUTE, 20 * MINUTE),
        (-2 * DAY, 60),
    ] {
        let log = Log::start();
        let world = World::with_skew(skew);
        let clock = knowing(&world, known);
        let site = Site::with_clock(world, clock, Parts::All, without_retries);
        assert_eq!(site.lost(5).await, 0);
        assert_eq!(site.rejected(), 1);
        let error = site.clock.status().offset().as_millis() + skew * 1_000;
        assert!(error.abs() <= 1_000, "{error}");
        assert_eq!(log.names(), ["skew"]);
    }
}

#[tokio::test]
async fn a_wrong_known_offset_on_a_right_machine_is_withdrawn() {
    // Far off: by the first rejection, which says that the machine is right.
    let log = Log::start();
    let world = World::with_skew(0);
    let clock = knowing(&world, 3 * HOUR);
    let site = Site::with_clock(world, clock, Parts::All, without_retries);
    assert_eq!(site.lost(5).await, 0);
    assert_eq!(site.rejected(), 1);
    assert_eq!(log.names(), ["healed"]);
    // Nearly right: by three accepted answers of AWS in a row.
    let world = World::with_skew(0);
    let clock = knowing(&world, 100);
    let site = Site::with_clock(world, clock, Parts::All, without_retries);
    assert_eq!(site.lost(3).await, 0);
    assert_eq!(site.rejected(), 0);
    assert_eq!(site.clock.now(), site.world.machine_wall());
}

#[test]
fn a_known_offset_of_nothing_is_no_incident() {
    for offset in [0, 10, -29] {
        let log = Log::start();
        let world = World::with_skew(0);
        let clock = knowing(&world, offset);
        assert_eq!(clock.now(), world.machine_wall());
        let status = clock.status();
        assert!(!status.is_corrected());
        assert_eq!(
            (status.incidents(), log.names().len()),
            (0, 0),
            "{offset} s"
        );
    }
}

#[tokio::test]
async fn a_reset_clock_starts_anew() {
    let log = Log::start();
    let site = Site::new(Parts::All, -20 * MINUTE, without_retries);
    assert_eq!(site.lost(2).await, 0);
    // Restored on another host, whose clock is wrong in another way.
    site.world.set_skew(HOUR);
    site.clock.reset();
    let status = site.clock.status();
    assert!(!status.is_corrected());
    assert_eq!(status.offset(), ClockOffset::from_millis(0));
    assert_eq!(status.uncertainty(), Duration::ZERO);
    assert!(matches!(status.last_incident(), Some(Incident::Skew(_))));
    assert_eq!(status.incidents(), 1);
    assert_eq!(site.clock.now(), site.world.machine_wall());
    assert_eq!(site.lost(2).await, 0);
    assert_eq!(site.rejected(), 2);
    assert!(site.clock.status().is_corrected());
    // And on one whose clock is right.
    site.world.set_skew(0);
    site.clock.reset();
    assert_eq!(site.lost(2).await, 0);
    assert_eq!(site.rejected(), 2);
    assert!(!site.clock.status().is_corrected());
    assert_eq!(log.names(), ["skew", "skew"]);
}

mod changes {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn a_lesson_and_a_repair_wake_a_listener() {
        let site = Site::new(Parts::All, -20 * MINUTE, without_retries);
        let mut changes = site.clock.changes();
        assert!(changes.changed().now_or_never().is_none(), "nothing yet");
        let listener = tokio::spawn({
            let mut changes = site.clock.changes();
            async move {
                changes.changed().await;
                changes.get()
            }
        });
        tokio::task::yield_now().await;
        assert_eq!(site.lost(1).await, 0);
        let status = listener.await.expect("it does not panic");
        assert!(status.is_corrected());
        assert!(matches!(status.last_incident(), Some(Incident::Skew(_))));
        assert!(changes.changed().now_or_never().is_some());
        assert!(changes.changed().now_or_never().is_none(), "told once");

        site.world.set_skew(0);
        assert_eq!(site.clock.now(), site.world.machine_wall());
        assert!(
            changes.changed().now_or_never().is_none(),
            "reading the time publishes nothing"
        );
        assert_eq!(site.lost(1).await, 0);
        assert!(changes.changed().now_or_never().is_some());
        let status = changes.get();
        assert!(!status.is_corrected());
        assert!(matches!(status.last_incident(), Some(Incident::Healed(_))));
        assert!(changes.changed().now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_late_listener_sees_the_last_change() {
        let site = Site::new(Parts::All, -20 * MINUTE, without_retries);
        assert_eq!(site.lost(1).await, 0);
        let mut late = site.clock.changes();
        assert!(late.get().is_corrected());
        assert!(late.changed().now_or_never().is_none(), "it is known");
        site.clock.reset();
        assert!(late.changed().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_listener_neither_blocks_the_clock_nor_is_missed() {
        let site = Site::new(Parts::All, -20 * MINUTE, without_retries);
        let dropped = site.clock.changes();
        drop(dropped);
        let held = site.clock.changes();
        let mut waiting = held.clone();
        let mut wait = Box::pin(waiting.changed());
        assert!(wait.as_mut().now_or_never().is_none());
        // With one listener held and another in the middle of waiting.
        assert_eq!(site.lost(2).await, 0);
        site.world.set_skew(0);
        assert_eq!(site.clock.now(), site.world.machine_wall());
        assert_eq!(site.lost(2).await, 0);
        assert!(wait.as_mut().now_or_never().is_some());
        drop(wait);
        assert!(!held.get().is_corrected());
        drop((held, waiting));
        site.clock.reset();
        assert_eq!(site.lost(1).await, 0);
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_loses_nothing() {
        let site = Site::new(Parts::All, -20 * MINUTE, without_retries);
        let mut changes = site.clock.changes();
        drop(changes.changed());
        assert_eq!(site.lost(1).await, 0);
        assert!(changes.changed().now_or_never().is_some());
    }
}

#[tokio::test]
async fn clients_of_two_services_share_a_clock_and_its_listeners() {
    let world = World::with_skew(-20 * MINUTE);
    let endpoint = Endpoint::builder(world.clock()).start().await;
    let endpoint = endpoint.expect("loopback can be bound");
    endpoint.feed("q", "first");
    let clock = world.skew_clock();
    let config = without_retries(config(&endpoint.url()));
    let mut changes = clock.changes();
    let key = endpoint.create_key();
    assert_eq!(encrypt(&kms(&config, &clock), &key).await, Ok(()));
    changes.changed().await;
    let queue = endpoint.queue_url("q");
    assert_eq!(send(&sqs(&config, &clock), &queue).await, Ok(()));
    assert_eq!(endpoint.counts().rejected, 1);
    assert_eq!(changes.get().incidents(), 1);
}
