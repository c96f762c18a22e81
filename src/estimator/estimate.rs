//! [`Estimate`]: where the true time lies on the boot clock.

use std::time::{Duration, SystemTime};

use crate::host::Host;
use crate::interval::Interval;
use crate::judge::Lesson;
use crate::local_clock::Reading;
use crate::offset::ClockOffset;

/// The true time, on the boot clock, as it was learned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Estimate {
    /// Time − boot clock: what signatures are dated by.
    point: ClockOffset,
    /// The range in which the truth lay at `learned_at`.
    interval: Interval,
    learned_at: Duration,
    /// The boot clock when the correction began that this one goes on with.
    since: Duration,
    host: Option<Host>,
}

impl Estimate {
    /// Returns what a lesson of `host` says, in the place of `previous`.
    pub(super) fn of_lesson(lesson: &Lesson, host: Option<&Host>, previous: Option<&Self>) -> Self {
        Self {
            point: lesson.point,
            interval: lesson.interval,
            learned_at: lesson.at,
            since: previous.map_or(lesson.at, |previous| previous.since),
            host: host.cloned(),
        }
    }

    /// Returns what somebody who knows it has said.
    pub(super) const fn exactly(point: ClockOffset, boot: Duration) -> Self {
        Self {
            point,
            interval: Interval::exactly(point),
            learned_at: boot,
            since: boot,
            host: None,
        }
    }

    pub(crate) const fn point(&self) -> ClockOffset {
        self.point
    }

    /// Returns how far the point can be from the truth.
    pub(crate) fn uncertainty(&self, boot: Duration) -> Duration {
        self.interval_at(boot).worst_error_of(self.point)
    }

    /// Returns the time, as it is known now, when the correction began.
    pub(crate) fn since(&self) -> SystemTime {
        self.point.at_boot(self.since)
    }

    /// Returns when it was learned, in whole seconds on the boot clock.
    pub(crate) const fn learned_at(&self) -> u64 {
        self.learned_at.as_secs()
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

    pub(super) fn agrees_with_wall(&self, reading: Reading) -> bool {
        self.interval_at(reading.boot)
            .widened(REPAIRED)
            .contains(wall_on_boot(reading))
    }

    /// Returns whether accepted answers of `host` count against it: the host that
    /// taught it, and any AWS endpoint, or a box with a wrong clock could mislead
    /// AWS's clients for good, as long as AWS tolerates it.
    pub(super) fn can_be_ended_by(&self, host: Option<&Host>) -> bool {
        host.is_some_and(|host| {
            let taught_it = self.host.as_ref().map(Host::name) == Some(host.name());
            taught_it || host.is_aws()
        })
    }
}

pub(super) fn wall_on_boot(reading: Reading) -> ClockOffset {
    ClockOffset::from_boot(reading.wall, reading.boot)
}

/// A wall clock this near to what is known of the truth has been repaired: NTP
/// steps and slews to less, and the least correction is four times as large.
const REPAIRED: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn estimate(host: Option<&str>) -> Estimate {
        Estimate {
            host: host.map(|name| Host::new(name, true).unwrap()),
            ..Estimate::exactly(
                ClockOffset::from_millis(1_900_000_000_000),
                Duration::from_secs(100),
            )
        }
    }

    #[test]
    fn uncertainty_grows_by_200_ppm() {
        let estimate = estimate(None);
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

    #[test]
    fn the_healing_band_holds_every_wall_clock_that_agrees() {
        let estimate = estimate(None);
        for age in [0, 1_000, 86_400 * 300] {
            let boot = Duration::from_secs(100 + age);
            let band = estimate.healing_band() + Estimate::drift(boot);
            let right = UNIX_EPOCH + Duration::from_secs(1_900_000_000) + boot;
            for wall in [right + band, right - band] {
                let beyond = Reading { wall, boot };
                assert!(!estimate.agrees_with_wall(beyond), "{age}");
            }
        }
    }

    #[test]
    fn the_teacher_and_aws_can_end_it_and_no_stranger() {
        let aws = "sqs.us-east-1.amazonaws.com";
        for (teacher, host, can) in [
            (Some("lab.example"), Some("lab.example"), true),
            (Some("lab.example"), Some("other.example"), false),
            (Some("lab.example"), Some(aws), true),
            (Some("lab.example"), None, false),
            (Some(aws), Some("kms.eu-west-1.amazonaws.com"), true),
            (Some(aws), Some("lab.example"), false),
            (None, Some(aws), true),
            (None, Some("lab.example"), false),
            (None, None, false),
        ] {
            let host = host.map(|name| Host::new(name, true).unwrap());
            let ended = estimate(teacher).can_be_ended_by(host.as_ref());
            assert_eq!(ended, can, "{teacher:?} {host:?}");
        }
    }
}
