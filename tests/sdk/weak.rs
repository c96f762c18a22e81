//! The `Date` of accepted answers: it can end a correction, and nothing else.

use std::time::Duration;

use crate::trust::Story;
use crate::wire::{Answer, Fate, Manner};
use crate::world::{HOUR, MINUTE, minutes, shifted};

/// AWS was made to say, in words, that it is ten minutes later than it is; it
/// tolerates fifteen.
async fn misled() -> Story {
    misled_to("20270116T081000Z", "20270116T080500Z", 10).await
}

async fn misled_to(server: &str, bound: &str, ahead: i64) -> Story {
    let story = Story::new(0, Manner::InWords);
    story.aws.set_tolerance(minutes(15));
    let text = format!(
        "Signature expired: 20270116T080000Z is now earlier than {bound} ({server} - 5 min.)"
    );
    let body = format!(r#"{{"__type":"InvalidSignatureException","message":"{text}"}}"#);
    let date = shifted(story.world.true_time(), ahead * MINUTE);
    story.aws.plan([
        Fate::answered(Answer::new(400, &body)),
        // So that the second send says nothing against it.
        Fate::answered(Answer::new(200, "{}").dated(date)),
    ]);
    assert_eq!(story.calls_aws().await, Ok(()));
    let offset = story.clock.status().offset().as_millis();
    assert!((offset - ahead * 60_000).abs() <= 1_000, "{offset}");
    story
}

#[tokio::test]
async fn three_contradicting_accepted_answers_end_a_correction() {
    let story = misled().await;
    for (call, is_corrected) in [(1, true), (2, true), (3, false)] {
        assert_eq!(story.calls_aws().await, Ok(()));
        assert_eq!(story.clock.status().is_correcting(), is_corrected, "{call}");
    }
    assert_eq!(story.clock.now(), story.world.machine_wall());
    assert_eq!(story.log.names(), ["skew_detected", "correction_cleared"]);
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
            assert!(story.clock.status().is_correcting());
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
            assert!(story.clock.status().is_correcting(), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_date_that_its_own_signature_belies_ends_nothing() {
    // Twenty minutes are more than anybody tolerates.
    let story = misled_to("20270116T082000Z", "20270116T081500Z", 20).await;
    for _ in 0..5 {
        let accepted = Answer::new(200, "{}").dated(story.world.true_time());
        story.aws.plan([Fate::answered(accepted)]);
        assert_eq!(story.calls_aws().await, Ok(()));
        assert!(story.clock.status().is_correcting());
    }
}

#[tokio::test]
async fn an_answer_that_fits_both_clocks_ends_nothing() {
    let story = misled().await;
    for _ in 0..5 {
        // Twelve minutes on the way: the server's time was any of them.
        story.aws.plan([Fate {
            before: minutes(12),
            ..Fate::default()
        }]);
        assert_eq!(story.calls_aws().await, Ok(()));
        assert!(story.clock.status().is_correcting());
    }
}

#[tokio::test]
async fn an_answer_that_fits_neither_clock_ends_nothing() {
    let story = Story::new(-3 * HOUR, Manner::InWords);
    assert_eq!(story.calls_aws().await, Ok(()));
    for _ in 0..5 {
        let date = shifted(story.world.true_time(), 10 * MINUTE);
        let lie = Answer::new(200, "{}").dated(date);
        story.aws.plan([Fate::answered(lie)]);
        assert_eq!(story.calls_aws().await, Ok(()));
        story.knows_the_time();
    }
}

#[tokio::test]
async fn a_stranger_ends_nothing() {
    let story = misled().await;
    for _ in 0..10 {
        assert_eq!(story.calls_lab().await, Ok(()));
        assert!(story.clock.status().is_correcting());
    }
}

#[tokio::test]
async fn aws_ends_what_a_box_in_the_lab_has_taught() {
    let story = Story::new(0, Manner::InWords);
    story.lab.set_tolerance(minutes(5));
    story.lab.set_ahead(10 * MINUTE);
    story.aws.set_tolerance(minutes(15));
    assert_eq!(story.calls_lab().await, Ok(()));
    assert!(story.clock.status().is_correcting());
    for _ in 0..3 {
        assert_eq!(story.calls_aws().await, Ok(()));
    }
    assert_eq!(story.clock.now(), story.world.machine_wall());
    assert_eq!(story.aws.rejected(), 0);
}

#[tokio::test]
async fn an_endless_supply_of_lying_dates_never_moves_a_right_clock() {
    let story = Story::new(0, Manner::InWords);
    let kinds = [(200, "{}"), (503, ""), (200, "{}"), (429, ""), (404, "{}")];
    for (round, (status, body)) in (0..300).zip(kinds.into_iter().cycle()) {
        let ahead = (round % 7 - 3) * 11 * MINUTE;
        let date = shifted(story.world.true_time(), ahead);
        let lie = Answer::new(status, body)
            .dated(date)
            .with("x-amzn-requestid", "1");
        story.aws.plan([Fate::answered(lie)]);
        drop(story.calls_aws().await);
        assert_eq!(story.clock.now(), story.world.machine_wall());
        assert_eq!(story.clock.status().event_count(), 0);
        story.world.advance(Duration::from_secs(7));
    }
}

#[tokio::test]
async fn wrong_dates_on_errors_leave_a_correct_clock_and_cost_one_resend() {
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
    // It is tried once. An error that does not name the time may be a denial.
    let rejected = story.log.counted("events", "event", "trial_rejected");
    assert_eq!((rejected, story.lab.sent()), (0, CALLS + 1));
    assert_eq!(story.calls_aws().await, Ok(()));
}
