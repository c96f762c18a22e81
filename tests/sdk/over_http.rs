//! A wrong clock costs one rejected request over real HTTP, against an endpoint that verifies every
//! signature with another implementation.

use aws_clock_skew::event::EventKind;
use aws_clock_skew::{SkewClock, SkewEvent};
use aws_clock_skew_endpoint::Endpoint;
use aws_config::SdkConfig;

use crate::clients::{Integration, config, encrypt, kms, send, sqs, without_retries};
use crate::log::Log;
use crate::world::{DAY, HOUR, MINUTE, World};

const SKEWS: [i64; 4] = [-2 * DAY, -20 * MINUTE, 20 * MINUTE, 9 * HOUR];
const CALLS: usize = 20;

async fn endpoint(world: &World, sends_date: bool) -> Endpoint {
    let endpoint = Endpoint::builder(world.clock())
        .send_date(sends_date)
        .start()
        .await;
    endpoint.expect("loopback can be bound")
}

/// Makes twenty calls each of SQS and KMS with clients of one clock. No call fails, and the
/// endpoint rejects one request in all.
async fn one_rejection(skew: i64, sends_date: bool, prepare: fn(SdkConfig) -> SdkConfig) {
    let world = World::with_skew(skew);
    let endpoint = endpoint(&world, sends_date).await;
    let config = prepare(config(&endpoint.url()));
    let clock = world.skew_clock();
    let (queue, key) = (endpoint.queue_url("q"), endpoint.create_key());
    endpoint.feed("q", "first");

    for first_is_sqs in [true, false] {
        let clock = if first_is_sqs {
            clock.clone()
        } else {
            world.skew_clock()
        };
        let before = endpoint.counts();
        let (sqs, kms) = (sqs(&config, &clock), kms(&config, &clock));
        let mut failed = Vec::new();
        for call in 0..CALLS {
            if first_is_sqs {
                failed.extend(send(&sqs, &queue).await.err());
            } else {
                failed.extend(encrypt(&kms, &key).await.err());
            }
            let rejected = endpoint.counts().rejected - before.rejected;
            assert_eq!(
                rejected,
                1,
                "call {call}, {skew} s, {:?}",
                endpoint.requests_log()
            );
        }
        // The client of the other service is the second one of the process.
        for _ in 0..CALLS {
            if first_is_sqs {
                failed.extend(encrypt(&kms, &key).await.err());
            } else {
                failed.extend(send(&sqs, &queue).await.err());
            }
        }
        assert_eq!(failed, Vec::<String>::new(), "{skew} s");
        let counts = endpoint.counts();
        assert_eq!(counts.rejected - before.rejected, 1, "{skew} s");
        assert_eq!(counts.requests - before.requests, 2 * CALLS as u64 + 1);
        assert_offset(&clock, -skew);
    }
}

#[track_caller]
fn assert_offset(clock: &SkewClock, offset: i64) {
    let status = clock.status();
    assert!(status.is_correcting());
    let error = status.offset().as_millis() - offset * 1_000;
    assert!(error.abs() <= 1_000, "off by {error} ms: {status:?}");
    assert!(u128::from(error.unsigned_abs()) <= status.uncertainty().as_millis());
    assert!(matches!(
        status.last_event().map(SkewEvent::kind),
        Some(EventKind::SkewDetected)
    ));
    assert_eq!(status.event_count(), 1);
}

#[tokio::test]
async fn any_skew_costs_one_rejection_and_no_call() {
    for skew in SKEWS {
        one_rejection(skew, true, |config| config).await;
    }
}

#[tokio::test]
async fn no_date_header_is_needed() {
    for skew in SKEWS {
        one_rejection(skew, false, |config| config).await;
    }
}

#[tokio::test]
async fn no_retries_need_be_configured() {
    for skew in SKEWS {
        one_rejection(skew, true, without_retries).await;
        one_rejection(skew, false, without_retries).await;
    }
}

#[tokio::test]
async fn a_message_without_the_servers_time_is_enough() {
    for integration in Integration::ALL {
        for skew in [-2 * DAY, 9 * HOUR] {
            for tolerance in [5, 15] {
                let world = World::with_skew(skew);
                let endpoint = Endpoint::builder(world.clock())
                    .send_date(false)
                    .bound_only(true)
                    .tolerance(crate::world::minutes(tolerance))
                    .start()
                    .await
                    .expect("loopback can be bound");
                let clock = world.skew_clock();
                let sqs = integration.sqs(&config(&endpoint.url()), &clock);
                let queue = endpoint.queue_url("q");
                endpoint.feed("q", "first");
                for _ in 0..CALLS {
                    assert_eq!(send(&sqs, &queue).await, Ok(()));
                }
                assert_eq!(endpoint.counts().rejected, 1, "{skew} s, {tolerance} min");
            }
        }
    }
}

#[tokio::test]
async fn the_log_says_once_what_happened() {
    let log = Log::start();
    let world = World::with_skew(-2 * DAY);
    let endpoint = endpoint(&world, true).await;
    let clock = world.skew_clock();
    let sqs = sqs(&config(&endpoint.url()), &clock);
    endpoint.feed("q", "first");
    for _ in 0..3 {
        assert_eq!(send(&sqs, &endpoint.queue_url("q")).await, Ok(()));
    }
    let events = log.events();
    let [skew] = &events[..] else {
        panic!("not one event: {events:?}");
    };
    assert_eq!(skew.level, tracing::Level::WARN);
    let offset: i64 = skew.get("offset_ms").unwrap().parse().unwrap();
    assert!((offset - 2 * DAY * 1_000).abs() <= 1_000);
    for (field, value) in [
        ("event", "skew_detected"),
        ("previous_offset_ms", "0"),
        ("time_source", "message"),
        ("rpc.service", "sqs"),
        ("rpc.method", "SendMessage"),
        ("server.address", "127.0.0.1"),
        ("error.type", "InvalidSignatureException"),
        ("signed_at", "2027-01-14T08:00:00.000Z"),
        ("server_time", "2027-01-16T08:00:00.000Z"),
        ("suppressed", "0"),
    ] {
        assert_eq!(skew.get(field), Some(value), "{field} of {skew:?}");
    }
    assert!(skew.get("aws.request_id").is_some_and(|id| !id.is_empty()));
    assert_eq!(log.counted("events", "event", "skew_detected"), 1);
    assert_eq!(log.counted("resends", "outcome", "accepted"), 1);
}

#[tokio::test]
async fn beyond_the_limit_the_caller_gets_the_services_own_error() {
    for integration in Integration::ALL {
        let log = Log::start();
        // Over plain HTTP the limit is seven days.
        let world = World::with_skew(-8 * DAY);
        world.advance_a_century();
        let endpoint = endpoint(&world, true).await;
        let clock = world.skew_clock();
        let sqs = integration.sqs(&without_retries(config(&endpoint.url())), &clock);
        let error = send(&sqs, &endpoint.queue_url("q"))
            .await
            .expect_err("the clock is wrong");
        assert!(error.contains("Signature expired"), "{error}");
        assert_eq!(endpoint.counts().requests, 1);
        assert!(!clock.status().is_correcting());
        let events = log.events();
        let [event] = &events[..] else {
            panic!("not one event: {events:?}");
        };
        assert_eq!(event.level, tracing::Level::WARN);
        assert_eq!(event.get("event"), Some("offset_limit_exceeded"));
        assert_eq!(event.get("signed_at"), Some("2127-01-08T08:00:00.000Z"));
        assert_eq!(event.get("server_time"), Some("2127-01-16T08:00:00.000Z"));
    }
}
