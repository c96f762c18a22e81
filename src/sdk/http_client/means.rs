//! [`Means`]: what a client signs with.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_runtime::auth::sigv4::SigV4AuthScheme;
use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_async::time::{SharedTimeSource, StaticTimeSource};
use aws_smithy_runtime_api::client::auth::{AuthSchemeId, SharedAuthSchemeOptionResolver};
use aws_smithy_runtime_api::client::endpoint::SharedEndpointResolver;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::identity::{
    ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::retries::SharedRetryStrategy;
use aws_smithy_runtime_api::client::runtime_components::{
    GetIdentityResolver, RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_types::config_bag::ConfigBag;

/// The components of a client that its identity resolver can make use of, to be put
/// together again when it is asked: a copy of all of them costs more than all else that this
/// HTTP client does.
#[derive(Debug)]
pub(super) struct Means {
    /// `None` if the client does not sign with SigV4.
    resolver: Option<SharedIdentityResolver>,
    cache: SharedIdentityCache,
    options: SharedAuthSchemeOptionResolver,
    endpoints: SharedEndpointResolver,
    retries: SharedRetryStrategy,
    sleep: Option<SharedAsyncSleep>,
    http_client: Option<SharedHttpClient>,
}

impl Means {
    pub(super) fn of(components: &RuntimeComponents) -> Self {
        Self {
            // Never that of "sigv4-s3express": it panics without the operation's
            // config.
            resolver: components.identity_resolver(SIGV4),
            cache: components.identity_cache(),
            options: components.auth_scheme_option_resolver(),
            endpoints: components.endpoint_resolver(),
            retries: components.retry_strategy(),
            sleep: components.sleep_impl(),
            http_client: components.http_client(),
        }
    }

    /// Returns the client's credentials that are valid at a time.
    pub(super) async fn credentials(&self, at: SystemTime) -> Option<Credentials> {
        let resolver = self.resolver.clone()?;
        let components = self.components(&resolver, at)?;
        let cfg = ConfigBag::base();
        let identity = self
            .cache
            .resolve_cached_identity(resolver, &components, &cfg)
            .await
            .ok()?;
        identity.data::<Credentials>().cloned()
    }

    pub(super) fn sleep(&self) -> Option<SharedAsyncSleep> {
        self.sleep.clone()
    }

    fn components(
        &self,
        resolver: &SharedIdentityResolver,
        at: SystemTime,
    ) -> Option<RuntimeComponents> {
        RuntimeComponentsBuilder::new("aws-clock-skew")
            .with_auth_scheme(SigV4AuthScheme::new())
            .with_identity_resolver(SIGV4, resolver.clone())
            .with_identity_cache(Some(self.cache.clone()))
            .with_auth_scheme_option_resolver(Some(self.options.clone()))
            .with_endpoint_resolver(Some(self.endpoints.clone()))
            .with_retry_strategy(Some(self.retries.clone()))
            .with_time_source(Some(SharedTimeSource::new(StaticTimeSource::new(at))))
            .with_sleep_impl(self.sleep.clone())
            .with_http_client(self.http_client.clone())
            .build()
            .ok()
    }
}

const SIGV4: AuthSchemeId = AuthSchemeId::new("sigv4");
