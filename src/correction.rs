//! [`ClockState`]: the correction, and how it is updated, cleared and contradicted.
//!
//! This file reads no clock and emits no event. There is a correction or there is none; a
//! time that is not certain is a trial for one host (see `trust.rs`).

use std::time::{Duration, SystemTime};

use crate::event::{Details, EventKind, SkewEvent};
use crate::host::Host;
use crate::interval::Interval;
use crate::judge::{OffsetSample, SignedBy, SigningTime};
use crate::local_clock::Reading;
use crate::offset::{ClockOffset, distance};
use crate::trust::{Limits, Trust, wall_on_monotonic};

/// The correction, and what decides whether a sample may change it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClockState {
    limits: Limits,
    /// `None` while the local wall clock is trusted.
    correction: Option<Correction>,
    generation: u64,
    contradictions: u8,
    /// The latest reading of the monotonic clock.
    seen: Duration,
    pub(crate) trust: Trust,
    /// The events that were not emitted yet.
    pub(crate) events: Vec<SkewEvent>,
}

/// The sample that the clock applies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Correction {
    sample: OffsetSample,
    /// When the local clock was found to be wrong; a replaced correction passes it on.
    since: Duration,
    host: Option<Host>,
}

/// Why a sample does not become the correction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Objection {
    /// The sample is further ahead than [`Limits`] allow.
    Limit,
    /// The sample contradicts the time of this host.
    Host(Box<str>),
}

impl ClockState {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Starts with a known offset. An offset of 30 s or less is ignored.
    pub(crate) fn start_at(&mut self, offset: ClockOffset, reading: Reading) {
        let wall = offset.shift(reading.wall);
        let sample = OffsetSample::of_clock(Reading { wall, ..reading });
        self.update(&sample, None, reading);
    }

    pub(crate) const fn correction(&self) -> Option<&Correction> {
        self.correction.as_ref()
    }

    /// Returns how often the correction has changed.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the time to sign with.
    pub(crate) fn now(&self, reading: Reading) -> SystemTime {
        self.corrected_at(reading.monotonic).unwrap_or(reading.wall)
    }

    /// Returns the corrected time when the monotonic clock reads `mono`, if there is a
    /// correction.
    pub(crate) fn corrected_at(&self, mono: Duration) -> Option<SystemTime> {
        let correction = self.correction.as_ref()?;
        Some(correction.sample.point.at_monotonic(mono))
    }

    /// Returns the time to sign requests to a host with: the time that is kept for this
    /// host, if it differs from the clock, and otherwise the clock.
    pub(crate) fn signing_time(&self, host: &str, reading: Reading) -> SigningTime {
        let now = self.now(reading);
        let own = self.trust.host_time(host);
        let own = own.map(|own| own.sample.point.at_monotonic(reading.monotonic));
        match own.filter(|own| distance(now, *own) > REPAIRED) {
            Some(now) => SigningTime {
                now,
                by: SignedBy::HostTime,
            },
            None => SigningTime {
                now,
                by: SignedBy::Clock(self.generation),
            },
        }
    }

    /// Returns server time − local time, or zero if there is no correction.
    pub(crate) fn offset(&self, reading: Reading) -> ClockOffset {
        let correction = self.correction.as_ref();
        correction.map_or(ClockOffset::ZERO, |known| known.offset(reading))
    }

    /// Records an event. It is emitted when the lock of the state is released.
    pub(crate) fn report(&mut self, kind: EventKind, details: Details) {
        self.events.push(SkewEvent::new(kind, details));
    }

    /// Returns why a sample may not become the correction, or `None` if it may.
    pub(crate) fn objection_to(
        &self,
        sample: &OffsetSample,
        host: Option<&Host>,
        reading: Reading,
    ) -> Option<Objection> {
        let (time, strength) = (sample.stated.best, sample.stated.strength);
        if !self.limits.allow(time, strength, host, reading.wall) {
            return Some(Objection::Limit);
        }
        let other = self.trust.objection_to(host, reading)?;
        Some(Objection::Host(other.into()))
    }

    /// Makes a sample the correction, and returns the correction that it replaces. The
    /// caller has checked for [objections](Self::objection_to).
    pub(crate) fn update(
        &mut self,
        sample: &OffsetSample,
        host: Option<&Host>,
        reading: Reading,
    ) -> Option<Correction> {
        let previous = self.correction.take();
        let correction = Correction {
            sample: *sample,
            since: previous.as_ref().map_or(sample.at, |known| known.since),
            host: host.cloned(),
        };
        self.trust.forget_time(host.map_or("", Host::name));
        // A server that agrees with the wall clock needs no correction.
        let correction = (!correction.agrees_with_wall(reading)).then_some(correction);
        if previous.is_some() || correction.is_some() {
            self.replace(correction);
            self.trust.changed(host, reading.monotonic);
        }
        previous
    }

    /// Ends the correction if the wall clock is correct again, and returns it.
    pub(crate) fn clear_if_repaired(&mut self, reading: Reading) -> Option<Correction> {
        let is_repaired = self.correction.as_ref()?.agrees_with_wall(reading);
        is_repaired.then(|| self.replace(None))?
    }

    /// Records a reading of the monotonic clock. If that clock has gone back, as it does
    /// when a checkpoint is restored, all times that were kept relative to it are wrong:
    /// they are dropped, all periods restart, and the correction that ended is returned.
    pub(crate) fn follow_monotonic_clock(&mut self, mono: Duration) -> Option<Correction> {
        // Readings from several threads can arrive in any order, but never a minute apart.
        let has_gone_back = self.seen.saturating_sub(mono) > GONE_BACK;
        self.trust.restart_periods(mono);
        if !has_gone_back {
            self.seen = self.seen.max(mono);
            return None;
        }
        self.seen = mono;
        self.trust.forget_hosts();
        self.correction.is_some().then(|| self.replace(None))?
    }

    /// Drops everything that is known about hosts and the correction, and returns the
    /// latter.
    pub(crate) fn reset(&mut self) -> Option<Correction> {
        self.trust = Trust::default();
        self.replace(None)
    }

    /// Returns whether the last accepted response contradicted the correction.
    pub(crate) const fn is_contradicted(&self) -> bool {
        self.contradictions > 0
    }

    /// Compares the `Date` of an accepted response, given as an interval on the monotonic
    /// clock, with the correction. This can end a correction, and never starts or changes
    /// one. Returns the correction that ended.
    pub(crate) fn contradict(
        &mut self,
        interval: Interval,
        host: Option<&Host>,
        reading: Reading,
    ) -> Option<Correction> {
        let correction = self.correction.as_ref()?;
        if !correction.can_be_ended_by(host) {
            return None;
        }
        let contradicts = interval.contains(wall_on_monotonic(reading))
            && !interval.widened(GRACE).contains(correction.sample.point);
        if !contradicts {
            self.contradictions = 0;
            return None;
        }
        self.contradictions += 1;
        (self.contradictions >= ENOUGH_CONTRADICTIONS).then(|| self.replace(None))?
    }

    fn replace(&mut self, with: Option<Correction>) -> Option<Correction> {
        self.contradictions = 0;
        self.generation += 1;
        self.trust.changed(None, Duration::ZERO);
        std::mem::replace(&mut self.correction, with)
    }
}

impl Correction {
    /// Returns how far the offset can be from the true one.
    pub(crate) fn uncertainty(&self, mono: Duration) -> Duration {
        self.interval_at(mono).worst_error_of(self.sample.point)
    }

    /// Returns when the local clock was found to be wrong, in corrected time.
    pub(crate) fn since(&self) -> SystemTime {
        self.sample.point.at_monotonic(self.since)
    }

    /// Returns how long ago the correction was last updated.
    pub(crate) const fn age(&self, mono: Duration) -> Duration {
        mono.saturating_sub(self.sample.at)
    }

    pub(crate) fn offset(&self, reading: Reading) -> ClockOffset {
        self.sample.point.since(wall_on_monotonic(reading))
    }

    fn interval_at(&self, mono: Duration) -> Interval {
        // Clocks drift by 200 ppm at most; the millisecond is for rounding.
        let drift = self.age(mono) / 5_000 + Duration::from_millis(1);
        self.sample.interval.widened(drift)
    }

    fn agrees_with_wall(&self, reading: Reading) -> bool {
        self.interval_at(reading.monotonic)
            .widened(REPAIRED)
            .contains(wall_on_monotonic(reading))
    }

    /// Returns whether accepted responses from `host` can end the correction. The host that
    /// the sample came from can, and so can any AWS endpoint: otherwise a sample from a
    /// host with a wrong clock would apply to requests to AWS for as long as AWS tolerates
    /// the error.
    fn can_be_ended_by(&self, host: Option<&Host>) -> bool {
        host.is_some_and(|host| {
            let is_its_source = self.host.as_ref().map(Host::name) == Some(host.name());
            is_its_source || host.is_aws()
        })
    }
}

/// Returns whether an accepted response with this `Date`, received now, cannot
/// [contradict](ClockState::contradict) a clock that reads `now`, however short its round
/// trip was.
pub(crate) fn agrees(date: SystemTime, now: SystemTime) -> bool {
    // The two bounds of `contradict` differ; this is the nearer one.
    distance(date, now) < GRACE
}

/// If the wall clock is this close to the correction, it has been repaired. NTP comes
/// closer than this, and for a service with a usual tolerance the smallest correction is
/// four times as large.
pub(crate) const REPAIRED: Duration = Duration::from_secs(30);
/// One wrong or cached `Date` is common. Three in a row that all agree with the wall clock
/// are not.
const ENOUGH_CONTRADICTIONS: u8 = 3;
const GRACE: Duration = Duration::from_secs(2);
const GONE_BACK: Duration = Duration::from_secs(60);

#[cfg(test)]
mod soundness;
#[cfg(test)]
mod tests;
