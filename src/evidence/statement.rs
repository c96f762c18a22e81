//! Every other way to say that a request's time is wrong: S3's fields, and sentences with one time.

use super::codes::{Class, Code};
use super::field::{
    Amount, GREATEST_TOLERANCE, amount_of_time, field, number, server_field, skip_to_value,
    stamp_or_gap,
};
use super::message::{Said, Times};
use super::{Rejection, stamp};
use std::time::{Duration, SystemTime};

/// Every other way to say that a request's time is wrong.
pub(super) fn statement(heard: &str, text: &str, code: &Code<'_>, echoes: bool) -> Option<Said> {
    let dated = one_stamp(heard);
    let by_code = match code.class {
        // A code picked from running text may be part of what is told back.
        Class::Clock(way) if code.stated || !echoes => Some(way),
        _ => None,
    };
    let by_phrase = PHRASES
        .iter()
        .find_map(|(phrase, way)| heard.contains(phrase).then_some(*way));
    let named = [dated.and_then(|(way, _)| way), by_phrase, by_code];
    let way = named.into_iter().flatten().reduce(|one, other| {
        if one == Rejection::Unspecified {
            other
        } else {
            one
        }
    })?;
    let times = stated_times(heard, text, way, dated.and_then(|(_, time)| time));
    Some(times.map_or_else(
        || Said::rejection(way),
        |(way, times)| Said {
            times,
            ..Said::rejection(way)
        },
    ))
}

/// `Request has expired. Timestamp date is A`, `Request timestamp: A expired.`
fn one_stamp(text: &str) -> Option<(Option<Rejection>, Option<SystemTime>)> {
    let after = |label| {
        text.find(label)
            .and_then(|at| Some((text.get(..at)?, text.get(at + str::len(label)..)?)))
    };
    // The verdict stands right before the one and right after the other; farther away, "expired"
    // may be said of a token.
    let (words, time) = if let Some((before, value)) = after("timestampdate") {
        (
            before.get(before.len().saturating_sub(48)..)?,
            stamp_or_gap(skip_to_value(value)?).0,
        )
    } else {
        let (time, after) = stamp_or_gap(skip_to_value(after("requesttimestamp")?.1)?);
        (after.get(..after.len().min(14))?, time)
    };
    let ways = [
        ("expired", Rejection::Behind),
        ("inthepast", Rejection::Behind),
        ("inthefuture", Rejection::Ahead),
    ];
    let way = ways
        .iter()
        .find_map(|(word, way)| words.contains(word).then_some(*way));
    Some((way, time))
}

/// The times beside a rejection that is no sentence, and the direction they show. `None` if they
/// contradict each other or the direction.
fn stated_times(
    heard: &str,
    text: &str,
    way: Rejection,
    dated: Option<SystemTime>,
) -> Option<(Rejection, Times)> {
    let request_label = if NOT_YET_VALID.iter().any(|phrase| heard.contains(phrase)) {
        "x-amz-date"
    } else {
        "requesttime"
    };
    let request = field(text, request_label, |value| Some(stamp::read(value)?.0))
        .ok()?
        .or(dated);
    let server = server_field(text).ok()?;
    // At the very end of a text a number may be cut; whole minutes are not.
    let is_whole = |(millis, rest): &(u64, &str)| !rest.is_empty() || millis % 60_000 == 0;
    let millis = |value: &str| {
        number(value)
            .filter(is_whole)
            .map(|(millis, _)| Duration::from_millis(millis))
    };
    let tolerance = field(text, "maxallowedskewmilliseconds", millis).ok()?;
    let within = || {
        heard
            .split_once("within")
            .and_then(|(_, rest)| match amount_of_time(rest)? {
                Amount::Whole(tolerance) => Some(tolerance),
                Amount::Cut(_) => None,
            })
    };
    let tolerance = tolerance
        .filter(|t| !t.is_zero() && *t <= GREATEST_TOLERANCE)
        .or_else(within);
    let times = Times {
        request,
        server,
        bound: None,
        tolerance,
        in_field: true,
    };
    let (Some(request), Some(server)) = (request, server) else {
        return Some((way, times));
    };
    let (shown, apart) = match server.duration_since(request) {
        Ok(apart) => (Rejection::Behind, apart),
        Err(error) => (Rejection::Ahead, error.duration()),
    };
    // Exactly the tolerance is too much: both times are cut to seconds.
    let enough = !apart.is_zero() && tolerance.is_none_or(|tolerance| apart >= tolerance);
    (enough && (way == Rejection::Unspecified || way == shown)).then_some((shown, times))
}

/// S3's words for a presigned URL from the future, and MinIO's.
const NOT_YET_VALID: [&str; 2] = ["requestisnotyetvalid", "requestisnotvalidyet"];

const PHRASES: [(&str, Rejection); 7] = [
    (NOT_YET_VALID[0], Rejection::Ahead),
    (NOT_YET_VALID[1], Rejection::Ahead),
    ("signatureistoofarinthepast", Rejection::Behind),
    ("signatureistoofarinthefuture", Rejection::Ahead),
    ("forbidden:dateistooold", Rejection::Behind), // Garage
    ("differencebetweentherequesttimeand", Rejection::Unspecified),
    ("timestampordatevalueisexpired", Rejection::Unspecified), // Alibaba Cloud, for both directions
];

#[cfg(test)]
mod tests {
    use super::super::message::tests::{said, summary};

    #[track_caller]
    fn check(code: &str, text: &str, expected: &str) {
        assert_eq!(summary(&said(code, text)), expected, "{text}");
    }

    const SKEWED: &str = "RequestTimeTooSkewed";

    #[test]
    fn fields_are_read_in_any_notation_and_order() {
        for text in [
            "<RequestTime>@100000Z</RequestTime><ServerTime>2026-01-01T10:20:00Z</ServerTime><MaxAllowedSkewMilliseconds>900000</M",
            "<MaxAllowedSkewMilliseconds>900000<x/><ServerTime>\n @102000Z</ServerTime><RequestTime>Thu, 01 Jan 2026 10:00:00 GMT<",
            "RequestTime: '@100000Z',\n ServerTime: '2026-01-01T10:20:00Z',\n MaxAllowedSkewMilliseconds: '900000',",
            r#"{"RequestTime":["@100000Z"],"ServerTime":{"_text":"@102000Z"},"MaxAllowedSkewMilliseconds":900000}"#,
            "[RequestTime] => @100000Z\n[ServerTime] => @102000Z [MaxAllowedSkewMilliseconds] => 900000",
            r#"["RequestTime"]=> string(16) "@100000Z" ["ServerTime"]=> string(16) "@102000Z" ["MaxAllowedSkewMilliseconds"]=>string(6) "900000""#,
            r#"request_time: Some("@100000Z"), server_time: Some("@102000Z"), max_allowed_skew_milliseconds: Some("900000")"#,
            "&lt;RequestTime&gt;<![CDATA[@100000Z]]&gt;\\n&lt;ServerTime>@102000Z<MaxAllowedSkewMilliseconds>900000",
        ] {
            check(SKEWED, text, "Behind 1000 - 1020 900");
        }
        check(
            SKEWED,
            "RequestTime: @102000Z ServerTime: @100000Z",
            "Ahead 1020 - 1000 -",
        );
    }

    #[test]
    fn fields_state_what_is_left_of_them() {
        check(SKEWED, "", "Unspecified - - - -");
        check(
            SKEWED,
            "<ServerTime>@102000Z</ServerTime>",
            "Unspecified - - 1020 -",
        );
        check(
            SKEWED,
            "<RequestTime>@100000Z</RequestTime><ServerTime>2026-01-01T10:2",
            "Unspecified 1000 - - -",
        );
        check(
            SKEWED,
            "<RequestTime></RequestTime><ServerTime>@102000Z<",
            "Unspecified - - 1020 -",
        );
        check(
            SKEWED,
            "current time is too large. (@102000Z)",
            "Unspecified - - - -",
        );
        check(SKEWED, "x-amz-date: @100000Z", "Unspecified - - - -");
        check(
            SKEWED,
            "MaxAllowedSkewMilliseconds: 900000",
            "Unspecified - - - 900",
        );
        check(
            SKEWED,
            "MaxAllowedSkewMilliseconds: 9000",
            "Unspecified - - - -",
        );
        check(
            "",
            "The difference between the request time and the server’s time is toolarge",
            "Unspecified - - - -",
        );
    }

    #[test]
    fn fields_that_contradict_each_other_state_no_time() {
        for text in [
            "RequestTime: @100000Z ServerTime: @100000Z",
            "RequestTime: @100000Z ServerTime: @101459Z MaxAllowedSkewMilliseconds: 900000",
            "RequestTime: @100000Z ServerTime: @102000Z ServerTime: @112000Z",
        ] {
            check(SKEWED, text, "Unspecified - - - -");
        }
        check(
            "RequestInTheFuture",
            "RequestTime: @100000Z ServerTime: @102000Z",
            "Ahead - - - -",
        );
        let edge = "RequestTime: @100000Z ServerTime: @101500Z MaxAllowedSkewMilliseconds: 900000";
        check(SKEWED, edge, "Behind 1000 - 1015 900");
    }

    #[test]
    fn one_stamp_is_the_requests() {
        check(
            "",
            "Request has expired. Timestamp date is @100000Z.",
            "Behind 1000 - - -",
        );
        check(
            "",
            "Request has expired. Timestamp date is @100000Z. Current date is @102000Z.",
            "Behind 1000 - 1020 -",
        );
        check(
            "",
            "Request signature is too far in the past and has expired. Timestamp date: @100000Z",
            "Behind 1000 - - -",
        );
        check(
            "",
            "Request signature is too far in the future. Timestamp date: @100000Z",
            "Ahead 1000 - - -",
        );
        let within = "Request timestamp: Thu, 01 Jan 2026 10:00:00 GMT expired.  It must be within 300 secs/ of server time.";
        check("", within, "Behind 1000 - - 300");
        let presigned = "<Message>Request is not yet valid</Message><X-Amz-Date>1767262800000<x><ServerTime>@100000Z";
        check("AccessDenied", presigned, "Ahead 1020 - 1000 -");
    }

    #[test]
    fn a_code_alone_is_a_rejection_without_times() {
        check(
            "RequestExpired",
            "Request has expired.",
            "Unspecified - - - -",
        );
        check("RequestInTheFuture", "", "Ahead - - - -");
        check("InvalidTimeStamp.Expired", "", "Unspecified - - - -");
    }
}
