//! Codes and messages in the framings that reach the crate.

use crate::evidence::{Evidence, OtherCause, ResponseView, SkewDirection};

const EXPIRED: &str = "Signature expired: 20260101T100000Z is now earlier than 20260101T100500Z \
    (20260101T102000Z - 15 min.)";
const WRONG_KEY: &str = "The request signature we calculated does not match the signature you \
    provided.";

/// A CBOR map of texts.
fn cbor(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut body = vec![0xbf];
    for text in pairs.iter().flat_map(|(key, value)| [key, value]) {
        match u8::try_from(text.len()) {
            Ok(length @ ..24) => body.push(0x60 | length),
            Ok(length) => body.extend([0x78, length]),
            Err(_) => {
                let length = u16::try_from(text.len()).unwrap();
                body.push(0x79);
                body.extend(length.to_be_bytes());
            }
        }
        body.extend(text.as_bytes());
    }
    body.push(0xff);
    body
}

/// An event-stream frame without its lengths and checksums, which nobody reads.
fn frame(exception: &str, payload: &str) -> Vec<u8> {
    let mut frame = b"\0\0\0\xe3\0\0\0\x61\x30\xe3\x33\xa8\x0f:exception-type\x07\0".to_vec();
    frame.push(u8::try_from(exception.len()).unwrap());
    frame.extend(exception.as_bytes());
    frame.extend(b"\x0d:content-type\x07\0\x10application/json");
    frame.extend(b"\x0d:message-type\x07\0\x09exception");
    frame.extend(payload.as_bytes());
    frame.extend(b"\xa6\x6f\x65\x98");
    frame
}

#[track_caller]
fn check_code(body: &[u8], code: Option<&str>) -> Evidence {
    let evidence = Evidence::read(&ResponseView::new(400, body));
    assert_eq!(evidence.error_code(), code, "{}", body.escape_ascii());
    evidence
}

#[test]
fn a_code_in_cbor_is_read_wherever_it_stands_and_however_long_it_is() {
    let code = "InvalidSignatureException";
    let qualified = "com.amazon.coral.service#InvalidSignatureException";
    let long = "com.amazonaws.cloudwatch.v2010_08_01.and.a.longer.one.still.to.reach.a.length.that.is.no.letter.any.more#InvalidSignatureException";
    for code_as_sent in [code, qualified, long] {
        for pairs in [
            vec![("__type", code_as_sent), ("message", WRONG_KEY)],
            vec![("__type", code_as_sent), ("Message", WRONG_KEY)],
            vec![("message", WRONG_KEY), ("__type", code_as_sent)],
        ] {
            let evidence = check_code(&cbor(&pairs), Some(code));
            assert!(evidence.is_signature_code());
            assert_eq!(evidence.other_cause(), Some(OtherCause::WrongKey));
        }
        // Another key behind the code is a tail in the log, and no part of what the code means.
        let between = [
            ("__type", code_as_sent),
            ("requestId", "1"),
            ("message", WRONG_KEY),
        ];
        let body = cbor(&between);
        let evidence = Evidence::read(&ResponseView::new(400, &body));
        assert!(evidence.is_signature_code());
        let skewed = cbor(&[("__type", code_as_sent), ("message", EXPIRED)]);
        let evidence = check_code(&skewed, Some(code));
        assert_eq!(evidence.clock_skew_error(), Some(SkewDirection::Behind));
        assert!(evidence.request_time().is_some() && evidence.server_time().is_some());
    }
    let short = cbor(&[("__type", "AccessDenied"), ("message", EXPIRED)]);
    check_code(&short, Some("AccessDenied"));
    let unlisted = cbor(&[
        ("__type", "com.amazonaws.x#LimitExceededFault"),
        ("message", "The limit of the account is exceeded."),
    ]);
    check_code(&unlisted, Some("LimitExceededFault"));
    let unrelated = cbor(&[
        ("__type", "a.b#ResourceNotFoundException"),
        ("message", EXPIRED),
    ]);
    let evidence = check_code(&unrelated, Some("ResourceNotFoundException"));
    assert_eq!(evidence.clock_skew_error(), None);
}

#[test]
fn a_clock_skew_error_in_an_event_stream_is_read_under_a_200() {
    let payload = format!(r#"{{"Message":"{EXPIRED}"}}"#);
    let body = frame("BadRequestException", &payload);
    let evidence = Evidence::read(&ResponseView::new(200, &body));
    assert_eq!(evidence.error_code(), Some("BadRequestException"));
    assert_eq!(evidence.clock_skew_error(), Some(SkewDirection::Behind));
    assert!(!evidence.accepted() && !evidence.passed_timestamp_check());
    let signed_at = evidence.request_time().unwrap();
    assert!(!evidence.is_about_another_request(signed_at));
    let second = std::time::Duration::from_secs(1);
    assert!(!evidence.is_about_another_request(signed_at + second));
    assert!(evidence.is_about_another_request(signed_at + 2 * second));
    assert!(evidence.is_about_another_request(signed_at - 2 * second));
}

#[test]
fn a_code_with_an_empty_part_behind_a_colon_is_a_code() {
    for (given, code) in [
        ("ForbiddenException:", "ForbiddenException"),
        ("ForbiddenException: ", "ForbiddenException"),
        ("InvalidSignature;Sender", "InvalidSignature"),
        (
            "AWS.SimpleQueueService.NonExistentQueue;Sender",
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        (
            "aws.protocols#AccessDenied:http://internal.amazon.com/coral/",
            "AccessDenied",
        ),
    ] {
        let evidence = Evidence::read(&ResponseView::new(403, b"").with_error_code(given));
        assert_eq!(evidence.error_code(), Some(code), "{given}");
    }
    for body in [
        r#"{"__type":"ForbiddenException:","message":"no"}"#,
        "<Error><Code>ForbiddenException:</Code></Error>",
    ] {
        check_code(body.as_bytes(), Some("ForbiddenException"));
    }
}

#[test]
fn a_code_that_a_user_wrote_is_not_the_one_that_the_service_states() {
    for (body, code) in [
        (
            r#"{"message":"Label '\"code\":\"InvalidSignature\"' is too long","__type":"a#LongException"}"#,
            "LongException",
        ),
        (
            r#"{"__type":"InvalidRequestException","message":"Column 'Code: SignatureDoesNotMatch'"}"#,
            "InvalidRequestException",
        ),
        (
            "<Error><Message>&lt;Code>AccessDenied&lt;/Code></Message><Code>MalformedPolicy</Code>",
            "MalformedPolicy",
        ),
    ] {
        let evidence = check_code(body.as_bytes(), Some(code));
        assert!(!evidence.is_possible_clock_skew_error() && !evidence.is_signature_code());
    }
}
