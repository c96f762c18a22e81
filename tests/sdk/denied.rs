//! An ordinary `AccessDenied` is passed on, and not tried again.

use aws_clock_skew_endpoint::Endpoint;

use crate::clients::{config, encrypt, kms, send, sqs};
use crate::log::Log;
use crate::world::{MINUTE, World};

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
async fn a_denial_costs_one_request_on_a_right_clock() {
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
    // No event of the clock: logged at debug level, and not counted.
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
