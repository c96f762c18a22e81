//! The simulated world of `tests/world`, at full length: the figures of
//! `docs/proof.md`.
//!
//! ```text
//! cargo run --release -p aws-clock-skew-marathon
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
#[path = "../../world/tally.rs"]
mod tally;
#[path = "../../resign/verifier.rs"]
mod verifier;
#[path = "../../world/wire.rs"]
mod wire;
#[path = "../../world/wording.rs"]
mod wording;

use repair::Repair;
use runtime::block_on;

fn main() {
    println!("(a) healthy: {}", healthy::through_the_layers(10_000_000));
    println!("(b) one skew: {}", single::in_any_words(100, 0));
    println!(
        "(c) a fault beside a skew: {}",
        combined::beside_a_skew(4_000, 0)
    );
    println!("(c) a nemesis for 24 hours: {}", nemesis::for_a_day(100, 0));
    println!(
        "(d) NTP repairs by a step: {}",
        repair::repairs(Repair::Step, (5_000, 0))
    );
    println!(
        "(d) NTP repairs by a slew: {}",
        repair::repairs(Repair::Slew, (5_000, 0))
    );
    println!("(f) accepted answers: {}", accepted::sequences(50_000, 0));
}

/// Here everything has its full length.
#[cfg(test)]
const fn is_full() -> bool {
    true
}
