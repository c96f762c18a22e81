//! [`Diagnosis`]: why a call failed, and what to do about it.
//!
//! Computed from a response and the state of the clock, without a change to either.

mod advice;
mod origin;

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::event::{EventKind, SkewEvent, SkipReason};
use crate::evidence::{Evidence, OtherCause, SkewDirection};
use crate::judge::{CREDIBLE_SIGNATURE, WORTH_A_CORRECTION};
use crate::offset::{ClockOffset, distance};

use advice::text_of;
pub use origin::Origin;

/// Why a call failed, what the clock did about it, and what a person can do.
///
/// Its `Display` is one line for people: the cause and, if a time was wrong, what the clock
/// did. [`SkewClock::diagnose_response`](crate::SkewClock::diagnose_response) and
/// `SkewClock::diagnose_error` return it.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use aws_clock_skew::diagnosis::Cause;
/// use aws_clock_skew::evidence::ResponseView;
/// use aws_clock_skew::{ManualClock, SkewClock};
///
/// // 2026-01-01T10:00:00Z, where servers say that it is 20 minutes later.
/// let local = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_261_600));
/// let clock = SkewClock::builder().local_clock(local).build();
/// let body = b"Signature expired: 20260101T100000Z is now earlier than 20260101T100500Z \
///     (20260101T102000Z - 15 min.)";
///
/// let diagnosis = clock.diagnose_response(&ResponseView::new(403, body));
/// assert!(matches!(diagnosis.cause(), Cause::Clock(Some(by)) if by.as_millis() == 1_200_000));
/// assert_eq!(
///     diagnosis.to_string(),
///     "the local clock is 20 min behind; nothing was corrected"
/// );
/// assert!(diagnosis.advice().contains("chronyc makestep"));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Diagnosis {
    cause: Cause,
    origin: Option<Origin>,
    /// If a time was wrong, what the clock did, and the `reason` of the log event.
    outcome: Option<(&'static str, Option<SkipReason>)>,
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// The local clock is wrong. The value is server time − local time, if the response or
    /// the [`SkewClock`](crate::SkewClock) states it.
    Clock(Option<ClockOffset>),
    /// The local clock is correct, and the signature was too old on arrival, because of a
    /// suspend, a queue or a slow upload. The value is its age.
    ExpiredInTransit(Option<Duration>),
    /// The local clock is correct, and the signature was made by a clock that was ahead:
    /// that of another machine, or the local clock before it was repaired. The value is
    /// server time − that clock.
    AnotherClock(Option<ClockOffset>),
    /// TLS rejected the dates of the server's certificate, as it does if the local clock is
    /// far off. No request was sent.
    Certificate,
    /// A cause other than the clock.
    Other(OtherCause),
    /// The response is not an authentication error, but for example throttling, a missing
    /// object, or a fault of the service.
    Unrelated,
    /// The response does not show the cause, or there was no response.
    Unknown,
}

impl Diagnosis {
    /// Returns the diagnosis of a response. `offset` is server time − local time, if the
    /// local clock is known to be wrong.
    pub(crate) fn of(
        evidence: &Evidence,
        wall: SystemTime,
        offset: Option<ClockOffset>,
        is_observe_only: bool,
        last_event: Option<&SkewEvent>,
    ) -> Self {
        let cause = Cause::of(evidence, wall, offset, offset.is_some() && !is_observe_only);
        let is_of_time = matches!(
            cause,
            Cause::Clock(_) | Cause::ExpiredInTransit(_) | Cause::AnotherClock(_)
        );
        // The last event is about this response if the request ids are equal.
        let own = last_event.filter(|event| {
            let id = event.details().request_id.as_ref();
            id.is_some_and(|id| evidence.request_id() == Some(id.as_str()))
        });
        let outcome = match own.map(SkewEvent::kind) {
            Some(EventKind::ResendSkipped { reason }) => {
                ("it could not be re-signed", Some(reason))
            }
            Some(EventKind::ResendRejected) => ("it was re-signed and rejected again", None),
            Some(EventKind::OffsetLimitExceeded) => (TOO_FAR_AHEAD, None),
            Some(EventKind::HostsDisagree) => (ANOTHER_SERVER, None),
            _ if is_observe_only => (ONLY_OBSERVES, None),
            _ if offset.is_some() && matches!(cause, Cause::Clock(_)) => {
                ("later signatures are corrected", None)
            }
            _ => ("nothing was corrected", None),
        };
        let origin = match cause {
            Cause::Clock(Some(offset)) | Cause::AnotherClock(Some(offset)) => {
                Some(Origin::of(offset, wall))
            }
            _ => None,
        };
        Self {
            cause,
            origin,
            outcome: is_of_time.then_some(outcome),
        }
    }

    /// Returns the diagnosis of a call without a response.
    #[cfg(feature = "sdk")]
    pub(crate) const fn without_response(cause: Cause) -> Self {
        Self {
            cause,
            origin: None,
            outcome: None,
        }
    }

    /// Returns why the call failed.
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Returns why the clock is probably wrong, or `None` if the cause is not a clock or
    /// its error is not known.
    pub const fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// Returns what a person can do about the cause, in whole sentences.
    pub const fn advice(&self) -> &'static str {
        advice::of(self.cause, self.origin)
    }
}

impl Cause {
    /// Returns the cause of an error response. `known` is the correction, and
    /// `is_corrected` tells whether requests are signed with it.
    fn of(
        evidence: &Evidence,
        wall: SystemTime,
        known: Option<ClockOffset>,
        is_corrected: bool,
    ) -> Self {
        if let Some(rejection) = evidence.clock_skew_error() {
            return Self::of_skew_error(evidence, rejection, wall, known);
        }
        if let Some(cause) = evidence.other_cause() {
            return Self::Other(cause);
        }
        if !evidence.is_possible_clock_skew_error() {
            return Self::Unrelated;
        }
        let stated = evidence.sample();
        let stated = stated.map(|sample| ClockOffset::between(wall, sample.best));
        let offset = known.or(stated);
        let is_wrong = offset.is_some_and(|offset| offset.magnitude() >= CREDIBLE_SIGNATURE);
        match evidence.error_code() {
            _ if is_wrong && !is_corrected => Self::Clock(offset),
            // EC2 returns this code for a wrong time, a wrong key and an unknown key.
            Some("AuthFailure") => Self::Unknown,
            _ if evidence.is_signature_code() => Self::Other(OtherCause::WrongKey),
            Some(code) if code.starts_with("AccessDenied") => Self::Other(OtherCause::Denied),
            _ => Self::Unknown,
        }
    }

    fn of_skew_error(
        evidence: &Evidence,
        error: SkewDirection,
        wall: SystemTime,
        known: Option<ClockOffset>,
    ) -> Self {
        let signed_at = evidence.request_time();
        // A time that cannot become a sample can still explain the error: for example that
        // of an old report, or one that agrees with the local clock.
        let agrees = |time: &SystemTime| distance(wall, *time) < WORTH_A_CORRECTION;
        let stated = evidence
            .server_time()
            .filter(|time| signed_at < Some(*time) || agrees(time));
        let sample = evidence.sample().map(|sample| sample.best);
        let shown = known.map(|offset| offset.shift(wall));
        let Some(server) = sample.or(shown).or(stated) else {
            return Self::Clock(None);
        };
        let offset = known.unwrap_or(ClockOffset::between(wall, server));
        let off_by = signed_at.map(|signed| ClockOffset::between(signed, server));
        // Whether the signature was made by the local clock, and not by the corrected one.
        let is_local =
            off_by.is_none_or(|off_by| off_by.since(offset).magnitude() <= off_by.magnitude());
        if offset.magnitude() >= WORTH_A_CORRECTION && is_local {
            return Self::Clock(Some(offset));
        }
        let is_behind = |off_by| off_by >= ClockOffset::ZERO;
        if off_by.map_or(error != SkewDirection::Ahead, is_behind) {
            Self::ExpiredInTransit(off_by.map(ClockOffset::magnitude))
        } else {
            Self::AnotherClock(off_by)
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.cause, self.outcome) {
            (cause, None) => cause.fmt(f),
            (cause, Some((outcome, None))) => write!(f, "{cause}; {outcome}"),
            (cause, Some((outcome, Some(reason)))) => write!(f, "{cause}; {outcome} ({reason})"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clock(Some(offset)) => return write!(f, "the local clock is {offset}"),
            Self::ExpiredInTransit(Some(age)) => {
                let age = format!("{:+}", ClockOffset::from_duration(*age));
                let age = age.trim_start_matches('+');
                return write!(f, "the signature was {age} old on arrival; {CORRECT}");
            }
            Self::AnotherClock(Some(offset)) => {
                return write!(
                    f,
                    "the signature was made by a clock that was {offset}; {CORRECT}"
                );
            }
            Self::Clock(None) => "the local clock is wrong, or the signature expired in transit",
            Self::ExpiredInTransit(None) => "the signature expired in transit",
            Self::AnotherClock(None) => "the signature was made by a clock that was ahead",
            Self::Certificate => {
                "TLS rejected the dates of the server's certificate; if they are valid, the local \
                 clock is wrong"
            }
            Self::Other(cause) => text_of(*cause).0,
            Self::Unrelated => "this is not an authentication error",
            Self::Unknown => "no response names the cause",
        })
    }
}

const CORRECT: &str = "the local clock is correct";
const TOO_FAR_AHEAD: &str = "nothing was corrected, because the server's time is too far ahead";
const ANOTHER_SERVER: &str = "nothing was corrected, because another server states another time";
const ONLY_OBSERVES: &str = "nothing was corrected, because the clock only observes";
