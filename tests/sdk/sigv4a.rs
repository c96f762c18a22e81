//! SigV4a: S3 multi-region access points.

use aws_clock_skew::{SkewClock, install};
use aws_sdk_s3::config::Builder;
use tokio::task::JoinSet;

use crate::clients::{Integration, config_on, error_text};
use crate::log::Log;
use crate::tap::Tap;
use crate::wire::{Manner, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes};

pub(crate) const MRAP: &str = "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap";

/// A machine with a client of a multi-region access point.
struct Site {
    wire: Wire,
    tap: Tap,
    world: World,
    s3: aws_sdk_s3::Client,
}

impl Site {
    /// `None` is the SDK alone.
    fn new(integration: Option<Integration>, skew: i64, manner: Manner) -> Self {
        Self::with(
            integration,
            skew,
            manner,
            |builder, clock| match integration {
                Some(integration) if integration.installs() => install!(builder, clock),
                _ => builder,
            },
        )
    }

    fn with(
        integration: Option<Integration>,
        skew: i64,
        manner: Manner,
        install: impl Fn(Builder, &SkewClock) -> Builder,
    ) -> Self {
        let world = World::with_skew(skew);
        let wire = Wire::with_manner(&world, minutes(15), manner);
        let tap = Tap::new(wire.clone());
        let clock = world.skew_clock();
        let mut config = config_on(&wire, "https://unused")
            .into_builder()
            .http_client(tap.clone())
            .time_source(world.clone());
        config.set_endpoint_url(None);
        let config = config.build();
        let mut retried = integration.map_or(config.clone(), |integration| {
            integration.config(&config, &clock)
        });
        if cfg!(not(feature = "sigv4a")) {
            // Only the SDK can re-sign these requests, and needs retries for it.
            let retries = config.retry_config().cloned();
            let mut builder = retried.into_builder();
            builder.set_retry_config(retries);
            retried = builder.build();
        }
        let config = retried;
        let builder = install(Builder::from(&config), &clock);
        Self {
            wire,
            tap,
            world,
            s3: aws_sdk_s3::Client::from_conf(builder.build()),
        }
    }

    async fn gets(&self) -> Result<(), String> {
        gets(self.s3.clone()).await
    }

    /// How many of `calls` calls in a row fail.
    async fn failed(&self, calls: usize) -> usize {
        let mut failed = 0;
        for _ in 0..calls {
            failed += usize::from(self.gets().await.is_err());
        }
        failed
    }

    /// How many of `calls` calls at once fail.
    async fn failed_in_flight(&self, calls: usize) -> usize {
        self.wire.hold(calls);
        let mut sent = JoinSet::new();
        for _ in 0..calls {
            sent.spawn(gets(self.s3.clone()));
        }
        let sent = sent.join_all().await;
        sent.iter().filter(|call| call.is_err()).count()
    }

    #[track_caller]
    fn has_signed_with_sigv4a(&self) {
        for sent in self.tap.sent() {
            let signature = sent.header("authorization").unwrap_or_default();
            assert!(
                signature.starts_with("AWS4-ECDSA-P256-SHA256"),
                "{signature}"
            );
            assert_eq!(sent.header("x-amz-region-set"), Some("*"));
        }
    }
}

async fn gets(s3: aws_sdk_s3::Client) -> Result<(), String> {
    let found = s3.get_object().bucket(MRAP).key("k").send().await;
    found.map(drop).map_err(error_text)
}

const MANNERS: [Manner; 3] = [Manner::InFields, Manner::ByCode, Manner::Silently];

#[cfg_attr(not(feature = "sigv4a"), ignore = "needs the feature")]
#[tokio::test]
async fn a_multi_region_access_point_costs_one_rejection_and_no_call() {
    for integration in Integration::ALL {
        for manner in MANNERS {
            for skew in [-2 * DAY, -2 * HOUR, -20 * MINUTE, 9 * HOUR] {
                let log = Log::start();
                let site = Site::new(Some(integration), skew, manner);
                assert_eq!(site.failed(5).await, 0, "{integration:?} {manner:?} {skew}");
                let seen = site.wire.seen();
                assert_eq!(
                    seen,
                    [false, true, true, true, true, true],
                    "{integration:?}"
                );
                assert_eq!(log.names(), ["skew_detected"]);
                site.has_signed_with_sigv4a();
            }
        }
    }
}

/// The client has all parts but the auth scheme for SigV4a.
#[cfg_attr(not(feature = "sigv4a"), ignore = "needs the feature")]
#[tokio::test]
async fn the_http_client_re_signs_for_a_client_without_the_auth_scheme() {
    let log = Log::start();
    let both = Some(Integration::Both);
    let site = Site::with(both, -2 * HOUR, Manner::InFields, |builder, clock| {
        builder
            .push_auth_scheme(clock.auth_scheme())
            .retry_classifier(clock.retry_classifier())
            .identity_cache(clock.identity_cache())
            .interceptor(clock.interceptor())
    });
    assert_eq!(site.failed(3).await, 0);
    assert_eq!(site.wire.seen(), [false, true, true, true]);
    assert_eq!(log.names(), ["skew_detected"]);
    site.has_signed_with_sigv4a();
}

#[cfg_attr(not(feature = "sigv4a"), ignore = "needs the feature")]
#[tokio::test]
async fn none_of_fifty_requests_in_flight_to_a_multi_region_access_point_fails() {
    for integration in Integration::ALL {
        for skew in [-2 * HOUR, 9 * HOUR] {
            let site = Site::new(Some(integration), skew, Manner::InFields);
            let failed = site.failed_in_flight(50).await;
            assert_eq!(
                (failed, site.wire.rejected()),
                (0, 50),
                "{integration:?} {skew}"
            );
            assert_eq!(site.failed(5).await, 0);
            assert_eq!(site.wire.rejected(), 50, "{integration:?} {skew}");
        }
    }
}

/// The local clock is set while a client works, and the correction follows.
#[tokio::test]
async fn no_integration_loses_more_calls_to_a_multi_region_access_point_than_the_sdk_alone() {
    for manner in MANNERS {
        let mut failed = Vec::new();
        for integration in [None].into_iter().chain(Integration::ALL.map(Some)) {
            let site = Site::new(integration, 0, manner);
            let mut all = 0;
            for skew in [-2 * HOUR, 0, 9 * HOUR, 0] {
                site.world.set_skew(skew);
                all += site.failed(3).await;
                all += site.failed_in_flight(20).await;
            }
            failed.push(all);
        }
        let (alone, ours) = failed.split_first().expect("one each");
        let limit = if cfg!(feature = "sigv4a") { 0 } else { *alone };
        assert!(
            ours.iter().all(|ours| *ours <= limit),
            "{manner:?}: {failed:?}"
        );
    }
}
