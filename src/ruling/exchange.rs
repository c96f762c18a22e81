//! [`Exchange`]: one request and its answer, as a door hands them over.

use std::time::{Duration, SystemTime};

use super::Door;
use crate::estimator::{Estimator, TakenBack};
use crate::evidence::Evidence;
use crate::host::Host;
use crate::incident::{Facts, Label};
use crate::interval::Interval;
use crate::judge::{Attempt, weak_interval};
use crate::local_clock::Reading;
use crate::offset::ClockOffset;

/// One signed request and its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) attempt: Attempt,
    pub(crate) evidence: &'a Evidence,
    pub(crate) host: Option<&'a Host>,
    pub(crate) service: Option<&'a str>,
    pub(crate) operation: Option<&'a str>,
    pub(crate) door: Door,
    /// Which clock signed it: [`Estimator::moves`] at that moment.
    pub(crate) moves_at_signing: u64,
    /// The same number for the two sends of one request.
    pub(crate) request: u64,
    /// It is an answer to a request that was signed again.
    pub(crate) is_second: bool,
}

impl Exchange<'_> {
    /// In place of a number of moves: the shared clock has not signed it.
    pub(crate) const SIGNED_BY_ANOTHER: u64 = u64::MAX;

    /// Returns the numbers and names of this exchange, with the estimate as it
    /// stands.
    pub(crate) fn facts(&self, estimator: &Estimator, reading: Reading) -> Facts {
        let evidence = self.evidence;
        let server_time = evidence
            .server_time()
            .or_else(|| evidence.server_time_range().map(|(earliest, _)| earliest));
        let signed_at = self.attempt.signed_at;
        let age =
            signed_at
                .zip(server_time)
                .and_then(|(signed, server): (SystemTime, SystemTime)| {
                    server.duration_since(signed).ok()
                });
        Facts {
            offset: Some(estimator.offset(reading)),
            previous_offset: None,
            uncertainty: estimator
                .estimate()
                .map(|estimate| estimate.uncertainty(reading.boot)),
            age,
            source: evidence
                .sample()
                .filter(|_| server_time.is_some())
                .map(|sample| sample.source()),
            signed_at,
            server_time,
            service: self.service.and_then(Label::new),
            operation: self.operation.and_then(Label::new),
            host: self.host.and_then(|host| Label::new(host.name())),
            other_host: None,
            request_id: evidence.request_id().and_then(Label::new),
            error_code: evidence.error_code().and_then(Label::new),
            is_conspicuous: false,
        }
    }

    /// Returns whether the answer says that this request's time is wrong.
    pub(super) fn is_rejected(&self) -> bool {
        let signed_at = self.attempt.signed_at;
        let is_another = signed_at.is_some_and(|time| self.evidence.quotes_another_than(time));
        self.evidence.rejection().is_some() && !is_another
    }

    /// Returns whether it was refused for its time, or may have been.
    pub(super) fn is_refused(&self) -> bool {
        self.is_rejected() || self.evidence.is_suspect()
    }

    /// Returns why this refusal takes back what its request has taught.
    pub(super) fn taken_back(&self) -> TakenBack {
        if self.is_rejected() {
            TakenBack::Rejected
        } else {
            TakenBack::Refused
        }
    }

    /// Returns what an accepted answer says of the time.
    pub(super) fn accepted_interval(&self) -> Option<Interval> {
        let date = self.credible_date().filter(|_| self.evidence.accepted())?;
        weak_interval(&self.attempt, date)
    }

    /// Returns the `Date` of an accepted answer, unless it would make the very
    /// signature unacceptable that it accepts.
    pub(super) fn credible_date(&self) -> Option<SystemTime> {
        let date = self.evidence.date()?;
        let signed_at = self.attempt.signed_at?;
        (ClockOffset::between(signed_at, date).magnitude() <= WIDEST_TOLERANCE).then_some(date)
    }
}

/// No service accepts a signature older or younger than this.
const WIDEST_TOLERANCE: Duration = Duration::from_secs(900);
