//! [`Sample`]: the server's time as one response states it.

use super::SkewDirection;
use super::message::Times;
use crate::offset::distance;
use std::time::{Duration, SystemTime};

/// The server's time as one response states it, from the best source in that response.
///
/// `earliest <= best <= latest`, and none of them is before 2020, because a server that
/// states an earlier time has no clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Sample {
    /// The server responded between `earliest` and `latest`, by its own clock.
    pub(crate) earliest: SystemTime,
    pub(crate) latest: SystemTime,
    /// The time to sign with, which every known tolerance accepts.
    pub(crate) best: SystemTime,
    pub(crate) strength: Strength,
}

impl Sample {
    /// Returns the sample from the times in the message of a clock skew error, or `None` if
    /// none of them is usable.
    pub(super) fn from_message(kind: SkewDirection, times: &Times) -> Option<Self> {
        let past_bound = |by| match (times.bound?, kind) {
            (bound, SkewDirection::Ahead) => bound.checked_sub(by),
            (bound, _) => bound.checked_add(by),
        };
        let exact = times.server.or_else(|| past_bound(times.tolerance?));
        // AWS tolerates 5 or 15 minutes, so the server's time is 5 or 15 minutes past the
        // bound. A signature 7.5 minutes past the bound is accepted in both cases: it is
        // off by 2.5 minutes if the tolerance is 5, and by 7.5 minutes if it is 15.
        let past = |seconds| exact.or_else(|| past_bound(Duration::from_secs(seconds)));
        let [one, best, other] = [5 * 60, 450, 15 * 60].map(past);
        let (one, other) = (one?, other?);
        let sample = Self {
            earliest: one.min(other),
            latest: one.max(other),
            best: best?,
            strength: Strength::Message,
        };
        is_plausible(sample.earliest).then_some(sample)
    }

    /// Takes the `Date` of the same response as the best time, if the message leaves room
    /// for it: a bound alone leaves ten minutes.
    pub(super) fn with_date(self, date: Option<SystemTime>) -> Self {
        let date = date.filter(|date| self.distance_to(*date) <= DATE_ERROR);
        Self {
            best: date.map_or(self.best, |date| self.nearest_to(date)),
            ..self
        }
    }

    /// Returns how far a time is outside of `earliest` and `latest`.
    pub(crate) fn distance_to(&self, time: SystemTime) -> Duration {
        distance(time, self.nearest_to(time))
    }

    /// Returns the time between `earliest` and `latest` that is nearest to another one.
    fn nearest_to(&self, time: SystemTime) -> SystemTime {
        time.clamp(self.earliest, self.latest)
    }

    /// Returns the part of the response that the sample comes from.
    pub(crate) const fn source(&self) -> Source {
        match self.strength {
            Strength::Message => Source::Message,
            Strength::Date | Strength::Accepted => Source::Date,
        }
    }

    /// Returns the sample from a `Date` header.
    pub(crate) const fn from_date(date: SystemTime, strength: Strength) -> Self {
        Self {
            earliest: date,
            latest: date,
            best: date,
            strength,
        }
    }
}

/// The strength of a sample, which decides what it may change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Strength {
    /// Timestamps in the message of a clock skew error.
    Message,
    /// The `Date` of a clock skew error without timestamps, or of a possible clock skew error with
    /// a request id.
    Date,
    /// The `Date` of an accepted response.
    Accepted,
}

/// The part of a response that states the server's time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// The error message.
    Message,
    /// The `Date` header.
    Date,
}

impl Source {
    /// Returns the name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Date => "date",
        }
    }
}

/// Returns whether a server with a clock can state this time. Servers without one state
/// `0001-01-01` or 1970.
pub(crate) fn is_plausible(time: SystemTime) -> bool {
    time >= SystemTime::UNIX_EPOCH + YEAR_2020
}

/// How far the `Date` of a response can be from the time at which it was made.
const DATE_ERROR: Duration = Duration::from_secs(2);
/// 2020-01-01T00:00:00Z.
const YEAR_2020: Duration = Duration::from_secs(1_577_836_800);
