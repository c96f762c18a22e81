//! The limits of a correction.

use std::time::{Duration, UNIX_EPOCH};

use aws_clock_skew::SkewEvent;
use aws_clock_skew::event::EventKind;

use crate::clients::{config_on, head, receive, s3, sqs, without_retries};
use crate::log::Log;
use crate::two_servers::{AWS, MINIO, TwoServers};
use crate::wire::{Answer, Fate, Manner, Wire};
use crate::world::{DAY, MINUTE, World, minutes, shifted};

/// Whether the clock follows a service at `url` that is `days` days ahead of the machine.
async fn is_followed(days: i64, manner: Manner, url: &str) -> bool {
    let log = Log::start();
    let world = World::with_skew(-days * DAY);
    world.advance_a_century();
    let wire = Wire::with_manner(&world, minutes(15), manner);
    let clock = world.skew_clock();
    let s3 = s3(&without_retries(config_on(&wire, url)), &clock);
    let outcome = head(&s3).await;
    let is_followed = clock.status().is_correcting();
    assert_eq!(outcome.is_ok(), is_followed);
    assert_eq!(wire.sent(), if is_followed { 2 } else { 1 });
    let events = log.events();
    let [event] = &events[..] else {
        panic!("not one event: {events:?}");
    };
    if !is_followed {
        assert_eq!(event.get("event"), Some("offset_limit_exceeded"));
        assert_eq!(event.level, tracing::Level::WARN);
        assert!(event.get("signed_at").is_some());
        assert!(event.get("server_time").is_some());
    }
    is_followed
}

#[tokio::test]
async fn the_limit_forward_depends_on_the_kind_of_error_and_on_tls() {
    let plain = "http://minio.example:9000";
    for (days, manner, url, expected) in [
        (399, Manner::InMessage, MINIO, true),
        (401, Manner::InMessage, MINIO, false),
        (6, Manner::InMessage, plain, true),
        (8, Manner::InMessage, plain, false),
        (6, Manner::ByCode, MINIO, true),
        (8, Manner::ByCode, MINIO, false),
        (8, Manner::Silently, MINIO, false),
        (8, Manner::AuthFailure, AWS, false),
        (3_650, Manner::InMessage, AWS, false),
        (3_650, Manner::Silently, plain, false),
    ] {
        let followed = is_followed(days, manner, url).await;
        assert_eq!(followed, expected, "{days} {manner:?} {url}");
    }
}

#[tokio::test]
async fn a_correction_backward_is_limited_only_by_the_year_2020() {
    const NEW_YEAR: Duration = Duration::from_secs(1_577_836_800);
    for manner in [
        Manner::InMessage,
        Manner::InFields,
        Manner::ByCode,
        Manner::Silently,
    ] {
        for url in [MINIO, "http://minio.example"] {
            for (after_new_year, is_followed) in [(MINUTE, true), (-MINUTE, false)] {
                let log = Log::start();
                // In 2027.
                let world = World::with_skew(0);
                let wire = Wire::with_manner(&world, minutes(15), manner);
                let years = world.true_time().duration_since(UNIX_EPOCH + NEW_YEAR);
                let years = i64::try_from(years.expect("it is later").as_secs());
                wire.set_ahead(after_new_year - years.expect("it is small"));
                let clock = world.skew_clock();
                let s3 = s3(&without_retries(config_on(&wire, url)), &clock);
                let outcome = head(&s3).await;
                let case = format!("{manner:?} {url} {after_new_year} s");
                assert_eq!(outcome.is_ok(), is_followed, "{case}");
                assert_eq!(clock.status().is_correcting(), is_followed, "{case}");
                if is_followed {
                    assert_eq!((wire.sent(), wire.rejected()), (2, 1), "{case}");
                    assert_eq!(log.names(), ["skew_detected"], "{case}");
                } else {
                    assert_eq!(clock.now(), world.machine_wall(), "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_limit_is_measured_from_the_local_clock_and_not_from_a_correction() {
    let servers = TwoServers::installed(0, Manner::InMessage);
    servers.world.advance_a_century();
    // Steps of 390 days: each is within the limit of the one before.
    servers.minio.set_ahead(390 * DAY);
    assert_eq!(servers.call_minio().await, Ok(()));
    servers.world.advance(minutes(1));
    servers.minio.set_ahead(780 * DAY);
    assert!(servers.call_minio().await.is_err());
    assert!(matches!(
        servers.clock.status().last_event().map(SkewEvent::kind),
        Some(EventKind::OffsetLimitExceeded)
    ));
}

#[tokio::test]
async fn a_machine_that_boots_in_1970_is_measured_from_the_release() {
    let log = Log::start();
    let world = World::with_skew(0);
    world.machine.set_wall(UNIX_EPOCH);
    let wire = Wire::new(&world, minutes(5));
    let clock = world.skew_clock();
    let sqs = sqs(&without_retries(config_on(&wire, AWS)), &clock);
    for _ in 0..3 {
        assert_eq!(receive(&sqs, &format!("{AWS}/1/q")).await, Ok(()));
    }
    assert_eq!(wire.rejected(), 1);
    assert_eq!(log.names(), ["skew_detected"]);
}

#[tokio::test]
async fn texts_forged_ten_years_ahead_change_nothing() {
    let servers = TwoServers::installed(0, Manner::InMessage);
    for forged in 0..50 {
        let date = shifted(servers.world.true_time(), 3_650 * DAY);
        let text = "Signature expired: 20270116T080000Z is now earlier than 20370116T074500Z \
            (20370116T080000Z - 15 min.)";
        let body = format!(r#"{{"__type":"InvalidSignatureException","message":"{text}"}}"#);
        let forgery = Answer::new(400, &body)
            .dated(date)
            .with("x-amzn-requestid", "1");
        servers.aws.plan([Fate::answered(forgery)]);
        assert!(servers.call_aws().await.is_err(), "{forged}");
        assert_eq!(servers.clock.now(), servers.world.machine_wall());
        assert_eq!(servers.aws.sent(), forged + 1);
    }
    assert_eq!(
        servers.log.names(),
        ["offset_limit_exceeded"],
        "once a minute"
    );
    assert_eq!(
        servers
            .log
            .counted("events", "event", "offset_limit_exceeded"),
        50
    );
}
