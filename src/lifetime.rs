//! [`Lifetime`]: how long credentials last that were loaded by a clock that changes.

use std::time::{Duration, SystemTime};

use crate::offset::ClockOffset;

/// The expiry of credentials, and the clocks when they were asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    /// `None` if they do not expire.
    pub(crate) expiry: Option<SystemTime>,
    pub(crate) loaded: Clocks,
}

/// What the clocks show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    /// The time to sign with.
    pub(crate) now: SystemTime,
    pub(crate) mono: Duration,
    pub(crate) generation: u64,
    pub(crate) is_corrected: bool,
}

impl Lifetime {
    /// Returns how long they last by the time to sign with, or `None` if they have to be
    /// asked for again, since they were loaded by a clock that showed another time.
    ///
    /// A local clock that is set wrong and repaired in turn changes the generation each time;
    /// the corrected clock shows one time all along.
    pub(crate) fn left(&mut self, clocks: Clocks) -> Option<Duration> {
        let mut changed_by = Duration::ZERO;
        if self.loaded.generation != clocks.generation {
            let continued = self.continued(clocks.mono);
            changed_by = ClockOffset::between(continued, clocks.now).magnitude();
        }
        (changed_by < CHANGED).then(|| {
            self.loaded.generation = clocks.generation;
            self.left_at(clocks.now)
        })
    }

    /// Returns whether they may be valid: by the corrected clock, or, while that is the local
    /// clock, which somebody may have set wrong, also by the one that they were loaded by.
    pub(crate) fn may_be_valid(&self, clocks: Clocks) -> bool {
        let is_valid = |now| !self.left_at(now).is_zero();
        is_valid(clocks.now) || (!clocks.is_corrected && is_valid(self.continued(clocks.mono)))
    }

    fn left_at(&self, now: SystemTime) -> Duration {
        self.expiry.map_or(Duration::MAX, |expiry| {
            expiry.duration_since(now).unwrap_or_default()
        })
    }

    /// Returns what the clock that they were loaded by would show now.
    fn continued(&self, mono: Duration) -> SystemTime {
        let elapsed = mono.saturating_sub(self.loaded.mono);
        let now = self.loaded.now;
        now.checked_add(elapsed).unwrap_or(now)
    }
}

/// Returns an expiry that a provider has computed from the local clock as one of the corrected
/// clock. IMDS's provider extends what looks expired by 10 to 15 minutes (aws-config,
/// `imds/credentials.rs`), so such an expiry is near the local clock; those that a service
/// states are near it only by chance, and then this makes a reload early or late by no more
/// than those minutes.
pub(crate) fn corrected_expiry(
    expiry: SystemTime,
    local: SystemTime,
    now: SystemTime,
) -> Option<SystemTime> {
    let lasts = expiry.duration_since(local).ok()?;
    let is_extended = lasts <= LONGEST_EXTENSION;
    is_extended.then(|| now.checked_add(lasts)).flatten()
}

/// As near to the correction as a repaired wall clock is.
const CHANGED: Duration = Duration::from_secs(30);
/// With a second for what passes meanwhile.
const LONGEST_EXTENSION: Duration = Duration::from_secs(15 * 60 + 1);
