//! The faults, and the response that each of them causes.

use super::Machine;
use crate::evidence::{Evidence, ResponseView};
use crate::host::Host;
use crate::local_clock::LocalClock;
use crate::offset::ClockOffset;
use std::time::{Duration, SystemTime};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    None,
    /// A server that is not AWS, whose clock is wrong in most sequences.
    OtherHost,
    LyingDateOnAccepted,
    LyingDateOnUnavailable,
    /// A 403 from a proxy, without a request id.
    LyingDateOnForbidden,
    /// A 403 without a code, or an `AccessDenied`, with a request id.
    LyingForbidden,
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

pub(super) const FAULTS: [Fault; 22] = [
    Fault::None,
    Fault::OtherHost,
    Fault::LyingDateOnAccepted,
    Fault::LyingDateOnUnavailable,
    Fault::LyingDateOnForbidden,
    Fault::LyingForbidden,
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
    /// Returns whether a message that comes with this fault may change a correct clock.
    pub(super) const fn may_mislead(self, lab: &Lab) -> bool {
        match self {
            Self::ForgedNear => true,
            Self::OtherHost => lab.speaks,
            _ => false,
        }
    }
}

/// A server that is not AWS.
pub(super) struct Lab {
    pub(super) host: Host,
    /// How far the server's clock is ahead, in seconds.
    pub(super) ahead: i64,
    /// Whether its clock skew errors state the time, or hold a code only.
    pub(super) speaks: bool,
}

impl Machine {
    /// Returns the response to a request that was signed for `signed_at`.
    pub(super) fn answer(&mut self, fault: Fault, signed_at: SystemTime) -> Answer {
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
            Fault::LyingForbidden => Answer::new(403, self.one_of(["", denied]), lied),
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

pub(super) struct Answer {
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

    pub(super) fn evidence(&self) -> Evidence {
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

/// Returns the response to a signature of `signed_at` from a server whose clock shows
/// `now`.
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

pub(super) fn whole_seconds(time: SystemTime) -> SystemTime {
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
