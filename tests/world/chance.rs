//! Random numbers with a seed: the same seed gives the same scenario.

use std::time::Duration;

pub(crate) use fastrand::Rng;

/// Drawing values.
pub(crate) trait Chance {
    /// Returns a value from a range; each order of magnitude is equally likely.
    fn spread(&mut self, low: i64, high: i64) -> i64;

    /// The same, in milliseconds, with either sign.
    fn either_way(&mut self, low: i64, high: i64) -> i64;

    fn time(&mut self, low: i64, high: i64) -> Duration;

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T;

    /// Returns `true` in `count` of a thousand cases.
    fn in_thousand(&mut self, count: u32) -> bool;
}

impl Chance for Rng {
    fn spread(&mut self, low: i64, high: i64) -> i64 {
        let octaves = (high / low).ilog2();
        let base = low << self.u32(0..=octaves);
        self.i64(base..=(2 * base).min(high).max(base))
    }

    fn either_way(&mut self, low: i64, high: i64) -> i64 {
        let sign = if self.bool() { 1 } else { -1 };
        sign * self.spread(low, high)
    }

    fn time(&mut self, low: i64, high: i64) -> Duration {
        crate::clocks::millis(self.spread(low, high))
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.usize(..choices.len())].clone()
    }

    fn in_thousand(&mut self, count: u32) -> bool {
        self.u32(..1_000) < count
    }
}
