//! Waiting for a [`SkewClock`] to change.

use tokio::sync::watch;

use super::{SkewClock, SkewStatus};

/// Tells of the changes of a [`SkewClock`]: events, and changes of the correction.
///
/// Holds nothing that could keep the clock from being read or changed.
#[derive(Clone, Debug)]
pub struct SkewChanges {
    pub(super) clock: SkewClock,
    pub(super) versions: watch::Receiver<u64>,
}

impl SkewChanges {
    /// Returns where the clock stands now.
    pub fn get(&self) -> SkewStatus {
        self.clock.status()
    }

    /// Waits for the next change since this listener was made or last waited.
    /// Several changes in between are told once.
    ///
    /// A correction that ends because the wall clock was repaired is told at the
    /// next answer of a service, or call of [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// A change is not lost if the future is dropped.
    pub async fn changed(&mut self) {
        // The sender lives in the clock that this listener holds.
        drop(self.versions.changed().await);
    }
}
