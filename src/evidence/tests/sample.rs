use crate::evidence::{Evidence, ResponseView, Source, Strength};
use crate::timestamp;
use std::time::{Duration, SystemTime};

const DATE: &str = "Thu, 01 Jan 2026 10:20:00 GMT";
const SENTENCE: &str = "Signature expired: 20260101T100000Z is now earlier than 20260101T100500Z";
const SKEWED: &str = "RequestTimeTooSkewed";

fn at(time: &str) -> SystemTime {
    timestamp::sigv4(&format!("20260101T{time}Z")).unwrap()
}

#[track_caller]
fn check_strength(view: ResponseView<'_>, expected: Option<(Strength, Source)>) {
    let evidence = Evidence::read(&view);
    assert_eq!(
        evidence
            .sample()
            .map(|sample| (sample.strength, sample.source())),
        expected,
        "{evidence:?}"
    );
    assert_eq!(
        evidence.server_time_range().is_some(),
        expected.is_some(),
        "{evidence:?}"
    );
    assert_eq!(
        evidence.sample().is_some(),
        expected.is_some(),
        "{evidence:?}"
    );
}

#[test]
fn a_source_has_the_word_that_logs_have() {
    let words = [Source::Message, Source::Date].map(Source::as_str);
    assert_eq!(words, ["message", "date"]);
}

#[test]
fn strength_is_what_the_table_says() {
    let date = |strength| Some((strength, Source::Date));
    let view =
        |status, body: &'static str| ResponseView::new(status, body.as_bytes()).with_date(DATE);
    check_strength(
        view(403, SENTENCE),
        Some((Strength::Message, Source::Message)),
    );
    let field = "<Code>RequestTimeTooSkewed</Code><ServerTime>2026-01-01T10:20:00Z</ServerTime>";
    check_strength(view(403, field), Some((Strength::Message, Source::Message)));
    check_strength(view(200, field), Some((Strength::Message, Source::Message)));
    check_strength(view(403, "").with_error_code(SKEWED), date(Strength::Date));
    check_strength(view(403, "").with_request_id("1"), date(Strength::Date));
    check_strength(
        view(401, "")
            .with_error_code("AuthFailure")
            .with_request_id("1"),
        date(Strength::Date),
    );
    check_strength(view(403, "").with_request_id(" "), None);
    check_strength(view(403, ""), None);
    check_strength(view(401, "").with_request_id("1"), None);
    check_strength(view(200, ""), date(Strength::Accepted));
    check_strength(view(304, "").with_request_id("1"), date(Strength::Accepted));
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
fn absurd_times_are_returned_and_are_not_samples() {
    let body = b"<Code>RequestTimeTooSkewed</Code><ServerTime>0001-01-01T00:00:00Z</ServerTime>";
    let evidence = Evidence::read(&ResponseView::new(403, body));
    assert!(evidence.server_time().is_some());
    assert_eq!(
        (evidence.sample(), evidence.server_time_range()),
        (None, None)
    );
    check_strength(
        ResponseView::new(403, body).with_date(DATE),
        Some((Strength::Date, Source::Date)),
    );
}

#[test]
fn a_bound_gives_ten_minutes() {
    let evidence = Evidence::read(&ResponseView::new(403, SENTENCE.as_bytes()));
    assert_eq!(
        evidence.server_time_range(),
        Some((at("101000"), at("102000")))
    );
    assert_eq!(
        evidence.sample().map(|sample| sample.best),
        Some(at("101230"))
    );
    let mirror =
        b"Signature not yet current: 20260101T103000Z is still later than 20260101T100500Z";
    let evidence = Evidence::read(&ResponseView::new(403, mirror));
    assert_eq!(
        evidence.server_time_range(),
        Some((at("095000"), at("100000")))
    );
    assert_eq!(
        evidence.sample().map(|sample| sample.best),
        Some(at("095730"))
    );
    let elided = b"Signature expired: date is now earlier than 20260101T100500Z (date - 15 min.)";
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

#[test]
fn a_bound_and_a_date_give_the_time_to_sign_with() {
    let best = |date: &str| {
        let view = ResponseView::new(403, SENTENCE.as_bytes());
        let date = format!("Thu, 01 Jan 2026 {date} GMT");
        let evidence = Evidence::read(&view.with_date(&date));
        let range = evidence.server_time_range();
        assert_eq!(range, Some((at("101000"), at("102000"))), "{date}");
        evidence.sample().map(|sample| sample.best)
    };
    // Services tolerate 5 or 15 minutes, or something between.
    for (date, expected) in [
        ("10:10:00", "101000"),
        ("10:15:20", "101520"),
        ("10:20:02", "102000"),
        // No service tolerates so little, or so much.
        ("10:09:57", "101230"),
        ("10:20:03", "101230"),
    ] {
        assert_eq!(best(date), Some(at(expected)), "{date}");
    }
}
