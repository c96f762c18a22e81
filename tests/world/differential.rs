//! Never worse than no correction: random scenarios, each played to the SDK alone and to
//! each of our integrations.
//!
//! A scenario that fails is made shorter, one line at a time, for as long as it fails, and
//! is printed with its seed. `CLOCK_SKEW_SEEDS=7..8` plays the scenarios of these seeds.

mod compare;
mod net;
mod play;
mod scenario;

use std::ops::Range;

use compare::failure_of;
use scenario::Scenario;

#[test]
fn no_integration_is_worse_than_the_sdk_alone_in_any_scenario() {
    let seeds = seeds();
    let halves = [
        seeds.start..seeds.start.midpoint(seeds.end),
        seeds.start.midpoint(seeds.end)..seeds.end,
    ];
    let failed: usize = std::thread::scope(|scope| {
        let threads = halves.map(|half| scope.spawn(|| half.filter(|seed| fails(*seed)).count()));
        threads
            .into_iter()
            .map(|one| one.join().expect("no scenario panics"))
            .sum()
    });
    assert_eq!(failed, 0, "of {seeds:?}");
}

fn seeds() -> Range<u64> {
    let all = if crate::is_full() { 0..100_000 } else { 0..300 };
    let Ok(asked) = std::env::var("CLOCK_SKEW_SEEDS") else {
        return all;
    };
    let (start, end) = asked.split_once("..").expect("a range, as 7..8");
    let number = |text: &str| text.parse().expect("a number");
    number(start)..number(end)
}

/// Plays the scenario of a seed, and prints it made shorter if it fails.
fn fails(seed: u64) -> bool {
    let scenario = Scenario::draw(seed);
    let Some(failure) = failure_of(&scenario) else {
        return false;
    };
    let shorter = shortened(scenario, |shorter| {
        failure_of(shorter).is_some_and(|other| other.kind == failure.kind)
    });
    let failure = failure_of(&shorter).unwrap_or(failure);
    println!("seed {seed}: {failure}\n{shorter}");
    true
}

/// Leaves out whatever the failure does not need.
fn shortened(mut scenario: Scenario, fails: impl Fn(&Scenario) -> bool) -> Scenario {
    loop {
        let shorter = scenario.shorter().find(&fails);
        match shorter {
            Some(shorter) => scenario = shorter,
            None => return scenario,
        }
    }
}
