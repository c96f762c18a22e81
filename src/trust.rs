//! Which server is followed, and how far: [`Limits`], confirmation by AWS, times of
//! single hosts, and back-off.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::evidence::Strength;
use crate::host::Host;
use crate::judge::OffsetSample;
use crate::local_clock::Reading;
use crate::offset::ClockOffset;

/// How far forward a correction may go.
///
/// An attacker who captures a signature dated in the future can use it until then, so
/// the clock does not follow a server that states a far future: the response goes to the
/// caller as it came, and an `offset_limit_exceeded` event states both times. The limit
/// is measured from the local wall clock, or from the release of this crate if the wall
/// clock is before that (a device that boots in 1970), never from an earlier correction.
/// Backward, the only limit is the year 2020.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    forward_strong: Duration,
    forward: Duration,
}

impl Limits {
    /// Sets how far forward the clock follows times in error messages over TLS; 400 days by
    /// default. Zero follows none.
    #[must_use]
    pub const fn with_forward_strong(mut self, limit: Duration) -> Self {
        self.forward_strong = limit;
        self
    }

    /// Sets how far forward the clock follows any other time; 7 days by default. Zero
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
    /// 400 days by error messages over TLS, 7 days otherwise.
    fn default() -> Self {
        Self {
            // Real reports reach 100 days; more than a year is a machine that was
            // put away for a winter, and then for another.
            forward_strong: Duration::from_secs(400 * DAY),
            forward: Duration::from_secs(7 * DAY),
        }
    }
}

/// What is known of the hosts that state a time. All periods are counted on the
/// monotonic clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    confirmation: Option<Confirmation>,
    /// When a host that is not AWS changed the correction last.
    last_change: Option<(Duration, Box<str>)>,
    back_offs: Vec<BackOff>,
    host_times: Vec<HostTime>,
}

/// An AWS endpoint accepted a request signed by the current generation, with a
/// `Date` that agrees with it.
#[derive(Clone, Debug)]
struct Confirmation {
    host: Box<str>,
    at: Duration,
    wall_minus_mono: ClockOffset,
}

/// A host whose `Date` was tried and rejected: its `Date` is ignored for a while.
#[derive(Clone, Debug)]
struct BackOff {
    host: Box<str>,
    from: Duration,
    lasts: Duration,
    failures: u32,
}

/// A time that is used for one host only.
#[derive(Clone, Debug)]
pub(crate) struct HostTime {
    host: Box<str>,
    pub(crate) kind: HostTimeKind,
    /// The host has been conflicting, which is reported once.
    is_reported: bool,
    pub(crate) sample: OffsetSample,
}

/// Why a host has a time of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HostTimeKind {
    /// Its `Date` is tried until a request signed with it is accepted or rejected.
    Trial,
    /// It contradicts a clock that AWS confirmed.
    Conflicting,
}

impl Trust {
    /// Returns the name of the host that `host` may not contradict now, if any.
    pub(crate) fn objection_to(&self, host: Option<&Host>, reading: Reading) -> Option<&str> {
        if host.is_some_and(Host::is_aws) {
            return None;
        }
        if let Some(confirmation) = &self.confirmation
            && confirmation.holds(reading)
        {
            return Some(&confirmation.host);
        }
        // Among hosts that are not AWS the last error counts, but two of them must
        // not change the clock in turn with every call.
        let (at, last) = self.last_change.as_ref()?;
        let other = host.is_none_or(|host| host.name() != &**last);
        (other && reading.boot.saturating_sub(*at) < BETWEEN_CHANGES).then_some(last)
    }

    pub(crate) fn confirm(&mut self, host: &Host, reading: Reading) {
        self.confirmation = Some(Confirmation {
            host: host.name().into(),
            at: reading.boot,
            wall_minus_mono: ClockOffset::from_boot(reading.wall, reading.boot),
        });
    }

    /// The correction was changed, so no host has confirmed it yet.
    pub(crate) fn changed(&mut self, by: Option<&Host>, mono: Duration) {
        self.confirmation = None;
        self.last_change = by
            .filter(|host| !host.is_aws())
            .map(|host| (mono, host.name().into()));
    }

    /// Returns the time that is kept for a host alone.
    pub(crate) fn host_time(&self, host: &str) -> Option<&HostTime> {
        self.host_times.iter().find(|known| *known.host == *host)
    }

    pub(crate) const fn has_host_times(&self) -> bool {
        !self.host_times.is_empty()
    }

    /// Keeps a time for a host alone, in place of an older one. Returns whether this is to be
    /// reported: the host is conflicting, and was not before.
    pub(crate) fn keep_time(
        &mut self,
        host: &str,
        kind: HostTimeKind,
        sample: OffsetSample,
    ) -> bool {
        let was_reported = self.host_time(host).is_some_and(|known| known.is_reported);
        let is_conflicting = kind == HostTimeKind::Conflicting;
        self.forget_time(host);
        if self.host_times.len() >= MOST_HOSTS {
            self.host_times.remove(0);
        }
        self.host_times.push(HostTime {
            host: host.into(),
            kind,
            is_reported: is_conflicting || was_reported,
            sample,
        });
        is_conflicting && !was_reported
    }

    pub(crate) fn forget_time(&mut self, host: &str) {
        self.host_times.retain(|known| *known.host != *host);
    }

    /// Forgets the times of single hosts, and which of them were tried in vain.
    pub(crate) fn forget_hosts(&mut self) {
        self.host_times.clear();
        self.back_offs.clear();
    }

    pub(crate) fn is_backing_off(&self, host: &str, mono: Duration) -> bool {
        self.back_offs
            .iter()
            .any(|known| *known.host == *host && mono.saturating_sub(known.from) < known.lasts)
    }

    /// This host's `Date` was tried and rejected: it is ignored for a minute, then
    /// for two, four, up to an hour.
    pub(crate) fn back_off(&mut self, host: &str, mono: Duration) {
        let failures = self
            .back_offs
            .iter()
            .find(|known| *known.host == *host)
            .map_or(0, |known| known.failures);
        self.end_back_off(host);
        if self.back_offs.len() >= MOST_HOSTS {
            self.back_offs.remove(0);
        }
        self.back_offs.push(BackOff {
            host: host.into(),
            from: mono,
            lasts: FIRST_BACK_OFF
                .saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX))
                .min(LONGEST_BACK_OFF),
            failures: failures.saturating_add(1).min(16),
        });
    }

    pub(crate) fn end_back_off(&mut self, host: &str) {
        self.back_offs.retain(|known| *known.host != *host);
    }

    /// Restarts every period that began in the future: the monotonic clock has
    /// gone back, as it does when a checkpoint is restored.
    pub(crate) fn restart_periods(&mut self, mono: Duration) {
        let confirmed = self.confirmation.iter_mut().map(|known| &mut known.at);
        let changed = self.last_change.iter_mut().map(|(at, _)| at);
        let back_offs = self.back_offs.iter_mut().map(|known| &mut known.from);
        for at in confirmed.chain(changed).chain(back_offs) {
            *at = (*at).min(mono);
        }
    }
}

impl Confirmation {
    fn holds(&self, reading: Reading) -> bool {
        let now = ClockOffset::from_boot(reading.wall, reading.boot);
        reading.boot.saturating_sub(self.at) < CONFIRMATION_LASTS
            && now.since(self.wall_minus_mono).magnitude() < WALL_STEP
    }
}

const DAY: u64 = 86_400;
/// 2026-11-23, the day before which no machine that runs this crate can be.
/// Moved with every release.
const RELEASED: Duration = Duration::from_secs(20_780 * DAY);
const CONFIRMATION_LASTS: Duration = Duration::from_secs(3_600);
/// A wall clock that has moved this far against the monotonic clock was set.
const WALL_STEP: Duration = Duration::from_secs(30);
const BETWEEN_CHANGES: Duration = Duration::from_secs(1);
const FIRST_BACK_OFF: Duration = Duration::from_secs(60);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(3_600);
/// Hosts remembered of each sort; a proxy may see any number.
const MOST_HOSTS: usize = 32;

#[cfg(test)]
mod tests;
