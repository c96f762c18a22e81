//! A machine whose clock is right, and everything that can go wrong around it:
//! 10,000 sequences of 200 responses with faults in any order.
//!
//! The door here is the interceptor's: the shared clock moves first, and the
//! request is signed by it again.

use std::fmt::Write;

use super::*;
use crate::evidence::{Evidence, ResponseView};
use crate::judge::Attempt;
use crate::local_clock::ManualClock;
use crate::ruling::Door;

const SEQUENCES: u64 = 10_000;
const RESPONSES: u32 = 200;

#[test]
fn a_right_clock_is_left_only_for_words_or_provisionally_and_is_soon_right_again() {
    let mut counts = [0; FAULTS.len()];
    let mut departures = (0, 0);
    for seed in 1..=SEQUENCES {
        let mut machine = Machine::new(seed);
        while machine.responses < RESPONSES {
            machine.makes_a_call();
            if machine.below(50) == 0 {
                machine.recovers();
            }
        }
        machine.recovers();
        for (total, count) in counts.iter_mut().zip(machine.counts) {
            *total += count;
        }
        departures.0 += machine.by_words;
        departures.1 += machine.by_date;
    }
    let mut table = String::new();
    for (fault, count) in FAULTS.iter().zip(counts) {
        writeln!(table, "{count:>8} {fault:?}").unwrap();
    }
    println!(
        "{table}left by words: {}, by Date: {}",
        departures.0, departures.1
    );
    assert!(counts.iter().all(|count| *count > 1_000), "{table}");
    assert!(departures.0 > 1_000 && departures.1 > 1_000);
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    None,
    /// A box in the lab, whose clock is wrong in most sequences.
    OtherHost,
    LyingDateOnAccepted,
    LyingDateOnUnavailable,
    /// A proxy's 403: no request id.
    LyingDateOnForbidden,
    /// A 403 without a code, or an `AccessDenied`, with a request id.
    LyingSuspect,
    /// `RequestTimeTooSkewed`, without times.
    LyingCode,
    CodeWithoutDate,
    Denied,
    WrongKey,
    ForgedNear,
    ForgedTenYearsAhead,
    ForgedAbsurd,
    ContradictsItself,
    FrozenOnTheWay,
    FrozenAnswer,
    LostAnswer,
    Cached,
    DoubledDate,
    AbsurdDate,
    NotFound,
    ProxyPage,
}

const FAULTS: [Fault; 22] = [
    Fault::None,
    Fault::OtherHost,
    Fault::LyingDateOnAccepted,
    Fault::LyingDateOnUnavailable,
    Fault::LyingDateOnForbidden,
    Fault::LyingSuspect,
    Fault::LyingCode,
    Fault::CodeWithoutDate,
    Fault::Denied,
    Fault::WrongKey,
    Fault::ForgedNear,
    Fault::ForgedTenYearsAhead,
    Fault::ForgedAbsurd,
    Fault::ContradictsItself,
    Fault::FrozenOnTheWay,
    Fault::FrozenAnswer,
    Fault::LostAnswer,
    Fault::Cached,
    Fault::DoubledDate,
    Fault::AbsurdDate,
    Fault::NotFound,
    Fault::ProxyPage,
];

impl Fault {
    /// What a right clock may be left for, and whether the lie is in words.
    fn may_mislead(self, lab: &Lab) -> Option<bool> {
        match self {
            Self::ForgedNear => Some(true),
            Self::LyingSuspect | Self::LyingCode => Some(false),
            Self::OtherHost => Some(lab.speaks),
            _ => None,
        }
    }
}

/// The host that is not AWS.
struct Lab {
    host: Host,
    /// Seconds.
    ahead: i64,
    /// It rejects in words, or else silently.
    speaks: bool,
}

struct Answer {
    status: u16,
    body: String,
    dates: Vec<String>,
    has_age: bool,
    has_id: bool,
}

impl Answer {
    fn new(status: u16, body: impl Into<String>, date: SystemTime) -> Self {
        Self {
            status,
            body: body.into(),
            dates: vec![httpdate::fmt_http_date(date)],
            has_age: false,
            has_id: true,
        }
    }

    fn evidence(&self) -> Evidence {
        let mut view = ResponseView::new(self.status, self.body.as_bytes());
        for date in &self.dates {
            view = view.with_date(date);
        }
        if self.has_age {
            view = view.with_age("3");
        }
        if self.has_id {
            view = view.with_request_id("id-1");
        }
        Evidence::read(&view)
    }
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
    /// AWS's.
    tolerance: i64,
    faults_in_hundred: u64,
    responses: u32,
    counts: [u32; FAULTS.len()],
    by_words: u32,
    by_date: u32,
}

impl Machine {
    fn new(seed: u64) -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clocks = ManualClock::new(start);
        let lab = Lab {
            host: Host::new("lab.example", seed % 2 == 0).unwrap(),
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
            tolerance: 0,
            faults_in_hundred: 0,
            responses: 0,
            counts: [0; FAULTS.len()],
            by_words: 0,
            by_date: 0,
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
        if self.sends(fault, request, false) {
            // The fault persists, or is gone, or is another.
            let another = FAULTS[usize::try_from(self.below(FAULTS.len() as u64)).unwrap()];
            let next = if fault == Fault::OtherHost {
                fault
            } else {
                self.one_of([fault, fault, Fault::None, another])
            };
            self.sends(next, request, true);
        }
    }

    /// However it was misled, three accepted answers of AWS suffice.
    fn recovers(&mut self) {
        let mut accepted = 0;
        while self.is_corrected() {
            assert!(accepted < 3, "seed {} at {}", self.seed, self.responses);
            let request = self.clock.next_request();
            if self.sends(Fault::None, request, false) {
                self.sends(Fault::None, request, true);
            }
            accepted += 1;
            self.clocks.advance(Duration::from_secs(1));
        }
    }

    /// Sends a request to its fate. Returns whether it is to be signed again.
    fn sends(&mut self, fault: Fault, request: u64, is_second: bool) -> bool {
        self.responses += 1;
        self.counts[fault as usize] += 1;
        let standing = self.standing();
        let sent = self.clock.reading();
        let moves_at_signing = self.clock.moves();
        let signed_at = whole_seconds(self.clock.now());
        let (before, after) = match fault {
            Fault::FrozenOnTheWay => (self.one_of([280, 400, 1_000, 5_000]), 0),
            Fault::FrozenAnswer => (0, self.one_of([30, 400, 1_000, 5_000])),
            _ => (0, 0),
        };
        self.clocks.advance(Duration::from_secs(before));
        let answer = self.answer(fault, signed_at);
        self.clocks.advance(Duration::from_secs(after));
        if fault == Fault::LostAnswer {
            return false;
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
            door: Door::Signer,
            moves_at_signing,
            request,
            is_second,
        };
        let mut resigns = false;
        if evidence.accepted() {
            let can_vouch = host.is_aws() && self.clock.wants_vouch(received.boot);
            if self.clock.minds_accepted() || can_vouch {
                self.clock.accept(&exchange);
            }
        } else {
            resigns = self.clock.rule(&exchange).resign;
        }
        self.holds(fault, standing, &evidence);
        resigns && !is_second
    }

    #[track_caller]
    fn holds(&mut self, fault: Fault, before: Standing, evidence: &Evidence) {
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
            holds(before != Standing::Right || evidence.accepted());
            holds(after != Standing::Wrong || evidence.accepted());
            holds(after != Standing::Wrong || before == Standing::Wrong);
        }
        if before != Standing::Right || after == Standing::Right {
            return;
        }
        match fault.may_mislead(&self.lab) {
            None => holds(false),
            Some(true) => self.by_words += 1,
            Some(false) => {
                holds(after == Standing::Provisional);
                self.by_date += 1;
            }
        }
    }

    fn answer(&mut self, fault: Fault, signed_at: SystemTime) -> Answer {
        let now = self.clocks.wall();
        let lie = self.lie();
        let lied = shifted(now, lie);
        let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        match fault {
            Fault::None | Fault::FrozenOnTheWay | Fault::FrozenAnswer | Fault::LostAnswer => {
                rules(signed_at, now, self.tolerance, true)
            }
            Fault::OtherHost => {
                let labs = shifted(now, self.lab.ahead);
                rules(signed_at, labs, 900, self.lab.speaks)
            }
            Fault::LyingDateOnAccepted => Answer::new(200, "", lied),
            Fault::LyingDateOnUnavailable => Answer::new(503, "", lied),
            Fault::LyingDateOnForbidden => Answer {
                has_id: false,
                ..Answer::new(403, "<html>Forbidden</html>", lied)
            },
            Fault::LyingSuspect => Answer::new(403, self.one_of(["", denied]), lied),
            Fault::LyingCode => Answer::new(403, TOO_SKEWED, lied),
            Fault::CodeWithoutDate => Answer {
                dates: Vec::new(),
                ..Answer::new(403, TOO_SKEWED, now)
            },
            Fault::Denied => Answer::new(403, denied, now),
            Fault::WrongKey => Answer::new(403, WRONG_KEY, lied),
            Fault::ForgedNear => Answer::new(403, sentence(signed_at, lied, 300), now),
            Fault::ForgedTenYearsAhead => {
                let far = shifted(now, 10 * 365 * 86_400);
                Answer::new(403, sentence(signed_at, far, 900), far)
            }
            Fault::ForgedAbsurd => Answer {
                dates: Vec::new(),
                ..Answer::new(403, ABSURD, now)
            },
            Fault::ContradictsItself => {
                let text = sentence(signed_at, lied, 900).replace("15 min", "5 min");
                Answer {
                    dates: Vec::new(),
                    ..Answer::new(403, text, now)
                }
            }
            Fault::Cached => Answer {
                has_age: true,
                ..Answer::new(self.one_of([200, 403]), "", lied)
            },
            Fault::DoubledDate => {
                let mut answer = Answer::new(self.one_of([200, 403]), "", lied);
                answer.dates.push(httpdate::fmt_http_date(now));
                answer
            }
            Fault::AbsurdDate => {
                let date = self.one_of([
                    "Thu, 01 Jan 1970 00:00:00 GMT",
                    "Tue, 31 Dec 2019 23:59:59 GMT",
                    "yesterday",
                ]);
                Answer {
                    dates: vec![date.to_owned()],
                    ..Answer::new(self.one_of([200, 403]), "", lied)
                }
            }
            Fault::NotFound => Answer::new(self.one_of([404, 412]), "", lied),
            Fault::ProxyPage => {
                let status = self.one_of([301, 407, 429, 502]);
                Answer::new(status, "<html>Signature expired? Try later.</html>", lied)
            }
        }
    }
}

/// What a server at `now` answers to a signature of `signed_at`.
fn rules(signed_at: SystemTime, now: SystemTime, tolerance: i64, speaks: bool) -> Answer {
    let off = ClockOffset::between(signed_at, now).as_millis() / 1_000;
    if off.abs() <= tolerance {
        Answer::new(200, "", now)
    } else if speaks {
        Answer::new(403, sentence(signed_at, now, tolerance), now)
    } else {
        Answer::new(403, TOO_SKEWED, now)
    }
}

fn sentence(signed_at: SystemTime, server: SystemTime, tolerance: i64) -> String {
    let (signed, minutes) = (basic(signed_at), tolerance / 60);
    let (server, bound, words, sign) = if signed_at < server {
        let bound = shifted(server, -tolerance);
        (server, bound, "expired: | is now earlier than", '-')
    } else {
        let bound = shifted(server, tolerance);
        (server, bound, "not yet current: | is still later than", '+')
    };
    let words = words.replace('|', &signed);
    format!(
        r#"{{"__type":"InvalidSignatureException","message":"Signature {words} {} ({} {sign} {minutes} min.)"}}"#,
        basic(bound),
        basic(server)
    )
}

/// `20270115T080000Z`
fn basic(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let time = aws_smithy_types::DateTime::from_secs(since.as_secs().cast_signed());
    let text = time.fmt(aws_smithy_types::date_time::Format::DateTime);
    text.unwrap().replace(['-', ':'], "")
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

fn shifted(time: SystemTime, seconds: i64) -> SystemTime {
    ClockOffset::from_millis(seconds * 1_000).shift(time)
}

const TOO_SKEWED: &str = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
const WRONG_KEY: &str = "<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature \
    we calculated does not match the signature you provided.</Message></Error>";
const ABSURD: &str = "<Error><Code>RequestTimeTooSkewed</Code>\
    <ServerTime>0001-01-01T00:00:00Z</ServerTime></Error>";
