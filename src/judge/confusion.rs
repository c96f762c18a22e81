//! How often the judge mistakes one cause for another: 20,000 cases of each.

use std::fmt::Write;

use fastrand::Rng;

use super::known::{Known, Manner};
use super::*;

const CASES: usize = 20_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 1_440 * MINUTE;

/// The cause of the error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// The local clock is wrong; the response came within a minute.
    Skew,
    /// The request was in transit for too long.
    Expired,
    /// Both.
    Mixed,
    /// The key is wrong; the clock is correct, or its error is tolerated.
    WrongKey,
}

const KINDS: [Kind; 4] = [Kind::Skew, Kind::Expired, Kind::Mixed, Kind::WrongKey];
const VERDICTS: [&str; 6] = [
    "clock skew",
    "expired in transit",
    "already corrected",
    "inconclusive",
    "not clock skew",
    "other",
];

#[test]
fn no_cause_is_mistaken_for_another() {
    let mut table = String::from("| what was wrong |");
    for verdict in VERDICTS {
        write!(table, " {verdict} |").unwrap();
    }
    table.push_str(" resent | accepted then |\n|---|");
    table.push_str(&"---|".repeat(VERDICTS.len() + 2));
    table.push('\n');
    for kind in KINDS {
        let row = Row::of(kind);
        writeln!(table, "{row}").unwrap();
        row.holds();
    }
    println!("{table}");
    let page = include_str!("../../docs/verification.md");
    assert!(
        page.contains(&table),
        "docs/verification.md has another table"
    );
}

struct Row {
    kind: Kind,
    verdicts: [usize; VERDICTS.len()],
    resent: usize,
    accepted: usize,
}

impl Row {
    fn of(kind: Kind) -> Self {
        let mut row = Self {
            kind,
            verdicts: [0; VERDICTS.len()],
            resent: 0,
            accepted: 0,
        };
        let mut rng = Rng::with_seed(kind as u64);
        let mut cases = 0;
        while cases < CASES {
            let known = kind.draw(&mut rng);
            let is_rejected = kind == Kind::WrongKey || known.is_rejected();
            if is_rejected {
                row.add(&known);
                cases += 1;
            }
        }
        row
    }

    fn add(&mut self, known: &Known) {
        let trip = known.trip();
        let received = trip.received;
        let verdict = judge(&trip, &known.evidence(), received, known.signing());
        let index = match verdict {
            Verdict::ClockSkew(_) => 0,
            Verdict::ExpiredInTransit => 1,
            Verdict::AlreadyCorrected => 2,
            Verdict::Inconclusive => 3,
            Verdict::NotClockSkew => 4,
            Verdict::Other | Verdict::NoTime { .. } => 5,
        };
        self.verdicts[index] += 1;
        if matches!(
            verdict,
            Verdict::Other | Verdict::NotClockSkew | Verdict::NoTime { resign: false }
        ) {
            return;
        }
        self.resent += 1;
        let signed = match verdict {
            Verdict::ClockSkew(sample) => sample.point.at_monotonic(received.monotonic),
            _ => received.wall,
        };
        let truth = known.truth(known.there + known.back);
        let off = distance(signed, truth);
        // Half a minute is for the time in transit of the resend, and for the cut to whole
        // seconds.
        let is_in_time = off + Duration::from_secs(30) <= Duration::from_millis(known.tolerance);
        self.accepted += usize::from(is_in_time && self.kind != Kind::WrongKey);
    }

    #[track_caller]
    fn holds(&self) {
        let [skew, expired, corrected, inconclusive, ..] = self.verdicts;
        match self.kind {
            Kind::Skew => assert_eq!((skew, self.accepted), (CASES, CASES)),
            Kind::Expired => assert_eq!((expired, self.accepted), (CASES, CASES)),
            // One response cannot always show the local clock's error, so some resends
            // carry the wrong time.
            Kind::Mixed => assert_eq!(
                (self.resent, skew + expired + corrected + inconclusive),
                (CASES, CASES)
            ),
            // Only error responses that name no cause and state no time are resent.
            Kind::WrongKey => assert!((expired, self.resent <= CASES / 10) == (0, true), "{self}"),
        }
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.kind {
            Kind::Skew => "the local clock",
            Kind::Expired => "the signature's age",
            Kind::Mixed => "both",
            Kind::WrongKey => "the key",
        };
        write!(f, "| {what} |")?;
        for count in self.verdicts {
            write!(f, " {count} |")?;
        }
        write!(f, " {} | {} |", self.resent, self.accepted)
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
            Self::Expired => (0, spread(rng, tolerance, DAY), spread(rng, 1, MINUTE)),
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
                Manner::Message,
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
            mono_ppm: 0,
            tolerance: tolerance.unsigned_abs(),
            manner: manners[rng.usize(..manners.len())],
        }
    }
}

/// Returns a random number; each order of magnitude is equally likely.
fn spread(rng: &mut Rng, low: i64, high: i64) -> i64 {
    let base = low << rng.u32(0..=(high / low).ilog2());
    rng.i64(base..=(2 * base).min(high).max(base))
}

fn either_way(rng: &mut Rng, low: i64, high: i64) -> i64 {
    let sign = if rng.bool() { 1 } else { -1 };
    sign * spread(rng, low, high)
}
