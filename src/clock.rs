//! [`SkewClock`]: the clock that all clients share, and the only shared state of the crate.

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
/// It shows the local time until a server rejects a request because of its timestamp, and
/// the corrected time from then on. A clone is cheap and shares everything. Use one clock
/// for the whole process, so that one rejected request corrects all clients.
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
    /// Copies of parts of `state` that are read without its lock. `publish` updates them
    /// after each change of `state`.
    is_corrected: AtomicBool,
    generation: AtomicU64,
    has_host_times: AtomicBool,
    /// Whether each accepted response has to be observed: it could confirm or end
    /// something, or an event that [`now`](SkewClock::now) left in the state has to be
    /// emitted.
    wants_accepted: AtomicBool,
    /// The second on the monotonic clock at which a response from AWS was last checked for a
    /// confirmation, or `u64::MAX`.
    checked_at: AtomicU64,
    /// Whether a call of [`status`](SkewClock::status) is refreshing the gauges.
    is_refreshing: AtomicBool,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    #[cfg(feature = "sdk")]
    recent: crate::recent::RecentCredentials,
    /// Whether a client in which this clock is installed has sent a request that the SDK
    /// cannot re-sign with this clock's time.
    #[cfg(feature = "sdk")]
    has_other_signers: AtomicBool,
}

type Listener = Box<dyn Fn(&SkewEvent) + Send + Sync>;

#[derive(Default)]
struct State {
    clock: ClockState,
    /// When [`now`](SkewClock::now) last checked whether the wall clock was repaired, on
    /// the monotonic clock.
    wall_checked_at: Duration,
    throttle: Throttle,
    /// Counts the changes that [`SkewWatcher`] reports.
    version: u64,
}

impl SkewClock {
    /// Returns a clock with the default settings.
    ///
    /// If the environment variable `AWS_DISABLE_CLOCK_SKEW_CORRECTION` is `true`, the clock
    /// only observes; see [`SkewClockBuilder::observe_only`].
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Returns a builder of a clock with other settings, such as limits or a known offset.
    pub fn builder() -> SkewClockBuilder {
        SkewClockBuilder::default()
    }

    /// Returns the time to sign with: the corrected time if a service has shown that the
    /// local clock is wrong, and otherwise the local wall clock, bit for bit.
    ///
    /// It never panics, and the result is never before 1970. The result can go back when a
    /// correction starts or ends, as the wall clock can at any time.
    ///
    /// ```
    /// let signed_at = aws_clock_skew::SkewClock::new().now();
    /// # let _: std::time::SystemTime = signed_at;
    /// ```
    pub fn now(&self) -> SystemTime {
        if self.0.is_corrected.load(Ordering::Acquire) {
            self.corrected_now()
        } else {
            self.0.local.wall()
        }
    }

    /// Drops the correction. Call it when the offset may have changed, for example after a
    /// snapshot was restored.
    ///
    /// It also drops an [`initial_offset`](SkewClockBuilder::initial_offset), the
    /// confirmation by AWS, and the times that are kept for single hosts. The event counts
    /// stay. If there was a correction, a `correction_cleared` event is emitted.
    ///
    /// ```
    /// use aws_clock_skew::{ClockOffset, SkewClock};
    ///
    /// let offset = ClockOffset::from_millis(3_600_000);
    /// let clock = SkewClock::builder().initial_offset(offset).build();
    /// clock.reset();
    /// assert!(!clock.status().is_correcting());
    /// ```
    pub fn reset(&self) {
        let reading = self.reading();
        self.change(reading, |clock| decide::reset(clock, reading));
    }

    /// Sets a known offset, server time − local time.
    ///
    /// It is for programs that know the time from another source than a response, such as a
    /// presigner or a device with its own time signal.
    ///
    /// The effect is that of [`reset`](Self::reset) followed by that of
    /// [`initial_offset`](SkewClockBuilder::initial_offset): the first sample replaces the
    /// offset like any other correction, and an offset of 30 s or less is ignored, so that
    /// the clock shows the local time. [`Limits`](crate::Limits) do not apply. If the
    /// correction changes, an event is emitted.
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
        self.change(reading, |clock| decide::set_offset(clock, offset, reading));
    }

    /// Returns whether the clock only observes: it reports clock skew and corrects nothing.
    pub fn is_observe_only(&self) -> bool {
        self.0.origin.mode == Mode::Observe
    }

    /// Reads both local clocks.
    pub(crate) fn reading(&self) -> Reading {
        Reading::take(&self.0.local)
    }

    /// Returns how often the correction has changed.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Returns a number that only clones of this clock have, while one of them exists.
    #[cfg(feature = "sdk")]
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Returns whether requests to any host are signed with a time other than the local
    /// time.
    pub(crate) fn is_correcting(&self) -> bool {
        let is_corrected = self.0.is_corrected.load(Ordering::Acquire);
        (is_corrected || self.has_host_times()) && !self.is_observe_only()
    }

    /// Returns whether a time is kept for any single host.
    pub(crate) fn has_host_times(&self) -> bool {
        self.0.has_host_times.load(Ordering::Acquire)
    }

    /// Returns whether [`now`](Self::now) differs from the local time.
    #[cfg(any(feature = "sdk", feature = "tower"))]
    pub(crate) fn is_corrected(&self) -> bool {
        self.0.is_corrected.load(Ordering::Acquire) && !self.is_observe_only()
    }

    /// Returns the local clocks.
    #[cfg(feature = "sdk")]
    pub(crate) fn local(&self) -> &LocalClocks {
        &self.0.local
    }

    /// Returns the credentials that requests in flight may be signed with.
    #[cfg(feature = "sdk")]
    pub(crate) fn recent_credentials(&self) -> &crate::recent::RecentCredentials {
        &self.0.recent
    }

    /// Returns whether some requests of clients in which this clock is installed have to be
    /// corrected by the HTTP client: they have another signer, or their client lacks the
    /// interceptor.
    #[cfg(feature = "sdk")]
    pub(crate) fn has_other_signers(&self) -> bool {
        self.0.has_other_signers.load(Ordering::Relaxed)
    }

    /// Notes a request of that kind. Call it before the request gets its connector.
    #[cfg(feature = "sdk")]
    pub(crate) fn note_other_signer(&self) {
        self.0.has_other_signers.store(true, Ordering::Relaxed);
    }

    /// The rare path of [`now`](Self::now), separate so that the common path is inlined.
    #[cold]
    #[inline(never)]
    fn corrected_now(&self) -> SystemTime {
        let local = &self.0.local;
        if self.is_observe_only() {
            return local.wall();
        }
        let mono = local.is_system().then(|| local.monotonic());
        let mut state = self.lock();
        if let Some(mono) = mono
            && mono.abs_diff(state.wall_checked_at) < WALL_CHECK_PERIOD
            && let Some(time) = state.clock.corrected_at(mono)
        {
            return time;
        }
        let reading = self.reading();
        state.wall_checked_at = reading.monotonic;
        self.clear_outdated(&mut state, reading);
        state.clock.now(reading)
    }

    /// Ends a correction that no longer holds. Its event is emitted later: here, a
    /// subscriber could call this clock again, or delay a signature.
    fn clear_outdated(&self, state: &mut State, reading: Reading) {
        let before = state.clock.events.len();
        decide::clear_outdated(&mut state.clock, reading);
        if state.clock.events.len() != before {
            self.publish(state);
        }
    }

    /// Poisoning is ignored: each change of the state is complete before anything can
    /// panic.
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

/// How often [`now`](SkewClock::now) checks whether the wall clock was repaired, when it
/// reads the system clocks. Between two checks the correction follows the monotonic clock,
/// so it stays accurate.
const WALL_CHECK_PERIOD: Duration = Duration::from_millis(16);
