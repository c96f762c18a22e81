//! The local clocks: [`LocalClock`], [`SystemClock`] and, for tests,
//! `ManualClock`. The only file that reads the operating system's clocks.

#[cfg(feature = "test-util")]
mod manual;

use std::fmt;
use std::time::{Duration, SystemTime};

#[cfg(feature = "test-util")]
pub use manual::ManualClock;

/// The clocks of the machine, so that a test can bring its own.
///
/// Implementations must be cheap (they are asked at every signature) and must
/// not panic.
pub trait LocalClock: fmt::Debug + Send + Sync {
    /// Returns what the machine takes for the time: the clock that may be wrong,
    /// that people and NTP set, forwards and backwards.
    fn wall(&self) -> SystemTime;

    /// Returns the time since some fixed moment, usually the start of the machine: it
    /// never goes back, nobody sets it, and NTP does not speed it up or slow it
    /// down. It should count the time the machine was suspended.
    fn boot(&self) -> Duration;
}

/// The clocks of the operating system.
///
/// | platform | boot clock | counts suspend | slewed by NTP |
/// |---|---|---|---|
/// | Linux, Android | `CLOCK_MONOTONIC_RAW` + (`CLOCK_BOOTTIME` − `CLOCK_MONOTONIC`) | yes | no |
/// | macOS, iOS | `CLOCK_MONOTONIC` ([clock_gettime(3)]) | yes | with the wall clock |
/// | Windows | [`std::time::Instant`] (`QueryPerformanceCounter`) | yes | no |
/// | others | [`std::time::Instant`] | depends | depends |
///
/// Where the boot clock is slewed together with the wall clock, a repair by
/// slewing is noticed only when a server contradicts the correction.
///
/// Run on x86-64 Linux. What other platforms do differently is this clock alone; the
/// unit tests compile and run their ways of reading it on Linux. Needs atomics of 64
/// bits, as all platforms in the table have (of 32-bit ARM, ARMv6 and later).
///
/// [clock_gettime(3)]: https://www.manpagez.com/man/3/clock_gettime/
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl SystemClock {
    /// Returns the handle to the operating system's clocks.
    pub const fn new() -> Self {
        Self
    }
}

impl LocalClock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    #[inline]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn boot(&self) -> Duration {
        platform::boot()
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

    /// `CLOCK_MONOTONIC` and `CLOCK_BOOTTIME` are slewed by NTP together with the
    /// wall clock (chrony: by up to 8.3 %); `CLOCK_MONOTONIC_RAW` is not, and does
    /// not count suspend. The difference of the first and the last is what slewing has
    /// done, whatever was spent in suspend.
    pub(super) fn boot() -> Duration {
        fresh().unwrap_or_else(measured)
    }

    /// The same by one clock, if what slewing has done to it was measured a moment ago.
    #[inline]
    pub(super) fn fresh() -> Option<Duration> {
        let total = total_time();
        let age = total.wrapping_sub(MEASURED_AT.load(Ordering::Relaxed));
        // Another thread may be between its two stores: the lead of a moment before is
        // as good.
        let lead = LEAD.load(Ordering::Relaxed);
        (age < FRESH).then(|| Duration::from_nanos(total.wrapping_add(lead)))
    }

    #[cold]
    fn measured() -> Duration {
        // A process stopped between the readings would take the pause for a slew.
        // Read again until they lie close together; the bound is for machines so slow,
        // or under valgrind, that they never do.
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
    /// When that was, by `CLOCK_BOOTTIME`; at first in the future.
    static MEASURED_AT: AtomicU64 = AtomicU64::new(u64::MAX / 2);
    /// For so many nanoseconds a lead is used again: the fastest slew changes it by
    /// 1.3 ms in that time.
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

    pub(super) fn boot() -> Duration {
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
        reason = "the one place that reads the machine's clock"
    )]
    pub(super) fn boot() -> Duration {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        FIRST.get_or_init(Instant::now).elapsed()
    }
}

/// Both clocks of the machine, read together.
///
/// The wall clock is read first; nothing depends on the distance between the
/// two but its order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Reading {
    pub(crate) wall: SystemTime,
    pub(crate) boot: Duration,
}

/// The clocks of a machine: the usual ones without the detour through a table.
#[derive(Debug)]
pub(crate) enum MachineClock {
    System(SystemClock),
    Other(Box<dyn LocalClock>),
}

impl MachineClock {
    #[cfg(feature = "sdk")]
    pub(crate) const fn is_system(&self) -> bool {
        matches!(self, Self::System(_))
    }

    /// Returns the boot clock, if one clock of the machine suffices to know it.
    #[inline]
    pub(crate) fn boot_by_one_clock(&self) -> Option<Duration> {
        match self {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::System(_) => platform::fresh(),
            _ => None,
        }
    }
}

impl LocalClock for MachineClock {
    #[inline]
    fn wall(&self) -> SystemTime {
        match self {
            Self::System(clock) => clock.wall(),
            // The SDK's adaptive rate limiter panics before 1970. No system sets its clock to
            // such a time.
            Self::Other(clock) => clock.wall().max(SystemTime::UNIX_EPOCH),
        }
    }

    fn boot(&self) -> Duration {
        match self {
            Self::System(clock) => clock.boot(),
            Self::Other(clock) => clock.boot(),
        }
    }
}

impl Reading {
    pub(crate) fn take(clock: &impl LocalClock) -> Self {
        Self {
            wall: clock.wall(),
            boot: clock.boot(),
        }
    }

    /// Returns the time from `earlier` to this reading, by the clock that saw
    /// more of it: a boot clock that stops in suspend saw too little, a wall
    /// clock that was set back saw less than nothing.
    pub(crate) fn longest_since(self, earlier: Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        wall.max(self.boot.saturating_sub(earlier.boot))
    }

    /// The same by the clock that saw less.
    pub(crate) fn shortest_since(self, earlier: Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        wall.min(self.boot.saturating_sub(earlier.boot))
    }
}

#[cfg(test)]
mod tests;
