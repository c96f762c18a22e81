//! A correct local clock under faults of servers and networks: 10,000 sequences of 200
//! responses, with faults in random order.

use std::fmt::Write;
use std::thread;

use super::*;
use crate::ClockOffset;
use crate::decide::{Decision, Exchange};
use crate::evidence::Strength;
use crate::host::Host;
use crate::judge::SignedBy;
use crate::local_clock::ManualClock;
use crate::offset::whole_seconds;

mod fault;

use fault::{FAULTS, Fault, OtherServer};

const SEQUENCES: u64 = 10_000;
const RESPONSES: u32 = 200;

#[test]
fn a_correct_clock_is_left_only_for_a_message_or_an_accepted_trial_and_is_soon_correct_again() {
    let seeds = AtomicU64::new(1);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|_| scope.spawn(|| sequences(&seeds)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("every sequence holds"))
            .collect()
    });
    let sum = |of: fn(&Tally) -> u32| tallies.iter().map(of).sum::<u32>();
    let (by_message, by_trial) = (sum(|tally| tally.by_message), sum(|tally| tally.by_trial));
    let trials = sum(|tally| tally.trials);
    let mut table = String::new();
    for fault in FAULTS {
        let count: u32 = tallies
            .iter()
            .map(|tally| tally.faults[fault as usize])
            .sum();
        writeln!(table, "{count:>8} {fault:?}").unwrap();
        assert!(count > 1_000, "{table}");
    }
    println!("{table}left by a message: {by_message}, by a trial: {by_trial} of {trials}");
    assert!(by_message > 1_000 && by_trial > 100 && trials > 10_000);
}

fn sequences(seeds: &AtomicU64) -> Tally {
    let mut tally = Tally::default();
    loop {
        let seed = seeds.fetch_add(1, Ordering::Relaxed);
        if seed > SEQUENCES {
            return tally;
        }
        let mut machine = Machine::new(seed, tally);
        while machine.responses < RESPONSES {
            machine.makes_a_call();
            if machine.below(50) == 0 {
                machine.recovers();
            }
        }
        machine.recovers();
        tally = machine.tally;
    }
}

/// Counts over all sequences.
#[derive(Default)]
struct Tally {
    faults: [u32; FAULTS.len()],
    /// How often a correct clock became wrong, by a message or by a trial.
    by_message: u32,
    by_trial: u32,
    /// The number of requests that were signed with the time kept for their host only.
    trials: u32,
}

struct Machine {
    seed: u64,
    random: u64,
    clocks: ManualClock,
    clock: SkewClock,
    aws: Host,
    /// A host that no request is sent to.
    bystander: Host,
    other_server: OtherServer,
    /// The tolerance of AWS, in seconds.
    tolerance: i64,
    faults_in_hundred: u64,
    responses: u32,
    tally: Tally,
}

impl Machine {
    fn new(seed: u64, tally: Tally) -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clocks = ManualClock::new(start);
        let other_server = OtherServer {
            host: Host::new("other.example", seed.is_multiple_of(2)).unwrap(),
            ahead: 0,
            states_times: false,
        };
        let mut machine = Self {
            seed,
            random: seed,
            clock: SkewClock::builder().local_clock(clocks.clone()).build(),
            clocks,
            aws: Host::new("sqs.us-east-1.amazonaws.com", true).unwrap(),
            bystander: Host::new("kms.us-east-1.amazonaws.com", true).unwrap(),
            other_server,
            tolerance: 0,
            faults_in_hundred: 0,
            responses: 0,
            tally,
        };
        machine.other_server.ahead = machine.one_of([0, -1_200, 1_200, -7_200, 7_200, 86_400]);
        machine.other_server.states_times = machine.one_of([true, false]);
        machine.tolerance = machine.one_of([300, 900]);
        machine.faults_in_hundred = machine.one_of([5, 20, 60]);
        machine
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[usize::try_from(self.below(N as u64)).unwrap()]
    }

    /// Returns an error of a stated time in seconds, of either sign, that is large enough
    /// to be noticed.
    fn wrong_by(&mut self) -> i64 {
        let size = self.one_of([130, 250, 600, 1_200, 3_600, 86_400, 6 * 86_400]);
        let sign = self.one_of([-1, 1]);
        sign * (size + self.below(100).cast_signed())
    }

    fn is_corrected(&self) -> bool {
        self.clock.now() != self.clocks.wall()
    }

    /// Makes one call as a client does, with a resend if that is the decision.
    fn makes_a_call(&mut self) {
        let pause = self.one_of([50, 900, 7_000, 70_000, 70_000, 4_000_000]);
        self.clocks.advance(Duration::from_millis(pause));
        let fault = if self.below(100) < self.faults_in_hundred {
            let index = 1 + self.below(FAULTS.len() as u64 - 1);
            FAULTS[usize::try_from(index).unwrap()]
        } else {
            Fault::None
        };
        if self.sends(fault, false) == Decision::Resign {
            // The resend meets the same fault, none, or another.
            let another = FAULTS[usize::try_from(self.below(FAULTS.len() as u64)).unwrap()];
            let next = if fault == Fault::OtherHost {
                fault
            } else {
                self.one_of([fault, fault, Fault::None, another])
            };
            self.sends(next, true);
        }
    }

    /// Shows that three accepted responses from AWS correct the clock, however wrong it is.
    fn recovers(&mut self) {
        let mut accepted = 0;
        while self.is_corrected()
            || self.clock.signing_time(Some(&self.aws)).now != self.clock.now()
        {
            assert!(accepted < 3, "seed {} at {}", self.seed, self.responses);
            if self.sends(Fault::None, false) == Decision::Resign {
                self.sends(Fault::None, true);
            }
            accepted += 1;
            self.clocks.advance(Duration::from_secs(1));
        }
    }

    /// Sends a request that meets this fault, and observes the response as an integration
    /// does.
    fn sends(&mut self, fault: Fault, is_resend: bool) -> Decision {
        self.responses += 1;
        self.tally.faults[fault as usize] += 1;
        let host = if fault == Fault::OtherHost {
            self.other_server.host.clone()
        } else {
            self.aws.clone()
        };
        let before = ClockOffset::between(self.clocks.wall(), self.clock.now());
        let sent = SentAt::now(&self.clock, || Some(host.clone()));
        let signed_at = whole_seconds(self.clock.signing_time(Some(&host)).now);
        let (there, back) = match fault {
            Fault::FrozenInTransit => (self.one_of([280, 400, 1_000, 5_000]), 0),
            Fault::FrozenResponse => (0, self.one_of([30, 400, 1_000, 5_000])),
            _ => (0, 0),
        };
        self.clocks.advance(Duration::from_secs(there));
        let answer = self.answer(fault, signed_at);
        self.clocks.advance(Duration::from_secs(back));
        if fault == Fault::LostResponse {
            return Decision::Pass;
        }
        let evidence = answer.evidence();
        let exchange = Exchange {
            trip: sent.round_trip(Some(signed_at), self.clock.reading()),
            evidence: &evidence,
            host: Some(&host),
            service: None,
            operation: None,
            is_resend,
        };
        let is_wanted = !evidence.accepted()
            || self
                .clock
                .wants_accepted(sent.reading, || evidence.date(), || host.is_aws());
        let decision = if is_wanted {
            self.clock.observe(&exchange)
        } else {
            Decision::Pass
        };
        self.holds(fault, before, &exchange);
        decision
    }

    #[track_caller]
    fn holds(&mut self, fault: Fault, before: ClockOffset, exchange: &Exchange<'_>) {
        let after = ClockOffset::between(self.clocks.wall(), self.clock.now());
        let Exchange { trip, evidence, .. } = exchange;
        let (seed, response) = (self.seed, self.responses);
        let holds = |rule: bool| {
            assert!(
                rule,
                "seed {seed}, response {response}: {fault:?}, {before:?} to {after:?}, {exchange:?}"
            );
        };
        let was_correct = before.is_zero();
        let is_trial = trip.signed_by == SignedBy::HostTime;
        self.tally.trials += u32::from(is_trial);
        let bystander = self.clock.signing_time(Some(&self.bystander));
        holds(bystander.now == self.clock.now());
        if fault == Fault::None {
            // AWS accepts requests signed by a correct clock, and its clock skew errors end
            // a wrong correction.
            holds(!was_correct || is_trial || evidence.accepted());
            holds(after.is_zero() || (!was_correct && evidence.accepted()));
        }
        if after == before {
            return;
        }
        // The time for all other hosts has changed.
        if !after.is_zero() {
            if evidence
                .sample()
                .is_some_and(|sample| sample.strength == Strength::Message)
            {
                holds(fault.may_change_clock(&self.other_server));
                self.tally.by_message += u32::from(was_correct);
            } else {
                holds(is_trial && evidence.passed_timestamp_check());
                self.tally.by_trial += u32::from(was_correct);
            }
        }
    }
}
