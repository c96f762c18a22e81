//! Virtual time: the truth, and a machine with a wall clock and a monotonic clock of
//! its own.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::{LocalClock, SkewClock};
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;

/// The three clocks; clones share them. Nothing here passes by itself.
#[derive(Clone, Debug)]
pub(crate) struct World(Arc<Mutex<Clocks>>);

#[derive(Debug)]
struct Clocks {
    truth: SystemTime,
    wall: SystemTime,
    monotonic: Duration,
    /// By how much the wall clock and the monotonic clock run too fast, in millionths.
    wall_ppm: i64,
    boot_ppm: i64,
    /// How fast NTP takes the wall clock to the truth, in millionths; 0 if it does
    /// not.
    slew_ppm: i64,
    strobe: Option<Strobe>,
    /// Until when Tokio's time has been counted, where it passes in Tokio's time.
    counted: Option<tokio::time::Instant>,
}

/// A wall clock that jumps to and fro.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Strobe {
    /// Milliseconds.
    pub(crate) by: i64,
    pub(crate) period: Duration,
}

/// What happens to the machine and its clocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// Time passes, for everybody.
    Passes(Duration),
    /// The process stands still, and time passes: SIGSTOP, a laptop that is out of
    /// memory, a function that is frozen between two calls.
    Freezes(Duration),
    /// The machine sleeps. Its monotonic clock counts that, as on Linux, or not.
    Suspends { time: Duration, is_counted: bool },
    /// The virtual machine is paused, or restored: both its clocks stand still.
    Pauses(Duration),
    /// NTP or a person sets the wall clock, to so many milliseconds ahead of the
    /// truth.
    IsSet(i64),
    /// A checkpoint is restored, and the monotonic clock shows so much less.
    Restores(Duration),
}

impl World {
    /// A machine whose wall clock is `skew` ms ahead of the truth, in 2027.
    pub(crate) fn with_skew(skew: i64) -> Self {
        // Not a whole second, nor a whole millisecond: what cuts either off is seen.
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

    /// A machine whose clock is correct, and whose time passes as Tokio's does.
    pub(crate) fn in_tokio_time() -> Self {
        let world = Self::with_skew(0);
        world.clocks().counted = Some(tokio::time::Instant::now());
        world
    }

    pub(crate) fn true_time(&self) -> SystemTime {
        self.clocks().truth
    }

    /// How far the wall clock is ahead of the truth, in milliseconds.
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

    /// From now on the local clocks run too fast, in millionths.
    pub(crate) fn drifts(&self, wall_ppm: i64, boot_ppm: i64) {
        let mut clocks = self.clocks();
        clocks.wall_ppm = wall_ppm;
        clocks.boot_ppm = boot_ppm;
    }

    /// From now on NTP takes the wall clock to the truth, so fast.
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
        let mut clocks = self.0.lock().expect("nobody panics with it");
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

/// the local clock, for clients that are to do without ours.
impl TimeSource for World {
    fn now(&self) -> SystemTime {
        self.wall()
    }
}

/// Whoever waits lets virtual time pass, and nobody waits in earnest.
impl AsyncSleep for World {
    fn sleep(&self, duration: Duration) -> Sleep {
        let world = self.clone();
        // A time-out is made before it is known whether anybody waits for it.
        Sleep::new(async move { world.passes(duration) })
    }
}

/// Returns `time` moved by so many milliseconds.
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
