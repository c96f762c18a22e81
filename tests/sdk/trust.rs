//! Whom the clock believes, and how far.

use std::time::{Duration, UNIX_EPOCH};

use aws_clock_skew::{Incident, SkewClock};
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;

use crate::clients::{config_on, head, receive, s3, sqs, without_retries};
use crate::log::Log;
use crate::wire::{Answer, Fate, Manner, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes, shifted};

const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
const LAB: &str = "https://minio.lab.example:9000";

/// A machine, AWS with the right time, and a box in the lab with its own.
struct Story {
    log: Log,
    world: World,
    clock: SkewClock,
    aws: Wire,
    lab: Wire,
    sqs: aws_sdk_sqs::Client,
    minio: aws_sdk_s3::Client,
}

impl Story {
    fn new(skew: i64, labs_manner: Manner) -> Self {
        let log = Log::start();
        let world = World::with_skew(skew);
        let clock = world.skew_clock();
        let aws = Wire::new(&world, minutes(5));
        let lab = Wire::with_manner(&world, minutes(15), labs_manner);
        let sqs = sqs(&without_retries(config_on(&aws, AWS)), &clock);
        let minio = s3(&patient(config_on(&lab, LAB)), &clock);
        Self {
            log,
            world,
            clock,
            aws,
            lab,
            sqs,
            minio,
        }
    }

    async fn calls_aws(&self) -> Result<(), String> {
        receive(&self.sqs, &format!("{AWS}/1/q")).await
    }

    async fn calls_lab(&self) -> Result<(), String> {
        head(&self.minio).await
    }

    /// Asserts that the clock is the true time, within a second and a half.
    #[track_caller]
    fn knows_the_time(&self) {
        assert!(
            self.error() <= Duration::from_millis(1_500),
            "{:?}",
            self.error()
        );
    }

    fn error(&self) -> Duration {
        let (now, truth) = (self.clock.now(), self.world.true_time());
        now.duration_since(truth).unwrap_or_else(|e| e.duration())
    }
}

/// Standard retries, without the wait that they need in earnest.
fn patient(config: SdkConfig) -> SdkConfig {
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    config.into_builder().retry_config(retries).build()
}

// ---- How far.

/// A service so many days ahead of the machine, at `url`: whether it is followed.
async fn is_followed(days: i64, manner: Manner, url: &str) -> bool {
    let log = Log::start();
    let world = World::with_skew(-days * DAY);
    // By then the release of this crate is long past, by any of these clocks.
    world.advance(minutes(4_000 * 24 * 60));
    let wire = Wire::with_manner(&world, minutes(15), manner);
    let clock = world.skew_clock();
    let s3 = s3(&without_retries(config_on(&wire, url)), &clock);
    let outcome = head(&s3).await;
    let is_followed = clock.status().is_corrected();
    assert_eq!(outcome.is_ok(), is_followed);
    assert_eq!(wire.sent(), if is_followed { 2 } else { 1 });
    let incidents = log.incidents();
    let [incident] = &incidents[..] else {
        panic!("not one event: {incidents:?}");
    };
    if !is_followed {
        assert_eq!(incident.get("incident"), Some("refused"));
        assert_eq!(incident.level, tracing::Level::WARN);
        assert!(incident.get("signed_at").is_some());
        assert!(incident.get("server_time").is_some());
    }
    is_followed
}

#[tokio::test]
async fn forward_is_limited_by_class_and_tls() {
    let plain = "http://minio.lab.example:9000";
    for (days, manner, url, expected) in [
        (399, Manner::InWords, LAB, true),
        (401, Manner::InWords, LAB, false),
        (6, Manner::InWords, plain, true),
        (8, Manner::InWords, plain, false),
        (6, Manner::ByCode, LAB, true),
        (8, Manner::ByCode, LAB, false),
        (8, Manner::Silently, LAB, false),
        (8, Manner::AuthFailure, AWS, false),
        (3_650, Manner::InWords, AWS, false),
        (3_650, Manner::Silently, plain, false),
    ] {
        let followed = is_followed(days, manner, url).await;
        assert_eq!(followed, expected, "{days} {manner:?} {url}");
    }
}

#[tokio::test]
async fn backward_is_not_limited_before_2020() {
    for manner in [Manner::InWords, Manner::ByCode, Manner::Silently] {
        // 2027 − 6 years; the machine is ahead.
        assert!(is_followed(-6 * 365, manner, "http://minio.lab.example").await);
    }
}

#[tokio::test]
async fn the_limit_is_measured_from_the_machine_and_not_from_a_correction() {
    let story = Story::new(0, Manner::InWords);
    // Steps of 390 days: each is in reach of the one before.
    story.lab.set_ahead(390 * DAY);
    assert_eq!(story.calls_lab().await, Ok(()));
    story.world.advance(minutes(1));
    story.lab.set_ahead(780 * DAY);
    assert!(story.calls_lab().await.is_err());
    assert!(matches!(
        story.clock.status().last_incident(),
        Some(Incident::Refused(_))
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
    assert_eq!(log.names(), ["skew"]);
}

#[tokio::test]
async fn texts_forged_ten_years_ahead_move_nothing() {
    let story = Story::new(0, Manner::InWords);
    for forged in 0..50 {
        let date = shifted(story.world.true_time(), 3_650 * DAY);
        let text = "Signature expired: 20270116T080000Z is now earlier than 20370116T074500Z \
            (20370116T080000Z - 15 min.)";
        let body = format!(r#"{{"__type":"InvalidSignatureException","message":"{text}"}}"#);
        let forgery = Answer::new(400, &body)
            .dated(date)
            .with("x-amzn-requestid", "1");
        story.aws.plan([Fate::answered(forgery)]);
        assert!(story.calls_aws().await.is_err(), "{forged}");
        assert_eq!(story.clock.now(), story.world.machine_wall());
        assert_eq!(story.aws.sent(), forged + 1);
    }
    assert_eq!(story.log.names(), ["refused"], "once a minute");
    assert_eq!(story.log.counted("incidents", "incident", "refused"), 50);
}

// ---- Weak evidence.

/// AWS was made to say, in words, that it is ten minutes later than it is; it
/// tolerates fifteen.
async fn misled() -> Story {
    let story = Story::new(0, Manner::InWords);
    story.aws.set_tolerance(minutes(15));
    let text = "Signature expired: 20270116T080000Z is now earlier than 20270116T080500Z \
        (20270116T081000Z - 5 min.)";
    let body = format!(r#"{{"__type":"InvalidSignatureException","message":"{text}"}}"#);
    let date = shifted(story.world.true_time(), 10 * MINUTE);
    story.aws.plan([
        Fate::answered(Answer::new(400, &body)),
        // So that the second send says nothing against it.
        Fate::answered(Answer::new(200, "{}").dated(date)),
    ]);
    assert_eq!(story.calls_aws().await, Ok(()));
    let offset = story.clock.status().offset().as_millis();
    assert!((offset - 600_000).abs() <= 1_000, "{offset}");
    story
}

#[tokio::test]
async fn three_contradicting_accepted_answers_end_a_correction() {
    let story = misled().await;
    for (call, is_corrected) in [(1, true), (2, true), (3, false)] {
        assert_eq!(story.calls_aws().await, Ok(()));
        assert_eq!(story.clock.status().is_corrected(), is_corrected, "{call}");
    }
    assert_eq!(story.clock.now(), story.world.machine_wall());
    assert_eq!(story.log.names(), ["skew", "healed"]);
}

#[tokio::test]
async fn one_agreeing_answer_in_between_starts_the_count_again() {
    let story = misled().await;
    let agreeing = || {
        let date = shifted(story.world.true_time(), 10 * MINUTE);
        Fate::answered(Answer::new(200, "{}").dated(date))
    };
    for _ in 0..5 {
        story
            .aws
            .plan([Fate::default(), Fate::default(), agreeing()]);
        for _ in 0..3 {
            assert_eq!(story.calls_aws().await, Ok(()));
            assert!(story.clock.status().is_corrected());
        }
    }
}

#[tokio::test]
async fn what_is_no_date_of_an_accepted_answer_ends_nothing() {
    let story = misled().await;
    let truth = story.world.true_time();
    for answer in [
        Answer::new(200, "{}").dated(truth).with("age", "1"),
        Answer::new(200, "{}").dated(truth).dated(truth),
        Answer::new(404, "{}").dated(truth),
        Answer::new(503, "").dated(truth),
        Answer::new(429, "").dated(truth),
    ] {
        for _ in 0..4 {
            story.aws.plan([Fate::answered(answer.clone())]);
            drop(story.calls_aws().await);
            assert!(story.clock.status().is_corrected(), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_stranger_ends_nothing() {
    let story = misled().await;
    for _ in 0..10 {
        assert_eq!(story.calls_lab().await, Ok(()));
        assert!(story.clock.status().is_corrected());
    }
}

#[tokio::test]
async fn aws_ends_what_a_box_in_the_lab_has_taught() {
    let story = Story::new(0, Manner::InWords);
    story.lab.set_tolerance(minutes(5));
    story.lab.set_ahead(10 * MINUTE);
    story.aws.set_tolerance(minutes(15));
    assert_eq!(story.calls_lab().await, Ok(()));
    assert!(story.clock.status().is_corrected());
    for _ in 0..3 {
        assert_eq!(story.calls_aws().await, Ok(()));
    }
    assert_eq!(story.clock.now(), story.world.machine_wall());
    assert_eq!(story.aws.rejected(), 0);
}

#[tokio::test]
async fn an_endless_supply_of_lying_dates_never_moves_a_right_clock() {
    let story = Story::new(0, Manner::InWords);
    for round in 0..300_i64 {
        let ahead = (round % 7 - 3) * 11 * MINUTE;
        let date = shifted(story.world.true_time(), ahead);
        let (status, body) =
            [(200, "{}"), (503, ""), (200, "{}"), (429, ""), (404, "{}")][round as usize % 5];
        let lie = Answer::new(status, body)
            .dated(date)
            .with("x-amzn-requestid", "1");
        story.aws.plan([Fate::answered(lie)]);
        drop(story.calls_aws().await);
        assert_eq!(story.clock.now(), story.world.machine_wall());
        assert_eq!(story.clock.status().incidents(), 0);
        story.world.advance(Duration::from_secs(7));
    }
}

#[tokio::test]
async fn lying_refusals_move_a_right_clock_for_one_request_and_seldom() {
    let story = Story::new(0, Manner::Silently);
    const CALLS: usize = 1_000;
    for call in 0..CALLS {
        let lie = Answer::empty_403(shifted(story.world.true_time(), 20 * MINUTE));
        // Whatever it is asked, a proxy says this.
        story.lab.plan(vec![Fate::answered(lie); 2]);
        assert!(story.calls_lab().await.is_err());
        assert_eq!(story.clock.now(), story.world.machine_wall(), "{call}");
        story.lab.forget_plans();
        story.world.advance(Duration::from_secs(7));
    }
    // 7,000 s: after 1, 2, 4, 8, 16, 32 and 60 minutes.
    let withdrawn = story.log.counted("incidents", "incident", "withdrawn");
    assert_eq!((withdrawn, story.lab.sent()), (7, CALLS + 7));
    assert_eq!(story.calls_aws().await, Ok(()));
}

// ---- Two servers that disagree.

#[tokio::test]
async fn while_aws_vouches_the_lab_cannot_move_the_clock() {
    for manner in [Manner::InFields, Manner::ByCode, Manner::Silently] {
        for (skew, labs) in [(0, HOUR), (0, -HOUR), (-20 * MINUTE, HOUR)] {
            let story = Story::new(skew, manner);
            story.lab.set_ahead(labs);
            assert_eq!(story.calls_aws().await, Ok(()));
            let rejected = story.aws.rejected();
            assert_eq!(rejected, usize::from(skew != 0));
            let mut failed = 0;
            for _ in 0..20 {
                failed += usize::from(story.calls_lab().await.is_err());
                story.knows_the_time();
                assert_eq!(story.calls_aws().await, Ok(()));
                story.world.advance(Duration::from_secs(20));
            }
            assert_eq!(story.aws.rejected(), rejected, "{manner:?} {skew} {labs}");
            let warnings = story.log.names();
            let of_hosts = warnings.iter().filter(|name| *name == "hosts_disagree");
            assert_eq!(of_hosts.count(), 1, "{warnings:?}");
            let last = story.log.incidents().pop().unwrap();
            assert_eq!(last.level, tracing::Level::WARN);
            assert_eq!(last.get("host"), Some("minio.lab.example"));
            assert_eq!(last.get("other_host"), Some("sqs.us-east-1.amazonaws.com"));
            // The SDK's own correction, as it is, retries what has a code.
            let expected = if manner == Manner::Silently { 1 } else { 0 };
            assert_eq!(failed, expected, "{manner:?} {skew} {labs}");
        }
    }
}

#[tokio::test]
async fn a_lab_that_is_repaired_is_in_dispute_no_more() {
    let story = Story::new(0, Manner::ByCode);
    story.lab.set_ahead(HOUR);
    assert_eq!(story.calls_aws().await, Ok(()));
    assert_eq!(story.calls_lab().await, Ok(()));
    story.lab.set_ahead(0);
    // The SDK's own correction has the next call fail, and has learned.
    drop(story.calls_lab().await);
    assert_eq!(story.calls_lab().await, Ok(()));
    // From here on the SDK's own correction is silent: one lying Date on an
    // accepted answer would make it sign ten minutes ahead, at the next call.
    let date = shifted(story.world.true_time(), 10 * HOUR);
    story
        .lab
        .plan([Fate::answered(Answer::new(200, "").dated(date))]);
    assert_eq!(story.calls_lab().await, Ok(()));
    let rejected = story.lab.rejected();
    assert_eq!(story.calls_lab().await, Ok(()));
    assert_eq!(story.lab.rejected(), rejected);
}

#[tokio::test]
async fn a_minio_that_shares_the_machines_wrong_clock_costs_aws_one_rejection() {
    for manner in [Manner::InFields, Manner::ByCode, Manner::Silently] {
        for skew in [-20 * MINUTE, 2 * HOUR] {
            let story = Story::new(skew, manner);
            story.lab.set_ahead(skew);
            let mut failed = 0;
            for _ in 0..100 {
                for _ in 0..3 {
                    failed += usize::from(story.calls_lab().await.is_err());
                    story.world.advance(Duration::from_millis(300));
                }
                assert_eq!(story.calls_aws().await, Ok(()));
            }
            assert_eq!(story.aws.rejected(), 1, "{manner:?} {skew}");
            let expected = if manner == Manner::Silently { 1 } else { 0 };
            assert_eq!(failed, expected, "{manner:?} {skew}");
        }
    }
}

/// Whether the lab can move the clock after AWS has vouched and then `change` came.
async fn lab_moves_after(change: impl FnOnce(&World)) -> bool {
    let story = Story::new(0, Manner::InFields);
    story.lab.set_ahead(HOUR);
    assert_eq!(story.calls_aws().await, Ok(()));
    change(&story.world);
    drop(story.calls_lab().await);
    story.clock.status().is_corrected()
}

#[tokio::test]
async fn a_vouch_lasts_an_hour() {
    assert!(!lab_moves_after(|world| world.advance(Duration::from_secs(3_599))).await);
    assert!(lab_moves_after(|world| world.advance(Duration::from_secs(3_600))).await);
}

#[tokio::test]
async fn a_vouch_ends_when_the_wall_clock_is_set() {
    for (seconds, moves) in [(29, false), (-29, false), (30, true), (-30, true)] {
        let moved = lab_moves_after(|world| world.set_skew(seconds)).await;
        assert_eq!(moved, moves, "{seconds}");
    }
}

#[tokio::test]
async fn aws_vouches_again_as_soon_as_the_clock_has_moved() {
    let story = Story::new(0, Manner::ByCode);
    assert_eq!(story.calls_aws().await, Ok(()));
    // A lie that comes to nothing, and leaves the clock as it was.
    let lie = Answer::empty_403(shifted(story.world.true_time(), 2 * HOUR));
    story.aws.plan(vec![Fate::answered(lie); 2]);
    assert!(story.calls_aws().await.is_err());
    assert_eq!(story.calls_aws().await, Ok(()));
    story.lab.set_ahead(HOUR);
    assert_eq!(story.calls_lab().await, Ok(()));
    assert!(!story.clock.status().is_corrected());
}

#[tokio::test]
async fn between_two_boxes_the_last_rejection_counts_once_a_second() {
    let story = Story::new(0, Manner::InFields);
    let other = Wire::new(&story.world, minutes(15));
    let others = s3(
        &patient(config_on(&other, "https://other.example")),
        &story.clock,
    );
    story.lab.set_ahead(HOUR);
    other.set_ahead(-HOUR);
    let offset = || story.clock.status().offset().as_millis() / 60_000;
    assert_eq!(story.calls_lab().await, Ok(()));
    assert_eq!(offset(), 60);
    story.world.advance(Duration::from_secs(1));
    assert_eq!(head(&others).await, Ok(()));
    assert_eq!(offset(), -59, "the last counts");
    story.world.advance(Duration::from_millis(900));
    assert_eq!(
        story.calls_lab().await,
        Ok(()),
        "by the SDK's own correction"
    );
    assert_eq!(offset(), -59, "one move a second");
    assert_eq!(story.log.names().last().unwrap(), "hosts_disagree");
}
