//! A correction by `Date` alone is confirmed, or taken back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::auth::AuthSchemeId;

use crate::clients::{config_on, head, s3, without_retries};
use crate::resent::once;
use crate::suspects::{S3, Story};
use crate::wire::{Answer, Fate, Manner};
use crate::world::{DAY, HOUR, MINUTE, minutes, shifted};

#[tokio::test]
async fn a_request_that_is_suspect_again_takes_its_lesson_back() {
    for ahead in [-20 * MINUTE, 20 * MINUTE, 6 * DAY] {
        let story = Story::new(0, Manner::Silently);
        story.lies(ahead, 2);
        assert_eq!(story.cost().await, 2);
        story.is_the_machines();
        let names = ["skew", "not_the_clock", "withdrawn"];
        assert_eq!(story.log.names(), names);
        let withdrawn = story.log.incidents().pop().unwrap();
        assert_eq!(withdrawn.level, tracing::Level::DEBUG);
        assert_eq!(withdrawn.get("offset_ms"), Some("0"));
        assert_eq!(head(&story.s3).await, Ok(()));
    }
}

#[tokio::test]
async fn a_request_that_is_rejected_again_takes_its_lesson_back() {
    let story = Story::new(0, Manner::ByCode);
    // MinIO's clock jumps: its second answer contradicts its first.
    story.wire.set_ahead(2 * HOUR);
    let jump = Answer {
        body: "<Error><Code>RequestTimeTooSkewed</Code></Error>".into(),
        ..Answer::empty_403(shifted(story.world.true_time(), HOUR))
    };
    story.wire.plan([Fate::answered(jump)]);
    assert_eq!(story.cost().await, 2);
    story.is_the_machines();
    assert_eq!(story.log.names(), ["skew", "retry_failed", "withdrawn"]);
}

#[tokio::test]
async fn a_later_attempt_of_the_same_request_takes_its_lesson_back_as_well() {
    let story = Story::new(0, Manner::Silently);
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let config = config_on(&story.wire, S3)
        .into_builder()
        .retry_config(retries)
        .build();
    let s3 = s3(&config, &story.clock);
    let lie = || {
        Fate::answered(Answer::empty_403(shifted(
            story.world.true_time(),
            20 * MINUTE,
        )))
    };
    for between in [Fate::lost(), Fate::answered(Answer::new(503, ""))] {
        story.world.advance(minutes(60));
        story.wire.plan([lie(), between, lie()]);
        let before = story.wire.sent();
        assert!(head(&s3).await.is_err());
        assert_eq!(story.wire.sent() - before, 3);
        story.is_the_machines();
    }
}

#[tokio::test]
async fn what_stood_before_is_restored() {
    let story = Story::new(-3 * HOUR, Manner::InWords);
    assert_eq!(head(&story.s3).await, Ok(()));
    let before = story.clock.status().offset();
    story.lies(20 * MINUTE, 2);
    assert_eq!(story.cost().await, 2);
    assert_eq!(story.clock.status().offset(), before);
    story.knows_the_time();
    let withdrawn = story.log.incidents().pop().unwrap();
    assert_eq!(withdrawn.get("incident"), Some("withdrawn"));
    let offset = before.as_millis().to_string();
    assert_eq!(withdrawn.get("offset_ms"), Some(&*offset));
    // A lie that the machine's own clock is right is one like the others.
    story.world.advance(minutes(2));
    story.lies(-3 * HOUR, 2);
    assert_eq!(story.cost().await, 2);
    assert_eq!(story.clock.status().offset(), before);
    assert_eq!(story.log.counted("incidents", "incident", "withdrawn"), 2);
    assert_eq!(story.cost().await, 1);
}

#[tokio::test]
async fn sixty_seconds_without_a_confirmation_take_it_back() {
    for (skew, lie) in [
        (0, 20 * MINUTE),
        (-3 * HOUR, 20 * MINUTE),
        (-3 * HOUR, -3 * HOUR),
    ] {
        let story = Story::new(skew, Manner::InWords);
        assert_eq!(head(&story.s3).await, Ok(()));
        let before = story.clock.status().offset();
        story.lies(lie, 1);
        story.wire.plan([Fate::lost()]);
        assert!(head(&story.s3).await.is_err());
        assert_ne!(story.clock.status().offset(), before);
        story.world.advance(Duration::from_millis(59_999));
        assert_ne!(story.clock.status().offset(), before);
        story.world.advance(Duration::from_millis(1));
        // Nobody has asked but for the time.
        story.knows_the_time();
        assert_eq!(story.clock.status().offset(), before);
        assert_eq!(story.log.names().last().unwrap(), "withdrawn");
        assert_eq!(head(&story.s3).await, Ok(()));
    }
}

#[tokio::test]
async fn a_lost_second_send_is_confirmed_by_another_call() {
    let story = Story::new(-20 * MINUTE, Manner::Silently);
    story.wire.plan([Fate::default(), Fate::lost()]);
    assert!(head(&story.s3).await.is_err(), "the connection broke");
    story.world.advance(Duration::from_secs(59));
    assert_eq!(head(&story.s3).await, Ok(()));
    story.world.advance(minutes(60));
    story.knows_the_time();
    assert_eq!(story.cost().await, 1);
    assert_eq!(story.log.names(), ["skew"]);
    assert_eq!(story.log.counted("retries", "outcome", "failed"), 1);
}

#[tokio::test]
async fn whatever_looks_past_the_time_confirms() {
    let wrong_key = "<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we \
        calculated does not match the signature you provided.</Message></Error>";
    let expired = "<Error><Code>ExpiredToken</Code><Message>The provided token has \
        expired.</Message></Error>";
    for (status, body, confirms) in [
        (200, "", true),
        (304, "", true),
        (404, "", true),
        (412, "", true),
        (403, wrong_key, true),
        (500, "", false),
        (429, "", false),
        (400, expired, false),
    ] {
        let story = Story::new(-20 * MINUTE, Manner::Silently);
        let second = Answer::new(status, body);
        story.wire.plan([Fate::default(), Fate::answered(second)]);
        assert_eq!(story.cost().await, 2);
        // No answer takes it back that does not say that the time is still wrong.
        story.knows_the_time();
        story.world.advance(Duration::from_secs(60));
        story.clock.now();
        assert_eq!(
            story.clock.status().is_corrected(),
            confirms,
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn after_a_lie_its_host_is_not_heard_for_a_minute_then_two_up_to_an_hour() {
    let story = Story::new(0, Manner::Silently);
    for silence in [1, 2, 4, 8, 16, 32, 60, 60] {
        story.lies(20 * MINUTE, 2);
        assert_eq!(story.cost().await, 2, "before {silence} min");
        story
            .world
            .advance(minutes(silence) - Duration::from_secs(1));
        story.lies(20 * MINUTE, 1);
        assert_eq!(story.cost().await, 1, "{silence} min");
        story.is_the_machines();
        story.world.advance(Duration::from_secs(1));
    }
    // Told the truth, it is heard as before.
    story.world.set_skew(-20 * MINUTE);
    assert_eq!(head(&story.s3).await, Ok(()));
    story.world.set_skew(0);
    story.world.advance(minutes(1));
    story.is_the_machines();
    story.lies(20 * MINUTE, 2);
    assert_eq!(story.cost().await, 2);
    story.world.advance(minutes(1));
    story.lies(20 * MINUTE, 2);
    assert_eq!(story.cost().await, 2);
}

/// Credentials that are good by any clock, and how often they were asked for.
#[derive(Clone, Debug)]
struct Loads(Arc<AtomicUsize>, SystemTime);

impl Loads {
    fn count(&self) -> usize {
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
async fn identity_caches_are_emptied_once_a_move_is_confirmed_or_taken_back() {
    for is_lie in [false, true] {
        let skew = if is_lie { 0 } else { -20 * MINUTE };
        let story = Story::new(skew, Manner::Silently);
        let expiry = shifted(story.world.true_time(), 30 * DAY);
        let loads = Loads(Arc::default(), expiry);
        let config = without_retries(config_on(&story.wire, S3))
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(loads.clone()))
            .identity_cache(story.clock.identity_cache())
            .build();
        let s3 = s3(&config, &story.clock);
        if is_lie {
            story.lies(20 * MINUTE, 2);
        }
        assert_eq!(head(&s3).await.is_ok(), !is_lie);
        assert_eq!(story.wire.sent(), 2);
        assert_eq!(loads.count(), 1, "the second send had the same identity");
        for _ in 0..3 {
            assert_eq!(head(&s3).await, Ok(()));
        }
        assert_eq!(loads.count(), 2, "is a lie: {is_lie}");
    }
}

#[tokio::test]
async fn an_unsigned_request_teaches_and_confirms_nothing() {
    let story = Story::new(0, Manner::Silently);
    let anonymous = aws_sdk_s3::Client::from_conf(
        story
            .s3
            .config()
            .to_builder()
            .allow_no_auth()
            .auth_scheme_preference([AuthSchemeId::from("noAuth")])
            .build(),
    );
    story.lies(20 * MINUTE, 2);
    assert!(head(&anonymous).await.is_err());
    assert_eq!(story.wire.sent(), 1);
    story.is_the_machines();
    story.wire.forget_plans();
    // A lesson that waits for its confirmation does not get it here.
    story.lies(20 * MINUTE, 1);
    story
        .wire
        .plan([Fate::lost(), Fate::answered(Answer::new(200, ""))]);
    assert!(head(&story.s3).await.is_err());
    assert!(story.clock.status().is_corrected());
    assert_eq!(head(&anonymous).await, Ok(()));
    story.world.advance(Duration::from_secs(60));
    story.is_the_machines();
}

#[tokio::test]
async fn an_accepted_answer_that_contradicts_it_does_not_confirm_it() {
    let story = Story::new(0, Manner::Silently);
    // Ten minutes: a signature that is dated so is let through.
    story.lies(10 * MINUTE, 1);
    assert_eq!(head(&story.s3).await, Ok(()));
    assert!(story.clock.status().is_corrected());
    story.world.advance(Duration::from_secs(60));
    story.is_the_machines();
    assert_eq!(story.log.names(), ["skew", "withdrawn"]);
}

#[tokio::test]
async fn what_a_server_says_twice_needs_no_second_send_to_be_believed() {
    let story = Story::new(-20 * MINUTE, Manner::ByCode);
    let mut outcomes = Vec::new();
    for _ in 0..6 {
        // A stream cannot be sent again, and there is no other call.
        let put = story.s3.put_object().bucket("b").key("k").content_length(4);
        outcomes.push(put.body(once(b"once")).send().await.is_ok());
        story.world.advance(minutes(60));
    }
    assert_eq!(outcomes, [false, false, true, true, true, true]);
    assert_eq!(story.wire.sent(), 6);
    story.knows_the_time();
}

#[tokio::test]
async fn a_denial_does_not_discredit_the_rejection_before_it() {
    let story = Story::new(-20 * MINUTE, Manner::ByCode);
    let denied = Answer {
        body: "<Error><Code>AccessDenied</Code></Error>".into(),
        ..Answer::empty_403(story.world.true_time())
    };
    story.wire.plan([Fate::default(), Fate::answered(denied)]);
    assert_eq!(story.cost().await, 2);
    // Whoever has the right to call is let through.
    for _ in 0..3 {
        story.world.advance(Duration::from_secs(10));
        assert_eq!(head(&story.s3).await, Ok(()));
    }
    story.knows_the_time();
}
