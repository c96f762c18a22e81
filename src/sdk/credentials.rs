//! [`ClientCredentials`]: the credentials of one client, for requests that are re-signed
//! outside the SDK's signer.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_async::time::{SharedTimeSource, StaticTimeSource, TimeSource};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::orchestrator::endpoints::StaticUriEndpointResolver;
use aws_smithy_runtime::client::retries::strategy::NeverRetryStrategy;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::identity::{
    IdentityCachePartition, IdentityFuture, ResolveCachedIdentity, ResolveIdentity,
    SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::{
    GetIdentityResolver, RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

/// The components of one client that return its credentials.
#[derive(Clone, Debug)]
pub(super) struct ClientCredentials {
    cache: SharedIdentityCache,
    provider: Provider,
    pub(super) sleep: Option<SharedAsyncSleep>,
}

#[derive(Clone, Debug)]
enum Provider {
    /// The provider that this client has looked up. `None` if it does not sign with SigV4.
    OfClient(Option<SharedIdentityResolver>),
    /// The only provider of the program, which the client's [`SkewIdentityCache`] knows.
    ///
    /// [`SkewIdentityCache`]: super::SkewIdentityCache
    Only(IdentityCachePartition),
}

impl ClientCredentials {
    pub(super) fn of(components: &RuntimeComponents) -> Self {
        Self {
            cache: components.identity_cache(),
            provider: match PROVIDERS.only() {
                Some(partition) => Provider::Only(partition),
                // Not the resolver of "sigv4-s3express", which panics without the
                // operation's config.
                None => Provider::OfClient(components.identity_resolver(SCHEME_ID)),
            },
            sleep: components.sleep_impl(),
        }
    }

    /// Returns credentials that are valid at the time `at`.
    pub(super) async fn valid_at(&self, at: SystemTime) -> Option<Credentials> {
        let resolver = match &self.provider {
            Provider::OfClient(resolver) => resolver.clone()?,
            Provider::Only(partition) => SharedIdentityResolver::new(Unknown(Some(*partition))),
        };
        let components = components(StaticTimeSource::new(at), self.sleep.clone())?;
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

/// Returns components for a call of the SDK's identity cache or signer, which use only
/// these two.
pub(super) fn components(
    time_source: impl TimeSource + 'static,
    sleep: Option<SharedAsyncSleep>,
) -> Option<RuntimeComponents> {
    RuntimeComponentsBuilder::new("aws-clock-skew")
        .with_time_source(Some(SharedTimeSource::new(time_source)))
        .with_sleep_impl(sleep)
        .with_auth_scheme(SigV4AuthScheme::new())
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(Vec::new())))
        .with_endpoint_resolver(Some(StaticUriEndpointResolver::http_localhost(0)))
        .with_identity_cache(Some(IdentityCache::no_cache()))
        .with_identity_resolver(SCHEME_ID, Unknown(None))
        .with_retry_strategy(Some(NeverRetryStrategy::new()))
        .build()
        .ok()
}

/// In the config of a request for credentials: the time at which they have to be valid, which
/// may be that of a single host.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValidAt(pub(super) SystemTime);

impl Storable for ValidAt {
    type Storer = StoreReplace<Self>;
}

/// Stands for a credentials provider in a call of an identity cache that knows it.
#[derive(Debug)]
struct Unknown(Option<IdentityCachePartition>);

impl ResolveIdentity for Unknown {
    fn resolve_identity<'a>(
        &'a self,
        _components: &'a RuntimeComponents,
        _cfg: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::ready(Err("the identity cache does not know the provider".into()))
    }

    fn cache_partition(&self) -> Option<IdentityCachePartition> {
        self.0
    }
}

/// The credentials providers that the program's identity caches are called with.
pub(super) static PROVIDERS: Providers = Providers::new();

/// Whether there is only one credentials provider. Then a request need not look up that of
/// its client, which costs more than the rest of [`ClientCredentials`], and is in vain unless
/// the request is rejected.
#[derive(Debug)]
pub(super) struct Providers {
    first: OnceLock<IdentityCachePartition>,
    has_others: AtomicBool,
}

impl Providers {
    const fn new() -> Self {
        Self {
            first: OnceLock::new(),
            has_others: AtomicBool::new(false),
        }
    }

    /// Records a provider that a [`SkewIdentityCache`](super::SkewIdentityCache) is called
    /// with for the first time.
    pub(super) fn add(&self, partition: IdentityCachePartition) {
        if *self.first.get_or_init(|| partition) != partition {
            self.add_unknown();
        }
    }

    /// Records a client with another kind of identity cache.
    pub(super) fn add_unknown(&self) {
        self.has_others.store(true, Ordering::Relaxed);
    }

    fn only(&self) -> Option<IdentityCachePartition> {
        let first = self.first.get().copied();
        first.filter(|_| !self.has_others.load(Ordering::Relaxed))
    }
}
