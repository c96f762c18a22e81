//! [`Estimator`]: where the true time lies, from what was learned so far.
//!
//! Pure: readings and lessons in, values out.

use std::time::{Duration, SystemTime};

use crate::host::Host;
use crate::interval::Interval;
use crate::judge::Lesson;
use crate::local_clock::Reading;
use crate::offset::ClockOffset;
use crate::trust::{Limits, Trust};

mod estimate;

pub(crate) use estimate::Estimate;
use estimate::wall_on_boot;

/// What is known of the true time.
#[derive(Clone, Debug)]
pub(crate) struct Estimator {
    limits: Limits,
    /// `None`: the machine's wall clock is taken to be right.
    estimate: Option<Estimate>,
    provisional: Option<Provisional>,
    lapsed: Option<Lapsed>,
    contradictions: u8,
    moves: u64,
    epoch: u64,
    pub(crate) trust: Trust,
}

/// A move of the clock that nothing but a `Date` stands for.
#[derive(Clone, Debug)]
struct Provisional {
    previous: Option<Estimate>,
    /// Which request taught it.
    teacher: u64,
    /// Empty if it is not known.
    host: Box<str>,
    /// `None` if it waits for an answer, however long that takes.
    since: Option<Duration>,
    /// A rejection that says so has taught it.
    is_rejection: bool,
}

/// A rejection's time that nobody came to try.
#[derive(Clone, Debug)]
struct Lapsed {
    host: Box<str>,
    point: ClockOffset,
}

/// Why an unconfirmed move is taken back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TakenBack {
    /// The request that taught it was rejected for its time again.
    Rejected,
    /// That request was refused, with no word about its time.
    Refused,
    /// Nothing has confirmed it for too long.
    Lapsed,
}

impl TakenBack {
    /// Returns whether whoever taught it has misled us, by a rejection or by less. Who
    /// says that the time is wrong, and then only refuses or is not heard again, has not.
    pub(crate) fn discredits(self, is_rejection: bool) -> bool {
        self == Self::Rejected || !is_rejection
    }
}

/// Whether a lesson counts at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Commitment {
    Firm,
    /// Until an answer confirms it; taught by this request.
    Provisional {
        teacher: u64,
    },
}

/// What became of a lesson.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Learned {
    Moved,
    /// It is too far ahead to be followed.
    Refused,
    /// Another host has the last word.
    Objection {
        by: Box<str>,
        is_first: bool,
    },
    /// This host's `Date` has misled us, or another one is being tried.
    Muted,
}

impl Estimator {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            estimate: None,
            provisional: None,
            lapsed: None,
            contradictions: 0,
            moves: 0,
            epoch: 0,
            trust: Trust::default(),
        }
    }

    /// Starts from a known offset of the machine's clock.
    pub(crate) fn start_at(&mut self, offset: ClockOffset, reading: Reading) {
        let point = ClockOffset::from_boot(offset.shift(reading.wall), reading.boot);
        let farthest = i64::try_from(FARTHEST).unwrap_or(i64::MAX);
        let point = ClockOffset::from_millis(point.as_millis().clamp(-farthest, farthest));
        let estimate = Estimate::exactly(point, reading.boot);
        if !estimate.agrees_with_wall(reading) {
            self.replace(Some(estimate));
        }
    }

    /// Returns the time to sign with.
    pub(crate) fn now(&self, reading: Reading) -> SystemTime {
        self.estimate.as_ref().map_or(reading.wall, |estimate| {
            estimate.point().at_boot(reading.boot)
        })
    }

    pub(crate) const fn estimate(&self) -> Option<&Estimate> {
        self.estimate.as_ref()
    }

    /// Returns server − machine as it is taken to be.
    pub(crate) fn offset(&self, reading: Reading) -> ClockOffset {
        self.estimate
            .as_ref()
            .map_or(ClockOffset::ZERO, |estimate| estimate.offset(reading))
    }

    /// Returns how often the clock has moved: which clock signed a request.
    pub(crate) const fn moves(&self) -> u64 {
        self.moves
    }

    /// Returns a number that changes when what was judged by the clock before,
    /// such as cached credentials, must be judged again.
    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) const fn is_provisional(&self) -> bool {
        self.provisional.is_some()
    }

    /// Returns whether neither a limit nor another host stands against a lesson.
    pub(crate) fn would_learn(
        &self,
        lesson: &Lesson,
        host: Option<&Host>,
        reading: Reading,
    ) -> bool {
        self.is_within_limits(lesson, host, reading)
            && self.trust.objection_to(host, reading).is_none()
    }

    fn is_within_limits(&self, lesson: &Lesson, host: Option<&Host>, reading: Reading) -> bool {
        let (time, strength) = (lesson.server_time, lesson.strength);
        self.limits.allow(time, strength, host, reading.wall)
            && lesson.point.as_millis().unsigned_abs() <= FARTHEST
    }

    /// Takes a lesson, unless a limit or another host stands against it.
    pub(crate) fn learn(
        &mut self,
        lesson: &Lesson,
        host: Option<&Host>,
        reading: Reading,
        commitment: Commitment,
    ) -> Learned {
        if !self.is_within_limits(lesson, host, reading) {
            return Learned::Refused;
        }
        if let Some(by) = self.trust.objection_to(host, reading) {
            let by = by.into();
            let is_first = host.is_some_and(|host| self.trust.dispute(host, lesson.point));
            return Learned::Objection { by, is_first };
        }
        let estimate = Estimate::of_lesson(lesson, host, self.estimate.as_ref());
        let name = host.map_or("", Host::name);
        let lapsed = self.lapsed.take();
        // Said twice, and nobody who could have tried it in between.
        let is_borne_out = lapsed.is_some_and(|lapsed| {
            let distance = lapsed.point.since(lesson.point);
            lesson.is_rejection && *lapsed.host == *name && distance.magnitude() < SAME_TIME
        });
        if let Commitment::Provisional { teacher } = commitment {
            if self.trust.is_muted(name, reading.boot) || self.provisional.is_some() {
                return Learned::Muted;
            }
            self.provisional = Some(Provisional {
                previous: self.estimate.take(),
                teacher,
                host: name.into(),
                since: (!is_borne_out).then_some(reading.boot),
                is_rejection: lesson.is_rejection,
            });
        } else {
            self.provisional = None;
            self.epoch += 1;
        }
        // A server that says what the wall clock says needs no correction.
        self.estimate = (!estimate.agrees_with_wall(reading)).then_some(estimate);
        self.moves += 1;
        self.contradictions = 0;
        self.trust.moved(host, reading.boot);
        if let Some(host) = host {
            self.trust.settle(host);
        }
        Learned::Moved
    }

    /// Ends a correction if the wall clock is right again. Returns the estimate
    /// that ended.
    pub(crate) fn heal(&mut self, reading: Reading) -> Option<Estimate> {
        self.estimate
            .as_ref()?
            .agrees_with_wall(reading)
            .then_some(())?;
        self.replace(None)
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        self.replace(None);
        self.lapsed = None;
        self.trust = Trust::default();
    }

    /// A request signed by the clock of that many moves was let through.
    pub(crate) fn confirm(&mut self, moves_at_signing: u64) {
        if moves_at_signing != self.moves {
            return;
        }
        if let Some(provisional) = self.provisional.take() {
            self.epoch += 1;
            self.trust.unmute(&provisional.host);
        }
    }

    /// Returns whether this request taught what is not confirmed yet.
    pub(crate) fn is_taught_by(&self, request: u64) -> bool {
        self.provisional
            .as_ref()
            .is_some_and(|provisional| provisional.teacher == request)
    }

    /// Takes an unconfirmed move back, to what stood before. Returns whether there
    /// was one.
    pub(crate) fn take_back(&mut self, boot: Duration, why: TakenBack) -> bool {
        let Some(provisional) = self.provisional.take() else {
            return false;
        };
        let host = provisional.host;
        if why.discredits(provisional.is_rejection) {
            self.trust.mute(&host, boot);
        } else if why == TakenBack::Lapsed {
            let estimate = self.estimate.as_ref();
            self.lapsed = estimate.map(|estimate| Lapsed {
                host,
                point: estimate.point(),
            });
        }
        self.estimate = provisional.previous;
        self.has_been_replaced();
        true
    }

    /// Returns whether an unconfirmed correction is too old to be kept.
    pub(crate) fn is_overdue(&self, boot: Duration) -> bool {
        self.provisional
            .as_ref()
            .and_then(|provisional| provisional.since)
            .is_some_and(|since| boot.saturating_sub(since) >= PROVISIONAL_LASTS)
    }

    /// Returns whether the last accepted answer spoke against the estimate.
    pub(crate) const fn is_doubted(&self) -> bool {
        self.contradictions > 0
    }

    /// Returns whether an accepted answer speaks for the machine's wall clock and
    /// against the estimate.
    pub(crate) fn is_contradicted_by(&self, interval: Interval, reading: Reading) -> bool {
        self.estimate
            .as_ref()
            .is_some_and(|estimate| contradicts(interval, estimate.point(), reading))
    }

    /// Weighs the `Date` of an accepted answer, as an interval on the boot clock:
    /// it can end a correction, never start or move one. Returns the estimate
    /// that ended.
    pub(crate) fn contradict(
        &mut self,
        interval: Interval,
        host: Option<&Host>,
        reading: Reading,
    ) -> Option<Estimate> {
        let estimate = self.estimate.as_ref()?;
        if !estimate.can_be_ended_by(host) {
            return None;
        }
        if !self.is_contradicted_by(interval, reading) {
            self.contradictions = 0;
            return None;
        }
        self.contradictions += 1;
        (self.contradictions >= ENOUGH_CONTRADICTIONS).then_some(())?;
        self.replace(None)
    }

    fn replace(&mut self, with: Option<Estimate>) -> Option<Estimate> {
        self.provisional = None;
        self.has_been_replaced();
        std::mem::replace(&mut self.estimate, with)
    }

    fn has_been_replaced(&mut self) {
        self.contradictions = 0;
        self.moves += 1;
        // Whatever was loaded in the meantime was judged by what stood before.
        self.epoch += 1;
        self.trust.moved(None, Duration::ZERO);
    }
}

/// An accepted answer's interval speaks for the machine's wall clock and against
/// another time.
pub(crate) fn contradicts(interval: Interval, point: ClockOffset, reading: Reading) -> bool {
    interval.contains(wall_on_boot(reading)) && !interval.widened(GRACE).contains(point)
}

/// Returns whether an accepted answer that has just come with this `Date` cannot
/// [contradict](contradicts) a clock that reads `now`, however fast it was.
pub(crate) fn agrees(date: SystemTime, now: SystemTime) -> bool {
    // Of the two bounds this is the nearer one, so it holds for both.
    ClockOffset::between(date, now).magnitude() < GRACE
}

const PROVISIONAL_LASTS: Duration = Duration::from_secs(60);
/// One lying or cached `Date` is common, three in a row that all agree with the
/// wall clock are not.
const ENOUGH_CONTRADICTIONS: u8 = 3;
const GRACE: Duration = Duration::from_secs(2);
/// Two statements of one clock agree within this, whatever either was delayed.
const SAME_TIME: Duration = Duration::from_secs(120);
/// What fits into the clock's word (`word.rs`): the year 4199.
pub(crate) const FARTHEST: u64 = (1 << 46) - 1;

#[cfg(test)]
mod soundness;
#[cfg(test)]
mod tests;
