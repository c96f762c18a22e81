//! The time that is kept for one host only: how it is tried, rejected and removed.

use std::time::SystemTime;

use super::{Decision, Observation};
use crate::event::EventKind;
use crate::evidence::Strength;
use crate::judge::{OffsetSample, SignedBy, SigningTime, Verdict, WORTH_A_CORRECTION, judge};
use crate::offset::distance;
use crate::trust::HostTimeKind;

impl Observation<'_> {
    /// Updates the time that is kept for this host only, after a signed request passed the
    /// host's timestamp check: the time is removed, becomes the correction, or stays.
    pub(super) fn note_host_time(&mut self) {
        let exchange = self.exchange;
        let name = exchange.host_name();
        let Some(host_time) = self.state.trust.host_time(name).cloned() else {
            return;
        };
        let sample = host_time.sample;
        let contradicts = |date| {
            let interval = exchange.trip.interval_of_date(date);
            interval.distance_to(sample.point) >= WORTH_A_CORRECTION
        };
        let date = exchange.credible_date();
        let is_forgotten = self.is_near(&sample)
            || date.is_some_and(|date| self.agrees_with_clock(date) || contradicts(date));
        if is_forgotten {
            self.state.trust.forget_time(name);
            return;
        }
        let is_tried =
            exchange.trip.signed_by == SignedBy::HostTime && host_time.kind == HostTimeKind::Trial;
        // A `Date` that is too far away to be credible does not remove the trial. A trial
        // that it contradicts does not become the correction either.
        if is_tried && !exchange.evidence.date().is_some_and(contradicts) {
            self.state.trust.end_back_off(name);
            // `adopt` reports an objection itself, and the host then keeps its own time.
            let _ = self.adopt(&sample);
        }
    }

    /// Chooses another time for a host whose error response states none. After a trial,
    /// whose time may come from a cache, this is the shared clock; after the correction, it
    /// is the local clock.
    pub(super) fn try_other_time(&mut self) -> Decision {
        let (exchange, reading) = (self.exchange, self.reading);
        let name = exchange.host_name();
        let is_skew_error = exchange.is_skew_error();
        if !is_skew_error && exchange.evidence.request_id().is_none() {
            // A proxy's page says nothing about the time of the service.
            return Decision::Pass;
        }
        // Another request in flight may have removed the trial already.
        let is_tried = exchange.trip.signed_by == SignedBy::HostTime
            && self.kind_of_host_time() != Some(HostTimeKind::Conflicting);
        // The local clock was tried in place of the correction, for want of a time. It was no
        // better.
        let is_local = exchange.trip.signed_at.is_some_and(|signed_at| {
            distance(signed_at, exchange.trip.sent.wall) < WORTH_A_CORRECTION
        });
        if is_tried && (!exchange.is_resend || is_local) {
            // No back-off: nothing shows that the host's `Date` differs from the clock it
            // judges by.
            self.state.trust.forget_time(name);
            return Decision::Resign;
        }
        let is_by_correction = self.state.correction().is_some()
            && exchange.trip.signed_by == SignedBy::Clock(self.state.generation());
        // A denial looks like a possible clock skew error. It may be one if AWS did not confirm
        // the correction.
        let is_about_time = is_skew_error
            || !exchange.is_resend && self.state.trust.confirmed_by(reading).is_none();
        if !is_about_time || !is_by_correction || self.state.trust.is_backing_off(name, reading) {
            return Decision::Pass;
        }
        let local = OffsetSample::of_clock(reading);
        self.state.trust.keep_time(name, HostTimeKind::Trial, local);
        Decision::Resign
    }

    pub(super) fn agrees_with_clock(&self, date: SystemTime) -> bool {
        let now = self.state.now(self.reading);
        distance(date, now) <= WORTH_A_CORRECTION
    }

    /// Returns whether a sample differs from the clock by less than is worth a correction.
    pub(super) fn is_near(&self, sample: &OffsetSample) -> bool {
        let sampled = sample.point.at_monotonic(self.reading.monotonic);
        let now = self.state.now(self.reading);
        distance(now, sampled) < WORTH_A_CORRECTION
    }

    /// Removes the trial of a host that rejects a request signed with its own time, unless
    /// the signature has expired in transit.
    pub(super) fn reject_trial(&mut self) {
        let exchange = self.exchange;
        let host = exchange.host_name();
        let is_tried = exchange.trip.signed_by == SignedBy::HostTime && self.is_on_trial();
        if !is_tried || !exchange.is_skew_error() {
            return;
        }
        // A server that rejects such a signature at once judges by a clock other than the one
        // that its `Date` shows.
        let is_old = exchange.age().unwrap_or_default() >= WORTH_A_CORRECTION;
        let signing = self.state.signing_time(host, self.reading);
        let verdict = judge(&exchange.trip, exchange.evidence, self.reading, signing);
        if is_old && verdict == Verdict::ExpiredInTransit {
            return;
        }
        // A newer `Date` that contradicts the signature replaces the trial: the older one came
        // from a cache, or from another server of the host. A host that rejects a signature
        // by the time that its `Date` still states judges by another clock.
        let dates = exchange.trip.signed_at.zip(exchange.evidence.date());
        let is_newer =
            dates.is_some_and(|(signed, date)| distance(signed, date) >= WORTH_A_CORRECTION);
        self.state.trust.forget_time(host);
        if !is_newer {
            self.state.trust.back_off(host, self.reading);
        }
        self.state.report(EventKind::TrialRejected, self.details());
    }

    /// Returns the time that a response is judged by, which is the time that requests to
    /// its host are signed with. During a trial, an error message that states the time is
    /// judged by the shared clock instead, so that it can become the correction.
    pub(super) fn judged_by(&self) -> SigningTime {
        let sample = self.exchange.evidence.sample();
        let is_message = sample.is_some_and(|sample| sample.strength == Strength::Message);
        if is_message && self.is_on_trial() {
            return SigningTime {
                now: self.state.now(self.reading),
                by: SignedBy::Clock(self.state.generation()),
            };
        }
        self.state
            .signing_time(self.exchange.host_name(), self.reading)
    }

    fn is_on_trial(&self) -> bool {
        self.kind_of_host_time() == Some(HostTimeKind::Trial)
    }

    fn kind_of_host_time(&self) -> Option<HostTimeKind> {
        let host_time = self.state.trust.host_time(self.exchange.host_name());
        host_time.map(|known| known.kind)
    }
}
