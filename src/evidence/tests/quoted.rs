use super::{said, summary};
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
