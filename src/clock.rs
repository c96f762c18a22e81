//! [`SkewClock`]: the clock that all clients share. The only shared state.

mod announce;
mod builder;
#[cfg(test)]
mod healthy;
#[cfg(all(test, clock_skew_loom))]
mod interleavings;
mod observe;
mod status;
#[cfg(test)]
mod steady;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::correction::ClockState;
use crate::decide;
use crate::event::{Mode, SkewEvent};
#[cfg(any(feature = "sdk", feature = "tower"))]
use crate::lifetime::{Clocks, corrected_expiry};
use crate::local_clock::{LocalClock, LocalClocks, Reading};
use crate::offset::ClockOffset;
use crate::report::Origin;
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard};
use crate::throttle::Throttle;

pub use builder::SkewClockBuilder;
pub(crate) use observe::SentAt;
pub use status::{SkewStatus, SkewWatcher};

/// A clock that shows the server's time if the local clock is wrong.
///
/// It shows the local wall clock, and is corrected when a server rejects a request
/// because of its time. Cheap to clone; clones share everything. Use one for a whole
/// process: then one rejected request corrects all clients.
///
/// ```
/// use aws_clock_skew::SkewClock;
///
/// let skew = SkewClock::new();
/// assert!(!skew.status().is_correcting());
/// ```
#[derive(Clone)]
pub struct SkewClock(Arc<Shared>);

struct Shared {
    local: LocalClocks,
    origin: Origin,
    on_event: Option<Listener>,
    /// What readers need of `state` without its lock; each change of `state` publishes it.
    is_corrected: AtomicBool,
    generation: AtomicU64,
    has_host_times: AtomicBool,
    /// Every accepted response is worth a look: there is something that it can confirm
    /// or end, or something that [`now`](SkewClock::now) has left unreported.
    wants_accepted: AtomicBool,
    /// The second, on the monotonic clock, from which on an accepted response of AWS is
    /// worth a look again.
    next_confirmation: AtomicU64,
    /// A call of [`status`](SkewClock::status) is about to refresh the gauges.
    is_refreshing: AtomicBool,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    #[cfg(feature = "sdk")]
    recent: crate::recent::RecentCredentials,
}

type Listener = Box<dyn Fn(&SkewEvent) + Send + Sync>;

struct State {
    clock: ClockState,
    /// When [`now`](SkewClock::now) looked last whether the wall clock was repaired, on
    /// the monotonic clock.
    looked_at_wall: Duration,
    throttle: Throttle,
    unreported: Vec<SkewEvent>,
    /// Counts everything that [`SkewWatcher`] tells of.
    version: u64,
}

impl SkewClock {
    /// Returns a clock that reads the local clocks, with default limits.
    ///
    /// With `AWS_DISABLE_CLOCK_SKEW_CORRECTION=true` in the environment it only
    /// observes; see [`SkewClockBuilder::observe_only`].
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Returns a builder, for tests, limits and known offsets.
    pub fn builder() -> SkewClockBuilder {
        SkewClockBuilder::default()
    }

    /// Returns the time to sign with: the local wall clock, bit for bit, until a
    /// service has shown it to be wrong, and the corrected time then.
    ///
    /// Never panics and is never before 1970. On a machine with a wrong clock the
    /// result may go back when a correction starts, as the wall clock may at any time.
    pub fn now(&self) -> SystemTime {
        if self.0.is_corrected.load(Ordering::Acquire) {
            self.corrected_now()
        } else {
            self.0.local.wall()
        }
    }

    /// Forgets the correction. Call it after a snapshot was restored, for example: the
    /// local clock may then be correct, or wrong by another offset.
    ///
    /// It also forgets an [`initial_offset`](SkewClockBuilder::initial_offset), the
    /// confirmation by AWS, and the times of single hosts. The event counts stay. If a
    /// correction ends by this, that is an event.
    pub fn reset(&self) {
        let reading = self.reading();
        self.change(reading, |clock, events| {
            decide::reset(clock, reading, events)
        });
    }

    /// Sets a known offset, server time − local time.
    ///
    /// For a program that knows the time from a source other than a response, such as a
    /// presigner or a device with its own time signal.
    ///
    /// It does what [`reset`](Self::reset) does, and then what
    /// [`initial_offset`](SkewClockBuilder::initial_offset) does: the first sample replaces
    /// the offset like any other correction, and one of 30 s or less is ignored, so that
    /// the local clock counts. [`Limits`](crate::Limits) do not apply. A change is an event.
    ///
    /// ```
    /// # #[cfg(feature = "test-util")] {
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// use aws_clock_skew::{ClockOffset, ManualClock, SkewClock};
    ///
    /// let clock = SkewClock::builder().local_clock(ManualClock::new(UNIX_EPOCH)).build();
    /// clock.set_offset(ClockOffset::from_millis(1_800_000_000_000));
    /// assert_eq!(clock.now(), UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    /// # }
    /// ```
    pub fn set_offset(&self, offset: ClockOffset) {
        let reading = self.reading();
        self.change(reading, |clock, events| {
            decide::set_offset(clock, offset, reading, events)
        });
    }

    /// Returns whether the clock only observes: it reports clock skew, and corrects nothing.
    pub fn is_observe_only(&self) -> bool {
        self.0.origin.mode == Mode::Observe
    }

    /// Takes both local clocks.
    pub(crate) fn reading(&self) -> Reading {
        Reading::take(&self.0.local)
    }

    /// Returns how often the correction has changed.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Returns whether this and another are clones of one clock.
    #[cfg(feature = "sdk")]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns whether anything is signed with a time that is not the local clock's.
    pub(crate) fn is_correcting(&self) -> bool {
        (self.0.is_corrected.load(Ordering::Acquire)
            || self.0.has_host_times.load(Ordering::Acquire))
            && !self.is_observe_only()
    }

    /// Returns whether some host has a time of its own.
    pub(crate) fn has_host_times(&self) -> bool {
        self.0.has_host_times.load(Ordering::Acquire)
    }

    /// Returns whether the time differs from the local clock's.
    #[cfg(any(feature = "sdk", feature = "tower"))]
    pub(crate) fn is_corrected(&self) -> bool {
        self.0.is_corrected.load(Ordering::Acquire) && !self.is_observe_only()
    }

    /// Returns the local clocks.
    #[cfg(feature = "sdk")]
    pub(crate) fn local(&self) -> &LocalClocks {
        &self.0.local
    }

    /// Returns the clocks that credentials are judged by.
    #[cfg(any(feature = "sdk", feature = "tower"))]
    pub(crate) fn clocks(&self) -> Clocks {
        // A correction may end by this, so that it comes first.
        let now = self.now();
        let reading = self.reading();
        Clocks {
            now,
            local: reading.wall,
            mono: reading.monotonic,
            generation: self.generation(),
        }
    }

    /// Returns when credentials that have just been loaded expire by this clock, where that
    /// is not what their provider says.
    #[cfg(any(feature = "sdk", feature = "tower"))]
    pub(crate) fn corrected_expiry(&self, expiry: Option<SystemTime>) -> Option<SystemTime> {
        if !self.is_corrected() {
            return None;
        }
        corrected_expiry(expiry?, self.0.local.wall(), self.now())
    }

    /// Returns the credentials that requests in flight may be signed with.
    #[cfg(feature = "sdk")]
    pub(crate) fn recent_credentials(&self) -> &crate::recent::RecentCredentials {
        &self.0.recent
    }

    /// The rare path of [`now`](Self::now), kept out of the other's way.
    #[cold]
    #[inline(never)]
    fn corrected_now(&self) -> SystemTime {
        if self.is_observe_only() {
            return self.0.local.wall();
        }
        let mono = self.0.local.monotonic_by_one_clock();
        let mut state = self.lock();
        if let Some(mono) = mono
            && mono.abs_diff(state.looked_at_wall) < BETWEEN_LOOKS
            && let Some(time) = state.clock.corrected_at(mono)
        {
            return time;
        }
        let reading = self.reading();
        state.looked_at_wall = reading.monotonic;
        self.keep_up(&mut state, reading);
        state.clock.now(reading)
    }

    /// Ends a correction that the local clock no longer needs. Emitting an event here
    /// could ask for the time again, or block a signature: it is left for later.
    fn keep_up(&self, state: &mut State, reading: Reading) {
        let before = state.unreported.len();
        decide::keep_up(&mut state.clock, reading, &mut state.unreported);
        if state.unreported.len() != before {
            self.publish(state);
        }
    }

    /// The state is values only, and every change of it is complete before
    /// anything can panic, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SkewClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SkewClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SkewClock")
            .field("local_clock", &self.0.local)
            .field("origin", &self.0.origin)
            .finish_non_exhaustive()
    }
}

/// Where the system's clocks are read, a repaired wall clock is noticed so much later. In
/// between the correction, which counts by the monotonic clock, is as accurate as before.
const BETWEEN_LOOKS: Duration = Duration::from_millis(16);
