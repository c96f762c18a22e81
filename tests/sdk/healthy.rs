//! A machine whose clock is correct: no response changes its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_clock_skew::{LocalClock, SkewClock, install};
use aws_config::retry::RetryConfig;
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use crate::clients::{Integration, config_on, receive};
use crate::log::Log;
use crate::wire::{Answer, Fate, Wire, http_date};
use crate::world::{MINUTE, World, minutes};

const URL: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

/// A time source that asserts at every read that it shows the wall clock, to the nanosecond.
#[derive(Clone, Debug)]
struct AssertsLocalTime {
    clock: SkewClock,
    world: World,
    reads: Arc<AtomicUsize>,
}

impl TimeSource for AssertsLocalTime {
    fn now(&self) -> SystemTime {
        let now = self.clock.now();
        assert_eq!(now, self.world.machine.wall());
        self.reads.fetch_add(1, Ordering::Relaxed);
        now
    }
}

struct Healthy {
    log: Log,
    world: World,
    wire: Wire,
    clock: SkewClock,
    time: AssertsLocalTime,
    sqs: aws_sdk_sqs::Client,
}

impl Healthy {
    fn new(integration: Integration) -> Self {
        let log = Log::start();
        let world = World::with_skew(0);
        let wire = Wire::new(&world, minutes(5));
        let clock = world.skew_clock();
        let time = AssertsLocalTime {
            clock: clock.clone(),
            world: world.clone(),
            reads: Arc::default(),
        };
        let config = integration.config(&config_on(&wire, URL), &clock);
        // For tests that are not about the time.
        let retries = RetryConfig::standard();
        let config = config.into_builder().retry_config(retries).build();
        let config = aws_sdk_sqs::config::Builder::from(&config);
        let config = if integration.installs() {
            install!(config, &clock)
        } else {
            config
        };
        let config = config.time_source(time.clone());
        let sqs = aws_sdk_sqs::Client::from_conf(config.build());
        Self {
            log,
            world,
            wire,
            clock,
            time,
            sqs,
        }
    }

    /// Plans these fates, makes five calls and asserts that none fails.
    async fn plan_and_call(&self, fates: impl IntoIterator<Item = Fate>) {
        self.wire.plan(fates);
        for call in 0..5 {
            let outcome = receive(&self.sqs, QUEUE).await;
            assert_eq!(outcome, Ok(()), "call {call}");
            self.world.advance(Duration::from_millis(1_250));
        }
        assert!(self.time.reads.load(Ordering::Relaxed) >= 5);
        assert!(!self.clock.status().is_correcting());
    }
}

#[tokio::test]
async fn a_call_of_fourteen_minutes_is_no_skew() {
    for integration in Integration::ALL {
        let healthy = Healthy::new(integration);
        healthy
            .plan_and_call([Fate {
                after: minutes(14),
                ..Fate::default()
            }])
            .await;
        assert_eq!(healthy.wire.seen(), [true; 5]);
        assert_eq!(healthy.log.names(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn long_polls_are_no_skew() {
    for integration in Integration::ALL {
        let healthy = Healthy::new(integration);
        let poll = Fate {
            after: Duration::from_secs(20),
            ..Fate::default()
        };
        healthy.plan_and_call(vec![poll; 5]).await;
        assert_eq!(healthy.wire.seen(), [true; 5]);
        assert_eq!(healthy.log.names(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_freeze_between_signing_and_arrival_costs_a_new_signature() {
    for integration in Integration::ALL {
        for frozen in [7, 12, 50] {
            let healthy = Healthy::new(integration);
            healthy
                .plan_and_call([Fate {
                    before: minutes(frozen),
                    ..Fate::default()
                }])
                .await;
            assert_eq!(healthy.wire.seen(), [false, true, true, true, true, true]);
            assert_eq!(healthy.log.names(), ["expired_in_transit"]);
        }
    }
}

/// Freezes the machine once, for twelve minutes, after the SDK has signed.
#[derive(Debug)]
struct FreezesOnce {
    world: World,
    is_over: AtomicBool,
}

impl Intercept for FreezesOnce {
    fn name(&self) -> &'static str {
        "FreezesOnce"
    }

    fn modify_before_transmit(
        &self,
        _: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            self.world.advance(minutes(12));
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_freeze_between_signing_and_sending_is_reported_as_one() {
    for skew in [0, -20 * MINUTE] {
        let log = Log::start();
        let world = World::with_skew(skew);
        let wire = Wire::new(&world, minutes(5));
        let clock = world.skew_clock();
        let config = config_on(&wire, "https://sqs.us-east-1.amazonaws.com");
        let sqs = Integration::Interceptor.sqs(&config, &clock);
        assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
        let freezes = FreezesOnce {
            world: world.clone(),
            is_over: AtomicBool::new(false),
        };
        let frozen = sqs.config().to_builder().interceptor(freezes);
        let frozen = aws_sdk_sqs::Client::from_conf(frozen.build());
        assert_eq!(receive(&frozen, QUEUE).await, Ok(()));
        let expected: &[&str] = match skew {
            0 => &["expired_in_transit"],
            _ => &["skew_detected", "expired_in_transit"],
        };
        assert_eq!(log.names(), expected);
        assert_eq!(wire.rejected(), expected.len());
    }
}

#[tokio::test]
async fn a_freeze_while_the_answer_is_on_its_way_costs_a_new_signature() {
    for integration in Integration::ALL {
        let healthy = Healthy::new(integration);
        healthy
            .plan_and_call([Fate {
                before: minutes(6),
                after: minutes(30),
                ..Fate::default()
            }])
            .await;
        assert_eq!(healthy.wire.seen(), [false, true, true, true, true, true]);
        assert_eq!(healthy.log.names(), ["expired_in_transit"]);
    }
}

#[tokio::test]
async fn cached_answers_and_wrong_dates_on_accepted_ones_change_nothing() {
    for integration in Integration::ALL {
        let healthy = Healthy::new(integration);
        let now = healthy.world.true_time();
        let with = |headers| {
            let answer = Answer {
                status: 200,
                headers,
                body: "{}".into(),
            };
            Fate {
                answer: Some(answer),
                ..Fate::default()
            }
        };
        healthy
            .plan_and_call([
                with(vec![
                    ("date", http_date(now - minutes(600))),
                    ("age", "36000".to_owned()),
                ]),
                with(vec![("date", http_date(now - minutes(600)))]),
                with(vec![("date", http_date(now + minutes(600)))]),
                with(vec![("date", "Thu, 01 Jan 1970 00:00:00 GMT".to_owned())]),
                with(vec![("date", "yesterday".to_owned())]),
            ])
            .await;
        assert_eq!(healthy.log.names(), Vec::<String>::new());
    }
}

/// An error page copies the log of a backend whose clock was wrong, or a cache returns the response
/// to another request.
#[tokio::test]
async fn a_page_that_quotes_the_answer_to_another_request_changes_nothing() {
    let quoted = "InvalidSignatureException: Signature expired: 20270101T060000Z is now earlier \
        than 20270101T062500Z (20270101T063000Z - 5 min.)";
    for integration in Integration::ALL {
        for page in [
            Answer::new(500, quoted),
            Answer::new(502, quoted),
            Answer::new(503, quoted).with("age", "7"),
        ] {
            let healthy = Healthy::new(integration);
            healthy.plan_and_call([page.into()]).await;
            assert_eq!(healthy.wire.seen(), [true; 5], "the SDK itself retried it");
            assert_eq!(healthy.log.names(), Vec::<String>::new());
        }
        let healthy = Healthy::new(integration);
        let cached = Answer::new(403, quoted).with("age", "7");
        healthy.wire.plan([cached.into()]);
        receive(&healthy.sqs, QUEUE).await.expect_err("is rejected");
        healthy.plan_and_call([]).await;
        assert_eq!(healthy.wire.seen(), [true; 5]);
        assert_eq!(healthy.log.names(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_proxys_503_of_1970_changes_nothing() {
    for integration in Integration::ALL {
        let healthy = Healthy::new(integration);
        let proxy = Answer {
            status: 503,
            headers: vec![("date", "Thu, 01 Jan 1970 00:00:00 GMT".to_owned())],
            body: "<html>upstream is down</html>".into(),
        };
        healthy
            .plan_and_call([Fate {
                answer: Some(proxy),
                ..Fate::default()
            }])
            .await;
        assert_eq!(
            healthy.wire.seen(),
            [true; 5],
            "the SDK itself retried the 503"
        );
        assert_eq!(healthy.log.names(), Vec::<String>::new());
    }
}
