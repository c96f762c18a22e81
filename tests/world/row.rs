//! The scenarios of the table: the same for us, for the SDK's own correction and for
//! none.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::arm::{Arm, Choice, Station};
use crate::clocks::{DAY, Event, HOUR, MINUTE, World, millis};
use crate::fate::{DateFault, Fate, Reply};
use crate::site::{Site, Verdict};
use crate::skew_error::SkewError;
use crate::wire::{Sent, Wire};

/// What became of a scenario's calls.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct End {
    pub(crate) calls: usize,
    pub(crate) failed: usize,
    /// Requests that the service rejected for their time.
    pub(crate) rejected: usize,
    pub(crate) sent: usize,
    /// How far the worst signature after the first call was from the truth.
    pub(crate) worst: Duration,
}

/// A row of the table: a scenario that is played by one arm.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    play: fn(Setup) -> std::pin::Pin<Box<dyn Future<Output = End>>>,
}

impl Row {
    pub(crate) fn played_by(&self, arm: Arm) -> End {
        crate::block_on((self.play)(Setup { arm }))
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Setup {
    arm: Arm,
}

macro_rules! scenario {
    ($name:literal, $play:expr) => {
        Row {
            name: $name,
            play: |setup| Box::pin($play(setup)),
        }
    };
}

pub(crate) const ROWS: [Row; 25] = [
    scenario!("clock 20 min behind, 20 calls", |of: Setup| of
        .skewed(-20 * MINUTE)),
    scenario!("clock 2 days ahead, 20 calls", |of: Setup| of
        .skewed(2 * DAY)),
    scenario!("the same, retries disabled", async |of: Setup| {
        let world = World::with_skew(-20 * MINUTE);
        let choice = Choice {
            retries: false,
            ..Choice::default()
        };
        of.on(&world, Site::with_tolerance(5), choice)
            .calls(20)
            .await
    }),
    scenario!("101 calls in flight when the skew shows", |of: Setup| of
        .burst(101)),
    scenario!("1,000 calls in flight when the skew shows", |of: Setup| of
        .burst(1_000)),
    scenario!("three clients of one process", async |of: Setup| {
        let world = World::with_skew(-20 * MINUTE);
        let wire = Wire::new(&world, Site::with_tolerance(5));
        let clock = world.skew_clock();
        let mut end = End::default();
        for _ in 0..3 {
            let station = Station::on(of.arm, &world, &wire, &clock, Choice::default());
            end.add(&Run(station).calls(5).await);
        }
        end
    }),
    scenario!("NTP repairs the clock by a step", async |of: Setup| {
        let run = of.at(-20 * MINUTE);
        let mut end = run.calls(10).await;
        run.0.world.undergoes(Event::IsSet(0));
        end.add(&run.calls(10).await);
        end
    }),
    scenario!(
        "NTP repairs the clock by a slew, over 4 h",
        async |of: Setup| {
            let run = of.at(-20 * MINUTE);
            let mut end = run.calls(5).await;
            run.0.world.slews(83_333);
            end.add(&run.calls_every(10 * MINUTE, 30).await);
            end
        }
    ),
    scenario!("no `Date` header", |of: Setup| of.dated(DateFault::Missing)),
    scenario!("a doubled `Date`", |of: Setup| of.dated(DateFault::Doubled)),
    scenario!("a `Date` of 1970", |of: Setup| of.dated(DateFault::Absurd)),
    scenario!("a `Date` that is a day off", |of: Setup| of
        .dated(DateFault::Wrong(DAY))),
    scenario!("403 without a body, as to a HEAD", async |of: Setup| {
        let silent = SkewError::without_body();
        let site = Site::with_tolerance(15).saying(&silent);
        let world = World::with_skew(-20 * MINUTE);
        of.on(&world, site, Choice::default()).calls(20).await
    }),
    scenario!("the same, every other HEAD is denied", async |of: Setup| {
        let silent = SkewError::without_body();
        let site = Site::with_tolerance(15).saying(&silent);
        let world = World::with_skew(-20 * MINUTE);
        let run = of.on(&world, site, Choice::default());
        let mut end = run.calls(1).await;
        for _ in 0..10 {
            // A denied HEAD has no body either.
            let denied = Reply::WrongDateWithoutBody { ahead: 0 };
            run.0.wire.plan(vec![Fate::default().replied(denied); 3]);
            end.add(&run.calls(1).await);
            run.0.wire.forget_plans();
            end.add(&run.calls(1).await);
        }
        end
    }),
    scenario!("correct clock, one call of 14 min", async |of: Setup| {
        let run = of.at(0);
        run.0
            .wire
            .plan([Fate::default().worked_on(millis(14 * MINUTE))]);
        run.calls(5).await
    }),
    scenario!("correct clock, long polls of 20 s", async |of: Setup| {
        let run = of.at(0);
        let poll = || Fate::default().worked_on(Duration::from_secs(20));
        run.0.wire.plan((0..20).map(|_| poll()));
        run.calls(20).await
    }),
    scenario!("correct clock, frozen 7 min after signing", |of: Setup| of
        .frozen(7)),
    scenario!("correct clock, frozen 12 min after signing", |of: Setup| of
        .frozen(12)),
    scenario!(
        "correct clock, a proxy's 503 with a `Date` 2 h ahead",
        async |of: Setup| {
            let run = of.at(0);
            let reply = Reply::Unavailable { ahead: 2 * HOUR };
            // The call after it is of interest, not whether this one is retried.
            run.0.wire.plan(vec![Fate::default().replied(reply); 3]);
            let mut end = run.calls(1).await;
            run.0.wire.forget_plans();
            end.failed = 0;
            end.add(&run.calls(5).await);
            end
        }
    ),
    scenario!(
        "correct clock, a success with a `Date` 2 h ahead",
        async |of: Setup| {
            let run = of.at(0);
            run.0
                .wire
                .plan([Fate::default().replied(Reply::WithDateAhead(2 * HOUR))]);
            run.calls(5).await
        }
    ),
    scenario!(
        "correct clock, one of a service's servers is 2 h ahead",
        async |of: Setup| {
            let run = of.at(0);
            let mut end = run.calls(1).await;
            for _ in 0..5 {
                let reply = Reply::WrongMessage { ahead: 2 * HOUR };
                run.0.wire.plan([Fate::default().replied(reply)]);
                end.add(&run.calls(4).await);
            }
            end
        }
    ),
    scenario!(
        "correct clock, one of its servers is 2 h ahead, says so by `Date`",
        async |of: Setup| {
            let run = of.at(0);
            let mut end = run.calls(1).await;
            for _ in 0..5 {
                let reply = Reply::WrongCode { ahead: 2 * HOUR };
                run.0.wire.plan([Fate::default().replied(reply)]);
                end.add(&run.calls(4).await);
            }
            end
        }
    ),
    scenario!(
        "clock 20 min behind, restored from a snapshot 3 h later",
        async |of: Setup| {
            let run = of.at(-20 * MINUTE);
            let mut end = run.calls(5).await;
            run.0.world.undergoes(Event::Pauses(millis(3 * HOUR)));
            end.add(&run.calls(5).await);
            end
        }
    ),
    scenario!("clock 20 min behind, a wrong key", async |of: Setup| {
        let world = World::with_skew(-20 * MINUTE);
        let choice = Choice {
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYANOTHERKEY",
            ..Choice::default()
        };
        of.on(&world, Site::with_tolerance(5), choice)
            .calls(5)
            .await
    }),
    scenario!(
        "clock 20 min behind, all calls denied",
        async |of: Setup| {
            let run = of.at(-20 * MINUTE);
            let mut end = run.calls(1).await;
            run.0
                .wire
                .plan(vec![Fate::default().replied(Reply::Denied); 30]);
            end.add(&run.calls(5).await);
            end
        }
    ),
];

struct Run(Station);

impl Setup {
    fn on(self, world: &World, site: Site, choice: Choice) -> Run {
        let wire = Wire::new(world, site);
        let clock = world.skew_clock();
        Run(Station::on(self.arm, world, &wire, &clock, choice))
    }

    fn at(self, skew: i64) -> Run {
        let world = World::with_skew(skew);
        self.on(&world, Site::with_tolerance(5), Choice::default())
    }

    async fn skewed(self, skew: i64) -> End {
        self.at(skew).calls(20).await
    }

    async fn dated(self, date: DateFault) -> End {
        let world = World::with_skew(-20 * MINUTE);
        let site = Site::with_tolerance(5).dated(date);
        self.on(&world, site, Choice::default()).calls(20).await
    }

    async fn frozen(self, minutes: i64) -> End {
        let run = self.at(0);
        let freeze = Event::Freezes(millis(minutes * MINUTE));
        run.0.wire.plan([Fate::between([freeze], [])]);
        run.calls(5).await
    }

    async fn burst(self, count: usize) -> End {
        let world = World::with_skew(-20 * MINUTE);
        let choice = Choice {
            is_parallel: true,
            ..Choice::default()
        };
        let Run(station) = self.on(&world, Site::with_tolerance(5), choice);
        station.wire.hold(count);
        let station = Arc::new(station);
        let mut calls = JoinSet::new();
        for _ in 0..count {
            let station = station.clone();
            calls.spawn(async move { station.calls().await });
        }
        let outcomes = calls.join_all().await;
        let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        End::of(count, failed, &station.wire.take_sent())
    }
}

impl Run {
    async fn calls(&self, count: usize) -> End {
        self.calls_every(MINUTE, count).await
    }

    async fn calls_every(&self, pause: i64, count: usize) -> End {
        let mut end = End::default();
        for _ in 0..count {
            let outcome = self.0.calls().await;
            let failed = usize::from(outcome.is_err());
            end.add(&End::of(1, failed, &self.0.wire.take_sent()));
            self.0.world.passes(millis(pause));
        }
        end
    }
}

impl End {
    fn of(calls: usize, failed: usize, sent: &[Sent]) -> Self {
        let rejected = |sent: &&Sent| sent.verdict == Verdict::Rejected;
        let worst = sent.iter().map(|sent| sent.ahead.unsigned_abs()).max();
        Self {
            calls,
            failed,
            rejected: sent.iter().filter(rejected).count(),
            sent: sent.len(),
            worst: Duration::from_millis(worst.unwrap_or_default()),
        }
    }

    fn add(&mut self, other: &Self) {
        // The first call knows nothing yet.
        let worst = if self.calls == 0 {
            Duration::ZERO
        } else {
            other.worst
        };
        self.calls += other.calls;
        self.failed += other.failed;
        self.rejected += other.rejected;
        self.sent += other.sent;
        self.worst = self.worst.max(worst);
    }
}
