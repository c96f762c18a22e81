//! `configure` alone: no interceptor, no retries, clients of any service.

use std::sync::Arc;

use aws_clock_skew::SkewClock;
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use tokio::task::JoinSet;

use crate::clients::{encrypt, send};
use crate::log::Log;
use crate::world::{DAY, HOUR, MINUTE, World};

/// The config of a process that calls `configure` and has no retries.
async fn configured(url: &str, clock: &SkewClock) -> SdkConfig {
    let http_client = aws_smithy_http_client::Builder::new().build_http();
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        // Otherwise it is the date of the machine that the test runs on.
        .time_source(clock.local_time())
        .endpoint_url(url)
        .credentials_provider(Credentials::new(
            ACCESS_KEY_ID,
            SECRET_ACCESS_KEY,
            None,
            None,
            "test",
        ))
        .timeout_config(TimeoutConfig::disabled())
        .retry_config(RetryConfig::disabled());
    clock
        .configure_with_http_client(loader, http_client)
        .load()
        .await
}

async fn endpoint(world: &World, sends_date: bool) -> Endpoint {
    let endpoint = Endpoint::builder(world.clock())
        .send_date(sends_date)
        .start()
        .await;
    let endpoint = endpoint.expect("loopback can be bound");
    endpoint.feed("q", "first");
    endpoint
}

#[tokio::test]
async fn any_skew_costs_one_rejection_and_no_call() {
    for skew in [-2 * DAY, -20 * MINUTE, 20 * MINUTE, 9 * HOUR] {
        for sends_date in [true, false] {
            let log = Log::start();
            let world = World::with_skew(skew);
            let endpoint = endpoint(&world, sends_date).await;
            let clock = world.skew_clock();
            let config = configured(&endpoint.url(), &clock).await;
            let (sqs, kms) = (
                aws_sdk_sqs::Client::new(&config),
                aws_sdk_kms::Client::new(&config),
            );
            let (queue, key) = (endpoint.queue_url("q"), endpoint.create_key());
            for _ in 0..20 {
                assert_eq!(send(&sqs, &queue).await, Ok(()), "{skew} s");
                assert_eq!(encrypt(&kms, &key).await, Ok(()), "{skew} s");
                assert_eq!(endpoint.counts().rejected, 1, "{skew} s");
            }
            assert_eq!(endpoint.counts().requests, 41);
            assert_eq!(log.names(), ["skew_detected"]);
            assert_eq!(log.counted("resends", "outcome", "accepted"), 1);
        }
    }
}

#[tokio::test]
async fn all_of_a_thousand_calls_in_flight_succeed() {
    const CALLS: usize = 1_000;
    let log = Log::start();
    let world = World::with_skew(-20 * MINUTE);
    let endpoint = endpoint(&world, true).await;
    let config = configured(&endpoint.url(), &world.skew_clock()).await;
    let sqs = aws_sdk_sqs::Client::new(&config);
    let queue = Arc::<str>::from(endpoint.queue_url("q"));
    let hold = endpoint.hold(CALLS);
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let (sqs, queue) = (sqs.clone(), queue.clone());
        calls.spawn(async move { send(&sqs, &queue).await });
    }
    hold.arrived().await;
    let failed = calls
        .join_all()
        .await
        .into_iter()
        .filter_map(Result::err)
        .collect::<Vec<_>>();
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(endpoint.counts().requests, 2 * CALLS as u64);
    assert_eq!(endpoint.counts().rejected, CALLS as u64);
    assert_eq!(log.names(), ["skew_detected"]);
}

#[tokio::test]
async fn with_the_interceptor_beside_it_one_rejection_is_one_sample_and_one_resend() {
    let log = Log::start();
    let world = World::with_skew(-20 * MINUTE);
    let endpoint = endpoint(&world, true).await;
    let clock = world.skew_clock();
    let config = configured(&endpoint.url(), &clock).await;
    let sqs = crate::clients::sqs(&config, &clock);
    for _ in 0..20 {
        assert_eq!(send(&sqs, &endpoint.queue_url("q")).await, Ok(()));
    }
    assert_eq!(endpoint.counts().requests, 21);
    assert_eq!(endpoint.counts().rejected, 1);
    assert_eq!(log.names(), ["skew_detected"]);
    assert_eq!(log.counted("resends", "outcome", "accepted"), 1);
    assert_eq!(clock.status().event_count(), 1);
}
