//! The simulated world of `tests/world`, at full length: the figures of
//! `docs/proof.md`.
//!
//! ```text
//! cargo run --release -p aws-clock-skew-marathon
//! ```

#![expect(clippy::expect_used, reason = "a test may panic")]

#[path = "../../world/arm.rs"]
mod arm;
#[path = "../../world/chance.rs"]
mod chance;
#[path = "../../world/clocks.rs"]
mod clocks;
#[path = "../../world/fate.rs"]
mod fate;
#[path = "../../world/healthy.rs"]
mod healthy;
#[path = "../../world/runtime.rs"]
mod runtime;
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

use runtime::block_on;

fn main() {
    println!("(a) healthy: {}", healthy::through_the_layers(10_000_000));
}
