//! [`SkewStatus`], [`SkewWatcher`] and the diagnosis of a failed call.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::announce::gauges_of;
use super::{SkewClock, State};
use crate::correction::Correction;
use crate::decide;
use crate::diagnosis::Diagnosis;
use crate::event::{EventKind, Label, Mode, SkewEvent};
use crate::evidence::{Evidence, ResponseView};
use crate::local_clock::Reading;
use crate::offset::ClockOffset;
use crate::report;

/// The offset that a [`SkewClock`] applies, and its events so far.
///
/// With the feature `serde`, it serializes as a map, for example for a health check;
/// [`guide::observability`](crate::guide::observability) lists the names.
///
/// ```
/// let clock = aws_clock_skew::SkewClock::new();
/// let status = clock.status();
/// assert_eq!(status.to_string(), "the local clock is taken to be correct");
/// assert_eq!(status.event_count(), 0);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SkewStatus {
    mode: Mode,
    clock: Label,
    offset: ClockOffset,
    uncertainty: Duration,
    since: Option<SystemTime>,
    counts: [u64; EventKind::COUNT],
    last_event: Option<SkewEvent>,
}

impl SkewClock {
    /// Returns the current offset, and the events so far.
    ///
    /// It also refreshes the gauges, and emits the event of a correction that
    /// [`now`](Self::now) has ended because the local clock was repaired. Call it in the
    /// handler of a metrics scrape.
    pub fn status(&self) -> SkewStatus {
        let reading = self.reading();
        // A change refreshes the gauges as well.
        let has_changed = self.change(reading, |clock| {
            decide::clear_outdated(clock, reading);
            !clock.events.is_empty()
        });
        let status = self.status_of(&self.lock(), reading);
        // A subscriber that calls `status` when it receives the gauges would otherwise
        // cause an endless recursion.
        if !has_changed && !self.0.is_refreshing.swap(true, Ordering::Acquire) {
            report::gauges(status.offset, status.uncertainty, &self.0.origin);
            self.0.is_refreshing.store(false, Ordering::Release);
        }
        status
    }

    /// Returns a watcher that waits for changes of the clock.
    ///
    /// ```
    /// # async fn watch(clock: aws_clock_skew::SkewClock) {
    /// let mut watcher = clock.subscribe();
    /// loop {
    ///     watcher.changed().await;
    ///     println!("{}", watcher.status());
    /// }
    /// # }
    /// ```
    pub fn subscribe(&self) -> SkewWatcher {
        SkewWatcher {
            clock: self.clone(),
            versions: self.0.changes.subscribe(),
        }
    }

    /// Returns the cause of an error response. The clock does not change.
    ///
    /// Call it soon after the response came: unless the clock is corrected, it compares the
    /// server's time in the response with the present local time.
    ///
    /// ```
    /// use aws_clock_skew::SkewClock;
    /// use aws_clock_skew::evidence::ResponseView;
    ///
    /// let body = br#"{"__type":"InvalidSignatureException","message":"The request signature we
    ///     calculated does not match the signature you provided."}"#;
    /// let diagnosis = SkewClock::new().diagnose_response(&ResponseView::new(400, body));
    /// println!("{diagnosis}");
    /// # assert!(diagnosis.to_string().contains("key"), "{diagnosis}");
    /// ```
    pub fn diagnose_response(&self, response: &ResponseView<'_>) -> Diagnosis {
        self.diagnose_evidence(&Evidence::read(response))
    }

    pub(crate) fn diagnose_evidence(&self, evidence: &Evidence) -> Diagnosis {
        let reading = self.reading();
        let state = self.lock();
        let correction = state.clock.correction();
        let offset = correction.map(|correction| correction.offset(reading));
        let last_event = state.throttle.last();
        let observes = self.is_observe_only();
        Diagnosis::of(evidence, reading.wall, offset, observes, last_event)
    }

    fn status_of(&self, state: &State, reading: Reading) -> SkewStatus {
        let (offset, uncertainty) = gauges_of(&state.clock, reading);
        let correction = state.clock.correction();
        SkewStatus {
            mode: self.0.origin.mode,
            clock: self.0.origin.clock.clone(),
            offset,
            uncertainty,
            since: correction.map(Correction::since),
            counts: state.throttle.counts(),
            last_event: state.throttle.last().cloned(),
        }
    }
}

impl SkewStatus {
    /// Returns whether the clock corrects signatures: the local clock is known to be wrong,
    /// and this clock is not observe-only.
    pub const fn is_correcting(&self) -> bool {
        self.since.is_some() && !self.is_observe_only()
    }

    /// Returns whether the clock only observes: it reports clock skew, and corrects nothing.
    pub const fn is_observe_only(&self) -> bool {
        matches!(self.mode, Mode::Observe)
    }

    /// Returns the clock's name; see [`SkewClockBuilder::name`](crate::SkewClockBuilder::name).
    pub const fn clock(&self) -> &Label {
        &self.clock
    }

    /// Returns server time − local time, or zero if the local clock is taken to be correct.
    /// For an observe-only clock this is the offset that it has found and does not apply.
    pub const fn offset(&self) -> ClockOffset {
        self.offset
    }

    /// Returns how far [`offset`](Self::offset) can be from the true offset, or zero if the
    /// local clock is taken to be correct.
    pub const fn uncertainty(&self) -> Duration {
        self.uncertainty
    }

    /// Returns when the local clock was found to be wrong, in corrected time, or `None` if
    /// the local clock is taken to be correct. If the correction changes later, this time
    /// moves by the same amount.
    pub const fn since(&self) -> Option<SystemTime> {
        self.since
    }

    /// Returns the number of events. An ordinary `AccessDenied` is not counted.
    pub fn event_count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the number of events of each kind, with the kind's name
    /// ([`EventKind::name`]). Kinds that never happened are included.
    pub fn event_counts(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        EventKind::NAMES.into_iter().zip(self.counts)
    }

    /// Returns the last counted event.
    pub const fn last_event(&self) -> Option<&SkewEvent> {
        self.last_event.as_ref()
    }
}

/// Waits for changes of a [`SkewClock`]: events and changes of the correction.
/// [`SkewClock::subscribe`] returns it.
///
/// A watcher keeps the clock alive, and never blocks it.
#[derive(Clone, Debug)]
pub struct SkewWatcher {
    pub(super) clock: SkewClock,
    pub(super) versions: watch::Receiver<u64>,
}

impl SkewWatcher {
    /// Returns the present status of the clock.
    pub fn status(&self) -> SkewStatus {
        self.clock.status()
    }

    /// Waits until the clock has changed since this watcher was created or last returned
    /// from this method. Several changes are reported once.
    ///
    /// A correction that ends because the local clock was repaired is reported at the next
    /// response, or at the next call of [`status`](Self::status).
    ///
    /// A watcher keeps the clock alive, so a task that waits in a loop never ends by
    /// itself. Abort the task, or use `tokio::select!` with a shutdown signal.
    ///
    /// # Cancel safety
    ///
    /// A change is not lost if the future is dropped.
    pub async fn changed(&mut self) {
        // This cannot fail: the watcher holds the clock, and the clock holds the sender.
        drop(self.versions.changed().await);
    }
}

impl fmt::Display for SkewStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.since.is_none() {
            return f.write_str("the local clock is taken to be correct");
        }
        let effect = if self.is_observe_only() {
            "this clock only observes"
        } else {
            "signatures are corrected"
        };
        let within = self.uncertainty.as_millis();
        write!(
            f,
            "the local clock is {} (± {within} ms); {effect}",
            self.offset
        )
    }
}

#[cfg(feature = "serde")]
mod serialize {
    use serde::ser::{Serialize, SerializeStruct, Serializer};

    use super::SkewStatus;
    use crate::event::Details;
    use crate::timestamp::iso_8601;

    impl Serialize for SkewStatus {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_struct("SkewStatus", 10)?;
            map.serialize_field("correcting", &self.is_correcting())?;
            map.serialize_field("mode", self.mode.as_str())?;
            map.serialize_field("clock", self.clock.as_str())?;
            map.serialize_field("offset", &self.offset.to_string())?;
            map.serialize_field("offset_ms", &self.offset.as_millis())?;
            map.serialize_field("uncertainty_ms", &Details::whole_millis(&self.uncertainty))?;
            map.serialize_field("since", &self.since.and_then(iso_8601).as_deref())?;
            map.serialize_field("events", &self.event_count())?;
            map.serialize_field("events_by_kind", &Counts(self))?;
            map.serialize_field("last_event", &self.last_event)?;
            map.end()
        }
    }

    struct Counts<'a>(&'a SkewStatus);

    impl Serialize for Counts<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.event_counts())
        }
    }
}
