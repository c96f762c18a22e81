//! Claim (d): when NTP repairs the local clock, no request is rejected.

use aws_clock_skew::LocalClock;

use crate::arm::{Arm, Station};
use crate::chance::{Chance, Rng};
use crate::clocks::{DAY, Event, HOUR, MINUTE, SECOND, World};
use crate::fate::Fate;
use crate::site::{Site, Verdict};
use crate::tally::Tally;

#[test]
fn no_repair_by_a_step_rejects_a_request() {
    println!(
        "NTP repairs by a step: {}",
        repairs(Repair::Step, (30, 5)).figures(FIGURES)
    );
}

#[test]
fn no_repair_by_a_slew_rejects_a_request() {
    println!(
        "NTP repairs by a slew: {}",
        repairs(Repair::Slew, (30, 5)).figures(FIGURES)
    );
}

/// The figures in the documents.
pub(crate) const FIGURES: &[&str] = &[
    MACHINES,
    OPERATIONS,
    LOST,
    REJECTED_BEFORE,
    REJECTED_AFTER,
    STILL_CORRECTED,
];

const MACHINES: &str = "machines";
const OPERATIONS: &str = "operations";
const LOST: &str = "lost";
const REJECTED_BEFORE: &str = "requests rejected before the correction";
const REJECTED_AFTER: &str = "rejected after it: before, during and after the repair";
const STILL_CORRECTED: &str = "clocks still corrected after the repair";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Repair {
    Step,
    Slew,
}

/// Repairs the clocks of `many` machines with a cheap client and of `few` with an expensive one,
/// and fails if a request is rejected because of it.
pub(crate) fn repairs(repair: Repair, (many, few): (u64, u64)) -> Tally {
    let mut tally = Tally::default();
    for arm in Arm::OURS {
        let machines = if Arm::LAYERS.contains(&arm) {
            many
        } else {
            few
        };
        for seed in 0..machines {
            crate::block_on(is_repaired(repair, arm, seed, &mut tally));
        }
    }
    tally.never(&[REJECTED_AFTER, LOST, STILL_CORRECTED]);
    assert_eq!(tally.get(REJECTED_BEFORE), tally.get(MACHINES), "{tally}");
    tally
}

async fn is_repaired(repair: Repair, arm: Arm, seed: u64, tally: &mut Tally) {
    let mut rng = Rng::with_seed(seed);
    // A slew by chrony at its highest rate, or by `ntpd -x`, which steps from ten minutes on. No
    // slew takes more than two weeks: by then the correction itself is uncertain by five minutes.
    let (ppm, smallest, largest, tolerances) = match repair {
        Repair::Step => (0, 16 * MINUTE, 300 * DAY, [5, 15]),
        Repair::Slew if rng.bool() => (500, 6 * MINUTE, 10 * MINUTE, [5, 5]),
        Repair::Slew => {
            let ppm = rng.one_of(&[10_000, 83_333]);
            (ppm, 16 * MINUTE, 2 * HOUR, [5, 15])
        }
    };
    let world = World::with_skew(rng.either_way(smallest, largest));
    let site = Site::with_tolerance(rng.one_of(&tolerances));
    let station = Station::new(arm, &world, site);
    // The repair happens before a call, during one, or while a response is on its way.
    let (before, moment, after) = (rng.u32(1..10), rng.u32(0..3), 30);
    tally.count(MACHINES);
    for operation in 0..before + after {
        if operation == before && repair == Repair::Slew {
            world.slews(ppm);
        }
        if operation == before && repair == Repair::Step {
            let set = Event::IsSet(rng.i64(-25..=25) * SECOND / 10);
            match moment {
                0 => world.undergoes(set),
                1 => station.wire.plan([Fate::between([set], [])]),
                _ => station.wire.plan([Fate::between([], [set])]),
            }
        }
        let outcome = station.calls().await;
        tally.count(OPERATIONS);
        tally.count_if(outcome.is_err(), LOST);
        let sent = station.wire.take_sent();
        let rejected = sent.iter().filter(|sent| sent.verdict != Verdict::Accepted);
        let rejected = rejected.count();
        let what = if operation == 0 {
            REJECTED_BEFORE
        } else {
            REJECTED_AFTER
        };
        tally.count_many(what, rejected);
        assert!(
            outcome.is_ok() && (operation == 0 || rejected == 0),
            "{repair:?}, {arm:?}, seed {seed}, operation {operation} of {before} + {after}: \
            {sent:?}, {outcome:?}, {:?}",
            station.clock.status()
        );
        let pause = match repair {
            // Spreads the calls over the repair and some time after it.
            Repair::Slew if operation >= before => {
                rng.time(MINUTE, 10 * MINUTE) * 83_333 / u32::try_from(ppm).expect("is small")
            }
            _ => rng.time(1, HOUR),
        };
        world.passes(pause);
    }
    let is_correct = world.skew().abs() <= 5 * SECOND;
    let is_untouched = station.clock.now() == world.wall();
    tally.count_if(is_correct && !is_untouched, STILL_CORRECTED);
    assert!(
        is_correct == is_untouched || repair == Repair::Slew,
        "{repair:?}, {arm:?}, seed {seed}: {:?}",
        station.clock.status()
    );
}
