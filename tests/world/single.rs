//! Claim (b): one skew, of any size within the limits, costs no call.

use crate::arm::{Arm, Station};
use crate::chance::{Chance, Rng};
use crate::clocks::{DAY, HOUR, MINUTE, World};
use crate::fate::DateFault;
use crate::site::{Site, Verdict};
use crate::tally::Tally;
use crate::wording::Wording;

const TOLERANCES: [u64; 2] = [5, 15];

/// Lets so many machines with a cheap client, and so many with an expensive one, hear
/// of their skew in each of all words, and fails if that costs a call.
pub(crate) fn in_any_words(many: u64, few: u64) -> Tally {
    let mut tally = Tally::default();
    for (index, wording) in Wording::all().iter().enumerate() {
        for arm in Arm::OURS {
            let skews = if Arm::LAYERS.contains(&arm) {
                many
            } else {
                few
            };
            for minutes in TOLERANCES {
                for round in 0..skews {
                    let seed = (index as u64) << 32 | round;
                    crate::block_on(meets(arm, wording, minutes, seed, &mut tally));
                }
            }
        }
    }
    tally.never(&[LOST, TWICE, TOO_MANY_REJECTIONS]);
    tally.happened(&[OPERATIONS, EXTRA]);
    tally.count_many(WORDINGS, Wording::all().len());
    tally
}

#[test]
fn no_skew_in_any_words_costs_a_call() {
    let few = if crate::is_full() { 5 } else { 1 };
    println!("one skew: {}", in_any_words(3, few));
}

const WORDINGS: &str = "wordings of a rejection";
const OPERATIONS: &str = "operations";
const MACHINES: &str = "machines, each with one skew";
const EXTRA: &str = "operations with one extra attempt";
const TWICE: &str = "operations with more than one extra attempt";
const LOST: &str = "operations lost";
const TOO_MANY_REJECTIONS: &str = "machines with more than one rejected request";

/// A machine with a skew, and one service that says so in these words.
async fn meets(arm: Arm, wording: &Wording, minutes: u64, seed: u64, tally: &mut Tally) {
    let mut rng = Rng::with_seed(seed);
    let site = Site::with_tolerance(minutes);
    let (is_old, is_young) = (
        wording.fits(true, site.tolerance),
        wording.fits(false, site.tolerance),
    );
    if !is_old && !is_young {
        return;
    }
    // Behind, 400 days by words and 7 by `Date`; ahead, until 2020.
    let behind = if wording.has_time {
        399 * DAY
    } else {
        7 * DAY - MINUTE
    };
    let skew = if is_old && (!is_young || rng.bool()) {
        -rng.spread(MINUTE, behind)
    } else {
        rng.spread(MINUTE, 20 * 365 * DAY)
    };
    let date = if wording.has_time {
        rng.one_of(&[
            DateFault::None,
            DateFault::Missing,
            DateFault::Doubled,
            DateFault::Cached,
            DateFault::TwoDigitYear,
            DateFault::Absurd,
            DateFault::Lying(-9 * HOUR),
        ])
    } else {
        DateFault::None
    };
    let world = World::with_skew(skew);
    let station = Station::new(arm, &world, site.saying(wording).dated(date));
    let mut rejected = 0;
    for operation in 0..6 {
        let outcome = station.calls().await;
        let sent = station.wire.take_sent();
        let refused = sent.iter().filter(|sent| sent.verdict != Verdict::Accepted);
        rejected += refused.count();
        tally.count(OPERATIONS);
        tally.count_if(sent.len() == 2, EXTRA);
        tally.count_if(sent.len() > 2, TWICE);
        tally.count_if(outcome.is_err(), LOST);
        assert!(
            outcome.is_ok() && sent.len() <= 2 && rejected <= 1,
            "{arm:?}, {}, {minutes} min., seed {seed}, {skew} ms, {date:?}, operation {operation}: \
            {sent:?}, {outcome:?}",
            wording.id
        );
        world.passes(rng.time(1, 10 * MINUTE));
    }
    tally.count(MACHINES);
    tally.count_if(rejected > 1, TOO_MANY_REJECTIONS);
}
