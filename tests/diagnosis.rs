//! The diagnoses of real error responses, and their advice.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::diagnosis::{Cause, Origin};
use aws_clock_skew::evidence::{Evidence, OtherCause, ResponseView};
use aws_clock_skew::{ClockOffset, ManualClock, SkewClock};
use serde_json::Value;

/// The causes of the corpus' negatives, as far as their text states them.
const NEGATIVES: [(&str, Cause); 32] = [
    ("amb-001", Cause::Unknown),
    ("amb-003", Cause::Unknown),
    ("amb-004", Cause::Unknown),
    ("neg-002", Cause::Other(OtherCause::ExpiredUrl)),
    ("neg-003", Cause::Other(OtherCause::ExpiredUrl)),
    ("neg-004", Cause::Other(OtherCause::ExpiredUrl)),
    ("neg-006", Cause::Other(OtherCause::ExpiredUrl)),
    ("neg-007", Cause::Other(OtherCause::ExpiredUrl)),
    ("neg-009", Cause::Other(OtherCause::ExpiredUrl)),
    ("neg-010", Cause::Other(OtherCause::ExpiredUrl)),
    ("neg-011", Cause::Other(OtherCause::WrongKey)),
    ("neg-012", Cause::Other(OtherCause::WrongKey)),
    ("neg-013", Cause::Other(OtherCause::WrongKey)),
    ("neg-015", Cause::Other(OtherCause::WrongKey)),
    ("neg-018", Cause::Other(OtherCause::CredentialScope)),
    ("neg-019", Cause::Other(OtherCause::CredentialScope)),
    ("neg-021", Cause::Other(OtherCause::CredentialScope)),
    ("neg-024", Cause::Other(OtherCause::MalformedDate)),
    ("neg-027", Cause::Other(OtherCause::MalformedDate)),
    ("neg-031", Cause::Other(OtherCause::ExpiredCredentials)),
    ("neg-033", Cause::Other(OtherCause::ExpiredCredentials)),
    ("neg-034", Cause::Other(OtherCause::ExpiredCredentials)),
    ("neg-036", Cause::Other(OtherCause::ExpiredCredentials)),
    ("neg-038", Cause::Other(OtherCause::ExpiredCredentials)),
    ("neg-040", Cause::Other(OtherCause::ExpiredCredentials)),
    ("neg-041", Cause::Other(OtherCause::ExpiredCredentials)),
    ("neg-042", Cause::Other(OtherCause::ExpiredCredentials)),
    // A presigned URL; Google says so only in a field beside the message.
    ("neg-046", Cause::Other(OtherCause::ExpiredCredentials)),
    ("neg-047", Cause::Other(OtherCause::ExpiredUrl)),
    ("neg-048", Cause::Other(OtherCause::UnknownCredentials)),
    ("neg-049", Cause::Other(OtherCause::MissingAuthentication)),
    ("neg-050", Cause::Other(OtherCause::CredentialScope)),
];

#[test]
fn every_negative_has_its_cause() {
    let rows = rows();
    let mut failures = Vec::new();
    for (id, expected) in NEGATIVES {
        let row = rows.iter().find(|row| row["id"] == id).expect("is there");
        let machine = ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let skew = SkewClock::builder().local_clock(machine).build();
        let diagnosis = skew.diagnose_response(&view(row));
        if diagnosis.cause() != expected {
            failures.push(format!("{id}: {diagnosis} {:?}", diagnosis.cause()));
        }
        assert!(!diagnosis.advice().is_empty());
        assert!(!diagnosis.to_string().contains(';'), "{diagnosis}");
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn a_wrong_clock_is_told_apart_from_a_signature_that_expired_in_transit() {
    let mut seen = 0;
    for row in rows() {
        let evidence = Evidence::read(&view(&row));
        let (Some((server, _)), Some(signed)) =
            (evidence.server_time_range(), evidence.request_time())
        else {
            continue;
        };
        if evidence.server_time().is_none() || signed < UNIX_EPOCH + Duration::from_hours(48) {
            continue;
        }
        seen += 1;
        let id = &row["id"];
        let (off_by, is_behind) = match server.duration_since(signed) {
            Ok(off_by) => (off_by, true),
            Err(ahead) => (ahead.duration(), false),
        };
        // On the machine that signed, the local clock shows the time of the signature.
        let by_the_machine = diagnosed(&row, signed);
        let Cause::Clock(Some(offset)) = by_the_machine else {
            panic!("{id}: {by_the_machine:?}");
        };
        assert_eq!(offset.as_millis() > 0, is_behind, "{id}");
        assert_eq!(
            u128::from(offset.as_millis().unsigned_abs()),
            off_by.as_millis()
        );
        // On a machine with a correct clock, the signature is at fault.
        let expected = if is_behind {
            Cause::ExpiredInTransit(Some(off_by))
        } else {
            Cause::AnotherClock(Some(offset))
        };
        assert_eq!(diagnosed(&row, server), expected, "{id}");
    }
    assert!(seen > 30, "{seen}");
}

fn diagnosed(row: &Value, wall: SystemTime) -> Cause {
    let skew = SkewClock::builder()
        .local_clock(ManualClock::new(wall))
        .build();
    skew.diagnose_response(&view(row)).cause()
}

#[test]
fn the_size_of_an_error_says_where_it_comes_from() {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let local = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for (seconds, expected) in [
        (9 * HOUR, Origin::TimeZone),
        (-5 * HOUR - 20, Origin::TimeZone),
        (5 * HOUR + 30 * MINUTE, Origin::TimeZone),
        (5 * HOUR + 45 * MINUTE, Origin::TimeZone),
        (5 * HOUR + 15 * MINUTE, Origin::NoNtp),
        (9 * HOUR + 2 * MINUTE, Origin::NoNtp),
        (30 * MINUTE, Origin::NoNtp),
        (-17 * MINUTE, Origin::NoNtp),
        (15 * HOUR, Origin::NoNtp),
        (2 * DAY, Origin::Suspend),
        (-200 * DAY, Origin::Suspend),
        (365 * DAY, Origin::Year),
        (-366 * DAY, Origin::Year),
        (-7_305 * DAY - 300, Origin::Year),
        (370 * DAY, Origin::Suspend),
    ] {
        let offset = ClockOffset::from_millis(seconds * 1_000);
        assert_eq!(Origin::of(offset, local), expected, "{seconds} s");
    }
    let since_1970 = ClockOffset::from_millis(1_800_000_000_000);
    let boot = UNIX_EPOCH + Duration::from_secs(77);
    assert_eq!(Origin::of(since_1970, boot), Origin::NoBattery);
    // Extreme offsets do not overflow.
    for millis in [i64::MIN, i64::MAX] {
        Origin::of(ClockOffset::from_millis(millis), boot);
    }
}

#[test]
fn the_advice_says_where_the_error_of_a_clock_comes_from() {
    let body = b"Signature expired: 20260101T100000Z is now earlier than 20260101T184500Z \
        (20260101T190000Z - 15 min.)";
    // 2026-01-01T10:00:00Z
    let local = ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_767_261_600));
    let skew = SkewClock::builder().local_clock(local).build();
    let diagnosis = skew.diagnose_response(&ResponseView::new(403, body));
    assert_eq!(diagnosis.origin(), Some(Origin::TimeZone));
    let advice = diagnosis.advice();
    assert!(advice.contains("chronyc makestep"), "{advice}");
    assert!(advice.ends_with(&Origin::TimeZone.to_string()), "{advice}");
}

#[test]
fn a_wrong_signature_under_an_access_code_is_no_denial() {
    let skew = SkewClock::new();
    for (message, expected) in [
        ("Invalid signature", OtherCause::WrongKey),
        ("Access Denied", OtherCause::Denied),
    ] {
        let body = format!(r#"{{"message":"{message}"}}"#);
        let view = ResponseView::new(403, body.as_bytes()).with_error_code("AccessDeniedException");
        let diagnosis = skew.diagnose_response(&view);
        assert_eq!(diagnosis.cause(), Cause::Other(expected), "{message}");
    }
}

#[test]
fn an_old_presigned_url_at_a_server_with_one_window_is_no_wrong_clock() {
    let signed = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let skew = SkewClock::builder()
        .local_clock(ManualClock::new(signed + Duration::from_hours(5)))
        .build();
    for body in [
        "<Error><Code>RequestTimeTooSkewed</Code><Message>Forbidden</Message></Error>",
        "<Error><Code>RequestTimeTooSkewed</Code><Message>x</Message>\
            <RequestTime>20270115T080000Z</RequestTime>\
            <ServerTime>2027-01-15T13:00:00Z</ServerTime></Error>",
    ] {
        let diagnosis = skew.diagnose_response(&ResponseView::new(403, body.as_bytes()));
        let advice = diagnosis.advice();
        assert!(advice.contains("the server is at fault"), "{advice}");
        assert!(!advice.starts_with("Set"), "{advice}");
    }
}

#[test]
fn a_rejection_without_a_time_says_so() {
    let body = b"<Error><Code>RequestTimeTooSkewed</Code><Message>x</Message></Error>";
    let skew = SkewClock::new();
    let diagnosis = skew.diagnose_response(&ResponseView::new(403, body));
    assert_eq!(diagnosis.cause(), Cause::Clock(None));
    assert_eq!(
        diagnosis.to_string(),
        "the local clock is wrong, or the signature expired in transit; nothing was corrected"
    );
}

#[test]
fn an_error_that_is_not_about_authentication_is_left_alone() {
    let skew = SkewClock::new();
    for (status, body) in [
        (404, "<Error><Code>NoSuchKey</Code></Error>"),
        (429, ""),
        (500, ""),
        (503, "<Error><Code>SlowDown</Code></Error>"),
    ] {
        let diagnosis = skew.diagnose_response(&ResponseView::new(status, body.as_bytes()));
        assert_eq!(diagnosis.cause(), Cause::Unrelated, "{status}");
        assert_eq!(
            diagnosis.to_string(),
            "this is not an authentication error",
            "{status}"
        );
    }
}

#[test]
fn a_rejected_head_is_diagnosed_by_its_date() {
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let machine = ManualClock::new(now);
    let skew = SkewClock::builder().local_clock(machine).build();
    for (date, expected) in [
        // 1,800,000,000 is 2027-01-15T08:00:00Z.
        ("Fri, 15 Jan 2027 08:00:30 GMT", Cause::Unknown),
        ("Fri, 15 Jan 2027 07:57:00 GMT", Cause::Unknown),
    ] {
        let view = ResponseView::new(403, b"")
            .with_date(date)
            .with_request_id("r");
        assert_eq!(skew.diagnose_response(&view).cause(), expected, "{date}");
    }
    let view = ResponseView::new(403, b"")
        .with_date("Fri, 15 Jan 2027 17:00:00 GMT")
        .with_request_id("r");
    assert_eq!(
        skew.diagnose_response(&view).to_string(),
        "the local clock is 9 h behind; nothing was corrected"
    );
}

fn rows() -> Vec<Value> {
    include_str!("corpus/dev.jsonl")
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn view(row: &Value) -> ResponseView<'_> {
    let status = row["status"]
        .as_u64()
        .and_then(|status| u16::try_from(status).ok());
    let body = row["body"].as_str().or(row["message"].as_str());
    let view = ResponseView::new(status.unwrap_or(403), body.unwrap_or_default().as_bytes());
    match row["code"].as_str() {
        Some(code) => view.with_error_code(code),
        None => view,
    }
}
