//! Whom to believe, and how far: [`Limits`], and which of two servers that
//! disagree has the last word.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::evidence::Strength;
use crate::host::Host;
use crate::local_clock::Reading;
use crate::offset::ClockOffset;

/// How far forward a correction may go.
///
/// A signature dated in the future stays usable until then for whoever captured
/// it, so a server that states a far future is not followed: the response goes
/// to the caller as it came, and a `refused` event states both times. The limit
/// is measured from the machine's wall clock, or from the release of this crate
/// if the wall clock is before that (a device that boots in 1970), never from an
/// earlier correction. Backward there is no limit but the year 2020.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    forward_strong: Duration,
    forward: Duration,
}

impl Limits {
    /// Sets how far forward times stated in words, over TLS, are followed; 400 days
    /// unless said. Zero follows none.
    #[must_use]
    pub const fn with_forward_strong(mut self, limit: Duration) -> Self {
        self.forward_strong = limit;
        self
    }

    /// Sets how far forward any other evidence is followed; 7 days unless said. Zero
    /// follows none.
    #[must_use]
    pub const fn with_forward(mut self, limit: Duration) -> Self {
        self.forward = limit;
        self
    }

    /// Returns whether `server_time`, stated by `host`, may be followed on a
    /// machine whose wall clock shows `wall`.
    pub(crate) fn allow(
        &self,
        server_time: SystemTime,
        strength: Strength,
        host: Option<&Host>,
        wall: SystemTime,
    ) -> bool {
        let is_strong = strength == Strength::Message && host.is_some_and(Host::is_tls);
        let limit = if is_strong {
            self.forward_strong
        } else {
            self.forward
        };
        let from = wall.max(UNIX_EPOCH + RELEASED);
        server_time
            .duration_since(from)
            .is_ok_and(|ahead| ahead <= limit)
            || server_time <= from
    }
}

impl Default for Limits {
    /// 400 days by times in words over TLS, 7 days otherwise.
    fn default() -> Self {
        Self {
            // Real reports reach 100 days; more than a year is a machine that was
            // put away for a winter, and then for another.
            forward_strong: Duration::from_secs(400 * DAY),
            forward: Duration::from_secs(7 * DAY),
        }
    }
}

/// What is known of hosts that disagree. All times are boot clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    vouched: Option<Vouch>,
    last_move: Option<(Duration, Box<str>)>,
    mutes: Vec<Mute>,
    disputes: Vec<Dispute>,
}

/// An AWS endpoint has accepted a signature of the present clock, with a `Date`
/// that agrees with it.
#[derive(Clone, Debug)]
struct Vouch {
    host: Box<str>,
    at: Duration,
    wall_minus_boot: ClockOffset,
}

/// A host whose `Date` has misled us teaches nothing by `Date` for a while.
#[derive(Clone, Debug)]
struct Mute {
    host: Box<str>,
    until: Duration,
    strikes: u32,
}

/// A host that disagrees with one that AWS vouches for.
#[derive(Clone, Debug)]
struct Dispute {
    host: Box<str>,
    /// Its own time − boot.
    point: ClockOffset,
}

impl Trust {
    /// Returns the name of the host that `host` may not contradict now, if any.
    pub(crate) fn objection_to(&self, host: Option<&Host>, reading: Reading) -> Option<&str> {
        if host.is_some_and(Host::is_aws) {
            return None;
        }
        if let Some(vouch) = &self.vouched
            && vouch.holds(reading)
        {
            return Some(&vouch.host);
        }
        // Among hosts that are not AWS the last rejection counts, but two of them
        // must not throw the clock to and fro with every call.
        let (at, mover) = self.last_move.as_ref()?;
        let other = host.is_none_or(|host| host.name() != &**mover);
        (other && reading.boot.saturating_sub(*at) < BETWEEN_MOVES).then_some(mover)
    }

    pub(crate) fn vouch(&mut self, host: &Host, reading: Reading) {
        self.vouched = Some(Vouch {
            host: host.name().into(),
            at: reading.boot,
            wall_minus_boot: ClockOffset::from_boot(reading.wall, reading.boot),
        });
    }

    /// The clock was moved, so nobody has vouched for it yet.
    pub(crate) fn moved(&mut self, by: Option<&Host>, boot: Duration) {
        self.vouched = None;
        self.last_move = by
            .filter(|host| !host.is_aws())
            .map(|host| (boot, host.name().into()));
    }

    /// Remembers the time of a host that is not followed. Returns whether it is
    /// the first time.
    pub(crate) fn dispute(&mut self, host: &Host, point: ClockOffset) -> bool {
        if let Some(known) = self
            .disputes
            .iter_mut()
            .find(|known| *known.host == *host.name())
        {
            known.point = point;
            return false;
        }
        if self.disputes.len() >= MOST_HOSTS {
            self.disputes.remove(0);
        }
        self.disputes.push(Dispute {
            host: host.name().into(),
            point,
        });
        true
    }

    /// Returns where the time of a host in dispute lies on the boot clock.
    pub(crate) fn disputed(&self, host: &Host) -> Option<ClockOffset> {
        self.disputes
            .iter()
            .find(|known| *known.host == *host.name())
            .map(|known| known.point)
    }

    pub(crate) const fn has_disputes(&self) -> bool {
        !self.disputes.is_empty()
    }

    /// A host in dispute that agrees with the clock again is in dispute no more.
    pub(crate) fn settle(&mut self, host: &Host) {
        self.disputes.retain(|known| *known.host != *host.name());
    }

    pub(crate) fn is_muted(&self, host: &str, boot: Duration) -> bool {
        self.mutes
            .iter()
            .any(|mute| *mute.host == *host && boot < mute.until)
    }

    /// A correction by this host's `Date` was taken back: a minute of silence,
    /// then two, four, up to an hour.
    pub(crate) fn mute(&mut self, host: &str, boot: Duration) {
        let strikes = self
            .mutes
            .iter()
            .find(|mute| *mute.host == *host)
            .map_or(0, |mute| mute.strikes);
        let silence = FIRST_SILENCE
            .saturating_mul(1_u32.checked_shl(strikes).unwrap_or(u32::MAX))
            .min(LONGEST_SILENCE);
        self.unmute(host);
        if self.mutes.len() >= MOST_HOSTS {
            self.mutes.remove(0);
        }
        self.mutes.push(Mute {
            host: host.into(),
            until: boot + silence,
            strikes: strikes.saturating_add(1).min(16),
        });
    }

    /// A correction by this host's `Date` was confirmed.
    pub(crate) fn unmute(&mut self, host: &str) {
        self.mutes.retain(|mute| *mute.host != *host);
    }
}

impl Vouch {
    fn holds(&self, reading: Reading) -> bool {
        let now = ClockOffset::from_boot(reading.wall, reading.boot);
        reading.boot.saturating_sub(self.at) < VOUCH_LASTS
            && now.since(self.wall_minus_boot).magnitude() < WALL_STEP
    }
}

const DAY: u64 = 86_400;
/// 2026-11-23, the day before which no machine that runs this crate can be.
/// Moved with every release.
const RELEASED: Duration = Duration::from_secs(20_780 * DAY);
const VOUCH_LASTS: Duration = Duration::from_secs(3_600);
/// A wall clock that has moved this far against the boot clock was set.
const WALL_STEP: Duration = Duration::from_secs(30);
const BETWEEN_MOVES: Duration = Duration::from_secs(1);
const FIRST_SILENCE: Duration = Duration::from_secs(60);
const LONGEST_SILENCE: Duration = Duration::from_secs(3_600);
/// Hosts remembered of each sort; a proxy may see any number.
const MOST_HOSTS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, is_tls: bool) -> Host {
        Host::new(name, is_tls).unwrap()
    }

    fn reading(seconds: u64) -> Reading {
        Reading {
            wall: UNIX_EPOCH + Duration::from_secs(1_900_000_000 + seconds),
            boot: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn the_release_day_is_the_one_in_its_comment() {
        let stated = httpdate::parse_http_date("Mon, 23 Nov 2026 00:00:00 GMT").unwrap();
        assert_eq!(UNIX_EPOCH + RELEASED, stated);
    }

    #[test]
    fn forward_is_limited_by_strength_and_tls_and_backward_is_not() {
        let wall = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        let limits = Limits::default();
        let day = Duration::from_secs(DAY);
        let tls = host("sqs.us-east-1.amazonaws.com", true);
        let plain = host("localhost", false);
        for (days, strength, host, allowed) in [
            (400, Strength::Message, Some(&tls), true),
            (401, Strength::Message, Some(&tls), false),
            (7, Strength::Message, Some(&plain), true),
            (8, Strength::Message, Some(&plain), false),
            (8, Strength::Date, Some(&tls), false),
            (8, Strength::Message, None, false),
        ] {
            let time = wall + day * days;
            assert_eq!(
                limits.allow(time, strength, host, wall),
                allowed,
                "{days} {strength:?} {host:?}"
            );
        }
        assert!(limits.allow(wall - day * 3_000, Strength::Date, None, wall));
    }

    #[test]
    fn a_machine_that_boots_in_1970_is_measured_from_the_release() {
        let limits = Limits::default();
        let released = UNIX_EPOCH + RELEASED;
        let plain = host("localhost", false);
        let allow = |time| limits.allow(time, Strength::Date, Some(&plain), UNIX_EPOCH);
        assert!(allow(released + Duration::from_secs(7 * DAY)));
        assert!(!allow(released + Duration::from_secs(8 * DAY)));
    }

    #[test]
    fn while_aws_vouches_no_other_host_moves_the_clock() {
        let (aws, lab) = (
            host("sqs.us-east-1.amazonaws.com", true),
            host("lab.example", true),
        );
        let mut trust = Trust::default();
        assert_eq!(trust.objection_to(Some(&lab), reading(0)), None);
        trust.vouch(&aws, reading(0));
        assert_eq!(
            trust.objection_to(Some(&lab), reading(3_599)),
            Some(aws.name())
        );
        assert_eq!(trust.objection_to(Some(&aws), reading(5)), None);
        assert_eq!(trust.objection_to(None, reading(5)), Some(aws.name()));
        assert_eq!(trust.objection_to(Some(&lab), reading(3_600)), None);
        let stepped = Reading {
            wall: reading(5).wall + WALL_STEP,
            ..reading(5)
        };
        assert_eq!(trust.objection_to(Some(&lab), stepped), None);
    }

    #[test]
    fn two_lab_boxes_move_the_clock_once_a_second_at_most() {
        let (one, two) = (host("one.example", false), host("two.example", false));
        let mut trust = Trust::default();
        trust.moved(Some(&one), Duration::from_secs(10));
        assert_eq!(
            trust.objection_to(Some(&two), reading(10)),
            Some(one.name())
        );
        assert_eq!(trust.objection_to(Some(&one), reading(10)), None);
        assert_eq!(trust.objection_to(Some(&two), reading(11)), None);
    }

    #[test]
    fn silence_doubles_up_to_an_hour() {
        let mut trust = Trust::default();
        let mut boot = Duration::from_secs(100);
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            trust.mute("lab.example", boot);
            let silence = Duration::from_secs(minutes * 60);
            assert!(trust.is_muted("lab.example", boot + silence - Duration::from_secs(1)));
            assert!(!trust.is_muted("lab.example", boot + silence));
            boot += silence;
        }
        trust.unmute("lab.example");
        trust.mute("lab.example", boot);
        assert!(!trust.is_muted("lab.example", boot + FIRST_SILENCE));
    }
}
