//! [`SkewEvent`]: an event of a clock, as a value.
//!
//! Each event is emitted as one log event and one metric event.
//! [`guide::observability`](crate::guide::observability) lists their names, fields and
//! levels.

mod details;
mod kind;
mod label;

use std::fmt;

pub(crate) use details::each_detail;
pub use details::{Details, Mode};
pub use kind::{ClearReason, EventKind, Missing, SkipReason};
pub use label::Label;

/// An event of a [`SkewClock`](crate::SkewClock), with its kind and its numbers.
///
/// With the feature `serde`, it serializes as a map with the field names of the log event.
///
/// ```
/// use aws_clock_skew::SkewClock;
/// use aws_clock_skew::event::EventKind;
///
/// let clock = SkewClock::builder()
///     .name("orders")
///     .on_event(|event| match event.kind() {
///         EventKind::SkewDetected => eprintln!("set the clock: {event}"),
///         EventKind::IncompleteInstallation { missing, .. } => eprintln!("add {missing}"),
///         _ => {}
///     })
///     .build();
/// assert_eq!(clock.status().last_event(), None);
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

    /// Sets whether the event is counted. An ordinary `AccessDenied` is not, and is logged
    /// at debug level.
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

    /// Returns the kind of the event.
    pub const fn kind(&self) -> EventKind {
        self.kind
    }

    /// Returns the `event` field of the log event.
    pub const fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// Returns the numbers and names that are known about the event.
    pub const fn details(&self) -> &Details {
        &self.details
    }

    pub(crate) const fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// Returns the constant message of the log event. The messages of an observe-only clock
    /// never say that signatures are corrected.
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
                "the server rejected a request signed with the time in its Date header"
            }
            EventKind::ResendSkipped { .. } => {
                "a request was rejected because of its time and cannot be re-signed"
            }
            EventKind::ResendRejected => {
                "a request was re-signed and rejected again because of its time"
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offset::ClockOffset;

    #[test]
    fn an_observe_only_clock_never_says_that_it_corrects() {
        for kind in EventKind::EXAMPLES {
            let event = SkewEvent::new(kind, Details::default());
            let event = event.of_clock(Mode::Observe, &Label::new("default").unwrap());
            let says = event.message();
            assert!(!says.contains("correcting signatures"), "{says}");
            assert!(!says.contains("correction"), "{says}");
        }
    }

    #[test]
    fn the_text_of_an_event_ends_with_a_readable_offset() {
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
