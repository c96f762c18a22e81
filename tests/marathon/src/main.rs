//! The simulated world of `tests/world`, at full length. It prints the figures of
//! `docs/verification.md` and compares them.
//!
//! ```text
//! cargo run --release -p aws-clock-skew-marathon
//! cargo run --release -p aws-clock-skew-marathon -- nemesis
//! ```

#![expect(clippy::expect_used, reason = "a test may panic")]
#![expect(dead_code, reason = "the tests of `tests/world` use more of it")]

#[path = "../../world/accepted.rs"]
mod accepted;
#[path = "../../world/arm.rs"]
mod arm;
#[path = "../../world/burst.rs"]
mod burst;
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
use runtime::{block_on, in_parallel};
use tally::Tally;

/// What is claimed, what is measured, and which of the counts are stated.
type Claim = (&'static str, fn() -> Tally, &'static [&'static str]);

const CLAIMS: [Claim; 8] = [
    (
        "A correct clock is not changed. Round trips of 1 ms to 15 min, 5 % wrong `Date`s on \
        accepted responses, 1 % on 403s and 503s",
        || healthy::on_correct_clocks(5_000_000, 50_000),
        healthy::FIGURES,
    ),
    (
        "One wrong clock, with each of the error texts, up to 399 days behind (7 by `Date`) and \
        20 years ahead",
        || single::reported_by_each_error(100, 10),
        single::FIGURES,
    ),
    (
        "A fault together with a wrong clock: 28 kinds of faults",
        || combined::beside_a_skew(1_000, 100),
        combined::FIGURES,
    ),
    (
        "A [nemesis](https://jepsen.io) at the wall clock for 24 hours: bumps of 4 ms to 49 \
        days, and strobes",
        || nemesis::for_a_day(20, 10),
        nemesis::FIGURES,
    ),
    (
        "NTP repairs by a step",
        || repair::repairs(Repair::Step, (1_000, 100)),
        repair::FIGURES,
    ),
    (
        "NTP repairs by a slew of 500 to 83,333 ppm",
        || repair::repairs(Repair::Slew, (1_000, 100)),
        repair::FIGURES,
    ),
    (
        "Accepted responses: sequences of 20, with any `Date`",
        || accepted::sequences(10_000, 500),
        accepted::FIGURES,
    ),
    (
        "1,000 calls in flight when the clock skew shows, eight times",
        burst::thousands,
        burst::FIGURES,
    ),
];

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let page = include_str!("../../../docs/verification.md");
    let claims = CLAIMS.iter().filter(|(claim, ..)| claim.contains(&only));
    let differs = |(claim, measure, figures): &&Claim| {
        let row = format!("| {claim} | {} |\n", measure().figures(figures));
        print!("{row}");
        !page.contains(&row)
    };
    let differing = claims.filter(differs).count();
    assert_eq!(
        differing, 0,
        "rows differ from those of docs/verification.md"
    );
}
