//! Unusual clocks: a monotonic clock that goes back, a wall clock before 1970, readings at the ends
//! of the range, and servers with an unusual `Date` or tolerance.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::{LocalClock, SkewClock};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::byte_stream::ByteStream;
use tokio::task::JoinSet;

use crate::clients::{
    Integration, SDK_AND_ALL, config_in, config_on, error_text, head, receive, s3_of, sqs_of,
};
use crate::credentials::{Issuer, StatedExpiry};
use crate::hazards::Slewed;
use crate::log::Log;
use crate::wire::{Answer, Fate, Manner, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes, shifted};

const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";
const MINIO: &str = "https://minio.example";

/// How many of `calls` calls, a minute apart, fail.
async fn lost(world: &World, sqs: &aws_sdk_sqs::Client, calls: usize) -> usize {
    let mut lost = 0;
    for _ in 0..calls {
        lost += usize::from(receive(sqs, QUEUE).await.is_err());
        world.advance(minutes(1));
    }
    lost
}

/// The server is not AWS: every service of AWS tolerates five minutes or more.
#[tokio::test]
async fn a_stated_tolerance_of_a_minute_costs_one_rejection_for_a_clock_100_s_off() {
    for skew in [-100, 100] {
        for integration in SDK_AND_ALL {
            let log = Log::start();
            let world = World::with_skew(skew);
            let wire = Wire::new(&world, minutes(1));
            let clock = world.skew_clock();
            let sqs = sqs_of(integration, &config_in(&world, wire.clone(), AWS), &clock);
            let lost = lost(&world, &sqs, 20).await;
            let (expected, names): (_, &[&str]) = match integration {
                // The SDK remembers the offset of every response, and does not retry for one this
                // small.
                None => ((1, 1), &[]),
                Some(_) => ((0, 1), &["skew_detected"]),
            };
            assert_eq!((lost, wire.rejected()), expected, "{skew} {integration:?}");
            assert_eq!(log.names(), names, "{skew} {integration:?}");
        }
    }
}

/// A proxy on the machine writes the `Date`, by the same wrong clock.
#[tokio::test]
async fn a_date_by_the_local_clock_costs_every_third_call_a_resend_and_no_call() {
    // Twenty minutes are more than the tolerance of a service that accepts the signature.
    for (skew, rejected) in [
        (-20 * MINUTE, 1),
        (20 * MINUTE, 1),
        (-10 * MINUTE, 7),
        (10 * MINUTE, 7),
    ] {
        for integration in SDK_AND_ALL {
            let world = World::with_skew(skew);
            let wire = Wire::new(&world, minutes(5));
            wire.date_by_local_clock();
            let clock = world.skew_clock();
            let sqs = sqs_of(integration, &config_in(&world, wire.clone(), AWS), &clock);
            let lost = lost(&world, &sqs, 20).await;
            let expected = match integration {
                Some(_) => (0, rejected),
                None => (20, 20),
            };
            assert_eq!((lost, wire.rejected()), expected, "{skew} {integration:?}");
        }
    }
}

#[tokio::test]
async fn a_wall_clock_before_1970_is_read_as_1970() {
    for integration in SDK_AND_ALL {
        let world = World::with_skew(0);
        world
            .machine
            .set_wall(UNIX_EPOCH - Duration::from_secs(30 * 86_400));
        let clock = world.skew_clock();
        assert_eq!(clock.now(), UNIX_EPOCH);
        assert_eq!(clock.local_time().now(), UNIX_EPOCH);
        let wire = Wire::new(&world, minutes(5));
        // The SDK's behaviour before 1970 is not under test.
        let base = config_in(&world, wire.clone(), AWS);
        let base = base.into_builder().time_source(clock.local_time()).build();
        let sqs = sqs_of(integration, &base, &clock);
        let lost = lost(&world, &sqs, 20).await;
        assert_eq!((lost, wire.rejected()), (0, 1), "{integration:?}");
        assert_eq!(clock.status().is_correcting(), integration.is_some());
    }
}

/// Clocks at the ends of the range of their types.
#[derive(Clone, Debug)]
struct AtTheEnd(Arc<Mutex<(SystemTime, Duration)>>);

impl LocalClock for AtTheEnd {
    fn wall(&self) -> SystemTime {
        self.0.lock().expect("is not poisoned").0
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().expect("is not poisoned").1
    }
}

#[tokio::test]
async fn no_reading_of_a_local_clock_makes_a_call_panic() {
    let far = UNIX_EPOCH + Duration::from_secs(220_000_000_000);
    let world = World::with_skew(0);
    let truth = world.machine_wall();
    for wall in [UNIX_EPOCH, truth, far] {
        for boot in [Duration::ZERO, Duration::MAX, Duration::MAX - minutes(1)] {
            for integration in Integration::ALL {
                for manner in [Manner::InMessage, Manner::ByCode] {
                    let wire = Wire::with_manner(&world, minutes(5), manner);
                    let readings = AtTheEnd(Arc::new(Mutex::new((wall, boot))));
                    let clock = SkewClock::builder().local_clock(readings.clone()).build();
                    let base = config_in(&world, wire.clone(), AWS);
                    let base = base.into_builder().time_source(clock.local_time()).build();
                    let sqs = sqs_of(Some(integration), &base, &clock);
                    for next in [Duration::MAX, Duration::ZERO] {
                        let first = receive(&sqs, QUEUE).await;
                        assert!(wall != truth || first.is_ok(), "{boot:?} {integration:?}");
                        readings.0.lock().expect("is not poisoned").1 = next;
                        wire.set_ahead(HOUR);
                        drop(receive(&sqs, QUEUE).await);
                        wire.set_ahead(0);
                        drop(receive(&sqs, QUEUE).await);
                        clock.reset();
                    }
                    drop(clock.status());
                }
            }
        }
    }
}

/// The state of the clock when a checkpoint is taken.
#[derive(Clone, Copy, Debug)]
enum Before {
    Nothing,
    Correction,
    BackOff,
    Trial,
    Confirmation,
    ConflictingHost,
}

/// A checkpoint is restored on another machine, which is `skew` seconds ahead, and whose
/// monotonic clock shows 20 hours less. Returns how many of 30 calls to AWS and to MinIO fail
/// from a minute later on, and how many requests are rejected.
async fn after_a_restore(
    before: Before,
    skew: i64,
    integration: Option<Integration>,
) -> (usize, usize) {
    let world = World::with_skew(0);
    let clocks = Slewed {
        machine: world.machine.clone(),
        behind: Arc::default(),
    };
    let clock = SkewClock::builder().local_clock(clocks.clone()).build();
    let aws = Wire::new(&world, minutes(5));
    let minio = Wire::with_manner(&world, minutes(5), Manner::ByCode);
    let hourly = SharedCredentialsProvider::new(Issuer::new(&world, 1, StatedExpiry::Truth));
    let on_aws = config_in(&world, aws.clone(), AWS).into_builder();
    let sqs = sqs_of(
        integration,
        &on_aws.credentials_provider(hourly).build(),
        &clock,
    );
    let s3 = s3_of(
        integration,
        &config_in(&world, minio.clone(), MINIO),
        &clock,
    );
    let skew_error = |ahead| {
        Fate::answered(Answer {
            body: "<Error><Code>RequestTimeTooSkewed</Code></Error>".into(),
            ..Answer::empty_403(shifted(world.true_time(), ahead))
        })
    };
    match before {
        Before::Nothing => {}
        Before::Correction => {
            world.set_skew(-2 * HOUR);
            assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
        }
        Before::BackOff => {
            minio.plan([skew_error(HOUR), skew_error(2 * HOUR), skew_error(2 * HOUR)]);
            drop(head(&s3).await);
        }
        Before::Trial => {
            minio.plan([skew_error(HOUR), Fate::lost(), Fate::lost(), Fate::lost()]);
            drop(head(&s3).await);
        }
        Before::Confirmation => assert_eq!(receive(&sqs, QUEUE).await, Ok(())),
        Before::ConflictingHost => {
            assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
            minio.set_ahead(HOUR);
            assert_eq!(head(&s3).await, Ok(()));
            minio.set_ahead(0);
        }
    }
    minio.forget_plans();
    let rejected = aws.rejected() + minio.rejected();
    *clocks.behind.lock().expect("is not poisoned") = minutes(20 * 60);
    world.set_skew(skew);
    world.advance(minutes(1));
    let mut lost = 0;
    for _ in 0..15 {
        lost += usize::from(head(&s3).await.is_err());
        lost += usize::from(receive(&sqs, QUEUE).await.is_err());
        world.advance(minutes(20));
    }
    (lost, aws.rejected() + minio.rejected() - rejected)
}

#[tokio::test]
async fn a_monotonic_clock_that_goes_back_leaves_nothing_behind() {
    for (before, alone_if_correct) in [
        (Before::Nothing, (0, 0)),
        (Before::Correction, (1, 1)),
        (Before::BackOff, (1, 1)),
        (Before::Trial, (1, 1)),
        (Before::Confirmation, (0, 0)),
        (Before::ConflictingHost, (1, 1)),
    ] {
        for (skew, alone, ours) in [
            (0, alone_if_correct, (0, 0)),
            // The SDK alone uses expired credentials when the clock is behind.
            (-20 * MINUTE, (3, 5), (0, 1)),
        ] {
            for integration in SDK_AND_ALL {
                let outcome = after_a_restore(before, skew, integration).await;
                let expected = if integration.is_some() { ours } else { alone };
                assert_eq!(outcome, expected, "{before:?} {skew} {integration:?}");
            }
        }
    }
}

/// The SDK's stalled-stream protection visits the time that has passed in steps of a tenth of a
/// second, for each stream. It reads the local time, which does not change with the correction.
#[tokio::test(start_paused = true)]
async fn uploads_in_flight_when_the_correction_goes_far_forward_read_a_time_that_does_not_change() {
    for integration in SDK_AND_ALL {
        let world = World::with_skew(-399 * DAY);
        let wire = Wire::with_manner(&world, minutes(15), Manner::InFields);
        let clock = world.skew_clock();
        let config = config_on(&wire, MINIO)
            .into_builder()
            .time_source(world.clone());
        let s3 = s3_of(integration, &config.build(), &clock);
        let time = s3.config().time_source().expect("was given");
        let before = time.now();
        wire.hold(10);
        let mut calls = JoinSet::new();
        for _ in 0..10 {
            let s3 = s3.clone();
            calls.spawn(async move {
                let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
                let file = ByteStream::from_path(path).await.expect("is there");
                let put = s3.put_object().bucket("b").key("k").body(file);
                put.send().await.map(drop).map_err(error_text)
            });
        }
        for outcome in calls.join_all().await {
            assert_eq!(outcome, Ok(()), "{integration:?}");
        }
        assert_eq!((wire.rejected(), wire.sent()), (10, 20), "{integration:?}");
        assert_eq!(clock.status().is_correcting(), integration.is_some());
        assert_eq!(time.now(), before, "{integration:?}");
    }
}
