//! What ends or replaces a correction without a response.

use super::{cleared, cleared_details};
use crate::correction::ClockState;
use crate::event::{ClearReason, Details, EventKind, SkewEvent};
use crate::local_clock::Reading;
use crate::offset::ClockOffset;

/// Ends what time alone ends.
pub(crate) fn keep_up(state: &mut ClockState, reading: Reading, events: &mut Vec<SkewEvent>) {
    if let Some(ended) = state.follow_monotonic_clock(reading.monotonic) {
        let details = cleared_details(&ended, reading);
        events.push(cleared(ClearReason::Reset, details));
    }
    if let Some(ended) = state.clear_if_repaired(reading) {
        let details = cleared_details(&ended, reading);
        events.push(cleared(ClearReason::LocalClockRepaired, details));
    }
}

/// Forgets everything, and reports it if a correction ends by that.
pub(crate) fn reset(state: &mut ClockState, reading: Reading, events: &mut Vec<SkewEvent>) {
    let ended = state.correction().cloned();
    state.reset();
    if let Some(ended) = ended {
        let details = cleared_details(&ended, reading);
        events.push(cleared(ClearReason::Reset, details));
    }
}

/// Forgets everything, starts with an offset that the program knows, and reports what has
/// changed by that.
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
