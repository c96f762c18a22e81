//! Clients that have all parts of the crate, some of them, or some of them twice.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_clock_skew::event::EventKind;
use aws_clock_skew::{SkewEvent, install};
use aws_clock_skew_endpoint::Endpoint;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::config::retry::RetryPartition;
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, SharedRetryClassifier,
};
use tokio::task::JoinSet;

use crate::clients::{
    Integration, SDK_AND_ALL, config, config_in, receive, send, sqs, sqs_of, without_retries,
};
use crate::log::Log;
use crate::observer::observer;
use crate::site::{INCOMPLETE, Parts, QUEUE, Site, URL};
use crate::wire::{Answer, Fate, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes};

/// Events on a machine. Each returns how many calls fail.
#[derive(Clone, Copy, Debug)]
enum Scenario {
    WrongFromTheStart,
    SetWrongAndRepaired,
    Frozen,
    LongCall,
    ProxyOf1970,
    WrongKeyAnswer,
}

const SCENARIOS: [Scenario; 6] = [
    Scenario::WrongFromTheStart,
    Scenario::SetWrongAndRepaired,
    Scenario::Frozen,
    Scenario::LongCall,
    Scenario::ProxyOf1970,
    Scenario::WrongKeyAnswer,
];

impl Scenario {
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
                    body: r#"{"__type":"AccessDeniedException","message":"no"}"#.into(),
                };
                site.wire.plan([denied.into()]);
                site.lost(5).await
            }
        }
    }
}

#[tokio::test]
async fn a_client_wired_in_part_loses_no_more_calls_than_the_sdk_alone() {
    for prepare in [|config| config, without_retries] as [fn(SdkConfig) -> SdkConfig; 2] {
        for scenario in SCENARIOS {
            for skew in [-2 * DAY, -20 * MINUTE, 20 * MINUTE] {
                let sdk_alone = Site::new(Parts::None, 0, prepare);
                let lost_without_us = scenario.lost(&sdk_alone, skew).await;
                for parts in INCOMPLETE {
                    let site = Site::new(parts, 0, prepare);
                    let lost = scenario.lost(&site, skew).await;
                    assert!(
                        lost <= lost_without_us,
                        "{parts:?} loses {lost} calls, the SDK alone {lost_without_us}: {scenario:?}, {skew} s"
                    );
                    assert_eq!(
                        site.rejected(),
                        sdk_alone.rejected(),
                        "{parts:?}, {scenario:?}"
                    );
                    assert!(
                        !site.clock.status().is_correcting(),
                        "the clock is not updated"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_missing_part_is_reported_once_for_a_client_and_its_clones() {
    for parts in INCOMPLETE {
        let Some(missing) = parts.missing() else {
            continue;
        };
        let log = Log::start();
        let site = Site::new(parts, -20 * MINUTE, |config| config);
        site.lost(3).await;
        let clone = site.sqs.clone();
        receive(&clone, QUEUE).await.expect("the SDK corrects");
        assert_eq!(log.names(), ["incomplete_installation"], "{parts:?}");
        let event = log.events().pop().expect("there is one");
        assert_eq!(event.level, tracing::Level::WARN);
        assert_eq!(event.get("rpc.service"), Some("sqs"));
        assert_eq!(event.get("missing"), Some(missing.as_str()));
        let status = site.clock.status();
        assert_eq!(status.event_count(), 1);
        assert!(
            matches!(status.last_event().map(SkewEvent::kind), Some(EventKind::IncompleteInstallation { missing: said, .. }) if said == missing)
        );
        // Another client of the clock has its own event, a minute later.
        site.world.advance(minutes(1));
        let builder = parts.install(&site.config, &site.clock, &site.world.skew_clock());
        let second = aws_sdk_sqs::Client::from_conf(builder.build());
        receive(&second, QUEUE).await.expect("the SDK corrects");
        assert_eq!(log.names().len(), 2);
    }
}

#[tokio::test]
async fn no_missing_part_is_reported_for_a_whole_client() {
    for parts in [Parts::All, Parts::OthersClassifier] {
        let log = Log::start();
        let site = Site::new(parts, -20 * MINUTE, without_retries);
        assert_eq!(site.lost(5).await, 0, "{parts:?}");
        assert_eq!(site.rejected(), 1);
        assert_eq!(log.names(), ["skew_detected"]);
    }
}

#[tokio::test]
async fn fifty_calls_in_flight_of_a_client_wired_in_part_fare_as_with_the_sdk_alone() {
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
    let sdk_alone = lost(Parts::None).await;
    for parts in INCOMPLETE {
        assert!(lost(parts).await <= sdk_alone, "{parts:?}");
    }
}

/// All orders of five events: `h`, the client under test makes a call; `w`, a completely installed
/// client of the signing clock makes a call and updates the clock; `s`, the local clock is set
/// wrong, or repaired.
#[tokio::test]
async fn a_client_wired_in_part_beside_a_whole_one_loses_no_more_calls_than_the_sdk_alone() {
    let scenario = |parts: Parts, skew: i64, events: String| async move {
        let site = Site::new(parts, 0, without_retries);
        let whole = sqs(&site.config, &site.signs);
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
    // Repaired, and wrong again while no other client updates the clock: the SDK's own correction
    // must still work.
    let long = ["swshshhh", "hswhshshhh"].map(str::to_owned);
    for events in any_five.chain(long) {
        for skew in [-20 * MINUTE, 10 * MINUTE] {
            let sdk_alone = scenario(Parts::None, skew, events.clone()).await;
            for parts in INCOMPLETE {
                let half = scenario(parts, skew, events.clone()).await;
                assert!(
                    half <= sdk_alone,
                    "{half} lost by {parts:?}, {sdk_alone} by the SDK alone: {skew} s, {events}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_interceptor_of_another_clock_changes_nothing() {
    for others_first in [true, false] {
        let log = Log::start();
        let site = Site::new(Parts::None, -20 * MINUTE, without_retries);
        let other = site.world.skew_clock();
        let builder = Builder::from(&site.config)
            .push_auth_scheme(site.clock.auth_scheme())
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
        assert_eq!(names, ["skew_detected"]);
        // After a reset, a second correction does not reach it either.
        site.clock.reset();
        for _ in 0..3 {
            assert_eq!(receive(&sqs, QUEUE).await, Ok(()), "{others_first}");
        }
        assert_eq!(site.rejected(), 2);
        assert!(site.clock.status().is_correcting());
        assert!(!other.status().is_correcting(), "it is not updated");
    }
}

#[tokio::test]
async fn an_observe_only_clock_does_not_disturb_one_that_corrects() {
    for observer_first in [true, false] {
        let site = Site::new(Parts::None, -20 * MINUTE, without_retries);
        let observer = observer(&site.world);
        let builder = Builder::from(&site.config)
            .push_auth_scheme(site.clock.auth_scheme())
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
        assert!(site.clock.status().is_correcting());
    }
}

/// With a thousand calls in flight, the test sees whether resends still leave the user's retry
/// quota alone, and the log shows whether the first response was counted twice.
#[tokio::test]
async fn a_clock_that_is_installed_twice_corrects_once() {
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
            .time_source(world.clone())
            .push_auth_scheme(clock.auth_scheme())
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
        assert_eq!(log.names(), ["skew_detected"]);
        assert_eq!(log.counted("resends", "outcome", "accepted"), 300);
        assert_eq!(log.counted("resends", "outcome", "rejected"), 0);
    }
}

#[tokio::test]
async fn an_interceptor_that_two_clients_share_reports_what_one_of_them_lacks() {
    let site = Site::new(Parts::None, 0, without_retries);
    let shared = aws_sdk_sqs::config::SharedInterceptor::new(site.clock.interceptor());
    let builder = || {
        let mut builder = Builder::from(&site.config).push_auth_scheme(site.clock.auth_scheme());
        builder.push_interceptor(shared.clone());
        builder
    };
    let classifier = site.clock.retry_classifier();
    let whole = aws_sdk_sqs::Client::from_conf(builder().retry_classifier(classifier).build());
    let half = aws_sdk_sqs::Client::from_conf(builder().build());
    let log = Log::start();
    assert_eq!(receive(&whole, QUEUE).await, Ok(()));
    assert!(log.names().is_empty());
    assert_eq!(receive(&half, QUEUE).await, Ok(()));
    assert_eq!(log.names(), ["incomplete_installation"]);
    let event = log.events().pop().expect("there is one");
    assert_eq!(event.get("missing"), Some("retry_classifier"));
}

/// There are as many classifiers as before; the clock's is not among them.
#[tokio::test]
async fn a_client_that_is_rebuilt_without_the_classifier_is_left_to_the_sdk_and_reported() {
    #[derive(Debug)]
    struct Own;

    impl ClassifyRetry for Own {
        fn classify_retry(&self, _: &InterceptorContext) -> RetryAction {
            RetryAction::NoActionIndicated
        }

        fn name(&self) -> &'static str {
            "own"
        }
    }

    let site = Site::new(Parts::All, 0, |config| config);
    assert_eq!(site.lost(1).await, 0);
    let mut builder = site.sqs.config().to_builder();
    builder.set_retry_classifiers([SharedRetryClassifier::new(Own)]);
    let rebuilt = aws_sdk_sqs::Client::from_conf(builder.build());
    let log = Log::start();
    site.world.set_skew(-20 * MINUTE);
    for _ in 0..3 {
        assert_eq!(receive(&rebuilt, QUEUE).await, Ok(()));
    }
    assert_eq!(log.names(), ["incomplete_installation"]);
}

/// A retry classifier of the user, as in the SDK's guide to retries.
#[derive(Debug)]
struct NeverAClientError;

impl ClassifyRetry for NeverAClientError {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response() {
            Some(response) if response.status().is_client_error() => RetryAction::RetryForbidden,
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "never a client error"
    }
}

/// It decides where the SDK resends. It does not see the resend of the HTTP client below.
#[tokio::test]
async fn a_classifier_that_forbids_the_retry_is_honoured_and_the_next_call_succeeds() {
    for skew in [-2 * DAY, -20 * MINUTE, 20 * MINUTE] {
        for integration in SDK_AND_ALL {
            let log = Log::start();
            let world = World::with_skew(skew);
            let wire = Wire::new(&world, minutes(5));
            let clock = world.skew_clock();
            let base = config_in(&world, wire.clone(), URL);
            let config = integration.map_or_else(
                || base.clone(),
                |integration| integration.config(&base, &clock),
            );
            let config = config
                .into_builder()
                .retry_config(RetryConfig::standard())
                .build();
            let builder = Builder::from(&config).retry_classifier(NeverAClientError);
            let is_installed = integration.is_some_and(Integration::installs);
            let builder = if is_installed {
                install!(builder, &clock)
            } else {
                builder
            };
            let sqs = aws_sdk_sqs::Client::from_conf(builder.build());
            let first = receive(&sqs, QUEUE).await;
            let is_lost = is_installed || integration.is_none();
            match first {
                Ok(()) => assert!(!is_lost, "{skew} {integration:?}"),
                Err(error) => assert!(is_lost && error.contains("Signature"), "{error}"),
            }
            assert_eq!(
                wire.sent(),
                if is_lost { 1 } else { 2 },
                "{skew} {integration:?}"
            );
            for _ in 0..5 {
                assert_eq!(receive(&sqs, QUEUE).await, Ok(()), "{skew} {integration:?}");
            }
            assert_eq!(wire.rejected(), 1, "{skew} {integration:?}");
            let expected: &[&str] = if integration.is_some() {
                &["skew_detected"]
            } else {
                &[]
            };
            assert_eq!(log.names(), expected, "{skew} {integration:?}");
        }
    }
}

/// `install!` sets the local clock as the time source. A program may set another one after it,
/// such as one of its own that follows NTP.
#[tokio::test]
async fn a_time_source_that_is_set_after_the_installation_costs_no_more_than_with_the_sdk_alone() {
    let outcome = |local: i64, own: [i64; 2], installs: bool| async move {
        let world = World::with_skew(local);
        let source = World::with_skew(own[0]);
        let endpoint = Endpoint::builder(world.clock()).start().await;
        let endpoint = endpoint.expect("loopback can be bound");
        endpoint.feed("q", "first");
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
        let mut builder = Builder::from(&config(&endpoint.url()))
            .retry_config(retries)
            .retry_partition(RetryPartition::custom("own").build());
        if installs {
            builder = install!(builder, &world.skew_clock());
        }
        let builder = builder.time_source(source.clone());
        let sqs = aws_sdk_sqs::Client::from_conf(builder.build());
        let queue = endpoint.queue_url("q");
        let mut lost = 0;
        for skew in own {
            source.set_skew(skew);
            for _ in 0..5 {
                lost += usize::from(receive(&sqs, &queue).await.is_err());
            }
        }
        (lost, endpoint.counts().rejected)
    };
    for local in [0, -20 * MINUTE, 9 * HOUR] {
        for wrong in [-20 * MINUTE, 9 * HOUR, -2 * DAY] {
            for own in [[0, 0], [wrong, wrong], [0, wrong], [wrong, 0]] {
                let (_, alone) = outcome(local, own, false).await;
                let (lost, rejected) = outcome(local, own, true).await;
                assert_eq!(lost, 0, "{local} {own:?}");
                assert!(rejected <= alone, "{local} {own:?}: {rejected} and {alone}");
            }
        }
    }
}

/// A sleep implementation that lets virtual time pass, and records what it is asked for.
#[derive(Clone, Debug)]
struct RecordedSleep(World, Arc<Mutex<Vec<Duration>>>);

impl AsyncSleep for RecordedSleep {
    fn sleep(&self, duration: Duration) -> Sleep {
        self.1.lock().expect("is not poisoned").push(duration);
        self.0.sleep(duration)
    }
}

/// Tokio's timer takes a millisecond even for a duration of zero, which the SDK requests before a
/// resend.
#[tokio::test]
async fn a_resend_waits_for_no_timer_and_other_waits_use_that_of_the_builder() {
    for integration in SDK_AND_ALL {
        let world = World::with_skew(-20 * MINUTE);
        let wire = Wire::new(&world, minutes(5));
        let sleep = RecordedSleep(world.clone(), Arc::default());
        let config = config_in(&world, wire.clone(), URL).into_builder();
        let config = config.sleep_impl(sleep.clone()).build();
        let sqs = sqs_of(integration, &config, &world.skew_clock());
        assert_eq!(receive(&sqs, QUEUE).await, Ok(()), "{integration:?}");
        assert_eq!(wire.rejected(), 1, "{integration:?}");
        let durations = sleep.1.lock().expect("is not poisoned");
        assert!(!durations.is_empty(), "{integration:?}");
        assert!(!durations.contains(&Duration::ZERO), "{integration:?}");
    }
}
