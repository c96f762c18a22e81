//! [`SkewIdentityCache`]: an identity cache that judges expiry by the corrected clock.

mod fallback;
mod loaded;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use aws_smithy_async::time::{SharedTimeSource, StaticTimeSource};
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
use crate::event::{Details, Missing};
use crate::lifetime::Clocks;
use crate::sdk::credentials::ValidAt;
use crate::sdk::interceptor;
use crate::sdk::operation::OperationState;
use fallback::WithFallback;
use loaded::{EXPIRES_SOON, Loaded};

/// Identity cache that judges the expiry of credentials by the corrected clock.
///
/// On a machine whose clock is ahead, the SDK's own cache would load credentials at every
/// call; on one whose clock is behind, it would sign with expired ones. When a correction
/// shows that credentials were loaded by a wrong clock, this cache asks the provider again.
/// If the provider fails, it keeps using the credentials that it has, as long as they may
/// be valid.
///
/// [`SkewClock::identity_cache`] returns it.
#[derive(Debug)]
pub struct SkewIdentityCache {
    clock: SkewClock,
    /// The cache in use until the clock changes for the first time. On most machines it
    /// never does.
    first: (u64, SharedIdentityCache),
    current: Mutex<(u64, SharedIdentityCache)>,
    loaded: Arc<Loaded>,
    /// The first resolver, wrapped for the caches. Most clients have only one, and look it
    /// up at every call.
    wrapped: OnceLock<SharedIdentityResolver>,
}

impl SkewClock {
    /// Returns an identity cache that judges the expiry of credentials by the corrected
    /// clock, for all clients of one config.
    ///
    /// While there is no correction, it behaves as the SDK's own cache with default
    /// settings.
    ///
    /// ```no_run
    /// # fn wire(config: &aws_config::SdkConfig, clock: &aws_clock_skew::SkewClock) {
    /// let builder = aws_sdk_sqs::config::Builder::from(config)
    ///     .identity_cache(clock.identity_cache());
    /// # }
    /// ```
    pub fn identity_cache(&self) -> SkewIdentityCache {
        let cache = IdentityCache::lazy().build().into_shared();
        let first = (self.generation(), cache);
        SkewIdentityCache {
            clock: self.clone(),
            first: first.clone(),
            current: Mutex::new(first),
            loaded: Arc::default(),
            wrapped: OnceLock::new(),
        }
    }
}

impl SkewIdentityCache {
    fn of_generation(&self, generation: u64) -> SharedIdentityCache {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have stored the cache of a later generation; keep that one.
        if current.0 < generation {
            let cache = IdentityCache::lazy().buffer_time(EXPIRES_SOON).build();
            *current = (generation, cache.into_shared());
        }
        current.1.clone()
    }

    /// Returns a resolver that falls back to the last valid identity that `resolver` has
    /// returned.
    fn with_fallback(&self, resolver: SharedIdentityResolver) -> SharedIdentityResolver {
        let wrap = |inner| {
            SharedIdentityResolver::new(WithFallback {
                inner,
                clock: self.clock.clone(),
                loaded: self.loaded.clone(),
            })
        };
        let first = self.wrapped.get_or_init(|| wrap(resolver.clone()));
        if first.cache_partition() == resolver.cache_partition() {
            first.clone()
        } else {
            wrap(resolver)
        }
    }

    /// Reports a client that has this cache and nothing that corrects its signatures. This
    /// happens if a client of a configured config is given another HTTP client. The type of
    /// an HTTP client shows only in its `Debug` text.
    fn report_if_alone(&self, components: &RuntimeComponentsBuilder) {
        let is_installed = interceptor::is_in(components);
        let is_behind = || format!("{:?}", components.http_client()).contains("SkewHttpClient");
        if !is_installed && !self.clock.is_observe_only() && !is_behind() {
            self.clock
                .report_missing(Missing::HttpClient, Details::default());
        }
    }

    /// Returns the time by which credentials are judged, and whether it is the fixed time
    /// of a resend to a host that has its own time. Returns `None` if the client's time
    /// source applies.
    fn judged_at(&self, cfg: &ConfigBag) -> Option<(SystemTime, bool)> {
        let clock = &self.clock;
        if !clock.is_correcting() {
            // Resends as well are signed with the local time then, which is the client's
            // time source.
            return None;
        }
        // Another time than the clock's is asked for only where a host has its own. Looking
        // into the config costs more than the rest of this function.
        if clock.has_host_times() {
            let asked_for = cfg.load::<ValidAt>().map(|ValidAt(time)| *time);
            let of_resend = || cfg.load::<OperationState>()?.resend_time(clock);
            if let Some(time) = asked_for.or_else(of_resend) {
                return Some((time, true));
            }
        }
        // Reading the clock can end the correction, so this comes before `is_corrected`.
        let now = clock.now();
        clock.is_corrected().then_some((now, false))
    }
}

impl ResolveCachedIdentity for SkewIdentityCache {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let (first_generation, first) = &self.first;
        let resolver = self.with_fallback(resolver);
        let judged_at = self.judged_at(config_bag);
        let generation = self.clock.generation();
        if (generation == *first_generation && judged_at.is_none()) || self.clock.is_observe_only()
        {
            return first.resolve_cached_identity(resolver, runtime_components, config_bag);
        }
        if let Some((now, _)) = judged_at
            && let Some(known) = self.loaded.present(
                &resolver.cache_partition(),
                Clocks {
                    now,
                    ..self.clock.clocks()
                },
            )
        {
            return IdentityFuture::ready(Ok(known));
        }
        let cache = self.of_generation(generation);
        let clock = self.clock.clone();
        IdentityFuture::new(async move {
            let time_source = match judged_at {
                None => {
                    return cache
                        .resolve_cached_identity(resolver, runtime_components, config_bag)
                        .await;
                }
                Some((time, true)) => SharedTimeSource::new(StaticTimeSource::new(time)),
                Some((_, false)) => SharedTimeSource::new(clock),
            };
            let components = runtime_components
                .to_builder()
                .with_time_source(Some(time_source))
                .build()?;
            cache
                .resolve_cached_identity(resolver, &components, config_bag)
                .await
        })
    }

    fn validate_base_client_config(
        &self,
        runtime_components: &RuntimeComponentsBuilder,
        cfg: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.report_if_alone(runtime_components);
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
