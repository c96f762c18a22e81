//! A thousand calls in flight when the first error arrives.

use std::sync::Arc;

use aws_clock_skew_endpoint::Endpoint;
use tokio::task::JoinSet;

use crate::log::Log;
use crate::stack::{INTEGRATIONS, send, stack};
use crate::world::{MINUTE, World};

const CALLS: usize = 1_000;

#[tokio::test]
async fn all_of_a_thousand_calls_succeed_on_their_second_send() {
    for (integration, sends_date) in [(INTEGRATIONS[0], true), (INTEGRATIONS[1], false)] {
        let log = Log::start();
        let world = World::with_skew(-20 * MINUTE);
        let endpoint = Endpoint::builder(world.clock())
            .send_date(sends_date)
            .start()
            .await
            .expect("loopback can be bound");
        endpoint.feed("q", "first");
        let endpoint = Arc::new(endpoint);
        let sqs = stack(integration, &world, &world.skew_clock(), "sqs");
        let hold = endpoint.hold(CALLS);
        let mut calls = JoinSet::new();
        for _ in 0..CALLS {
            let (sqs, endpoint) = (sqs.clone(), endpoint.clone());
            calls.spawn(async move { send(&sqs, &endpoint).await });
        }
        hold.arrived().await;
        let outcomes = calls.join_all().await;
        let failed: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
        assert_eq!(failed, Vec::<String>::new());
        let counts = endpoint.counts();
        assert_eq!(counts.requests, 2 * CALLS as u64);
        assert_eq!(counts.rejected, CALLS as u64);
        assert_eq!(log.names(), ["skew_detected"], "{integration:?}");
        assert_eq!(log.counted("resends", "outcome", "accepted"), CALLS);
    }
}
