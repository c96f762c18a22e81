//! What happened, as a value: [`SkewEvent`].
//!
//! Each event is one log event and one metric event; `report.rs` emits them. Their names,
//! fields and levels are listed in [`guide::observability`](crate::guide::observability).

mod details;
mod iso_8601;
mod label;
mod reason;
#[cfg(feature = "serde")]
mod serialize;

use std::fmt;

use crate::evidence::OtherCause;

pub(crate) use details::each_detail;
pub use details::{Details, Mode};
#[cfg(feature = "serde")]
pub(crate) use iso_8601::iso_8601;
pub use label::Label;
pub use reason::{ClearReason, Missing, SkipReason};

/// Something that clock skew, or the age of a signature, did to a call.
///
/// With the feature `serde` it serializes as a map with the field names of the log event.
///
/// ```
/// # #[cfg(feature = "test-util")]
/// # {
/// use aws_clock_skew::SkewClock;
/// use aws_clock_skew::event::EventKind;
///
/// let clock = SkewClock::builder()
///     .on_event(|event| {
///         if matches!(event.kind(), EventKind::IncompleteInstallation { .. }) {
///             panic!("{event}");
///         }
///     })
///     .build();
/// assert_eq!(clock.status().last_event(), None);
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SkewEvent {
    kind: EventKind,
    details: Details,
    is_counted: bool,
}

impl SkewEvent {
    pub(crate) const fn new(kind: EventKind, details: Details) -> Self {
        Self {
            kind,
            details,
            is_counted: true,
        }
    }

    /// An ordinary `AccessDenied` is logged for those who look for it, and not counted.
    pub(crate) const fn counted_if(mut self, is_counted: bool) -> Self {
        self.is_counted = is_counted;
        self
    }

    /// Returns the event with the mode and the name of the clock that reports it.
    pub(crate) fn of_clock(mut self, mode: Mode, clock: &Label) -> Self {
        self.details.mode = Some(mode);
        self.details.clock = Some(clock.clone());
        self
    }

    /// Returns what happened.
    pub const fn kind(&self) -> EventKind {
        self.kind
    }

    /// Returns the `event` field of the log event.
    pub const fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// Returns the numbers and names that are known about it.
    pub const fn details(&self) -> &Details {
        &self.details
    }

    pub(crate) const fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// Returns the constant message of the log event. An observe-only clock has messages
    /// of its own wherever the others say that signatures are corrected.
    pub(crate) const fn message(&self) -> &'static str {
        let observes = matches!(self.details.mode, Some(Mode::Observe));
        match self.kind {
            EventKind::SkewDetected if observes => {
                "clock skew detected; observe-only, not correcting"
            }
            EventKind::SkewDetected => "clock skew detected; correcting signatures",
            EventKind::ExpiredInTransit => {
                "a signature expired in transit; the local clock is correct"
            }
            EventKind::CorrectionCleared { .. } if observes => {
                "clock skew cleared; observe-only, nothing was corrected"
            }
            EventKind::CorrectionCleared { .. } => {
                "correction cleared; signing with the local clock"
            }
            EventKind::HostsDisagree => {
                "two servers disagree about the time; give the conflicting host a SkewClock of its own"
            }
            EventKind::TrialRejected => {
                "a time from a Date header was tried, and rejected by the server"
            }
            EventKind::ResendSkipped { .. } => {
                "a request was rejected because of its time, and cannot be re-signed"
            }
            EventKind::ResendRejected => {
                "a request was re-signed, and rejected again because of its time"
            }
            EventKind::OffsetLimitExceeded => {
                "a server states a time beyond the limit; not correcting"
            }
            EventKind::NotClockSkew { .. } => "the error is not caused by clock skew",
            EventKind::IncompleteInstallation { .. } => {
                "a client lacks parts of aws-clock-skew; its signatures are not corrected"
            }
        }
    }
}

impl fmt::Display for SkewEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.message())?;
        match self.details.offset {
            Some(offset) if !offset.is_zero() => write!(f, " ({offset})"),
            _ => Ok(()),
        }
    }
}

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
    /// [`Details::other_address`], which is an AWS endpoint if one of the two is.
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
    /// An authentication error that looks like a clock skew error and is none, such as a
    /// wrong key.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offset::ClockOffset;

    const KINDS: [EventKind; EventKind::COUNT] = [
        EventKind::SkewDetected,
        EventKind::ExpiredInTransit,
        EventKind::CorrectionCleared {
            reason: ClearReason::Reset,
        },
        EventKind::HostsDisagree,
        EventKind::TrialRejected,
        EventKind::ResendSkipped {
            reason: SkipReason::Body,
        },
        EventKind::ResendRejected,
        EventKind::OffsetLimitExceeded,
        EventKind::NotClockSkew { cause: None },
        EventKind::IncompleteInstallation {
            missing: Missing::AuthScheme,
        },
    ];

    #[test]
    fn a_name_is_that_of_the_variant_in_snake_case() {
        for (index, kind) in KINDS.into_iter().enumerate() {
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

    #[test]
    fn an_observe_only_clock_never_says_that_it_corrects() {
        for kind in KINDS {
            let event = SkewEvent::new(kind, Details::default());
            let event = event.of_clock(Mode::Observe, &Label::new("default").unwrap());
            let says = event.message();
            assert!(!says.contains("correcting signatures"), "{says}");
            assert!(!says.contains("correction"), "{says}");
        }
    }

    #[test]
    fn a_person_reads_the_offset_in_words() {
        let details = Details {
            offset: Some(ClockOffset::from_millis(172_799_595)),
            ..Details::default()
        };
        assert_eq!(
            SkewEvent::new(EventKind::SkewDetected, details).to_string(),
            "skew_detected: clock skew detected; correcting signatures (2 days behind)"
        );
    }
}
