mod cause;
mod code;
mod field;
mod framing;
mod quoted;
mod sample;
mod sentence;

use super::code::Code;
use super::message::{self, Message};
use super::{Evidence, OtherCause, ResponseView};
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads a text in which `@` stands for `20260101T`.
fn said(code: &str, text: &str) -> Message {
    let text = message::text(text.replace('@', "20260101T").as_bytes());
    message::read(&text, &Code::find(Some(code), &text))
}

/// Returns a message as "Behind 1000 1005 1020 900": the direction, A, B and C as `HHMM` of
/// that day, and the tolerance in seconds.
fn summary(said: &Message) -> String {
    let clock = |time: Option<SystemTime>| match time {
        Some(time) => {
            let minutes = time
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs()
                / 60
                - 29_453_760;
            format!("{:02}{:02}", minutes / 60, minutes % 60)
        }
        None => "-".to_owned(),
    };
    let way = said
        .rejection
        .map_or("None".to_owned(), |way| format!("{way:?}"));
    let [request, bound, server] =
        [said.times.request, said.times.bound, said.times.server].map(clock);
    let tolerance = said
        .times
        .tolerance
        .map_or("-".to_owned(), |t| t.as_secs().to_string());
    format!("{way} {request} {bound} {server} {tolerance}")
}

#[track_caller]
fn check_standing(
    status: u16,
    code: &str,
    body: &str,
    standing: (bool, bool, bool),
    cause: Option<OtherCause>,
) {
    let evidence =
        Evidence::read(&ResponseView::new(status, body.as_bytes()).with_error_code(code));
    let read = (
        evidence.is_possible_clock_skew_error(),
        evidence.accepted(),
        evidence.passed_timestamp_check(),
    );
    assert_eq!(
        (read, evidence.other_cause()),
        (standing, cause),
        "{evidence:?}"
    );
}

#[test]
fn each_response_is_accepted_or_passed_the_timestamp_check_or_is_a_possible_skew_error() {
    let (possible, accepted, passed, neither) = (
        (true, false, false),
        (false, true, true),
        (false, false, true),
        (false, false, false),
    );
    check_standing(200, "", "", accepted, None);
    check_standing(304, "", "", accepted, None);
    check_standing(200, "RequestTimeTooSkewed", "", neither, None);
    for status in [302, 404, 405, 409, 412, 416] {
        check_standing(status, "", "", passed, None);
    }
    check_standing(403, "", "", possible, None);
    check_standing(403, "Forbidden", "<html>", possible, None);
    check_standing(400, "InvalidSignatureException", "what?", possible, None);
    check_standing(401, "AuthFailure", "", possible, None);
    check_standing(
        403,
        "AccessDenied",
        "is not authorized to perform: x",
        possible,
        Some(OtherCause::Denied),
    );
    check_standing(403, "RequestTimeTooSkewed", "", neither, None);
    check_standing(400, "InvalidParameterValue", "", neither, None);
    check_standing(401, "", "", neither, None);
    check_standing(429, "AccessDenied", "", neither, None);
    check_standing(500, "AccessDenied", "", neither, None);
    check_standing(500, "ExpiredToken", "", neither, None);
    let wrong_key = "The request signature we calculated does not match";
    check_standing(
        403,
        "SignatureDoesNotMatch",
        wrong_key,
        passed,
        Some(OtherCause::WrongKey),
    );
    check_standing(
        403,
        "AccessDenied",
        "Request has expired",
        neither,
        Some(OtherCause::ExpiredUrl),
    );
    check_standing(
        400,
        "ExpiredToken",
        "",
        neither,
        Some(OtherCause::ExpiredCredentials),
    );
    check_standing(
        403,
        "",
        "{\"message\":\"Missing Authentication Token\"}",
        neither,
        Some(OtherCause::MissingAuthentication),
    );
}

#[test]
fn each_authentication_error_is_a_skew_error_or_a_possible_one() {
    for (status, code, is_refused, is_signature_code) in [
        (403, "RequestTimeTooSkewed", true, false),
        (403, "SignatureDoesNotMatch", true, true),
        (403, "AccessDenied", true, false),
        (403, "", true, false),
        (404, "NoSuchKey", false, false),
        (200, "", false, false),
    ] {
        let evidence = Evidence::read(&ResponseView::new(status, b"").with_error_code(code));
        let refused =
            evidence.clock_skew_error().is_some() || evidence.is_possible_clock_skew_error();
        let read = (refused, evidence.is_signature_code());
        assert_eq!(read, (is_refused, is_signature_code), "{code}");
    }
}

#[test]
fn a_tolerance_without_its_unit_is_none() {
    for (end, tolerance) in [("- 15 min.)", 900), ("- 15", 0), ("- 5", 0), ("- 1", 0)] {
        let text = "Signature expired: 20240522T115159Z is now earlier than \
            20240522T120000Z (20240522T121500Z ";
        let text = format!("{text}{end}");
        let evidence = Evidence::read(&ResponseView::new(403, text.as_bytes()));
        let stated = evidence.tolerance().map_or(0, |stated| stated.as_secs());
        assert_eq!(stated, tolerance, "{end}");
    }
}

#[test]
fn a_tolerance_that_no_server_has_is_none() {
    for (millis, tolerance) in [("900000", Some(900)), ("0", None), ("99999999999", None)] {
        let body = format!(
            "<Error><Code>RequestTimeTooSkewed</Code><MaxAllowedSkewMilliseconds>{millis}\
            </MaxAllowedSkewMilliseconds></Error>"
        );
        let evidence = Evidence::read(&ResponseView::new(403, body.as_bytes()));
        let read = evidence.tolerance().map(|tolerance| tolerance.as_secs());
        assert_eq!(read, tolerance, "{millis}");
    }
}

#[test]
fn a_code_in_a_log_line_is_a_code() {
    let line = b"PUT failed (RequestTimeTooSkewed), giving up";
    let evidence = Evidence::read(&ResponseView::new(403, line));
    assert_eq!(
        evidence.clock_skew_error(),
        Some(super::SkewDirection::Unspecified)
    );
}

#[test]
fn only_the_first_64_kib_are_read() {
    let code = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
    for (before, is_read) in [(65_536 - code.len(), true), (65_536, false)] {
        let body = " ".repeat(before) + code;
        let evidence = Evidence::read(&ResponseView::new(403, body.as_bytes()));
        assert_eq!(evidence.clock_skew_error().is_some(), is_read, "{before}");
    }
}

#[test]
fn a_code_is_read_in_utf_16_as_well() {
    let body = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
    let wide: Vec<u8> = body.bytes().flat_map(|byte| [byte, 0]).collect();
    let evidence = Evidence::read(&ResponseView::new(403, &wide));
    assert_eq!(evidence.error_code(), Some("RequestTimeTooSkewed"));
    assert!(evidence.clock_skew_error().is_some());
}

#[test]
fn an_unknown_code_is_no_possible_clock_skew_error() {
    for (status, code, is_possible_clock_skew_error) in [
        (403, "", true),
        (403, "Gone", false),
        (400, "", false),
        (401, "", false),
    ] {
        let evidence = Evidence::read(&ResponseView::new(status, b"").with_error_code(code));
        assert_eq!(
            evidence.is_possible_clock_skew_error(),
            is_possible_clock_skew_error,
            "{status} {code}"
        );
    }
}

#[test]
fn names_are_kept_for_logs_and_bodies_are_not() {
    let view = ResponseView::new(403, b"secret")
        .with_error_code("a#AccessDenied")
        .with_request_id(" 1\n2 ");
    let evidence = Evidence::read(&view);
    assert_eq!(
        (evidence.error_code(), evidence.request_id()),
        (Some("AccessDenied"), Some("12"))
    );
    let shown = format!("{view:?} {evidence:?}");
    assert!(shown.contains("ResponseView") && !shown.contains("secret"));
    assert_eq!(evidence.clock_skew_error(), None);
}
