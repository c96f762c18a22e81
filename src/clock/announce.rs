//! Changes of the state, and the events and gauges that they emit.

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::Duration;

use super::{SkewClock, State};
use crate::correction::ClockState;
use crate::event::SkewEvent;
use crate::local_clock::Reading;
use crate::offset::ClockOffset;
use crate::report;
use crate::throttle::Notice;

impl SkewClock {
    /// Changes the state, then emits the events of the change outside the lock.
    pub(crate) fn change<R>(
        &self,
        reading: Reading,
        change: impl FnOnce(&mut ClockState) -> R,
    ) -> R {
        let mut state = self.lock();
        let generation = state.clock.generation();
        let was_unreported = !state.clock.events.is_empty();
        let result = change(&mut state.clock);
        let events = std::mem::take(&mut state.clock.events);
        self.publish(&state);
        let has_changed = was_unreported || state.clock.generation() != generation;
        // Watchers are not notified of an event that is not counted.
        if has_changed || events.iter().any(SkewEvent::is_counted) {
            state.version += 1;
        }
        let version = state.version;
        let notices: Vec<_> = events
            .into_iter()
            .map(|event| event.of_clock(self.0.origin.mode, &self.0.origin.clock))
            .map(|event| state.throttle.admit(event, reading.monotonic))
            .collect();
        let gauges = has_changed.then(|| gauges_of(&state.clock, reading));
        drop(state);
        // Avoids the channel's lock; usually there is nothing to emit.
        if !notices.is_empty() || gauges.is_some() {
            self.announce(version, &notices, gauges);
        }
        result
    }

    pub(super) fn publish(&self, state: &State) {
        let clock = &state.clock;
        let shared = &self.0;
        let is_corrected = clock.correction().is_some();
        let has_host_times = clock.trust.has_host_times();
        shared.is_corrected.store(is_corrected, Release);
        shared.has_host_times.store(has_host_times, Release);
        shared.generation.store(clock.generation(), Release);
        let checked_at = clock.trust.checked_at.map_or(u64::MAX, |at| at.as_secs());
        shared.checked_at.store(checked_at, Relaxed);
        let wants_accepted = clock.is_contradicted()
            || (is_corrected && self.is_observe_only())
            || has_host_times
            || !clock.events.is_empty();
        shared.wants_accepted.store(wants_accepted, Relaxed);
    }

    fn announce(&self, version: u64, notices: &[Notice], gauges: Option<(ClockOffset, Duration)>) {
        // Watchers are notified first, since a `tracing` subscriber may be slow.
        self.0.changes.send_if_modified(|known| {
            let is_newer = version > *known;
            *known = version.max(*known);
            is_newer
        });
        for notice in notices {
            report::event(notice, &self.0.origin);
            if let Some(on_event) = &self.0.on_event
                && notice.event.is_counted()
            {
                report::guarded(|| on_event(&notice.event));
            }
        }
        if let Some((offset, uncertainty)) = gauges {
            report::gauges(offset, uncertainty, &self.0.origin);
        }
    }
}

pub(super) fn gauges_of(clock: &ClockState, reading: Reading) -> (ClockOffset, Duration) {
    let correction = clock.correction();
    let uncertainty = correction.map(|known| known.uncertainty(reading.monotonic));
    (clock.offset(reading), uncertainty.unwrap_or_default())
}
