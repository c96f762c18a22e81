//! [`EventKind`]: what happened, and what only one kind has: why a correction ended, why a
//! request was not re-signed, what a client lacks.

use std::fmt;

use super::Mode;
use crate::evidence::{OtherCause, Source};

/// The kinds of events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// The correction starts or changes.
    SkewDetected,
    /// A signature expired on the way to the server; the local clock is correct.
    ExpiredInTransit,
    /// The correction ends. Signatures are dated by the local clock again.
    #[non_exhaustive]
    CorrectionCleared {
        /// Why.
        reason: ClearReason,
    },
    /// Two servers disagree about the time. The correction follows
    /// [`Details::other_address`](super::Details::other_address), which is an AWS endpoint if one of the two is.
    HostsDisagree,
    /// The time in a `Date` header was tried, and the server rejected it.
    TrialRejected,
    /// A request was rejected because of its time, and could not be re-signed.
    #[non_exhaustive]
    ResendSkipped {
        /// Why.
        reason: SkipReason,
    },
    /// A request was re-signed, and rejected again because of its time.
    ResendRejected,
    /// A server states a time beyond [`Limits`](crate::Limits). Nothing was corrected.
    OffsetLimitExceeded,
    /// An authentication error that looks like a clock skew error and has another cause, such
    /// as a wrong key.
    #[non_exhaustive]
    NotClockSkew {
        /// What the server says it is.
        cause: Option<OtherCause>,
    },
    /// A client has the interceptor without the parts that it needs. Nothing is corrected.
    #[non_exhaustive]
    IncompleteInstallation {
        /// The parts that the client lacks.
        missing: Missing,
    },
}

impl EventKind {
    pub(crate) const COUNT: usize = 10;

    /// The names of all kinds, in the order of [`index`](Self::index).
    pub(crate) const NAMES: [&'static str; Self::COUNT] = [
        "skew_detected",
        "expired_in_transit",
        "correction_cleared",
        "hosts_disagree",
        "trial_rejected",
        "resend_skipped",
        "resend_rejected",
        "offset_limit_exceeded",
        "not_clock_skew",
        "incomplete_installation",
    ];

    /// Returns the `event` field of the log event: the variant's name in `snake_case`.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }

    /// Returns where this kind stands in an array of all kinds.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::SkewDetected => 0,
            Self::ExpiredInTransit => 1,
            Self::CorrectionCleared { .. } => 2,
            Self::HostsDisagree => 3,
            Self::TrialRejected => 4,
            Self::ResendSkipped { .. } => 5,
            Self::ResendRejected => 6,
            Self::OffsetLimitExceeded => 7,
            Self::NotClockSkew { .. } => 8,
            Self::IncompleteInstallation { .. } => 9,
        }
    }

    /// Returns whether another time signs from now on.
    pub(crate) const fn is_change_of_state(self) -> bool {
        matches!(self, Self::SkewDetected | Self::CorrectionCleared { .. })
    }

    /// Returns the `reason` field of the log event.
    pub(crate) const fn reason(self) -> Option<&'static str> {
        match self {
            Self::CorrectionCleared { reason } => Some(reason.as_str()),
            Self::ResendSkipped { reason } => Some(reason.as_str()),
            _ => None,
        }
    }

    /// Returns the `cause` field of the log event.
    pub(crate) fn cause(self) -> Option<&'static str> {
        match self {
            Self::NotClockSkew { cause } => cause.map(OtherCause::as_str),
            _ => None,
        }
    }

    /// Returns the `missing` field of the log event.
    pub(crate) const fn missing(self) -> Option<&'static str> {
        match self {
            Self::IncompleteInstallation { missing } => Some(missing.as_str()),
            _ => None,
        }
    }
}

/// Why a correction ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ClearReason {
    /// The local clock agrees with the corrected time again.
    LocalClockRepaired,
    /// Servers contradicted the correction, and agree with the local clock.
    Contradicted,
    /// [`SkewClock::reset`](crate::SkewClock::reset) was called, or the monotonic clock has gone
    /// back: a checkpoint was restored.
    Reset,
}

impl ClearReason {
    /// Returns the `reason` field of the log event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LocalClockRepaired => "local_clock_repaired",
            Self::Contradicted => "contradicted",
            Self::Reset => "reset",
        }
    }
}

/// Why a rejected request could not be re-signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SkipReason {
    /// Its body is signed in pieces that only its own signer can sign again: the frames of
    /// an event stream, or chunks of a body that a Tower layer forwards.
    Chunked,
    /// It is signed with SigV4a, and the cargo feature `sigv4a` is off.
    Sigv4a,
    /// It is signed for S3 Express.
    Express,
    /// Its signature could not be reproduced with the credentials at hand.
    Proof,
    /// Its body cannot be sent again.
    Body,
    /// No credentials could be had.
    Identity,
}

impl SkipReason {
    pub(crate) const ALL: [Self; 6] = [
        Self::Chunked,
        Self::Sigv4a,
        Self::Express,
        Self::Proof,
        Self::Body,
        Self::Identity,
    ];

    /// Returns the `reason` field of the log event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chunked => "chunked",
            Self::Sigv4a => "sigv4a",
            Self::Express => "express",
            Self::Proof => "proof",
            Self::Body => "body",
            Self::Identity => "identity",
        }
    }
}

/// Part of the installation that a client lacks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Missing {
    /// [`SkewClock::retry_classifier`](crate::SkewClock) is not installed.
    RetryClassifier,
    /// [`SkewClock::auth_scheme`](crate::SkewClock) is not installed.
    AuthScheme,
    /// The program has no HTTPS client to send through, or a client of a configured config was
    /// given another HTTP client.
    HttpClient,
}

impl Missing {
    /// Returns the `missing` field of the log event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RetryClassifier => "retry_classifier",
            Self::AuthScheme => "auth_scheme",
            Self::HttpClient => "http_client",
        }
    }
}

/// `Display` by `as_str`.
macro_rules! show_as_str {
    ($($type:ty),*) => {
        $(impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        })*
    };
}
show_as_str!(ClearReason, SkipReason, Missing, Mode, OtherCause, Source);

#[cfg(test)]
mod tests {
    use super::*;

    impl EventKind {
        /// One of each kind.
        pub(in crate::event) const EXAMPLES: [Self; Self::COUNT] = [
            Self::SkewDetected,
            Self::ExpiredInTransit,
            Self::CorrectionCleared {
                reason: ClearReason::Reset,
            },
            Self::HostsDisagree,
            Self::TrialRejected,
            Self::ResendSkipped {
                reason: SkipReason::Body,
            },
            Self::ResendRejected,
            Self::OffsetLimitExceeded,
            Self::NotClockSkew { cause: None },
            Self::IncompleteInstallation {
                missing: Missing::AuthScheme,
            },
        ];
    }

    #[test]
    fn a_name_is_that_of_the_variant_in_snake_case() {
        for (index, kind) in EventKind::EXAMPLES.into_iter().enumerate() {
            let variant = format!("{kind:?}");
            let variant = variant.split_whitespace().next().unwrap();
            let mut name = String::new();
            for letter in variant.chars() {
                if letter.is_uppercase() && !name.is_empty() {
                    name.push('_');
                }
                name.push(letter.to_ascii_lowercase());
            }
            assert_eq!((kind.index(), kind.name()), (index, &*name));
        }
    }
}
