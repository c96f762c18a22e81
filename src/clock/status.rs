//! What a [`SkewClock`](crate::SkewClock) tells of itself.

use std::time::{Duration, SystemTime};

use super::{State, gauges_of};
use crate::incident::{Incident, Kind};
use crate::local_clock::Reading;
use crate::offset::ClockOffset;

/// Where a [`SkewClock`](crate::SkewClock) stands.
///
/// With the feature `serde` it serializes as what a `/healthz` may answer; see
/// [`guide::incidents`](crate::guide::incidents) for the names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SkewStatus {
    is_corrected: bool,
    offset: ClockOffset,
    uncertainty: Duration,
    since: Option<SystemTime>,
    counts: [u64; Kind::COUNT],
    last_incident: Option<Incident>,
}

impl SkewStatus {
    pub(super) fn of(state: &State, reading: Reading) -> Self {
        let (offset, uncertainty) = gauges_of(&state.estimator, reading);
        let estimate = state.estimator.estimate();
        Self {
            is_corrected: estimate.is_some(),
            offset,
            uncertainty,
            since: estimate.map(|estimate| estimate.since()),
            counts: state.ledger.counts(),
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

    /// Returns when the machine's clock was found to be wrong, by the corrected
    /// time; `None` if nothing is corrected. Later evidence that moves the
    /// correction does not change it, but for the seconds by which it moves.
    pub const fn since(&self) -> Option<SystemTime> {
        self.since
    }

    /// Returns how many incidents there were. An ordinary `AccessDenied` is none.
    pub fn incidents(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns how many there were of each kind, those that never happened
    /// included, under the names of [`Incident::name`].
    pub fn incidents_by_kind(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        let names = Kind::ALL.map(Kind::name);
        names.into_iter().zip(self.counts)
    }

    /// Returns the last of them.
    pub const fn last_incident(&self) -> Option<&Incident> {
        self.last_incident.as_ref()
    }
}

#[cfg(feature = "serde")]
mod serialize {
    use serde::ser::{Serialize, SerializeStruct, Serializer};

    use super::SkewStatus;
    use crate::timestamp::iso_8601;

    impl Serialize for SkewStatus {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let uncertainty = u64::try_from(self.uncertainty.as_millis()).unwrap_or(u64::MAX);
            let mut map = serializer.serialize_struct("SkewStatus", 7)?;
            map.serialize_field("corrected", &self.is_corrected)?;
            map.serialize_field("offset_ms", &self.offset.as_millis())?;
            map.serialize_field("uncertainty_ms", &uncertainty)?;
            map.serialize_field("since", &self.since.and_then(iso_8601).as_deref())?;
            map.serialize_field("incidents", &self.incidents())?;
            map.serialize_field("incidents_by_kind", &Counts(self))?;
            map.serialize_field("last_incident", &self.last_incident)?;
            map.end()
        }
    }

    struct Counts<'a>(&'a SkewStatus);

    impl Serialize for Counts<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.incidents_by_kind())
        }
    }
}
