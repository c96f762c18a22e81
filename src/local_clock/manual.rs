//! [`ManualClock`]: clocks for tests.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::{LocalClock, Reading};

/// Local clocks that a test sets. Clones share their state.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use aws_clock_skew::{LocalClock, ManualClock};
///
/// let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
/// let clock = ManualClock::new(start);
/// clock.advance(Duration::from_secs(5)); // time passes
/// clock.set_wall(start); // the wall clock is set back
/// assert_eq!(clock.wall(), start);
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Reading>>);

impl ManualClock {
    /// Returns stopped clocks: the wall clock shows `wall`, and the monotonic clock one
    /// day.
    pub fn new(wall: SystemTime) -> Self {
        Self(Arc::new(Mutex::new(Reading {
            wall,
            monotonic: Duration::from_secs(86_400),
        })))
    }

    /// Advances both clocks.
    ///
    /// # Panics
    ///
    /// Panics if the platform's `SystemTime` or `Duration` cannot hold the sum.
    pub fn advance(&self, by: Duration) {
        self.with(|clocks| {
            clocks.wall += by;
            clocks.monotonic += by;
        });
    }

    /// Sets the wall clock, as NTP or a person does. The monotonic clock does not change.
    pub fn set_wall(&self, wall: SystemTime) {
        self.with(|clocks| clocks.wall = wall);
    }

    /// Advances the monotonic clock only. Together with [`set_wall`](Self::set_wall), it
    /// simulates a wall clock that runs too fast or too slow or is slewed.
    ///
    /// # Panics
    ///
    /// Panics if `Duration` cannot hold the sum.
    pub fn advance_monotonic(&self, by: Duration) {
        self.with(|clocks| clocks.monotonic += by);
    }

    fn with<R>(&self, change: impl FnOnce(&mut Reading) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl LocalClock for ManualClock {
    fn wall(&self) -> SystemTime {
        self.with(|clocks| clocks.wall)
    }

    fn monotonic(&self) -> Duration {
        self.with(|clocks| clocks.monotonic)
    }
}
