//! Credentials that expire, judged by a clock that changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use aws_clock_skew::{SkewClock, install};
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sqs::config::{Builder, IdentityCache};
use aws_smithy_async::time::SharedTimeSource;
use tokio::task::JoinSet;

use crate::clients::{config, receive, send};
use crate::wire::{Answer, Wire, http_date};
use crate::world::{DAY, HOUR, World, minutes};

const URL: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

/// A provider whose credentials expire by the true time.
#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    world: World,
    lifetime: Duration,
    says: StatedExpiry,
    loads: Arc<AtomicUsize>,
    access_key: Option<&'static str>,
}

/// What the provider says about the expiry.
#[derive(Clone, Debug)]
pub(crate) enum StatedExpiry {
    Truth,
    Nothing,
    /// The IMDS provider takes credentials that have expired by this clock for an outage, and
    /// extends them by fifteen minutes.
    Extends(SharedTimeSource),
}

impl Issuer {
    pub(crate) fn new(world: &World, hours: u64, says: StatedExpiry) -> Self {
        Self {
            world: world.clone(),
            lifetime: minutes(hours * 60),
            says,
            loads: Arc::default(),
            access_key: None,
        }
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::Relaxed)
    }

    fn issue(&self) -> Credentials {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let ends = self.world.true_time() + self.lifetime;
        let seconds = ends
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let said = match &self.says {
            StatedExpiry::Truth => Some(ends),
            StatedExpiry::Nothing => None,
            StatedExpiry::Extends(clock) if clock.now() >= ends => Some(clock.now() + minutes(15)),
            StatedExpiry::Extends(_) => Some(ends),
        };
        let key = self
            .access_key
            .map_or_else(|| format!("EXP{seconds}"), str::to_owned);
        Credentials::new(key, SECRET_ACCESS_KEY, None, said, "issuer")
    }
}

impl ProvideCredentials for Issuer {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        if self.access_key.is_none() {
            return future::ProvideCredentials::ready(Ok(self.issue()));
        }
        future::ProvideCredentials::new(async {
            // Long enough for other calls to ask in the meantime.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            Ok(self.issue())
        })
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Client {
    /// The clock is installed, with its identity cache.
    Whole,
    /// The clock is installed, with the SDK's identity cache.
    OwnCache,
    /// The HTTP client re-signs.
    Configured,
    /// The SDK alone.
    SdkAlone,
}

struct Site {
    world: World,
    wire: Wire,
    clock: SkewClock,
    issuer: Issuer,
    sqs: aws_sdk_sqs::Client,
}

impl Site {
    fn new(client: Client, skew: i64, issuer: fn(&World, &SkewClock) -> Issuer) -> Self {
        let world = World::with_skew(skew);
        let clock = world.skew_clock();
        let issuer = issuer(&world, &clock);
        Self::with(client, world, clock, issuer)
    }

    fn with(client: Client, world: World, clock: SkewClock, issuer: Issuer) -> Self {
        let wire = Wire::new(&world, minutes(5));
        let config = config(URL)
            .into_builder()
            .http_client(wire.clone())
            .credentials_provider(SharedCredentialsProvider::new(issuer.clone()))
            .time_source(world.clone())
            .sleep_impl(world.clone())
            .build();
        let builder = Builder::from(&config);
        let own_cache = || IdentityCache::lazy().build();
        let builder = match client {
            Client::SdkAlone => builder.identity_cache(own_cache()),
            Client::OwnCache => install!(builder, &clock).identity_cache(own_cache()),
            Client::Whole => install!(builder, &clock),
            Client::Configured => builder
                .http_client(clock.wrap_http_client(wire.clone()))
                .identity_cache(clock.identity_cache()),
        };
        Self {
            sqs: aws_sdk_sqs::Client::from_conf(builder.build()),
            world,
            wire,
            clock,
            issuer,
        }
    }

    /// Makes a call every ten minutes and returns how many fail.
    async fn lost(&self, hours: usize) -> usize {
        let mut lost = 0;
        for _ in 0..hours * 6 {
            lost += usize::from(receive(&self.sqs, QUEUE).await.is_err());
            self.world.advance(minutes(10));
        }
        lost
    }
}

fn extended(world: &World, clock: &SkewClock) -> Issuer {
    Issuer::new(world, 6, StatedExpiry::Extends(clock.local_time()))
}

fn hourly(world: &World, _: &SkewClock) -> Issuer {
    Issuer::new(world, 1, StatedExpiry::Truth)
}

#[tokio::test]
async fn credentials_that_a_provider_extends_by_a_clock_ahead_are_used_no_longer_than_it_said() {
    let site = Site::new(Client::Whole, DAY, extended);
    assert_eq!(site.lost(24).await, 0);
    // Every fifteen minutes, less the buffer time of the cache: the same as without a correction.
    let loads = site.issuer.loads();
    assert!((24 * 3..=24 * 6).contains(&loads), "{loads} loads in 24 h");
}

#[tokio::test]
async fn credentials_without_an_expiry_are_not_kept_by_a_clock_ahead() {
    let silent: fn(&World, &SkewClock) -> Issuer =
        |world, _| Issuer::new(world, 1, StatedExpiry::Nothing);
    let site = Site::new(Client::Whole, DAY, silent);
    assert_eq!(site.lost(24).await, 0);
    let site = Site::new(Client::OwnCache, DAY, silent);
    assert_eq!(site.lost(24).await, 0);
}

#[tokio::test]
async fn credentials_are_judged_by_the_corrected_clock() {
    for skew in [-2 * DAY, -20 * 60, 20 * 60, 2 * DAY] {
        let site = Site::new(Client::Whole, skew, hourly);
        assert_eq!(site.lost(24).await, 0, "{skew} s");
        let loads = site.issuer.loads();
        // Every hour, at most ten minutes early, and once when the correction starts.
        assert!(
            (24..=30).contains(&loads),
            "{loads} loads in 24 h, {skew} s"
        );
    }
    // A local clock that is behind keeps credentials after they have expired.
    let sdk_alone = Site::new(Client::SdkAlone, -2 * DAY, hourly);
    assert!(sdk_alone.lost(24).await > 0);
    // A local clock that is ahead loads them at every call.
    let sdk_alone = Site::new(Client::SdkAlone, 2 * DAY, hourly);
    sdk_alone.lost(24).await;
    assert!(sdk_alone.issuer.loads() >= 24 * 6);
}

#[tokio::test]
async fn a_repair_of_the_local_clock_costs_no_more_than_one_load() {
    for skew in [-DAY, DAY] {
        let site = Site::new(Client::Whole, skew, extended);
        assert_eq!(site.lost(1).await, 0);
        let before = site.issuer.loads();
        site.world.set_skew(0);
        assert_eq!(site.lost(1).await, 0);
        assert!(site.issuer.loads() <= before + 1);
        assert_eq!(site.lost(23).await, 0);
    }
}

/// A provider that was asked during a wrong correction has computed the expiry from it.
#[tokio::test]
async fn credentials_that_were_judged_by_a_wrong_date_are_loaded_again_after_it_is_reverted() {
    let site = Site::new(Client::Whole, 0, extended);
    assert_eq!(site.lost(1).await, 0);
    let misdated = Answer {
        status: 403,
        headers: vec![
            (
                "date",
                http_date(site.world.true_time() + minutes(6 * 24 * 60)),
            ),
            ("x-amzn-requestid", "id-1".to_owned()),
        ],
        body: r#"{"__type":"AccessDeniedException","message":"no"}"#.into(),
    };
    site.wire.plan([misdated.clone().into(), misdated.into()]);
    assert!(receive(&site.sqs, QUEUE).await.is_err());
    assert!(!site.clock.status().is_correcting(), "reverted");
    assert_eq!(site.lost(24).await, 0);
}

#[tokio::test]
async fn an_observe_only_clock_does_not_empty_the_identity_cache() {
    let world = World::with_skew(-20 * 60);
    let clock = SkewClock::builder()
        .local_clock(world.machine.clone())
        .observe_only(true)
        .build();
    let issuer = hourly(&world, &clock);
    let site = Site::with(Client::Whole, world, clock, issuer);
    for _ in 0..5 {
        assert_eq!(receive(&site.sqs, QUEUE).await, Ok(()), "the SDK corrects");
    }
    assert!(!site.clock.status().offset().is_zero());
    assert_eq!(site.issuer.loads(), 1);
}

/// On a machine two hours behind, the provider's sessions have not expired by the local clock.
#[tokio::test]
async fn credentials_that_are_loaded_for_a_resend_and_have_expired_are_not_loaded_once_more() {
    let expired = |world: &World, _: &SkewClock| Issuer::new(world, 0, StatedExpiry::Truth);
    let site = Site::new(Client::Configured, -2 * HOUR, expired);
    let error = receive(&site.sqs, QUEUE)
        .await
        .expect_err("they have ended");
    assert!(error.contains("ExpiredToken"), "{error}");
    assert_eq!(site.wire.sent(), 2);
    assert_eq!(site.issuer.loads(), 2, "for the SDK, and for the resend");
}

#[tokio::test]
async fn five_hundred_calls_at_the_change_share_one_load() {
    for skew in [-2 * DAY, HOUR, DAY] {
        let world = World::with_skew(skew);
        let endpoint = Endpoint::builder(world.clock()).start().await;
        let endpoint = endpoint.expect("loopback can be bound");
        endpoint.feed("q", "first");
        let clock = world.skew_clock();
        let issuer = Issuer {
            access_key: Some(ACCESS_KEY_ID),
            ..extended(&world, &clock)
        };
        let config = config(&endpoint.url())
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(issuer.clone()))
            .build();
        let sqs = aws_sdk_sqs::Client::from_conf(install!(Builder::from(&config), &clock).build());
        let queue = Arc::<str>::from(endpoint.queue_url("q"));
        let hold = endpoint.hold(500);
        let mut calls = JoinSet::new();
        for _ in 0..500 {
            let (sqs, queue) = (sqs.clone(), queue.clone());
            calls.spawn(async move { send(&sqs, &queue).await });
        }
        hold.arrived().await;
        let outcomes = calls.join_all().await;
        assert_eq!(outcomes.iter().filter(|sent| sent.is_err()).count(), 0);
        assert_eq!(endpoint.counts().rejected, 500);
        assert_eq!(issuer.loads(), 2, "{skew} s");
    }
}
