//! [`Lifetime`]: how long credentials last that were loaded by a clock that changes.

use std::time::{Duration, SystemTime};

/// The expiry of credentials, and the clocks when they were asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    /// `None` if they do not expire.
    pub(crate) expiry: Option<SystemTime>,
    pub(crate) loaded: LoadedAt,
}

/// The clocks when credentials were asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadedAt {
    pub(crate) generation: u64,
    /// The clock was corrected then.
    pub(crate) by_corrected: bool,
    /// The time to sign with.
    pub(crate) now: SystemTime,
    pub(crate) mono: Duration,
}

impl Lifetime {
    /// Returns how long they last by whichever clock says less, the one that reads `now`, or
    /// the one that they were loaded by, continued by the monotonic clock.
    pub(crate) fn shortest(&self, now: SystemTime, mono: Duration) -> Duration {
        self.left(now).min(self.left_by_mono(mono))
    }

    /// Returns whether they are valid by either clock: where no others can be had, the
    /// server decides.
    pub(crate) fn may_be_valid(&self, now: SystemTime, mono: Duration) -> bool {
        !self.left(now).max(self.left_by_mono(mono)).is_zero()
    }

    /// Returns whether they have to be asked for again when the clock has changed. Those
    /// that were loaded by a corrected clock do not: a local clock that is set wrong and
    /// repaired in turn would ask each time.
    pub(crate) fn has_changed(&self, generation: u64) -> bool {
        self.loaded.generation != generation && !self.loaded.by_corrected
    }

    fn left(&self, now: SystemTime) -> Duration {
        self.expiry.map_or(Duration::MAX, |expiry| {
            expiry.duration_since(now).unwrap_or_default()
        })
    }

    fn left_by_mono(&self, mono: Duration) -> Duration {
        let elapsed = mono.saturating_sub(self.loaded.mono);
        self.left(self.loaded.now).saturating_sub(elapsed)
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

/// With a second for what passes meanwhile.
const LONGEST_EXTENSION: Duration = Duration::from_secs(15 * 60 + 1);
