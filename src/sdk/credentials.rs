//! [`ClientCredentials`]: the credentials of a client whose requests our HTTP client
//! re-signs.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_runtime::auth::sigv4::SCHEME_ID;
use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_async::time::StaticTimeSource;
use aws_smithy_runtime_api::client::identity::{
    ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::{GetIdentityResolver, RuntimeComponents};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

use super::components::minimal_components;

/// The components of one client that return its credentials.
#[derive(Clone, Debug)]
pub(super) struct ClientCredentials {
    cache: SharedIdentityCache,
    resolver: Option<SharedIdentityResolver>,
}

impl ClientCredentials {
    pub(super) fn of(components: &RuntimeComponents) -> Self {
        Self {
            cache: components.identity_cache(),
            // Not the resolver of "sigv4-s3express", which panics without the operation's
            // config.
            resolver: components.identity_resolver(SCHEME_ID),
        }
    }

    /// Returns credentials that are valid at the time `at`. `sleep` limits how long it takes
    /// to load them.
    pub(super) async fn valid_at(
        &self,
        at: SystemTime,
        sleep: Option<SharedAsyncSleep>,
    ) -> Option<Credentials> {
        let resolver = self.resolver.clone()?;
        let components = minimal_components(StaticTimeSource::new(at), sleep).ok()?;
        let mut cfg = ConfigBag::base();
        // Our identity cache needs it: it judges by the clock, whatever the time source is.
        cfg.interceptor_state().store_put(ValidAt(at));
        let identity = self
            .cache
            .resolve_cached_identity(resolver, &components, &cfg)
            .await
            .ok()?;
        identity.data::<Credentials>().cloned()
    }
}

/// In the config of a request for credentials: the time at which they have to be valid, which
/// may be that of a single host.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValidAt(pub(super) SystemTime);

impl Storable for ValidAt {
    type Storer = StoreReplace<Self>;
}
