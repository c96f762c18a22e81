//! [`Lifetime`]: how long credentials last if the clock changes after they were loaded.

use std::time::{Duration, SystemTime};

use crate::offset::distance;

/// The expiry of credentials, and the clocks when they were requested.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    /// `None` if the credentials do not expire.
    pub(crate) expiry: Option<SystemTime>,
    /// The same as the provider states it; see [`corrected_expiry`].
    pub(crate) stated: Option<SystemTime>,
    pub(crate) loaded: Clocks,
}

/// A reading of all clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    /// The time to sign with.
    pub(crate) now: SystemTime,
    pub(crate) mono: Duration,
    pub(crate) generation: u64,
    /// The local time.
    pub(crate) local: SystemTime,
}

impl Lifetime {
    /// Returns how long the credentials last by the time to sign with. Returns `None` if
    /// they have to be loaded again, because the clock has changed since they were loaded.
    ///
    /// A new generation alone is no reason to load again: if the local clock is set wrong
    /// and repaired in turn, the generation changes each time, and the corrected time stays
    /// the same.
    pub(crate) fn left(&mut self, clocks: Clocks) -> Option<Duration> {
        if self.loaded.generation != clocks.generation {
            let continued = self.continued(clocks.mono);
            if distance(continued, clocks.now) >= CHANGED {
                return None;
            }
            self.settle(clocks.generation);
        }
        Some(left(self.expiry, clocks.now))
    }

    /// Keeps the credentials in use until the next generation, whatever has changed.
    pub(crate) const fn settle(&mut self, generation: u64) {
        self.loaded.generation = generation;
    }

    /// Returns whether the credentials are valid by any known clock: the time to sign with,
    /// which a server may have made wrong, the local clock, or the clock by which they were
    /// loaded. It is for credentials that cannot be replaced, so that the server decides.
    pub(crate) fn may_be_valid(&self, clocks: Clocks) -> bool {
        let known = [clocks.now, clocks.local, self.continued(clocks.mono)];
        let lasts = |expiry| known.iter().any(|now| !left(expiry, *now).is_zero());
        lasts(self.expiry) || lasts(self.stated)
    }

    /// Returns the present time by the clock by which the credentials were loaded.
    fn continued(&self, mono: Duration) -> SystemTime {
        let elapsed = mono.saturating_sub(self.loaded.mono);
        let now = self.loaded.now;
        now.checked_add(elapsed).unwrap_or(now)
    }
}

fn left(expiry: Option<SystemTime>, now: SystemTime) -> Duration {
    expiry.map_or(Duration::MAX, |expiry| {
        expiry.duration_since(now).unwrap_or_default()
    })
}

/// Runs a function when it is dropped: after a load, also one whose caller has given up.
/// Otherwise the load would be repeated, and its next caller could give up as well.
pub(crate) struct AfterLoad<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for AfterLoad<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Converts an expiry that a provider has computed from the local clock to the corrected
/// clock. The IMDS provider extends credentials that look expired by 10 to 15 minutes
/// (aws-config, `imds/credentials.rs`), so such an expiry is near the local time. An expiry
/// that a service states is near the local time only by chance; the credentials are then
/// loaded again early, or at most these minutes late.
pub(crate) fn corrected_expiry(
    expiry: SystemTime,
    local: SystemTime,
    now: SystemTime,
) -> Option<SystemTime> {
    let lasts = expiry.duration_since(local).ok()?;
    let is_extended = lasts <= LONGEST_EXTENSION;
    is_extended.then(|| now.checked_add(lasts)).flatten()
}

/// The same distance at which a wall clock counts as repaired.
const CHANGED: Duration = Duration::from_secs(30);
/// With a second for the time that passes while credentials are loaded.
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
            // The correction came from a host that is 4 days ahead, after or before the
            // credentials were loaded.
            (clocks(0, 0, 0), clocks(96, 0, 0), true),
            (clocks(96, 0, 0), clocks(96, 0, 0), true),
            // The local clock was set wrong.
            (clocks(0, 0, 0), clocks(96, 96, 0), true),
            (clocks(0, 0, 0), clocks(97, 1, 1), false),
            (clocks(96, 0, 0), clocks(97, 1, 1), false),
        ] {
            let lifetime = Lifetime {
                expiry,
                stated: expiry,
                loaded,
            };
            assert_eq!(lifetime.may_be_valid(asked), may_be_valid, "{asked:?}");
        }
    }
}
