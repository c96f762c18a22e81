//! Possible clock skew errors, corrected by their `Date`.

use std::time::Duration;

use aws_clock_skew::SkewClock;
use tokio::task::JoinSet;

use crate::clients::{config_on, head, s3, without_retries};
use crate::log::Log;
use crate::wire::{Answer, Fate, Manner, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes, shifted};

pub(crate) const S3: &str = "https://s3.us-east-1.amazonaws.com";

/// A machine, S3, and a client of it.
pub(crate) struct Scenario {
    pub(crate) log: Log,
    pub(crate) world: World,
    pub(crate) wire: Wire,
    pub(crate) clock: SkewClock,
    pub(crate) s3: aws_sdk_s3::Client,
}

impl Scenario {
    pub(crate) fn new(skew: i64, manner: Manner) -> Self {
        let log = Log::start();
        let world = World::with_skew(skew);
        let wire = Wire::with_manner(&world, minutes(15), manner);
        let clock = world.skew_clock();
        let s3 = s3(&without_retries(config_on(&wire, S3)), &clock);
        Self {
            log,
            world,
            wire,
            clock,
            s3,
        }
    }

    /// Plans `count` error responses whose `Date` is `ahead` seconds ahead of the true time.
    pub(crate) fn plan_misdated(&self, ahead: i64, count: usize) {
        let misdated = Answer::empty_403(shifted(self.world.true_time(), ahead));
        self.wire.plan(vec![Fate::answered(misdated); count]);
    }

    /// How many requests one more call costs.
    pub(crate) async fn cost(&self) -> usize {
        let before = self.wire.sent();
        drop(head(&self.s3).await);
        self.wire.sent() - before
    }

    #[track_caller]
    pub(crate) fn assert_true_time(&self) {
        self.world.assert_true_time(&self.clock);
    }

    #[track_caller]
    pub(crate) fn assert_local_time(&self) {
        self.world.assert_local_time(&self.clock);
    }
}

#[tokio::test]
async fn errors_that_do_not_state_a_time_are_corrected_by_their_date() {
    for manner in Manner::WITHOUT_MESSAGE {
        for skew in [-2 * DAY, -20 * MINUTE, 20 * MINUTE, 9 * HOUR] {
            let scenario = Scenario::new(skew, manner);
            for call in 0..5 {
                assert_eq!(head(&scenario.s3).await, Ok(()), "{manner:?} {skew} {call}");
                scenario.world.advance(Duration::from_secs(61));
            }
            scenario.assert_true_time();
            assert_eq!(scenario.wire.sent(), 6, "{manner:?} {skew}");
            assert_eq!(scenario.wire.rejected(), 1, "{manner:?} {skew}");
            assert_eq!(scenario.log.names(), ["skew_detected"]);
            assert_eq!(scenario.log.events()[0].get("time_source"), Some("date"));
        }
    }
}

#[tokio::test]
async fn fifty_possible_clock_skew_errors_in_flight_lose_no_call_and_are_one_sample() {
    const CALLS: usize = 50;
    for manner in Manner::WITHOUT_MESSAGE {
        let scenario = Scenario::new(-20 * MINUTE, manner);
        scenario.wire.hold(CALLS);
        let mut calls = JoinSet::new();
        for _ in 0..CALLS {
            let s3 = scenario.s3.clone();
            calls.spawn(async move { head(&s3).await });
        }
        assert!(calls.join_all().await.iter().all(Result::is_ok));
        assert_eq!(scenario.wire.rejected(), CALLS, "{manner:?}");
        assert_eq!(scenario.wire.sent(), 2 * CALLS);
        assert_eq!(scenario.log.names(), ["skew_detected"]);
        assert_eq!(scenario.log.counted("events", "event", "skew_detected"), 1);
        scenario.assert_true_time();
    }
}

#[tokio::test]
async fn a_response_that_is_no_evidence_of_a_servers_time_changes_nothing() {
    for skew in [0, -20 * MINUTE] {
        let scenario = Scenario::new(skew, Manner::Silently);
        let date = shifted(scenario.world.true_time(), 2 * HOUR);
        let id = ("x-amz-request-id", "id-1");
        for answer in [
            Answer::new(403, "").dated(date),
            Answer::empty_403(date).with("age", "5"),
            Answer::empty_403(date).dated(date),
            Answer::new(403, "").with(id.0, id.1),
            Answer::new(403, "")
                .with(id.0, id.1)
                .with("date", "yesterday"),
            Answer::new(403, "")
                .with(id.0, id.1)
                .with("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
            Answer::new(403, "")
                .with(id.0, id.1)
                .with("date", "Tue, 31 Dec 2019 23:59:59 GMT"),
            Answer::new(404, "").dated(date).with(id.0, id.1),
            Answer::new(416, "").dated(date).with(id.0, id.1),
        ] {
            let shown = format!("{answer:?}");
            scenario.wire.plan([Fate::answered(answer)]);
            assert_eq!(scenario.cost().await, 1, "{shown}");
            scenario.assert_local_time();
        }
        assert_eq!(scenario.log.names(), Vec::<String>::new());
    }
}
