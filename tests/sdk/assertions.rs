//! Assertions on the time that a clock shows.

use std::time::{Duration, SystemTime};

use aws_clock_skew::SkewClock;

use crate::world::World;

impl World {
    /// Asserts that the clock shows the true time, within a second and a half.
    #[track_caller]
    pub(crate) fn assert_true_time(&self, clock: &SkewClock) {
        let error = distance(clock.now(), self.true_time());
        assert!(error <= Duration::from_millis(1_500), "{error:?} off");
    }

    /// Asserts that the clock shows exactly the local time.
    #[track_caller]
    pub(crate) fn assert_local_time(&self, clock: &SkewClock) {
        assert_eq!(clock.now(), self.machine_wall());
        assert!(!clock.status().is_correcting());
    }
}

/// Returns how far two times are apart.
pub(crate) fn distance(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other)
        .unwrap_or_else(|before| before.duration())
}
