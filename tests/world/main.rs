//! The crate in a simulated world: the figures of `docs/verification.md`.
//!
//! Time is virtual. A server, the wall clock of a machine and its monotonic clock each have their
//! own. Faults are data, drawn from a seed that every failure names. `tests/marathon` runs the same
//! for longer, optimized. With `CLOCK_SKEW_FULL=1` in the environment, five simulated days become a
//! year, and 200 random scenarios become 100,000.

#![expect(clippy::expect_used, reason = "a test may panic")]

mod accepted;
mod arm;
mod burst;
mod chance;
mod clocks;
mod combined;
mod differential;
mod fate;
mod fault;
mod healthy;
mod nemesis;
#[path = "../sdk/polled.rs"]
mod polled;
mod repair;
mod row;
mod runtime;
mod single;
mod site;
mod skew_error;
mod table;
mod tally;
#[path = "../resign/verifier.rs"]
mod verifier;
mod wire;

use runtime::{block_on, in_parallel};

/// Returns whether to run the long version.
fn is_full() -> bool {
    std::env::var_os("CLOCK_SKEW_FULL").is_some_and(|value| value == "1")
}
