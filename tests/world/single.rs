//! Claim (b): one skew, of any size within the limits, costs no call.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::arm::{Arm, Choice, Station};
use crate::chance::{Chance, Rng};
use crate::clocks::{DAY, HOUR, MINUTE, SECOND, World, millis};
use crate::fate::DateFault;
use crate::is_full;
use crate::site::{Site, Verdict};
use crate::tally::Tally;
use crate::wire::Wire;
use crate::wording::Wording;

const TOLERANCES: [u64; 2] = [5, 15];

#[test]
fn no_skew_in_any_words_costs_a_call() {
    let mut tally = Tally::default();
    let skews = if is_full() { 100 } else { 3 };
    for (index, wording) in Wording::all().iter().enumerate() {
        for arm in Arm::OURS {
            let skews = if Arm::LAYERS.contains(&arm) { skews } else { 1 };
            for minutes in TOLERANCES {
                for round in 0..skews {
                    let seed = (index as u64) << 32 | round;
                    crate::block_on(meets(arm, wording, minutes, seed, &mut tally));
                }
            }
        }
    }
    println!("one skew: {tally}");
    tally.never(&[LOST, TWICE, TOO_MANY_REJECTIONS]);
    tally.happened(&[OPERATIONS, EXTRA]);
}

#[test]
fn a_thousand_calls_in_flight_are_a_thousand_retries() {
    let mut tally = Tally::default();
    for arm in [Arm::Interceptor, Arm::HttpClient, Arm::Both] {
        for skew in [-20 * MINUTE, 2 * HOUR] {
            crate::block_on(bursts(arm, skew, &mut tally));
        }
    }
    println!("a skew under a thousand calls: {tally}");
    tally.never(&[LOST, TWICE]);
    assert_eq!(tally.get(EXTRA), 6_000);
}

const OPERATIONS: &str = "operations";
const MACHINES: &str = "machines, each with one skew";
const EXTRA: &str = "operations with one extra attempt";
const TWICE: &str = "operations with more than one extra attempt";
const LOST: &str = "operations lost";
const TOO_MANY_REJECTIONS: &str = "machines with more than one rejected request";

/// A machine with a skew, and one service that says so in these words.
async fn meets(arm: Arm, wording: &Wording, minutes: u64, seed: u64, tally: &mut Tally) {
    let mut rng = Rng::with_seed(seed);
    let site = Site::with_tolerance(minutes);
    let (is_old, is_young) = (
        wording.fits(true, site.tolerance),
        wording.fits(false, site.tolerance),
    );
    if !is_old && !is_young {
        return;
    }
    // Behind, 400 days by words and 7 by `Date`; ahead, until 2020.
    let behind = if wording.has_time {
        399 * DAY
    } else {
        7 * DAY - MINUTE
    };
    let skew = if is_old && (!is_young || rng.bool()) {
        -rng.spread(MINUTE, behind)
    } else {
        rng.spread(MINUTE, 20 * 365 * DAY)
    };
    let date = if wording.has_time {
        rng.one_of(&[
            DateFault::None,
            DateFault::Missing,
            DateFault::Doubled,
            DateFault::Cached,
            DateFault::TwoDigitYear,
            DateFault::Absurd,
            DateFault::Lying(-9 * HOUR),
        ])
    } else {
        DateFault::None
    };
    let world = World::with_skew(skew);
    let station = Station::new(arm, &world, site.saying(wording).dated(date));
    let mut rejected = 0;
    for operation in 0..6 {
        let outcome = station.calls().await;
        let sent = station.wire.take_sent();
        let refused = sent.iter().filter(|sent| sent.verdict != Verdict::Accepted);
        rejected += refused.count();
        tally.count(OPERATIONS);
        tally.count_if(sent.len() == 2, EXTRA);
        tally.count_if(sent.len() > 2, TWICE);
        tally.count_if(outcome.is_err(), LOST);
        assert!(
            outcome.is_ok() && sent.len() <= 2 && rejected <= 1,
            "{arm:?}, {}, {minutes} min., seed {seed}, {skew} ms, {date:?}, operation {operation}: \
            {sent:?}, {outcome:?}",
            wording.id
        );
        world.passes(rng.time(1, 10 * MINUTE));
    }
    tally.count(MACHINES);
    tally.count_if(rejected > 1, TOO_MANY_REJECTIONS);
}

async fn bursts(arm: Arm, skew: i64, tally: &mut Tally) {
    const CALLS: usize = 1_000;
    let world = World::with_skew(skew);
    let wire = Wire::new(&world, Site::with_tolerance(15));
    let choice = Choice {
        retries: false,
        ..Choice::default()
    };
    let clock = world.skew_clock();
    let station = Arc::new(Station::on(arm, &world, &wire, &clock, choice));
    wire.hold(CALLS);
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let station = station.clone();
        calls.spawn(async move { station.calls().await });
    }
    let outcomes = calls.join_all().await;
    let sent = wire.take_sent();
    let extra = sent.len() - CALLS;
    tally.count_many(OPERATIONS, CALLS);
    tally.count_many(EXTRA, extra);
    tally.count_many(TWICE, extra.saturating_sub(CALLS));
    let lost = outcomes.iter().filter(|outcome| outcome.is_err());
    tally.count_many(LOST, lost.count());
    world.passes(millis(SECOND));
    assert_eq!(station.calls().await, Ok(()), "{arm:?}, {skew} ms");
    assert_eq!(wire.take_sent().len(), 1, "{arm:?}, {skew} ms");
}

#[test]
fn a_signature_that_its_service_accepts_is_left_alone() {
    for arm in Arm::OURS {
        for minutes in TOLERANCES {
            for sign in [-1, 1] {
                let minutes = i64::try_from(minutes).expect("is short");
                let skew = sign * (minutes * MINUTE - 2 * SECOND);
                let world = World::with_skew(skew);
                let site = Site::with_tolerance(minutes.unsigned_abs());
                let station = Station::new(arm, &world, site);
                crate::block_on(async {
                    for _ in 0..10 {
                        assert_eq!(station.calls().await, Ok(()), "{arm:?}, {skew} ms");
                        world.passes(Duration::from_secs(10));
                    }
                });
                let sent = station.wire.take_sent();
                assert!(sent.iter().all(|sent| sent.is_by_wall), "{sent:?}");
                assert_eq!(sent.len(), 10);
            }
        }
    }
}
