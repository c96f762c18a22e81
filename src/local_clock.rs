//! The local clocks: [`LocalClock`], [`SystemClock`] and, for tests, `ManualClock`. No
//! other file reads the clocks of the operating system.

#[cfg(feature = "test-util")]
mod manual;

use std::fmt;
use std::time::{Duration, SystemTime};

#[cfg(feature = "test-util")]
pub use manual::ManualClock;

/// The local wall clock and the local monotonic clock. [`SystemClock`] is the default;
/// tests use `ManualClock` (feature `test-util`) or implement this trait.
///
/// An implementation must be fast, because every signature reads the clocks, and must not
/// panic.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use aws_clock_skew::{LocalClock, SkewClock, SystemClock};
///
/// /// A wall clock two hours behind that of the system.
/// #[derive(Debug)]
/// struct TwoHoursBehind;
///
/// impl LocalClock for TwoHoursBehind {
///     fn wall(&self) -> SystemTime {
///         SystemClock::new().wall() - Duration::from_hours(2)
///     }
///
///     fn monotonic(&self) -> Duration {
///         SystemClock::new().monotonic()
///     }
/// }
///
/// let clock = SkewClock::builder().local_clock(TwoHoursBehind).build();
/// ```
pub trait LocalClock: fmt::Debug + Send + Sync {
    /// Returns the wall clock, such as `CLOCK_REALTIME`. It may be wrong, and people and
    /// NTP may set it forward or backward.
    fn wall(&self) -> SystemTime;

    /// Returns the monotonic clock: the time since a fixed moment, usually the start of the
    /// machine. It must never go back and never be set. It should count the time during
    /// which the machine is suspended, and NTP should not slew it.
    fn monotonic(&self) -> Duration;
}

/// The clocks of the operating system.
///
/// | platform | monotonic clock | counts suspend | slewed by NTP |
/// |---|---|---|---|
/// | Linux, Android | `CLOCK_MONOTONIC_RAW` + (`CLOCK_BOOTTIME` − `CLOCK_MONOTONIC`) | yes | no |
/// | macOS, iOS | `CLOCK_MONOTONIC` ([clock_gettime(3)]) | yes | with the wall clock |
/// | Windows | [`std::time::Instant`] (`QueryPerformanceCounter`) | yes | no |
/// | others | [`std::time::Instant`] | depends | depends |
///
/// If NTP slews the monotonic clock together with the wall clock, a repair by slewing is
/// noticed only when a server contradicts the correction.
///
/// The crate is tested on x86-64 Linux. Only this type has code for other platforms, and
/// the unit tests compile and run that code on Linux. The crate needs 64-bit atomics, which
/// all platforms in the table have (32-bit ARM from ARMv6 on).
///
/// [clock_gettime(3)]: https://www.manpagez.com/man/3/clock_gettime/
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl SystemClock {
    /// Returns the clocks of the operating system.
    pub const fn new() -> Self {
        Self
    }
}

impl LocalClock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the local clock"
    )]
    #[inline]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        platform::monotonic()
    }
}

#[cfg(any(target_os = "macos", target_os = "ios"))]
use continuous as platform;
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "macos",
    target_os = "ios"
)))]
use instant as platform;
#[cfg(any(target_os = "linux", target_os = "android"))]
use unslewed as platform;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod unslewed {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use rustix::time::{ClockId, DynamicClockId, Timespec, clock_gettime, clock_gettime_dynamic};

    /// Returns a monotonic clock that counts suspend and is not slewed. NTP slews
    /// `CLOCK_BOOTTIME` and `CLOCK_MONOTONIC` together with the wall clock (chrony: by up
    /// to 8.3 %). It does not slew `CLOCK_MONOTONIC_RAW`, which does not count suspend. The
    /// difference between the last two is the effect of slewing. It is measured again after
    /// 16 ms; until then, a reading of one clock suffices.
    #[inline]
    pub(super) fn monotonic() -> Duration {
        let total = total_time();
        let age = total.wrapping_sub(MEASURED_AT.load(Ordering::Relaxed));
        if age >= FRESH {
            return measured();
        }
        // Another thread may be between its two stores. The previous lead is accurate
        // enough.
        let lead = LEAD.load(Ordering::Relaxed);
        Duration::from_nanos(total.wrapping_add(lead))
    }

    #[cold]
    fn measured() -> Duration {
        // If the process is stopped between two readings, the pause looks like slewing. So
        // this reads again until the readings are close together. On slow machines and
        // under valgrind they never are, so the number of attempts is limited.
        let mut attempts = ATTEMPTS;
        loop {
            let before = read(ClockId::Monotonic);
            let raw = read(ClockId::MonotonicRaw);
            let total = total_time();
            let after = read(ClockId::Monotonic);
            attempts -= 1;
            if after.saturating_sub(before) <= CLOSE || attempts == 0 {
                let lead = raw.wrapping_sub(before);
                LEAD.store(lead, Ordering::Relaxed);
                MEASURED_AT.store(total, Ordering::Relaxed);
                return Duration::from_nanos(total.wrapping_add(lead));
            }
        }
    }

    fn total_time() -> u64 {
        read_or_monotonic(DynamicClockId::Boottime)
    }

    /// Reads a clock, or `CLOCK_MONOTONIC` if a sandbox does not have it. Suspend is not
    /// counted then.
    pub(super) fn read_or_monotonic(clock: DynamicClockId<'_>) -> u64 {
        match clock_gettime_dynamic(clock) {
            Ok(time) => nanos(time),
            Err(_) => read(ClockId::Monotonic),
        }
    }

    fn read(clock: ClockId) -> u64 {
        nanos(clock_gettime(clock))
    }

    /// Returns a time in nanoseconds, which suffice for 584 years.
    fn nanos(time: Timespec) -> u64 {
        // Clocks that count from the start of the machine are not negative.
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
    }

    /// The last measured difference `CLOCK_MONOTONIC_RAW` − `CLOCK_MONOTONIC`, in wrapping
    /// nanoseconds.
    static LEAD: AtomicU64 = AtomicU64::new(0);
    /// When `LEAD` was measured, by `CLOCK_BOOTTIME`; initially in the future.
    static MEASURED_AT: AtomicU64 = AtomicU64::new(u64::MAX / 2);
    /// How many nanoseconds `LEAD` is used for. The fastest slew changes it by 1.3 ms in
    /// that time.
    const FRESH: u64 = 16_000_000;
    /// The largest distance between two readings that are close together, in nanoseconds.
    /// It is a thousand times longer than the readings usually take.
    const CLOSE: u64 = 200_000;
    const ATTEMPTS: u32 = 16;
}

/// Tests also compile this on Linux, where this clock does not count suspend.
#[cfg(any(target_os = "macos", target_os = "ios", all(test, target_os = "linux")))]
mod continuous {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    pub(super) fn monotonic() -> Duration {
        let time = clock_gettime(ClockId::Monotonic);
        time.try_into().unwrap_or_default()
    }
}

#[cfg(any(
    test,
    not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "macos",
        target_os = "ios"
    ))
))]
mod instant {
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the local clock"
    )]
    pub(super) fn monotonic() -> Duration {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        FIRST.get_or_init(Instant::now).elapsed()
    }
}

/// A reading of both local clocks, the wall clock first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Reading {
    pub(crate) wall: SystemTime,
    pub(crate) monotonic: Duration,
}

/// The local clocks. Those of the operating system are read without dynamic dispatch.
#[derive(Debug, Default)]
pub(crate) enum LocalClocks {
    #[default]
    System,
    Other(Box<dyn LocalClock>),
}

impl LocalClocks {
    pub(crate) const fn is_system(&self) -> bool {
        matches!(self, Self::System)
    }
}

impl LocalClock for LocalClocks {
    #[inline]
    fn wall(&self) -> SystemTime {
        match self {
            Self::System => SystemClock.wall(),
            // The SDK's adaptive rate limiter panics before 1970. The system clocks never
            // show such a time.
            Self::Other(clock) => clock.wall().max(SystemTime::UNIX_EPOCH),
        }
    }

    fn monotonic(&self) -> Duration {
        match self {
            Self::System => SystemClock.monotonic(),
            Self::Other(clock) => clock.monotonic(),
        }
    }
}

impl Reading {
    pub(crate) fn take(clock: &impl LocalClock) -> Self {
        Self {
            wall: clock.wall(),
            monotonic: clock.monotonic(),
        }
    }

    /// Returns the time from `earlier` to this reading, by the clock that measured more. A
    /// monotonic clock that stops in suspend measures too little, and so does a wall clock
    /// that is set back.
    pub(crate) fn longest_since(self, earlier: Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        wall.max(self.monotonic.saturating_sub(earlier.monotonic))
    }

    /// Returns the time from `earlier` to this reading, by the clock that measured less.
    pub(crate) fn shortest_since(self, earlier: Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        wall.min(self.monotonic.saturating_sub(earlier.monotonic))
    }
}

#[cfg(test)]
mod tests;
