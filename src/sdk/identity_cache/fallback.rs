//! [`WithFallback`]: a resolver that falls back to the last valid credentials.

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityCacheLocation, IdentityCachePartition, IdentityFuture, ResolveIdentity,
    SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::loaded::Loaded;
use crate::clock::SkewClock;
use crate::lifetime::{AfterLoad, Clocks};

/// A resolver that asks a provider for credentials, and falls back to the last valid ones.
#[derive(Debug)]
pub(super) struct WithFallback {
    pub(super) inner: SharedIdentityResolver,
    pub(super) clock: SkewClock,
    pub(super) loaded: Arc<Loaded>,
}

impl ResolveIdentity for WithFallback {
    fn resolve_identity<'a>(
        &'a self,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(async move {
            let clocks = self.clock.clocks();
            // The time source of the cache that asks; its time may be that of another
            // generation, or of a single host.
            let time_source = runtime_components.time_source();
            let now = time_source.map_or(clocks.now, |time_source| time_source.now());
            let partition = self.inner.cache_partition();
            if let Some(known) = self.loaded.present(&partition, Clocks { now, ..clocks }) {
                return Ok(known);
            }
            let _after = AfterLoad(|| self.loaded.settle(&partition, clocks.generation));
            let loaded = self
                .inner
                .resolve_identity(runtime_components, config_bag)
                .await;
            match loaded {
                Ok(identity) => Ok(self.keep(identity, clocks)),
                Err(error) => self.last_valid().ok_or(error),
            }
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Identity> {
        let fallback = self.inner.fallback_on_interrupt();
        fallback.or_else(|| self.last_valid())
    }

    fn cache_location(&self) -> IdentityCacheLocation {
        self.inner.cache_location()
    }

    fn cache_partition(&self) -> Option<IdentityCachePartition> {
        Some(self.inner.cache_partition())
    }
}

impl WithFallback {
    /// Stores an identity that was just loaded. The previous one is kept for requests in
    /// flight, which may be signed with it.
    fn keep(&self, mut identity: Identity, clocks: Clocks) -> Identity {
        let stated = identity.expiration();
        if let Some(expiry) = self.clock.corrected_expiry(stated)
            && let Some(credentials) = identity.data::<Credentials>()
        {
            let mut credentials = credentials.clone();
            *credentials.expiry_mut() = Some(expiry);
            identity = credentials.into();
        }
        let partition = self.inner.cache_partition();
        let loaded = &self.loaded;
        if let Some(previous) = loaded.replace(partition, identity.clone(), stated, clocks)
            && let Some(previous) = previous.data::<Credentials>()
        {
            let mono = self.clock.reading().monotonic;
            self.clock.recent_credentials().remember(previous, mono);
        }
        identity
    }

    fn last_valid(&self) -> Option<Identity> {
        let partition = self.inner.cache_partition();
        self.loaded.last(&partition, self.clock.clocks())
    }
}
