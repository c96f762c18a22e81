//! How often the judge mistakes one cause for another: 20,000 cases of each.

use std::fmt::Write;

use fastrand::Rng;

use super::known::{Known, Manner};
use super::*;

const CASES: usize = 20_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 1_440 * MINUTE;

/// What was wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// The machine's clock; the answer came within a minute.
    Skew,
    /// The request was on its way for too long.
    Stale,
    /// Both.
    Mixed,
    /// Neither: the clock is right, or wrong by less than is tolerated.
    WrongKey,
}

const KINDS: [Kind; 4] = [Kind::Skew, Kind::Stale, Kind::Mixed, Kind::WrongKey];
const VERDICTS: [&str; 6] = [
    "skew",
    "stale",
    "already learned",
    "unsure",
    "not the clock",
    "nothing",
];

#[test]
fn no_cause_is_mistaken_for_another() {
    let mut table = String::from("| what was wrong |");
    for verdict in VERDICTS {
        write!(table, " {verdict} |").unwrap();
    }
    table.push_str(" sent again | accepted then |\n|---|");
    table.push_str(&"---|".repeat(VERDICTS.len() + 2));
    table.push('\n');
    for kind in KINDS {
        let row = Row::of(kind);
        writeln!(table, "{row}").unwrap();
        row.holds();
    }
    println!("{table}");
    let page = include_str!("../../docs/proof.md");
    assert!(page.contains(&table), "docs/proof.md has another table");
}

struct Row {
    kind: Kind,
    verdicts: [usize; VERDICTS.len()],
    again: usize,
    accepted: usize,
}

impl Row {
    fn of(kind: Kind) -> Self {
        let mut row = Self {
            kind,
            verdicts: [0; VERDICTS.len()],
            again: 0,
            accepted: 0,
        };
        let mut rng = Rng::with_seed(kind as u64);
        let mut cases = 0;
        while cases < CASES {
            let known = kind.draw(&mut rng);
            let is_refused = kind == Kind::WrongKey || known.is_rejected();
            if is_refused {
                row.enter(&known);
                cases += 1;
            }
        }
        row
    }

    fn enter(&mut self, known: &Known) {
        let attempt = known.attempt();
        let received = attempt.received;
        let verdict = judge(&attempt, &known.evidence(), received, received.wall);
        let index = match verdict {
            Verdict::Skew(_) => 0,
            Verdict::StaleSignature => 1,
            Verdict::AlreadyLearned => 2,
            Verdict::Unsure => 3,
            Verdict::NotTheClock => 4,
            Verdict::Nothing | Verdict::Unknown { .. } => 5,
        };
        self.verdicts[index] += 1;
        if !verdict.wants_resign() {
            return;
        }
        self.again += 1;
        let signed = match verdict {
            Verdict::Skew(lesson) => lesson.point.at_boot(received.boot),
            _ => received.wall,
        };
        let truth = known.truth(known.there + known.back);
        let off = ClockOffset::between(signed, truth).magnitude();
        // Half a minute for the second request to arrive, and for whole seconds.
        let is_in_time = off + Duration::from_secs(30) <= Duration::from_millis(known.tolerance);
        self.accepted += usize::from(is_in_time && self.kind != Kind::WrongKey);
    }

    #[track_caller]
    fn holds(&self) {
        let [skew, stale, learned, unsure, ..] = self.verdicts;
        match self.kind {
            Kind::Skew => assert_eq!((skew, self.accepted), (CASES, CASES)),
            Kind::Stale => assert_eq!((stale, self.accepted), (CASES, CASES)),
            // What one answer cannot tell is sent again by the wrong clock.
            Kind::Mixed => assert_eq!(
                (self.again, skew + stale + learned + unsure),
                (CASES, CASES)
            ),
            // Only what says neither, at a service that tolerates the clock's error.
            Kind::WrongKey => assert!((stale, self.again <= CASES / 10) == (0, true), "{self}"),
        }
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.kind {
            Kind::Skew => "the clock",
            Kind::Stale => "the signature's age",
            Kind::Mixed => "both",
            Kind::WrongKey => "the key",
        };
        write!(f, "| {what} |")?;
        for count in self.verdicts {
            write!(f, " {count} |")?;
        }
        write!(f, " {} | {} |", self.again, self.accepted)
    }
}

impl Kind {
    fn draw(self, rng: &mut Rng) -> Known {
        let minutes = if rng.bool() { 5 } else { 15 };
        let tolerance = minutes * MINUTE;
        let (skew, there, back) = match self {
            Self::Skew => (
                either_way(rng, tolerance, 300 * DAY),
                spread(rng, 1, MINUTE),
                spread(rng, 1, MINUTE),
            ),
            Self::Stale => (0, spread(rng, tolerance, DAY), spread(rng, 1, MINUTE)),
            Self::Mixed => (
                either_way(rng, 2 * MINUTE, 3 * DAY),
                spread(rng, MINUTE, DAY),
                spread(rng, 1, MINUTE),
            ),
            Self::WrongKey => (
                either_way(rng, SECOND, tolerance - MINUTE),
                spread(rng, 1, MINUTE / 2),
                spread(rng, 1, MINUTE),
            ),
        };
        let manners = match self {
            Self::WrongKey => [
                Manner::WrongKey,
                Manner::WrongKey,
                Manner::AuthFailure,
                Manner::Silently,
            ],
            _ => [
                Manner::InWords,
                Manner::BoundOnly,
                Manner::ByCode,
                Manner::Silently,
            ],
        };
        Known {
            sent: DAY.unsigned_abs() + rng.u64(..100_000_000),
            there: there.unsigned_abs(),
            back: back.unsigned_abs(),
            skew,
            set: 0,
            boot_ppm: 0,
            tolerance: tolerance.unsigned_abs(),
            manner: manners[rng.usize(..manners.len())],
        }
    }
}

/// Any order of magnitude as often as any other.
fn spread(rng: &mut Rng, low: i64, high: i64) -> i64 {
    let base = low << rng.u32(0..=(high / low).ilog2());
    rng.i64(base..=(2 * base).min(high).max(base))
}

fn either_way(rng: &mut Rng, low: i64, high: i64) -> i64 {
    let sign = if rng.bool() { 1 } else { -1 };
    sign * spread(rng, low, high)
}
