//! NTP repairs the local clock after a correction.

use std::sync::Arc;
use std::time::Duration;

use aws_clock_skew_endpoint::Endpoint;
use tokio::task::JoinSet;

use crate::assertions::distance;
use crate::clients::{Integration, config, send};
use crate::log::Log;
use crate::world::{DAY, MINUTE, World};

const CALLS: usize = 500;

/// Sets the wall clock to the true time.
#[derive(Clone, Copy, Debug)]
enum Repair {
    Step,
    /// At the highest rate of chrony: 1/12 s a second.
    Slew,
}

impl Repair {
    fn carry_out(self, world: &World, skew: i64, mut during: impl FnMut()) {
        match self {
            Self::Step => world.set_skew(0),
            Self::Slew => {
                for left in (0..=skew.abs() / 60).rev() {
                    world.advance(Duration::from_secs(12 * 60));
                    world.set_skew(left * 60 * skew.signum());
                    during();
                }
            }
        }
    }
}

async fn repaired(integration: Integration, repair: Repair, skew: i64) {
    let log = Log::start();
    let world = World::with_skew(skew);
    let endpoint = Endpoint::builder(world.clock())
        .start()
        .await
        .expect("loopback can be bound");
    endpoint.feed("q", "first");
    let queue = Arc::<str>::from(endpoint.queue_url("q"));
    let clock = world.skew_clock();
    let sqs = integration.sqs(&config(&endpoint.url()), &clock);
    assert_eq!(send(&sqs, &queue).await, Ok(()));
    assert_eq!(endpoint.counts().rejected, 1);

    let burst = || {
        let mut calls = JoinSet::new();
        for _ in 0..CALLS {
            let (sqs, queue) = (sqs.clone(), queue.clone());
            calls.spawn(async move { send(&sqs, &queue).await });
        }
        calls
    };
    let hold = endpoint.hold_until_released(CALLS);
    let held = burst();
    hold.arrived().await;
    repair.carry_out(&world, skew, || {
        let error = distance(clock.now(), world.true_time());
        assert!(
            error <= Duration::from_secs(31),
            "{error:?} off while it is repaired"
        );
    });
    assert_eq!(
        clock.now(),
        world.machine_wall(),
        "correct from the first read on"
    );
    hold.release();
    let held = held.join_all().await;
    assert_eq!(held.into_iter().filter(Result::is_err).count(), 0);
    let before = endpoint.counts();
    // A step takes no time, so requests that were signed before it are still valid.
    if matches!(repair, Repair::Step) {
        assert_eq!(before.rejected, 1);
    }
    let next = burst().join_all().await;
    assert_eq!(next.into_iter().filter(Result::is_err).count(), 0);
    assert_eq!(
        endpoint.counts().rejected,
        before.rejected,
        "{integration:?}, {repair:?} of {skew} s"
    );
    let names = log.names();
    assert_eq!(
        names.iter().filter(|name| *name == "skew_detected").count(),
        1,
        "{names:?}"
    );
    assert_eq!(
        names
            .iter()
            .filter(|name| *name == "correction_cleared")
            .count(),
        1,
        "{names:?}"
    );
    assert!(!clock.status().is_correcting());
}

#[tokio::test]
async fn the_next_request_is_correct_after_a_step() {
    for skew in [-2 * DAY, -20 * MINUTE, 20 * MINUTE] {
        for integration in Integration::ALL {
            repaired(integration, Repair::Step, skew).await;
        }
    }
}

#[tokio::test]
async fn the_next_request_is_correct_after_a_slew() {
    for skew in [-20 * MINUTE, 20 * MINUTE] {
        for integration in Integration::ALL {
            repaired(integration, Repair::Slew, skew).await;
        }
    }
}
