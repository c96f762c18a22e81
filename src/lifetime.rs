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
    /// The local clock's.
    pub(crate) local: SystemTime,
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

    /// Returns whether they may be valid by any clock that is known: the one to sign with, which
    /// a host may have set wrong, the local one, or the one that they were loaded by. Where no
    /// others can be had, the server decides.
    pub(crate) fn may_be_valid(&self, clocks: Clocks) -> bool {
        let known = [clocks.now, clocks.local, self.continued(clocks.mono)];
        known.iter().any(|now| !self.left_at(*now).is_zero())
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

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn credentials_may_be_valid_by_any_clock_that_is_known() {
        let at = |hour: u64| UNIX_EPOCH + Duration::from_secs(1_900_000_000 + hour * 3_600);
        let expiry = Some(at(1));
        let clocks = |now, local, hour: u64| Clocks {
            now: at(now),
            local: at(local),
            mono: Duration::from_secs(hour * 3_600),
            generation: 0,
        };
        for (loaded, asked, may_be_valid) in [
            // A host that is 4 days ahead became the correction, after and before they were loaded.
            (clocks(0, 0, 0), clocks(96, 0, 0), true),
            (clocks(96, 0, 0), clocks(96, 0, 0), true),
            // The local clock was set wrong.
            (clocks(0, 0, 0), clocks(96, 96, 0), true),
            (clocks(0, 0, 0), clocks(97, 1, 1), false),
            (clocks(96, 0, 0), clocks(97, 1, 1), false),
        ] {
            let lifetime = Lifetime { expiry, loaded };
            assert_eq!(lifetime.may_be_valid(asked), may_be_valid, "{asked:?}");
        }
    }
}
