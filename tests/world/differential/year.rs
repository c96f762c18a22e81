//! A year of virtual time with a random fault each hour, for each of our integrations and
//! for what it may not be worse than. Without `CLOCK_SKEW_FULL=1` it is five days.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::compare::worse;
use super::excuses::Case;
use super::play::{Correction, Played};
use super::scenario::{Call, End, Host, Keys, Line, Method, Scenario, Setting, call, event, site};
use crate::chance::{Chance, Rng};
use crate::clocks::{DAY, HOUR, MINUTE, SECOND, millis};
use crate::site::Verdict;

/// The days of each process; there are as many processes as settings.
const YEAR: i64 = 73;

/// Sessions of S3 Express are left to the SDK's own correction, and have no time of ours.
const HOSTS: [Host; 5] = [
    Host::Sqs,
    Host::SqsElsewhere,
    Host::S3,
    Host::Other,
    Host::MinIo,
];

const PLAYERS: [(&str, Correction); 8] = [
    ("`install!`", Correction::Install),
    ("`configure`", Correction::Configure),
    ("both", Correction::Both),
    ("the SDK's own", Correction::Sdk),
    ("SDK, none", Correction::None),
    ("`SigningLayer`", Correction::Sign),
    ("`SkewLayer`", Correction::Below),
    ("Tower, none", Correction::Signer),
];

#[test]
fn a_year_with_a_fault_each_hour_loses_no_call_that_the_sdk_alone_keeps() {
    let days = if crate::is_full() { YEAR } else { 1 };
    let mut seed = 0;
    let processes = settings(days).map(|settings| {
        seed += 1;
        process(seed, settings, days)
    });
    let mut sum = PLAYERS.map(|_| Counts::default());
    for counts in crate::in_parallel(&processes, played) {
        let pairs = sum.iter_mut().zip(&counts);
        pairs.for_each(|(sum, counts)| sum.add(counts));
    }
    let table = table(days * 5, &sum);
    println!("{table}");
    let lost: usize = sum.iter().map(|counts| counts.worse).sum();
    assert_eq!(lost, 0, "{table}");
    let page = include_str!("../../../docs/verification.md");
    assert!(
        page.contains(&table),
        "docs/verification.md has another table"
    );
}

/// What the users of five processes have set.
fn settings(days: i64) -> [Vec<Setting>; 5] {
    let rotating = || {
        Setting::Keys(Keys::Rotating {
            valid: millis(6 * HOUR),
            takes: millis(SECOND),
        })
    };
    [
        vec![],
        vec![Setting::NoRetries],
        vec![rotating()],
        vec![Setting::Keys(Keys::Once {
            valid: millis(3 * (days + 1) * DAY),
        })],
        vec![rotating(), Setting::AttemptTimeout(millis(2 * SECOND))],
    ]
}

/// A process that makes a call every ten minutes. Each hour begins with a fault.
fn process(seed: u64, settings: Vec<Setting>, days: i64) -> Scenario {
    let mut rng = Rng::with_seed(seed);
    let mut lines: Vec<_> = settings.into_iter().map(Line::Setting).collect();
    for _ in 0..days * 24 {
        let host = rng.one_of(&HOSTS);
        match rng.u32(0..8) {
            0..2 => lines.push(Line::Clock(event(&mut rng))),
            2 => lines.push(Line::Slew(rng.one_of(&[500, 83_333]))),
            3 => lines.push(Line::Host(host, vec![site(&mut rng, host)])),
            _ => lines.push(Line::Call(faulty(&mut rng))),
        }
        for _ in 0..6 {
            lines.push(Line::Call(usual(rng.one_of(&HOSTS))));
            lines.push(Line::Wait(millis(10 * MINUTE)));
        }
        // The next hour has a fault of its own.
        lines.push(Line::Slew(0));
        lines.push(Line::Host(host, vec![host.site()]));
    }
    Scenario(lines)
}

/// A call that is served, and meets no fault.
pub(super) fn usual(host: Host) -> Call {
    Call {
        host,
        method: Method::Get,
        count: 1,
        has_tenants: false,
        end: End::Served,
        fates: Vec::new(),
        cancel: None,
        server: 0,
        jitter: 0,
    }
}

fn faulty(rng: &mut Rng) -> Call {
    loop {
        let call = call(rng, &HOSTS);
        let is_usual = call.end == End::Served && call.fates.is_empty() && call.cancel.is_none();
        if !is_usual || call.has_tenants {
            return call;
        }
    }
}

/// What became of the calls of one player.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) calls: usize,
    pub(super) lost: usize,
    /// Lost, and the last response was a clock skew error.
    lost_to_the_clock: usize,
    /// Lost or rejected, where it may not be.
    worse: usize,
    /// Lost that the other keeps, in one of the cases that are excepted.
    excepted: usize,
    pub(super) rejected: usize,
    pub(super) sent: usize,
}

fn played(scenario: &Scenario) -> [Counts; 8] {
    let with_own_keys = with_static_keys(scenario);
    let of_player = |correction| match correction {
        Correction::Below | Correction::Signer => &with_own_keys,
        _ => scenario,
    };
    let all = PLAYERS.map(|(_, correction)| of_player(correction).play(correction));
    let of = |wanted: Correction| {
        let index = PLAYERS
            .iter()
            .position(|(_, correction)| *correction == wanted);
        &all[index.expect("is a player")]
    };
    PLAYERS.map(|(_, correction)| {
        let ours = of(correction);
        let mut counts = Counts::of(ours);
        if !Correction::OURS.contains(&correction) {
            return counts;
        }
        for (number, call) in ours.iter().enumerate() {
            if is_lost_to_the_clock(call)
                && Case::of(of_player(correction), ours, number)
                    .excuse(correction)
                    .is_none()
            {
                println!("{correction:?}, line {}: {call}", call.line);
                counts.worse += 1;
            }
        }
        for other in correction.alone() {
            let theirs = of(*other);
            let scenario = of_player(correction);
            let found = worse(
                scenario,
                (correction, ours),
                (*other, theirs),
                &mut BTreeSet::new(),
            );
            if let Some(failure) = found {
                println!("{failure}");
                counts.worse += 1;
            }
            let pairs = ours.iter().zip(theirs);
            let more = pairs.filter(|(our, their)| our.lost() > their.lost());
            counts.excepted += more.count();
        }
        counts
    })
}

fn is_lost_to_the_clock(call: &Played) -> bool {
    let last = call.sent.last();
    call.lost() > 0 && last.is_some_and(|sent| sent.verdict == Verdict::Rejected)
}

/// A signer above a layer has its credentials before each request, so they neither end nor
/// change under it.
pub(super) fn with_static_keys(scenario: &Scenario) -> Scenario {
    let mut scenario = scenario.clone();
    for line in &mut scenario.0 {
        if let Line::Setting(Setting::Keys(keys)) = line {
            *keys = Keys::Static;
        }
    }
    scenario
}

impl Counts {
    pub(super) fn of(played: &[Played]) -> Self {
        let mut counts = Self::default();
        for call in played {
            let sent = call.sent.iter();
            let rejected = sent.filter(|sent| sent.verdict == Verdict::Rejected);
            counts.calls += call.outcomes.len();
            counts.lost += call.lost();
            counts.rejected += rejected.count();
            counts.sent += call.sent.len();
            if is_lost_to_the_clock(call) {
                counts.lost_to_the_clock += call.lost();
            }
        }
        counts
    }

    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.lost += other.lost;
        self.lost_to_the_clock += other.lost_to_the_clock;
        self.worse += other.worse;
        self.excepted += other.excepted;
        self.rejected += other.rejected;
        self.sent += other.sent;
    }
}

fn table(days: i64, sum: &[Counts]) -> String {
    let mut table = format!(
        "| {days} days | calls | failed | with a clock skew error | kept by the other | rejected |\n\
        |---|---|---|---|---|---|\n"
    );
    for ((name, _), counts) in PLAYERS.iter().zip(sum) {
        let Counts {
            calls,
            lost,
            lost_to_the_clock,
            excepted,
            rejected,
            sent,
            ..
        } = counts;
        let line = writeln!(
            table,
            "| {name} | {calls} | {lost} | {lost_to_the_clock} | {excepted} | {rejected} of {sent} |"
        );
        line.expect("memory");
    }
    table
}
