//! [`Loaded`]: the identities that were loaded last.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::client::identity::{Identity, IdentityCachePartition};

/// The identity that was loaded last, of each partition of the cache.
#[derive(Debug, Default)]
pub(super) struct Loaded(Mutex<HashMap<IdentityCachePartition, Last>>);

/// An identity, and the generation of the clock when it was asked for.
#[derive(Debug)]
struct Last {
    identity: Identity,
    generation: u64,
    /// By the corrected clock. What states no expiry is kept for as long as the SDK does.
    expiry: SystemTime,
}

impl Loaded {
    /// Returns an identity that is valid for a while by the corrected clock. While the
    /// clock is corrected it saves the caches' components, which have to be put together
    /// with another time source.
    pub(super) fn of_generation(
        &self,
        partition: &IdentityCachePartition,
        generation: u64,
        now: SystemTime,
    ) -> Option<Identity> {
        let loaded = self.lock();
        let last = loaded.get(partition)?;
        let is_valid = last.expiry > now + EXPIRES_SOON;
        (last.generation == generation && is_valid).then(|| last.identity.clone())
    }

    /// Keeps an identity, and returns the one before it.
    pub(super) fn replace(
        &self,
        partition: IdentityCachePartition,
        identity: Identity,
        generation: u64,
        now: SystemTime,
    ) -> Option<Identity> {
        let expiry = identity.expiration();
        let last = Last {
            identity,
            generation,
            expiry: expiry.unwrap_or_else(|| now + WITHOUT_EXPIRY),
        };
        let previous = self.lock().insert(partition, last);
        previous.map(|previous| previous.identity)
    }

    pub(super) fn last(&self, partition: &IdentityCachePartition) -> Option<Identity> {
        let last = self.lock();
        last.get(partition).map(|last| last.identity.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IdentityCachePartition, Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From then on the SDK's cache decides when to ask again: 10 seconds before, give or
/// take its jitter.
const EXPIRES_SOON: Duration = Duration::from_secs(20);
/// The SDK's default.
const WITHOUT_EXPIRY: Duration = Duration::from_secs(15 * 60);
