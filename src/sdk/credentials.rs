//! [`ClientCredentials`]: the credentials of a client whose requests our HTTP client
//! re-signs.

use std::sync::LazyLock;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_runtime::auth::sigv4::SCHEME_ID;
use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_async::time::StaticTimeSource;
use aws_smithy_runtime::client::identity::no_auth::NoAuthIdentityResolver;
use aws_smithy_runtime_api::client::identity::{
    ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::{GetIdentityResolver, RuntimeComponents};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

use super::components::minimal_components;
use super::retry_classifier::is_classifier_first;

/// The components of one client that return its credentials.
#[derive(Clone, Debug)]
pub(super) struct ClientCredentials {
    cache: SharedIdentityCache,
    /// `None` for the only provider that our identity cache has been asked about.
    resolver: Option<SharedIdentityResolver>,
    pub(super) sleep: Option<SharedAsyncSleep>,
}

impl ClientCredentials {
    pub(super) fn of(components: &RuntimeComponents) -> Self {
        // With our retry classifier, a client re-signs its requests itself, and only the
        // client that S3 makes of it for the sessions of S3 Express needs credentials here.
        // To look up the resolver would cost more than the rest.
        let is_looked_up = !is_classifier_first(components);
        Self {
            cache: components.identity_cache(),
            // Not the resolver of "sigv4-s3express", which panics without the operation's
            // config.
            resolver: is_looked_up
                .then(|| components.identity_resolver(SCHEME_ID))
                .flatten(),
            sleep: components.sleep_impl(),
        }
    }

    /// Returns credentials that are valid at the time `at`.
    pub(super) async fn valid_at(&self, at: SystemTime) -> Option<Credentials> {
        let resolver = self.resolver.as_ref().unwrap_or(&ONLY_PROVIDER).clone();
        let components = minimal_components(StaticTimeSource::new(at), self.sleep.clone()).ok()?;
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

/// Stands for the only provider that an identity cache of ours has been asked about. All
/// other identity caches find no credentials with it.
pub(super) static ONLY_PROVIDER: LazyLock<SharedIdentityResolver> =
    LazyLock::new(|| SharedIdentityResolver::new(NoAuthIdentityResolver::new()));

/// In the config of a request for credentials: the time at which they have to be valid, which
/// may be that of a single host.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValidAt(pub(super) SystemTime);

impl Storable for ValidAt {
    type Storer = StoreReplace<Self>;
}
