//! A machine with its own clock, and the true time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::{LocalClock, ManualClock, SkewClock};
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;

/// A machine whose monotonic clock is correct and whose wall clock may be wrong.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) machine: ManualClock,
}

/// 2027-01-15T08:00:00Z at boot.
const TRUE_TIME_AT_BOOT: Duration = Duration::from_secs(1_800_000_000);

impl World {
    /// A machine that is ahead of the true time by `skew` seconds.
    pub(crate) fn with_skew(skew: i64) -> Self {
        let world = Self {
            machine: ManualClock::new(UNIX_EPOCH),
        };
        world.set_skew(skew);
        world
    }

    pub(crate) fn true_time(&self) -> SystemTime {
        UNIX_EPOCH + TRUE_TIME_AT_BOOT + self.machine.monotonic()
    }

    pub(crate) fn machine_wall(&self) -> SystemTime {
        self.machine.wall()
    }

    /// Sets the local clock to `skew` seconds ahead of the true time.
    pub(crate) fn set_skew(&self, skew: i64) {
        self.machine.set_wall(shifted(self.true_time(), skew));
    }

    /// Lets time pass, on the machine and on the servers.
    pub(crate) fn advance(&self, by: Duration) {
        self.machine.advance(by);
    }

    /// Lets a century pass. The release date of the crate, from which the limits count at the
    /// earliest, is then in the past by any clock that a test sets.
    pub(crate) fn advance_a_century(&self) {
        self.advance(minutes(36_524 * 24 * 60));
    }

    pub(crate) fn skew_clock(&self) -> SkewClock {
        SkewClock::builder()
            .local_clock(self.machine.clone())
            .build()
    }

    /// The true time, as the clock of an endpoint.
    pub(crate) fn clock(&self) -> impl Fn() -> SystemTime + Send + Sync + 'static {
        let world = self.clone();
        move || world.true_time()
    }
}

/// Returns `time` moved by `seconds`.
pub(crate) fn shifted(time: SystemTime, seconds: i64) -> SystemTime {
    let magnitude = Duration::from_secs(seconds.unsigned_abs());
    if seconds >= 0 {
        time + magnitude
    } else {
        time - magnitude
    }
}

pub(crate) const MINUTE: i64 = 60;
pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 86_400;

pub(crate) const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// The local clock, for clients without the crate.
impl TimeSource for World {
    fn now(&self) -> SystemTime {
        self.machine_wall()
    }
}

/// Sleeping lets virtual time pass and takes no real time.
impl AsyncSleep for World {
    fn sleep(&self, duration: Duration) -> Sleep {
        let world = self.clone();
        // A time-out is created before anything awaits it, so time passes only when it is polled.
        Sleep::new(async move { world.advance(duration) })
    }
}
