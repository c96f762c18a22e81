//! [`SkewIdentityCache`]: credentials judged by the clock that is known now.

use std::sync::{Arc, PoisonError, RwLock};

use aws_credential_types::Credentials;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityCacheLocation, IdentityCachePartition, IdentityFuture, ResolveCachedIdentity,
    ResolveIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::{
    RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_runtime_api::shared::IntoShared;
use aws_smithy_types::config_bag::ConfigBag;

use crate::clock::SkewClock;
use crate::recent::RecentCredentials;

/// An identity cache that is emptied whenever the clock moves.
///
/// The SDK's own cache keeps what it judged by the wrong clock: on a machine that
/// is ahead it would load credentials anew at every call, on one that is behind
/// it would sign with expired ones. Made by [`SkewClock::identity_cache`].
#[derive(Debug)]
pub struct SkewIdentityCache {
    clock: SkewClock,
    /// Until the clock moves for the first time, which on most machines is always.
    first: (u64, SharedIdentityCache),
    current: RwLock<(u64, SharedIdentityCache)>,
    recent: Arc<RecentCredentials>,
}

impl SkewClock {
    /// Returns an identity cache for the client, or clients, of one config; it
    /// starts out as the SDK's own, with its default settings.
    pub fn identity_cache(&self) -> SkewIdentityCache {
        let first = (self.epoch(), fresh());
        SkewIdentityCache {
            clock: self.clone(),
            first: first.clone(),
            current: RwLock::new(first),
            recent: self.attachment(),
        }
    }
}

impl SkewIdentityCache {
    fn of_epoch(&self, epoch: u64) -> SharedIdentityCache {
        {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            if current.0 >= epoch {
                return current.1.clone();
            }
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        // Another call may have come with a later epoch; it is not to be undone.
        if current.0 < epoch {
            *current = (epoch, fresh());
        }
        current.1.clone()
    }
}

impl ResolveCachedIdentity for SkewIdentityCache {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let resolver = SharedIdentityResolver::new(Remembering {
            inner: resolver,
            recent: self.recent.clone(),
        });
        let epoch = self.clock.epoch();
        let (born, first) = &self.first;
        if epoch == *born {
            return first.resolve_cached_identity(resolver, runtime_components, config_bag);
        }
        let cache = self.of_epoch(epoch);
        IdentityFuture::new(async move {
            cache
                .resolve_cached_identity(resolver, runtime_components, config_bag)
                .await
        })
    }

    fn validate_base_client_config(
        &self,
        runtime_components: &RuntimeComponentsBuilder,
        cfg: &ConfigBag,
    ) -> Result<(), BoxError> {
        let (_, first) = &self.first;
        first.validate_base_client_config(runtime_components, cfg)
    }

    fn validate_final_config(
        &self,
        runtime_components: &RuntimeComponents,
        cfg: &ConfigBag,
    ) -> Result<(), BoxError> {
        let (_, first) = &self.first;
        first.validate_final_config(runtime_components, cfg)
    }
}

/// Takes note of all credentials that are loaded.
#[derive(Debug)]
struct Remembering {
    inner: SharedIdentityResolver,
    recent: Arc<RecentCredentials>,
}

impl ResolveIdentity for Remembering {
    fn resolve_identity<'a>(
        &'a self,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(async move {
            let identity = self
                .inner
                .resolve_identity(runtime_components, config_bag)
                .await?;
            if let Some(credentials) = identity.data::<Credentials>() {
                self.recent.remember(credentials);
            }
            Ok(identity)
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Identity> {
        self.inner.fallback_on_interrupt()
    }

    fn cache_location(&self) -> IdentityCacheLocation {
        self.inner.cache_location()
    }

    fn cache_partition(&self) -> Option<IdentityCachePartition> {
        Some(self.inner.cache_partition())
    }
}

fn fresh() -> SharedIdentityCache {
    IdentityCache::lazy().build().into_shared()
}
