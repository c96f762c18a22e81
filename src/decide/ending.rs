//! Corrections that end or start without a response: repair, reset, and known offsets.

use super::{cleared, cleared_details};
use crate::correction::ClockState;
use crate::event::{ClearReason, Details, EventKind, SkewEvent};
use crate::local_clock::Reading;
use crate::offset::ClockOffset;

/// Ends a correction that no longer holds, because the local clock was repaired or the
/// monotonic clock went back.
pub(crate) fn clear_outdated(
    state: &mut ClockState,
    reading: Reading,
    events: &mut Vec<SkewEvent>,
) {
    if let Some(ended) = state.follow_monotonic_clock(reading.monotonic) {
        let details = cleared_details(&ended, reading);
        events.push(cleared(ClearReason::Reset, details));
    }
    if let Some(ended) = state.clear_if_repaired(reading) {
        let details = cleared_details(&ended, reading);
        events.push(cleared(ClearReason::LocalClockRepaired, details));
    }
}

/// Clears the state, and reports the correction that ends, if there was one.
pub(crate) fn reset(state: &mut ClockState, reading: Reading, events: &mut Vec<SkewEvent>) {
    let ended = state.correction().cloned();
    state.reset();
    if let Some(ended) = ended {
        let details = cleared_details(&ended, reading);
        events.push(cleared(ClearReason::Reset, details));
    }
}

/// Clears the state, starts with an offset that the program knows, and reports the change
/// of the correction, if there is one.
pub(crate) fn set_offset(
    state: &mut ClockState,
    offset: ClockOffset,
    reading: Reading,
    events: &mut Vec<SkewEvent>,
) {
    let previous = state.offset(reading);
    let mut cleared = Vec::new();
    reset(state, reading, &mut cleared);
    state.start_at(offset, reading);
    let Some(correction) = state.correction() else {
        events.append(&mut cleared);
        return;
    };
    let details = Details {
        offset: Some(correction.offset(reading)),
        previous_offset: Some(previous),
        uncertainty: Some(correction.uncertainty(reading.monotonic)),
        ..Details::default()
    };
    events.push(SkewEvent::new(EventKind::SkewDetected, details));
}
