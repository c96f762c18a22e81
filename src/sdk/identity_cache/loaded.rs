//! [`Loaded`]: the identities that were loaded last.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::{Identity, IdentityCachePartition};

use crate::lifetime::{Lifetime, LoadedAt};

/// The identity that was loaded last, of each partition of the cache.
#[derive(Debug, Default)]
pub(super) struct Loaded(Mutex<HashMap<IdentityCachePartition, Last>>);

#[derive(Clone, Debug)]
pub(super) struct Last {
    pub(super) identity: Identity,
    lifetime: Lifetime,
}

impl Loaded {
    /// Keeps an identity, and returns the one before it.
    pub(super) fn replace(
        &self,
        partition: IdentityCachePartition,
        identity: Identity,
        loaded: LoadedAt,
    ) -> Option<Identity> {
        let expiry = identity.expiration();
        let last = Last {
            identity,
            lifetime: Lifetime {
                expiry: expiry.or_else(|| loaded.now.checked_add(WITHOUT_EXPIRY)),
                loaded,
            },
        };
        let previous = self.lock().insert(partition, last);
        previous.map(|previous| previous.identity)
    }

    pub(super) fn last(&self, partition: &IdentityCachePartition) -> Option<Last> {
        self.lock().get(partition).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IdentityCachePartition, Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last {
    /// Returns the identity if it need not be asked for again. While the clock is
    /// corrected it saves the caches' components, which have to be put together with another
    /// time source.
    pub(super) fn present(self, now: LoadedAt) -> Option<Identity> {
        let is_present = !self.lifetime.has_changed(now.generation)
            && self.lifetime.shortest(now.now, now.mono) > EXPIRES_SOON;
        is_present.then_some(self.identity)
    }

    /// Returns the identity for the cache of another generation, if it was loaded by a
    /// corrected clock.
    pub(super) fn carried_over(self, now: LoadedAt) -> Option<Identity> {
        let lasts = self.lifetime.shortest(now.now, now.mono);
        (self.lifetime.loaded.by_corrected && lasts > EXPIRES_SOON).then_some(())?;
        let expires = now.now.checked_add(lasts);
        let expiry = self.identity.expiration();
        let is_earlier = expiry.zip(expires).filter(|(expiry, new)| new < expiry);
        Some(match is_earlier {
            Some((_, expires)) => with_expiry(self.identity, expires),
            None => self.identity,
        })
    }

    /// Returns the identity, for want of another, if it may be valid.
    pub(super) fn for_want_of_another(self, now: LoadedAt) -> Option<Identity> {
        let may_be_valid = self.lifetime.may_be_valid(now.now, now.mono);
        may_be_valid.then_some(self.identity)
    }
}

/// Returns credentials with another expiry, and any other identity as it is.
pub(super) fn with_expiry(identity: Identity, expiry: SystemTime) -> Identity {
    let Some(credentials) = identity.data::<Credentials>() else {
        return identity;
    };
    let mut credentials = credentials.clone();
    *credentials.expiry_mut() = Some(expiry);
    credentials.into()
}

/// From then on the SDK's cache decides when to ask again: 10 seconds before, give or
/// take its jitter.
const EXPIRES_SOON: Duration = Duration::from_secs(20);
/// The SDK's default.
const WITHOUT_EXPIRY: Duration = Duration::from_secs(15 * 60);
