//! [`Loaded`]: the last loaded identities.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::client::identity::{Identity, IdentityCachePartition};

use crate::lifetime::{Clocks, Lifetime};

/// The last loaded identity of each partition of the cache.
#[derive(Debug, Default)]
pub(super) struct Loaded(Mutex<HashMap<IdentityCachePartition, Last>>);

#[derive(Debug)]
struct Last {
    identity: Identity,
    lifetime: Lifetime,
}

impl Loaded {
    /// Stores an identity that was requested at `loaded`, and whose provider states the
    /// expiry `stated`. Returns the previous one.
    pub(super) fn replace(
        &self,
        partition: IdentityCachePartition,
        identity: Identity,
        stated: Option<SystemTime>,
        loaded: Clocks,
    ) -> Option<Identity> {
        let or_default =
            |expiry: Option<_>| expiry.or_else(|| loaded.now.checked_add(WITHOUT_EXPIRY));
        let lifetime = Lifetime {
            expiry: or_default(identity.expiration()),
            stated: or_default(stated),
            loaded,
        };
        let last = Last { identity, lifetime };
        let previous = self.lock().insert(partition, last);
        previous.map(|previous| previous.identity)
    }

    /// Returns the identity if it is still valid for a while and need not be loaded again.
    /// While the clock is corrected, this saves building components with another time
    /// source for the SDK's cache.
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

    /// Keeps using the identity until the next generation.
    pub(super) fn settle(&self, partition: &IdentityCachePartition, generation: u64) {
        if let Some(last) = self.lock().get_mut(partition) {
            last.lifetime.settle(generation);
        }
    }

    /// Returns the identity if it may be valid, as a fallback.
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

/// If the clock was corrected, credentials are loaded again from this long before their
/// expiry on, at the latest after half of it: a corrected clock may be a minute or two
/// behind. The SDK's default is 10 seconds.
pub(super) const EXPIRES_SOON: Duration = Duration::from_secs(180);
/// How long an identity without an expiry is used; the SDK's default.
const WITHOUT_EXPIRY: Duration = Duration::from_secs(15 * 60);
