//! The local clocks: [`LocalClock`], [`SystemClock`] and, for tests,
//! `ManualClock`. The only file that reads the operating system's clocks.

#[cfg(feature = "test-util")]
mod manual;

use std::fmt;
use std::time::{Duration, SystemTime};

#[cfg(feature = "test-util")]
pub use manual::ManualClock;

/// The local clocks. Tests implement it, or use `ManualClock` (feature `test-util`).
///
/// Implementations must be fast, since every signature reads them, and must not panic.
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
    /// Returns the wall clock, such as `CLOCK_REALTIME`: it may be wrong, and people and NTP
    /// set it forward and backward.
    fn wall(&self) -> SystemTime;

    /// Returns the monotonic clock: the time since a fixed moment, usually the start of the
    /// machine. It never goes back and is never set. It should count the time during which
    /// the machine is suspended, and NTP should not slew it.
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
/// Where NTP slews the monotonic clock together with the wall clock, a repair by slewing is
/// noticed only when a server contradicts the correction.
///
/// The crate is tested on x86-64 Linux. Only this type differs on other platforms; the unit
/// tests compile and run their code on Linux. It needs 64-bit atomics, which all platforms
/// in the table have (32-bit ARM from ARMv6 on).
///
/// [clock_gettime(3)]: https://www.manpagez.com/man/3/clock_gettime/
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl SystemClock {
    /// Returns the handle.
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

    /// NTP slews `CLOCK_MONOTONIC` and `CLOCK_BOOTTIME` together with the wall clock
    /// (chrony: by up to 8.3 %). It does not slew `CLOCK_MONOTONIC_RAW`, which does not
    /// count suspend. The difference between the first and the last is the effect of
    /// slewing.
    pub(super) fn monotonic() -> Duration {
        fresh().unwrap_or_else(measured)
    }

    /// Returns the same from one clock, if the effect of slewing was measured within the
    /// last 16 ms.
    #[inline]
    pub(super) fn fresh() -> Option<Duration> {
        let total = total_time();
        let age = total.wrapping_sub(MEASURED_AT.load(Ordering::Relaxed));
        // Another thread may be between its two stores. The previous lead is as accurate.
        let lead = LEAD.load(Ordering::Relaxed);
        (age < FRESH).then(|| Duration::from_nanos(total.wrapping_add(lead)))
    }

    #[cold]
    fn measured() -> Duration {
        // If the process is stopped between the readings, the pause looks like a slew. Read
        // again until the readings are close together. The bound is for slow machines and
        // valgrind, where they never are.
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

    /// Where a sandbox has no `CLOCK_BOOTTIME`, time in suspend is not counted.
    pub(super) fn read_or_monotonic(clock: DynamicClockId<'_>) -> u64 {
        match clock_gettime_dynamic(clock) {
            Ok(time) => nanos(time),
            Err(_) => read(ClockId::Monotonic),
        }
    }

    fn read(clock: ClockId) -> u64 {
        nanos(clock_gettime(clock))
    }

    /// Nanoseconds last for 584 years.
    fn nanos(time: Timespec) -> u64 {
        // Clocks that count from the start of the machine are not negative.
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
    }

    /// How far `CLOCK_MONOTONIC_RAW` is ahead of `CLOCK_MONOTONIC`, in wrapping
    /// nanoseconds, as last measured.
    static LEAD: AtomicU64 = AtomicU64::new(0);
    /// When the lead was measured, by `CLOCK_BOOTTIME`; initially in the future.
    static MEASURED_AT: AtomicU64 = AtomicU64::new(u64::MAX / 2);
    /// A lead is used for this many nanoseconds. The fastest slew changes it by 1.3 ms in
    /// that time.
    const FRESH: u64 = 16_000_000;
    /// In nanoseconds: a thousand times what the readings take.
    const CLOSE: u64 = 200_000;
    const ATTEMPTS: u32 = 16;
}

/// Tests compile it on Linux, where this clock does not count suspend.
#[cfg(any(target_os = "macos", target_os = "ios", all(test, target_os = "linux")))]
mod continuous {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    pub(super) fn monotonic() -> Duration {
        let time = clock_gettime(ClockId::Monotonic);
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or(0),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        )
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

/// Both local clocks, read together, the wall clock first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Reading {
    pub(crate) wall: SystemTime,
    pub(crate) monotonic: Duration,
}

/// The local clocks. Those of the operating system are read without dynamic dispatch.
#[derive(Debug)]
pub(crate) enum LocalClocks {
    System(SystemClock),
    Other(Box<dyn LocalClock>),
}

impl LocalClocks {
    #[cfg(feature = "sdk")]
    pub(crate) const fn is_system(&self) -> bool {
        matches!(self, Self::System(_))
    }

    /// Returns the monotonic clock, if reading one clock of the system suffices.
    #[inline]
    pub(crate) fn monotonic_by_one_clock(&self) -> Option<Duration> {
        match self {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::System(_) => platform::fresh(),
            _ => None,
        }
    }
}

impl LocalClock for LocalClocks {
    #[inline]
    fn wall(&self) -> SystemTime {
        match self {
            Self::System(clock) => clock.wall(),
            // The SDK's adaptive rate limiter panics before 1970. No system sets its clock to
            // such a time.
            Self::Other(clock) => clock.wall().max(SystemTime::UNIX_EPOCH),
        }
    }

    fn monotonic(&self) -> Duration {
        match self {
            Self::System(clock) => clock.monotonic(),
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

    /// Returns the time from `earlier` to this reading, by the clock that measured more of
    /// it: a monotonic clock that stops in suspend measures too little, and so does a wall
    /// clock that is set back.
    pub(crate) fn longest_since(self, earlier: Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        wall.max(self.monotonic.saturating_sub(earlier.monotonic))
    }

    /// Returns the same by the clock that measured less.
    pub(crate) fn shortest_since(self, earlier: Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        wall.min(self.monotonic.saturating_sub(earlier.monotonic))
    }
}

#[cfg(test)]
mod tests;
