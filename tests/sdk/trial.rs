//! A time that only a `Date` states is a trial: it is used for the host that stated it, until that
//! host accepts or rejects a request signed with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use tokio::task::JoinSet;

use crate::clients::{SDK_AND_ALL, config_in, config_on, head, s3, s3_of, without_retries};
use crate::net::Net;
use crate::possible::{S3, Scenario};
use crate::resent::once;
use crate::two_servers::MINIO;
use crate::wire::{Answer, Fate, Manner, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes, shifted};

/// A clock skew error without timestamps; its `Date` is `ahead` seconds ahead of the true time.
fn skew_error(scenario: &Scenario, ahead: i64) -> Fate {
    Fate::answered(code_alone(shifted(scenario.world.true_time(), ahead)))
}

fn code_alone(date: SystemTime) -> Answer {
    Answer {
        body: "<Error><Code>RequestTimeTooSkewed</Code></Error>".into(),
        ..Answer::empty_403(date)
    }
}

#[tokio::test]
async fn a_denial_of_a_trial_changes_no_clock_and_says_nothing_about_the_time() {
    for ahead in [-20 * MINUTE, 20 * MINUTE, 6 * DAY] {
        let scenario = Scenario::new(0, Manner::Silently);
        scenario.plan_misdated(ahead, 2);
        assert_eq!(scenario.cost().await, 2);
        scenario.assert_local_time();
        assert_eq!(scenario.log.names(), ["not_clock_skew"]);
        // The server has the correct time after all: it rejects the signature with the trial's
        // time and accepts the one with the local time.
        assert_eq!(head(&scenario.s3).await, Ok(()));
        assert_eq!(scenario.wire.sent(), 4);
        assert_eq!(scenario.cost().await, 1);
        scenario.assert_local_time();
    }
}

#[tokio::test]
async fn a_trial_that_is_rejected_ends_with_a_back_off() {
    let scenario = Scenario::new(0, Manner::ByCode);
    // The server judges by another clock than the one that its `Date` shows.
    scenario.wire.set_ahead(2 * HOUR);
    let skew_error = || skew_error(&scenario, HOUR);
    scenario.wire.plan([skew_error(), skew_error()]);
    assert_eq!(scenario.cost().await, 2);
    scenario.assert_local_time();
    assert_eq!(scenario.log.names(), ["trial_rejected", "resend_rejected"]);
    let rejected = &scenario.log.events()[0];
    assert_eq!(rejected.level, tracing::Level::DEBUG);
    assert_eq!(rejected.get("offset_ms"), Some("0"));
    // The clock ignores its `Date` for a minute, and then starts another trial.
    assert_eq!(scenario.cost().await, 1);
    scenario.world.advance(minutes(1));
    assert_eq!(head(&scenario.s3).await, Ok(()));
}

#[tokio::test]
async fn a_resend_that_meets_a_server_with_another_clock_costs_no_later_call() {
    for integration in SDK_AND_ALL {
        let world = World::with_skew(-20 * MINUTE);
        let wire = Wire::with_manner(&world, minutes(15), Manner::ByCode);
        let s3 = s3_of(
            integration,
            &config_in(&world, wire.clone(), S3),
            &world.skew_clock(),
        );
        let date = shifted(world.true_time(), -2 * DAY);
        wire.plan([Fate::default(), Fate::answered(code_alone(date))]);
        assert!(head(&s3).await.is_err(), "{integration:?}");
        for _ in 0..3 {
            assert_eq!(head(&s3).await, Ok(()), "{integration:?}");
        }
        assert!(wire.rejected() <= 2, "{integration:?}");
    }
}

#[tokio::test]
async fn heads_in_flight_that_were_signed_with_a_cached_time_are_all_sent_again() {
    let scenario = Scenario::new(0, Manner::Silently);
    scenario.plan_misdated(-HOUR, 2);
    assert_eq!(scenario.cost().await, 2);
    scenario.wire.leave_out_dates();
    scenario.wire.hold(3);
    let mut calls = JoinSet::new();
    for _ in 0..3 {
        let s3 = scenario.s3.clone();
        calls.spawn(async move { head(&s3).await });
    }
    assert_eq!(calls.join_all().await, [const { Ok(()) }; 3]);
    scenario.assert_local_time();
}

#[tokio::test]
async fn the_time_of_one_server_loses_no_head_of_another_that_sends_no_date() {
    const OTHER: &str = "https://ceph.example";
    for integration in SDK_AND_ALL {
        let world = World::with_skew(0);
        let ahead = Wire::new(&world, minutes(15));
        ahead.set_ahead(9 * HOUR);
        let correct = Wire::with_manner(&world, minutes(15), Manner::Silently);
        correct.leave_out_dates();
        let net = Net::new([(MINIO, ahead), (OTHER, correct.clone())]);
        let clock = world.skew_clock();
        let client = |url| s3_of(integration, &config_in(&world, net.clone(), url), &clock);
        let (minio, ceph) = (client(MINIO), client(OTHER));
        let found = minio.get_object().bucket("b").key("k").send().await;
        assert_eq!(found.is_ok(), integration.is_some(), "{integration:?}");
        for _ in 0..3 {
            assert_eq!(head(&ceph).await, Ok(()), "{integration:?}");
        }
        assert!(correct.rejected() <= 1, "{integration:?}");
    }
}

#[tokio::test]
async fn a_trial_that_is_denied_at_a_later_attempt_changes_no_clock_either() {
    for between in [Fate::lost(), Fate::answered(Answer::new(503, ""))] {
        let scenario = Scenario::new(0, Manner::Silently);
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
        let config = config_on(&scenario.wire, S3)
            .into_builder()
            .retry_config(retries)
            .build();
        let s3 = s3(&config, &scenario.clock);
        let misdated = || {
            let date = shifted(scenario.world.true_time(), 20 * MINUTE);
            Fate::answered(Answer::empty_403(date))
        };
        scenario.wire.plan([misdated(), between, misdated()]);
        assert!(head(&s3).await.is_err());
        assert_eq!(scenario.wire.sent(), 3);
        scenario.assert_local_time();
    }
}

#[tokio::test]
async fn a_trial_leaves_the_correction_as_it_is() {
    let scenario = Scenario::new(-3 * HOUR, Manner::InMessage);
    assert_eq!(head(&scenario.s3).await, Ok(()));
    let before = scenario.clock.status().offset();
    scenario.plan_misdated(20 * MINUTE, 2);
    assert_eq!(scenario.cost().await, 2);
    assert_eq!(scenario.clock.status().offset(), before);
    scenario.assert_true_time();
    // A `Date` that agrees with the local clock starts a trial too.
    scenario.world.advance(minutes(2));
    scenario.plan_misdated(-3 * HOUR, 2);
    scenario.cost().await;
    assert_eq!(scenario.clock.status().offset(), before);
    scenario.wire.forget_plans();
    assert_eq!(head(&scenario.s3).await, Ok(()));
    assert_eq!(scenario.cost().await, 1);
    scenario.assert_true_time();
}

#[tokio::test]
async fn a_trial_without_an_answer_waits_for_its_host() {
    for (skew, misdated) in [
        (0, 20 * MINUTE),
        (-3 * HOUR, 20 * MINUTE),
        (-3 * HOUR, -3 * HOUR),
    ] {
        let scenario = Scenario::new(skew, Manner::InMessage);
        assert_eq!(head(&scenario.s3).await, Ok(()));
        let before = scenario.clock.status().offset();
        scenario.plan_misdated(misdated, 1);
        scenario.wire.plan([Fate::lost()]);
        assert!(head(&scenario.s3).await.is_err());
        assert_eq!(scenario.clock.status().offset(), before);
        scenario.world.advance(minutes(60));
        assert_eq!(scenario.clock.status().offset(), before);
        assert_eq!(head(&scenario.s3).await, Ok(()));
        scenario.assert_true_time();
        assert_eq!(scenario.cost().await, 1);
    }
}

#[tokio::test]
async fn a_trial_whose_answer_is_lost_is_accepted_by_another_call() {
    let scenario = Scenario::new(-20 * MINUTE, Manner::Silently);
    scenario.wire.plan([Fate::default(), Fate::lost()]);
    assert!(head(&scenario.s3).await.is_err(), "the connection broke");
    scenario.world.advance(Duration::from_secs(59));
    assert_eq!(head(&scenario.s3).await, Ok(()));
    scenario.world.advance(minutes(60));
    scenario.assert_true_time();
    assert_eq!(scenario.cost().await, 1);
    assert_eq!(scenario.log.names(), ["skew_detected"]);
    assert_eq!(scenario.log.counted("resends", "outcome", "failed"), 1);
}

#[tokio::test]
async fn a_proxys_page_does_not_end_a_trial() {
    let scenario = Scenario::new(-20 * MINUTE, Manner::Silently);
    scenario.wire.plan([Fate::default(), Fate::lost()]);
    assert!(head(&scenario.s3).await.is_err(), "the connection broke");
    let page = Answer::new(403, "<html>blocked</html>");
    let page = page.dated(scenario.world.true_time());
    scenario.wire.plan([Fate::answered(page)]);
    assert_eq!(scenario.cost().await, 1);
    assert_eq!(head(&scenario.s3).await, Ok(()));
    assert_eq!(scenario.wire.rejected(), 1);
    scenario.assert_true_time();
}

#[tokio::test]
async fn an_answer_that_passed_the_timestamp_check_accepts_a_trial() {
    let wrong_key = "<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we \
        calculated does not match the signature you provided.</Message></Error>";
    let expired = "<Error><Code>ExpiredToken</Code><Message>The provided token has \
        expired.</Message></Error>";
    for (status, body, accepts) in [
        (200, "", true),
        (304, "", true),
        (404, "", true),
        (412, "", true),
        (403, wrong_key, true),
        (500, "", false),
        (429, "", false),
        (400, expired, false),
    ] {
        let scenario = Scenario::new(-20 * MINUTE, Manner::Silently);
        let second = Answer::new(status, body);
        scenario
            .wire
            .plan([Fate::default(), Fate::answered(second)]);
        assert_eq!(scenario.cost().await, 2);
        let is_correcting = scenario.clock.status().is_correcting();
        assert_eq!(is_correcting, accepts, "{status} {body}");
        if accepts {
            scenario.assert_true_time();
        }
        // In both cases the next request to this host is signed with the trial's time.
        assert_eq!(scenario.cost().await, 1, "{status} {body}");
        scenario.assert_true_time();
    }
}

#[tokio::test]
async fn the_back_off_doubles_from_a_minute_up_to_an_hour() {
    let scenario = Scenario::new(0, Manner::ByCode);
    let send_wrong_dates = |times: usize| {
        let misdated = || skew_error(&scenario, 20 * MINUTE);
        scenario.wire.forget_plans();
        scenario.wire.plan((0..times).map(|_| misdated()));
    };
    for period in [1, 2, 4, 8, 16, 32, 60, 60] {
        send_wrong_dates(2);
        assert_eq!(scenario.cost().await, 2, "before {period} min");
        scenario
            .world
            .advance(minutes(period) - Duration::from_secs(1));
        send_wrong_dates(1);
        assert_eq!(scenario.cost().await, 1, "{period} min");
        scenario.assert_local_time();
        scenario.world.advance(Duration::from_secs(1));
    }
    // An accepted trial ends the back-off.
    scenario.wire.forget_plans();
    scenario.world.set_skew(-20 * MINUTE);
    assert_eq!(head(&scenario.s3).await, Ok(()));
    scenario.world.set_skew(0);
    scenario.world.advance(minutes(1));
    scenario.assert_local_time();
    send_wrong_dates(2);
    assert_eq!(scenario.cost().await, 2);
    scenario.world.advance(minutes(1));
    send_wrong_dates(2);
    assert_eq!(scenario.cost().await, 2);
}

/// Credentials that never expire, and a count of the loads.
#[derive(Clone, Debug)]
pub(crate) struct Loads(pub(crate) Arc<AtomicUsize>, pub(crate) SystemTime);

impl Loads {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl ProvideCredentials for Loads {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.0.fetch_add(1, Ordering::Relaxed);
        let credentials = Credentials::new("AKID", "secret", None, Some(self.1), "test");
        future::ProvideCredentials::ready(Ok(credentials))
    }
}

#[tokio::test]
async fn identity_caches_ask_again_when_a_trial_is_accepted_and_not_before() {
    for is_wrong in [false, true] {
        let skew = if is_wrong { 0 } else { -20 * MINUTE };
        let scenario = Scenario::new(skew, Manner::Silently);
        let expiry = shifted(scenario.world.true_time(), 30 * DAY);
        let loads = Loads(Arc::default(), expiry);
        let config = without_retries(config_on(&scenario.wire, S3))
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(loads.clone()))
            .identity_cache(scenario.clock.identity_cache())
            .build();
        let s3 = s3(&config, &scenario.clock);
        if is_wrong {
            scenario.plan_misdated(20 * MINUTE, 2);
        }
        assert_eq!(head(&s3).await.is_ok(), !is_wrong);
        assert_eq!(scenario.wire.sent(), 2);
        assert_eq!(loads.count(), 1, "the second send had the same identity");
        for _ in 0..3 {
            assert_eq!(head(&s3).await, Ok(()));
        }
        let expected = if is_wrong { 1 } else { 2 };
        assert_eq!(loads.count(), expected, "the `Date` is wrong: {is_wrong}");
    }
}

#[tokio::test]
async fn the_response_to_an_unsigned_request_neither_starts_nor_ends_a_trial() {
    let scenario = Scenario::new(0, Manner::Silently);
    let anonymous = aws_sdk_s3::Client::from_conf(
        scenario
            .s3
            .config()
            .to_builder()
            .allow_no_auth()
            .auth_scheme_preference([AuthSchemeId::from("noAuth")])
            .build(),
    );
    scenario.plan_misdated(20 * MINUTE, 2);
    assert!(head(&anonymous).await.is_err());
    assert_eq!(scenario.wire.sent(), 1);
    scenario.assert_local_time();
    scenario.wire.forget_plans();
    // The response does not end a trial that waits for one.
    scenario.plan_misdated(20 * MINUTE, 1);
    scenario
        .wire
        .plan([Fate::lost(), Fate::answered(Answer::new(200, ""))]);
    assert!(head(&scenario.s3).await.is_err());
    assert_eq!(head(&anonymous).await, Ok(()));
    scenario.assert_local_time();
    assert!(!scenario.clock.status().is_correcting());
}

#[tokio::test]
async fn an_accepted_answer_whose_date_contradicts_a_trial_ends_it() {
    let scenario = Scenario::new(0, Manner::Silently);
    // The service tolerates ten minutes and accepts the signature.
    scenario.plan_misdated(10 * MINUTE, 1);
    assert_eq!(head(&scenario.s3).await, Ok(()));
    scenario.assert_local_time();
    assert!(scenario.log.names().is_empty());
}

#[tokio::test]
async fn a_stream_that_cannot_be_sent_again_fails_once_and_starts_a_trial() {
    let scenario = Scenario::new(-20 * MINUTE, Manner::ByCode);
    let mut outcomes = Vec::new();
    for _ in 0..6 {
        // A stream cannot be sent again, and there is no other call.
        let put = scenario
            .s3
            .put_object()
            .bucket("b")
            .key("k")
            .content_length(4);
        outcomes.push(put.body(once(b"once")).send().await.is_ok());
        scenario.world.advance(minutes(60));
    }
    assert_eq!(outcomes, [false, true, true, true, true, true]);
    assert_eq!(scenario.wire.sent(), 6);
    scenario.assert_true_time();
}

#[tokio::test]
async fn a_denial_does_not_end_the_trial_of_a_clock_skew_error() {
    let scenario = Scenario::new(-20 * MINUTE, Manner::ByCode);
    let denied = Answer {
        body: "<Error><Code>AccessDenied</Code></Error>".into(),
        ..Answer::empty_403(scenario.world.true_time())
    };
    scenario
        .wire
        .plan([Fate::default(), Fate::answered(denied)]);
    assert_eq!(scenario.cost().await, 2);
    // The next request, which the caller may make, is accepted.
    for _ in 0..3 {
        scenario.world.advance(Duration::from_secs(10));
        assert_eq!(head(&scenario.s3).await, Ok(()));
    }
    scenario.assert_true_time();
}

#[tokio::test]
async fn a_newer_date_takes_the_place_of_an_old_one_from_a_cache() {
    let scenario = Scenario::new(-20 * MINUTE, Manner::ByCode);
    // A cache returns both responses of the first call.
    scenario.plan_misdated(-HOUR, 2);
    assert!(head(&scenario.s3).await.is_err());
    scenario.world.advance(Duration::from_secs(10));
    for _ in 0..3 {
        assert_eq!(head(&scenario.s3).await, Ok(()));
    }
    scenario.assert_true_time();
}
