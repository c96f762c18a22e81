//! The scenarios of the table: the same for us, for the SDK's own correction and for
//! none.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::arm::{Arm, Choice, Station};
use crate::clocks::{DAY, Event, HOUR, MINUTE, World, millis};
use crate::fate::{DateFault, Fate, Reply};
use crate::site::{Site, Verdict};
use crate::wire::{Sent, Wire};
use crate::wording::Wording;

/// What became of a scenario's calls.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct End {
    pub(crate) calls: usize,
    pub(crate) failed: usize,
    /// Requests that the service refused for their time.
    pub(crate) rejected: usize,
    pub(crate) sent: usize,
    /// How far the worst signature after the first call was from the truth.
    pub(crate) worst: Duration,
}

/// A scenario, told of one arm.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    tell: fn(Teller) -> std::pin::Pin<Box<dyn Future<Output = End>>>,
}

impl Scenario {
    pub(crate) fn told_of(&self, arm: Arm) -> End {
        crate::block_on((self.tell)(Teller { arm }))
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Teller {
    arm: Arm,
}

macro_rules! scenario {
    ($name:literal, $tell:expr) => {
        Scenario {
            name: $name,
            tell: |teller| Box::pin($tell(teller)),
        }
    };
}

pub(crate) const SCENARIOS: [Scenario; 22] = [
    scenario!("clock 20 min behind, 20 calls", |of: Teller| of
        .skewed(-20 * MINUTE)),
    scenario!("clock 2 days ahead, 20 calls", |of: Teller| of
        .skewed(2 * DAY)),
    scenario!("the same, retries disabled", async |of: Teller| {
        let world = World::with_skew(-20 * MINUTE);
        let choice = Choice {
            retries: false,
            ..Choice::default()
        };
        of.on(&world, Site::with_tolerance(5), choice)
            .calls(20)
            .await
    }),
    scenario!("101 calls in flight when the skew shows", |of: Teller| of
        .burst(101)),
    scenario!("1,000 calls in flight when the skew shows", |of: Teller| of
        .burst(1_000)),
    scenario!("three clients of one process", async |of: Teller| {
        let world = World::with_skew(-20 * MINUTE);
        let wire = Wire::new(&world, Site::with_tolerance(5));
        let clock = world.skew_clock();
        let mut end = End::default();
        for _ in 0..3 {
            let station = Station::on(of.arm, &world, &wire, &clock, Choice::default());
            end.add(&Told(station).calls(5).await);
        }
        end
    }),
    scenario!("NTP repairs the clock by a step", async |of: Teller| {
        let told = of.at(-20 * MINUTE);
        let mut end = told.calls(10).await;
        told.0.world.undergoes(Event::IsSet(0));
        end.add(&told.calls(10).await);
        end
    }),
    scenario!(
        "NTP repairs the clock by a slew, over 4 h",
        async |of: Teller| {
            let told = of.at(-20 * MINUTE);
            let mut end = told.calls(5).await;
            told.0.world.slews(83_333);
            end.add(&told.calls_every(10 * MINUTE, 30).await);
            end
        }
    ),
    scenario!("no `Date` header", |of: Teller| of
        .dated(DateFault::Missing)),
    scenario!("a doubled `Date`", |of: Teller| of
        .dated(DateFault::Doubled)),
    scenario!("a `Date` of 1970", |of: Teller| of.dated(DateFault::Absurd)),
    scenario!("a `Date` that is a day off", |of: Teller| of
        .dated(DateFault::Lying(DAY))),
    scenario!("403 without a body, as to a HEAD", async |of: Teller| {
        let silent = Wording::silent();
        let site = Site::with_tolerance(15).saying(&silent);
        let world = World::with_skew(-20 * MINUTE);
        of.on(&world, site, Choice::default()).calls(20).await
    }),
    scenario!("correct clock, one call of 14 min", async |of: Teller| {
        let told = of.at(0);
        told.0
            .wire
            .plan([Fate::default().worked_on(millis(14 * MINUTE))]);
        told.calls(5).await
    }),
    scenario!("correct clock, long polls of 20 s", async |of: Teller| {
        let told = of.at(0);
        let poll = || Fate::default().worked_on(Duration::from_secs(20));
        told.0.wire.plan((0..20).map(|_| poll()));
        told.calls(20).await
    }),
    scenario!("correct clock, frozen 7 min after signing", |of: Teller| of
        .frozen(7)),
    scenario!(
        "correct clock, frozen 12 min after signing",
        |of: Teller| of.frozen(12)
    ),
    scenario!(
        "correct clock, a proxy's 503 with a `Date` 2 h ahead",
        async |of: Teller| {
            let told = of.at(0);
            let reply = Reply::Unavailable { ahead: 2 * HOUR };
            // The call after it is of interest, not whether this one is retried.
            told.0.wire.plan(vec![Fate::default().replied(reply); 3]);
            let mut end = told.calls(1).await;
            told.0.wire.forget_plans();
            end.failed = 0;
            end.add(&told.calls(5).await);
            end
        }
    ),
    scenario!(
        "correct clock, a success with a `Date` 2 h ahead",
        async |of: Teller| {
            let told = of.at(0);
            told.0
                .wire
                .plan([Fate::default().replied(Reply::WithDateAhead(2 * HOUR))]);
            told.calls(5).await
        }
    ),
    scenario!(
        "clock 20 min behind, restored from a snapshot 3 h later",
        async |of: Teller| {
            let told = of.at(-20 * MINUTE);
            let mut end = told.calls(5).await;
            told.0.world.undergoes(Event::Pauses(millis(3 * HOUR)));
            end.add(&told.calls(5).await);
            end
        }
    ),
    scenario!("clock 20 min behind, a wrong key", async |of: Teller| {
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
        async |of: Teller| {
            let told = of.at(-20 * MINUTE);
            let mut end = told.calls(1).await;
            told.0
                .wire
                .plan(vec![Fate::default().replied(Reply::Denied); 30]);
            end.add(&told.calls(5).await);
            end
        }
    ),
];

struct Told(Station);

impl Teller {
    fn on(self, world: &World, site: Site, choice: Choice) -> Told {
        let wire = Wire::new(world, site);
        let clock = world.skew_clock();
        Told(Station::on(self.arm, world, &wire, &clock, choice))
    }

    fn at(self, skew: i64) -> Told {
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
        let told = self.at(0);
        let freeze = Event::Freezes(millis(minutes * MINUTE));
        told.0.wire.plan([Fate::between([freeze], [])]);
        told.calls(5).await
    }

    async fn burst(self, count: usize) -> End {
        let world = World::with_skew(-20 * MINUTE);
        let choice = Choice {
            is_parallel: true,
            ..Choice::default()
        };
        let Told(station) = self.on(&world, Site::with_tolerance(5), choice);
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

impl Told {
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
