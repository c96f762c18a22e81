//! The outcomes that `corpus/reports-2.jsonl` asks for, with current times in its messages.
//! `tests/reports.rs` checks how the crate reads them.

use std::time::Duration;

use aws_smithy_types::DateTime;

use crate::clients::{Integration, behind, config_on, head, receive, s3, send, without_retries};
use crate::log::Log;
use crate::wire::{Answer, Fate, Manner, Wire, basic};
use crate::world::{DAY, HOUR, MINUTE, World, minutes, shifted};

const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";
const BOX: &str = "https://s3.example";

/// ScyllaDB writes "current time" where other servers write the time. The crate computes it from
/// the bound and the tolerance.
#[tokio::test]
async fn the_servers_time_is_computed_where_a_message_has_words_in_its_place() {
    for integration in Integration::ALL {
        let log = Log::start();
        let world = World::with_skew(30 * MINUTE);
        let wire = Wire::new(&world, minutes(15));
        let [signed, now] =
            [world.machine_wall(), world.true_time()].map(|time| DateTime::from(time).secs());
        let body = format!(
            r#"{{"__type":"com.amazonaws.dynamodb.v20120810#InvalidSignatureException","message":"Signature not yet current: {} is still later than {} (current time + 15 min.)"}}"#,
            basic(signed),
            basic(now + 900)
        );
        wire.plan([Answer::new(400, body).into()]);
        let clock = world.skew_clock();
        let sqs = integration.sqs(&config_on(&wire, "https://scylla.example"), &clock);
        for _ in 0..3 {
            assert_eq!(receive(&sqs, QUEUE).await, Ok(()), "{integration:?}");
        }
        assert_eq!((wire.sent(), wire.rejected()), (4, 0), "{integration:?}");
        world.assert_true_time(&clock);
        assert_eq!(log.names(), ["skew_detected"], "{integration:?}");
    }
}

/// Scaleway tolerates five minutes. The request arrives 301 s after it was signed, and both clocks
/// are correct.
#[tokio::test]
async fn a_signature_that_is_too_old_for_a_narrow_window_is_re_signed_once() {
    let log = Log::start();
    let world = World::with_skew(0);
    let wire = Wire::with_manner(&world, minutes(5), Manner::ByCode);
    wire.plan([Fate {
        before: Duration::from_secs(301),
        ..Fate::default()
    }]);
    let clock = world.skew_clock();
    let s3 = s3(&without_retries(config_on(&wire, BOX)), &clock);
    assert_eq!(head(&s3).await, Ok(()));
    assert_eq!(wire.seen(), [false, true]);
    assert_eq!(log.names(), ["expired_in_transit"]);
    assert_eq!(clock.now(), world.machine_wall());
}

/// A signer that writes the week-based year dates the last days of December one year ahead.
#[tokio::test]
async fn the_offset_never_comes_from_the_requests_time() {
    let log = Log::start();
    let world = World::with_skew(0);
    let signer = World::with_skew(365 * DAY);
    let wire = Wire::with_manner(&world, minutes(15), Manner::InFields);
    let clock = world.skew_clock();
    let config = behind(&without_retries(config_on(&wire, AWS)), &clock);
    let config = config.into_builder().time_source(signer).build();
    let sqs = aws_sdk_sqs::Client::new(&config);
    assert_eq!(send(&sqs, QUEUE).await, Ok(()));
    // The HTTP client re-signs it before it is sent.
    assert_eq!(wire.seen(), [true]);
    assert_eq!(clock.now(), world.machine_wall());
    assert!(
        !log.names().contains(&"skew_detected".to_owned()),
        "{:?}",
        log.names()
    );
}

/// LocalStack sends `Date` twice, and an HTTP client may join the two.
#[tokio::test]
async fn a_doubled_date_is_not_used() {
    for integration in Integration::ALL {
        let log = Log::start();
        let world = World::with_skew(0);
        let wire = Wire::new(&world, minutes(5));
        let clock = world.skew_clock();
        let sqs = integration.sqs(&config_on(&wire, AWS), &clock);
        let date = shifted(world.true_time(), 3 * HOUR);
        let one = crate::wire::http_date(date);
        for (status, body) in [
            (404, "<Error><Code>NoSuchBucket</Code></Error>"),
            (403, "<Error><Code>RequestTimeTooSkewed</Code></Error>"),
            (200, "{}"),
        ] {
            for answer in [
                Answer::new(status, body).dated(date).dated(date),
                Answer::new(status, body)
                    .dated(date)
                    .dated(shifted(date, 4)),
                Answer::new(status, body).with("date", format!("{one}, {one}")),
            ] {
                wire.plan([answer.with("x-amz-request-id", "id-1").into()]);
                drop(receive(&sqs, QUEUE).await);
                assert_eq!(
                    clock.now(),
                    world.machine_wall(),
                    "{integration:?} {status}"
                );
            }
        }
        wire.forget_plans();
        assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
        assert!(
            !log.names().contains(&"skew_detected".to_owned()),
            "{:?}",
            log.names()
        );
    }
}

/// CloudFront serves the style descriptors of Amazon Location, with a `Date` hours old.
#[tokio::test]
async fn an_accepted_response_from_a_cache_changes_nothing() {
    for integration in Integration::ALL {
        let log = Log::start();
        let world = World::with_skew(0);
        let wire = Wire::new(&world, minutes(5));
        let clock = world.skew_clock();
        let sqs = integration.sqs(&config_on(&wire, AWS), &clock);
        let kept = Answer::new(200, "{}").dated(shifted(world.true_time(), -11_288));
        let kept = kept
            .with("age", "11288")
            .with("x-cache", "Hit from cloudfront");
        wire.plan(vec![Fate::answered(kept); 5]);
        for _ in 0..6 {
            assert_eq!(receive(&sqs, QUEUE).await, Ok(()), "{integration:?}");
            assert_eq!(clock.now(), world.machine_wall());
        }
        assert_eq!((wire.sent(), log.names().len()), (6, 0), "{integration:?}");
    }
}

/// IAM Roles Anywhere says "Invalid signature" with the code `AccessDeniedException`: the clock may
/// be the cause.
#[tokio::test]
async fn an_invalid_signature_under_an_access_code_is_tried_with_the_date_if_that_is_off() {
    for integration in Integration::ALL {
        for (skew, sends) in [(0, 1), (-20 * MINUTE, 2)] {
            let world = World::with_skew(skew);
            let wire = Wire::new(&world, minutes(5));
            let clock = world.skew_clock();
            let sqs = integration.sqs(&config_on(&wire, AWS), &clock);
            let denied = Answer::new(403, r#"{"message":"Invalid signature"}"#)
                .with("x-amzn-errortype", "AccessDeniedException")
                .with("x-amzn-requestid", "id-1");
            wire.plan([denied.dated(world.true_time()).into()]);
            assert_eq!(
                receive(&sqs, QUEUE).await.is_ok(),
                sends == 2,
                "{integration:?} {skew}"
            );
            assert_eq!(wire.sent(), sends, "{integration:?} {skew}");
            assert_eq!(clock.status().is_correcting(), sends == 2);
        }
    }
}

/// MinIO cannot parse the date. That is no clock skew, and a resend cannot help.
#[tokio::test]
async fn an_unreadable_date_is_not_sent_again() {
    for integration in Integration::ALL {
        let world = World::with_skew(-20 * MINUTE);
        let wire = Wire::new(&world, minutes(5));
        let clock = world.skew_clock();
        let sqs = integration.sqs(&config_on(&wire, BOX), &clock);
        let body = "<Error><Code>MalformedDate</Code><Message>Invalid date format header, \
            expected to be in ISO8601, RFC1123 or RFC1123Z time format.</Message></Error>";
        wire.plan([Answer::new(400, body).dated(world.true_time()).into()]);
        receive(&sqs, QUEUE)
            .await
            .expect_err("the date is malformed");
        assert_eq!(wire.sent(), 1, "{integration:?}");
        assert_eq!(clock.now(), world.machine_wall());
    }
}
