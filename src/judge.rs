//! [`judge`] tells from one response whether the clock is wrong, or only this signature, or
//! neither.
//!
//! It is a pure function of one round trip, the evidence in the response, and the time that
//! requests to the host are signed with now.

use std::time::{Duration, SystemTime};

use crate::evidence::{Evidence, Sample, Strength};
use crate::interval::Interval;
use crate::local_clock::Reading;
use crate::offset::{ClockOffset, distance};

/// When a request was signed and sent, and when its response was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundTrip {
    /// The time that the request was signed for (`x-amz-date`). `None` if the headers hold
    /// no signature.
    pub(crate) signed_at: Option<SystemTime>,
    pub(crate) signed_by: SignedBy,
    /// The last reading of the clocks before the request was sent.
    pub(crate) sent: Reading,
    /// The first reading of the clocks after the response head was received.
    pub(crate) received: Reading,
}

/// The clock that a request was signed with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SignedBy {
    /// The shared clock, in this generation.
    Clock(u64),
    /// The time that is kept for the request's host only.
    HostTime,
    /// Neither: the request was signed by another clock, or long ago.
    Other,
}

impl RoundTrip {
    /// Returns the longest time that can have passed between `sent` and `received`.
    fn elapsed(&self) -> Duration {
        let counted = self.received.longest_since(self.sent);
        // The local clocks may run 200 ppm too slow. A correction widens by the same rate.
        let allowance = counted / 5_000 + Duration::from_millis(1);
        counted.saturating_add(allowance)
    }

    /// Returns the range of *server time − monotonic clock*, for a server that read its
    /// clock between `sent` and `received`: [T − received, T + slack − sent]. The time
    /// since `sent` is the longest that either local clock measured.
    pub(crate) fn interval_of(
        &self,
        earliest: SystemTime,
        latest: SystemTime,
        slack: Duration,
    ) -> Interval {
        let received = self.received.monotonic;
        Interval::new(
            ClockOffset::from_monotonic(earliest, received),
            ClockOffset::from_monotonic(latest, received)
                .plus(slack)
                .plus(self.elapsed()),
        )
    }

    /// Returns the same range for the time in a `Date` header.
    pub(crate) fn interval_of_date(&self, date: SystemTime) -> Interval {
        self.interval_of(date, date, RESOLUTION + CACHED_DATE)
    }
}

/// What a response means. [`judge`] tests for the variants in this order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Neither a clock skew error nor a possible one.
    Other,
    /// A clock skew error or a possible one, without a usable time.
    NoTime { resign: bool },
    /// The server's time agrees with the signature's, or the response names
    /// another cause.
    NotClockSkew,
    /// The clock is correct, and the signature was too old on arrival.
    ExpiredInTransit,
    /// The clock is correct now; the request was signed before the last change of the
    /// correction, or by another clock.
    AlreadyCorrected,
    /// The clock is wrong.
    ClockSkew(OffsetSample),
    /// The clock is wrong by too little for a correction, or not at all.
    Inconclusive,
}

/// The server's time as one response states it, as an offset from the monotonic clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct OffsetSample {
    /// Server time − monotonic clock; the best value, for signing.
    pub(crate) point: ClockOffset,
    /// The range of server time − monotonic clock, as of `at`.
    pub(crate) interval: Interval,
    /// The monotonic clock when the response head was received.
    pub(crate) at: Duration,
    /// The sample that this was computed from.
    pub(crate) stated: Sample,
}

impl OffsetSample {
    /// Returns the sample in the response of a round trip.
    pub(crate) fn of(stated: Sample, trip: &RoundTrip) -> Self {
        let received = trip.received.monotonic;
        // A server that rejects a request reads its clock at once, so the true offset is near
        // the low end. A time in whole seconds cuts off half a second on average.
        let point = ClockOffset::from_monotonic(stated.best, received).plus(RESOLUTION / 2);
        Self {
            point,
            interval: trip.interval_of(stated.earliest, stated.latest, slack(&stated)),
            at: received,
            stated,
        }
    }

    /// Returns the time of a clock as if a server had stated it.
    pub(crate) fn of_clock(reading: Reading) -> Self {
        let point = ClockOffset::from_monotonic(reading.wall, reading.monotonic);
        Self {
            point,
            interval: Interval::exactly(point),
            at: reading.monotonic,
            stated: Sample::from_date(reading.wall, Strength::Date),
        }
    }
}

/// The time that requests to a host are signed with now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SigningTime {
    pub(crate) now: SystemTime,
    pub(crate) by: SignedBy,
}

/// Judges one response. `judged` is a reading taken now, and `signing` is the time that
/// requests to this host are signed with at that reading.
pub(crate) fn judge(
    trip: &RoundTrip,
    evidence: &Evidence,
    judged: Reading,
    signing: SigningTime,
) -> Verdict {
    let is_skew_error = evidence.clock_skew_error().is_some();
    if !is_skew_error && !evidence.is_possible_clock_skew_error() {
        return if evidence.other_cause().is_some() {
            Verdict::NotClockSkew
        } else {
            Verdict::Other
        };
    }
    // Without a signature in its headers, the request cannot have been rejected because of
    // our clock.
    let Some(signed_at) = trip.signed_at else {
        return Verdict::Other;
    };
    if is_skew_error && evidence.is_about_another_request(signed_at) {
        return Verdict::Other;
    }
    let Some(sample) = evidence.sample() else {
        // A new signature helps only if the clock now reads a different time: it was
        // corrected in the meantime, or the request was in transit for long.
        let is_wrong = distance(signed_at, signing.now) >= WORTH_A_CORRECTION;
        return Verdict::NoTime {
            resign: is_skew_error && is_wrong,
        };
    };
    if !is_skew_error && sample.distance_to(signed_at) <= CREDIBLE_SIGNATURE {
        return Verdict::NotClockSkew;
    }
    let error = error_of_our_clock(&sample, trip, judged, signing.now);
    if error.contains(ClockOffset::ZERO) {
        return if trip.signed_by == signing.by && signed_at < sample.earliest {
            Verdict::ExpiredInTransit
        } else {
            Verdict::AlreadyCorrected
        };
    }
    if error.distance_to(ClockOffset::ZERO) >= worth_a_correction(evidence) {
        Verdict::ClockSkew(OffsetSample::of(sample, trip))
    } else {
        Verdict::Inconclusive
    }
}

/// Returns the smallest error that is worth a correction: half of the tolerance that the
/// service states, if that is smaller than the default.
fn worth_a_correction(evidence: &Evidence) -> Duration {
    let stated = evidence.tolerance().map(|tolerance| tolerance / 2);
    stated.map_or(WORTH_A_CORRECTION, |half| half.min(WORTH_A_CORRECTION))
}

/// Returns by how much the server's time can have been later than stated.
fn slack(sample: &Sample) -> Duration {
    match sample.strength {
        Strength::Message => RESOLUTION,
        Strength::Date | Strength::Accepted => RESOLUTION + CACHED_DATE,
    }
}

/// Returns the range of *server time − our clock*.
///
/// The server read its clock between `trip.sent` and `trip.received`, and `trip.received`
/// was between `shortest` and `longest` ago.
fn error_of_our_clock(
    sample: &Sample,
    trip: &RoundTrip,
    judged: Reading,
    now: SystemTime,
) -> Interval {
    let shortest = judged.shortest_since(trip.received);
    let longest = judged.longest_since(trip.received);
    let low = ClockOffset::between(now, sample.earliest)
        .plus(shortest)
        .minus(GRACE);
    let high = ClockOffset::between(now, sample.latest)
        .plus(slack(sample))
        .plus(longest)
        .plus(trip.elapsed())
        .plus(GRACE);
    Interval::new(low, high)
}

/// Times in error messages and in `Date` are cut to whole seconds.
const RESOLUTION: Duration = Duration::from_secs(1);
/// Servers render `Date` once a second and reuse the text.
const CACHED_DATE: Duration = Duration::from_secs(1);
/// Covers rounding, and the moment that passes between reading one clock and reading the
/// other.
const GRACE: Duration = Duration::from_secs(2);
/// Less than half of the smallest tolerance that any service is known to have (5 minutes),
/// so that a smaller error fails no call.
pub(crate) const WORTH_A_CORRECTION: Duration = Duration::from_secs(120);
/// A signature this near to the server's time is accepted by every service, with
/// a minute to spare, so its time is not the cause of the error.
pub(crate) const CREDIBLE_SIGNATURE: Duration = Duration::from_secs(240);

#[cfg(test)]
mod confusion;
#[cfg(test)]
pub(crate) mod known;
#[cfg(test)]
mod tests;
