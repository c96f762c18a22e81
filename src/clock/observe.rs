//! The methods that integrations call to observe a response, to get the time to sign with,
//! and to judge the expiry of credentials.

#[cfg(any(feature = "sdk", feature = "tower"))]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::SkewClock;
use crate::correction::{REPAIRED, agrees};
use crate::decide::{self, Decision, Exchange};
use crate::event::Mode;
#[cfg(feature = "sdk")]
use crate::event::{Details, Missing};
#[cfg(any(feature = "sdk", feature = "tower"))]
use crate::event::{EventKind, Label, SkipReason};
use crate::host::Host;
use crate::judge::{RoundTrip, SignedBy, SigningTime, WORTH_A_CORRECTION};
#[cfg(any(feature = "sdk", feature = "tower"))]
use crate::lifetime::{Clocks, corrected_expiry};
#[cfg(any(feature = "sdk", feature = "tower"))]
use crate::local_clock::LocalClock;
use crate::local_clock::Reading;
use crate::offset::distance;
use crate::report::{self, ResendOutcome};

impl SkewClock {
    /// Observes the response to a signed request. Integrations call it once for each
    /// response; it decides once and changes the state once.
    pub(crate) fn observe(&self, exchange: &Exchange<'_>) -> Decision {
        let reading = self.reading();
        let mode = self.0.origin.mode;
        let decision = self.change(reading, |clock| {
            decide::observe(clock, exchange, mode, reading)
        });
        if exchange.is_resend {
            report::resend(ResendOutcome::of(exchange.evidence), &self.0.origin);
        }
        if mode == Mode::Observe {
            return Decision::Pass;
        }
        decision
    }

    /// Returns whether a response has to be observed. `date` and `host` are called only if
    /// they are needed.
    #[inline]
    pub(crate) fn must_observe(
        &self,
        sent: SentAt,
        is_success: bool,
        date: impl FnOnce() -> Option<SystemTime>,
        host: impl FnOnce() -> Option<Host>,
    ) -> bool {
        let is_aws = || host().as_ref().is_some_and(Host::is_aws);
        !is_success || self.wants_accepted(sent.reading, date, is_aws)
    }

    /// Returns whether an accepted response has to be observed. `date` returns the
    /// response's `Date`, and `is_aws` whether AWS sent it; each is called only if it is
    /// needed.
    ///
    /// While the clock is corrected, a response that agrees with it changes nothing, unless
    /// the previous one contradicted the correction: three contradictions in a row end it.
    #[inline]
    pub(crate) fn wants_accepted(
        &self,
        sent: Reading,
        date: impl FnOnce() -> Option<SystemTime>,
        is_aws: impl FnOnce() -> bool,
    ) -> bool {
        let shared = &self.0;
        shared.wants_accepted.load(Ordering::Relaxed)
            || (shared.is_corrected.load(Ordering::Relaxed)
                && date().is_some_and(|date| !agrees(date, self.now())))
            || (self.wants_confirmation(sent) && is_aws())
    }

    /// Returns whether a minute has passed since a response from AWS was last checked for a
    /// confirmation. It also returns true if the monotonic clock has gone back by a minute.
    fn wants_confirmation(&self, sent: Reading) -> bool {
        let checked_at = self.0.checked_at.load(Ordering::Relaxed);
        checked_at.abs_diff(sent.monotonic.as_secs()) >= CONFIRMATION_PERIOD.as_secs()
    }

    /// Returns the time to sign a request to a host with.
    #[cfg(any(test, feature = "sdk", feature = "tower"))]
    pub(crate) fn signing_time(&self, host: Option<&Host>) -> SigningTime {
        self.signing_time_at(self.reading(), host)
    }

    #[inline]
    fn signing_time_at(&self, reading: Reading, host: Option<&Host>) -> SigningTime {
        if self.is_correcting() {
            return self.corrected_signing_time(reading, host);
        }
        SigningTime {
            now: reading.wall,
            by: SignedBy::Clock(self.generation()),
        }
    }

    #[cold]
    fn corrected_signing_time(&self, reading: Reading, host: Option<&Host>) -> SigningTime {
        let mut state = self.lock();
        self.clear_outdated(&mut state, reading);
        let name = host.map_or("", Host::name);
        state.clock.signing_time(name, reading)
    }

    /// Returns whether AWS confirmed the time that requests are signed with.
    #[cfg(feature = "sdk")]
    #[cold]
    pub(crate) fn is_confirmed_by_aws(&self) -> bool {
        let reading = self.reading();
        let mut state = self.lock();
        self.clear_outdated(&mut state, reading);
        state.clock.trust.confirmed_by(reading).is_some()
    }

    /// Returns readings of all clocks, to judge the expiry of credentials.
    #[cfg(any(feature = "sdk", feature = "tower"))]
    pub(crate) fn clocks(&self) -> Clocks {
        // This call can end the correction, so it comes first.
        let now = self.now();
        let reading = self.reading();
        Clocks {
            now,
            local: reading.wall,
            mono: reading.monotonic,
            generation: self.generation(),
        }
    }

    /// Returns when credentials that were just loaded expire by this clock. Returns `None`
    /// if the provider's expiry stands.
    #[cfg(any(feature = "sdk", feature = "tower"))]
    pub(crate) fn corrected_expiry(&self, expiry: Option<SystemTime>) -> Option<SystemTime> {
        if !self.is_corrected() {
            return None;
        }
        corrected_expiry(expiry?, self.0.local.wall(), self.now())
    }

    /// Reports a client that lacks a part of the installation.
    #[cfg(feature = "sdk")]
    pub(crate) fn report_missing(&self, missing: Missing, details: Details) {
        let kind = EventKind::IncompleteInstallation { missing };
        self.change(self.reading(), |clock| clock.report(kind, details));
    }

    /// Logs the first signed request of an integration. `is_noted` is whether it was logged.
    #[cfg(any(feature = "sdk", feature = "tower"))]
    #[inline]
    pub(crate) fn note_request(
        &self,
        is_noted: &AtomicBool,
        integration: &'static str,
        service: impl FnOnce() -> Option<Label>,
    ) {
        if !is_noted.load(Ordering::Relaxed) && !is_noted.swap(true, Ordering::Relaxed) {
            report::installed(integration, service().as_ref(), &self.0.origin);
        }
    }

    /// Records that a request could not be re-signed.
    #[cfg(any(feature = "sdk", feature = "tower"))]
    pub(crate) fn resend_skipped(&self, exchange: &Exchange<'_>, reason: SkipReason) {
        let reading = self.reading();
        self.change(reading, |clock| {
            let details = exchange.details(clock, reading);
            clock.report(EventKind::ResendSkipped { reason }, details);
        });
    }

    /// Records that a re-signed request got no response.
    pub(crate) fn resend_failed(&self) {
        report::resend(ResendOutcome::Failed, &self.0.origin);
    }
}

/// The moment at which a request was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentAt {
    pub(crate) reading: Reading,
    /// The time that requests to the host were signed with at that moment.
    pub(crate) signing: SigningTime,
}

impl SentAt {
    /// Reads the clocks. Call it just before a request is sent.
    #[inline]
    pub(crate) fn now(clock: &SkewClock, host: impl FnOnce() -> Option<Host>) -> Self {
        let reading = clock.reading();
        // The host's name costs an allocation, so it is read only if some host has its own
        // time.
        let host = clock.has_host_times().then(host).flatten();
        Self {
            reading,
            signing: clock.signing_time_at(reading, host.as_ref()),
        }
    }

    /// Returns whether a request with this signing time has to be re-signed before it is
    /// sent. It has to be if the signing time is two minutes or more from the time for its
    /// host. If the correction is smaller than that (a service with a small tolerance
    /// caused it), it has to be if the signing time is nearer to the local time than to the
    /// corrected one.
    pub(crate) fn is_far_from(&self, signed_at: SystemTime) -> bool {
        let apart = distance(signed_at, self.signing.now);
        let is_by_local_clock = || {
            let corrected = distance(self.reading.wall, self.signing.now);
            corrected > REPAIRED && apart > corrected / 2
        };
        // Half of a correction is more than half of `REPAIRED`, so most requests need only the
        // first comparison.
        apart >= WORTH_A_CORRECTION || (apart > REPAIRED / 2 && is_by_local_clock())
    }

    pub(crate) fn round_trip(self, signed_at: Option<SystemTime>, received: Reading) -> RoundTrip {
        let is_ours = signed_at.is_some_and(|signed_at| !self.is_far_from(signed_at));
        RoundTrip {
            signed_at,
            signed_by: if is_ours {
                self.signing.by
            } else {
                SignedBy::Other
            },
            sent: self.reading,
            received,
        }
    }
}

/// A response from AWS is checked for a confirmation once a minute at most.
const CONFIRMATION_PERIOD: Duration = Duration::from_secs(60);
