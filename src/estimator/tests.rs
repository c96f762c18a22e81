use super::*;
use crate::evidence::{Source, Strength};
use std::time::UNIX_EPOCH;

const MINUTE: i64 = 60_000;

fn reading(wall_ahead: i64, boot: u64) -> Reading {
    let right = UNIX_EPOCH + Duration::from_secs(1_900_000_000 + boot);
    Reading {
        wall: ClockOffset::from_millis(wall_ahead).shift(right),
        boot: Duration::from_secs(boot),
    }
}

/// What a server with a right clock teaches at `boot`.
fn lesson(boot: u64, strength: Strength) -> Lesson {
    lesson_of(0, boot, strength)
}

fn lesson_of(ahead: i64, boot: u64, strength: Strength) -> Lesson {
    let server_time = reading(ahead, boot).wall;
    let point = ClockOffset::from_boot(server_time, Duration::from_secs(boot));
    Lesson {
        point,
        interval: Interval::exactly(point).widened(Duration::from_secs(1)),
        at: Duration::from_secs(boot),
        server_time,
        source: Source::Message,
        strength,
        is_rejection: strength == Strength::Message,
    }
}

fn aws() -> Host {
    Host::new("sqs.us-east-1.amazonaws.com", true).unwrap()
}

fn taught(wall_ahead: i64) -> Estimator {
    let mut estimator = Estimator::new(Limits::default());
    let learned = estimator.learn(
        &lesson(100, Strength::Message),
        Some(&aws()),
        reading(wall_ahead, 100),
        Commitment::Firm,
    );
    assert_eq!(learned, Learned::Moved);
    estimator
}

#[test]
fn a_correction_follows_the_boot_clock_and_not_the_wall() {
    let estimator = taught(-20 * MINUTE);
    let truth = reading(0, 5_000).wall;
    for wall_ahead in [-20 * MINUTE, -MINUTE * 9_000, 77 * MINUTE] {
        assert_eq!(estimator.now(reading(wall_ahead, 5_000)), truth);
    }
}

#[test]
fn a_repaired_wall_clock_ends_a_correction_and_a_wrong_one_does_not() {
    for (wall_ahead, heals) in [
        (-20 * MINUTE, false),
        (-MINUTE, false),
        (-30_000, true),
        (0, true),
        (31_000, true),
        (MINUTE, false),
    ] {
        let mut estimator = taught(-20 * MINUTE);
        let at = reading(wall_ahead, 200);
        assert_eq!(estimator.heal(at).is_some(), heals, "{wall_ahead}");
        let expected = if heals { at.wall } else { reading(0, 200).wall };
        assert_eq!(estimator.now(at), expected);
    }
}

#[test]
fn a_lesson_that_agrees_with_the_wall_ends_the_correction() {
    let mut estimator = taught(-20 * MINUTE);
    let at = reading(-20 * MINUTE, 300);
    let lesson = lesson_of(-20 * MINUTE, 300, Strength::Message);
    assert_eq!(
        estimator.learn(&lesson, Some(&aws()), at, Commitment::Firm),
        Learned::Moved
    );
    assert_eq!(estimator.estimate(), None);
    assert_eq!(estimator.now(at), at.wall);
}

#[test]
fn a_provisional_move_is_taken_back_to_what_stood_before() {
    let mut estimator = taught(-20 * MINUTE);
    let before = estimator.estimate().cloned();
    let (moves, epoch) = (estimator.moves(), estimator.epoch());
    let at = reading(-20 * MINUTE, 300);
    let teacher = Commitment::Provisional { teacher: 7 };
    let lie = lesson_of(90 * MINUTE, 300, Strength::Date);
    assert_eq!(
        estimator.learn(&lie, Some(&aws()), at, teacher),
        Learned::Moved
    );
    assert!(estimator.is_taught_by(7) && !estimator.is_taught_by(8));
    assert_eq!(
        estimator.learn(&lie, Some(&aws()), at, teacher),
        Learned::Muted
    );
    assert!(estimator.take_back(at.boot, TakenBack::Refused));
    assert_eq!(estimator.estimate().cloned(), before);
    assert_eq!(
        estimator.epoch(),
        epoch + 1,
        "a cache may have been judged by it"
    );
    assert_eq!(estimator.moves(), moves + 2);
    // The host's Date teaches nothing for a minute.
    assert_eq!(
        estimator.learn(&lie, Some(&aws()), at, teacher),
        Learned::Muted
    );
    let later = reading(-20 * MINUTE, 360);
    assert_eq!(
        estimator.learn(&lie, Some(&aws()), later, teacher),
        Learned::Moved
    );
}

#[test]
fn a_provisional_move_is_confirmed_by_what_it_signed() {
    let mut estimator = Estimator::new(Limits::default());
    let at = reading(-20 * MINUTE, 300);
    let before = estimator.moves();
    let medium = lesson(300, Strength::Date);
    let teacher = Commitment::Provisional { teacher: 7 };
    assert_eq!(estimator.learn(&medium, None, at, teacher), Learned::Moved);
    let epoch = estimator.epoch();
    estimator.confirm(before);
    assert!(
        estimator.is_provisional(),
        "an older signature proves nothing"
    );
    assert!(!estimator.is_overdue(Duration::from_secs(359)));
    assert!(estimator.is_overdue(Duration::from_secs(360)));
    estimator.confirm(estimator.moves());
    assert!(!estimator.is_provisional());
    assert_eq!(estimator.epoch(), epoch + 1);
    assert!(!estimator.take_back(at.boot, TakenBack::Refused));
}

#[test]
fn three_accepted_answers_in_a_row_end_a_correction() {
    // The lesson was a lie: the wall clock is right.
    let mut estimator = Estimator::new(Limits::default());
    let lie = lesson_of(10 * MINUTE, 100, Strength::Message);
    estimator.learn(&lie, Some(&aws()), reading(0, 100), Commitment::Firm);
    let at = reading(0, 200);
    let truth = Interval::exactly(wall_on_boot(at)).widened(Duration::from_secs(1));
    let agreeing = Interval::exactly(lie.point);
    let stranger = Host::new("lab.example", true).unwrap();
    let sibling = Host::new("kms.eu-west-1.amazonaws.com", true).unwrap();
    assert!(estimator.contradict(truth, Some(&aws()), at).is_none());
    assert!(estimator.contradict(truth, Some(&sibling), at).is_none());
    assert!(
        estimator.contradict(agreeing, Some(&aws()), at).is_none(),
        "starts again"
    );
    assert!(estimator.contradict(truth, Some(&aws()), at).is_none());
    assert!(estimator.contradict(truth, Some(&stranger), at).is_none());
    assert!(estimator.contradict(truth, None, at).is_none());
    assert!(estimator.contradict(truth, Some(&aws()), at).is_none());
    assert!(estimator.contradict(truth, Some(&sibling), at).is_some());
    assert_eq!(estimator.now(at), at.wall);
}

#[test]
fn a_far_future_is_refused() {
    let mut estimator = Estimator::new(Limits::default());
    let ten_years = lesson_of(10 * 365 * 1_440 * MINUTE, 100, Strength::Message);
    let at = reading(0, 100);
    let learned = estimator.learn(&ten_years, Some(&aws()), at, Commitment::Firm);
    assert_eq!(learned, Learned::Refused);
    assert_eq!(estimator.now(at), at.wall);
}

#[test]
fn a_known_offset_is_a_correction_unless_it_is_next_to_none() {
    for (offset, is_corrected) in [(20 * MINUTE, true), (-20 * MINUTE, true), (20_000, false)] {
        let mut estimator = Estimator::new(Limits::default());
        let at = reading(-offset, 100);
        estimator.start_at(ClockOffset::from_millis(offset), at);
        assert_eq!(estimator.estimate().is_some(), is_corrected, "{offset}");
        let (time, known) = if is_corrected {
            (reading(0, 100).wall, offset)
        } else {
            (at.wall, 0)
        };
        assert_eq!(estimator.now(at), time);
        assert_eq!(estimator.offset(at), ClockOffset::from_millis(known));
    }
}

#[test]
fn each_move_has_a_number_and_what_was_judged_before_is_told() {
    let mut estimator = Estimator::new(Limits::default());
    assert_eq!((estimator.moves(), estimator.epoch()), (0, 0));
    estimator.start_at(ClockOffset::from_millis(MINUTE), reading(-MINUTE, 50));
    assert_eq!((estimator.moves(), estimator.epoch()), (1, 1));
    for number in 2..5 {
        let at = reading(-20 * MINUTE, 100 * number);
        let lesson = lesson_of(MINUTE * 5, 100 * number, Strength::Message);
        estimator.learn(&lesson, Some(&aws()), at, Commitment::Firm);
        assert_eq!((estimator.moves(), estimator.epoch()), (number, number));
    }
    estimator.reset();
    assert_eq!((estimator.moves(), estimator.epoch()), (5, 5));
}

#[test]
fn a_reset_forgets_the_time_and_whom_to_believe() {
    let mut estimator = taught(-20 * MINUTE);
    let at = reading(-20 * MINUTE, 200);
    estimator.trust.vouch(&aws(), at);
    estimator.trust.mute("lab.example", at.boot);
    estimator.reset();
    assert_eq!(estimator.estimate(), None);
    assert_eq!(estimator.now(at), at.wall);
    assert_eq!(estimator.trust.objection_to(None, at), None);
    assert!(!estimator.trust.is_muted("lab.example", at.boot));
}

#[test]
fn an_answer_that_fits_both_clocks_or_neither_contradicts_nothing() {
    let at = reading(0, 200);
    let wall = wall_on_boot(at);
    let seconds = |seconds: i64| ClockOffset::from_millis(wall.as_millis() + seconds * 1_000);
    let interval = Interval::new(seconds(-10), seconds(10)).unwrap();
    for (point, is_contradicted) in [(5, false), (12, false), (13, true), (-13, true)] {
        assert_eq!(
            contradicts(interval, seconds(point), at),
            is_contradicted,
            "{point}"
        );
    }
    let elsewhere = Interval::new(seconds(100), seconds(110)).unwrap();
    assert!(!contradicts(elsewhere, seconds(500), at));
}
