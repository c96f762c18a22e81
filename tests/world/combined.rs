//! Claim (c), first half: each fault on a machine whose clock is also wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::arm::{Arm, Choice, OTHER, Station};
use crate::chance::{Chance, Rng};
use crate::clocks::{DAY, HOUR, MINUTE, SECOND, World};
use crate::fault::{Fault, SORTS, Sort, When};
use crate::site::{Site, Verdict};
use crate::skew_error::SkewError;
use crate::tally::Tally;
use crate::wire::{Sent, Wire};

/// Runs each sort of fault on `many` machines with a cheap client and on `few` with an expensive
/// one, and fails if a call is lost that the promise covers.
pub(crate) fn beside_a_skew(many: u64, few: u64) -> Tally {
    let mut sum = Tally::default();
    let mut by_sort = BTreeMap::new();
    for Sort(name, draw) in SORTS {
        let mut tally = Tally::default();
        for arm in Arm::OURS {
            let machines = if Arm::LAYERS.contains(&arm) {
                many
            } else {
                few
            };
            for seed in 0..machines {
                crate::block_on(meets(arm, name, draw, seed, &mut tally));
            }
        }
        sum.add(&tally);
        by_sort.insert(
            name,
            (
                tally.get(OPERATIONS),
                tally.get(EXCEPTED),
                tally.get(AS_SLOW),
            ),
        );
    }
    println!("operations excepted, and as slow as the clock is wrong, by sort of fault:");
    for (name, (operations, excepted, slow)) in by_sort {
        println!("{excepted:>12} {slow:>6} of {operations:>7} {name}");
    }
    sum.never(&[LOST, LOST_AGAIN, TWICE]);
    sum.happened(&[OPERATIONS, EXTRA, EXCEPTED, FAILED_OTHERWISE]);
    sum
}

#[test]
fn no_fault_beside_a_skew_costs_a_call_except_the_one_that_the_promise_excepts() {
    println!(
        "a fault beside a skew: {}",
        beside_a_skew(24, 3).figures(FIGURES)
    );
}

/// The figures in the documents.
pub(crate) const FIGURES: &[&str] = &[
    OPERATIONS, LOST, EXCEPTED, AS_SLOW, UNTOLD, LOST_AGAIN, TWICE,
];

const OPERATIONS: &str = "operations";
const EXTRA: &str = "operations with an extra attempt";
const TWICE: &str = "with more than one extra attempt";
const FAILED_OTHERWISE: &str = "operations that failed for a reason of their own";
const LOST: &str = "lost to the clock, except the following";
const EXCEPTED: &str = "lost in the case that the guarantee excepts";
const AS_SLOW: &str = "lost on their way for as long as the clock was wrong";
const UNTOLD: &str = "lost with an old signature where the service states only a bound";
const LOST_AGAIN: &str = "lost or rejected directly after one of those";

async fn meets(arm: Arm, name: &str, draw: fn(&mut Rng) -> Fault, seed: u64, tally: &mut Tally) {
    let mut rng = Rng::with_seed(seed);
    let fault = draw(&mut rng);
    if matches!(fault, Fault::Queue(_)) && arm != Arm::Below {
        // With the other integrations nothing waits between signing and sending.
        return;
    }
    let largest = rng.one_of(&[HOUR, 7 * DAY, 300 * DAY]);
    let skew = rng.either_way(2 * SECOND, largest);
    let site = Site::with_tolerance(rng.one_of(&[5, 15]));
    let stated: Vec<_> = SkewError::all().iter().filter(|one| one.has_time).collect();
    let error = rng.one_of(&stated);
    let site = site.saying(error);
    let world = World::with_skew(skew);
    let wire = Wire::new(&world, site.clone());
    let clock = world.skew_clock();
    let has_wrong_key = fault == Fault::WrongKey;
    let choice = Choice {
        secret: if has_wrong_key {
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYANOTHERKEY"
        } else {
            Choice::default().secret
        },
        retries: rng.bool(),
        ..Choice::default()
    };
    let station = Station::on(arm, &world, &wire, &clock, choice.clone());
    let other = Station::on(
        arm,
        &world,
        &wire,
        &clock,
        Choice {
            url: OTHER,
            ..choice
        },
    );
    // Before the first correction, or later.
    let moment = rng.one_of(&[0, 0, 1, 4]);
    let mut was_excepted = false;
    for operation in 0..10 {
        let is_now = operation == moment;
        let mut queued = Duration::ZERO;
        if is_now {
            match fault {
                Fault::Machine(When::Before, event) => world.undergoes(event),
                Fault::Drift { wall_ppm, boot_ppm } => world.drifts(wall_ppm, boot_ppm),
                Fault::Slew { ppm } => world.slews(ppm),
                Fault::Date(date) => wire.add("", site.clone().dated(date)),
                Fault::OtherServer { ahead } => {
                    let ahead = Site {
                        ahead,
                        ..site.clone()
                    };
                    wire.add("sqs.other.", ahead);
                }
                Fault::Queue(time) => queued = time,
                _ => {}
            }
            wire.plan(fault.fate());
        }
        let is_for_other = matches!(fault, Fault::OtherServer { .. }) && rng.bool();
        let caller = if is_for_other { &other } else { &station };
        let outcome = caller.calls_after(queued).await;
        let sent = wire.take_sent();
        let is_own = has_wrong_key || (is_now && fault.is_the_calls_own());
        let has_only_a_bound = site.old.has_only_a_bound || site.young.has_only_a_bound;
        let call = Call {
            is_now,
            is_own,
            has_only_a_bound,
            fault,
            is_lost: outcome.is_err() && !is_own,
            sent: &sent,
        };
        let reason = call.enter(tally);
        let is_twice = call.extra() > 1;
        tally.count_if(is_twice, TWICE);
        let is_wrong = call.is_lost || (call.rejections() > 0 && !has_only_a_bound);
        let is_wrong_after = was_excepted && is_wrong;
        tally.count_if(is_wrong_after, LOST_AGAIN);
        assert!(
            reason != Some(LOST) && !is_wrong_after && !is_twice,
            "{arm:?}, {name}, seed {seed}, operation {operation}, {skew} ms, {fault:?} at {moment}, \
            {} / {}, {:?}: {sent:#?}, {outcome:?}, {:?}",
            site.old.id,
            site.young.id,
            site.tolerance,
            clock.status()
        );
        was_excepted = reason.is_some();
        let longest = rng.one_of(&[MINUTE, DAY]);
        world.passes(rng.time(SECOND, longest));
    }
}

/// One call and its outcome.
struct Call<'a> {
    /// The call that meets the fault.
    is_now: bool,
    /// The fault makes the call fail, whatever the clock shows.
    is_own: bool,
    /// The service states only a bound, so its time is known to ten minutes.
    has_only_a_bound: bool,
    fault: Fault,
    is_lost: bool,
    sent: &'a [Sent],
}

impl Call<'_> {
    fn rejections(&self) -> usize {
        let rejected = |sent: &&Sent| sent.verdict == Verdict::Rejected;
        self.sent.iter().filter(rejected).count()
    }

    /// Returns how many resends it had because of the clock, without the user's retries. After a
    /// lost response only the user's retry sends again.
    fn extra(&self) -> usize {
        let lost = usize::from(self.is_now && self.fault == Fault::AnswerLost);
        let pairs = self.sent.windows(2).skip(lost);
        let again = pairs.filter(|pair| pair[0].verdict == Verdict::Rejected);
        again.count()
    }

    /// Counts the call. Returns the reason if it was lost.
    fn enter(&self, tally: &mut Tally) -> Option<&'static str> {
        tally.count(OPERATIONS);
        tally.count_if(self.extra() > 0, EXTRA);
        tally.count_if(self.is_own, FAILED_OTHERWISE);
        let reason = self.is_lost.then(|| self.reason());
        for what in [LOST, EXCEPTED, AS_SLOW, UNTOLD] {
            tally.count_if(reason == Some(what), what);
        }
        reason
    }

    fn reason(&self) -> &'static str {
        let Some(first) = self.sent.first() else {
            return LOST;
        };
        let skew = first.skew_at_answer.abs();
        match self.fault {
            _ if !self.is_now || !first.was_wrong() => LOST,
            Fault::SlowUpload(time) if time.as_millis() >= u128::from(skew.unsigned_abs()) => {
                AS_SLOW
            }
            Fault::Queue(_) | Fault::SlowUpload(_)
                if self.has_only_a_bound && skew <= 10 * MINUTE =>
            {
                UNTOLD
            }
            fault if fault.disturbs_the_machine() => EXCEPTED,
            _ => LOST,
        }
    }
}
