//! Which servers may change the correction, and by how much: [`Limits`], confirmation by
//! AWS, times of single hosts, and back-off.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::evidence::Strength;
use crate::host::Host;
use crate::judge::OffsetSample;
use crate::local_clock::Reading;
use crate::offset::ClockOffset;

/// How far forward a correction may go.
///
/// A captured request can be replayed until its signature expires. The clock therefore
/// ignores a server that states a time far in the future: the response goes to the caller
/// unchanged, and an `offset_limit_exceeded` event states both times. A limit counts from
/// the local wall clock, or from the release date of this crate if the wall clock is before
/// that (a device that boots in 1970). It never counts from an earlier correction.
/// Backward, the only limit is the year 2020.
///
/// ```
/// use std::time::Duration;
///
/// use aws_clock_skew::{Limits, SkewClock};
///
/// // A device whose battery-backed clock was never set, and that uses TLS only.
/// let limits = Limits::default().with_max_forward_from_message(Duration::from_hours(24 * 3650));
/// let clock = SkewClock::builder().limits(limits).build();
/// # assert!(!clock.status().is_correcting());
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    forward_from_message: Duration,
    forward: Duration,
}

impl Limits {
    /// Sets how far forward a time in an error message received over TLS may move the
    /// clock; the default is 400 days. With zero, such a time never moves it forward.
    #[must_use]
    pub const fn with_max_forward_from_message(mut self, limit: Duration) -> Self {
        self.forward_from_message = limit;
        self
    }

    /// Sets how far forward any other time may move the clock; the default is 7 days. With
    /// zero, such a time never moves it forward.
    #[must_use]
    pub const fn with_max_forward(mut self, limit: Duration) -> Self {
        self.forward = limit;
        self
    }

    /// Returns whether the clock may be set to `server_time`, which `host` stated, while
    /// the local wall clock shows `wall`.
    pub(crate) fn allow(
        &self,
        server_time: SystemTime,
        strength: Strength,
        host: Option<&Host>,
        wall: SystemTime,
    ) -> bool {
        let is_strong = strength == Strength::Message && host.is_some_and(Host::is_tls);
        let limit = if is_strong {
            self.forward_from_message
        } else {
            self.forward
        };
        let from = wall.max(UNIX_EPOCH + RELEASED);
        server_time.duration_since(from).unwrap_or_default() <= limit
    }
}

impl Default for Limits {
    /// 400 days by error messages over TLS, 7 days otherwise.
    fn default() -> Self {
        Self {
            // Reported offsets reach 100 days. An offset of more than a year needs a
            // machine that was switched off for that long.
            forward_from_message: Duration::from_secs(400 * DAY),
            forward: Duration::from_secs(7 * DAY),
        }
    }
}

/// What is known about hosts that state a time. All periods are measured on the monotonic
/// clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    confirmation: Option<Confirmation>,
    /// When AWS last accepted a request of the current generation, with whatever `Date`.
    pub(crate) checked_at: Option<Duration>,
    /// When a host that is not AWS last changed the correction.
    last_change: Option<(Duration, Box<str>)>,
    back_offs: Vec<BackOff>,
    host_times: Vec<HostTime>,
}

/// An AWS endpoint accepted a request signed by the current generation, with a
/// `Date` that agrees with it.
#[derive(Clone, Debug)]
struct Confirmation {
    host: Box<str>,
    since: Since,
}

/// A period in which the `Date` of a host is ignored, after a trial failed.
#[derive(Clone, Debug)]
struct BackOff {
    host: Box<str>,
    since: Since,
    lasts: Duration,
}

/// The start of a period, which ends earlier if somebody sets the wall clock.
#[derive(Clone, Copy, Debug)]
struct Since {
    mono: Duration,
    wall_on_mono: ClockOffset,
}

impl Since {
    fn now(reading: Reading) -> Self {
        Self {
            mono: reading.monotonic,
            wall_on_mono: wall_on_monotonic(reading),
        }
    }

    fn is_within(self, period: Duration, reading: Reading) -> bool {
        let moved = wall_on_monotonic(reading).since(self.wall_on_mono);
        reading.monotonic.saturating_sub(self.mono) < period && moved.magnitude() < WALL_STEP
    }
}

/// A time that is used for one host only.
#[derive(Clone, Debug)]
pub(crate) struct HostTime {
    host: Box<str>,
    pub(crate) kind: HostTimeKind,
    /// Whether the `hosts_disagree` event was emitted; it is emitted once for each host.
    is_reported: bool,
    pub(crate) sample: OffsetSample,
}

/// Why a host has its own time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HostTimeKind {
    /// The host's `Date` is used until a request signed with it is accepted or rejected.
    Trial,
    /// The host's time contradicts a clock that AWS confirmed.
    Conflicting,
}

impl Trust {
    /// Returns the name of a host whose time `host` may not contradict now, if there is
    /// one.
    pub(crate) fn objection_to(&self, host: Option<&Host>, reading: Reading) -> Option<&str> {
        if host.is_some_and(Host::is_aws) {
            return None;
        }
        if let Some(confirmed_by) = self.confirmed_by(reading) {
            return Some(confirmed_by);
        }
        // Among hosts that are not AWS, the last error counts. The pause keeps two of them
        // from changing the clock back and forth with every call.
        let (at, last) = self.last_change.as_ref()?;
        let other = host.is_none_or(|host| host.name() != &**last);
        (other && reading.monotonic.saturating_sub(*at) < BETWEEN_CHANGES).then_some(last)
    }

    /// Returns the name of the host that confirmed the clock, while that holds.
    pub(crate) fn confirmed_by(&self, reading: Reading) -> Option<&str> {
        let confirmation = self.confirmation.as_ref()?;
        let holds = confirmation.since.is_within(CONFIRMATION_LASTS, reading);
        holds.then_some(&*confirmation.host)
    }

    pub(crate) fn confirm(&mut self, host: &Host, reading: Reading) {
        self.confirmation = Some(Confirmation {
            host: host.name().into(),
            since: Since::now(reading),
        });
    }

    /// Drops the confirmation, because the correction has changed.
    pub(crate) fn changed(&mut self, by: Option<&Host>, mono: Duration) {
        self.confirmation = None;
        self.checked_at = None;
        self.last_change = by
            .filter(|host| !host.is_aws())
            .map(|host| (mono, host.name().into()));
    }

    /// Returns the time that is kept for a single host.
    pub(crate) fn host_time(&self, host: &str) -> Option<&HostTime> {
        self.host_times.iter().find(|known| *known.host == *host)
    }

    pub(crate) const fn has_host_times(&self) -> bool {
        !self.host_times.is_empty()
    }

    /// Keeps a time for a single host and replaces an older one. Returns true if the host
    /// has become a conflicting host, which the caller reports.
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

    /// Drops the times and the back-offs of all hosts.
    pub(crate) fn forget_hosts(&mut self) {
        self.host_times.clear();
        self.back_offs.clear();
    }

    pub(crate) fn is_backing_off(&self, host: &str, reading: Reading) -> bool {
        let mut known = self.back_offs.iter();
        known.any(|known| *known.host == *host && known.since.is_within(known.lasts, reading))
    }

    /// Starts a back-off after a trial failed: the `Date` of the host is ignored for a
    /// minute, then for two, four, and at most for an hour. It ends earlier if the local
    /// clock is set, because the trial may have been of that clock.
    pub(crate) fn back_off(&mut self, host: &str, reading: Reading) {
        let known = self.back_offs.iter().find(|known| *known.host == *host);
        let lasts = known.map_or(FIRST_BACK_OFF, |known| {
            (known.lasts * 2).min(LONGEST_BACK_OFF)
        });
        self.end_back_off(host);
        if self.back_offs.len() >= MOST_HOSTS {
            self.back_offs.remove(0);
        }
        self.back_offs.push(BackOff {
            host: host.into(),
            since: Since::now(reading),
            lasts,
        });
    }

    pub(crate) fn end_back_off(&mut self, host: &str) {
        self.back_offs.retain(|known| *known.host != *host);
    }

    /// Restarts every period that began in the future. That happens if the monotonic clock
    /// has gone back, as it does when a checkpoint is restored.
    pub(crate) fn restart_periods(&mut self, mono: Duration) {
        let confirmed = self
            .confirmation
            .iter_mut()
            .map(|known| &mut known.since.mono);
        let changed = self.last_change.iter_mut().map(|(at, _)| at);
        let back_offs = self.back_offs.iter_mut().map(|known| &mut known.since.mono);
        for at in confirmed.chain(changed).chain(back_offs) {
            *at = (*at).min(mono);
        }
    }
}

pub(crate) fn wall_on_monotonic(reading: Reading) -> ClockOffset {
    ClockOffset::from_monotonic(reading.wall, reading.monotonic)
}

const DAY: u64 = 86_400;
/// 2026-11-23, the release date. It is updated with every release.
pub(crate) const RELEASED: Duration = Duration::from_secs(20_780 * DAY);
const CONFIRMATION_LASTS: Duration = Duration::from_secs(3_600);
/// If the wall clock has moved this far against the monotonic clock, somebody has set it.
const WALL_STEP: Duration = Duration::from_secs(30);
const BETWEEN_CHANGES: Duration = Duration::from_secs(1);
const FIRST_BACK_OFF: Duration = Duration::from_secs(60);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(3_600);
/// How many host times, and how many back-offs, are kept at most. A proxy may send to any
/// number of hosts.
const MOST_HOSTS: usize = 32;

#[cfg(test)]
mod tests;
