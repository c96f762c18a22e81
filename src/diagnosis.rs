//! [`Diagnosis`]: why a call failed, and what to do.
//!
//! Pure: a response and the state of the clock in, a value out.

mod advice;
mod origin;

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::event::{EventKind, SkewEvent, SkipReason};
use crate::evidence::{Evidence, OtherCause, SkewDirection};
use crate::judge::{CREDIBLE_SIGNATURE, WORTH_A_CORRECTION};
use crate::offset::ClockOffset;

use advice::text_of;
pub use origin::Origin;

/// Why a call failed, what was done about it, and what to do.
///
/// Its `Display` is one line for people: the cause, and what was done if a time was
/// wrong. Made by [`SkewClock::diagnose_response`](crate::SkewClock::diagnose_response)
/// and `SkewClock::diagnose_error`.
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
    /// What was done about it, if a time was wrong; and the reason, as in the log.
    outcome: Option<(&'static str, Option<SkipReason>)>,
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// The local clock is wrong: server − local, if the response or the
    /// [`SkewClock`](crate::SkewClock) knows by how much.
    Clock(Option<ClockOffset>),
    /// The local clock is correct, and the signature was so old on arrival: a
    /// suspend, a queue, a slow upload.
    ExpiredInTransit(Option<Duration>),
    /// The local clock is correct now, and the signature was made by one that was
    /// ahead: that of another machine, or the local clock before it was repaired. Server − that
    /// clock.
    AnotherClock(Option<ClockOffset>),
    /// TLS rejected the server's certificate for its dates, as it does where the local
    /// clock is far off. Nothing was signed or sent.
    Certificate,
    /// A cause other than the clock.
    Other(OtherCause),
    /// No authentication error: throttling, a missing object, a fault of the service.
    Unrelated,
    /// The response says too little, or there was none.
    Unknown,
}

impl Diagnosis {
    /// `offset` is server − local, if the local clock is known to be wrong.
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
        // The last event is about this response if it has the same request id.
        let own = last_event.filter(|event| {
            let id = event.details().request_id.as_ref();
            id.is_some_and(|id| evidence.request_id() == Some(id.as_str()))
        });
        let outcome = match own.map(SkewEvent::kind) {
            Some(EventKind::ResendSkipped { reason }) => {
                ("it could not be re-signed", Some(reason))
            }
            Some(EventKind::ResendRejected) => ("it was re-signed, and rejected again", None),
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

    /// There was no response.
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

    /// Returns where the error of the clock probably comes from. `None` if the cause is
    /// not a clock, or its error is not known.
    pub const fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// Returns what a person can do about it, in whole sentences.
    pub const fn advice(&self) -> &'static str {
        advice::of(self.cause, self.origin)
    }
}

impl Cause {
    /// `is_corrected` says whether signatures are made by the server's time already.
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
            // What EC2 says of a wrong time, of a wrong key and of an unknown one.
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
        // A time that may not become a sample can still explain the error: that of an old
        // report, or one that the local clock agrees with.
        let agrees =
            |time: &SystemTime| ClockOffset::between(wall, *time).magnitude() < WORTH_A_CORRECTION;
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
        // Made by the local clock, or by the corrected one and late?
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
                "TLS rejected the server's certificate for its dates; if it is good, the local \
                 clock is wrong"
            }
            Self::Other(cause) => text_of(*cause).0,
            Self::Unrelated => "this is not an authentication error",
            Self::Unknown => "no response names the cause",
        })
    }
}

const CORRECT: &str = "the local clock is correct";
const TOO_FAR_AHEAD: &str = "nothing was corrected, since the server's time is too far ahead";
const ANOTHER_SERVER: &str = "nothing was corrected, since another server states another time";
const ONLY_OBSERVES: &str = "nothing was corrected, since the clock only observes";
