//! [`EventKind`] and the details of single kinds: why a correction ended, why a request was
//! not re-signed, and which part a client lacks.

use std::fmt;

use super::Mode;
use crate::evidence::{OtherCause, Source};

/// The kinds of events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// The correction starts or changes.
    SkewDetected,
    /// A signature expired in transit; the local clock is correct.
    ExpiredInTransit,
    /// The correction ends. Requests are signed with the local time again.
    #[non_exhaustive]
    CorrectionCleared {
        /// Why the correction ended.
        reason: ClearReason,
    },
    /// Two servers disagree about the time. The clock keeps the time of
    /// [`Details::other_address`](super::Details::other_address), which is an AWS endpoint
    /// if one of the two is.
    HostsDisagree,
    /// The server rejected a request that was signed with the time in its `Date` header.
    TrialRejected,
    /// A request was rejected because of its time, and could not be re-signed.
    #[non_exhaustive]
    ResendSkipped {
        /// Why the request could not be re-signed.
        reason: SkipReason,
    },
    /// A request was re-signed and rejected again because of its time.
    ResendRejected,
    /// A server states a time beyond [`Limits`](crate::Limits). Nothing was corrected.
    OffsetLimitExceeded,
    /// An authentication error that could be a clock skew error has another cause, such as
    /// a wrong key.
    #[non_exhaustive]
    NotClockSkew {
        /// The cause that the server names.
        cause: Option<OtherCause>,
    },
    /// A client lacks a part of the installation. Its signatures are not corrected.
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

    /// Returns the position of this kind in an array of all kinds.
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

    /// Returns the fields `reason`, `cause` and `missing` of the log event, of which a kind
    /// has one at most.
    pub(crate) fn fields(self) -> [Option<&'static str>; 3] {
        match self {
            Self::CorrectionCleared { reason } => [Some(reason.as_str()), None, None],
            Self::ResendSkipped { reason } => [Some(reason.as_str()), None, None],
            Self::NotClockSkew { cause } => [None, cause.map(OtherCause::as_str), None],
            Self::IncompleteInstallation { missing } => [None, None, Some(missing.as_str())],
            _ => [None; 3],
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
    /// [`SkewClock::reset`](crate::SkewClock::reset) was called, or the monotonic clock has
    /// gone back because a checkpoint was restored.
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
    /// The body is signed in pieces that only its own signer can re-sign: the frames of an
    /// event stream, or chunks of a body that passes through a Tower layer.
    Chunked,
    /// The request is signed with SigV4a, and the cargo feature `sigv4a` is off.
    Sigv4a,
    /// The request is signed for an S3 Express session.
    Express,
    /// The signature could not be reproduced with the present credentials.
    Proof,
    /// The body cannot be sent twice.
    Body,
    /// The provider returned no credentials.
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

/// A part of the installation that a client lacks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Missing {
    /// [`SkewClock::retry_classifier`](crate::SkewClock) is not installed.
    RetryClassifier,
    /// [`SkewClock::auth_scheme`](crate::SkewClock) is not installed.
    AuthScheme,
    /// The program has no default HTTPS client, or a client of a configured config was
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

/// Implements `Display` with `as_str`.
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
        /// One example of each kind.
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
