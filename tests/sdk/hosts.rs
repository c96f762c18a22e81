//! Hosts with different times behind the HTTP client: each host gets signatures with its own time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_clock_skew::event::EventKind;
use aws_clock_skew::{ClockOffset, SkewClock, SkewEvent};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tokio::task::JoinSet;

use crate::clients::{Integration, config, config_on, head, receive, through, without_retries};
use crate::log::Log;
use crate::tap::Tap;
use crate::two_servers::{AWS, MINIO, TwoServers};
use crate::wire::{Answer, Fate, Manner, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes, shifted};

/// 300 calls, to AWS and to MinIO in turn.
async fn alternate(servers: &TwoServers, starts_with_aws: bool) {
    for call in 0..300 {
        let outcome = if (call % 2 == 0) == starts_with_aws {
            servers.call_aws().await
        } else {
            servers.call_minio().await
        };
        assert_eq!(outcome, Ok(()), "call {call}");
        servers.world.advance(Duration::from_secs(2));
    }
}

const MANNERS: [Manner; 3] = [Manner::InFields, Manner::ByCode, Manner::Silently];

/// How MinIO reports a wrong time, and how far the machine and MinIO are ahead.
const CASES: [(Manner, i64, i64); 6] = [
    (Manner::InFields, 0, HOUR),
    (Manner::ByCode, 0, HOUR),
    (Manner::Silently, 0, HOUR),
    (Manner::Silently, 0, -HOUR),
    (Manner::ByCode, -20 * MINUTE, HOUR),
    (Manner::InFields, 2 * DAY, -DAY),
];

#[tokio::test]
async fn a_server_with_a_wrong_clock_costs_aws_nothing() {
    for (manner, skew, ahead) in CASES {
        let servers = TwoServers::behind_http_client(skew, manner);
        servers.minio.set_ahead(ahead);
        alternate(&servers, true).await;
        let expected = usize::from(skew != 0);
        assert_eq!(
            servers.aws.rejected(),
            expected,
            "{manner:?} {skew} {ahead}"
        );
        assert_eq!(servers.minio.rejected(), 1, "{manner:?} {skew} {ahead}");
        servers.assert_true_time();
        let names = servers.log.names();
        let warnings: Vec<_> = servers.log.events();
        let warnings: Vec<_> = warnings
            .iter()
            .filter(|event| event.get("event") == Some("hosts_disagree"))
            .collect();
        let [warning] = &warnings[..] else {
            panic!("{names:?}");
        };
        assert_eq!(warning.get("server.address"), Some("minio.example"));
        assert_eq!(
            warning.get("other.address"),
            Some("sqs.us-east-1.amazonaws.com")
        );
        assert_eq!(names.len(), 1 + usize::from(skew != 0), "{names:?}");
    }
}

#[tokio::test]
async fn a_server_with_a_wrong_clock_that_responds_first_costs_aws_one_rejection() {
    for (manner, skew, ahead) in CASES {
        let servers = TwoServers::behind_http_client(skew, manner);
        servers.minio.set_ahead(ahead);
        alternate(&servers, false).await;
        assert_eq!(servers.aws.rejected(), 1, "{manner:?} {skew} {ahead}");
        // MinIO rejects one request before AWS has confirmed the clock, and one after.
        assert_eq!(servers.minio.rejected(), 2, "{manner:?} {skew} {ahead}");
        servers.assert_true_time();
        let names = servers.log.names();
        let warnings = names.iter().filter(|name| *name == "hosts_disagree");
        assert_eq!(warnings.count(), 1, "{names:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_repaired_costs_one_rejection() {
    for manner in MANNERS {
        a_repair_costs_one_rejection(manner, true).await;
    }
}

#[tokio::test]
async fn a_server_that_is_repaired_and_sends_no_dates_costs_one_rejection() {
    for manner in [Manner::InMessage, Manner::InFields] {
        a_repair_costs_one_rejection(manner, false).await;
    }
}

async fn a_repair_costs_one_rejection(manner: Manner, has_dates: bool) {
    let servers = TwoServers::behind_http_client(0, manner);
    if !has_dates {
        servers.minio.leave_out_dates();
    }
    servers.minio.set_ahead(HOUR);
    alternate(&servers, true).await;
    assert_eq!(servers.minio.rejected(), 1);
    servers.minio.set_ahead(0);
    alternate(&servers, true).await;
    assert_eq!(servers.minio.rejected(), 2, "{manner:?}, {has_dates}");
    assert_eq!(servers.aws.rejected(), 0);
    servers.assert_local_time();
}

#[tokio::test]
async fn a_server_that_the_clock_follows_at_last_is_no_conflicting_host_any_more() {
    let servers = TwoServers::behind_http_client(0, Manner::InFields);
    servers.minio.leave_out_dates();
    servers.minio.set_ahead(HOUR);
    assert_eq!(servers.call_aws().await, Ok(()));
    assert_eq!(servers.call_minio().await, Ok(()));
    // The confirmation by AWS has expired, and the clock of MinIO was set.
    servers.world.advance(minutes(120));
    servers.minio.set_ahead(2 * HOUR);
    for _ in 0..10 {
        assert_eq!(servers.call_minio().await, Ok(()));
    }
    assert_eq!(servers.minio.rejected(), 2);
}

#[tokio::test]
async fn a_signature_with_one_hosts_time_confirms_no_other_time() {
    let servers = TwoServers::behind_http_client(0, Manner::InFields);
    servers.minio.set_ahead(HOUR);
    assert_eq!(servers.call_aws().await, Ok(()));
    assert_eq!(servers.call_minio().await, Ok(()));
    // One response has a wrong `Date`. The signature with that time gets no response.
    let ec2 = Wire::with_manner(&servers.world, minutes(5), Manner::AuthFailure);
    let misdated = Answer::empty_403(shifted(servers.world.true_time(), 20 * MINUTE));
    ec2.plan([Fate::answered(misdated), Fate::lost()]);
    let tried = without_retries(config_on(&ec2, AWS));
    let tried = Integration::Interceptor.sqs(&tried, &servers.clock);
    assert!(receive(&tried, &format!("{AWS}/1/q")).await.is_err());
    servers.assert_local_time();
    assert_eq!(servers.call_minio().await, Ok(()));
    servers.world.advance(minutes(2));
    servers.assert_local_time();
    assert_eq!(servers.log.names(), ["hosts_disagree"]);
}

// ---- Evidence by `Date` alone.

const BY_CODE: &str = "<Error><Code>RequestTimeTooSkewed</Code></Error>";

#[tokio::test]
async fn a_date_changes_the_clock_when_its_signature_passes_the_timestamp_check() {
    for manner in Manner::WITHOUT_MESSAGE {
        for skew in [-2 * DAY, -20 * MINUTE, 20 * MINUTE, 9 * HOUR] {
            let servers = TwoServers::behind_http_client(skew, manner);
            for _ in 0..20 {
                assert_eq!(servers.call_minio().await, Ok(()), "{manner:?} {skew}");
            }
            assert_eq!(servers.minio.sent(), 21);
            servers.assert_true_time();
            assert_eq!(servers.log.names(), ["skew_detected"]);
            assert_eq!(servers.log.events()[0].get("time_source"), Some("date"));
        }
    }
}

#[tokio::test]
async fn fifty_in_flight_that_are_corrected_by_date_are_one_sample() {
    const CALLS: usize = 50;
    for manner in Manner::WITHOUT_MESSAGE {
        let servers = TwoServers::behind_http_client(-20 * MINUTE, manner);
        servers.minio.hold(CALLS);
        let mut calls = JoinSet::new();
        for _ in 0..CALLS {
            let s3 = servers.s3.clone();
            calls.spawn(async move { head(&s3).await });
        }
        assert!(calls.join_all().await.iter().all(Result::is_ok));
        assert_eq!(servers.minio.sent(), 2 * CALLS, "{manner:?}");
        assert_eq!(servers.log.names(), ["skew_detected"]);
        assert_eq!(servers.clock.status().event_count(), 1);
        servers.assert_true_time();
    }
}

#[tokio::test]
async fn a_404_has_passed_the_timestamp_check() {
    for status in [404, 405, 409, 412, 416] {
        let servers = TwoServers::behind_http_client(-20 * MINUTE, Manner::ByCode);
        let found = Answer::new(status, "").dated(servers.world.true_time());
        servers.minio.plan([Fate::default(), Fate::answered(found)]);
        assert!(servers.call_minio().await.is_err());
        servers.assert_true_time();
        assert_eq!(servers.log.names(), ["skew_detected"], "{status}");
    }
}

#[tokio::test]
async fn a_date_whose_signature_is_rejected_as_well_changes_nothing_and_is_seldom_tried() {
    const CALLS: usize = 1_000;
    for (skew, body) in [(0, ""), (0, BY_CODE), (-20 * MINUTE, BY_CODE)] {
        let servers = TwoServers::behind_http_client(skew, Manner::Silently);
        for _ in 0..CALLS {
            let misdated = Answer {
                body: body.into(),
                ..Answer::empty_403(shifted(servers.world.true_time(), 2 * HOUR))
            };
            servers.minio.plan(vec![Fate::answered(misdated); 2]);
            assert!(servers.call_minio().await.is_err());
            servers.minio.forget_plans();
            servers.assert_local_time();
            servers.world.advance(Duration::from_secs(7));
        }
        // 7,000 s: after 1, 2, 4, 8, 16, 32 and 60 minutes. A response that does not name the time
        // may be a denial, so the clock keeps using its time.
        let resent = if body.is_empty() { 1 } else { 7 };
        assert_eq!(servers.minio.sent(), CALLS + resent, "{skew} {body}");
        assert_eq!(servers.log.counted("events", "event", "skew_detected"), 0);
    }
}

#[tokio::test]
async fn a_resend_that_ends_otherwise_says_nothing_about_the_date() {
    let servers = TwoServers::behind_http_client(-20 * MINUTE, Manner::ByCode);
    for failures in 1..=3 {
        let down = Answer::new(503, "").dated(servers.world.true_time());
        let first = (failures == 1).then_some(Fate::default());
        servers
            .minio
            .plan(first.into_iter().chain([Fate::answered(down)]));
        assert!(servers.call_minio().await.is_err());
        servers.assert_local_time();
    }
    // The trial goes on.
    assert_eq!(servers.call_minio().await, Ok(()));
    assert_eq!(servers.minio.rejected(), 1);
    servers.assert_true_time();
}

#[tokio::test]
async fn a_second_date_that_differs_from_the_first_changes_nothing() {
    let servers = TwoServers::behind_http_client(0, Manner::ByCode);
    let misdated = |hours| Answer {
        body: BY_CODE.into(),
        ..Answer::empty_403(shifted(servers.world.true_time(), hours * HOUR))
    };
    servers
        .minio
        .plan([Fate::answered(misdated(2)), Fate::answered(misdated(5))]);
    assert!(servers.call_minio().await.is_err());
    servers.assert_local_time();
    assert_eq!(servers.log.names(), ["trial_rejected", "resend_rejected"]);
}

#[tokio::test]
async fn no_signature_is_dated_further_ahead_than_a_date_may_say() {
    for (days, sent) in [(6, 2), (8, 1), (3_650, 1)] {
        for manner in Manner::WITHOUT_MESSAGE {
            let servers = TwoServers::behind_http_client(0, manner);
            servers.world.advance_a_century();
            servers.minio.set_ahead(days * DAY);
            assert_eq!(
                servers.call_minio().await.is_ok(),
                sent == 2,
                "{manner:?} {days}"
            );
            assert_eq!(servers.minio.sent(), sent, "{manner:?} {days}");
            let exceeds_limit = matches!(
                servers.clock.status().last_event().map(SkewEvent::kind),
                Some(EventKind::OffsetLimitExceeded)
            );
            assert_eq!(exceeds_limit, sent == 1);
        }
    }
}

#[tokio::test]
async fn no_signature_for_a_conflicting_host_is_dated_further_ahead_either() {
    for manner in MANNERS {
        let servers = TwoServers::behind_http_client(0, manner);
        servers.minio.set_ahead(3_650 * DAY);
        for calls in 1..=5 {
            assert_eq!(servers.call_aws().await, Ok(()));
            assert!(servers.call_minio().await.is_err());
            assert_eq!(servers.minio.sent(), calls, "{manner:?}");
        }
        servers.assert_local_time();
    }
}

/// Credentials that expire an hour after the local time, and then others.
#[derive(Debug)]
struct Renewed {
    expiry: SystemTime,
    loads: AtomicUsize,
}

impl ProvideCredentials for Renewed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let is_first = self.loads.fetch_add(1, Ordering::Relaxed) == 0;
        let (key, expiry) = if is_first {
            ("OLD", self.expiry)
        } else {
            ("NEW", self.expiry + minutes(10_000))
        };
        future::ProvideCredentials::ready(Ok(Credentials::new(
            key,
            "secret",
            None,
            Some(expiry),
            "test",
        )))
    }
}

#[tokio::test]
async fn a_time_by_date_is_not_tried_with_credentials_that_it_shows_as_expired() {
    // The clock may be corrected already, by another offset.
    for (manner, known) in Manner::WITHOUT_MESSAGE
        .map(|manner| [(manner, 0), (manner, 600)])
        .concat()
    {
        let log = Log::start();
        let world = World::with_skew(-2 * HOUR);
        let wire = Wire::with_manner(&world, minutes(15), manner);
        let tap = Tap::new(wire.clone());
        let clock = SkewClock::builder()
            .local_clock(world.machine.clone())
            .initial_offset(ClockOffset::from_millis(known * 1_000))
            .build();
        let provider = Renewed {
            expiry: world.machine_wall() + minutes(60),
            loads: AtomicUsize::default(),
        };
        let config = through(&without_retries(config(MINIO)), tap.clone(), &clock);
        let config = config
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(provider));
        let minio = aws_sdk_s3::config::Builder::from(&config.build()).force_path_style(true);
        let minio = aws_sdk_s3::Client::from_conf(minio.build());
        for _ in 0..5 {
            assert_eq!(head(&minio).await, Ok(()));
        }
        let sent = tap.sent();
        assert_eq!(sent.len(), 6);
        let keys = sent.iter().map(|sent| {
            let signature = sent.header("authorization").unwrap_or_default();
            signature.contains("Credential=NEW/")
        });
        assert_eq!(
            keys.collect::<Vec<_>>(),
            [false, true, true, true, true, true]
        );
        assert_eq!(log.names(), ["skew_detected"]);
    }
}
