use super::{said, summary};

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
        "[RequestTime] => @100000Z\n[ServerTime] => @102000Z [MaxAllowedSkewMilliseconds] => 900000",
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
fn a_code_alone_is_a_clock_skew_error_without_times() {
    check(
        "RequestExpired",
        "Request has expired.",
        "Unspecified - - - -",
    );
    check("RequestInTheFuture", "", "Ahead - - - -");
    check("InvalidTimeStamp.Expired", "", "Unspecified - - - -");
}
