use super::*;
use crate::evidence::{Sample, Strength};
use crate::trust::{HostTimeKind, RELEASED};
use std::time::UNIX_EPOCH;

const MINUTE: i64 = 60_000;

/// Returns a reading after the release date, from which the limits count at the earliest.
fn reading(wall_ahead: i64, mono: u64) -> Reading {
    let right = UNIX_EPOCH + RELEASED + Duration::from_secs(86_400 + mono);
    Reading {
        wall: ClockOffset::from_millis(wall_ahead).shift(right),
        monotonic: Duration::from_secs(mono),
    }
}

/// Returns the sample at `mono` from a server whose clock is ahead by this many
/// milliseconds.
fn sample(ahead: i64, mono: u64) -> OffsetSample {
    let server_time = reading(ahead, mono).wall;
    let point = ClockOffset::from_monotonic(server_time, Duration::from_secs(mono));
    OffsetSample {
        point,
        interval: Interval::exactly(point).widened(Duration::from_secs(1)),
        at: Duration::from_secs(mono),
        stated: Sample {
            earliest: server_time,
            latest: server_time,
            best: server_time,
            strength: Strength::Message,
        },
    }
}

fn aws() -> Host {
    Host::new("sqs.us-east-1.amazonaws.com", true).unwrap()
}

fn corrected(wall_ahead: i64) -> ClockState {
    let mut state = ClockState::new(Limits::default());
    state.update(&sample(0, 100), Some(&aws()), reading(wall_ahead, 100));
    assert!(state.correction().is_some());
    state
}

#[test]
fn a_correction_follows_the_monotonic_clock_and_not_the_wall() {
    let state = corrected(-20 * MINUTE);
    let truth = reading(0, 5_000).wall;
    for wall_ahead in [-20 * MINUTE, -MINUTE * 9_000, 77 * MINUTE] {
        assert_eq!(state.now(reading(wall_ahead, 5_000)), truth);
    }
}

#[test]
fn a_repaired_wall_clock_ends_a_correction_and_a_wrong_one_does_not() {
    for (wall_ahead, ends) in [
        (-20 * MINUTE, false),
        (-MINUTE, false),
        (-30_000, true),
        (0, true),
        (31_000, true),
        (MINUTE, false),
    ] {
        let mut state = corrected(-20 * MINUTE);
        let at = reading(wall_ahead, 200);
        assert_eq!(state.clear_if_repaired(at).is_some(), ends, "{wall_ahead}");
        let expected = if ends { at.wall } else { reading(0, 200).wall };
        assert_eq!(state.now(at), expected);
    }
}

#[test]
fn a_sample_that_agrees_with_the_wall_ends_the_correction() {
    let mut state = corrected(-20 * MINUTE);
    let before = state.correction().cloned();
    let at = reading(-20 * MINUTE, 300);
    let ended = state.update(&sample(-20 * MINUTE, 300), Some(&aws()), at);
    assert_eq!(ended, before);
    assert_eq!(state.correction(), None);
    assert_eq!(state.now(at), at.wall);
}

/// The effect of each input without and with a correction.
#[test]
fn each_input_does_in_each_state_what_the_table_says() {
    #[derive(Clone, Copy, Debug)]
    enum Input {
        Sample,
        SampleOfTheWall,
        ReadOnAWrongWall,
        ReadOnARepairedWall,
        OneContradiction,
        ThreeContradictions,
        Reset,
    }
    for (input, from_none, from_some, generations) in [
        (Input::Sample, true, true, (1, 1)),
        (Input::SampleOfTheWall, false, false, (0, 1)),
        (Input::ReadOnAWrongWall, false, true, (0, 0)),
        (Input::ReadOnARepairedWall, false, false, (0, 1)),
        (Input::OneContradiction, false, true, (0, 0)),
        (Input::ThreeContradictions, false, false, (0, 1)),
        (Input::Reset, false, false, (1, 1)),
    ] {
        for (is_some, expected, generations) in [
            (false, from_none, generations.0),
            (true, from_some, generations.1),
        ] {
            let mut state = if is_some {
                corrected(-20 * MINUTE)
            } else {
                ClockState::new(Limits::default())
            };
            let before = state.generation();
            let at = reading(-20 * MINUTE, 200);
            let wall = Interval::exactly(wall_on_monotonic(at)).widened(Duration::from_secs(1));
            match input {
                Input::Sample => drop(state.update(&sample(MINUTE, 200), Some(&aws()), at)),
                Input::SampleOfTheWall => {
                    drop(state.update(&sample(-20 * MINUTE, 200), Some(&aws()), at));
                }
                Input::ReadOnAWrongWall => drop(state.clear_if_repaired(at)),
                Input::ReadOnARepairedWall => drop(state.clear_if_repaired(reading(0, 200))),
                Input::OneContradiction => drop(state.contradict(wall, Some(&aws()), at)),
                Input::ThreeContradictions => {
                    for _ in 0..3 {
                        state.contradict(wall, Some(&aws()), at);
                    }
                }
                Input::Reset => drop(state.reset()),
            }
            let what = format!("{input:?}, {is_some}");
            assert_eq!(state.correction().is_some(), expected, "{what}");
            assert_eq!(state.generation() - before, generations, "{what}");
            if !expected {
                assert_eq!(state.now(at), at.wall, "{what}");
            }
        }
    }
}

#[test]
fn requests_are_signed_with_a_hosts_own_time_if_it_differs_from_the_clock() {
    for (ahead, is_own) in [(MINUTE, true), (31_000, true), (30_000, false), (0, false)] {
        let mut state = corrected(-20 * MINUTE);
        let at = reading(-20 * MINUTE, 200);
        state
            .trust
            .keep_time("minio.example", HostTimeKind::Trial, sample(ahead, 150));
        let signing = state.signing_time("minio.example", at);
        let own = (reading(ahead, 200).wall, SignedBy::HostTime);
        let clocks = (reading(0, 200).wall, SignedBy::Clock(state.generation()));
        let expected = if is_own { own } else { clocks };
        assert_eq!((signing.now, signing.by), expected, "{ahead}");
        let other = state.signing_time("other.example", at);
        assert_eq!((other.now, other.by), clocks);
    }
}

#[test]
fn three_accepted_responses_in_a_row_end_a_correction() {
    // The sample was wrong: the wall clock is correct.
    let mut state = ClockState::new(Limits::default());
    let lie = sample(10 * MINUTE, 100);
    state.update(&lie, Some(&aws()), reading(0, 100));
    let at = reading(0, 200);
    let truth = Interval::exactly(wall_on_monotonic(at)).widened(Duration::from_secs(1));
    let agreeing = Interval::exactly(lie.point);
    let stranger = Host::new("minio.example", true).unwrap();
    let sibling = Host::new("kms.eu-west-1.amazonaws.com", true).unwrap();
    assert!(state.contradict(truth, Some(&aws()), at).is_none());
    assert!(state.contradict(truth, Some(&sibling), at).is_none());
    assert!(
        state.contradict(agreeing, Some(&aws()), at).is_none(),
        "starts again"
    );
    assert!(state.contradict(truth, Some(&aws()), at).is_none());
    assert!(state.contradict(truth, Some(&stranger), at).is_none());
    assert!(state.contradict(truth, None, at).is_none());
    assert!(state.contradict(truth, Some(&aws()), at).is_none());
    assert!(state.contradict(truth, Some(&sibling), at).is_some());
    assert_eq!(state.now(at), at.wall);
}

#[test]
fn a_far_future_is_objected_to() {
    let state = ClockState::new(Limits::default());
    let ten_years = sample(10 * 365 * 1_440 * MINUTE, 100);
    let objection = state.objection_to(&ten_years, Some(&aws()), reading(0, 100));
    assert_eq!(objection, Some(Objection::Limit));
}

#[test]
fn the_limit_is_measured_from_the_wall_clock_and_never_from_a_correction() {
    let mut state = ClockState::new(Limits::default());
    let at = reading(0, 100);
    let days = |days: i64| sample(days * 1_440 * MINUTE, 100);
    assert_eq!(state.objection_to(&days(399), Some(&aws()), at), None);
    state.update(&days(399), Some(&aws()), at);
    let further = state.objection_to(&days(401), Some(&aws()), at);
    assert_eq!(further, Some(Objection::Limit));
}

#[test]
fn a_known_offset_is_a_correction_unless_it_is_30_s_or_less() {
    for (offset, is_corrected) in [(20 * MINUTE, true), (-20 * MINUTE, true), (20_000, false)] {
        let mut state = ClockState::new(Limits::default());
        let at = reading(-offset, 100);
        state.start_at(ClockOffset::from_millis(offset), at);
        assert_eq!(state.correction().is_some(), is_corrected, "{offset}");
        let (time, known) = if is_corrected {
            (reading(0, 100).wall, offset)
        } else {
            (at.wall, 0)
        };
        assert_eq!(state.now(at), time);
        assert_eq!(state.offset(at), ClockOffset::from_millis(known));
    }
}

#[test]
fn each_change_has_a_generation() {
    let mut state = ClockState::new(Limits::default());
    assert_eq!(state.generation(), 0);
    state.start_at(ClockOffset::from_millis(MINUTE), reading(-MINUTE, 50));
    assert_eq!(state.generation(), 1);
    for number in 2..5 {
        let at = reading(-20 * MINUTE, 100 * number);
        state.update(&sample(MINUTE * 5, 100 * number), Some(&aws()), at);
        assert_eq!(state.generation(), number);
    }
    state.reset();
    assert_eq!(state.generation(), 5);
}

#[test]
fn a_change_drops_the_confirmation() {
    let mut state = corrected(-20 * MINUTE);
    let at = reading(-20 * MINUTE, 200);
    state.trust.confirm(&aws(), at);
    assert!(state.trust.objection_to(None, at).is_some());
    state.update(&sample(5 * MINUTE, 200), Some(&aws()), at);
    assert_eq!(state.trust.objection_to(None, at), None);
}

#[test]
fn a_reset_forgets_the_correction_and_the_confirmation() {
    let mut state = corrected(-20 * MINUTE);
    let at = reading(-20 * MINUTE, 200);
    state.trust.confirm(&aws(), at);
    state.trust.back_off("minio.example", at);
    let kind = HostTimeKind::Conflicting;
    state
        .trust
        .keep_time("minio.example", kind, sample(MINUTE, 150));
    state.reset();
    assert_eq!(state.correction(), None);
    assert_eq!(state.now(at), at.wall);
    assert_eq!(state.trust.objection_to(None, at), None);
    assert!(!state.trust.is_backing_off("minio.example", at));
    assert!(!state.trust.has_host_times());
}

#[test]
fn a_response_that_fits_both_clocks_or_neither_contradicts_nothing() {
    let at = reading(0, 200);
    let wall = wall_on_monotonic(at);
    let seconds = |seconds: i64| ClockOffset::from_millis(wall.as_millis() + seconds * 1_000);
    let interval = |low, high| Interval::new(seconds(low), seconds(high));
    for (interval, point, is_contradicted) in [
        (interval(-10, 10), 5, false),
        (interval(-10, 10), 12, false),
        (interval(-10, 10), 13, true),
        (interval(-10, 10), -13, true),
        (interval(100, 110), 500, false),
    ] {
        let mut state = ClockState::new(Limits::default());
        state.correction = Some(Correction {
            sample: OffsetSample {
                point: seconds(point),
                interval: Interval::exactly(seconds(point)),
                ..sample(0, 200)
            },
            since: at.monotonic,
            host: Some(aws()),
        });
        state.contradict(interval, Some(&aws()), at);
        assert_eq!(
            state.is_contradicted(),
            is_contradicted,
            "{interval:?} {point}"
        );
    }
}

/// Readings of several threads arrive in any order, but never a minute apart.
#[test]
fn a_monotonic_clock_that_goes_back_by_more_than_a_minute_drops_what_was_relative_to_it() {
    for (back, is_dropped) in [(0, false), (59, false), (60, false), (61, true)] {
        let mut state = corrected(-20 * MINUTE);
        let kind = HostTimeKind::Trial;
        state
            .trust
            .keep_time("minio.example", kind, sample(MINUTE, 150));
        let before = state.correction().cloned();
        let seen = Duration::from_secs(500);
        assert_eq!(state.follow_monotonic_clock(seen), None);
        let ended = state.follow_monotonic_clock(seen - Duration::from_secs(back));
        assert_eq!(ended, before.filter(|_| is_dropped), "{back}");
        assert_eq!(state.trust.has_host_times(), !is_dropped, "{back}");
    }
}
