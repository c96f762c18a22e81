//! The time that is kept for one host alone: tried, rejected, and forgotten.

use std::time::SystemTime;

use super::{Exchange, adopt};
use crate::correction::ClockState;
use crate::event::{EventKind, SkewEvent};
use crate::evidence::Strength;
use crate::judge::{OffsetSample, SignedBy, SigningTime, Verdict, WORTH_A_CORRECTION, judge};
use crate::local_clock::Reading;
use crate::offset::ClockOffset;
use crate::trust::HostTimeKind;

/// A signed request passed the timestamp check of a server whose time is kept for it
/// alone: that is forgotten, or becomes the correction, or stays.
pub(super) fn note_host_time(
    state: &mut ClockState,
    exchange: &Exchange<'_>,
    reading: Reading,
    events: &mut Vec<SkewEvent>,
) {
    let name = exchange.host_name();
    let Some(host_time) = state.trust.host_time(name).cloned() else {
        return;
    };
    let sample = host_time.sample;
    let contradicts = |date| {
        let interval = exchange.trip.interval_of_date(date);
        interval.is_some_and(|interval| interval.distance_to(sample.point) >= WORTH_A_CORRECTION)
    };
    let date = exchange.credible_date();
    let is_forgotten = is_near(state, &sample, reading)
        || date.is_some_and(|date| agrees_with_clock(state, date, reading) || contradicts(date));
    if is_forgotten {
        state.trust.forget_time(name);
        return;
    }
    let is_tried =
        exchange.trip.signed_by == SignedBy::HostTime && host_time.kind == HostTimeKind::Trial;
    // A `Date` too far away to be credible removes nothing, and nothing that it
    // contradicts becomes the time of all hosts.
    if is_tried && !exchange.evidence.date().is_some_and(contradicts) {
        state.trust.end_back_off(name);
        // An objection has been reported, and the host keeps its time.
        let _ = adopt(state, exchange, &sample, reading, events);
    }
}

pub(super) fn agrees_with_clock(state: &ClockState, date: SystemTime, reading: Reading) -> bool {
    ClockOffset::between(date, state.now(reading)).magnitude() <= WORTH_A_CORRECTION
}

/// Returns whether the clock shows what a sample says, give or take what is not worth a
/// correction.
pub(super) fn is_near(state: &ClockState, sample: &OffsetSample, reading: Reading) -> bool {
    let sampled = sample.point.at_boot(reading.boot);
    ClockOffset::between(state.now(reading), sampled).magnitude() < WORTH_A_CORRECTION
}

/// Returns whether a signature by the time of this host alone met a clock skew error,
/// and had not expired in transit: a server whose `Date` fits the signature, and that
/// rejects it at once all the same, judges by another clock.
pub(super) fn rejects_host_time(
    state: &ClockState,
    exchange: &Exchange<'_>,
    reading: Reading,
) -> bool {
    if exchange.trip.signed_by != SignedBy::HostTime || !exchange.is_skew_error() {
        return false;
    }
    let signing = state.signing_time(exchange.host_name(), reading);
    let verdict = judge(&exchange.trip, exchange.evidence, reading, signing);
    verdict != Verdict::ExpiredInTransit || exchange.age().unwrap_or_default() < WORTH_A_CORRECTION
}

/// A request signed with the time of its host alone met a clock skew error.
pub(super) fn reject_trial(
    state: &mut ClockState,
    exchange: &Exchange<'_>,
    reading: Reading,
    events: &mut Vec<SkewEvent>,
) {
    let host = exchange.host_name();
    let Some(host_time) = state.trust.host_time(host) else {
        return;
    };
    if host_time.kind == HostTimeKind::Trial {
        state.trust.forget_time(host);
        state.trust.back_off(host, reading.boot);
        events.push(SkewEvent::new(
            EventKind::TrialRejected,
            exchange.details(state, reading),
        ));
    }
}

/// Returns the time that a response is judged by: what its host's requests are signed
/// with. An error message that states the time is judged by the shared clock, so that
/// it can settle what is only tried.
pub(super) fn judged_by(
    state: &ClockState,
    exchange: &Exchange<'_>,
    reading: Reading,
) -> SigningTime {
    let host = exchange.host_name();
    let host_time = state.trust.host_time(host);
    let is_trial = host_time.is_some_and(|known| known.kind == HostTimeKind::Trial);
    if is_trial
        && exchange
            .evidence
            .sample()
            .is_some_and(|sample| sample.strength == Strength::Message)
    {
        return SigningTime {
            now: state.now(reading),
            by: SignedBy::Clock(state.generation()),
        };
    }
    state.signing_time(host, reading)
}
