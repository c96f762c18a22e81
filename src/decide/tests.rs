//! The doors that sign by themselves; those that move the clock first are tested
//! with the clients that use them.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::evidence::{Evidence, ResponseView};
use crate::judge::Attempt;
use crate::trust::Limits;

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// A machine with a right clock, and a door that signs again by itself.
struct Story {
    estimator: Estimator,
    reading: Reading,
    events: Vec<SkewEvent>,
}

impl Story {
    fn new() -> Self {
        Self {
            estimator: Estimator::new(Limits::default()),
            reading: Reading {
                wall: UNIX_EPOCH + Duration::from_secs(1_900_000_000),
                boot: Duration::from_secs(1_000),
            },
            events: Vec::new(),
        }
    }

    /// The answer of `host` to a request signed `signed` seconds from now, with a
    /// `Date` that is `ahead` of now.
    fn hears<R>(
        &mut self,
        host: &str,
        (signed, status, ahead): (i64, u16, i64),
        hear: impl FnOnce(&mut Estimator, &Exchange<'_>, Reading, &mut Vec<SkewEvent>) -> R,
    ) -> R {
        let at = |seconds: i64| ClockOffset::from_millis(seconds * 1_000).shift(self.reading.wall);
        let date = httpdate::fmt_http_date(at(ahead));
        let view = ResponseView::new(status, b"")
            .with_date(&date)
            .with_request_id("id-1");
        let host = Host::new(host, true);
        let exchange = Exchange {
            attempt: Attempt {
                signed_at: Some(at(signed)),
                signing_boot: self.reading.boot,
                sent: self.reading,
                received: self.reading,
            },
            evidence: &Evidence::read(&view),
            host: host.as_ref(),
            service: None,
            operation: None,
            door: Door::Resigner,
            moves_at_signing: self.estimator.moves(),
            request: 1,
            is_second: signed != 0,
        };
        hear(
            &mut self.estimator,
            &exchange,
            self.reading,
            &mut self.events,
        )
    }

    #[track_caller]
    fn says(&self, expected: &[&str]) {
        let names: Vec<_> = self.events.iter().map(SkewEvent::name).collect();
        assert_eq!(names, expected);
    }
}

const AWS: &str = "s3.us-east-1.amazonaws.com";
const LAB: &str = "minio.lab.example";

#[test]
fn a_time_by_date_is_tried_before_it_is_learned() {
    let mut story = Story::new();
    let ruling = story.hears(AWS, (0, 403, 20 * MINUTE), rule);
    assert!(ruling.resign);
    let lesson = ruling.pending.expect("waits for the second answer");
    assert_eq!(ruling.sign_by, Some(lesson.point));
    assert_eq!(story.estimator.moves(), 0);
    let let_through = (20 * MINUTE, 404, 20 * MINUTE);
    story.hears(AWS, let_through, |estimator, exchange, reading, said| {
        settle(estimator, exchange, &lesson, reading, said);
    });
    assert!(story.estimator.estimate().is_some() && !story.estimator.is_provisional());
    story.says(&["skew_detected"]);
}

#[test]
fn an_accepted_answer_that_contradicts_the_time_it_was_tried_by_teaches_nothing() {
    let mut story = Story::new();
    let ruling = story.hears(AWS, (0, 403, 10 * MINUTE), rule);
    let lesson = ruling.pending.unwrap();
    // The server tolerates fifteen minutes, and knows the time.
    let accepted = (10 * MINUTE, 200, 0);
    story.hears(AWS, accepted, |estimator, exchange, reading, said| {
        settle(estimator, exchange, &lesson, reading, said);
    });
    assert_eq!(story.estimator.moves(), 0);
    story.says(&[]);
}

#[test]
fn a_second_refusal_by_date_moves_nothing() {
    let mut story = Story::new();
    assert!(story.hears(AWS, (0, 403, 20 * MINUTE), rule).resign);
    let second = (20 * MINUTE, 403, 60 * MINUTE);
    assert_eq!(story.hears(AWS, second, rule), Ruling::pass());
    assert_eq!(story.estimator.moves(), 0);
    story.says(&[]);
}

/// Not the interceptor, but a door that signs by itself.
#[test]
fn a_denial_does_not_silence_the_host_of_a_rejection() {
    let mut story = Story::new();
    let lesson = Lesson {
        is_rejection: true,
        ..story
            .hears(LAB, (0, 403, 20 * MINUTE), rule)
            .pending
            .unwrap()
    };
    let denied = (20 * MINUTE, 403, 20 * MINUTE);
    story.hears(LAB, denied, |estimator, exchange, reading, said| {
        settle(estimator, exchange, &lesson, reading, said);
    });
    assert!(!story.estimator.trust.is_muted(LAB, story.reading.boot));
    assert!(story.hears(LAB, (0, 403, 20 * MINUTE), rule).resign);
}

#[test]
fn nothing_is_signed_for_a_time_beyond_the_limit() {
    for vouched in [false, true] {
        let mut story = Story::new();
        if vouched {
            story.hears(AWS, (0, 200, 0), accept);
        }
        let ruling = story.hears(LAB, (0, 403, 8 * DAY), rule);
        assert_eq!(ruling, Ruling::pass(), "vouched: {vouched}");
        assert_eq!(story.estimator.moves(), 0);
        story.says(&["offset_limit_exceeded"]);
    }
}

#[test]
fn a_host_in_dispute_is_signed_for_by_its_own_time() {
    let mut story = Story::new();
    story.hears(AWS, (0, 200, 0), accept);
    let ruling = story.hears(LAB, (0, 403, 20 * MINUTE), rule);
    assert!(ruling.resign && ruling.is_disputed && ruling.pending.is_none());
    let lab = Host::new(LAB, true).unwrap();
    assert_eq!(ruling.sign_by, story.estimator.trust.disputed(&lab));
    assert!(ruling.sign_by.is_some());
    assert_eq!(story.estimator.moves(), 0);
    story.says(&["hosts_disagree"]);
}

#[test]
fn aws_vouches_for_the_clock_that_signs_now_and_for_no_other() {
    let lab = Host::new(LAB, true);
    for vouches in [true, false] {
        let mut story = Story::new();
        story.hears(AWS, (0, 200, 0), |estimator, exchange, reading, said| {
            let moves_at_signing = if vouches {
                exchange.moves_at_signing
            } else {
                Exchange::SIGNED_BY_ANOTHER
            };
            let exchange = Exchange {
                moves_at_signing,
                ..*exchange
            };
            accept(estimator, &exchange, reading, said);
        });
        let objection = story
            .estimator
            .trust
            .objection_to(lab.as_ref(), story.reading);
        assert_eq!(objection.is_some(), vouches);
    }
}
