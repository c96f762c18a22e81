//! What only one kind of event has: why a correction ended, why a request was not
//! re-signed, what a client lacks.

use std::fmt;

/// Why a correction ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ClearReason {
    /// The local clock agrees with the corrected time again.
    LocalClockRepaired,
    /// Servers contradicted the correction, and agree with the local clock.
    Contradicted,
    /// [`SkewClock::reset`](crate::SkewClock::reset) was called.
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
    /// Its body is signed in chunks, each with the time of the first.
    Chunked,
    /// It is signed with SigV4a.
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

/// What a client lacks of the three parts that work together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Missing {
    /// [`SkewClock::retry_classifier`](crate::SkewClock) is not installed.
    RetryClassifier,
    /// [`SkewClock::auth_scheme`](crate::SkewClock) is not installed.
    AuthScheme,
    /// The program has no HTTPS client to send through.
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

impl fmt::Display for ClearReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
