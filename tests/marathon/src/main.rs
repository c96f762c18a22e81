//! The simulated world of `tests/world`, at full length: the figures of
//! `docs/verification.md`.
//!
//! ```text
//! cargo run --release -p aws-clock-skew-marathon
//! cargo run --release -p aws-clock-skew-marathon -- '(c)'
//! ```

#![expect(clippy::expect_used, reason = "a test may panic")]

#[path = "../../world/accepted.rs"]
mod accepted;
#[path = "../../world/arm.rs"]
mod arm;
#[path = "../../world/chance.rs"]
mod chance;
#[path = "../../world/clocks.rs"]
mod clocks;
#[path = "../../world/combined.rs"]
mod combined;
#[path = "../../world/fate.rs"]
mod fate;
#[path = "../../world/fault.rs"]
mod fault;
#[path = "../../world/healthy.rs"]
mod healthy;
#[path = "../../world/nemesis.rs"]
mod nemesis;
#[path = "../../world/repair.rs"]
mod repair;
#[path = "../../world/runtime.rs"]
mod runtime;
#[path = "../../world/single.rs"]
mod single;
#[path = "../../world/site.rs"]
mod site;
#[path = "../../world/skew_error.rs"]
mod skew_error;
#[path = "../../world/tally.rs"]
mod tally;
#[path = "../../resign/verifier.rs"]
mod verifier;
#[path = "../../world/wire.rs"]
mod wire;

use repair::Repair;
use runtime::block_on;
use tally::Tally;

fn main() {
    let only = std::env::args().nth(1);
    let run = |claim: &str, measured: fn() -> Tally| {
        if only.as_deref().is_none_or(|only| claim.contains(only)) {
            println!("{claim}: {}", measured());
        }
    };
    run("(a) healthy", || healthy::through_the_layers(10_000_000));
    run("(b) one skew", || single::reported_by_each_error(100, 0));
    run("(c) a fault beside a skew", || {
        combined::beside_a_skew(1_000, 0)
    });
    run("(c) a nemesis for 24 hours", || nemesis::for_a_day(20, 0));
    run("(d) NTP repairs by a step", || {
        repair::repairs(Repair::Step, (1_000, 0))
    });
    run("(d) NTP repairs by a slew", || {
        repair::repairs(Repair::Slew, (1_000, 0))
    });
    run("(f) accepted answers", || accepted::sequences(10_000, 0));
}

/// Here everything has its full length.
#[cfg(test)]
const fn is_full() -> bool {
    true
}
