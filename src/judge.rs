//! The judge: is our clock wrong, or only this signature, or neither?
//!
//! A pure function of one round trip, of what the response says, and of the time
//! by which requests to that host are signed now.

use std::time::{Duration, SystemTime};

use crate::evidence::{Evidence, Sample, Strength};
use crate::interval::Interval;
use crate::local_clock::Reading;
use crate::offset::ClockOffset;

/// One signed request, and when it was sent and its response received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundTrip {
    /// `x-amz-date`: the time the request was signed for. `None` if it was not
    /// signed in its headers.
    pub(crate) signed_at: Option<SystemTime>,
    pub(crate) signed_by: SignedBy,
    /// The last reading before the request left.
    pub(crate) sent: Reading,
    /// The first reading after the response head came.
    pub(crate) received: Reading,
}

/// Which time a request was signed with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SignedBy {
    /// The clock's, of this generation.
    Clock(u64),
    /// The time that is kept for the request's host alone.
    HostTime,
    /// Neither: another signer has signed it, or it was signed long ago.
    Other,
}

impl RoundTrip {
    /// Returns the longest that can have passed between sending and the head.
    fn elapsed(&self) -> Duration {
        let counted = self.received.longest_since(self.sent);
        // By clocks that may run 200 ppm too slow, as a correction allows for later.
        let allowance = counted / 5_000 + Duration::from_millis(1);
        counted.saturating_add(allowance)
    }

    /// Returns where a server's time lies on the monotonic clock, if it was read
    /// between sending and the head: *server − mono* ∈ [T − received, T + slack −
    /// sent], where the time since sending is the longest that any clock saw.
    pub(crate) fn interval_of(
        &self,
        earliest: SystemTime,
        latest: SystemTime,
        slack: Duration,
    ) -> Option<Interval> {
        let received = self.received.monotonic;
        Interval::new(
            ClockOffset::from_monotonic(earliest, received),
            ClockOffset::from_monotonic(latest, received)
                .plus(slack)
                .plus(self.elapsed()),
        )
    }

    /// The same of a `Date` header.
    pub(crate) fn interval_of_date(&self, date: SystemTime) -> Option<Interval> {
        self.interval_of(date, date, RESOLUTION + CACHED_DATE)
    }
}

/// What a response means, in the order in which it is tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Neither a clock skew error nor a possible one.
    Other,
    /// A clock skew error, or a possible one, without a usable time.
    NoTime { resign: bool },
    /// The server's time agrees with the signature's, or the response names
    /// another cause.
    NotClockSkew,
    /// The clock is correct, and the signature was too old on arrival.
    ExpiredInTransit,
    /// The clock is correct now; this was signed before, or by another clock.
    AlreadyCorrected,
    /// The clock is wrong.
    ClockSkew(OffsetSample),
    /// The clock may be wrong by less than is worth a correction.
    Inconclusive,
}

/// What one response says about the server's time, as an offset from the
/// monotonic clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct OffsetSample {
    /// The server's time − the monotonic clock: what to sign with.
    pub(crate) point: ClockOffset,
    /// The range of the server's time, as of `at`.
    pub(crate) interval: Interval,
    /// The monotonic clock when the response head was read.
    pub(crate) at: Duration,
    /// What it was taken from.
    pub(crate) stated: Sample,
}

impl OffsetSample {
    /// What the local clock says.
    pub(crate) fn of_local_clock(reading: Reading) -> Self {
        let point = ClockOffset::from_monotonic(reading.wall, reading.monotonic);
        Self {
            point,
            interval: Interval::exactly(point),
            at: reading.monotonic,
            stated: Sample::from_date(reading.wall, Strength::Date),
        }
    }
}

/// The time by which requests to the host are signed now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SigningTime {
    pub(crate) now: SystemTime,
    pub(crate) by: SignedBy,
}

/// Judges one response. `judged` is a reading taken now, and `signing` what
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
    // A request without a signature in its headers was not rejected for our clock.
    let Some(signed_at) = trip.signed_at else {
        return Verdict::Other;
    };
    if is_skew_error && evidence.quotes_another_than(signed_at) {
        return Verdict::Other;
    }
    let Some(sample) = sample_of(evidence) else {
        // It helps if the old signature is far from what the clock reads now: the
        // clock has been corrected since, or the request was long on its way.
        let distance = ClockOffset::between(signed_at, signing.now).magnitude();
        return Verdict::NoTime {
            resign: is_skew_error && distance >= WORTH_A_CORRECTION,
        };
    };
    if !is_skew_error && distance_to(&sample, signed_at) <= CREDIBLE_SIGNATURE {
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
        Verdict::ClockSkew(offset_sample(sample, trip))
    } else {
        Verdict::Inconclusive
    }
}

/// The smallest error that is worth a correction: half of the tolerance, where the
/// service states a smaller one than any that is known.
fn worth_a_correction(evidence: &Evidence) -> Duration {
    let stated = evidence.tolerance().map(|tolerance| tolerance / 2);
    stated.map_or(WORTH_A_CORRECTION, |half| half.min(WORTH_A_CORRECTION))
}

/// Returns what a response that is no success says about the server's time.
fn sample_of(evidence: &Evidence) -> Option<Sample> {
    let sample = evidence.sample()?;
    (sample.strength != Strength::Accepted).then_some(sample)
}

/// How much later than stated the server's time can have been.
fn slack(sample: &Sample) -> Duration {
    match sample.strength {
        Strength::Message => RESOLUTION,
        Strength::Date | Strength::Accepted => RESOLUTION + CACHED_DATE,
    }
}

/// Returns the range in which *server's clock − our clock* must lie.
///
/// The server read its clock at some moment between sending and the head, and the head
/// was read between `shortest` and `longest` ago.
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
    // `low` cannot exceed `high` unless both saturate.
    Interval::new(low, high).unwrap_or(Interval::exactly(high))
}

fn offset_sample(sample: Sample, trip: &RoundTrip) -> OffsetSample {
    let received = trip.received.monotonic;
    // A server that rejects stamps its response at once, so the truth is near the low end;
    // half a second is the mean of what a time in seconds cuts off.
    let point = ClockOffset::from_monotonic(sample.best, received).plus(RESOLUTION / 2);
    let interval = trip.interval_of(sample.earliest, sample.latest, slack(&sample));
    OffsetSample {
        point,
        interval: interval.unwrap_or(Interval::exactly(point)),
        at: received,
        stated: sample,
    }
}

/// Returns what the `Date` of the response to an unsigned request says.
#[cfg(any(feature = "aws-config", feature = "tower"))]
pub(crate) fn sample_of_date(date: SystemTime, trip: &RoundTrip) -> OffsetSample {
    offset_sample(Sample::from_date(date, Strength::Date), trip)
}

fn distance_to(sample: &Sample, time: SystemTime) -> Duration {
    if time < sample.earliest {
        ClockOffset::between(time, sample.earliest).magnitude()
    } else if time > sample.latest {
        ClockOffset::between(sample.latest, time).magnitude()
    } else {
        Duration::ZERO
    }
}

/// Times in error messages and in `Date` are cut to seconds.
const RESOLUTION: Duration = Duration::from_secs(1);
/// Servers render `Date` once a second and reuse it.
const CACHED_DATE: Duration = Duration::from_secs(1);
/// For rounding, and for what lies between two readings of two clocks.
const GRACE: Duration = Duration::from_secs(2);
/// Less than half of the smallest tolerance that any service is known to have
/// (5 minutes): a smaller error makes no call fail.
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
