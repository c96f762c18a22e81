//! Corrections that end or start without a response: repair, reset, and known offsets.

use super::cleared_details;
use crate::correction::{ClockState, Correction};
use crate::event::{ClearReason, Details, EventKind};
use crate::local_clock::Reading;
use crate::offset::ClockOffset;

/// Ends a correction that no longer holds, because the local clock was repaired or the
/// monotonic clock went back.
pub(crate) fn clear_outdated(state: &mut ClockState, reading: Reading) {
    let ended = state.follow_monotonic_clock(reading.monotonic);
    report_end(state, ended, ClearReason::Reset, reading);
    let ended = state.clear_if_repaired(reading);
    report_end(state, ended, ClearReason::LocalClockRepaired, reading);
}

/// Clears the state, and reports the correction that ends, if there was one.
pub(crate) fn reset(state: &mut ClockState, reading: Reading) {
    let ended = state.reset();
    report_end(state, ended, ClearReason::Reset, reading);
}

/// Clears the state, starts with an offset that the program knows, and reports the change
/// of the correction, if there is one.
pub(crate) fn set_offset(state: &mut ClockState, offset: ClockOffset, reading: Reading) {
    let previous = state.offset(reading);
    let ended = state.reset();
    state.start_at(offset, reading);
    let Some(correction) = state.correction() else {
        report_end(state, ended, ClearReason::Reset, reading);
        return;
    };
    let details = Details {
        offset: Some(correction.offset(reading)),
        previous_offset: Some(previous),
        uncertainty: Some(correction.uncertainty(reading.monotonic)),
        ..Details::default()
    };
    state.report(EventKind::SkewDetected, details);
}

/// Reports that a correction has ended, if there was one.
fn report_end(
    state: &mut ClockState,
    ended: Option<Correction>,
    reason: ClearReason,
    reading: Reading,
) {
    if let Some(ended) = ended {
        let kind = EventKind::CorrectionCleared { reason };
        state.report(kind, cleared_details(&ended, reading));
    }
}
