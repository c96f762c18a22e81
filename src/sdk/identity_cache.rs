//! [`SkewIdentityCache`]: credentials judged by the clock that is known now.

use std::sync::{Arc, PoisonError, RwLock};

use aws_credential_types::Credentials;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
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
    current: RwLock<(u64, SharedIdentityCache)>,
    recent: Arc<RecentCredentials>,
}

impl SkewClock {
    /// Returns an identity cache for the client, or clients, of one config; it
    /// starts out as the SDK's own, with its default settings.
    pub fn identity_cache(&self) -> SkewIdentityCache {
        SkewIdentityCache {
            clock: self.clone(),
            current: RwLock::new((self.epoch(), fresh())),
            recent: self.attachment(),
        }
    }
}

impl SkewIdentityCache {
    fn current(&self) -> SharedIdentityCache {
        let epoch = self.clock.epoch();
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
        let cache = self.current();
        IdentityFuture::new(async move {
            let identity = cache
                .resolve_cached_identity(resolver, runtime_components, config_bag)
                .await?;
            if let Some(credentials) = identity.data::<Credentials>() {
                self.recent.remember(credentials);
            }
            Ok(identity)
        })
    }

    fn validate_base_client_config(
        &self,
        runtime_components: &RuntimeComponentsBuilder,
        cfg: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.current()
            .validate_base_client_config(runtime_components, cfg)
    }

    fn validate_final_config(
        &self,
        runtime_components: &RuntimeComponents,
        cfg: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.current()
            .validate_final_config(runtime_components, cfg)
    }
}

fn fresh() -> SharedIdentityCache {
    IdentityCache::lazy().build().into_shared()
}
