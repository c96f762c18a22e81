//! The `Date` of accepted responses: it can end a correction, and nothing else.

use std::time::Duration;

use crate::two_servers::TwoServers;
use crate::wire::{Answer, Fate, Manner};
use crate::world::{HOUR, MINUTE, minutes, shifted};

/// A wrong correction: AWS has stated, in an error message, a time ten minutes ahead of the true
/// one. It tolerates fifteen.
async fn wrongly_corrected() -> TwoServers {
    corrected_to("20270116T081000Z", "20270116T080500Z", 10).await
}

async fn corrected_to(server: &str, bound: &str, ahead: i64) -> TwoServers {
    let servers = TwoServers::installed(0, Manner::InMessage);
    servers.aws.set_tolerance(minutes(15));
    let text = format!(
        "Signature expired: 20270116T080000Z is now earlier than {bound} ({server} - 5 min.)"
    );
    let body = format!(r#"{{"__type":"InvalidSignatureException","message":"{text}"}}"#);
    let date = shifted(servers.world.true_time(), ahead * MINUTE);
    servers.aws.plan([
        Fate::answered(Answer::new(400, &body)),
        // So that the response to the resend does not contradict it.
        Fate::answered(Answer::new(200, "{}").dated(date)),
    ]);
    assert_eq!(servers.call_aws().await, Ok(()));
    let offset = servers.clock.status().offset().as_millis();
    assert!((offset - ahead * 60_000).abs() <= 1_000, "{offset}");
    servers
}

#[tokio::test]
async fn three_contradicting_accepted_answers_end_a_correction() {
    let servers = wrongly_corrected().await;
    for (call, is_corrected) in [(1, true), (2, true), (3, false)] {
        assert_eq!(servers.call_aws().await, Ok(()));
        assert_eq!(
            servers.clock.status().is_correcting(),
            is_corrected,
            "{call}"
        );
    }
    assert_eq!(servers.clock.now(), servers.world.machine_wall());
    assert_eq!(servers.log.names(), ["skew_detected", "correction_cleared"]);
}

#[tokio::test]
async fn one_agreeing_answer_in_between_starts_the_count_again() {
    let servers = wrongly_corrected().await;
    let agreeing = || {
        let date = shifted(servers.world.true_time(), 10 * MINUTE);
        Fate::answered(Answer::new(200, "{}").dated(date))
    };
    for _ in 0..5 {
        servers
            .aws
            .plan([Fate::default(), Fate::default(), agreeing()]);
        for _ in 0..3 {
            assert_eq!(servers.call_aws().await, Ok(()));
            assert!(servers.clock.status().is_correcting());
        }
    }
}

#[tokio::test]
async fn an_accepted_answer_without_a_usable_date_ends_nothing() {
    let servers = wrongly_corrected().await;
    let truth = servers.world.true_time();
    for answer in [
        Answer::new(200, "{}").dated(truth).with("age", "1"),
        Answer::new(200, "{}").dated(truth).dated(truth),
        Answer::new(404, "{}").dated(truth),
        Answer::new(503, "").dated(truth),
        Answer::new(429, "").dated(truth),
    ] {
        for _ in 0..4 {
            servers.aws.plan([Fate::answered(answer.clone())]);
            drop(servers.call_aws().await);
            assert!(servers.clock.status().is_correcting(), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_date_that_its_own_signature_contradicts_ends_nothing() {
    // Twenty minutes are more than any service tolerates.
    let servers = corrected_to("20270116T082000Z", "20270116T081500Z", 20).await;
    for _ in 0..5 {
        let accepted = Answer::new(200, "{}").dated(servers.world.true_time());
        servers.aws.plan([Fate::answered(accepted)]);
        assert_eq!(servers.call_aws().await, Ok(()));
        assert!(servers.clock.status().is_correcting());
    }
}

#[tokio::test]
async fn an_answer_that_fits_both_clocks_ends_nothing() {
    let servers = wrongly_corrected().await;
    for _ in 0..5 {
        // Twelve minutes on the way: the server's time may be any of them.
        servers.aws.plan([Fate {
            before: minutes(12),
            ..Fate::default()
        }]);
        assert_eq!(servers.call_aws().await, Ok(()));
        assert!(servers.clock.status().is_correcting());
    }
}

#[tokio::test]
async fn an_answer_that_fits_neither_clock_ends_nothing() {
    let servers = TwoServers::installed(-3 * HOUR, Manner::InMessage);
    assert_eq!(servers.call_aws().await, Ok(()));
    for _ in 0..5 {
        let date = shifted(servers.world.true_time(), 10 * MINUTE);
        let misdated = Answer::new(200, "{}").dated(date);
        servers.aws.plan([Fate::answered(misdated)]);
        assert_eq!(servers.call_aws().await, Ok(()));
        servers.assert_true_time();
    }
}

#[tokio::test]
async fn another_server_that_is_not_aws_ends_nothing() {
    let servers = wrongly_corrected().await;
    for _ in 0..10 {
        assert_eq!(servers.call_minio().await, Ok(()));
        assert!(servers.clock.status().is_correcting());
    }
}

#[tokio::test]
async fn aws_ends_a_correction_by_a_server_that_is_not_aws() {
    let servers = TwoServers::installed(0, Manner::InMessage);
    servers.minio.set_tolerance(minutes(5));
    servers.minio.set_ahead(10 * MINUTE);
    servers.aws.set_tolerance(minutes(15));
    assert_eq!(servers.call_minio().await, Ok(()));
    assert!(servers.clock.status().is_correcting());
    for _ in 0..3 {
        assert_eq!(servers.call_aws().await, Ok(()));
    }
    assert_eq!(servers.clock.now(), servers.world.machine_wall());
    assert_eq!(servers.aws.rejected(), 0);
}

#[tokio::test]
async fn an_endless_supply_of_wrong_dates_never_changes_a_correct_clock() {
    let servers = TwoServers::installed(0, Manner::InMessage);
    let kinds = [(200, "{}"), (503, ""), (200, "{}"), (429, ""), (404, "{}")];
    for (round, (status, body)) in (0..300).zip(kinds.into_iter().cycle()) {
        let ahead = (round % 7 - 3) * 11 * MINUTE;
        let date = shifted(servers.world.true_time(), ahead);
        let misdated = Answer::new(status, body)
            .dated(date)
            .with("x-amzn-requestid", "1");
        servers.aws.plan([Fate::answered(misdated)]);
        drop(servers.call_aws().await);
        assert_eq!(servers.clock.now(), servers.world.machine_wall());
        assert_eq!(servers.clock.status().event_count(), 0);
        servers.world.advance(Duration::from_secs(7));
    }
}

#[tokio::test]
async fn wrong_dates_on_errors_leave_a_correct_clock_and_cost_one_resend() {
    let servers = TwoServers::installed(0, Manner::Silently);
    const CALLS: usize = 1_000;
    for call in 0..CALLS {
        let misdated = Answer::empty_403(shifted(servers.world.true_time(), 20 * MINUTE));
        // A proxy sends this response to every request.
        servers.minio.plan(vec![Fate::answered(misdated); 2]);
        assert!(servers.call_minio().await.is_err());
        assert_eq!(servers.clock.now(), servers.world.machine_wall(), "{call}");
        servers.minio.forget_plans();
        servers.world.advance(Duration::from_secs(7));
    }
    // The clock tries it once. An error that does not name the time may be a denial.
    let rejected = servers.log.counted("events", "event", "trial_rejected");
    assert_eq!((rejected, servers.minio.sent()), (0, CALLS + 1));
    assert_eq!(servers.call_aws().await, Ok(()));
}
