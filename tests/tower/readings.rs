//! Local clocks with unusual readings.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::{Limits, LocalClock, SkewClock};
use http::StatusCode;
use tower::{Layer, ServiceExt};

use crate::script::{Script, signed, unsigned};
use crate::stack::credentials;
use crate::world::{HOUR, World};

/// A monotonic clock that the test sets, with the wall clock of a world.
#[derive(Clone, Debug)]
struct Readings {
    world: World,
    mono: Arc<Mutex<Duration>>,
}

impl Readings {
    fn new(world: &World, mono: Duration) -> Self {
        Self {
            world: world.clone(),
            mono: Arc::new(Mutex::new(mono)),
        }
    }

    fn set(&self, mono: Duration) {
        *self.mono.lock().expect("is not poisoned") = mono;
    }

    fn clock(&self) -> SkewClock {
        SkewClock::builder().local_clock(self.clone()).build()
    }
}

impl LocalClock for Readings {
    fn wall(&self) -> SystemTime {
        self.world.machine_wall()
    }

    fn monotonic(&self) -> Duration {
        *self.mono.lock().expect("is not poisoned")
    }
}

/// How many of three calls through each layer fail, and how many requests are sent.
async fn calls(world: &World, clock: &SkewClock) -> (usize, usize) {
    let script = Script::new(world);
    let below = clock.layer(credentials()).layer(script.clone());
    let signs = clock.signing_layer(credentials(), "us-east-1", "sqs");
    let signs = signs.layer(script.clone());
    let mut lost = 0;
    for _ in 0..3 {
        let answer = below.clone().oneshot(signed(world)).await;
        lost += usize::from(answer.map(|answer| answer.status()) != Ok(StatusCode::OK));
        let answer = signs.clone().oneshot(unsigned()).await;
        let status = answer.map(|answer| answer.status());
        lost += usize::from(!matches!(status, Ok(StatusCode::OK)));
    }
    (lost, script.sent().len())
}

#[tokio::test]
async fn a_wall_clock_at_1970_or_before_costs_one_rejection() {
    for wall in [UNIX_EPOCH, UNIX_EPOCH - Duration::from_hours(24)] {
        let world = World::with_skew(0);
        world.machine.set_wall(wall);
        // Without TLS the limit is a week.
        let limits = Limits::default().with_max_forward(Duration::from_hours(400 * 24));
        let clock = SkewClock::builder().local_clock(world.machine.clone());
        let clock = clock.limits(limits).build();
        assert_eq!(clock.now(), UNIX_EPOCH);
        world.machine.set_wall(UNIX_EPOCH);
        assert_eq!(calls(&world, &clock).await, (0, 7));
    }
}

#[tokio::test]
async fn a_monotonic_clock_at_the_end_of_its_range_or_set_back_costs_no_call() {
    for from in [Duration::MAX, Duration::MAX - Duration::from_mins(1)] {
        for skew in [0, -HOUR] {
            let world = World::with_skew(skew);
            let readings = Readings::new(&world, from);
            let clock = readings.clock();
            // At the end of the range the clock cannot keep a correction. Nothing panics.
            let (lost, _) = calls(&world, &clock).await;
            assert!(skew != 0 || lost == 0);
            readings.set(Duration::from_hours(30));
            world.set_skew(-HOUR);
            assert_eq!(calls(&world, &clock).await.0, 0, "{from:?} {skew}");
            readings.set(Duration::from_hours(10));
            world.set_skew(0);
            assert_eq!(calls(&world, &clock).await, (0, 6), "{from:?} {skew}");
        }
    }
}
