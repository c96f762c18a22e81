//! A wrong clock costs one rejected request over real HTTP, against an endpoint that verifies every
//! signature with another implementation.

use aws_clock_skew::event::EventKind;
use aws_clock_skew::{SkewClock, SkewEvent};
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
use aws_credential_types::Credentials;

use crate::log::Log;
use crate::stack::{INTEGRATIONS, Integration, encrypt, send, stack, stack_with};
use crate::world::{DAY, HOUR, MINUTE, World};

const SKEWS: [i64; 4] = [-2 * DAY, -20 * MINUTE, 20 * MINUTE, 9 * HOUR];
const CALLS: usize = 20;

async fn endpoint(world: &World, sends_date: bool) -> Endpoint {
    let endpoint = Endpoint::builder(world.clock())
        .send_date(sends_date)
        .start()
        .await
        .expect("loopback can be bound");
    endpoint.feed("q", "first");
    endpoint
}

/// Makes twenty calls each of SQS and KMS. No call fails, and the endpoint rejects one request in
/// all. The signer above `SkewLayer` reads the local clock; the layer re-signs its requests before
/// they are sent.
async fn one_rejection(integration: Integration, skew: i64, sends_date: bool) {
    let world = World::with_skew(skew);
    let endpoint = endpoint(&world, sends_date).await;
    let clock = world.skew_clock();
    let key = endpoint.create_key();
    let sqs = stack(integration, &world, &clock, "sqs");
    let kms = stack(integration, &world, &clock, "kms");
    let mut failed = Vec::new();
    for call in 0..CALLS {
        failed.extend(send(&sqs, &endpoint).await.err());
        assert_eq!(
            endpoint.counts().rejected,
            1,
            "call {call}, {integration:?}, {skew} s"
        );
    }
    for _ in 0..CALLS {
        failed.extend(encrypt(&kms, &endpoint, &key).await.err());
    }
    assert_eq!(failed, Vec::<String>::new(), "{integration:?}, {skew} s");
    let counts = endpoint.counts();
    assert_eq!(counts.rejected, 1, "{integration:?}, {skew} s");
    assert_eq!(counts.requests, 2 * CALLS as u64 + 1);
    assert_offset(&clock, -skew);
}

#[track_caller]
fn assert_offset(clock: &SkewClock, offset: i64) {
    let status = clock.status();
    assert!(status.is_correcting());
    let error = status.offset().as_millis() - offset * 1_000;
    assert!(error.abs() <= 1_000, "off by {error} ms: {status:?}");
    assert!(matches!(
        status.last_event().map(SkewEvent::kind),
        Some(EventKind::SkewDetected)
    ));
    assert_eq!(status.event_count(), 1);
}

#[tokio::test]
async fn any_skew_costs_one_rejection_and_no_call() {
    for integration in INTEGRATIONS {
        for skew in SKEWS {
            one_rejection(integration, skew, true).await;
        }
    }
}

#[tokio::test]
async fn no_date_header_is_needed() {
    for integration in INTEGRATIONS {
        for skew in SKEWS {
            one_rejection(integration, skew, false).await;
        }
    }
}

#[tokio::test]
async fn the_second_send_has_the_same_operation_and_body_at_the_servers_time() {
    for integration in INTEGRATIONS {
        let world = World::with_skew(-2 * DAY);
        let endpoint = endpoint(&world, true).await;
        let sqs = stack(integration, &world, &world.skew_clock(), "sqs");
        assert_eq!(send(&sqs, &endpoint).await, Ok(()));
        let log = endpoint.requests_log();
        let [first, second] = &log[..] else {
            panic!("not two requests: {log:?}");
        };
        assert_eq!(first.request.body_sha256, second.request.body_sha256);
        assert_eq!(first.request.operation, second.request.operation);
        assert_eq!(first.request.amz_date, "20270114T080000Z");
        assert_eq!(second.request.amz_date, "20270116T080000Z");
    }
}

#[tokio::test]
async fn one_event_reports_the_correction() {
    for integration in INTEGRATIONS {
        let log = Log::start();
        let world = World::with_skew(-2 * DAY);
        let endpoint = endpoint(&world, true).await;
        let sqs = stack(integration, &world, &world.skew_clock(), "sqs");
        assert_eq!(send(&sqs, &endpoint).await, Ok(()));
        let events = log.events();
        let [skew] = &events[..] else {
            panic!("not one event: {events:?}");
        };
        assert_eq!(skew.level, tracing::Level::WARN);
        for (field, value) in [
            ("event", "skew_detected"),
            ("time_source", "message"),
            ("rpc.service", "sqs"),
            ("server.address", "127.0.0.1"),
            ("error.type", "InvalidSignatureException"),
        ] {
            assert_eq!(skew.get(field), Some(value), "{field} of {skew:?}");
        }
        assert_eq!(log.counted("resends", "outcome", "accepted"), 1);
    }
}

#[tokio::test]
async fn session_tokens_are_re_signed() {
    for integration in INTEGRATIONS {
        let world = World::with_skew(9 * HOUR);
        let endpoint = Endpoint::builder(world.clock())
            .credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY, Some("a token"))
            .start()
            .await
            .expect("loopback can be bound");
        endpoint.feed("q", "first");
        let token = Some("a token".to_owned());
        let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, token, None, "test");
        let sqs = stack_with(integration, &world, &world.skew_clock(), "sqs", credentials);
        for _ in 0..3 {
            assert_eq!(send(&sqs, &endpoint).await, Ok(()));
        }
        assert_eq!(endpoint.counts().rejected, 1);
    }
}

#[tokio::test]
async fn a_wrong_secret_on_a_skewed_machine_is_reported_as_such() {
    for integration in INTEGRATIONS {
        for skew in [-20 * MINUTE, 0] {
            let log = Log::start();
            let world = World::with_skew(skew);
            let endpoint = endpoint(&world, true).await;
            let secret = format!("X{}", &SECRET_ACCESS_KEY[1..]);
            let credentials = Credentials::new(ACCESS_KEY_ID, secret, None, None, "test");
            let sqs = stack_with(integration, &world, &world.skew_clock(), "sqs", credentials);
            for call in 1..=4_u64 {
                let error = send(&sqs, &endpoint).await.expect_err("the key is wrong");
                assert!(
                    error.contains("The request signature we calculated"),
                    "{error}"
                );
                let first_call_costs = u64::from(skew != 0);
                assert_eq!(endpoint.counts().requests, call + first_call_costs);
            }
            let expected = if skew == 0 {
                &["not_clock_skew"][..]
            } else {
                &["skew_detected", "not_clock_skew"]
            };
            assert_eq!(log.names(), expected);
        }
    }
}

#[tokio::test]
async fn beyond_the_limit_the_caller_gets_the_services_own_error() {
    for integration in INTEGRATIONS {
        let log = Log::start();
        // Over plain HTTP the limit is seven days.
        let world = World::with_skew(-8 * DAY);
        world.advance_a_century();
        let endpoint = endpoint(&world, true).await;
        let clock = world.skew_clock();
        let sqs = stack(integration, &world, &clock, "sqs");
        let error = send(&sqs, &endpoint).await.expect_err("the clock is wrong");
        assert!(error.contains("Signature expired"), "{error}");
        assert_eq!(endpoint.counts().requests, 1);
        assert!(!clock.status().is_correcting());
        assert_eq!(log.names(), ["offset_limit_exceeded"]);
    }
}
