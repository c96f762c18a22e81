//! [`minimal_components`]: components for a call of one part of the SDK.

use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime::client::auth::no_auth::{NO_AUTH_SCHEME_ID, NoAuthScheme};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::identity::no_auth::NoAuthIdentityResolver;
use aws_smithy_runtime::client::orchestrator::endpoints::StaticUriEndpointResolver;
use aws_smithy_runtime::client::retries::strategy::NeverRetryStrategy;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::runtime_components::{
    BuildError, RuntimeComponents, RuntimeComponentsBuilder,
};

/// Returns components with a time source, a sleep implementation, and whatever else the SDK
/// requires. Its signer, its identity cache and an HTTP client use only these two.
///
/// # Errors
///
/// Returns an error if the version of the SDK requires components that this crate does not
/// know.
pub(crate) fn minimal_components(
    time_source: impl TimeSource + 'static,
    sleep: Option<SharedAsyncSleep>,
) -> Result<RuntimeComponents, BuildError> {
    RuntimeComponentsBuilder::new("aws-clock-skew")
        .with_time_source(Some(SharedTimeSource::new(time_source)))
        .with_sleep_impl(sleep)
        .with_auth_scheme(NoAuthScheme::default())
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![
            NO_AUTH_SCHEME_ID,
        ])))
        .with_identity_cache(Some(IdentityCache::no_cache()))
        .with_identity_resolver(NO_AUTH_SCHEME_ID, NoAuthIdentityResolver::new())
        .with_endpoint_resolver(Some(StaticUriEndpointResolver::uri("http://localhost")))
        .with_retry_strategy(Some(NeverRetryStrategy::new()))
        .build()
}
