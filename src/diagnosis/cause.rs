//! [`Cause`]: what was wrong.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::evidence::{Evidence, OtherCause, Rejection};
use crate::judge::{CREDIBLE_SIGNATURE, WORTH_A_CORRECTION};
use crate::offset::ClockOffset;

/// What was wrong with a call that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// This machine's clock is wrong: server − machine, if the answer or the
    /// [`SkewClock`](crate::SkewClock) knows by how much.
    Clock(Option<ClockOffset>),
    /// This machine's clock is right, and the signature was so old when the
    /// server looked at it: a freeze, a queue, a slow upload.
    StaleSignature(Option<Duration>),
    /// This machine's clock is right now, and the signature was made by one that
    /// was ahead: another machine's, or this one's before it was repaired. Server −
    /// that clock.
    AnotherClock(Option<ClockOffset>),
    /// TLS refused the server's certificate for its dates, as it does on a machine
    /// whose clock is far off. Nothing was signed or sent.
    Certificate,
    /// Not the clock, but this.
    Other(OtherCause),
    /// No error of authentication: throttling, a missing object, a fault of the
    /// service.
    Unrelated,
    /// The answer says too little, or there was none.
    Unknown,
}

impl Cause {
    /// `offset` is server − machine where that is known already, and `signs_right`
    /// says whether signatures are corrected by it.
    pub(super) fn of(
        evidence: &Evidence,
        wall: SystemTime,
        offset: Option<ClockOffset>,
        signs_right: bool,
    ) -> Self {
        if let Some(rejection) = evidence.rejection() {
            return Self::of_rejection(evidence, rejection, wall, offset);
        }
        if let Some(cause) = evidence.other_cause() {
            return Self::Other(cause);
        }
        if !evidence.is_suspect() {
            return Self::Unrelated;
        }
        let stated = evidence.sample().map(|sample| sample.best);
        let off_by = offset.or(stated.map(|server| ClockOffset::between(wall, server)));
        let is_suspicious = off_by.is_some_and(|off_by| off_by.magnitude() >= CREDIBLE_SIGNATURE);
        if is_suspicious && !signs_right {
            return Self::Clock(off_by);
        }
        match evidence.error_code() {
            // What EC2 says of a wrong time, of a wrong key and of an unknown one.
            Some("AuthFailure") => Self::Unknown,
            _ if evidence.is_signature_code() => Self::Other(OtherCause::WrongKey),
            Some(code) if code.starts_with("AccessDenied") => Self::Other(OtherCause::Denied),
            _ => Self::Unknown,
        }
    }

    /// The server has said that the request's time is wrong.
    fn of_rejection(
        evidence: &Evidence,
        rejection: Rejection,
        wall: SystemTime,
        known: Option<ClockOffset>,
    ) -> Self {
        // An old report may state a time that no sample has, and that explains it still.
        let is_possible = |server: &SystemTime| {
            let since_1970 = server.duration_since(SystemTime::UNIX_EPOCH);
            since_1970.is_ok_and(|since| since >= FIRST_SERVICE)
        };
        let sample = evidence.sample().map(|sample| sample.best);
        let server = sample
            .or(known.map(|offset| offset.shift(wall)))
            .or(evidence.server_time().filter(is_possible));
        let Some(server) = server else {
            return Self::Clock(None);
        };
        let offset = known.unwrap_or(ClockOffset::between(wall, server));
        let off_by = evidence
            .request_time()
            .map(|signed| ClockOffset::between(signed, server));
        if offset.magnitude() >= WORTH_A_CORRECTION {
            // Made by the machine's clock, or by the corrected one and late?
            let is_the_machines =
                off_by.is_none_or(|off_by| off_by.since(offset).magnitude() <= off_by.magnitude());
            if is_the_machines {
                return Self::Clock(Some(offset));
            }
        }
        let was_ahead = off_by.map_or(rejection == Rejection::Ahead, |off_by| {
            off_by < ClockOffset::ZERO
        });
        if was_ahead {
            Self::AnotherClock(off_by)
        } else {
            Self::StaleSignature(off_by.map(ClockOffset::magnitude))
        }
    }

    /// Returns whether a time was wrong: a clock's or a signature's.
    pub(super) const fn is_of_time(self) -> bool {
        matches!(
            self,
            Self::Clock(_) | Self::StaleSignature(_) | Self::AnotherClock(_)
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock(Some(offset)) => write!(f, "this machine's clock is {offset}"),
            Self::Clock(None) => f.write_str(
                "this machine's clock is wrong, or the signature grew old on its way; \
                 the service does not say by how much",
            ),
            Self::StaleSignature(Some(age)) => {
                let age = format!("{:+}", ClockOffset::from_duration(*age));
                write!(
                    f,
                    "the signature was {} old when it arrived; this machine's clock is right",
                    age.trim_start_matches('+')
                )
            }
            Self::StaleSignature(None) => f.write_str(
                "the signature was too old when it arrived; this machine's clock is right",
            ),
            Self::AnotherClock(Some(offset)) => write!(
                f,
                "the signature was made by a clock that was {offset}; this machine's is right now"
            ),
            Self::AnotherClock(None) => f.write_str(
                "the signature was made by a clock that was ahead; this machine's is right now",
            ),
            Self::Certificate => f.write_str(
                "TLS refused the server's certificate for its dates; if the certificate is \
                 good, this machine's clock is wrong",
            ),
            Self::Other(cause) => f.write_str(in_words(*cause)),
            Self::Unrelated => f.write_str("this is no error of authentication"),
            Self::Unknown => f.write_str("the cause cannot be told from what the service answered"),
        }
    }
}

const fn in_words(cause: OtherCause) -> &'static str {
    match cause {
        OtherCause::WrongKey => "the secret key is wrong, or the request was changed on its way",
        OtherCause::ExpiredCredentials => "the credentials have expired",
        OtherCause::ExpiredUrl => "the presigned URL or POST policy has expired",
        OtherCause::CredentialScope => "the request was signed for another region or service",
        OtherCause::UnknownCredentials => "the access key or session token is not known there",
        OtherCause::MissingAuthentication => "the request bore no signature",
        OtherCause::MalformedDate => "the request's date was missing or could not be read",
        OtherCause::MalformedSignature => "the signature was incomplete or could not be read",
        OtherCause::Denied => "a policy denies it to these credentials",
    }
}

/// Amazon S3 opened on 2006-03-14, and no service of AWS was there before.
const FIRST_SERVICE: Duration = Duration::from_secs(1_142_294_400);
