//! Credentials that are valid and cannot be loaded again while the correction changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_clock_skew::LocalClock;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sqs::config::IdentityCache;

use crate::clients::{Integration, SDK_AND_ALL, config, head, receive, s3_of, sqs_of};
use crate::site::QUEUE;
use crate::wire::{Answer, Fate, Manner, Wire};
use crate::world::{HOUR, MINUTE, World, minutes};

const AWS: &str = "https://sqs.us-east-1.amazonaws.com";

/// A provider of sessions that is available at some times only.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) world: World,
    pub(crate) lifetime: Duration,
    /// Whether it is available, after this many loads and this much time.
    pub(crate) answers: fn(usize, Duration) -> bool,
    /// Each session has its own access key, with this prefix.
    pub(crate) key: String,
    pub(crate) loads: Arc<AtomicUsize>,
}

impl Role {
    pub(crate) fn new(
        world: &World,
        lifetime: Duration,
        answers: fn(usize, Duration) -> bool,
    ) -> Self {
        Self {
            world: world.clone(),
            lifetime,
            answers,
            key: "ASIA".to_owned(),
            loads: Arc::default(),
        }
    }

    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::Relaxed)
    }
}

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let load = self.loads.fetch_add(1, Ordering::Relaxed);
        if !(self.answers)(load, self.world.machine.monotonic()) {
            let error = CredentialsError::provider_error("it is not available now");
            return future::ProvideCredentials::ready(Err(error));
        }
        let key = format!("{}{load}", self.key);
        let end = Some(self.world.true_time() + self.lifetime);
        let session = Credentials::new(key, "secret", Some("token".to_owned()), end, "role");
        future::ProvideCredentials::ready(Ok(session))
    }
}

/// The config of a client of `role`, without the crate, with its own identity cache.
fn config_with(wire: &Wire, role: &Role, url: &str) -> SdkConfig {
    config(url)
        .into_builder()
        .http_client(wire.clone())
        .credentials_provider(SharedCredentialsProvider::new(role.clone()))
        .identity_cache(IdentityCache::lazy().build())
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
        .time_source(role.world.clone())
        .build()
}

const fn once(loads: usize, _: Duration) -> bool {
    loads == 0
}

/// STS throttles from the second minute to the fourteenth.
const fn throttled(_: usize, since_boot: Duration) -> bool {
    let seconds = since_boot.as_secs();
    seconds < 120 || seconds >= 840
}

/// How many of twenty calls, a minute apart, fail. The local clock is `skew` seconds ahead, and
/// from the sixth call on `later`.
async fn lost(
    integration: Option<Integration>,
    answers: fn(usize, Duration) -> bool,
    skew: i64,
    later: i64,
) -> usize {
    let world = World::with_skew(skew);
    let wire = Wire::new(&world, minutes(5));
    let role = Role::new(&world, minutes(12 * 60), answers);
    let clock = world.skew_clock();
    let sqs = sqs_of(integration, &config_with(&wire, &role, AWS), &clock);
    let mut lost = 0;
    for call in 0..20 {
        if call == 5 {
            world.set_skew(later);
        }
        lost += usize::from(receive(&sqs, QUEUE).await.is_err());
        world.advance(minutes(1));
    }
    lost
}

const fn twice(loads: usize, _: Duration) -> bool {
    loads < 2
}

/// Then they look like credentials that the IMDS provider has extended.
#[tokio::test]
async fn credentials_that_end_ten_minutes_after_a_wrong_local_time_outlive_its_repair() {
    let skew = 12 * HOUR - 10 * MINUTE;
    assert_eq!(lost(None, twice, skew, 0).await, 1);
    for integration in Integration::ALL {
        let lost = lost(Some(integration), twice, skew, 0).await;
        assert_eq!(lost, 0, "{integration:?}");
    }
}

#[tokio::test]
async fn credentials_that_load_only_once_outlive_every_change_of_the_clock() {
    let skews = [-20 * MINUTE, 20 * MINUTE];
    let changes = skews.map(|skew| [(0, skew), (skew, skew), (skew, 0)]);
    for (skew, later) in changes.into_iter().flatten() {
        for answers in [once, throttled] as [fn(usize, Duration) -> bool; 2] {
            for integration in SDK_AND_ALL {
                let lost = lost(integration, answers, skew, later).await;
                // The SDK alone loses the first call after a repair.
                let expected = usize::from(integration.is_none() && later == 0);
                assert_eq!(
                    lost, expected,
                    "{integration:?}, {skew} s ahead, then {later}"
                );
            }
        }
    }
    // A clock so far ahead shows them as expired from the start.
    for (skew, later, of_sdk) in [(13 * HOUR, 13 * HOUR, 20), (0, 13 * HOUR, 15)] {
        assert_eq!(lost(None, once, skew, later).await, of_sdk);
        for integration in Integration::ALL {
            assert_eq!(
                lost(Some(integration), once, skew, later).await,
                0,
                "{integration:?}, {skew} s"
            );
        }
    }
}

/// S3 tolerates six minutes, so it rejects no request for its time.
#[tokio::test]
async fn a_denial_on_a_tolerated_clock_costs_no_credentials() {
    for integration in SDK_AND_ALL {
        let world = World::with_skew(-6 * MINUTE);
        let wire = Wire::with_manner(&world, minutes(15), Manner::Silently);
        let role = Role::new(&world, minutes(12 * 60), once);
        let config = config_with(&wire, &role, "https://s3.us-east-1.amazonaws.com");
        let s3 = s3_of(integration, &config, &world.skew_clock());
        let mut lost = 0;
        for call in 0..20 {
            if call == 3 {
                let denied = Fate::answered(Answer::empty_403(world.true_time()));
                wire.plan(vec![denied; 3]);
            }
            lost += usize::from(head(&s3).await.is_err());
            wire.forget_plans();
            world.advance(minutes(1));
        }
        assert_eq!((lost, wire.rejected()), (1, 0), "{integration:?}");
    }
}

/// A wall clock that is set wrong and repaired in turn, every ten seconds for an hour.
#[tokio::test]
async fn a_clock_that_alternates_multiplies_no_loads_of_credentials() {
    for skew in [-20 * MINUTE, 20 * MINUTE] {
        for integration in SDK_AND_ALL {
            let world = World::with_skew(0);
            let wire = Wire::new(&world, minutes(5));
            let role = Role::new(&world, minutes(12 * 60), |_, _| true);
            let sqs = sqs_of(
                integration,
                &config_with(&wire, &role, AWS),
                &world.skew_clock(),
            );
            let mut lost = 0;
            for call in 0..360 {
                world.set_skew(if call % 2 == 0 { 0 } else { skew });
                lost += usize::from(receive(&sqs, QUEUE).await.is_err());
                world.advance(Duration::from_secs(10));
            }
            // The SDK alone loses every call after a change except the first.
            let expected = if integration.is_some() {
                (0, 1)
            } else {
                (179, 1)
            };
            assert_eq!(
                (lost, role.loads()),
                expected,
                "{integration:?}, {skew} s ahead"
            );
        }
    }
}
