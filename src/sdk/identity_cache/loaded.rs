//! [`Loaded`]: the identities that were loaded last.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::identity::{Identity, IdentityCachePartition};

use crate::lifetime::{Clocks, Lifetime};

/// The identity that was loaded last, of each partition of the cache.
#[derive(Debug, Default)]
pub(super) struct Loaded(Mutex<HashMap<IdentityCachePartition, Last>>);

#[derive(Debug)]
struct Last {
    identity: Identity,
    lifetime: Lifetime,
}

impl Loaded {
    /// Keeps an identity that was asked for at `loaded`, and returns the one before it.
    pub(super) fn replace(
        &self,
        partition: IdentityCachePartition,
        identity: Identity,
        loaded: Clocks,
    ) -> Option<Identity> {
        let expiry = identity.expiration();
        let expiry = expiry.or_else(|| loaded.now.checked_add(WITHOUT_EXPIRY));
        let last = Last {
            identity,
            lifetime: Lifetime { expiry, loaded },
        };
        let previous = self.lock().insert(partition, last);
        previous.map(|previous| previous.identity)
    }

    /// Returns an identity that need not be asked for again, and is valid for a while. While
    /// the clock is corrected it saves the caches' components, which have to be put together
    /// with another time source.
    pub(super) fn present(
        &self,
        partition: &IdentityCachePartition,
        clocks: Clocks,
    ) -> Option<Identity> {
        let mut loaded = self.lock();
        let last = loaded.get_mut(partition)?;
        let left = last.lifetime.left(clocks)?;
        (left > EXPIRES_SOON).then(|| last.identity.clone())
    }

    /// Returns an identity, for want of another, that may be valid.
    pub(super) fn last(
        &self,
        partition: &IdentityCachePartition,
        clocks: Clocks,
    ) -> Option<Identity> {
        let loaded = self.lock();
        let last = loaded.get(partition)?;
        let may_be_valid = last.lifetime.may_be_valid(clocks);
        may_be_valid.then(|| last.identity.clone())
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
