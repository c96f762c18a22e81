//! Claim (b): one skew, of any size within the limits, costs no call.

use crate::arm::{Arm, Station};
use crate::chance::{Chance, Rng};
use crate::clocks::{DAY, HOUR, MINUTE, World};
use crate::fate::DateFault;
use crate::site::{Site, Verdict};
use crate::skew_error::SkewError;
use crate::tally::Tally;

const TOLERANCES: [u64; 2] = [5, 15];

/// Reports the skew of `many` machines with a cheap client, and of `few` with an expensive one, by
/// each form of clock skew error, and fails if that costs a call.
pub(crate) fn reported_by_each_error(many: u64, few: u64) -> Tally {
    let mut tally = Tally::default();
    for (index, error) in SkewError::all().iter().enumerate() {
        for arm in Arm::OURS {
            let skews = if Arm::LAYERS.contains(&arm) {
                many
            } else {
                few
            };
            for minutes in TOLERANCES {
                for round in 0..skews {
                    let seed = (index as u64) << 32 | round;
                    crate::block_on(meets(arm, error, minutes, seed, &mut tally));
                }
            }
        }
    }
    tally.never(&[LOST, TWICE, TOO_MANY_REJECTIONS]);
    tally.happened(&[OPERATIONS, EXTRA]);
    tally.count_many(ERRORS, SkewError::all().len());
    tally
}

#[test]
fn no_skew_costs_a_call_whatever_error_reports_it() {
    println!(
        "one skew: {}",
        reported_by_each_error(3, 1).figures(FIGURES)
    );
}

/// The figures in the documents.
pub(crate) const FIGURES: &[&str] = &[
    ERRORS,
    MACHINES,
    OPERATIONS,
    LOST,
    TWICE,
    TOO_MANY_REJECTIONS,
];

const ERRORS: &str = "error texts";
const OPERATIONS: &str = "operations";
const MACHINES: &str = "machines";
const EXTRA: &str = "operations with one extra attempt";
const TWICE: &str = "with more than one extra attempt";
const LOST: &str = "lost";
const TOO_MANY_REJECTIONS: &str = "machines with more than one rejected request";

/// A machine with a skew, and one service that rejects with this error.
async fn meets(arm: Arm, error: &SkewError, minutes: u64, seed: u64, tally: &mut Tally) {
    let mut rng = Rng::with_seed(seed);
    let site = Site::with_tolerance(minutes);
    let (is_old, is_young) = (
        error.fits(true, site.tolerance),
        error.fits(false, site.tolerance),
    );
    if !is_old && !is_young {
        return;
    }
    // A machine that is behind: up to 400 days by the error message and 7 by `Date`. One that is
    // ahead: back to 2020.
    let behind = if error.has_time {
        399 * DAY
    } else {
        7 * DAY - MINUTE
    };
    let skew = if is_old && (!is_young || rng.bool()) {
        -rng.spread(MINUTE, behind)
    } else {
        rng.spread(MINUTE, 20 * 365 * DAY)
    };
    let date = if error.has_time {
        rng.one_of(&[
            DateFault::None,
            DateFault::Missing,
            DateFault::Doubled,
            DateFault::Cached,
            DateFault::TwoDigitYear,
            DateFault::Absurd,
            DateFault::Wrong(-9 * HOUR),
        ])
    } else {
        DateFault::None
    };
    let date = match date {
        DateFault::Cached if !error.states_request_time() => DateFault::Missing,
        date => date,
    };
    let world = World::with_skew(skew);
    let station = Station::new(arm, &world, site.saying(error).dated(date));
    let mut rejected = 0;
    for operation in 0..6 {
        let outcome = station.calls().await;
        let sent = station.wire.take_sent();
        let rejected_now = sent.iter().filter(|sent| sent.verdict != Verdict::Accepted);
        rejected += rejected_now.count();
        tally.count(OPERATIONS);
        tally.count_if(sent.len() == 2, EXTRA);
        tally.count_if(sent.len() > 2, TWICE);
        tally.count_if(outcome.is_err(), LOST);
        assert!(
            outcome.is_ok() && sent.len() <= 2 && rejected <= 1,
            "{arm:?}, {}, {minutes} min., seed {seed}, {skew} ms, {date:?}, operation {operation}: \
            {sent:?}, {outcome:?}",
            error.id
        );
        world.passes(rng.time(1, 10 * MINUTE));
    }
    tally.count(MACHINES);
    tally.count_if(rejected > 1, TOO_MANY_REJECTIONS);
}
