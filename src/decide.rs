//! [`observe`]: the one way in. One response, one decision, one change of state.

mod exchange;
mod host_time;

use crate::correction::{ClockState, Correction, Objection};
use crate::event::{ClearReason, Details, EventKind, Label, Mode, SkewEvent};
use crate::evidence::Strength;
use crate::judge::{OffsetSample, SignedBy, Verdict, judge};
use crate::local_clock::Reading;
use crate::offset::ClockOffset;
use crate::trust::HostTimeKind;

pub(crate) use exchange::Exchange;
use host_time::{
    agrees_with_clock, is_near, judged_by, note_host_time, reject_trial, rejects_host_time,
};

/// What the integration is to do with the response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Decision {
    /// Give it to the caller.
    Pass,
    /// Sign the request again, by the time for its host, and send it once more.
    Resign,
}

/// Judges a response, learns from it, and decides what is to be done.
pub(crate) fn observe(
    state: &mut ClockState,
    exchange: &Exchange<'_>,
    mode: Mode,
    reading: Reading,
    events: &mut Vec<SkewEvent>,
) -> Decision {
    keep_up(state, reading, events);
    if exchange.trip.signed_at.is_none() {
        return Decision::Pass;
    }
    let mut exchange = *exchange;
    if mode == Mode::Observe && state.correction().is_some() {
        // It signs nothing: requests carry the local time, which this clock no longer shows.
        exchange.trip.signed_by = SignedBy::Other;
    }
    let exchange = &exchange;
    let evidence = exchange.evidence;
    if evidence.let_through() {
        note_passed(state, exchange, reading, events);
    }
    if rejects_host_time(state, exchange, reading) {
        reject_trial(state, exchange, reading, events);
    }
    let signing = judged_by(state, exchange, reading);
    let decision = match judge(&exchange.trip, evidence, reading, signing) {
        Verdict::Other => Decision::Pass,
        Verdict::NotClockSkew => {
            let cause = evidence.other_cause();
            let details = exchange.details(state, reading);
            let event = SkewEvent::new(EventKind::NotClockSkew { cause }, details);
            events.push(event.counted_if(evidence.is_signature_code()));
            Decision::Pass
        }
        Verdict::ExpiredInTransit => {
            if !exchange.is_resend {
                events.push(SkewEvent::new(
                    EventKind::ExpiredInTransit,
                    exchange.details(state, reading),
                ));
            }
            Decision::Resign
        }
        Verdict::NoTime { resign: false } => Decision::Pass,
        Verdict::AlreadyCorrected | Verdict::Inconclusive | Verdict::NoTime { resign: true } => {
            Decision::Resign
        }
        Verdict::ClockSkew(sample) => learn(state, exchange, &sample, mode, reading, events),
    };
    if !exchange.is_resend {
        return decision;
    }
    // The answer to a resend is learned from and never resent.
    if exchange.is_skew_error() {
        events.push(SkewEvent::new(
            EventKind::ResendRejected,
            exchange.details(state, reading),
        ));
    }
    Decision::Pass
}

/// Ends what time alone ends.
pub(crate) fn keep_up(state: &mut ClockState, reading: Reading, events: &mut Vec<SkewEvent>) {
    state.trust.restart_periods(reading.boot);
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

/// Takes a sample as the correction, unless something stands against it.
pub(crate) fn adopt(
    state: &mut ClockState,
    exchange: &Exchange<'_>,
    sample: &OffsetSample,
    reading: Reading,
    events: &mut Vec<SkewEvent>,
) -> Result<(), Objection> {
    match state.objection_to(sample, exchange.host, reading) {
        None => {
            correct(state, exchange, sample, reading, events);
            Ok(())
        }
        Some(Objection::Limit) => {
            let details = sample_details(state, exchange, sample, reading);
            events.push(SkewEvent::new(EventKind::OffsetLimitExceeded, details));
            Err(Objection::Limit)
        }
        Some(Objection::Host(other)) => {
            let kind = HostTimeKind::Conflicting;
            if state.trust.keep_time(exchange.host_name(), kind, *sample) {
                let details = Details {
                    other_address: Label::new(&other),
                    ..sample_details(state, exchange, sample, reading)
                };
                events.push(SkewEvent::new(EventKind::HostsDisagree, details));
            }
            Err(Objection::Host(other))
        }
    }
}

fn learn(
    state: &mut ClockState,
    exchange: &Exchange<'_>,
    sample: &OffsetSample,
    mode: Mode,
    reading: Reading,
    events: &mut Vec<SkewEvent>,
) -> Decision {
    let host = exchange.host_name();
    let is_by_host_time = state.signing_time(host, reading).by == SignedBy::HostTime;
    if is_by_host_time && is_near(state, sample, reading) {
        // The host's own time was wrong, and the clock is correct.
        state.trust.forget_time(host);
        return Decision::Resign;
    }
    let is_certain = match mode {
        Mode::Correct => sample.stated.strength == Strength::Message,
        // Nothing can be tried where nothing is signed.
        Mode::Observe => exchange.is_skew_error(),
    };
    if is_certain {
        return match adopt(state, exchange, sample, reading, events) {
            Err(Objection::Limit) => Decision::Pass,
            Ok(()) | Err(Objection::Host(_)) => Decision::Resign,
        };
    }
    if mode == Mode::Observe || state.trust.is_backing_off(host, reading.boot) {
        return Decision::Pass;
    }
    if state.objection_to(sample, exchange.host, reading) == Some(Objection::Limit) {
        let details = sample_details(state, exchange, sample, reading);
        events.push(SkewEvent::new(EventKind::OffsetLimitExceeded, details));
        return Decision::Pass;
    }
    state.trust.keep_time(host, HostTimeKind::Trial, *sample);
    Decision::Resign
}

/// A signed request passed the timestamp check of its server.
fn note_passed(
    state: &mut ClockState,
    exchange: &Exchange<'_>,
    reading: Reading,
    events: &mut Vec<SkewEvent>,
) {
    note_host_time(state, exchange, reading, events);
    let (Some(host), Some(date)) = (exchange.host, exchange.credible_date()) else {
        return;
    };
    if !exchange.evidence.accepted() {
        return;
    }
    let is_signed_now = exchange.trip.signed_by == SignedBy::Clock(state.generation());
    if is_signed_now && host.is_aws() && agrees_with_clock(state, date, reading) {
        state.trust.confirm(host, reading);
    }
    let interval = exchange.trip.interval_of_date(date);
    if let Some(interval) = interval
        && let Some(ended) = state.contradict(interval, Some(host), exchange.trip.received)
    {
        let details = Details {
            server_address: Label::new(host.name()),
            ..cleared_details(&ended, reading)
        };
        events.push(cleared(ClearReason::Contradicted, details));
    }
}

fn correct(
    state: &mut ClockState,
    exchange: &Exchange<'_>,
    sample: &OffsetSample,
    reading: Reading,
    events: &mut Vec<SkewEvent>,
) {
    let ended = state.learn(sample, exchange.host, reading);
    if ended.is_none() && state.correction().is_none() {
        // A host says what the local clock says, which nobody had doubted.
        return;
    }
    let mut details = sample_details(state, exchange, sample, reading);
    details.previous_offset = Some(
        ended
            .as_ref()
            .map_or(ClockOffset::ZERO, |known| known.offset(reading)),
    );
    if state.correction().is_some() {
        events.push(SkewEvent::new(EventKind::SkewDetected, details));
    } else {
        details.age = ended.as_ref().map(|known| known.age(reading.boot));
        events.push(cleared(ClearReason::Contradicted, details));
    }
}

fn sample_details(
    state: &ClockState,
    exchange: &Exchange<'_>,
    sample: &OffsetSample,
    reading: Reading,
) -> Details {
    Details {
        time_source: Some(sample.stated.source()),
        server_time: Some(sample.stated.best),
        ..exchange.details(state, reading)
    }
}

fn cleared(reason: ClearReason, details: Details) -> SkewEvent {
    SkewEvent::new(EventKind::CorrectionCleared { reason }, details)
}

fn cleared_details(ended: &Correction, reading: Reading) -> Details {
    Details {
        offset: Some(ClockOffset::ZERO),
        previous_offset: Some(ended.offset(reading)),
        age: Some(ended.age(reading.boot)),
        ..Details::default()
    }
}

#[cfg(test)]
mod tests;
