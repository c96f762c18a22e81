//! Never worse than no correction: random scenarios, each played to the SDK alone and to
//! each of our integrations.
//!
//! A scenario that fails is made shorter, one line at a time, for as long as it fails, and
//! is printed with its seed. `CLOCK_SKEW_SEEDS=7..8` plays the scenarios of these seeds.

mod bank;
mod compare;
mod excuses;
mod net;
mod play;
pub(crate) mod rows;
mod scenario;
mod seen;
mod year;

use std::ops::Range;

use compare::{Failure, failure_of};
use play::Correction;
use scenario::Scenario;

use crate::tally::Tally;

#[test]
fn no_integration_is_worse_than_the_sdk_alone_in_any_scenario() {
    let seeds = seeds();
    let halves = [
        seeds.start..seeds.start.midpoint(seeds.end),
        seeds.start.midpoint(seeds.end)..seeds.end,
    ];
    let play = |half: Range<u64>| {
        let mut tally = Tally::default();
        let failed = half.filter(|seed| fails(*seed, &mut tally)).count();
        (failed, tally)
    };
    let (failed, tally) = std::thread::scope(|scope| {
        let threads = halves.map(|half| scope.spawn(|| play(half)));
        let done = threads.map(|one| one.join().expect("no scenario panics"));
        let [(failed, mut tally), (failed_too, other)] = done;
        tally.add(&other);
        (failed + failed_too, tally)
    });
    println!("{seeds:?}: {tally}");
    assert_eq!(failed, 0, "of {seeds:?}");
    if seeds.end - seeds.start >= ENOUGH {
        seen::assert_all(&tally, seeds.end - seeds.start);
    }
}

/// So many scenarios have each fault.
const ENOUGH: u64 = 200;

fn seeds() -> Range<u64> {
    let all = 0..if crate::is_full() { 100_000 } else { ENOUGH };
    let Ok(asked) = std::env::var("CLOCK_SKEW_SEEDS") else {
        return all;
    };
    let (start, end) = asked.split_once("..").expect("a range, as 7..8");
    let number = |text: &str| text.parse().expect("a number");
    number(start)..number(end)
}

#[test]
fn a_client_that_signs_by_a_wrong_time_is_found_and_its_scenario_is_one_call() {
    let mut tally = Tally::default();
    let found = (0..20).find_map(|seed| worse(seed, &[Correction::Broken], &mut tally));
    let (failure, scenario) = found.expect("it is worse");
    assert_eq!(scenario.0.len(), 1, "{failure}\n{scenario}");
}

/// Plays the scenario of a seed, and prints it made shorter if it fails.
fn fails(seed: u64, tally: &mut Tally) -> bool {
    let found = worse(seed, &Correction::OURS, tally);
    if let Some((failure, scenario)) = &found {
        println!("seed {seed}: {failure}\n{scenario}");
    }
    found.is_some()
}

/// Returns how one of these is worse in the scenario of a seed, and what the failure needs
/// of it.
fn worse(seed: u64, of: &[Correction], tally: &mut Tally) -> Option<(Failure, Scenario)> {
    let mut scenario = Scenario::draw(seed);
    let mut failure = failure_of(&scenario, of, tally)?;
    let (correction, kind) = failure.kind;
    // One thing is left out at a time.
    let simpler = |scenario: &Scenario| {
        scenario.shorter().find_map(|shorter| {
            let failure = failure_of(&shorter, &[correction], &mut Tally::default())?;
            (failure.kind.1 == kind).then_some((failure, shorter))
        })
    };
    while let Some(shorter) = simpler(&scenario) {
        (failure, scenario) = shorter;
    }
    Some((failure, scenario))
}
