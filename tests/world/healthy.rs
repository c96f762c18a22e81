//! Claim (a): on a machine whose clock is correct, the crate changes nothing.

use aws_clock_skew::LocalClock;

use crate::arm::{AWS, Arm, Choice, OTHER, Station};
use crate::chance::{Chance, Rng};
use crate::clocks::{DAY, Event, MINUTE, SECOND, World};
use crate::fate::{Fate, Reply};
use crate::site::{Site, Verdict};
use crate::skew_error::SkewError;
use crate::tally::Tally;
use crate::wire::{Sent, Wire};

/// Makes `many` calls on such machines with each cheap client and `few` with each expensive one, and
/// fails if one of them breaks the claim.
pub(crate) fn on_correct_clocks(many: u64, few: u64) -> Tally {
    let lives = Arm::OURS.iter().flat_map(|arm| {
        let (operations, life) = if Arm::LAYERS.contains(arm) {
            (many, 5_000)
        } else {
            (few, 500)
        };
        (0..operations / life).map(move |seed| (*arm, seed, life))
    });
    let lives: Vec<_> = lives.collect();
    let tallies = crate::in_parallel(&lives, |(arm, seed, life)| {
        crate::block_on(live(*arm, *seed, *life))
    });
    let mut sum = Tally::default();
    tallies.iter().for_each(|tally| sum.add(tally));
    holds(&sum, 2 * many + 4 * few);
    sum
}

#[test]
fn a_correct_clock_signs_and_no_wrong_time_outlasts_its_call() {
    println!(
        "a correct clock: {}",
        on_correct_clocks(50_000, 2_000).figures(FIGURES)
    );
}

#[track_caller]
fn holds(tally: &Tally, operations: u64) {
    assert_eq!(tally.get(OPERATIONS), operations);
    tally.never(&[
        STILL_CORRECTED,
        REJECTED,
        LOST,
        NOT_BY_THE_WALL,
        CORRECTED_BY_DATE,
    ]);
    assert!(
        tally.get(CORRECTED_BY_MESSAGE) <= tally.get(WRONG_MESSAGES),
        "{tally}"
    );
    // The world has contained all that it is meant to contain.
    tally.happened(&[EXPIRED_IN_TRANSIT, WRONG_MESSAGES]);
    let of_thousand = |count: u64| count * 1_000 / operations;
    let dates = of_thousand(tally.get(WRONG_DATES));
    assert!((40..60).contains(&dates), "{tally}");
    let errors = of_thousand(tally.get(WRONG_ERRORS) + tally.get(WRONG_MESSAGES));
    assert!((5..15).contains(&errors), "{tally}");
}

/// The figures in the documents.
pub(crate) const FIGURES: &[&str] = &[
    OPERATIONS,
    NOT_BY_THE_WALL,
    STILL_CORRECTED,
    LOST,
    WRONG_MESSAGES,
    CORRECTED_BY_MESSAGE,
    CORRECTED_BY_DATE,
    REJECTED,
    EXPIRED_IN_TRANSIT,
];

const OPERATIONS: &str = "operations";
const REQUESTS: &str = "requests";
const WRONG_DATES: &str = "wrong `Date`s on accepted responses";
const WRONG_ERRORS: &str = "wrong `Date`s on 403s and 503s";
const WRONG_MESSAGES: &str = "false error messages";
const CORRECTED_BY_MESSAGE: &str = "of them changed the clock until the next response";
const CORRECTED_BY_DATE: &str = "corrections by a wrong `Date`";
const STILL_CORRECTED: &str = "readings that differ from the wall clock when the call is over";
const EXPIRED_IN_TRANSIT: &str = "signatures expired in transit and were re-signed";
const REJECTED_OWN: &str = "requests rejected after a false error for the same call";
const REJECTED: &str = "requests rejected because of another call's error";
const LOST: &str = "calls lost, except those that got a false error";
const NOT_BY_THE_WALL: &str = "signatures with another second than the wall clock's";

/// One process on a machine whose clock is correct, from start to end.
async fn live(arm: Arm, seed: u64, operations: u64) -> Tally {
    let mut rng = Rng::with_seed(seed);
    let world = World::with_skew(0);
    let mut site = Site::with_tolerance(rng.one_of(&[5, 15]));
    site.verifies_all = false;
    let tolerance = i64::try_from(site.tolerance.as_millis()).expect("is short");
    let site = site.saying(&rng.one_of(SkewError::all()));
    let has_message = site.old.has_time;
    // A server that rejects a correct signature is wrong by more than its tolerance. A bound alone
    // hides 7.5 minutes of that.
    let untold = if site.old.has_only_a_bound || site.young.has_only_a_bound {
        450 * SECOND
    } else {
        0
    };
    let least_error = tolerance + untold + 2 * SECOND;
    let wire = Wire::new(&world, site);
    let clock = world.skew_clock();
    wire.watches(&clock);
    let choice = Choice {
        url: rng.one_of(&[AWS, OTHER]),
        ..Choice::default()
    };
    let station = Station::on(arm, &world, &wire, &clock, choice);
    let mut tally = Tally::default();
    for operation in 0..operations {
        let reply = reply(&mut rng, least_error);
        let round_trip = rng.time(1, 15 * MINUTE);
        // On the way there, on the way back, or both. A server that rejects does so at once:
        // otherwise its time would be less wrong when the response is read.
        let is_accepting = matches!(reply, Reply::Service | Reply::WithDateAhead(_));
        let quarters = if is_accepting { rng.u32(0..=4) } else { 4 };
        let there = round_trip * quarters / 4;
        let fate = Fate::between([Event::Passes(there)], [Event::Passes(round_trip - there)]);
        wire.plan([fate.replied(reply)]);
        assert_eq!(
            clock.now(),
            world.wall(),
            "{arm:?}, seed {seed}, {operation}"
        );
        let outcome = station.calls().await;
        let is_untouched = clock.now() == world.wall() && !clock.status().is_correcting();
        tally.count_if(!is_untouched, STILL_CORRECTED);
        let sent = wire.take_sent();
        let is_wrong_message = has_message && matches!(reply, Reply::WrongMessage { .. });
        enter(&mut tally, reply, is_wrong_message, &sent, outcome.is_ok());
        let bad = [
            STILL_CORRECTED,
            REJECTED,
            LOST,
            NOT_BY_THE_WALL,
            CORRECTED_BY_DATE,
        ];
        if bad.iter().any(|what| tally.get(what) > 0) {
            let status = clock.status();
            panic!(
                "{arm:?}, seed {seed}, operation {operation}: {there:?} of {round_trip:?}, \
                {reply:?}, {sent:?}, {outcome:?}, {status:?}, {tally}"
            );
        }
        world.passes(rng.time(1, MINUTE));
    }
    tally
}

/// 5 % wrong `Date`s on accepted responses and 1 % on 403s and 503s.
fn reply(rng: &mut Rng, least_error: i64) -> Reply {
    const YEARS: i64 = 3_650 * DAY;
    if rng.in_thousand(50) {
        return Reply::WithDateAhead(rng.either_way(SECOND, YEARS));
    }
    if !rng.in_thousand(10) {
        return Reply::Service;
    }
    let ahead = rng.either_way(least_error, YEARS);
    let any = rng.either_way(SECOND, YEARS);
    rng.one_of(&[
        Reply::Unavailable { ahead: any },
        Reply::Forbidden { ahead: any },
        Reply::WrongCode { ahead },
        Reply::WrongDateWithoutBody { ahead },
        Reply::WrongMessage { ahead },
    ])
}

fn enter(tally: &mut Tally, reply: Reply, is_wrong_message: bool, sent: &[Sent], is_ok: bool) {
    let is_accepting = matches!(reply, Reply::Service | Reply::WithDateAhead(_));
    let is_wrong_date = matches!(reply, Reply::WithDateAhead(_));
    tally.count(OPERATIONS);
    tally.count_many(REQUESTS, sent.len());
    tally.count_if(is_wrong_date, WRONG_DATES);
    tally.count_if(is_wrong_message, WRONG_MESSAGES);
    tally.count_if(!is_wrong_message && !is_accepting, WRONG_ERRORS);
    let is_corrected = sent.iter().any(|sent| sent.is_corrected);
    tally.count_if(is_corrected && is_wrong_message, CORRECTED_BY_MESSAGE);
    tally.count_if(is_corrected && !is_wrong_message, CORRECTED_BY_DATE);
    for (index, sent) in sent.iter().enumerate() {
        let is_own = index > 0 && !is_accepting;
        let is_rejected = sent.verdict == Verdict::Rejected;
        let has_expired = index == 0 && sent.is_by_wall;
        tally.count_if(!sent.is_by_wall && !is_own, NOT_BY_THE_WALL);
        tally.count_if(is_rejected && is_own, REJECTED_OWN);
        tally.count_if(is_rejected && !is_own && has_expired, EXPIRED_IN_TRANSIT);
        tally.count_if(is_rejected && !is_own && !has_expired, REJECTED);
    }
    tally.count_if(is_accepting && !is_ok, LOST);
}
