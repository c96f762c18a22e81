//! [`Incident`]: what happened, as a value. Nothing here is emitted; see
//! `report.rs` for how it is logged.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::evidence::{OtherCause, Source};
use crate::offset::ClockOffset;

mod fields;
#[cfg(feature = "serde")]
mod serialize;

pub(crate) use fields::Fields;

/// Something that a clock, or a signature's age, did to a call.
///
/// Each is one log event and one metric; their fields are listed in
/// [`guide::incidents`](crate::guide::incidents). With the feature `serde` it
/// serializes as a map of the same fields.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Incident {
    /// The machine's clock is wrong; from now on signatures are corrected.
    Skew(Facts),
    /// The machine's clock is right, but the signature grew old on its way: a
    /// freeze, a queue, a slow upload.
    StaleSignature(Facts),
    /// The machine's clock is right again, or accepted answers withdrew what had
    /// been learned: signatures are dated by the machine's clock again.
    Healed(Facts),
    /// A correction learned from a `Date` alone was not confirmed, and taken back.
    Withdrawn(Facts),
    /// Two servers disagree about the time. The correction follows
    /// [`Facts::other_host`], an AWS endpoint if one has a say, and not [`Facts::host`].
    HostsDisagree(Facts),
    /// A request was rejected because of its time, and could not be signed again.
    NotResigned(Facts, NotResigned),
    /// A request that had been signed again was rejected again because of its time.
    RetryFailed(Facts),
    /// A server states a time so far ahead that following it would endanger the
    /// credentials (see [`Limits`](crate::Limits)); nothing was corrected.
    Refused(Facts),
    /// The answer looks like, or arrived beside, a clock error and is something
    /// else, such as a wrong key.
    NotTheClock(Facts, Option<OtherCause>),
    /// The client has our interceptor, and something else of ours is missing:
    /// nothing is corrected.
    HalfInstalled(Facts, Missing),
}

impl Incident {
    /// Returns the `incident` field of the log event: the variant's name in
    /// `snake_case`.
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Returns the numbers and names that belong to it.
    pub const fn facts(&self) -> &Facts {
        match self {
            Self::Skew(facts)
            | Self::StaleSignature(facts)
            | Self::Healed(facts)
            | Self::Withdrawn(facts)
            | Self::HostsDisagree(facts)
            | Self::NotResigned(facts, _)
            | Self::RetryFailed(facts)
            | Self::Refused(facts)
            | Self::NotTheClock(facts, _)
            | Self::HalfInstalled(facts, _) => facts,
        }
    }

    /// Returns the field that only its kind has, with its value.
    #[cfg(feature = "serde")]
    pub(crate) fn detail(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::NotResigned(_, reason) => Some(("reason", reason.as_str())),
            Self::NotTheClock(_, cause) => cause.map(|cause| ("cause", cause.as_str())),
            Self::HalfInstalled(_, missing) => Some(("missing", missing.as_str())),
            _ => None,
        }
    }

    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Skew(_) => Kind::Skew,
            Self::StaleSignature(_) => Kind::StaleSignature,
            Self::Healed(_) => Kind::Healed,
            Self::Withdrawn(_) => Kind::Withdrawn,
            Self::HostsDisagree(_) => Kind::HostsDisagree,
            Self::NotResigned(..) => Kind::NotResigned,
            Self::RetryFailed(_) => Kind::RetryFailed,
            Self::Refused(_) => Kind::Refused,
            Self::NotTheClock(..) => Kind::NotTheClock,
            Self::HalfInstalled(..) => Kind::HalfInstalled,
        }
    }

    /// An ordinary `AccessDenied` on a right clock is nobody's incident.
    pub(crate) const fn is_counted(&self) -> bool {
        match self {
            Self::NotTheClock(facts, _) => facts.is_conspicuous,
            _ => true,
        }
    }
}

/// The kinds of incidents, for counting and throttling.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Skew,
    StaleSignature,
    Healed,
    Withdrawn,
    HostsDisagree,
    NotResigned,
    RetryFailed,
    Refused,
    NotTheClock,
    HalfInstalled,
}

impl Kind {
    pub(crate) const COUNT: usize = 10;

    /// In the order of their discriminants.
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Skew,
        Self::StaleSignature,
        Self::Healed,
        Self::Withdrawn,
        Self::HostsDisagree,
        Self::NotResigned,
        Self::RetryFailed,
        Self::Refused,
        Self::NotTheClock,
        Self::HalfInstalled,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Skew => "skew",
            Self::StaleSignature => "stale_signature",
            Self::Healed => "healed",
            Self::Withdrawn => "withdrawn",
            Self::HostsDisagree => "hosts_disagree",
            Self::NotResigned => "not_resigned",
            Self::RetryFailed => "retry_failed",
            Self::Refused => "refused",
            Self::NotTheClock => "not_the_clock",
            Self::HalfInstalled => "half_installed",
        }
    }
}

/// The numbers and names of an [`Incident`], where they are known.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Facts {
    /// Server − machine, after the incident.
    pub offset: Option<ClockOffset>,
    /// Server − machine as it was taken to be before.
    pub previous_offset: Option<ClockOffset>,
    /// How far `offset` can be from the truth.
    pub uncertainty: Option<Duration>,
    /// How old the signature was by the server's clock, or how long ago the
    /// estimate that ended was made.
    pub age: Option<Duration>,
    /// What stated the server's time.
    pub source: Option<Source>,
    /// The time the request was signed for.
    pub signed_at: Option<SystemTime>,
    /// The server's time as it was stated or concluded.
    pub server_time: Option<SystemTime>,
    /// The SDK's name of the service, or the name in the signature's scope.
    pub service: Option<Label>,
    /// The SDK's name of the operation.
    pub operation: Option<Label>,
    /// The host that answered.
    pub host: Option<Label>,
    /// The host that it disagrees with.
    pub other_host: Option<Label>,
    /// The service's id of the request.
    pub request_id: Option<Label>,
    /// The service's error code.
    pub error_code: Option<Label>,
    /// A signature code was answered, or a correction was active.
    pub(crate) is_conspicuous: bool,
}

/// Why a rejected request could not be signed again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NotResigned {
    /// Its body is signed in chunks, each by the time of the first.
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

impl NotResigned {
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
    /// The client's time source is not this [`SkewClock`](crate::SkewClock).
    TimeSource,
    /// Neither is there.
    Both,
}

impl Missing {
    /// Returns the `missing` field of the log event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RetryClassifier => "retry_classifier",
            Self::TimeSource => "time_source",
            Self::Both => "retry_classifier, time_source",
        }
    }
}

/// A name that came from outside: at most 64 visible ASCII characters of it.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Label(Box<str>);

impl Label {
    /// Returns what can be shown of `text`, or `None` if that is nothing.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let visible: String = text
            .chars()
            .filter(char::is_ascii_graphic)
            .take(LONGEST_LABEL)
            .collect();
        (!visible.is_empty()).then(|| Self(visible.into_boxed_str()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_lower_case(mut self) -> Self {
        self.0.make_ascii_lowercase();
        self
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Enough for every request id and error code; too little to flood a log with.
const LONGEST_LABEL: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_stand_in_the_order_of_their_discriminants() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index, "{kind:?}");
        }
    }

    #[test]
    fn a_label_is_cut_to_64_visible_ascii_characters() {
        let hostile = format!("a\u{1b}[31m\r\nb é{}", "x".repeat(200));
        let label = Label::new(&hostile).unwrap();
        assert!(label.as_str().starts_with("a[31mbx"));
        assert_eq!(label.as_str().len(), 64);
        assert_eq!(Label::new("\u{7f}\n "), None);
    }
}
