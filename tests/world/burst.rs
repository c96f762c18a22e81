//! Claim (b), in its hardest cases: a thousand calls in flight when the first error arrives, and an
//! offset that the service tolerates.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::arm::{Arm, Choice, Station};
use crate::clocks::{HOUR, MINUTE, SECOND, World, millis};
use crate::site::Site;
use crate::tally::Tally;
use crate::wire::Wire;

/// The figures in the documents.
pub(crate) const FIGURES: &[&str] = &[OPERATIONS, EXTRA, TWICE, LOST];

const OPERATIONS: &str = "operations";
const EXTRA: &str = "with one extra attempt";
const TWICE: &str = "with more than one";
const LOST: &str = "lost";

#[test]
fn a_thousand_calls_in_flight_have_one_resend_each() {
    println!(
        "a skew under a thousand calls: {}",
        thousands().figures(FIGURES)
    );
}

/// Makes a thousand calls of one client that are in flight when the first error arrives, eight times.
pub(crate) fn thousands() -> Tally {
    let mut tally = Tally::default();
    for arm in [Arm::Install, Arm::Configure, Arm::Apply, Arm::Both] {
        for skew in [-20 * MINUTE, 2 * HOUR] {
            crate::block_on(bursts(arm, skew, &mut tally));
        }
    }
    tally.never(&[LOST, TWICE]);
    assert_eq!(tally.get(EXTRA), 8_000);
    tally
}

async fn bursts(arm: Arm, skew: i64, tally: &mut Tally) {
    const CALLS: usize = 1_000;
    let world = World::with_skew(skew);
    let wire = Wire::new(&world, Site::with_tolerance(15));
    let choice = Choice {
        retries: false,
        is_parallel: true,
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
        for minutes in [5, 15] {
            for sign in [-1, 1] {
                let skew = sign * (minutes * MINUTE - 2 * SECOND);
                let world = World::with_skew(skew);
                let site = Site::with_tolerance(minutes.unsigned_abs());
                let station = Station::new(arm, &world, site);
                crate::block_on(async {
                    for _ in 0..10 {
                        assert_eq!(station.calls().await, Ok(()), "{arm:?}, {skew} ms");
                        world.passes(millis(10 * SECOND));
                    }
                });
                let sent = station.wire.take_sent();
                assert!(sent.iter().all(|sent| sent.is_by_wall), "{sent:?}");
                assert_eq!(sent.len(), 10);
            }
        }
    }
}
