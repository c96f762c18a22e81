//! The judge: was it our clock, was it this signature, or was it neither?
//!
//! A pure function of one exchange and of what our clock reads now.

use std::time::{Duration, SystemTime};

use crate::evidence::{Evidence, Source, Strength};
use crate::interval::Interval;
use crate::local_clock::Reading;
use crate::offset::ClockOffset;

/// One signed request that was answered, as a door saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// `x-amz-date`: the time the request was signed for.
    pub(crate) signed_at: Option<SystemTime>,
    /// The boot clock when it was signed, or as near to it as the door came.
    pub(crate) signing_boot: Duration,
    /// The last reading before the request left.
    pub(crate) sent: Reading,
    /// The first reading after the response head came.
    pub(crate) received: Reading,
}

impl Attempt {
    /// Returns the longest that can have passed between sending and the head.
    fn elapsed(&self) -> Duration {
        let counted = self.received.longest_since(self.sent);
        // By clocks that may run 200 ppm too slow, as the estimator has it later.
        counted + counted / 5_000 + Duration::from_millis(1)
    }
}

/// What an answer means, in the order in which it is tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Neither a rejection nor a suspect.
    Nothing,
    /// A rejection or a suspect without a usable time.
    Unknown { resign: bool },
    /// The server's time agrees with the signature's, or the answer names
    /// another cause.
    NotTheClock,
    /// Our clock is right, the signature grew old on the way.
    StaleSignature,
    /// Our clock is right now; this was signed before the lesson, or by somebody
    /// else's clock.
    AlreadyLearned,
    /// Our clock is wrong.
    Skew(Lesson),
    /// Our clock may be wrong by less than is worth a correction.
    Unsure,
}

impl Verdict {
    /// Returns whether a new signature by our clock, once it has learned, can
    /// save the request.
    pub(crate) const fn wants_resign(&self) -> bool {
        match self {
            Self::Nothing | Self::NotTheClock | Self::Unknown { resign: false } => false,
            Self::Unknown { resign: true }
            | Self::StaleSignature
            | Self::AlreadyLearned
            | Self::Skew(_)
            | Self::Unsure => true,
        }
    }
}

/// What a rejection teaches: where the server's time lies on the boot clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Lesson {
    /// The server's time − the boot clock: what to sign by.
    pub(crate) point: ClockOffset,
    /// The range in which the truth lies, as of `at`.
    pub(crate) interval: Interval,
    /// The boot clock when the response head was read.
    pub(crate) at: Duration,
    /// The server's time as concluded.
    pub(crate) server_time: SystemTime,
    pub(crate) source: Source,
    pub(crate) strength: Strength,
    /// The server has said that the time is wrong, and not only refused.
    pub(crate) is_rejection: bool,
}

/// Judges one exchange. `judged` is a reading taken now, and `now` what our
/// clock says at that reading.
pub(crate) fn judge(
    attempt: &Attempt,
    evidence: &Evidence,
    judged: Reading,
    now: SystemTime,
) -> Verdict {
    let rejected = evidence.rejection().is_some();
    if !rejected && !evidence.is_suspect() {
        return if evidence.other_cause().is_some() {
            Verdict::NotTheClock
        } else {
            Verdict::Nothing
        };
    }
    // What was not signed, or not in its headers, was not refused for our clock.
    let Some(signed_at) = attempt.signed_at else {
        return Verdict::Nothing;
    };
    if rejected && evidence.quotes_another_than(signed_at) {
        return Verdict::Nothing;
    }
    let Some(time) = server_time(evidence) else {
        return Verdict::Unknown {
            resign: rejected && is_worth_a_new_signature(signed_at, now),
        };
    };
    if !rejected && time.range.distance_to(signed_at) <= CREDIBLE_SIGNATURE {
        return Verdict::NotTheClock;
    }
    let error = error_of_our_clock(attempt, &time, judged, now);
    if error.contains(ClockOffset::ZERO) {
        return if is_stale(signed_at, attempt, &time, judged, now) {
            Verdict::StaleSignature
        } else {
            Verdict::AlreadyLearned
        };
    }
    if error.distance_to(ClockOffset::ZERO) >= WORTH_A_CORRECTION {
        Verdict::Skew(lesson(attempt, &time, rejected))
    } else {
        Verdict::Unsure
    }
}

/// What the `Date` of an accepted answer says about the offset from the boot
/// clock, as of the reading of its head.
pub(crate) fn weak_interval(attempt: &Attempt, date: SystemTime) -> Option<Interval> {
    boot_interval(attempt, &TimeRange::exactly(date), RESOLUTION + CACHED_DATE)
}

/// Returns the time that an answer states or that can be concluded from it.
fn server_time(evidence: &Evidence) -> Option<ServerTime> {
    let sample = evidence.sample()?;
    let slack = match sample.strength {
        Strength::Message => RESOLUTION,
        Strength::Date => RESOLUTION + CACHED_DATE,
        Strength::Accepted => return None,
    };
    Some(ServerTime {
        range: TimeRange {
            earliest: sample.earliest,
            latest: sample.latest,
        },
        sign_by: sample.best,
        slack,
        source: sample.source(),
        strength: sample.strength,
    })
}

/// Returns the range in which *server's clock − our clock* must lie.
///
/// The server read its clock at some moment between sending and the head, and
/// the head was read between `shortest` and `longest` ago.
fn error_of_our_clock(
    attempt: &Attempt,
    time: &ServerTime,
    judged: Reading,
    now: SystemTime,
) -> Interval {
    let shortest = judged.shortest_since(attempt.received);
    let longest = judged.longest_since(attempt.received);
    let low = ClockOffset::between(now, time.range.earliest)
        .plus(shortest)
        .minus(GRACE);
    let high = ClockOffset::between(now, time.range.latest)
        .plus(time.slack)
        .plus(longest)
        .plus(attempt.elapsed())
        .plus(GRACE);
    // `low` cannot exceed `high` but where both saturate.
    Interval::new(low, high).unwrap_or(Interval::exactly(high))
}

/// Signed by the clock that we have now, and older than the server's time: then
/// nothing was wrong but its age. What the clock showed at signing is traced back
/// from what it shows now, since it may have moved in between.
fn is_stale(
    signed_at: SystemTime,
    attempt: &Attempt,
    time: &ServerTime,
    judged: Reading,
    now: SystemTime,
) -> bool {
    let since_signing = judged.boot.saturating_sub(attempt.signing_boot);
    let stood_at = ClockOffset::trace_back(now, since_signing);
    signed_at < time.range.earliest
        && ClockOffset::between(signed_at, stood_at).magnitude() <= GRACE
}

/// A rejection in words without a time: a new signature can help if the old one
/// is far from what our clock reads now, because the clock has moved since or
/// because the request was long on its way.
fn is_worth_a_new_signature(signed_at: SystemTime, now: SystemTime) -> bool {
    ClockOffset::between(signed_at, now).magnitude() >= WORTH_A_CORRECTION
}

fn lesson(attempt: &Attempt, time: &ServerTime, is_rejection: bool) -> Lesson {
    let received = attempt.received.boot;
    // A server that rejects stamps its answer at once, so the truth is near the
    // low end; half a second is the mean of what a time in seconds cuts off.
    let point = ClockOffset::from_boot(time.sign_by, received).plus(RESOLUTION / 2);
    Lesson {
        point,
        interval: boot_interval(attempt, &time.range, time.slack)
            .unwrap_or(Interval::exactly(point)),
        at: received,
        server_time: time.sign_by,
        source: time.source,
        strength: time.strength,
        is_rejection,
    }
}

/// *server − boot* ∈ [T − boot at the head, T + slack − boot at sending], where
/// the time since sending is the longest that any clock saw.
fn boot_interval(attempt: &Attempt, range: &TimeRange, slack: Duration) -> Option<Interval> {
    let received = attempt.received.boot;
    Interval::new(
        ClockOffset::from_boot(range.earliest, received),
        ClockOffset::from_boot(range.latest, received)
            .plus(slack)
            .plus(attempt.elapsed()),
    )
}

struct ServerTime {
    range: TimeRange,
    sign_by: SystemTime,
    /// How much later than stated it can have been.
    slack: Duration,
    source: Source,
    strength: Strength,
}

struct TimeRange {
    earliest: SystemTime,
    latest: SystemTime,
}

impl TimeRange {
    const fn exactly(time: SystemTime) -> Self {
        Self {
            earliest: time,
            latest: time,
        }
    }

    fn distance_to(&self, time: SystemTime) -> Duration {
        if time < self.earliest {
            ClockOffset::between(time, self.earliest).magnitude()
        } else if time > self.latest {
            ClockOffset::between(self.latest, time).magnitude()
        } else {
            Duration::ZERO
        }
    }
}

/// Times in texts and in `Date` are cut to seconds.
const RESOLUTION: Duration = Duration::from_secs(1);
/// Servers render `Date` once a second and reuse it.
const CACHED_DATE: Duration = Duration::from_secs(1);
/// Whoever rounds, and whatever lies between two readings of two clocks.
const GRACE: Duration = Duration::from_secs(2);
/// Less than half of the smallest tolerance that any service is known to have
/// (5 minutes): a smaller error makes no call fail.
pub(crate) const WORTH_A_CORRECTION: Duration = Duration::from_secs(120);
/// A signature this near to the server's time is accepted by every service, with
/// a minute to spare, so its time is not why it was refused.
pub(crate) const CREDIBLE_SIGNATURE: Duration = Duration::from_secs(240);

#[cfg(test)]
mod confusion;
#[cfg(test)]
pub(crate) mod known;
#[cfg(test)]
mod tests;
