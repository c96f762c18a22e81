//! Exchanges whose true times are known, to test what the judge concludes from them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::date_time::{DateTime, Format};

use super::{RoundTrip, SignedBy, SigningTime};
use crate::evidence::{Evidence, ResponseView};
use crate::local_clock::Reading;
use crate::offset::{ClockOffset, whole_seconds};

/// A request, its response, and the local clocks. All numbers are milliseconds, except
/// `mono_ppm`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// When the request was signed and sent, in true time after 2027-01-15T08:00:00Z.
    pub(crate) sent: u64,
    pub(crate) there: u64,
    pub(crate) back: u64,
    /// How far the local wall clock is ahead (`skew`), and by how much it is set forward
    /// while the request is in transit (`set`).
    pub(crate) skew: i64,
    pub(crate) set: i64,
    /// How much too fast the monotonic clock runs, in millionths.
    pub(crate) mono_ppm: i64,
    pub(crate) tolerance: u64,
    pub(crate) manner: Manner,
}

/// What the server's response states.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    Message,
    /// An error message without the part in parentheses.
    BoundOnly,
    /// `RequestTimeTooSkewed`, with a `Date` that is up to a second old.
    ByCode,
    /// A 403 without a body, with such a `Date` and a request id.
    Silently,
    /// The key is wrong, and the error message says so.
    WrongKey,
    /// The key is wrong, and EC2 returns the code that it also returns for a wrong time.
    AuthFailure,
}

impl Known {
    pub(crate) fn trip(&self) -> RoundTrip {
        let sent = self.reading(0);
        RoundTrip {
            signed_at: Some(whole_seconds(sent.wall)),
            signed_by: SignedBy::Clock(0),
            sent,
            received: self.reading(self.there + self.back),
        }
    }

    /// Returns the time that an uncorrected clock signs with when the response comes.
    pub(crate) fn signing(&self) -> SigningTime {
        SigningTime {
            now: self.trip().received.wall,
            by: SignedBy::Clock(0),
        }
    }

    /// Returns both local clocks, `after` milliseconds after the request was sent.
    pub(crate) fn reading(&self, after: u64) -> Reading {
        let set = if after > 0 { self.set } else { 0 };
        let mono = i64::try_from(self.sent + after).unwrap();
        let mono =
            mono + mono / 1_000_000 * self.mono_ppm + mono % 1_000_000 * self.mono_ppm / 1_000_000;
        Reading {
            wall: ClockOffset::from_millis(self.skew + set).shift(self.truth(after)),
            monotonic: Duration::from_millis(mono.unsigned_abs()),
        }
    }

    /// Returns the true time, `after` milliseconds after the request was sent.
    pub(crate) fn truth(&self, after: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000) + Duration::from_millis(self.sent + after)
    }

    pub(crate) fn is_rejected(&self) -> bool {
        let signed = self.trip().signed_at.unwrap();
        let off = ClockOffset::between(signed, whole_seconds(self.truth(self.there)));
        off.magnitude() > Duration::from_millis(self.tolerance)
    }

    pub(crate) fn evidence(&self) -> Evidence {
        let server = self.truth(self.there);
        let body = self.body(server);
        // The server renders its `Date` once a second.
        let date = server - Duration::from_millis(self.sent % 1_000);
        let date = text(date, Format::HttpDate);
        let status = if self.manner == Manner::AuthFailure {
            401
        } else {
            403
        };
        let view = ResponseView::new(status, body.as_bytes()).with_request_id("id-1");
        Evidence::read(&match self.manner {
            Manner::Message | Manner::BoundOnly => view,
            _ => view.with_date(&date),
        })
    }

    fn body(&self, server: SystemTime) -> String {
        let signed = self.trip().signed_at.unwrap();
        let tolerance = Duration::from_millis(self.tolerance);
        let (bound, words, sign) = if signed < server {
            (server - tolerance, "expired: | is now earlier than", '-')
        } else {
            let words = "not yet current: | is still later than";
            (server + tolerance, words, '+')
        };
        let words = words.replace('|', &basic(signed));
        let bound = basic(bound);
        match self.manner {
            Manner::Message => format!(
                r#"{{"message":"Signature {words} {bound} ({} {sign} {} min.)"}}"#,
                basic(server),
                self.tolerance / 60_000
            ),
            Manner::BoundOnly => format!(r#"{{"message":"Signature {words} {bound}"}}"#),
            Manner::ByCode => "<Error><Code>RequestTimeTooSkewed</Code></Error>".to_owned(),
            Manner::Silently => String::new(),
            Manner::WrongKey => "<Error><Code>SignatureDoesNotMatch</Code><Message>The request \
                signature we calculated does not match the signature you provided.</Message>\
                </Error>"
                .to_owned(),
            Manner::AuthFailure => "<Error><Code>AuthFailure</Code><Message>AWS was not able to \
                validate the provided access credentials</Message></Error>"
                .to_owned(),
        }
    }
}

/// `20270115T080000Z`
fn basic(time: SystemTime) -> String {
    text(time, Format::DateTime).replace(['-', ':'], "")
}

fn text(time: SystemTime, format: Format) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap().as_secs();
    DateTime::from_secs(seconds.cast_signed())
        .fmt(format)
        .unwrap()
}
