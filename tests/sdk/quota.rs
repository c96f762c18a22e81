//! The user's retry quota: resends do not draw on it.

use std::sync::Arc;
use std::time::Duration;

use aws_clock_skew_endpoint::Endpoint;
use aws_config::retry::RetryConfig;
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::config::retry::RetryPartition;
use aws_smithy_runtime::client::retries::TokenBucket;
use tokio::task::JoinSet;

use crate::clients::{config, receive, send};
use crate::wire::{Answer, Fate, Wire};
use crate::world::{HOUR, MINUTE, World, minutes};

const URL: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";
/// The cost of a retry after a 503.
const COST: usize = 10;

struct Site {
    world: World,
    wire: Wire,
    bucket: TokenBucket,
    sqs: aws_sdk_sqs::Client,
}

impl Site {
    fn new(skew: i64, max_attempts: u32, bucket: TokenBucket) -> Self {
        let world = World::with_skew(skew);
        let wire = Wire::new(&world, minutes(5));
        let config = config(URL)
            .into_builder()
            .http_client(wire.clone())
            .sleep_impl(world.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(max_attempts))
            .build();
        let clock = world.skew_clock();
        let own = RetryPartition::custom("own").token_bucket(bucket.clone());
        let sqs = aws_sdk_sqs::Client::from_conf(
            aws_clock_skew::install!(Builder::from(&config).retry_partition(own.build()), &clock)
                .build(),
        );
        Self {
            world,
            wire,
            bucket,
            sqs,
        }
    }

    async fn call(&self) -> bool {
        receive(&self.sqs, QUEUE).await.is_ok()
    }
}

/// `5` plans a 503, and any other character a response of the service.
fn planned(pattern: &str) -> impl Iterator<Item = Fate> + '_ {
    pattern.chars().map(|fate| match fate {
        '5' => Answer::unavailable().into(),
        _ => Fate::default(),
    })
}

#[tokio::test]
async fn a_thousand_resends_leave_the_users_quota_full() {
    let world = World::with_skew(-20 * MINUTE);
    let endpoint = Endpoint::builder(world.clock()).start().await;
    let endpoint = endpoint.expect("loopback can be bound");
    endpoint.feed("q", "first");
    let clock = world.skew_clock();
    let bucket = TokenBucket::new(500);
    let own = RetryPartition::custom("own").token_bucket(bucket.clone());
    let sqs = aws_sdk_sqs::Client::from_conf(
        aws_clock_skew::install!(
            Builder::from(&config(&endpoint.url())).retry_partition(own.build()),
            &clock
        )
        .build(),
    );
    let queue = Arc::<str>::from(endpoint.queue_url("q"));
    let hold = endpoint.hold(1_000);
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        let (sqs, queue) = (sqs.clone(), queue.clone());
        calls.spawn(async move { send(&sqs, &queue).await });
    }
    hold.arrived().await;
    let outcomes = calls.join_all().await;
    assert_eq!(outcomes.iter().filter(|sent| sent.is_err()).count(), 0);
    assert_eq!(endpoint.counts().rejected, 1_000);
    assert!(bucket.is_full());
}

#[tokio::test]
async fn a_user_with_three_attempts_has_three_besides_ours() {
    // `s` stands for the service, which rejects the signature.
    for (pattern, sends) in [("s55.", 4), ("5s5.", 4), ("55s.", 4), ("s.", 2)] {
        let site = Site::new(-20 * MINUTE, 3, TokenBucket::new(500));
        site.wire.plan(planned(pattern));
        assert!(site.call().await, "{pattern}");
        let troubled = pattern.matches('5').count();
        assert_eq!(site.wire.seen().len() + troubled, sends, "{pattern}");
    }
    for pattern in ["s555.", "5s55.", "55s5.", "555."] {
        let site = Site::new(-20 * MINUTE, 3, TokenBucket::new(500));
        site.wire.plan(planned(pattern));
        assert!(!site.call().await, "{pattern}");
    }
    // One attempt, and a 503 is the response to the resend.
    let site = Site::new(-20 * MINUTE, 1, TokenBucket::new(500));
    site.wire.plan(planned("s5."));
    assert!(!site.call().await);
}

#[tokio::test]
async fn the_users_own_retries_draw_on_the_users_quota_before_and_after_ours() {
    // There are tokens for one retry, which the user's retry takes.
    for pattern in ["s5.", "5s."] {
        let site = Site::new(-20 * MINUTE, 5, TokenBucket::new(COST));
        site.wire.plan(planned(pattern));
        assert!(site.call().await, "{pattern}");
    }
    // There are none for a second retry.
    for pattern in ["s55.", "5s5."] {
        let site = Site::new(-20 * MINUTE, 5, TokenBucket::new(COST));
        site.wire.plan(planned(pattern));
        assert!(!site.call().await, "{pattern}");
    }
    // A resend needs none.
    let site = Site::new(-20 * MINUTE, 5, TokenBucket::new(0));
    assert!(site.call().await);
}

/// The SDK gives back the tokens of an operation's last retry and keeps those of the others. The
/// resend counts as one of them, so the SDK does not give back those of a retry before it. It gives
/// back those of a retry after it.
#[tokio::test]
async fn a_resend_costs_the_quota_at_most_what_a_second_retry_of_the_user_would() {
    let missing_after = |pattern: &'static str, skew| async move {
        let site = Site::new(skew, 5, TokenBucket::new(100));
        site.wire.plan(planned(pattern));
        assert!(site.call().await, "{pattern}");
        // A call without a retry gives one token back.
        let mut missing = 0;
        while !site.bucket.is_full() {
            assert!(site.call().await);
            missing += 1;
        }
        missing
    };
    assert_eq!(missing_after("s.", -20 * MINUTE).await, 0);
    assert_eq!(missing_after("s5.", -20 * MINUTE).await, 0);
    assert_eq!(missing_after("5s.", -20 * MINUTE).await, COST);
    assert_eq!(missing_after("55.", 0).await, COST);
}

#[tokio::test]
async fn a_quota_that_refills_by_the_clock_survives_its_changes() {
    for skew in [-HOUR, HOUR] {
        let bucket = TokenBucket::builder()
            .capacity(4 * COST)
            .refill_rate(1.0)
            .build();
        let site = Site::new(skew, 4, bucket);
        // A retry while the clock is wrong, then the correction, then calls that use up the quota.
        site.wire.plan(planned("5s."));
        assert!(site.call().await, "{skew} s");
        let mut lost = 0;
        while site.call_with_failures().await {
            lost += 1;
            assert!(lost < 10, "it can be used up");
        }
        site.world.advance(Duration::from_secs(60));
        assert!(site.call_with_failures().await, "it fills again, {skew} s");
    }
}

impl Site {
    /// Whether the quota allows the one retry that this call needs.
    async fn call_with_failures(&self) -> bool {
        self.wire.plan(planned("5555"));
        let is_ok = self.call().await;
        assert!(!is_ok, "four attempts receive four 503s");
        // Without quota the SDK makes fewer attempts, and some of the 503s are left over.
        let mut left = 0;
        while !self.call().await {
            left += 1;
        }
        left == 0
    }
}
