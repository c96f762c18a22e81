//! The `Date` of accepted answers: it can end a correction, and nothing else.

use std::time::Duration;

use crate::trust::Scenario;
use crate::wire::{Answer, Fate, Manner};
use crate::world::{HOUR, MINUTE, minutes, shifted};

/// AWS was made to say, in an error message, that it is ten minutes later than it is; it
/// tolerates fifteen.
async fn misled() -> Scenario {
    misled_to("20270116T081000Z", "20270116T080500Z", 10).await
}

async fn misled_to(server: &str, bound: &str, ahead: i64) -> Scenario {
    let scenario = Scenario::new(0, Manner::InMessage);
    scenario.aws.set_tolerance(minutes(15));
    let text = format!(
        "Signature expired: 20270116T080000Z is now earlier than {bound} ({server} - 5 min.)"
    );
    let body = format!(r#"{{"__type":"InvalidSignatureException","message":"{text}"}}"#);
    let date = shifted(scenario.world.true_time(), ahead * MINUTE);
    scenario.aws.plan([
        Fate::answered(Answer::new(400, &body)),
        // So that the second send says nothing against it.
        Fate::answered(Answer::new(200, "{}").dated(date)),
    ]);
    assert_eq!(scenario.calls_aws().await, Ok(()));
    let offset = scenario.clock.status().offset().as_millis();
    assert!((offset - ahead * 60_000).abs() <= 1_000, "{offset}");
    scenario
}

#[tokio::test]
async fn three_contradicting_accepted_answers_end_a_correction() {
    let scenario = misled().await;
    for (call, is_corrected) in [(1, true), (2, true), (3, false)] {
        assert_eq!(scenario.calls_aws().await, Ok(()));
        assert_eq!(
            scenario.clock.status().is_correcting(),
            is_corrected,
            "{call}"
        );
    }
    assert_eq!(scenario.clock.now(), scenario.world.machine_wall());
    assert_eq!(
        scenario.log.names(),
        ["skew_detected", "correction_cleared"]
    );
}

#[tokio::test]
async fn one_agreeing_answer_in_between_starts_the_count_again() {
    let scenario = misled().await;
    let agreeing = || {
        let date = shifted(scenario.world.true_time(), 10 * MINUTE);
        Fate::answered(Answer::new(200, "{}").dated(date))
    };
    for _ in 0..5 {
        scenario
            .aws
            .plan([Fate::default(), Fate::default(), agreeing()]);
        for _ in 0..3 {
            assert_eq!(scenario.calls_aws().await, Ok(()));
            assert!(scenario.clock.status().is_correcting());
        }
    }
}

#[tokio::test]
async fn an_accepted_answer_without_a_usable_date_ends_nothing() {
    let scenario = misled().await;
    let truth = scenario.world.true_time();
    for answer in [
        Answer::new(200, "{}").dated(truth).with("age", "1"),
        Answer::new(200, "{}").dated(truth).dated(truth),
        Answer::new(404, "{}").dated(truth),
        Answer::new(503, "").dated(truth),
        Answer::new(429, "").dated(truth),
    ] {
        for _ in 0..4 {
            scenario.aws.plan([Fate::answered(answer.clone())]);
            drop(scenario.calls_aws().await);
            assert!(scenario.clock.status().is_correcting(), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_date_that_its_own_signature_contradicts_ends_nothing() {
    // Twenty minutes are more than anybody tolerates.
    let scenario = misled_to("20270116T082000Z", "20270116T081500Z", 20).await;
    for _ in 0..5 {
        let accepted = Answer::new(200, "{}").dated(scenario.world.true_time());
        scenario.aws.plan([Fate::answered(accepted)]);
        assert_eq!(scenario.calls_aws().await, Ok(()));
        assert!(scenario.clock.status().is_correcting());
    }
}

#[tokio::test]
async fn an_answer_that_fits_both_clocks_ends_nothing() {
    let scenario = misled().await;
    for _ in 0..5 {
        // Twelve minutes on the way: the server's time was any of them.
        scenario.aws.plan([Fate {
            before: minutes(12),
            ..Fate::default()
        }]);
        assert_eq!(scenario.calls_aws().await, Ok(()));
        assert!(scenario.clock.status().is_correcting());
    }
}

#[tokio::test]
async fn an_answer_that_fits_neither_clock_ends_nothing() {
    let scenario = Scenario::new(-3 * HOUR, Manner::InMessage);
    assert_eq!(scenario.calls_aws().await, Ok(()));
    for _ in 0..5 {
        let date = shifted(scenario.world.true_time(), 10 * MINUTE);
        let lie = Answer::new(200, "{}").dated(date);
        scenario.aws.plan([Fate::answered(lie)]);
        assert_eq!(scenario.calls_aws().await, Ok(()));
        scenario.knows_the_time();
    }
}

#[tokio::test]
async fn another_server_that_is_not_aws_ends_nothing() {
    let scenario = misled().await;
    for _ in 0..10 {
        assert_eq!(scenario.calls_lab().await, Ok(()));
        assert!(scenario.clock.status().is_correcting());
    }
}

#[tokio::test]
async fn aws_ends_a_correction_by_a_server_that_is_not_aws() {
    let scenario = Scenario::new(0, Manner::InMessage);
    scenario.lab.set_tolerance(minutes(5));
    scenario.lab.set_ahead(10 * MINUTE);
    scenario.aws.set_tolerance(minutes(15));
    assert_eq!(scenario.calls_lab().await, Ok(()));
    assert!(scenario.clock.status().is_correcting());
    for _ in 0..3 {
        assert_eq!(scenario.calls_aws().await, Ok(()));
    }
    assert_eq!(scenario.clock.now(), scenario.world.machine_wall());
    assert_eq!(scenario.aws.rejected(), 0);
}

#[tokio::test]
async fn an_endless_supply_of_wrong_dates_never_changes_a_correct_clock() {
    let scenario = Scenario::new(0, Manner::InMessage);
    let kinds = [(200, "{}"), (503, ""), (200, "{}"), (429, ""), (404, "{}")];
    for (round, (status, body)) in (0..300).zip(kinds.into_iter().cycle()) {
        let ahead = (round % 7 - 3) * 11 * MINUTE;
        let date = shifted(scenario.world.true_time(), ahead);
        let lie = Answer::new(status, body)
            .dated(date)
            .with("x-amzn-requestid", "1");
        scenario.aws.plan([Fate::answered(lie)]);
        drop(scenario.calls_aws().await);
        assert_eq!(scenario.clock.now(), scenario.world.machine_wall());
        assert_eq!(scenario.clock.status().event_count(), 0);
        scenario.world.advance(Duration::from_secs(7));
    }
}

#[tokio::test]
async fn wrong_dates_on_errors_leave_a_correct_clock_and_cost_one_resend() {
    let scenario = Scenario::new(0, Manner::Silently);
    const CALLS: usize = 1_000;
    for call in 0..CALLS {
        let lie = Answer::empty_403(shifted(scenario.world.true_time(), 20 * MINUTE));
        // Whatever it is asked, a proxy says this.
        scenario.lab.plan(vec![Fate::answered(lie); 2]);
        assert!(scenario.calls_lab().await.is_err());
        assert_eq!(
            scenario.clock.now(),
            scenario.world.machine_wall(),
            "{call}"
        );
        scenario.lab.forget_plans();
        scenario.world.advance(Duration::from_secs(7));
    }
    // It is tried once. An error that does not name the time may be a denial.
    let rejected = scenario.log.counted("events", "event", "trial_rejected");
    assert_eq!((rejected, scenario.lab.sent()), (0, CALLS + 1));
    assert_eq!(scenario.calls_aws().await, Ok(()));
}
