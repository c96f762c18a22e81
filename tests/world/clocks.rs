//! Virtual time: the true time, and a machine with its own wall clock and monotonic clock.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::{LocalClock, SkewClock};
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;

/// The three clocks, which clones share. Time passes only when a test says so.
#[derive(Clone, Debug)]
pub(crate) struct World(Arc<Mutex<Clocks>>);

#[derive(Debug)]
struct Clocks {
    truth: SystemTime,
    wall: SystemTime,
    monotonic: Duration,
    /// By how much the wall clock and the monotonic clock are too fast, in millionths.
    wall_ppm: i64,
    boot_ppm: i64,
    /// The rate at which NTP slews the wall clock to the true time, in millionths, or 0.
    slew_ppm: i64,
    strobe: Option<Strobe>,
    /// Up to which point of Tokio's time the clocks have been advanced, if they follow it.
    counted: Option<tokio::time::Instant>,
}

/// A wall clock that jumps back and forth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Strobe {
    /// Milliseconds.
    pub(crate) by: i64,
    pub(crate) period: Duration,
}

/// An event on the machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// Time passes, for the machine and for the servers.
    Passes(Duration),
    /// The process is frozen and time passes: SIGSTOP, a laptop out of memory, a function between
    /// two invocations.
    Freezes(Duration),
    /// The machine sleeps. Its monotonic clock counts that, as on Linux, or does not.
    Suspends { time: Duration, is_counted: bool },
    /// The virtual machine is paused or restored: both its clocks stand still.
    Pauses(Duration),
    /// NTP or a person sets the wall clock, this many milliseconds ahead of the true time.
    IsSet(i64),
    /// A checkpoint is restored, and the monotonic clock shows this much less.
    Restores(Duration),
}

impl World {
    /// A machine whose wall clock is `skew` ms ahead of the true time, in 2027.
    pub(crate) fn with_skew(skew: i64) -> Self {
        // Not a whole second nor millisecond, so that code which cuts either off is noticed.
        let truth = UNIX_EPOCH + Duration::new(1_800_000_000, 123_456_789);
        Self(Arc::new(Mutex::new(Clocks {
            truth,
            wall: shifted(truth, skew),
            monotonic: Duration::from_secs(86_400),
            wall_ppm: 0,
            boot_ppm: 0,
            slew_ppm: 0,
            strobe: None,
            counted: None,
        })))
    }

    /// A machine whose clock is correct and follows Tokio's time.
    pub(crate) fn in_tokio_time() -> Self {
        let world = Self::with_skew(0);
        world.clocks().counted = Some(tokio::time::Instant::now());
        world
    }

    pub(crate) fn true_time(&self) -> SystemTime {
        self.clocks().truth
    }

    /// How far the wall clock is ahead of the true time, in milliseconds.
    pub(crate) fn skew(&self) -> i64 {
        millis_between(self.true_time(), self.wall())
    }

    pub(crate) fn passes(&self, time: Duration) {
        self.undergoes(Event::Passes(time));
    }

    pub(crate) fn undergoes(&self, event: Event) {
        let mut clocks = self.clocks();
        match event {
            Event::Passes(time) | Event::Freezes(time) => clocks.pass(time),
            Event::Suspends { time, is_counted } => {
                let boot = clocks.monotonic;
                clocks.pass(time);
                if !is_counted {
                    clocks.monotonic = boot;
                }
            }
            Event::Pauses(time) => clocks.truth += time,
            Event::IsSet(skew) => clocks.wall = shifted(clocks.truth, skew),
            Event::Restores(less) => clocks.monotonic = clocks.monotonic.saturating_sub(less),
        }
    }

    /// From now on the local clocks are too fast, in millionths.
    pub(crate) fn drifts(&self, wall_ppm: i64, boot_ppm: i64) {
        let mut clocks = self.clocks();
        clocks.wall_ppm = wall_ppm;
        clocks.boot_ppm = boot_ppm;
    }

    /// From now on NTP slews the wall clock to the true time at this rate.
    pub(crate) fn slews(&self, ppm: i64) {
        self.clocks().slew_ppm = ppm;
    }

    pub(crate) fn strobes(&self, strobe: Option<Strobe>) {
        self.clocks().strobe = strobe;
    }

    pub(crate) fn skew_clock(&self) -> SkewClock {
        SkewClock::builder().local_clock(self.clone()).build()
    }

    fn clocks(&self) -> MutexGuard<'_, Clocks> {
        let mut clocks = self.0.lock().expect("is not poisoned");
        if let Some(counted) = clocks.counted {
            let now = tokio::time::Instant::now();
            clocks.counted = Some(now);
            clocks.pass(now - counted);
        }
        clocks
    }
}

impl Clocks {
    fn pass(&mut self, time: Duration) {
        self.truth += time;
        self.monotonic += time;
        self.wall += time;
        if (self.wall_ppm, self.boot_ppm, self.slew_ppm) == (0, 0, 0) {
            return;
        }
        let part = |ppm: i64| {
            let ppm = u32::try_from(ppm.unsigned_abs()).expect("is small");
            time * ppm / 1_000_000
        };
        let (wall, boot) = (part(self.wall_ppm), part(self.boot_ppm));
        if self.wall_ppm >= 0 {
            self.wall += wall;
        } else {
            self.wall -= wall;
        }
        if self.boot_ppm >= 0 {
            self.monotonic += boot;
        } else {
            self.monotonic -= boot;
        }
        let slewed = part(self.slew_ppm);
        match self.truth.duration_since(self.wall) {
            Ok(behind) => self.wall += behind.min(slewed),
            Err(ahead) => self.wall -= ahead.duration().min(slewed),
        }
    }
}

impl LocalClock for World {
    fn wall(&self) -> SystemTime {
        let clocks = self.clocks();
        let since = clocks.truth.duration_since(UNIX_EPOCH);
        let since = since.expect("is long after").as_millis();
        match clocks.strobe {
            Some(Strobe { by, period }) if (since / period.as_millis()).is_multiple_of(2) => {
                shifted(clocks.wall, by)
            }
            _ => clocks.wall,
        }
    }

    fn monotonic(&self) -> Duration {
        self.clocks().monotonic
    }
}

/// The local clock, for clients without the crate.
impl TimeSource for World {
    fn now(&self) -> SystemTime {
        self.wall()
    }
}

/// Sleeping lets virtual time pass and takes no real time.
impl AsyncSleep for World {
    fn sleep(&self, duration: Duration) -> Sleep {
        let world = self.clone();
        // A time-out is created before anything awaits it, so time passes only when it is polled.
        Sleep::new(async move { world.passes(duration) })
    }
}

/// Returns `time` plus `millis` milliseconds.
pub(crate) fn shifted(time: SystemTime, millis: i64) -> SystemTime {
    let magnitude = Duration::from_millis(millis.unsigned_abs());
    if millis >= 0 {
        time + magnitude
    } else {
        time - magnitude
    }
}

/// Returns `to − from` in whole milliseconds.
pub(crate) fn millis_between(from: SystemTime, to: SystemTime) -> i64 {
    let millis = |time: Duration| i64::try_from(time.as_millis()).expect("within a lifetime");
    match to.duration_since(from) {
        Ok(ahead) => millis(ahead),
        Err(behind) => -millis(behind.duration()),
    }
}

pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) const fn millis(count: i64) -> Duration {
    Duration::from_millis(count.unsigned_abs())
}
