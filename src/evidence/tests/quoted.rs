use std::time::UNIX_EPOCH;

use super::{said, summary};
use crate::evidence::{Evidence, ResponseView};
use crate::timestamp;

#[test]
fn text_quoted_from_the_request_is_ignored() {
    let sentence = "Signature expired: @100000Z is now earlier than @100500Z (@102000Z - 15 min.)";
    assert_eq!(summary(&said("", sentence)), "Behind 1000 1005 1020 900");
    for (code, text) in [
        (
            "AccessDenied",
            format!("User: x is not authorized to perform: y on resource: '{sentence}'"),
        ),
        ("NoSuchKey", format!("<Key>{sentence}</Key>")),
        (
            "ValidationException",
            format!("Value '{sentence}' failed to satisfy constraint"),
        ),
        (
            "AccessDenied",
            format!("<Message>No</Message><Key>&lt;Message&gt;{sentence}&lt;/Message&gt;</Key>"),
        ),
        (
            "",
            format!(
                "The request signature we calculated does not match <CanonicalRequest>{sentence}"
            ),
        ),
        (
            "",
            "is not authorized to perform: y on resource: RequestTimeTooSkewed".to_owned(),
        ),
    ] {
        assert_eq!(said(code, &text).rejection, None, "{text}");
    }
}

#[test]
fn a_message_that_is_no_clock_skew_error_may_state_a_time() {
    let text = "Token expired: current date/time 1767262800 must be before the expiration date/time1767260000";
    let said = said("ExpiredTokenException", text);
    assert_eq!(
        (said.rejection, said.times.server),
        (None, timestamp::sigv4("20260101T102000Z"))
    );
}

#[test]
fn an_error_without_a_time_is_about_this_request_if_its_code_is_listed_or_missing() {
    let is_about_another = |code: &str| {
        let view = ResponseView::new(403, b"").with_error_code(code);
        let view = view.with_date("Thu, 01 Jan 2026 10:20:00 GMT");
        Evidence::read(&view).is_about_another_request(UNIX_EPOCH)
    };
    assert!(!is_about_another(""));
    assert!(!is_about_another("RequestTimeTooSkewed"));
    assert!(is_about_another("NoSuchKey"));
}

#[test]
fn the_request_id_of_an_error_is_kept_also_if_its_status_is_that_of_a_success() {
    for (status, body, is_kept) in [
        (200, "", false),
        (200, "<Error><Code>InternalError</Code></Error>", true),
        (503, "", true),
    ] {
        let view = ResponseView::new(status, body.as_bytes()).with_request_id("id");
        let evidence = Evidence::read(&view);
        assert_eq!(evidence.request_id().is_some(), is_kept, "{status} {body}");
    }
}
