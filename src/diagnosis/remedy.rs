//! [`Remedy`]: what was done about it.

use std::fmt;

use super::{Cause, Standing};
use crate::event::{EventKind, SkewEvent, SkipReason};
use crate::evidence::Evidence;

/// What was done about a call that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Remedy {
    /// Nothing: nothing could be, or the client does not use the
    /// [`SkewClock`](crate::SkewClock).
    Nothing,
    /// The clock is corrected: what is signed from now on is right.
    Corrected,
    /// The request was signed and sent again, and rejected again.
    SignedAgain,
    /// The request could not be signed again.
    NotResigned(SkipReason),
    /// The server's time was not followed: it is too far ahead; see
    /// [`Limits`](crate::Limits).
    Refused,
    /// The server's time was not followed: another server states another.
    Disputed,
    /// The clock only observes.
    Observed,
}

impl Remedy {
    pub(super) fn of(cause: &Cause, evidence: &Evidence, standing: &Standing<'_>) -> Self {
        if !cause.is_of_time() {
            return Self::Nothing;
        }
        // The last event is this call's if it has the same request id.
        let own = standing.last_event.filter(|event| {
            let id = event.details().request_id.as_ref();
            id.is_some_and(|id| evidence.request_id() == Some(id.as_str()))
        });
        match own.map(SkewEvent::kind) {
            Some(EventKind::ResendSkipped { reason }) => return Self::NotResigned(reason),
            Some(EventKind::ResendRejected) => return Self::SignedAgain,
            Some(EventKind::OffsetLimitExceeded) => return Self::Refused,
            Some(EventKind::HostsDisagree) => return Self::Disputed,
            _ => {}
        }
        match cause {
            _ if standing.observes_only => Self::Observed,
            Cause::Clock(_) if standing.offset.is_some() => Self::Corrected,
            _ => Self::Nothing,
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing was corrected"),
            Self::Corrected => f.write_str("what is signed from now on is corrected"),
            Self::SignedAgain => f.write_str("it was signed again, and rejected again"),
            Self::NotResigned(reason) => {
                write!(f, "it could not be signed again: {}", in_words(*reason))
            }
            Self::Refused => {
                f.write_str("nothing was corrected, since the server's time is too far ahead")
            }
            Self::Disputed => {
                f.write_str("nothing was corrected, since another server states another time")
            }
            Self::Observed => f.write_str("nothing was corrected, since the clock only observes"),
        }
    }
}

const fn in_words(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Chunked => "its body is signed in chunks",
        SkipReason::Sigv4a => "it is signed with SigV4a",
        SkipReason::Express => "it is signed for S3 Express",
        SkipReason::Proof => "its signature could not be reproduced with these credentials",
        SkipReason::Body => "its body can be sent only once",
        SkipReason::Identity => "no credentials could be had",
    }
}
