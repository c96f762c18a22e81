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

/// What is known of the true time.
#[derive(Clone, Debug)]
pub(crate) struct Estimator {
    limits: Limits,
    /// `None`: the machine's wall clock is taken to be right.
    estimate: Option<Estimate>,
    provisional: Option<Provisional>,
    contradictions: u8,
    moves: u64,
    epoch: u64,
    pub(crate) trust: Trust,
}

/// The true time, on the boot clock.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Estimate {
    /// Time − boot clock: what signatures are dated by.
    point: ClockOffset,
    /// The range in which the truth lay at `learned_at`.
    interval: Interval,
    learned_at: Duration,
    host: Option<Host>,
}

/// A move of the clock that nothing but a `Date` stands for.
#[derive(Clone, Debug)]
struct Provisional {
    previous: Option<Estimate>,
    /// Which request taught it.
    teacher: u64,
    host: Option<Box<str>>,
    since: Duration,
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
            contradictions: 0,
            moves: 0,
            epoch: 0,
            trust: Trust::default(),
        }
    }

    /// Starts from a known offset of the machine's clock.
    pub(crate) fn start_at(&mut self, offset: ClockOffset, reading: Reading) {
        let point = ClockOffset::from_boot(offset.shift(reading.wall), reading.boot);
        let estimate = Estimate {
            point,
            interval: Interval::exactly(point),
            learned_at: reading.boot,
            host: None,
        };
        if !estimate.agrees_with_wall(reading) {
            self.replace(Some(estimate));
        }
    }

    /// Returns the time to sign with.
    pub(crate) fn now(&self, reading: Reading) -> SystemTime {
        self.estimate.as_ref().map_or(reading.wall, |estimate| {
            estimate.point.at_boot(reading.boot)
        })
    }

    pub(crate) const fn estimate(&self) -> Option<&Estimate> {
        self.estimate.as_ref()
    }

    /// Returns server − machine as it is taken to be.
    pub(crate) fn offset(&self, reading: Reading) -> ClockOffset {
        self.estimate
            .as_ref()
            .map_or(ClockOffset::ZERO, |estimate| {
                estimate.point.since(wall_on_boot(reading))
            })
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

    /// Takes a lesson, unless a limit or another host stands against it.
    pub(crate) fn learn(
        &mut self,
        lesson: &Lesson,
        host: Option<&Host>,
        reading: Reading,
        commitment: Commitment,
    ) -> Learned {
        let followed = self
            .limits
            .allow(lesson.server_time, lesson.strength, host, reading.wall);
        if !followed || lesson.point.as_millis().unsigned_abs() > FARTHEST {
            return Learned::Refused;
        }
        if let Some(by) = self.trust.objection_to(host, reading) {
            let by = by.into();
            let is_first = host.is_some_and(|host| self.trust.dispute(host, lesson.point));
            return Learned::Objection { by, is_first };
        }
        if let Commitment::Provisional { teacher } = commitment {
            let name = host.map(Host::name);
            let is_muted = name.is_some_and(|name| self.trust.is_muted(name, reading.boot));
            if is_muted || self.provisional.is_some() {
                return Learned::Muted;
            }
            self.provisional = Some(Provisional {
                previous: self.estimate.take(),
                teacher,
                host: name.map(Into::into),
                since: reading.boot,
            });
        } else {
            self.provisional = None;
            self.epoch += 1;
        }
        let estimate = Estimate {
            point: lesson.point,
            interval: lesson.interval,
            learned_at: lesson.at,
            host: host.cloned(),
        };
        // A server that says what the wall clock says needs no correction.
        self.estimate = (!estimate.agrees_with_wall(reading)).then_some(estimate);
        self.moves += 1;
        self.contradictions = 0;
        self.trust.moved(host, reading.boot);
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
        self.trust = Trust::default();
    }

    /// A request signed by the clock of that many moves was let through.
    pub(crate) fn confirm(&mut self, moves_at_signing: u64) {
        if moves_at_signing != self.moves {
            return;
        }
        if let Some(provisional) = self.provisional.take() {
            self.epoch += 1;
            if let Some(host) = provisional.host {
                self.trust.unmute(&host);
            }
        }
    }

    /// Returns whether this request taught what is not confirmed yet.
    pub(crate) fn is_taught_by(&self, request: u64) -> bool {
        self.provisional
            .as_ref()
            .is_some_and(|provisional| provisional.teacher == request)
    }

    /// Takes an unconfirmed correction back. Returns the estimate that ended.
    pub(crate) fn take_back(&mut self, boot: Duration) -> Option<Estimate> {
        let provisional = self.provisional.take()?;
        if let Some(host) = provisional.host {
            self.trust.mute(&host, boot);
        }
        self.moves += 1;
        // Whatever was loaded in the meantime was judged by it.
        self.epoch += 1;
        self.contradictions = 0;
        std::mem::replace(&mut self.estimate, provisional.previous)
    }

    /// Returns whether an unconfirmed correction is too old to be kept.
    pub(crate) fn is_overdue(&self, boot: Duration) -> bool {
        self.provisional
            .as_ref()
            .is_some_and(|provisional| boot.saturating_sub(provisional.since) >= PROVISIONAL_LASTS)
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
        if !estimate.was_taught_by_the_like_of(host) {
            return None;
        }
        let contradicts = interval.contains(wall_on_boot(reading))
            && !interval.widened(GRACE).contains(estimate.point);
        if !contradicts {
            self.contradictions = 0;
            return None;
        }
        self.contradictions += 1;
        (self.contradictions >= ENOUGH_CONTRADICTIONS).then_some(())?;
        self.replace(None)
    }

    fn replace(&mut self, with: Option<Estimate>) -> Option<Estimate> {
        self.provisional = None;
        self.contradictions = 0;
        self.moves += 1;
        self.epoch += 1;
        self.trust.moved(None, Duration::ZERO);
        std::mem::replace(&mut self.estimate, with)
    }
}

impl Estimate {
    pub(crate) const fn point(&self) -> ClockOffset {
        self.point
    }

    /// Returns how far the point can be from the truth.
    pub(crate) fn uncertainty(&self, boot: Duration) -> Duration {
        self.interval_at(boot).worst_error_of(self.point)
    }

    /// Returns how long ago it was learned.
    pub(crate) const fn age(&self, boot: Duration) -> Duration {
        boot.saturating_sub(self.learned_at)
    }

    pub(crate) fn offset(&self, reading: Reading) -> ClockOffset {
        self.point.since(wall_on_boot(reading))
    }

    /// Returns a bound, that stays one for any age, on how far from the point
    /// the wall clock can be and still agree. See `clock.rs` for its use.
    pub(crate) fn healing_band(&self) -> Duration {
        self.interval.worst_error_of(self.point) + REPAIRED
    }

    /// Returns how far a boot clock may have drifted in `age`.
    pub(crate) const fn drift(age: Duration) -> Duration {
        Duration::from_millis(
            // 200 ppm; a duration in milliseconds fits for half a billion years.
            (age.as_secs() / 5_000) * 1_000 + (age.as_secs() % 5_000) / 5 + 1,
        )
    }

    fn interval_at(&self, boot: Duration) -> Interval {
        self.interval.widened(Self::drift(self.age(boot)))
    }

    fn agrees_with_wall(&self, reading: Reading) -> bool {
        self.interval_at(reading.boot)
            .widened(REPAIRED)
            .contains(wall_on_boot(reading))
    }

    /// Any AWS endpoint may speak for another.
    fn was_taught_by_the_like_of(&self, host: Option<&Host>) -> bool {
        let (Some(teacher), Some(host)) = (&self.host, host) else {
            return host.is_some_and(Host::is_aws);
        };
        teacher.name() == host.name() || (teacher.is_aws() && host.is_aws())
    }
}

fn wall_on_boot(reading: Reading) -> ClockOffset {
    ClockOffset::from_boot(reading.wall, reading.boot)
}

/// A wall clock this near to what is known of the truth has been repaired: NTP
/// steps and slews to less, and the least correction is four times as large.
const REPAIRED: Duration = Duration::from_secs(30);
const PROVISIONAL_LASTS: Duration = Duration::from_secs(60);
/// One lying or cached `Date` is common, three in a row that all agree with the
/// wall clock are not.
const ENOUGH_CONTRADICTIONS: u8 = 3;
const GRACE: Duration = Duration::from_secs(2);
/// What fits into the clock's word (`clock.rs`): the year 4199.
pub(crate) const FARTHEST: u64 = (1 << 46) - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Source, Strength};
    use std::time::UNIX_EPOCH;

    const MINUTE: i64 = 60_000;

    fn reading(wall_ahead: i64, boot: u64) -> Reading {
        let right = UNIX_EPOCH + Duration::from_secs(1_900_000_000 + boot);
        Reading {
            wall: ClockOffset::from_millis(wall_ahead).shift(right),
            boot: Duration::from_secs(boot),
        }
    }

    /// What a server with a right clock teaches at `boot`.
    fn lesson(boot: u64, strength: Strength) -> Lesson {
        lesson_of(0, boot, strength)
    }

    fn lesson_of(ahead: i64, boot: u64, strength: Strength) -> Lesson {
        let server_time = reading(ahead, boot).wall;
        let point = ClockOffset::from_boot(server_time, Duration::from_secs(boot));
        Lesson {
            point,
            interval: Interval::exactly(point).widened(Duration::from_secs(1)),
            at: Duration::from_secs(boot),
            server_time,
            source: Source::Message,
            strength,
        }
    }

    fn aws() -> Host {
        Host::new("sqs.us-east-1.amazonaws.com", true).unwrap()
    }

    fn taught(wall_ahead: i64) -> Estimator {
        let mut estimator = Estimator::new(Limits::default());
        let learned = estimator.learn(
            &lesson(100, Strength::Strong),
            Some(&aws()),
            reading(wall_ahead, 100),
            Commitment::Firm,
        );
        assert_eq!(learned, Learned::Moved);
        estimator
    }

    #[test]
    fn a_correction_follows_the_boot_clock_and_not_the_wall() {
        let estimator = taught(-20 * MINUTE);
        let truth = reading(0, 5_000).wall;
        for wall_ahead in [-20 * MINUTE, -MINUTE * 9_000, 77 * MINUTE] {
            assert_eq!(estimator.now(reading(wall_ahead, 5_000)), truth);
        }
    }

    #[test]
    fn a_repaired_wall_clock_ends_a_correction_and_a_wrong_one_does_not() {
        for (wall_ahead, heals) in [
            (-20 * MINUTE, false),
            (-MINUTE, false),
            (-30_000, true),
            (0, true),
            (31_000, true),
            (MINUTE, false),
        ] {
            let mut estimator = taught(-20 * MINUTE);
            let at = reading(wall_ahead, 200);
            assert_eq!(estimator.heal(at).is_some(), heals, "{wall_ahead}");
            let expected = if heals { at.wall } else { reading(0, 200).wall };
            assert_eq!(estimator.now(at), expected);
        }
    }

    #[test]
    fn a_lesson_that_agrees_with_the_wall_ends_the_correction() {
        let mut estimator = taught(-20 * MINUTE);
        let at = reading(-20 * MINUTE, 300);
        let lesson = lesson_of(-20 * MINUTE, 300, Strength::Strong);
        assert_eq!(
            estimator.learn(&lesson, Some(&aws()), at, Commitment::Firm),
            Learned::Moved
        );
        assert_eq!(estimator.estimate(), None);
        assert_eq!(estimator.now(at), at.wall);
    }

    #[test]
    fn a_provisional_move_is_taken_back_to_what_stood_before() {
        let mut estimator = taught(-20 * MINUTE);
        let before = estimator.estimate().cloned();
        let (moves, epoch) = (estimator.moves(), estimator.epoch());
        let at = reading(-20 * MINUTE, 300);
        let teacher = Commitment::Provisional { teacher: 7 };
        let lie = lesson_of(90 * MINUTE, 300, Strength::Medium);
        assert_eq!(
            estimator.learn(&lie, Some(&aws()), at, teacher),
            Learned::Moved
        );
        assert!(estimator.is_taught_by(7) && !estimator.is_taught_by(8));
        assert_eq!(
            estimator.learn(&lie, Some(&aws()), at, teacher),
            Learned::Muted
        );
        assert!(estimator.take_back(at.boot).is_some());
        assert_eq!(estimator.estimate().cloned(), before);
        assert_eq!(
            estimator.epoch(),
            epoch + 1,
            "a cache may have been judged by it"
        );
        assert_eq!(estimator.moves(), moves + 2);
        // The host's Date teaches nothing for a minute.
        assert_eq!(
            estimator.learn(&lie, Some(&aws()), at, teacher),
            Learned::Muted
        );
        let later = reading(-20 * MINUTE, 360);
        assert_eq!(
            estimator.learn(&lie, Some(&aws()), later, teacher),
            Learned::Moved
        );
    }

    #[test]
    fn a_provisional_move_is_confirmed_by_what_it_signed() {
        let mut estimator = Estimator::new(Limits::default());
        let at = reading(-20 * MINUTE, 300);
        let before = estimator.moves();
        let medium = lesson(300, Strength::Medium);
        let teacher = Commitment::Provisional { teacher: 7 };
        assert_eq!(estimator.learn(&medium, None, at, teacher), Learned::Moved);
        let epoch = estimator.epoch();
        estimator.confirm(before);
        assert!(
            estimator.is_provisional(),
            "an older signature proves nothing"
        );
        assert!(!estimator.is_overdue(Duration::from_secs(359)));
        assert!(estimator.is_overdue(Duration::from_secs(360)));
        estimator.confirm(estimator.moves());
        assert!(!estimator.is_provisional());
        assert_eq!(estimator.epoch(), epoch + 1);
        assert!(estimator.take_back(at.boot).is_none());
    }

    #[test]
    fn three_accepted_answers_in_a_row_end_a_correction() {
        // The lesson was a lie: the wall clock is right.
        let mut estimator = Estimator::new(Limits::default());
        let lie = lesson_of(10 * MINUTE, 100, Strength::Strong);
        estimator.learn(&lie, Some(&aws()), reading(0, 100), Commitment::Firm);
        let at = reading(0, 200);
        let truth = Interval::exactly(wall_on_boot(at)).widened(Duration::from_secs(1));
        let agreeing = Interval::exactly(lie.point);
        let stranger = Host::new("lab.example", true).unwrap();
        let sibling = Host::new("kms.eu-west-1.amazonaws.com", true).unwrap();
        assert!(estimator.contradict(truth, Some(&aws()), at).is_none());
        assert!(estimator.contradict(truth, Some(&sibling), at).is_none());
        assert!(
            estimator.contradict(agreeing, Some(&aws()), at).is_none(),
            "starts again"
        );
        assert!(estimator.contradict(truth, Some(&aws()), at).is_none());
        assert!(estimator.contradict(truth, Some(&stranger), at).is_none());
        assert!(estimator.contradict(truth, None, at).is_none());
        assert!(estimator.contradict(truth, Some(&aws()), at).is_none());
        assert!(estimator.contradict(truth, Some(&sibling), at).is_some());
        assert_eq!(estimator.now(at), at.wall);
    }

    #[test]
    fn a_far_future_is_refused() {
        let mut estimator = Estimator::new(Limits::default());
        let ten_years = lesson_of(10 * 365 * 1_440 * MINUTE, 100, Strength::Strong);
        let at = reading(0, 100);
        let learned = estimator.learn(&ten_years, Some(&aws()), at, Commitment::Firm);
        assert_eq!(learned, Learned::Refused);
        assert_eq!(estimator.now(at), at.wall);
    }

    #[test]
    fn uncertainty_grows_by_200_ppm() {
        let estimator = taught(-20 * MINUTE);
        let estimate = estimator.estimate().unwrap();
        let day = Duration::from_secs(86_400);
        let grown = estimate.uncertainty(Duration::from_secs(100) + day)
            - estimate.uncertainty(Duration::from_secs(100));
        assert_eq!(grown, Duration::from_millis(17_280));
        for (age, drift) in [(0, 1), (5, 2), (5_000, 1_001), (86_400, 17_281)] {
            assert_eq!(
                Estimate::drift(Duration::from_secs(age)),
                Duration::from_millis(drift)
            );
        }
    }
}
