//! What may be concluded about the server's time, and how much it weighs.

use super::Rejection;
use super::message::Times;
use std::time::{Duration, SystemTime};

/// A server's time, from the best place the response has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Conclusion {
    pub(super) strength: Strength,
    pub(super) source: Source,
    /// When the server answered, by its own clock: the earliest and the latest moment that fit.
    pub(super) range: (SystemTime, SystemTime),
    /// The one of them to sign by.
    pub(super) best: SystemTime,
}

impl Conclusion {
    /// Concludes from the times in the text of a rejection. `None` if none of them is usable.
    pub(super) fn from_text(way: Rejection, times: &Times) -> Option<Self> {
        let past_bound = |bound: SystemTime, by| match way {
            Rejection::Ahead => bound.checked_sub(by),
            Rejection::Behind | Rejection::Unspecified => bound.checked_add(by),
        };
        let source = if times.in_field {
            Source::ServerTime
        } else {
            Source::Message
        };
        let (range, best) = match (times.server, times.bound, times.tolerance) {
            (Some(server), _, _) => ((server, server), server),
            (None, Some(bound), Some(tolerance)) => {
                let server = past_bound(bound, tolerance)?;
                ((server, server), server)
            }
            (None, Some(bound), None) => {
                let (one, other) = (
                    past_bound(bound, BOUND_NARROWEST)?,
                    past_bound(bound, BOUND_WIDEST)?,
                );
                (
                    (one.min(other), one.max(other)),
                    past_bound(bound, BOUND_BEST)?,
                )
            }
            (None, None, _) => return None,
        };
        is_plausible(range.0).then_some(Self {
            strength: Strength::Strong,
            source,
            range,
            best,
        })
    }

    /// Concludes from a `Date` header, which weighs what the response makes of it.
    pub(super) const fn from_date(date: SystemTime, strength: Strength) -> Self {
        Self {
            strength,
            source: Source::Date,
            range: (date, date),
            best: date,
        }
    }
}

/// How much a server's time weighs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Strength {
    /// Stated in the text of a rejection.
    Strong,
    /// The `Date` of a rejection without times, or of a suspect response with a request id.
    Medium,
    /// The `Date` of an accepted response.
    Weak,
}

/// Where a server's time was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// A sentence.
    Message,
    /// A field of its own, as S3 has it.
    ServerTime,
    /// The `Date` header.
    Date,
}

impl Source {
    /// The word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::ServerTime => "server_time",
            Self::Date => "date",
        }
    }
}

/// A server that writes an earlier time has no clock: `0001-01-01` and 1970 are what they write.
pub(super) fn is_plausible(time: SystemTime) -> bool {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .is_ok_and(|since| since >= YEAR_2020)
}

/// 2020-01-01T00:00:00Z.
const YEAR_2020: Duration = Duration::from_secs(1_577_836_800);

/// AWS tolerates 5 minutes or 15; the server's time is that far past the bound it states. Halfway
/// between 5 and 10, a signature is inside the tolerance whichever of the two it is: 2.5 minutes
/// off at 5, 7.5 at 15.
const BOUND_NARROWEST: Duration = Duration::from_secs(5 * 60);
const BOUND_BEST: Duration = Duration::from_secs(450);
const BOUND_WIDEST: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::{Source, Strength};
    use crate::evidence::{Evidence, ResponseView, stamp};
    use std::time::{Duration, SystemTime};

    const DATE: &str = "Thu, 01 Jan 2026 10:20:00 GMT";
    const SENTENCE: &str =
        "Signature expired: 20260101T100000Z is now earlier than 20260101T100500Z";
    const SKEWED: &str = "RequestTimeTooSkewed";

    fn at(time: &str) -> SystemTime {
        stamp::basic(format!("20260101T{time}Z").as_bytes()).unwrap()
    }

    #[track_caller]
    fn check_strength(view: ResponseView<'_>, expected: Option<(Strength, Source)>) {
        let evidence = Evidence::read(&view);
        assert_eq!(
            evidence.strength().zip(evidence.source()),
            expected,
            "{evidence:?}"
        );
        assert_eq!(
            evidence.server_time_range().is_some(),
            expected.is_some(),
            "{evidence:?}"
        );
        assert_eq!(
            evidence.estimate_from().is_some(),
            expected.is_some(),
            "{evidence:?}"
        );
    }

    #[test]
    fn a_source_has_the_word_that_logs_have() {
        let words = [Source::Message, Source::ServerTime, Source::Date].map(Source::as_str);
        assert_eq!(words, ["message", "server_time", "date"]);
    }

    #[test]
    fn strength_is_what_the_table_says() {
        let date = |strength| Some((strength, Source::Date));
        let view =
            |status, body: &'static str| ResponseView::new(status, body.as_bytes()).with_date(DATE);
        check_strength(
            view(403, SENTENCE),
            Some((Strength::Strong, Source::Message)),
        );
        let field =
            "<Code>RequestTimeTooSkewed</Code><ServerTime>2026-01-01T10:20:00Z</ServerTime>";
        check_strength(
            view(403, field),
            Some((Strength::Strong, Source::ServerTime)),
        );
        check_strength(
            view(200, field),
            Some((Strength::Strong, Source::ServerTime)),
        );
        check_strength(
            view(403, "").with_error_code(SKEWED),
            date(Strength::Medium),
        );
        check_strength(view(403, "").with_request_id("1"), date(Strength::Medium));
        check_strength(
            view(401, "")
                .with_error_code("AuthFailure")
                .with_request_id("1"),
            date(Strength::Medium),
        );
        check_strength(view(403, "").with_request_id(" "), None);
        check_strength(view(403, ""), None);
        check_strength(view(401, "").with_request_id("1"), None);
        check_strength(view(200, ""), date(Strength::Weak));
        check_strength(view(304, "").with_request_id("1"), date(Strength::Weak));
        for status in [100, 301, 404, 407, 429, 500, 503] {
            check_strength(view(status, "").with_request_id("1"), None);
            let quoted = view(
                status,
                "<html>RequestTimeTooSkewed: Signature expired</html>",
            );
            check_strength(quoted.with_request_id("1"), None);
        }
        let wrong_key = "The request signature we calculated does not match";
        check_strength(view(403, wrong_key).with_request_id("1"), None);
    }

    #[test]
    fn a_date_that_is_not_the_servers_is_none() {
        let view = ResponseView::new(403, b"").with_error_code(SKEWED);
        check_strength(view.with_date(DATE).with_date(DATE), None);
        check_strength(view.with_date(DATE).with_age(""), None);
        check_strength(view.with_date("Thu, 01 Jan 1970 12:52:37 GMT"), None);
        check_strength(view.with_date("yesterday"), None);
        check_strength(view, None);
    }

    #[test]
    fn absurd_times_are_told_and_not_concluded_from() {
        let body =
            b"<Code>RequestTimeTooSkewed</Code><ServerTime>0001-01-01T00:00:00Z</ServerTime>";
        let evidence = Evidence::read(&ResponseView::new(403, body));
        assert!(evidence.server_time().is_some());
        assert_eq!(
            (evidence.strength(), evidence.server_time_range()),
            (None, None)
        );
        check_strength(
            ResponseView::new(403, body).with_date(DATE),
            Some((Strength::Medium, Source::Date)),
        );
    }

    #[test]
    fn a_bound_gives_ten_minutes() {
        let evidence = Evidence::read(&ResponseView::new(403, SENTENCE.as_bytes()));
        assert_eq!(
            evidence.server_time_range(),
            Some((at("101000"), at("102000")))
        );
        assert_eq!(evidence.estimate_from(), Some(at("101230")));
        let mirror =
            b"Signature not yet current: 20260101T103000Z is still later than 20260101T100500Z";
        let evidence = Evidence::read(&ResponseView::new(403, mirror));
        assert_eq!(
            evidence.server_time_range(),
            Some((at("095000"), at("100000")))
        );
        assert_eq!(evidence.estimate_from(), Some(at("095730")));
        let elided =
            b"Signature expired: date is now earlier than 20260101T100500Z (date - 15 min.)";
        let evidence = Evidence::read(&ResponseView::new(403, elided));
        assert_eq!(
            evidence.server_time_range(),
            Some((at("102000"), at("102000")))
        );
        assert_eq!(
            (evidence.server_time(), evidence.tolerance()),
            (None, Some(Duration::from_secs(900)))
        );
    }
}
