//! Assertions on the time that a clock shows.

use std::time::Duration;

use aws_clock_skew::SkewClock;

use crate::world::World;

impl World {
    /// Asserts that the clock shows the true time, within a second and a half.
    #[track_caller]
    pub(crate) fn assert_true_time(&self, clock: &SkewClock) {
        let (now, truth) = (clock.now(), self.true_time());
        let error = now.duration_since(truth).unwrap_or_else(|e| e.duration());
        assert!(error <= Duration::from_millis(1_500), "{error:?} off");
    }

    /// Asserts that the clock shows exactly the local time.
    #[track_caller]
    pub(crate) fn assert_local_time(&self, clock: &SkewClock) {
        assert_eq!(clock.now(), self.machine_wall());
        assert!(!clock.status().is_correcting());
    }
}
