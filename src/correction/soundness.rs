//! Property: the true time is always inside the interval of the correction.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::judge::known::{Known, Manner};
use crate::judge::{Verdict, judge};

const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440 * MINUTE;
const CASES: u32 = 5_000;

/// Exchanges on a machine whose monotonic clock counts suspend, and runs less than 200 ppm
/// too fast or too slow.
fn exchanges() -> impl Strategy<Value = Known> {
    let manners = [
        Manner::Message,
        Manner::BoundOnly,
        Manner::ByCode,
        Manner::Silently,
    ];
    let skew = prop_oneof![-400 * DAY..400 * DAY, -DAY..DAY, -20 * MINUTE..20 * MINUTE];
    let travel = || prop_oneof![1..1_000_u64, 1..900_000_u64, 1..86_400_000_u64];
    (
        86_400_000..200_000_000_u64,
        travel(),
        travel(),
        skew,
        prop_oneof![Just(0), -49 * DAY..49 * DAY],
        -199..200_i64,
        prop_oneof![Just(300_000_u64), Just(900_000)],
        prop::sample::select(manners.to_vec()),
    )
        .prop_map(
            |(sent, there, back, skew, set, mono_ppm, tolerance, manner)| Known {
                sent,
                there,
                back,
                skew,
                set,
                mono_ppm,
                tolerance,
                manner,
            },
        )
}

/// Returns true time − monotonic clock, `after` milliseconds after the request was sent.
fn true_offset(known: &Known, after: u64) -> ClockOffset {
    ClockOffset::from_monotonic(known.truth(after), known.reading(after).monotonic)
}

#[test]
fn the_truth_is_inside_the_correction_and_stays_there() {
    let rejected = exchanges().prop_filter("is rejected", Known::is_rejected);
    let age = prop_oneof![0..1_000_u64, 0..86_400_000_u64, 0..10_000_000_000_u64];
    let (samples, corrections) = (Cell::new(0_u32), Cell::new(0_u32));
    let mut runner = TestRunner::new(ProptestConfig {
        source_file: Some(file!()),
        ..ProptestConfig::with_cases(CASES)
    });
    let result = runner.run(&(rejected, age), |(known, age)| {
        let trip = known.trip();
        let received = trip.received;
        let verdict = judge(&trip, &known.evidence(), received, known.signing());
        let Verdict::ClockSkew(sample) = verdict else {
            return Ok(());
        };
        samples.set(samples.get() + 1);
        let head = known.there + known.back;
        let truth = true_offset(&known, head);
        prop_assert!(sample.interval.contains(truth), "{sample:?} {truth:?}");
        let mut state = ClockState::new(Limits::default());
        let host = Host::new("sqs.us-east-1.amazonaws.com", true).unwrap();
        if state.objection_to(&sample, Some(&host), received).is_some() {
            // The sample is further ahead than the limits allow.
            return Ok(());
        }
        state.update(&sample, Some(&host), received);
        if let Some(correction) = state.correction() {
            corrections.set(corrections.get() + 1);
            let at = known.reading(head + age);
            let error = distance(state.now(at), known.truth(head + age));
            prop_assert!(
                error <= correction.uncertainty(at.monotonic),
                "{error:?} {correction:?}"
            );
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}\n{runner}"));
    // The others expired in transit or are beyond the limits. An interval that is too wide
    // holds every truth and starts no correction.
    let (samples, corrections) = (samples.get(), corrections.get());
    assert!(samples >= CASES * 7 / 10, "only {samples} samples");
    assert!(
        corrections >= CASES * 11 / 20,
        "only {corrections} corrections"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn the_truth_is_inside_what_an_accepted_date_says(known in exchanges()) {
        let known = Known { manner: Manner::Silently, ..known };
        let date = known.evidence().date().unwrap();
        let interval = known.trip().interval_of_date(date);
        let truth = true_offset(&known, known.there + known.back);
        prop_assert!(interval.contains(truth), "{interval:?} {truth:?}");
    }
}
