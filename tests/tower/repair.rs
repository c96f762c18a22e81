//! NTP repairs the local clock after a correction.

use std::time::Duration;

use aws_clock_skew_endpoint::Endpoint;

use crate::log::Log;
use crate::stack::{INTEGRATIONS, Integration, send, stack};
use crate::world::{DAY, MINUTE, World};

async fn repaired(integration: Integration, skew: i64, slews: bool) {
    let log = Log::start();
    let world = World::with_skew(skew);
    let endpoint = Endpoint::builder(world.clock())
        .start()
        .await
        .expect("loopback can be bound");
    endpoint.feed("q", "first");
    let clock = world.skew_clock();
    let sqs = stack(integration, &world, &clock, "sqs");
    assert_eq!(send(&sqs, &endpoint).await, Ok(()));

    if slews {
        // At the highest rate of chrony: 1/12 s a second.
        for left in (0..skew.abs() / 60).rev() {
            world.advance(Duration::from_mins(12));
            world.set_skew(left * 60 * skew.signum());
            assert_eq!(send(&sqs, &endpoint).await, Ok(()));
        }
    }
    world.set_skew(0);
    assert_eq!(
        clock.now(),
        world.machine_wall(),
        "correct from the first read on"
    );
    for _ in 0..20 {
        assert_eq!(send(&sqs, &endpoint).await, Ok(()));
    }
    assert_eq!(endpoint.counts().rejected, 1, "{integration:?}, {skew} s");
    assert_eq!(
        log.names(),
        ["skew_detected", "correction_cleared"],
        "{integration:?}, {skew} s"
    );
    assert!(!clock.status().is_correcting());
}

#[tokio::test]
async fn the_next_request_is_correct_after_a_step() {
    for integration in INTEGRATIONS {
        for skew in [-2 * DAY, -20 * MINUTE, 20 * MINUTE] {
            repaired(integration, skew, false).await;
        }
    }
}

#[tokio::test]
async fn the_next_request_is_correct_after_a_slew() {
    for integration in INTEGRATIONS {
        for skew in [-20 * MINUTE, 20 * MINUTE] {
            repaired(integration, skew, true).await;
        }
    }
}
