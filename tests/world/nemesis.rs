//! Claim (c), second half: a nemesis sets the wall clock for 24 hours.

use std::time::Duration;

use crate::arm::{Arm, Station};
use crate::chance::{Chance, Rng};
use crate::clocks::{DAY, Event, MINUTE, SECOND, Strobe, World, millis};
use crate::fate::Fate;
use crate::site::{Site, Verdict};
use crate::tally::Tally;
use crate::wire::Sent;

/// Runs a nemesis for 24 hours on `many` machines with a cheap client and on `few` with an
/// expensive one.
pub(crate) fn for_a_day(many: u64, few: u64) -> Tally {
    let mut tally = Tally::default();
    for arm in Arm::OURS {
        let is_cheap = Arm::LAYERS.contains(&arm);
        let (machines, pause) = if is_cheap {
            (many, 30 * SECOND)
        } else {
            (few, 3 * MINUTE)
        };
        for seed in 0..machines {
            crate::block_on(run_day(arm, pause, seed, &mut tally));
        }
    }
    tally.never(&[LOST, LOST_AGAIN, TWICE]);
    tally.happened(&[BUMPS, STROBES, EXTRA]);
    tally
}

#[test]
fn a_day_of_bumps_and_strobes_costs_no_call_except_those_that_the_promise_excepts() {
    println!(
        "a nemesis for 24 hours: {}",
        for_a_day(1, 1).figures(FIGURES)
    );
}

/// The figures in the documents.
pub(crate) const FIGURES: &[&str] = &[
    MACHINES, BUMPS, STROBES, OPERATIONS, LOST, EXCEPTED, LOST_AGAIN, TWICE,
];

const MACHINES: &str = "machines";
const BUMPS: &str = "bumps";
const STROBES: &str = "strobes";
const OPERATIONS: &str = "operations";
const EXTRA: &str = "operations with an extra attempt";
const TWICE: &str = "with more than one extra attempt";
const LOST: &str = "lost, except the following";
const EXCEPTED: &str = "lost in the case that the guarantee excepts";
const LOST_AGAIN: &str = "lost directly after one of those";

async fn run_day(arm: Arm, pause: i64, seed: u64, tally: &mut Tally) {
    let mut rng = Rng::with_seed(seed);
    let world = World::with_skew(0);
    let mut site = Site::with_tolerance(rng.one_of(&[5, 15]));
    site.verifies_all = false;
    let station = Station::new(arm, &world, site);
    let start = world.true_time();
    let mut strobe_ends = start;
    let mut was_excepted = false;
    tally.count(MACHINES);
    while world.true_time() < start + millis(DAY) {
        if world.true_time() >= strobe_ends {
            world.strobes(None);
        }
        let round_trip = rng.time(1, 20 * SECOND);
        let mut fate = Fate::of(round_trip);
        match rng.u32(0..100) {
            0..12 => {
                tally.count(BUMPS);
                let bump = Event::IsSet(rng.either_way(4, 49 * DAY));
                match rng.u32(0..4) {
                    0 => fate.there.push(bump),
                    1 => fate.back.insert(0, bump),
                    _ => world.undergoes(bump),
                }
            }
            12..14 => {
                tally.count(STROBES);
                world.strobes(Some(Strobe {
                    by: rng.either_way(4, 49 * DAY),
                    period: rng.time(1, 10 * SECOND),
                }));
                strobe_ends = world.true_time() + rng.time(SECOND, 5 * MINUTE);
            }
            14..18 => world.undergoes(Event::IsSet(0)),
            _ => {}
        }
        let is_strobing = world.true_time() < strobe_ends;
        let is_disturbed = fate.disturbs_the_machine() || is_strobing;
        let shown = format!("{fate:?}");
        station.wire.plan([fate]);
        let outcome = station.calls().await;
        let sent = station.wire.take_sent();
        // The strobe may make the clock wrong only while the request is re-signed.
        let looked_at = if is_strobing {
            sent.last()
        } else {
            sent.first()
        };
        let was_wrong = looked_at.is_some_and(Sent::was_wrong);
        let is_excepted = outcome.is_err() && is_disturbed && was_wrong;
        let is_lost = outcome.is_err() && !is_excepted;
        let rejected = sent.iter().any(|sent| sent.verdict != Verdict::Accepted);
        // Unless the clock was set once more.
        let is_lost_again = was_excepted && outcome.is_err() && !is_disturbed && rejected;
        tally.count(OPERATIONS);
        tally.count_if(sent.len() == 2, EXTRA);
        tally.count_if(sent.len() > 2, TWICE);
        tally.count_if(is_lost, LOST);
        tally.count_if(is_excepted, EXCEPTED);
        tally.count_if(is_lost_again, LOST_AGAIN);
        assert!(
            !is_lost && sent.len() <= 2 && !is_lost_again,
            "{arm:?}, seed {seed}, {:?} after the start, {shown}: {sent:#?}, {outcome:?}, {:?}",
            world
                .true_time()
                .duration_since(start)
                .unwrap_or(Duration::ZERO),
            station.clock.status()
        );
        was_excepted = is_excepted;
        world.passes(rng.time(1, 2 * pause));
    }
}
