//! [`observe`] judges one response: it decides once, and changes the state once.

mod ending;
mod exchange;
mod host_time;

use crate::correction::{ClockState, Correction, Objection};
use crate::event::{ClearReason, Details, EventKind, Label, Mode, SkewEvent};
use crate::evidence::Strength;
use crate::judge::{OffsetSample, SignedBy, Verdict, judge};
use crate::local_clock::Reading;
use crate::offset::ClockOffset;
use crate::trust::HostTimeKind;

pub(crate) use ending::{clear_outdated, reset, set_offset};
pub(crate) use exchange::Exchange;

/// What the integration does with the response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Decision {
    /// Return the response to the caller.
    Pass,
    /// Re-sign the request with the time for its host, and send it once more.
    Resign,
}

/// Judges a response, updates the clock with it, and returns what the integration has to
/// do.
pub(crate) fn observe(
    state: &mut ClockState,
    exchange: &Exchange<'_>,
    mode: Mode,
    reading: Reading,
) -> Decision {
    clear_outdated(state, reading);
    if exchange.trip.signed_at.is_none() {
        return Decision::Pass;
    }
    let mut exchange = *exchange;
    if mode == Mode::Observe && state.correction().is_some() {
        // An observe-only clock signs nothing: the request carries the local time, which
        // differs from the time that this clock shows.
        exchange.trip.signed_by = SignedBy::Other;
    }
    let exchange = &exchange;
    Observation {
        state,
        exchange,
        reading,
    }
    .decide(mode)
}

/// Makes a sample the correction, unless there is an objection.
#[cfg(any(test, feature = "aws-config", feature = "tower"))]
pub(crate) fn adopt(
    state: &mut ClockState,
    exchange: &Exchange<'_>,
    sample: &OffsetSample,
    reading: Reading,
) -> Result<(), Objection> {
    Observation {
        state,
        exchange,
        reading,
    }
    .adopt(sample)
}

/// An exchange, with the state that it may change.
struct Observation<'a> {
    state: &'a mut ClockState,
    exchange: &'a Exchange<'a>,
    reading: Reading,
}

impl Observation<'_> {
    fn decide(&mut self, mode: Mode) -> Decision {
        let exchange = self.exchange;
        let evidence = exchange.evidence;
        if evidence.passed_timestamp_check() {
            self.note_passed();
        }
        self.reject_trial();
        let decision = match judge(&exchange.trip, evidence, self.reading, self.judged_by()) {
            Verdict::Other => Decision::Pass,
            Verdict::NotClockSkew => {
                let cause = evidence.other_cause();
                let event = SkewEvent::new(EventKind::NotClockSkew { cause }, self.details());
                let event = event.counted_if(evidence.is_signature_code());
                self.state.events.push(event);
                Decision::Pass
            }
            Verdict::ExpiredInTransit => {
                if !exchange.is_resend {
                    self.state
                        .report(EventKind::ExpiredInTransit, self.details());
                }
                Decision::Resign
            }
            Verdict::NoTime { resign: false } => self.try_other_time(),
            Verdict::AlreadyCorrected
            | Verdict::Inconclusive
            | Verdict::NoTime { resign: true } => Decision::Resign,
            Verdict::ClockSkew(sample) => self.use_sample(&sample, mode),
        };
        if !exchange.is_resend {
            return decision;
        }
        // The response to a resend updates the clock, and causes no further resend.
        if exchange.is_skew_error() {
            self.state.report(EventKind::ResendRejected, self.details());
        }
        Decision::Pass
    }

    fn use_sample(&mut self, sample: &OffsetSample, mode: Mode) -> Decision {
        let exchange = self.exchange;
        let host = exchange.host_name();
        let is_by_host_time = self.state.signing_time(host, self.reading).by == SignedBy::HostTime;
        if is_by_host_time && self.is_near(sample) {
            // The time that was kept for this host was wrong, and the clock is correct.
            self.state.trust.forget_time(host);
            return Decision::Resign;
        }
        let is_certain = match mode {
            Mode::Correct => sample.stated.strength == Strength::Message,
            // A trial needs a signature, and an observe-only clock signs nothing.
            Mode::Observe => exchange.is_skew_error(),
        };
        if is_certain {
            return match self.adopt(sample) {
                Err(Objection::Limit) => Decision::Pass,
                Ok(()) | Err(Objection::Host(_)) => Decision::Resign,
            };
        }
        if mode == Mode::Observe || self.state.trust.is_backing_off(host, self.reading) {
            return Decision::Pass;
        }
        let objection = self.state.objection_to(sample, exchange.host, self.reading);
        if objection == Some(Objection::Limit) {
            self.state
                .report(EventKind::OffsetLimitExceeded, self.sample_details(sample));
            return Decision::Pass;
        }
        self.state
            .trust
            .keep_time(host, HostTimeKind::Trial, *sample);
        Decision::Resign
    }

    /// Makes a sample the correction, unless there is an objection.
    fn adopt(&mut self, sample: &OffsetSample) -> Result<(), Objection> {
        let exchange = self.exchange;
        let objection = self.state.objection_to(sample, exchange.host, self.reading);
        match &objection {
            None => self.correct(sample),
            Some(Objection::Limit) => {
                self.state
                    .report(EventKind::OffsetLimitExceeded, self.sample_details(sample));
            }
            Some(Objection::Host(other)) => {
                let (host, kind) = (exchange.host_name(), HostTimeKind::Conflicting);
                if self.state.trust.keep_time(host, kind, *sample) {
                    let details = Details {
                        other_address: Label::new(other),
                        ..self.sample_details(sample)
                    };
                    self.state.report(EventKind::HostsDisagree, details);
                }
            }
        }
        objection.map_or(Ok(()), Err)
    }

    fn correct(&mut self, sample: &OffsetSample) {
        let reading = self.reading;
        let previous = self.state.offset(reading);
        let ended = self.state.update(sample, self.exchange.host, reading);
        let details = Details {
            previous_offset: Some(previous),
            ..self.sample_details(sample)
        };
        if self.state.correction().is_some() {
            self.state.report(EventKind::SkewDetected, details);
        } else if let Some(ended) = ended {
            let age = Some(ended.age(reading.monotonic));
            self.state.report(CONTRADICTED, Details { age, ..details });
        }
    }

    /// Updates the state after a signed request passed the timestamp check of its server.
    fn note_passed(&mut self) {
        self.note_host_time();
        let exchange = self.exchange;
        let received = exchange.trip.received;
        let Some(host) = exchange.host.filter(|_| exchange.evidence.accepted()) else {
            return;
        };
        let is_signed_now = exchange.trip.signed_by == SignedBy::Clock(self.state.generation());
        let may_confirm = is_signed_now && host.is_aws();
        if may_confirm {
            self.state.trust.checked_at = Some(received.monotonic);
        }
        let Some(date) = exchange.credible_date() else {
            return;
        };
        if may_confirm && self.agrees_with_clock(date) {
            self.state.trust.confirm(host, self.reading);
        }
        let interval = exchange.trip.interval_of_date(date);
        if let Some(ended) = self.state.contradict(interval, Some(host), received) {
            let details = Details {
                server_address: Label::new(host.name()),
                ..cleared_details(&ended, self.reading)
            };
            self.state.report(CONTRADICTED, details);
        }
    }

    fn details(&self) -> Details {
        self.exchange.details(self.state, self.reading)
    }

    fn sample_details(&self, sample: &OffsetSample) -> Details {
        Details {
            time_source: Some(sample.stated.source()),
            server_time: Some(sample.stated.best),
            ..self.details()
        }
    }
}

fn cleared_details(ended: &Correction, reading: Reading) -> Details {
    Details {
        offset: Some(ClockOffset::ZERO),
        previous_offset: Some(ended.offset(reading)),
        age: Some(ended.age(reading.monotonic)),
        ..Details::default()
    }
}

const CONTRADICTED: EventKind = EventKind::CorrectionCleared {
    reason: ClearReason::Contradicted,
};

#[cfg(test)]
mod tests;
