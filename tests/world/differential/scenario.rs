//! A scenario is a list of lines: what the user has configured, what happens to the
//! machine, and which calls are made.

use std::fmt;
use std::time::Duration;

use crate::chance::{Chance, Rng};
use crate::clocks::{DAY, Event, HOUR, MINUTE, SECOND, millis};
use crate::fate::{DateFault, Fate, Reply};
use crate::site::Site;
use crate::skew_error::SkewError;

/// What happens, in this order. Each line can be left out.
#[derive(Clone, Debug)]
pub(super) struct Scenario(pub(super) Vec<Line>);

#[derive(Clone, Debug)]
pub(super) enum Line {
    /// What the user has set; it holds from the start.
    Setting(Setting),
    Clock(Event),
    /// NTP takes the wall clock to the true time, so fast; 0 if it no longer does.
    Slew(i64),
    Wait(Duration),
    /// From now on these servers answer for a host, in turn.
    Host(Host, Vec<Site>),
    /// From now on nobody gives out credentials.
    NoNewKeys,
    Call(Call),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Setting {
    NoRetries,
    Adaptive,
    AttemptTimeout(Duration),
    Keys(Keys),
}

/// How credentials are given out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Keys {
    /// Always the same.
    #[default]
    Static,
    /// Others each time, that are valid for so long.
    Rotating { valid: Duration, takes: Duration },
    /// Once: with a second factor, or before a session ended.
    Once { valid: Duration },
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Host {
    Sqs,
    SqsElsewhere,
    S3,
    /// A directory bucket of S3 Express.
    Express,
    Other,
    MinIo,
    /// Over plain http, as the next.
    PlainOther,
    PlainMinIo,
}

impl Host {
    pub(super) const ALL: [Self; 8] = [
        Self::Sqs,
        Self::SqsElsewhere,
        Self::S3,
        Self::Express,
        Self::Other,
        Self::MinIo,
        Self::PlainOther,
        Self::PlainMinIo,
    ];

    pub(super) const fn url(self) -> &'static str {
        match self {
            Self::Sqs => "https://sqs.us-east-1.amazonaws.com",
            Self::SqsElsewhere => "https://sqs.eu-west-1.amazonaws.com",
            Self::S3 => "https://s3.us-east-1.amazonaws.com",
            Self::Express => {
                "https://bucket--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com"
            }
            Self::Other => "https://sqs.other.example",
            Self::MinIo => "https://minio.example",
            Self::PlainOther => "http://sqs.plain.example",
            Self::PlainMinIo => "http://minio.plain.example",
        }
    }

    pub(super) const fn bucket(self) -> &'static str {
        match self {
            Self::Express => "bucket--use1-az4--x-s3",
            _ => "b",
        }
    }

    pub(super) const fn is_s3(self) -> bool {
        matches!(
            self,
            Self::S3 | Self::Express | Self::MinIo | Self::PlainMinIo
        )
    }

    /// Without TLS.
    pub(super) const fn is_plain(self) -> bool {
        matches!(self, Self::PlainOther | Self::PlainMinIo)
    }

    const fn is_aws(self) -> bool {
        matches!(
            self,
            Self::Sqs | Self::SqsElsewhere | Self::S3 | Self::Express
        )
    }

    pub(super) fn site(self) -> Site {
        match self {
            Self::Sqs | Self::SqsElsewhere | Self::Other | Self::PlainOther => {
                Site::with_tolerance(5)
            }
            Self::S3 | Self::Express => {
                let mut all = SkewError::all().iter();
                let in_fields = all.find(|known| known.id == "s3skew-020");
                Site::with_tolerance(15).saying(in_fields.expect("the corpus has it"))
            }
            Self::MinIo | Self::PlainMinIo => {
                Site::with_tolerance(15).saying(&SkewError::by_code())
            }
        }
    }
}

/// One call of a user's, or several at once.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) host: Host,
    pub(super) method: Method,
    pub(super) count: usize,
    /// Each of them with the credentials of another tenant.
    pub(super) has_tenants: bool,
    pub(super) end: End,
    /// What each of its requests meets. The next request after a clock skew error meets
    /// the same.
    pub(super) fates: Vec<Fate>,
    pub(super) cancel: Option<Cancel>,
    /// Which of its host's servers gets the first request; the next gets the next.
    pub(super) server: usize,
    /// What the SDK draws its back-off from: the same for each integration, however often
    /// another one has drawn before.
    pub(super) jitter: u64,
}

/// What a call sends. SDK clients of SQS and the layers know only one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Method {
    #[default]
    Get,
    Head,
    Put,
    /// A body that cannot be replayed; the layers send that, too.
    Stream,
}

/// What the service says to a request that passes the timestamp check.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum End {
    #[default]
    Served,
    Denied,
    NotFound,
    WrongKey,
    /// A validation error that quotes a text about another request, of a user's.
    Quotes,
    /// A cache has kept the clock skew error of another client, and does not say its age.
    Cached,
}

/// When the caller drops the future.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cancel {
    AfterPolls(u32),
    After(Duration),
}

impl Scenario {
    pub(super) fn draw(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut lines = Vec::new();
        if rng.in_thousand(300) {
            lines.push(Line::Setting(Setting::NoRetries));
        }
        if rng.in_thousand(100) {
            lines.push(Line::Setting(Setting::Adaptive));
        }
        if rng.in_thousand(300) {
            lines.push(Line::Setting(Setting::Keys(keys(&mut rng))));
        }
        if rng.in_thousand(150) {
            let timeout = rng.time(50, 2 * SECOND);
            lines.push(Line::Setting(Setting::AttemptTimeout(timeout)));
        }
        for host in Host::ALL {
            if rng.in_thousand(200) {
                lines.push(Line::Host(host, servers(&mut rng, host)));
            }
        }
        if rng.in_thousand(800) {
            lines.push(Line::Clock(set(&mut rng)));
        }
        let hosts: Vec<_> = (0..rng.usize(1..=3))
            .map(|_| rng.one_of(&Host::ALL))
            .collect();
        for _ in 0..rng.u32(3..16) {
            let line = line(&mut rng, &hosts);
            lines.push(line);
        }
        Self(lines)
    }

    pub(super) fn call(&self, line: usize) -> &Call {
        let Line::Call(call) = &self.0[line] else {
            unreachable!("no call is made in line {line}");
        };
        call
    }

    pub(super) fn settings(&self) -> impl Iterator<Item = Setting> {
        self.0.iter().filter_map(|line| match line {
            Line::Setting(setting) => Some(*setting),
            _ => None,
        })
    }
}

fn line(rng: &mut Rng, hosts: &[Host]) -> Line {
    match rng.u32(0..100) {
        0..8 => Line::Clock(event(rng)),
        8..11 => Line::Slew(rng.one_of(&[500, 83_333])),
        11..22 => Line::Wait(rng.time(1, DAY)),
        25 => Line::NoNewKeys,
        22..25 => {
            let host = rng.one_of(hosts);
            Line::Host(host, servers(rng, host))
        }
        _ => Line::Call(call(rng, hosts)),
    }
}

fn keys(rng: &mut Rng) -> Keys {
    let valid = rng.time(15 * MINUTE, 12 * HOUR);
    if rng.bool() {
        let takes = rng.time(1, 2 * SECOND);
        Keys::Rotating { valid, takes }
    } else {
        Keys::Once { valid }
    }
}

/// A skew of any size, and often one that some services tolerate.
fn set(rng: &mut Rng) -> Event {
    Event::IsSet(match rng.u32(0..10) {
        0 => 0,
        1..4 => rng.either_way(2 * MINUTE, 14 * MINUTE),
        4..8 => rng.either_way(14 * MINUTE, DAY),
        8 => rng.either_way(DAY, 390 * DAY),
        _ => rng.either_way(SECOND, 2 * MINUTE),
    })
}

pub(super) fn event(rng: &mut Rng) -> Event {
    match rng.u32(0..10) {
        0..3 => set(rng),
        3..6 => Event::IsSet(rng.i64(-2 * SECOND..2 * SECOND)),
        6 | 7 => Event::Suspends {
            time: rng.time(SECOND, DAY),
            is_counted: rng.bool(),
        },
        8 => Event::Pauses(rng.time(SECOND, DAY)),
        _ => Event::Restores(rng.time(SECOND, 20 * HOUR)),
    }
}

/// One server, or several behind a load balancer, of which one has another clock or another
/// `Date`.
fn servers(rng: &mut Rng, host: Host) -> Vec<Site> {
    let site = site(rng, host);
    if rng.in_thousand(700) {
        return vec![site];
    }
    let mut odd = site.clone();
    if rng.bool() {
        odd.date = DateFault::Wrong(rng.either_way(SECOND, 10 * DAY));
    } else {
        // By more or by less than its service tolerates.
        odd.ahead += rng.either_way(SECOND, 10 * DAY);
    }
    let mut servers = vec![site; rng.usize(1..=2)];
    servers.push(odd);
    servers
}

pub(super) fn site(rng: &mut Rng, host: Host) -> Site {
    let mut site = host.site();
    // It states its tolerance: nobody can know one of less than four minutes otherwise.
    let is_strict = !host.is_s3() && rng.in_thousand(150);
    if is_strict {
        site = Site::with_tolerance(1);
    }
    if is_strict || rng.bool() {
        site = site.dated(rng.one_of(&[
            DateFault::None,
            DateFault::Missing,
            DateFault::Doubled,
            DateFault::TwoDigitYear,
            DateFault::Absurd,
        ]));
    } else {
        let fitting: Vec<_> = SkewError::all().iter().collect();
        site = site.saying(rng.one_of(&fitting));
    }
    if !host.is_aws() && rng.in_thousand(300) {
        site.ahead = rng.either_way(SECOND, 10 * DAY);
    }
    site
}

pub(super) fn call(rng: &mut Rng, hosts: &[Host]) -> Call {
    let host = rng.one_of(hosts);
    let has_tenants = rng.in_thousand(20);
    Call {
        host,
        method: match rng.u32(0..20) {
            0..8 => Method::Get,
            8..16 => Method::Head,
            16..18 => Method::Put,
            _ => Method::Stream,
        },
        count: if has_tenants {
            40
        } else {
            rng.one_of(&[1, 1, 1, 1, 1, 1, 3])
        },
        has_tenants,
        end: if rng.in_thousand(750) {
            End::Served
        } else {
            rng.one_of(&ENDS)
        },
        fates: if rng.in_thousand(250) {
            (0..rng.u32(1..3)).map(|_| fate(rng)).collect()
        } else {
            Vec::new()
        },
        cancel: rng.in_thousand(100).then(|| {
            if rng.bool() {
                Cancel::AfterPolls(rng.u32(1..12))
            } else {
                Cancel::After(rng.time(10, 10 * SECOND))
            }
        }),
        server: rng.usize(0..3),
        jitter: rng.u64(..),
    }
}

const ENDS: [End; 5] = [
    End::Denied,
    End::NotFound,
    End::WrongKey,
    End::Quotes,
    End::Cached,
];

fn fate(rng: &mut Rng) -> Fate {
    let fate = Fate::of(rng.time(20, 5 * SECOND));
    match rng.u32(0..14) {
        12 | 13 => fate.replied(Reply::Throttled(rng.one_of(&[429, 503]))),
        10 => fate.replied(Reply::Forbidden {
            ahead: rng.either_way(SECOND, 10 * DAY),
        }),
        11 => fate.replied(Reply::WithDateAhead(rng.either_way(SECOND, 10 * DAY))),
        0 => fate.replied(Reply::Nobody),
        1 => fate.lost(),
        2 => fate.replied(Reply::Nobody).lost(),
        3 => fate.replied(Reply::Unavailable {
            ahead: rng.either_way(SECOND, 10 * DAY),
        }),
        4 => fate.worked_on(rng.time(SECOND, 20 * MINUTE)),
        5 => Fate::of(rng.time(MINUTE, 40 * MINUTE)),
        6 => Fate::between([event(rng)], []),
        7 => Fate::between([], [event(rng)]),
        _ => fate,
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.0.iter().enumerate() {
            writeln!(f, "  {number:2} {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(setting) => write!(f, "setting {setting:?}"),
            Self::Clock(Event::IsSet(ms)) => write!(f, "the clock is set to {ms} ms ahead"),
            Self::Clock(event) => write!(f, "the machine {event:?}"),
            Self::Slew(ppm) => write!(f, "NTP slews at {ppm} ppm"),
            Self::NoNewKeys => f.write_str("credentials are no longer given out"),
            Self::Wait(time) => write!(f, "wait {time:?}"),
            Self::Host(host, sites) => {
                write!(f, "{host:?}")?;
                for site in sites {
                    write!(
                        f,
                        "; says {} / {}, tolerates {:?}, is {} ms ahead, Date {:?}",
                        site.old.id, site.young.id, site.tolerance, site.ahead, site.date
                    )?;
                }
                Ok(())
            }
            Self::Call(call) => write!(f, "{call}"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenants = if self.has_tenants { " of tenants" } else { "" };
        let (count, method, host) = (self.count, self.method, self.host);
        write!(
            f,
            "{count} × {method:?} {host:?}{tenants}, server {}",
            self.server
        )?;
        if self.end != End::Served {
            write!(f, ", {:?}", self.end)?;
        }
        for fate in &self.fates {
            write!(f, "; a request meets {fate:?}")?;
        }
        if let Some(cancel) = self.cancel {
            write!(f, "; cancelled {cancel:?}")?;
        }
        Ok(())
    }
}

impl Scenario {
    /// Returns what is left with one thing less, for each thing.
    pub(super) fn shorter(&self) -> impl Iterator<Item = Self> {
        let without = (0..self.0.len()).rev().map(|number| {
            let mut lines = self.0.clone();
            lines.remove(number);
            Self(lines)
        });
        let simpler = self.0.iter().enumerate().flat_map(move |(number, line)| {
            let simpler: Vec<_> = match line {
                Line::Call(call) => call.simpler().into_iter().map(Line::Call).collect(),
                Line::Host(host, sites) if sites.len() > 1 => sites
                    .iter()
                    .map(|site| Line::Host(*host, vec![site.clone()]))
                    .collect(),
                _ => Vec::new(),
            };
            simpler.into_iter().map(move |simpler| {
                let mut lines = self.0.clone();
                lines[number] = simpler;
                Self(lines)
            })
        });
        without.chain(simpler)
    }
}

impl Call {
    fn simpler(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut with = |change: fn(&mut Self)| {
            let mut call = self.clone();
            change(&mut call);
            all.push(call);
        };
        if !self.fates.is_empty() {
            with(|call| drop(call.fates.pop()));
            with(|call| drop(call.fates.remove(0)));
        }
        if self.cancel.is_some() {
            with(|call| call.cancel = None);
        }
        if self.count > 1 {
            with(|call| call.count = 1);
            with(|call| call.count /= 2);
        }
        if self.end != End::Served {
            with(|call| call.end = End::Served);
        }
        if self.method != Method::Get {
            with(|call| call.method = Method::Get);
        }
        if self.server > 0 {
            with(|call| call.server = 0);
        }
        all
    }
}

/// A usual round trip.
pub(super) const ROUND_TRIP: Duration = millis(40);
