//! [`SkewClock`]: the clock that all clients share. The only shared state.

mod builder;
mod changes;
mod diagnose;
#[cfg(test)]
mod healthy;
mod hear;
#[cfg(all(test, clock_skew_loom))]
mod interleavings;
mod status;
#[cfg(test)]
mod steady;
#[cfg(any(feature = "aws-config", feature = "tower"))]
mod synchronize;

#[cfg(feature = "sdk")]
use std::any::Any;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::estimator::{Estimate, Estimator};
use crate::event::{Mode, SkewEvent};
use crate::local_clock::{LocalClock, MachineClock, Reading};
use crate::offset::ClockOffset;
use crate::report::{self, Origin};
use crate::ruling;
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard};
use crate::throttle::{Notice, Throttle};
use crate::word::Word;

pub use builder::SkewClockBuilder;
pub use changes::SkewChanges;
pub use status::SkewStatus;

/// A clock that knows the time even where the machine does not.
///
/// It starts out as the machine's wall clock, and is corrected when a service
/// rejects a request because of its time. Cheap to clone; clones share
/// everything. Use one for a whole process: what one client has learned, the
/// others need not learn again.
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
    local: MachineClock,
    /// What [`SkewClock::now`] needs of `state`, published by whoever changes it.
    word: AtomicU64,
    /// Since when that correction grows less certain: seconds, on the boot clock.
    learned_at: AtomicU64,
    /// [`Estimator::epoch`], for those who compare it at every call.
    epoch: AtomicU64,
    /// [`Estimator::moves`], the same.
    moves: AtomicU64,
    /// Every accepted answer is of interest: there is something that it can confirm
    /// or settle, a contradiction to another one that it can answer, or something
    /// that [`now`](SkewClock::now) has left unsaid.
    minds_accepted: AtomicBool,
    has_disputes: AtomicBool,
    /// The second, on the boot clock, from which on an accepted answer of AWS is
    /// worth a look again.
    next_vouch: AtomicU64,
    next_request: AtomicU64,
    origin: Origin,
    on_event: Option<Listener>,
    /// A call of [`status`](SkewClock::status) is about to refresh the gauges.
    is_refreshing: AtomicBool,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    #[cfg(feature = "sdk")]
    attachments: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
}

type Listener = Box<dyn Fn(&SkewEvent) + Send + Sync>;

struct State {
    estimator: Estimator,
    throttle: Throttle,
    unreported: Vec<SkewEvent>,
    /// Counts everything that [`SkewChanges`] tells of.
    version: u64,
}

impl SkewClock {
    /// Returns a clock that reads the machine's clocks, with default limits.
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

    /// Returns the time to sign with: the machine's wall clock, bit for bit,
    /// until a service has shown it to be wrong, and the corrected time then.
    ///
    /// Never panics and is never before 1970. On a machine with a wrong clock the
    /// result may go back when a correction is learned, as the wall clock may at
    /// any time.
    pub fn now(&self) -> SystemTime {
        match Word::unpack(self.0.word.load(Ordering::Acquire)) {
            None => self.0.local.wall(),
            Some(word) => self.corrected_now(word),
        }
    }

    /// Returns where the clock stands and what has happened so far.
    ///
    /// It also refreshes the gauges, and if [`now`](Self::now) has found the local clock
    /// repaired, this is where it is logged. Call it in the handler that is scraped.
    pub fn status(&self) -> SkewStatus {
        let reading = self.reading();
        // A subscriber that asks for the status while it is given the gauges must not be
        // given them again, and again.
        let refreshes = !self.0.is_refreshing.swap(true, Ordering::Acquire);
        let (status, announcement) = {
            let mut state = self.lock();
            let ((), mut announcement) = self.update(&mut state, reading, |estimator, events| {
                ruling::keep_up(estimator, reading, events);
            });
            if refreshes {
                announcement
                    .get_or_insert_with(|| Announcement::new(state.version))
                    .gauges = Some(gauges_of(&state.estimator, reading));
            }
            (self.status_of(&state, reading), announcement)
        };
        self.announce(announcement);
        if refreshes {
            self.0.is_refreshing.store(false, Ordering::Release);
        }
        status
    }

    /// Returns a listener that is told of every change.
    pub fn changes(&self) -> SkewChanges {
        SkewChanges {
            clock: self.clone(),
            versions: self.0.changes.subscribe(),
        }
    }

    /// Forgets what was learned: after a snapshot was restored, for one, the
    /// machine's clock may be right, or wrong in another way.
    ///
    /// An [`initial_offset`](SkewClockBuilder::initial_offset) is forgotten too, and
    /// which hosts were trusted. The event counts stay. If a correction ends by this, that
    /// is an event.
    pub fn reset(&self) {
        let reading = self.reading();
        self.change(reading, |estimator, events| {
            ruling::reset(estimator, reading, events);
        });
    }

    /// Returns whether the clock only observes: it reports clock skew, and corrects nothing.
    pub fn is_observe_only(&self) -> bool {
        self.0.origin.mode == Mode::Observe
    }

    /// Takes both clocks of the machine.
    pub(crate) fn reading(&self) -> Reading {
        Reading::take(&self.0.local)
    }

    /// Returns what our clock, as it is now, showed when the boot clock showed `boot`.
    #[cfg(any(feature = "sdk", feature = "tower"))]
    pub(crate) fn stood_at(&self, boot: Duration) -> SystemTime {
        let since = self.reading().boot.saturating_sub(boot);
        ClockOffset::trace_back(self.now(), since)
    }

    /// Returns a number that differs when what was judged by the clock before,
    /// such as cached credentials, must be judged again.
    pub(crate) fn epoch(&self) -> u64 {
        self.0.epoch.load(Ordering::Acquire)
    }

    /// Returns which clock signs now.
    pub(crate) fn moves(&self) -> u64 {
        self.0.moves.load(Ordering::Acquire)
    }

    /// Returns where the clock lives, to tell it from others.
    #[cfg(feature = "sdk")]
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Returns a number for a new request.
    pub(crate) fn next_request(&self) -> u64 {
        self.0.next_request.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns what doors keep with the clock, so that all their clients share it;
    /// one of each type.
    #[cfg(feature = "sdk")]
    pub(crate) fn attachment<T: Any + Send + Sync + Default>(&self) -> Arc<T> {
        let attachments = &self.0.attachments;
        let mut attachments = attachments.lock().unwrap_or_else(PoisonError::into_inner);
        let known = attachments
            .iter()
            .find_map(|known| known.clone().downcast().ok());
        known.unwrap_or_else(|| {
            let new = Arc::<T>::default();
            attachments.push(new.clone());
            new
        })
    }

    /// Returns whether the time differs from the machine's.
    pub(crate) fn is_corrected(&self) -> bool {
        self.0.word.load(Ordering::Relaxed) != Word::UNCORRECTED
    }

    pub(crate) fn has_disputes(&self) -> bool {
        self.0.has_disputes.load(Ordering::Relaxed)
    }

    /// The rare path of [`now`](Self::now), kept out of the other's way.
    #[cold]
    #[inline(never)]
    fn corrected_now(&self, word: Word) -> SystemTime {
        let reading = self.reading();
        let time = word.point().since_1970(reading.boot);
        let wall = reading.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Stored before the word that it belongs to, it may belong to a newer one: then
        // the older one is out of date anyway. In whole seconds it is early, so this band
        // holds every wall clock that agrees with the estimate.
        let learned_at = Duration::from_secs(self.0.learned_at.load(Ordering::Relaxed));
        let band = word.band() + Estimate::drift(reading.boot.saturating_sub(learned_at));
        if time.abs_diff(wall) > band && !word.is_provisional() {
            return word.point().at_boot(reading.boot);
        }
        let mut state = self.lock();
        let mut events = Vec::new();
        ruling::keep_up(&mut state.estimator, reading, &mut events);
        if !events.is_empty() {
            // Emitting here could ask for the time again, or block a signature.
            state.unreported.append(&mut events);
            self.publish(&state);
        }
        state.estimator.now(reading)
    }

    /// Changes the estimator, then says what happened, outside the lock.
    fn change<R>(
        &self,
        reading: Reading,
        change: impl FnOnce(&mut Estimator, &mut Vec<SkewEvent>) -> R,
    ) -> R {
        let (result, announcement) = self.update(&mut self.lock(), reading, change);
        self.announce(announcement);
        result
    }

    fn update<R>(
        &self,
        state: &mut State,
        reading: Reading,
        change: impl FnOnce(&mut Estimator, &mut Vec<SkewEvent>) -> R,
    ) -> (R, Option<Announcement>) {
        let moves = state.estimator.moves();
        let mut events = std::mem::take(&mut state.unreported);
        let was_unreported = !events.is_empty();
        let result = change(&mut state.estimator, &mut events);
        self.publish(state);
        let has_moved = was_unreported || state.estimator.moves() != moves;
        if !has_moved && events.is_empty() {
            return (result, None);
        }
        // What is not counted is not told to listeners.
        if has_moved || events.iter().any(SkewEvent::is_counted) {
            state.version += 1;
        }
        let announcement = Announcement {
            notices: events
                .into_iter()
                .map(|event| event.of_clock(self.0.origin.mode, &self.0.origin.clock))
                .map(|event| state.throttle.admit(event, reading.boot))
                .collect(),
            gauges: has_moved.then(|| gauges_of(&state.estimator, reading)),
            version: state.version,
        };
        (result, Some(announcement))
    }

    fn announce(&self, announcement: Option<Announcement>) {
        let Some(announcement) = announcement else {
            return;
        };
        // Listeners first: a subscriber may take its time.
        self.0.changes.send_if_modified(|version| {
            let is_newer = announcement.version > *version;
            *version = announcement.version.max(*version);
            is_newer
        });
        for notice in &announcement.notices {
            report::event(notice, &self.0.origin);
            if let Some(on_event) = &self.0.on_event
                && notice.event.is_counted()
            {
                report::guarded(|| on_event(&notice.event));
            }
        }
        let mut newest = announcement.gauges;
        let mut version = announcement.version;
        // A subscriber that moves the clock at every event must not keep us here.
        for _ in 0..MOST_GAUGES {
            let Some((offset, uncertainty)) = newest else {
                return;
            };
            report::gauges(offset, uncertainty, &self.0.origin);
            newest = self.overtaken(&mut version);
        }
    }

    /// Returns what stands now, if it is newer than this: it may have been emitted
    /// before what it follows.
    fn overtaken(&self, version: &mut u64) -> Option<(ClockOffset, Duration)> {
        let reading = self.reading();
        let state = self.lock();
        let known = std::mem::replace(version, state.version);
        (state.version != known).then(|| gauges_of(&state.estimator, reading))
    }

    fn publish(&self, state: &State) {
        let estimator = &state.estimator;
        let word = match estimator.estimate() {
            _ if self.is_observe_only() => Word::UNCORRECTED,
            Some(estimate) => Word::pack(
                estimate.point(),
                estimate.healing_band(),
                estimator.is_provisional(),
            ),
            None if estimator.is_provisional() => Word::PROVISIONALLY_UNCORRECTED,
            None => Word::UNCORRECTED,
        };
        let learned_at = estimator.estimate().map_or(0, Estimate::learned_at);
        self.0.learned_at.store(learned_at, Ordering::Relaxed);
        self.0.word.store(word, Ordering::Release);
        // What an observer learns moves nothing: nothing is signed or judged by it.
        if !self.is_observe_only() {
            self.0.epoch.store(estimator.epoch(), Ordering::Release);
            let moves = self.0.moves.swap(estimator.moves(), Ordering::AcqRel);
            if moves != estimator.moves() {
                // Nobody has vouched for the clock as it is now.
                self.0.next_vouch.store(0, Ordering::Relaxed);
            }
        }
        self.0
            .has_disputes
            .store(estimator.trust.has_disputes(), Ordering::Relaxed);
        let is_corrected = estimator.estimate().is_some();
        let minds_accepted = estimator.is_provisional()
            || estimator.is_doubted()
            || (is_corrected && self.is_observe_only())
            || estimator.trust.has_disputes()
            || !state.unreported.is_empty();
        self.0
            .minds_accepted
            .store(minds_accepted, Ordering::Relaxed);
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

/// Events and gauges on their way out of the lock.
struct Announcement {
    notices: Vec<Notice>,
    gauges: Option<(ClockOffset, Duration)>,
    version: u64,
}

impl Announcement {
    const fn new(version: u64) -> Self {
        Self {
            notices: Vec::new(),
            gauges: None,
            version,
        }
    }
}

fn gauges_of(estimator: &Estimator, reading: Reading) -> (ClockOffset, Duration) {
    let uncertainty = estimator.estimate().map_or(Duration::ZERO, |estimate| {
        estimate.uncertainty(reading.boot)
    });
    (estimator.offset(reading), uncertainty)
}

/// Two threads that move the clock at the same moment are rare, and three are not
/// to be expected.
const MOST_GAUGES: usize = 4;
