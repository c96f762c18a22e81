//! A machine whose clock is right, and everything that can go wrong around it:
//! 10,000 sequences of 200 responses with faults in any order.
//!
//! Half of them through a door like the interceptor's, where the shared clock
//! moves first, and half through one that signs by itself.

use std::fmt::Write;
use std::thread;

use super::*;
use crate::evidence::Evidence;
use crate::host::Host;
use crate::judge::Attempt;
use crate::local_clock::ManualClock;
use crate::ruling::{Door, Exchange, Ruling};

mod fault;

use fault::{FAULTS, Fault, Lab, whole_seconds};

const SEQUENCES: u64 = 10_000;
const RESPONSES: u32 = 200;

#[test]
fn a_right_clock_is_left_only_for_words_or_provisionally_and_is_soon_right_again() {
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
    let (by_words, by_date) = (sum(|tally| tally.by_words), sum(|tally| tally.by_date));
    let mut table = String::new();
    for fault in FAULTS {
        let count: u32 = tallies
            .iter()
            .map(|tally| tally.faults[fault as usize])
            .sum();
        writeln!(table, "{count:>8} {fault:?}").unwrap();
        assert!(count > 1_000, "{table}");
    }
    println!("{table}left by words: {by_words}, by Date: {by_date}");
    assert!(by_words > 1_000 && by_date > 1_000);
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

/// What happened.
#[derive(Default)]
struct Tally {
    faults: [u32; FAULTS.len()],
    /// How often a right clock was left, and for what.
    by_words: u32,
    by_date: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    Right,
    Provisional,
    Wrong,
}

struct Machine {
    seed: u64,
    random: u64,
    clocks: ManualClock,
    clock: SkewClock,
    aws: Host,
    lab: Lab,
    door: Door,
    /// AWS's.
    tolerance: i64,
    faults_in_hundred: u64,
    responses: u32,
    tally: Tally,
}

impl Machine {
    fn new(seed: u64, tally: Tally) -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clocks = ManualClock::new(start);
        let lab = Lab {
            host: Host::new("lab.example", seed.is_multiple_of(2)).unwrap(),
            ahead: 0,
            speaks: false,
        };
        let mut machine = Self {
            seed,
            random: seed,
            clock: SkewClock::builder().local_clock(clocks.clone()).build(),
            clocks,
            aws: Host::new("sqs.us-east-1.amazonaws.com", true).unwrap(),
            lab,
            // Every other two sequences, so that each meets a lab with TLS and one without.
            door: if seed % 4 < 2 {
                Door::Signer
            } else {
                Door::Resigner
            },
            tolerance: 0,
            faults_in_hundred: 0,
            responses: 0,
            tally,
        };
        machine.lab.ahead = machine.one_of([0, -1_200, 1_200, -7_200, 7_200, 86_400]);
        machine.lab.speaks = machine.one_of([true, false]);
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

    /// Seconds by which a lie is off: enough to be noticed, either way.
    fn lie(&mut self) -> i64 {
        let size = self.one_of([130, 250, 600, 1_200, 3_600, 86_400, 6 * 86_400]);
        let sign = self.one_of([-1, 1]);
        sign * (size + self.below(100).cast_signed())
    }

    fn is_corrected(&self) -> bool {
        self.clock.now() != self.clocks.wall()
    }

    fn standing(&self) -> Standing {
        let is_corrected = self.is_corrected();
        if self.clock.lock().estimator.is_provisional() {
            Standing::Provisional
        } else if is_corrected {
            Standing::Wrong
        } else {
            Standing::Right
        }
    }

    /// One call as a client makes it: with one more send, if the ruling wants it.
    fn makes_a_call(&mut self) {
        let pause = self.one_of([50, 900, 7_000, 70_000, 70_000, 4_000_000]);
        self.clocks.advance(Duration::from_millis(pause));
        let fault = if self.below(100) < self.faults_in_hundred {
            let index = 1 + self.below(FAULTS.len() as u64 - 1);
            FAULTS[usize::try_from(index).unwrap()]
        } else {
            Fault::None
        };
        let request = self.clock.next_request();
        if let Some(ruling) = self.sends(fault, request, None) {
            // The fault persists, or is gone, or is another.
            let another = FAULTS[usize::try_from(self.below(FAULTS.len() as u64)).unwrap()];
            let next = if fault == Fault::OtherHost {
                fault
            } else {
                self.one_of([fault, fault, Fault::None, another])
            };
            self.sends(next, request, Some(&ruling));
        }
    }

    /// However it was misled, three accepted answers of AWS suffice.
    fn recovers(&mut self) {
        let mut accepted = 0;
        while self.is_corrected() {
            assert!(accepted < 3, "seed {} at {}", self.seed, self.responses);
            let request = self.clock.next_request();
            if let Some(ruling) = self.sends(Fault::None, request, None) {
                self.sends(Fault::None, request, Some(&ruling));
            }
            accepted += 1;
            self.clocks.advance(Duration::from_secs(1));
        }
    }

    /// Sends a request to its fate, for the second time if there is a ruling on the
    /// first answer. Returns the ruling if it is to be signed again.
    fn sends(&mut self, fault: Fault, request: u64, first: Option<&Ruling>) -> Option<Ruling> {
        self.responses += 1;
        self.tally.faults[fault as usize] += 1;
        let standing = self.standing();
        let sent = self.clock.reading();
        let sign_by = first.and_then(|ruling| ruling.sign_by);
        let (time, moves_at_signing) = match sign_by {
            Some(point) => (point.at_boot(sent.boot), Exchange::SIGNED_BY_ANOTHER),
            None => (self.clock.now(), self.clock.moves()),
        };
        let signed_at = whole_seconds(time);
        let (before, after) = match fault {
            Fault::FrozenOnTheWay => (self.one_of([280, 400, 1_000, 5_000]), 0),
            Fault::FrozenAnswer => (0, self.one_of([30, 400, 1_000, 5_000])),
            _ => (0, 0),
        };
        self.clocks.advance(Duration::from_secs(before));
        let answer = self.answer(fault, signed_at);
        self.clocks.advance(Duration::from_secs(after));
        if fault == Fault::LostAnswer {
            return None;
        }
        let evidence = answer.evidence();
        let host = if fault == Fault::OtherHost {
            self.lab.host.clone()
        } else {
            self.aws.clone()
        };
        let received = self.clock.reading();
        let exchange = Exchange {
            attempt: Attempt {
                signed_at: Some(signed_at),
                signing_boot: sent.boot,
                sent,
                received,
            },
            evidence: &evidence,
            host: Some(&host),
            service: None,
            operation: None,
            door: self.door,
            moves_at_signing,
            request,
            is_second: first.is_some(),
        };
        let lesson = first.and_then(|ruling| ruling.pending);
        if let Some(lesson) = lesson.filter(|_| evidence.let_through()) {
            self.clock.settle(&exchange, &lesson);
        }
        let mut ruling = None;
        if evidence.accepted() {
            let can_vouch = host.is_aws() && self.clock.wants_vouch(received.boot);
            if self.clock.minds_accepted(|| evidence.date()) || can_vouch {
                self.clock.accept(&exchange);
            }
        } else {
            ruling = Some(self.clock.rule(&exchange));
        }
        self.holds(fault, standing, &evidence, lesson.is_some());
        ruling.filter(|ruling| ruling.resign)
    }

    #[track_caller]
    fn holds(&mut self, fault: Fault, before: Standing, evidence: &Evidence, is_trial: bool) {
        let after = self.standing();
        let (seed, response) = (self.seed, self.responses);
        let holds = |rule: bool| {
            assert!(
                rule,
                "seed {seed}, response {response}: {fault:?}, {before:?} to {after:?}, {evidence:?}"
            );
        };
        if fault == Fault::None {
            // A right clock is accepted, a rejection ends a wrong correction, and
            // an accepted answer confirms none.
            holds(before != Standing::Right || evidence.accepted() || is_trial);
            holds(after != Standing::Wrong || evidence.accepted());
            holds(after != Standing::Wrong || before == Standing::Wrong);
        }
        if before != Standing::Right || after == Standing::Right {
            return;
        }
        match fault.may_mislead(&self.lab) {
            Some(true) => self.tally.by_words += 1,
            // A lie by `Date` was tried, and was let through.
            _ if is_trial => holds(evidence.let_through()),
            None => holds(false),
            Some(false) => {
                holds(after == Standing::Provisional && self.door == Door::Signer);
                self.tally.by_date += 1;
            }
        }
    }
}
