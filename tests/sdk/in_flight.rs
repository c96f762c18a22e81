//! A thousand calls in flight when the first error arrives.

use std::sync::Arc;

use aws_clock_skew_endpoint::Endpoint;
use tokio::task::JoinSet;

use crate::clients::{config, send, sqs, without_retries};
use crate::log::Log;
use crate::world::{MINUTE, World};

const CALLS: usize = 1_000;

#[tokio::test]
async fn all_of_a_thousand_calls_succeed_on_their_second_attempt() {
    for sends_date in [true, false] {
        let log = Log::start();
        let world = World::with_skew(-20 * MINUTE);
        let endpoint = Endpoint::builder(world.clock())
            .send_date(sends_date)
            .start()
            .await
            .expect("loopback can be bound");
        endpoint.feed("q", "first");
        let queue = Arc::<str>::from(endpoint.queue_url("q"));
        let sqs = sqs(
            &without_retries(config(&endpoint.url())),
            &world.skew_clock(),
        );
        let hold = endpoint.hold(CALLS);
        let mut calls = JoinSet::new();
        for _ in 0..CALLS {
            let (sqs, queue) = (sqs.clone(), queue.clone());
            calls.spawn(async move { send(&sqs, &queue).await });
        }
        hold.arrived().await;
        let outcomes = calls.join_all().await;
        let failed: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
        assert_eq!(failed, Vec::<String>::new());
        let counts = endpoint.counts();
        assert_eq!(counts.requests, 2 * CALLS as u64);
        assert_eq!(counts.rejected, CALLS as u64);
        assert_eq!(log.names(), ["skew_detected"]);
        assert_eq!(log.counted("resends", "outcome", "accepted"), CALLS);
    }
}
