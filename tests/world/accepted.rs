//! Claim (f): accepted responses start no correction and change none.

use aws_clock_skew::{ClockOffset, LocalClock, SkewClock};

use crate::arm::{AWS, Arm, Choice, OTHER, Station};
use crate::chance::{Chance, Rng};
use crate::clocks::{DAY, HOUR, MINUTE, SECOND, World, millis_between};
use crate::fate::{DateFault, Fate, Reply};
use crate::site::{Site, Verdict};
use crate::tally::Tally;
use crate::wire::Wire;

/// Sends accepted responses to `many` clocks with a cheap client and to `few` with an expensive
/// one, and fails if one of them starts or changes a correction.
pub(crate) fn sequences(many: u64, few: u64) -> Tally {
    let mut tally = Tally::default();
    for arm in Arm::OURS {
        let sequences = if Arm::LAYERS.contains(&arm) {
            many
        } else {
            few
        };
        for seed in 0..sequences {
            crate::block_on(run_sequence(arm, seed, &mut tally));
        }
    }
    tally.never(&[STARTED, CHANGED]);
    tally.happened(&[ENDED, CORRECTED, UNCORRECTED]);
    tally
}

#[test]
fn no_sequence_of_accepted_answers_starts_or_changes_a_correction() {
    println!("accepted answers: {}", sequences(300, 15).figures(FIGURES));
}

/// The figures in the documents.
pub(crate) const FIGURES: &[&str] = &[ANSWERS, UNCORRECTED, CORRECTED, STARTED, CHANGED, ENDED];

const ANSWERS: &str = "responses";
const UNCORRECTED: &str = "sequences on uncorrected clocks";
const CORRECTED: &str = "on corrected clocks";
const STARTED: &str = "corrections started";
const CHANGED: &str = "changed";
const ENDED: &str = "ended";

/// A service that accepts every request and has any wrong time.
async fn run_sequence(arm: Arm, seed: u64, tally: &mut Tally) {
    let mut rng = Rng::with_seed(seed);
    let skew = rng.either_way(SECOND, DAY);
    let world = World::with_skew(skew);
    let clock = if rng.bool() {
        world.skew_clock()
    } else {
        // Whether the correction is accurate is not the subject here.
        let offset = rng.either_way(2 * MINUTE, DAY);
        SkewClock::builder()
            .local_clock(world.clone())
            .initial_offset(ClockOffset::from_millis(offset))
            .build()
    };
    let was_corrected = clock.status().is_correcting();
    tally.count(if was_corrected {
        CORRECTED
    } else {
        UNCORRECTED
    });
    let mut site = Site::with_tolerance(15);
    site.tolerance = crate::clocks::millis(30 * 365 * DAY);
    site.verifies_all = false;
    let wire = Wire::new(&world, site.clone());
    let choice = Choice {
        url: rng.one_of(&[AWS, OTHER]),
        ..Choice::default()
    };
    let station = Station::on(arm, &world, &wire, &clock, choice);
    let anchor = millis_between(std::time::UNIX_EPOCH + world.monotonic(), clock.now());
    let mut is_ended = false;
    // The same wrong `Date` each time, a few of them, or another one each time.
    let wrong: Vec<_> = (0..rng.u32(1..5))
        .map(|_| match rng.u32(0..4) {
            0 => -skew,
            1 => skew,
            2 => 0,
            _ => rng.either_way(SECOND, 1_000 * DAY),
        })
        .collect();
    for answer in 0..20 {
        let ahead = rng.one_of(&wrong);
        let date = rng.one_of(&[
            DateFault::None,
            DateFault::None,
            DateFault::Cached,
            DateFault::Missing,
            DateFault::Doubled,
            DateFault::TwoDigitYear,
            DateFault::Wrong(ahead),
        ]);
        wire.add("", site.clone().dated(date));
        let reply = if rng.bool() {
            Reply::Service
        } else {
            Reply::WithDateAhead(ahead)
        };
        let round_trip = rng.time(1, 15 * MINUTE);
        wire.plan([Fate::of(round_trip).replied(reply)]);
        let outcome = station.calls().await;
        let sent = wire.take_sent();
        assert!(
            outcome.is_ok() && sent.len() == 1 && sent[0].verdict == Verdict::Accepted,
            "{arm:?}, seed {seed}: {sent:?}, {outcome:?}"
        );
        tally.count(ANSWERS);
        let is_by_wall = clock.now() == world.wall();
        if was_corrected && !is_ended && is_by_wall {
            is_ended = true;
            tally.count(ENDED);
        }
        let stands = millis_between(std::time::UNIX_EPOCH + world.monotonic(), clock.now());
        let has_started = (is_ended || !was_corrected) && !is_by_wall;
        let has_changed = was_corrected && !is_ended && stands != anchor;
        tally.count_if(has_started, STARTED);
        tally.count_if(has_changed, CHANGED);
        assert!(
            !has_started && !has_changed,
            "{arm:?}, seed {seed}, answer {answer}: {date:?}, {reply:?}, {anchor} ms became \
            {stands} ms, {:?}",
            clock.status()
        );
        world.passes(rng.time(1, HOUR));
    }
}
