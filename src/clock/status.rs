//! What a [`SkewClock`](crate::SkewClock) tells of itself.

use std::time::Duration;

use super::{State, gauges_of};
use crate::incident::Incident;
use crate::local_clock::Reading;
use crate::offset::ClockOffset;

/// Where a [`SkewClock`](crate::SkewClock) stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SkewStatus {
    is_corrected: bool,
    offset: ClockOffset,
    uncertainty: Duration,
    incidents: u64,
    last_incident: Option<Incident>,
}

impl SkewStatus {
    pub(super) fn of(state: &State, reading: Reading) -> Self {
        let (offset, uncertainty) = gauges_of(&state.estimator, reading);
        Self {
            is_corrected: state.estimator.estimate().is_some(),
            offset,
            uncertainty,
            incidents: state.ledger.total(),
            last_incident: state.ledger.last().cloned(),
        }
    }

    /// Returns whether the machine's clock is known to be wrong. A clock that
    /// only observes says so as well.
    pub const fn is_corrected(&self) -> bool {
        self.is_corrected
    }

    /// Returns server − machine; zero if the machine's clock is taken to be right.
    pub const fn offset(&self) -> ClockOffset {
        self.offset
    }

    /// Returns how far [`offset`](Self::offset) can be from the truth; zero if
    /// nothing is corrected.
    pub const fn uncertainty(&self) -> Duration {
        self.uncertainty
    }

    /// Returns how many incidents there were. An ordinary `AccessDenied` is none.
    pub const fn incidents(&self) -> u64 {
        self.incidents
    }

    /// Returns the last of them.
    pub const fn last_incident(&self) -> Option<&Incident> {
        self.last_incident.as_ref()
    }
}
