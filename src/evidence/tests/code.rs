use crate::evidence::code::{Class, Code, visible};
use crate::evidence::{Evidence, OtherCause, ResponseView, SkewDirection};

#[track_caller]
fn check(given: Option<&str>, text: &str, name: Option<&str>, class: Class) {
    let code = Code::find(given, text);
    assert_eq!(
        (code.name.as_deref(), code.class),
        (name, class),
        "{given:?} {text}"
    );
}

#[test]
fn the_code_in_the_header_of_the_json_protocol_counts_before_that_of_the_query_protocol() {
    let (json, query) = ("X-Amzn-ErrorType", "x-amzn-query-error");
    let (clock, key) = ("RequestExpired", "SignatureDoesNotMatch;Sender");
    for (headers, code) in [
        ([("connection", "close"), ("server", "Server")], None),
        ([("connection", "close"), (json, clock)], Some(clock)),
        ([(query, clock), ("server", "Server")], Some(clock)),
        ([(query, key), (json, clock)], Some(clock)),
        ([(json, clock), (query, key)], Some(clock)),
    ] {
        let headers = headers.map(|(name, value)| (name, value.as_bytes()));
        let evidence = Evidence::read(&ResponseView::new(400, b"").with_headers(headers));
        assert_eq!(evidence.error_code(), code, "{headers:?}");
    }
}

#[test]
fn a_given_code_is_stripped_and_preferred() {
    let signature = Some("InvalidSignatureException");
    check(
        signature,
        "<Code>AccessDenied</Code>",
        signature,
        Class::Signature,
    );
    check(
        Some("InvalidSignatureException:http://internal.amazon.com/a#b/"),
        "",
        signature,
        Class::Signature,
    );
    check(
        Some("com.amazon.coral.service#InvalidSignatureException"),
        "",
        signature,
        Class::Signature,
    );
    check(Some("aws:Strange"), "", Some("Strange"), Class::Unknown);
    check(
        Some("null"),
        "<Code>AccessDenied</Code>",
        Some("AccessDenied"),
        Class::Access,
    );
    check(Some("403"), "", None, Class::Unknown);
    check(Some(" "), "", None, Class::Unknown);
}

#[test]
fn every_notation_of_a_code_is_read() {
    let name = Some("RequestTimeTooSkewed");
    let clock = Class::Clock(SkewDirection::Unspecified);
    for text in [
        "<Error><Code>RequestTimeTooSkewed</Code>",
        "<Error>\n <code>\n RequestTimeTooSkewed</code>",
        r#"{"__type":"com.amazon.coral.service#RequestTimeTooSkewed","message":1}"#,
        r#"{"errorType" : "RequestTimeTooSkewed:http://x/"}"#,
        r#"{"Error":[{"Code":["RequestTimeTooSkewed"]"#,
        "(Service: S3; Status Code: 403; Error Code: RequestTimeTooSkewed; Request ID: 1)",
        "StatusCode=403, ErrorCode=RequestTimeTooSkewed, ErrorMessage=",
        "code: Some(\"RequestTimeTooSkewed\"), message:",
        "['Code'] => RequestTimeTooSkewed",
        "An error occurred (RequestTimeTooSkewed) when calling",
        "api error RequestTimeTooSkewed: The",
        "[RequestTimeTooSkewed] The",
        "code: 'Other', ErrorCode: RequestTimeTooSkewed",
    ] {
        check(None, text, name, clock);
    }
}

#[test]
fn text_that_is_not_a_code_is_not_read() {
    check(
        None,
        "Status Code: 403; Error Code: null",
        None,
        Class::Unknown,
    );
    check(
        None,
        "statusCode\":400,\"retryable\":true",
        None,
        Class::Unknown,
    );
    check(None, "<Code></Code>Signature", None, Class::Unknown);
    check(None, "code", None, Class::Unknown);
    check(None, "", None, Class::Unknown);
    check(
        None,
        "<Code>NoSuchKey</Code><Key>RequestTimeTooSkewed</Key>",
        Some("NoSuchKey"),
        Class::Unrelated,
    );
}

#[test]
fn codes_of_malformed_and_of_rejected_signatures_are_signature_codes() {
    for (name, message, is_signature) in [
        ("AuthFailure", "", true),
        ("IncompleteSignature", "", true),
        ("AccessDenied", "", false),
        // IAM Roles Anywhere.
        ("AccessDeniedException", "Invalid signature", true),
        (
            "AccessDenied",
            "not authorized to perform: Invalid signature",
            false,
        ),
        ("ExpiredToken", "Invalid signature", false),
    ] {
        let view = ResponseView::new(403, message.as_bytes()).with_error_code(name);
        let read = Evidence::read(&view).is_signature_code();
        assert_eq!(read, is_signature, "{name} {message}");
    }
    check(
        Some("ExpiredToken"),
        "",
        Some("ExpiredToken"),
        Class::Other(OtherCause::ExpiredCredentials),
    );
}

#[test]
fn other_causes_have_codes_of_their_own() {
    for (name, cause) in [
        (
            "UnrecognizedClientException",
            OtherCause::UnknownCredentials,
        ),
        ("InvalidClientTokenId", OtherCause::UnknownCredentials),
        ("InvalidAccessKeyId", OtherCause::UnknownCredentials),
        (
            "MissingAuthenticationToken",
            OtherCause::MissingAuthentication,
        ),
        ("MissingSecurityHeader", OtherCause::MissingAuthentication),
        ("InvalidTimeStamp.Format", OtherCause::MalformedDate),
    ] {
        check(Some(name), "", Some(name), Class::Other(cause));
    }
}

#[test]
fn values_for_logs_are_cut_to_what_is_visible() {
    assert_eq!(visible("abc"), "abc");
    assert_eq!(visible("a b\nc\u{e9}"), "abc");
    assert_eq!(visible(&"x".repeat(65)), "x".repeat(64));
    assert_eq!(visible(""), "");
}
