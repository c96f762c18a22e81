//! The integrations return an ordinary `AccessDenied` and do not retry it.

use std::time::Duration;

use aws_clock_skew_endpoint::Endpoint;
use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

use crate::clients::{Integration, SDK_AND_ALL, config, config_on, encrypt, kms, s3_of, send, sqs};
use crate::log::Log;
use crate::possible::S3;
use crate::wire::{Fate, Manner, Wire};
use crate::world::{HOUR, MINUTE, World, minutes};

async fn endpoint(world: &World) -> Endpoint {
    let endpoint = Endpoint::builder(world.clock())
        .deny("Encrypt")
        .start()
        .await
        .expect("loopback can be bound");
    endpoint.feed("q", "first");
    endpoint
}

#[tokio::test]
async fn a_denial_costs_one_request_on_a_correct_clock() {
    let log = Log::start();
    let world = World::with_skew(0);
    let endpoint = endpoint(&world).await;
    let (kms, key) = (
        kms(&config(&endpoint.url()), &world.skew_clock()),
        endpoint.create_key(),
    );
    for call in 1..=4 {
        let error = encrypt(&kms, &key).await.expect_err("is denied");
        assert!(error.contains("AccessDeniedException"), "{error}");
        assert_eq!(endpoint.counts().requests, call);
    }
    // The clock counts no event: the denial is logged at debug level.
    assert_eq!(log.names(), ["not_clock_skew"]);
    assert_eq!(log.events()[0].level, tracing::Level::DEBUG);
    assert_eq!(log.counted("events", "event", "not_clock_skew"), 0);
}

#[tokio::test]
async fn a_denial_costs_one_request_on_a_corrected_clock() {
    let log = Log::start();
    let world = World::with_skew(-20 * MINUTE);
    let endpoint = endpoint(&world).await;
    let clock = world.skew_clock();
    let config = config(&endpoint.url());
    let (sqs, kms, key) = (
        sqs(&config, &clock),
        kms(&config, &clock),
        endpoint.create_key(),
    );
    assert_eq!(send(&sqs, &endpoint.queue_url("q")).await, Ok(()));
    let before = endpoint.counts().requests;
    for call in 1..=4 {
        assert!(encrypt(&kms, &key).await.is_err());
        assert_eq!(endpoint.counts().requests, before + call);
    }
    assert!(clock.status().is_correcting());
    assert_eq!(log.names(), ["skew_detected", "not_clock_skew"]);
    assert_eq!(log.events()[1].level, tracing::Level::DEBUG);
    assert_eq!(log.counted("events", "event", "not_clock_skew"), 0);
}

#[tokio::test]
async fn a_denial_costs_two_requests_on_a_clock_that_is_still_to_be_corrected() {
    let world = World::with_skew(-20 * MINUTE);
    let endpoint = endpoint(&world).await;
    let clock = world.skew_clock();
    let (kms, key) = (kms(&config(&endpoint.url()), &clock), endpoint.create_key());
    for requests in [2, 3, 4] {
        assert!(encrypt(&kms, &key).await.is_err());
        assert_eq!(endpoint.counts().requests, requests);
    }
    assert!(clock.status().is_correcting());
}

/// Clients of a host whose denial looks exactly like its clock skew error.
struct Scenario {
    world: World,
    wire: Wire,
    s3: aws_sdk_s3::Client,
    with_wrong_key: aws_sdk_s3::Client,
}

impl Scenario {
    fn new(integration: Option<Integration>, manner: Manner, skew: i64) -> Self {
        let world = World::with_skew(skew);
        let wire = Wire::with_manner(&world, minutes(15), manner);
        let clock = world.skew_clock();
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
        let config = config_on(&wire, S3)
            .into_builder()
            .retry_config(retries)
            .time_source(world.clone())
            .build();
        let wrong = Credentials::new("denied", "secret", None, None, "test");
        let wrong = config
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(wrong));
        wire.deny("denied");
        Self {
            s3: s3_of(integration, &config, &clock),
            with_wrong_key: s3_of(integration, &wrong.build(), &clock),
            world,
            wire,
        }
    }

    async fn finds(&self, key: &str) -> bool {
        self.world.advance(Duration::from_secs(10));
        let head = self.s3.head_object().bucket("b").key(key);
        head.send().await.is_ok()
    }

    /// How many of `calls` calls fail.
    async fn lost(&self, calls: usize) -> usize {
        let mut lost = 0;
        for _ in 0..calls {
            lost += usize::from(!self.finds("there").await);
        }
        lost
    }
}

/// Each with a number of pairs of calls, three a minute.
const SKEWS: [(i64, usize); 4] = [
    (-20 * MINUTE, 180),
    (20 * MINUTE, 20),
    (9 * HOUR, 20),
    (0, 20),
];

/// S3 sends a caller who may not list the bucket the same response to a HEAD of a missing key as to
/// a HEAD with a wrong time.
#[tokio::test]
async fn keys_that_are_there_are_found_beside_missing_ones() {
    for (skew, pairs) in SKEWS {
        for integration in SDK_AND_ALL {
            let scenario = Scenario::new(integration, Manner::Silently, skew);
            assert!(!scenario.finds("denied").await);
            assert_eq!(
                scenario.lost(20).await,
                0,
                "{integration:?}, {skew} s ahead"
            );
            // Every second key exists.
            let scenario = Scenario::new(integration, Manner::Silently, skew);
            let mut lost = 0;
            for _ in 0..pairs {
                assert!(!scenario.finds("denied").await);
                lost += scenario.lost(1).await;
            }
            assert_eq!(lost, 0, "{integration:?}, {skew} s ahead");
        }
    }
}

/// EC2 has one code for a wrong key and for a wrong time.
#[tokio::test]
async fn a_wrong_key_costs_the_calls_with_the_correct_one_nothing() {
    for (skew, pairs) in SKEWS {
        for integration in SDK_AND_ALL {
            let scenario = Scenario::new(integration, Manner::AuthFailure, skew);
            let mut lost = 0;
            for _ in 0..pairs {
                let head = scenario.with_wrong_key.head_object().bucket("b").key("k");
                assert!(head.send().await.is_err());
                lost += scenario.lost(1).await;
                scenario.world.advance(Duration::from_secs(10));
            }
            // Each client of the SDK alone loses one call when the clock is wrong.
            let expected = usize::from(integration.is_none() && skew != 0);
            assert_eq!(lost, expected, "{integration:?}, {skew} s ahead");
        }
    }
}

#[tokio::test]
async fn a_resend_that_is_accepted_after_a_minute_costs_the_next_calls_nothing() {
    for manner in Manner::WITHOUT_MESSAGE {
        for skew in [-20 * MINUTE, 20 * MINUTE] {
            for integration in SDK_AND_ALL {
                let scenario = Scenario::new(integration, manner, skew);
                let slow = Fate {
                    after: Duration::from_secs(61),
                    ..Fate::default()
                };
                scenario.wire.plan([Fate::default(), slow]);
                let lost = scenario.lost(20).await;
                // The SDK alone retries only what the error names as clock skew.
                let expected = usize::from(integration.is_none() && manner != Manner::ByCode);
                assert_eq!(
                    lost, expected,
                    "{integration:?}, {manner:?}, {skew} s ahead"
                );
            }
        }
    }
}
