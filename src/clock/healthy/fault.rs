//! The faults, and the response that each of them causes.

use super::Machine;
use crate::evidence::{Evidence, ResponseView};
use crate::host::Host;
use crate::local_clock::LocalClock;
use crate::offset::ClockOffset;
use std::time::SystemTime;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    None,
    /// A server that is not AWS, whose clock is wrong in most sequences.
    OtherHost,
    WrongDateOnAccepted,
    WrongDateOnUnavailable,
    /// A 403 from a proxy, without a request id.
    WrongDateOnForbidden,
    /// A 403 without a code, or an `AccessDenied`, with a request id.
    WrongDateOnDenial,
    /// `RequestTimeTooSkewed`, without times.
    WrongDateOnCode,
    CodeWithoutDate,
    Denied,
    WrongKey,
    ForgedNear,
    ForgedTenYearsAhead,
    ForgedAbsurd,
    ContradictsItself,
    FrozenInTransit,
    FrozenResponse,
    LostResponse,
    Cached,
    DoubledDate,
    AbsurdDate,
    NotFound,
    ProxyPage,
}

pub(super) const FAULTS: [Fault; 22] = [
    Fault::None,
    Fault::OtherHost,
    Fault::WrongDateOnAccepted,
    Fault::WrongDateOnUnavailable,
    Fault::WrongDateOnForbidden,
    Fault::WrongDateOnDenial,
    Fault::WrongDateOnCode,
    Fault::CodeWithoutDate,
    Fault::Denied,
    Fault::WrongKey,
    Fault::ForgedNear,
    Fault::ForgedTenYearsAhead,
    Fault::ForgedAbsurd,
    Fault::ContradictsItself,
    Fault::FrozenInTransit,
    Fault::FrozenResponse,
    Fault::LostResponse,
    Fault::Cached,
    Fault::DoubledDate,
    Fault::AbsurdDate,
    Fault::NotFound,
    Fault::ProxyPage,
];

impl Fault {
    /// Returns whether a message that comes with this fault may change a correct clock.
    pub(super) const fn may_change_clock(self, other_server: &OtherServer) -> bool {
        match self {
            Self::ForgedNear => true,
            Self::OtherHost => other_server.states_times,
            _ => false,
        }
    }
}

/// A server that is not AWS.
pub(super) struct OtherServer {
    pub(super) host: Host,
    /// How far the server's clock is ahead, in seconds.
    pub(super) ahead: i64,
    /// Whether its clock skew errors state the time, or hold a code only.
    pub(super) states_times: bool,
}

impl Machine {
    /// Returns the response to a request that was signed for `signed_at`.
    pub(super) fn answer(&mut self, fault: Fault, signed_at: SystemTime) -> Answer {
        let now = self.clocks.wall();
        let error = self.wrong_by();
        let wrong = shifted(now, error);
        let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        match fault {
            Fault::None | Fault::FrozenInTransit | Fault::FrozenResponse | Fault::LostResponse => {
                rules(signed_at, now, self.tolerance, true)
            }
            Fault::OtherHost => {
                let other_time = shifted(now, self.other_server.ahead);
                rules(signed_at, other_time, 900, self.other_server.states_times)
            }
            Fault::WrongDateOnAccepted => Answer::new(200, "", wrong),
            Fault::WrongDateOnUnavailable => Answer::new(503, "", wrong),
            Fault::WrongDateOnForbidden => Answer {
                has_id: false,
                ..Answer::new(403, "<html>Forbidden</html>", wrong)
            },
            Fault::WrongDateOnDenial => Answer::new(403, self.one_of(["", denied]), wrong),
            Fault::WrongDateOnCode => Answer::new(403, TOO_SKEWED, wrong),
            Fault::CodeWithoutDate => Answer {
                dates: Vec::new(),
                ..Answer::new(403, TOO_SKEWED, now)
            },
            Fault::Denied => Answer::new(403, denied, now),
            Fault::WrongKey => Answer::new(403, WRONG_KEY, wrong),
            Fault::ForgedNear => Answer::new(403, sentence(signed_at, wrong, 300), now),
            Fault::ForgedTenYearsAhead => {
                let far = shifted(now, 10 * 365 * 86_400);
                Answer::new(403, sentence(signed_at, far, 900), far)
            }
            Fault::ForgedAbsurd => Answer {
                dates: Vec::new(),
                ..Answer::new(403, ABSURD, now)
            },
            Fault::ContradictsItself => {
                let text = sentence(signed_at, wrong, 900).replace("15 min", "5 min");
                Answer {
                    dates: Vec::new(),
                    ..Answer::new(403, text, now)
                }
            }
            Fault::Cached => Answer {
                has_age: true,
                ..Answer::new(self.one_of([200, 403]), "", wrong)
            },
            Fault::DoubledDate => {
                let mut answer = Answer::new(self.one_of([200, 403]), "", wrong);
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
                    ..Answer::new(self.one_of([200, 403]), "", wrong)
                }
            }
            Fault::NotFound => Answer::new(self.one_of([404, 412]), "", wrong),
            Fault::ProxyPage => {
                let status = self.one_of([301, 407, 429, 502]);
                Answer::new(status, "<html>Signature expired? Try later.</html>", wrong)
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
fn rules(signed_at: SystemTime, now: SystemTime, tolerance: i64, states_times: bool) -> Answer {
    let off = ClockOffset::between(signed_at, now).as_millis() / 1_000;
    if off.abs() <= tolerance {
        Answer::new(200, "", now)
    } else if states_times {
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

fn shifted(time: SystemTime, seconds: i64) -> SystemTime {
    ClockOffset::from_millis(seconds * 1_000).shift(time)
}

const TOO_SKEWED: &str = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
const WRONG_KEY: &str = "<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature \
    we calculated does not match the signature you provided.</Message></Error>";
const ABSURD: &str = "<Error><Code>RequestTimeTooSkewed</Code>\
    <ServerTime>0001-01-01T00:00:00Z</ServerTime></Error>";
