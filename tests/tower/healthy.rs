//! A machine whose clock is correct: its time never changes, whatever happens on the way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_clock_skew::SkewClock;
use aws_clock_skew_endpoint::Endpoint;

use crate::log::Log;
use crate::stack::{INTEGRATIONS, Integration, send, stack};
use crate::world::{World, minutes};

struct Healthy {
    log: Log,
    endpoint: Endpoint,
    clock: SkewClock,
}

impl Healthy {
    /// Makes five calls. The first request, and its response, take this long.
    async fn with(integration: Integration, before: Duration, after: Duration) -> Self {
        let log = Log::start();
        let world = World::with_skew(0);
        let (there, back) = (world.clone(), world.clone());
        let (sent, answered) = (AtomicBool::new(false), AtomicBool::new(false));
        let endpoint = Endpoint::builder(world.clock())
            .before_verify(move |_| {
                if !sent.swap(true, Ordering::Relaxed) {
                    there.advance(before);
                }
            })
            .after_verify(move |_| {
                if !answered.swap(true, Ordering::Relaxed) {
                    back.advance(after);
                }
            })
            .start()
            .await
            .expect("loopback can be bound");
        endpoint.feed("q", "first");
        let clock = world.skew_clock();
        let sqs = stack(integration, &world, &clock, "sqs");
        for call in 0..5 {
            assert_eq!(send(&sqs, &endpoint).await, Ok(()), "call {call}");
            assert_eq!(clock.now(), world.machine_wall());
        }
        assert!(!clock.status().is_correcting());
        Self {
            log,
            endpoint,
            clock,
        }
    }
}

#[tokio::test]
async fn a_call_of_fourteen_minutes_is_no_skew() {
    for integration in INTEGRATIONS {
        let healthy = Healthy::with(integration, Duration::ZERO, minutes(14)).await;
        assert_eq!(healthy.endpoint.counts().rejected, 0);
        assert_eq!(healthy.log.names(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_freeze_between_signing_and_arrival_costs_a_new_signature() {
    for integration in INTEGRATIONS {
        for frozen in [16, 50] {
            let healthy = Healthy::with(integration, minutes(frozen), Duration::ZERO).await;
            assert_eq!(healthy.endpoint.counts().rejected, 1);
            assert_eq!(healthy.log.names(), ["expired_in_transit"]);
        }
    }
}

#[tokio::test]
async fn a_freeze_while_the_answer_is_on_its_way_costs_a_new_signature() {
    for integration in INTEGRATIONS {
        let healthy = Healthy::with(integration, minutes(16), minutes(30)).await;
        assert_eq!(healthy.endpoint.counts().rejected, 1);
        assert_eq!(healthy.log.names(), ["expired_in_transit"]);
        assert_eq!(healthy.clock.status().event_count(), 1);
    }
}
