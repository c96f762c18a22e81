//! What doors tell the clock of the answers that they have heard.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::SkewClock;
use crate::estimator::{Estimator, agrees};
use crate::event::SkewEvent;
use crate::host::Host;
use crate::judge::{Lesson, judge};
use crate::local_clock::Reading;
use crate::offset::ClockOffset;
use crate::report::{self, ResendOutcome};
use crate::ruling::{self, Exchange, Ruling};

impl SkewClock {
    /// Returns whether a new signature may save this request; learns nothing.
    pub(crate) fn would_resign(&self, exchange: &Exchange<'_>) -> bool {
        let reading = self.reading();
        let now = self.lock().estimator.now(reading);
        !self.is_observe_only()
            && judge(&exchange.attempt, exchange.evidence, reading, now).wants_resign()
    }

    /// Rules on an answer that is not an accepted one, and learns from it.
    pub(crate) fn rule(&self, exchange: &Exchange<'_>) -> Ruling {
        let reading = self.reading();
        let ruling = self.change(reading, |estimator, events| {
            ruling::rule(estimator, exchange, reading, events)
        });
        Ruling {
            resign: ruling.resign && !self.is_observe_only(),
            ..ruling
        }
    }

    /// Returns whether [`accept`](Self::accept) has anything to do, whoever
    /// answered. `date` is that of the answer; it is not read where it does not
    /// matter.
    ///
    /// While the clock is corrected, an answer that agrees with it says nothing new.
    /// Any other may speak against the correction, and so may one that comes after
    /// such: three have to come in a row.
    pub(crate) fn minds_accepted(&self, date: impl FnOnce() -> Option<SystemTime>) -> bool {
        self.0.minds_accepted.load(Ordering::Relaxed)
            || (self.is_corrected() && date().is_some_and(|date| !agrees(date, self.now())))
    }

    /// Returns whether it is time for an AWS endpoint to vouch for the clock again.
    pub(crate) fn wants_vouch(&self, boot: Duration) -> bool {
        boot.as_secs() >= self.0.next_vouch.load(Ordering::Relaxed)
    }

    /// Takes note of an accepted answer.
    pub(crate) fn accept(&self, exchange: &Exchange<'_>) {
        let reading = self.reading();
        self.change(reading, |estimator, events| {
            // Under the lock: a move must not come between the look and the store,
            // or nobody is asked to vouch for the moved clock for a minute.
            let is_signed_by_us_now = exchange.moves_at_signing == self.moves();
            if is_signed_by_us_now && exchange.host.is_some_and(Host::is_aws) {
                let received = exchange.attempt.received.boot.as_secs();
                let next = received.saturating_add(BETWEEN_VOUCHES);
                self.0.next_vouch.store(next, Ordering::Relaxed);
            }
            ruling::accept(estimator, exchange, reading, events);
        });
    }

    /// The second send of a request with a pending lesson was answered.
    pub(crate) fn settle(&self, exchange: &Exchange<'_>, lesson: &Lesson) {
        let reading = self.reading();
        self.change(reading, |estimator, events| {
            ruling::settle(estimator, exchange, lesson, reading, events);
        });
    }

    /// A request with a pending lesson cannot be sent again to try it.
    pub(crate) fn suppose(&self, exchange: &Exchange<'_>, lesson: &Lesson) {
        let reading = self.reading();
        self.change(reading, |estimator, events| {
            ruling::suppose(estimator, exchange, lesson, reading, events);
        });
    }

    /// A request that another door has ruled on was sent again, and refused.
    #[cfg(feature = "sdk")]
    pub(crate) fn refused_again(&self, exchange: &Exchange<'_>) {
        let reading = self.reading();
        self.change(reading, |estimator, events| {
            ruling::refused_again(estimator, exchange, reading, events);
        });
    }

    /// Reports an event that the estimator has no part in.
    pub(crate) fn enter(&self, event: impl FnOnce(&Estimator, Reading) -> SkewEvent) {
        let reading = self.reading();
        self.change(reading, |estimator, events| {
            let event = event(estimator, reading);
            events.push(event);
        });
    }

    /// A request was re-signed and sent again, with this outcome.
    pub(crate) fn resent(&self, outcome: ResendOutcome) {
        report::resend(outcome, &self.0.origin);
    }

    /// Returns the offset from the boot clock of a host that disagrees with the
    /// one that the clock follows.
    pub(crate) fn disputed(&self, host: &Host) -> Option<ClockOffset> {
        if !self.has_disputes() {
            return None;
        }
        self.lock().estimator.trust.disputed(host)
    }
}

/// AWS is asked to vouch once a minute at most.
const BETWEEN_VOUCHES: u64 = 60;
