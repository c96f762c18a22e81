//! More error responses, as people reported them. Each row of `corpus/reports-2.jsonl` says how to
//! read it and what the crate should do.

use aws_clock_skew::diagnosis::{Cause, Origin};
use aws_clock_skew::evidence::{Evidence, OtherCause, ResponseView, SkewDirection};
use aws_clock_skew::{Diagnosis, ManualClock, SkewClock};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::Value;
use std::time::{Duration, SystemTime};

#[test]
fn every_report_is_read_as_labelled() {
    let rows = rows();
    assert_eq!(rows.len(), 12);
    for row in &rows {
        for body in row.bodies() {
            let evidence = Evidence::read(&row.view(&body));
            let expect = &row.0["expect"];
            let id = row.id();
            let is_clock_skew_error = evidence.clock_skew_error().is_some();
            assert_eq!(
                Some(is_clock_skew_error),
                expect["is_clock_rejection"].as_bool(),
                "{id}"
            );
            let label = expect
                .get("is_possible_clock_skew_error")
                .expect("is labelled");
            if let Some(is_possible_clock_skew_error) = label.as_bool() {
                assert_eq!(
                    evidence.is_possible_clock_skew_error(),
                    is_possible_clock_skew_error,
                    "{id}"
                );
            }
            // No SigV4 client calls this service. The crate recognizes the message and does no
            // more.
            if row.0["service"] == "oci" {
                continue;
            }
            assert_eq!(
                evidence.clock_skew_error().and_then(way),
                expect["direction"].as_str(),
                "{id}"
            );
            let times = [
                (evidence.request_time(), "request_time"),
                (evidence.server_time(), "server_time"),
                (evidence.bound_time(), "bound_time"),
            ];
            for (time, label) in times {
                assert_eq!(time, expect[label].as_str().map(time_of), "{id}: {label}");
            }
            let tolerance = evidence.tolerance().map(|tolerance| tolerance.as_secs());
            assert_eq!(tolerance, expect["tolerance_seconds"].as_u64(), "{id}");
        }
    }
}

#[test]
fn the_servers_time_is_computed_where_the_report_allows_it() {
    for (id, concluded) in [
        // Computed from the bound and the tolerance: the message has words instead of the time.
        ("k-07", Some("2020-04-28T21:52:06Z")),
        ("k-09", Some("2023-10-30T10:50:33Z")),
        // Before 2020.
        ("k-01", None),
        ("k-11", None),
        ("k-17", None),
        // A `Date` that came twice, one from a cache, and none.
        ("k-21", None),
        ("k-22", None),
        ("k-23", None),
        ("k-24", None),
    ] {
        let row = row(id);
        let evidence = Evidence::read(&row.view(&row.bodies()[0]));
        let concluded = concluded.map(time_of);
        assert_eq!(
            evidence.server_time_range(),
            concluded.zip(concluded),
            "{id}"
        );
    }
}

#[test]
fn a_doubled_date_is_ignored_in_any_form() {
    let one = "Wed, 07 Dec 2022 17:28:21 GMT";
    let other = "Wed, 07 Dec 2022 17:28:25 GMT";
    let body = &row("k-21").bodies()[0];
    for (code, status) in [
        ("RequestTimeTooSkewed", 403),
        ("NoSuchBucket", 404),
        ("", 200),
    ] {
        let view = || ResponseView::new(status, body).with_error_code(code);
        let joined = format!("{one}, {one}");
        for view in [
            view().with_date(one).with_date(one),
            view().with_date(one).with_date(other),
            view().with_date(&joined),
        ] {
            assert_eq!(Evidence::read(&view).server_time_range(), None);
        }
    }
}

#[test]
fn every_report_is_explained() {
    let years = |cause: Cause| match cause {
        Cause::Clock(Some(offset)) => offset.as_millis() / 1_000 / 86_400 / 365,
        _ => 0,
    };
    // On the machine that signed.
    let wrong_clock = diagnosed("k-01", "1970-01-01T08:00:04Z");
    assert_eq!(years(wrong_clock.cause()), 49, "{wrong_clock}");
    assert_eq!(wrong_clock.origin(), Some(Origin::NoBattery));
    let ahead = diagnosed("k-07", "2020-04-28T22:22:06Z");
    assert_eq!(
        ahead.to_string(),
        "the local clock is 30 min ahead; nothing was corrected"
    );
    // On a machine with a correct clock.
    let old = diagnosed("k-03", "2020-11-23T08:54:49Z").cause();
    assert_eq!(old, Cause::ExpiredInTransit(Some(Duration::from_secs(300))));
    let slow = diagnosed("k-09", "2023-10-30T10:50:33Z").cause();
    assert_eq!(slow, Cause::ExpiredInTransit(None));
    let another = diagnosed("k-11", "2017-12-31T14:39:53Z");
    let Cause::AnotherClock(Some(offset)) = another.cause() else {
        panic!("{another}");
    };
    assert_eq!(offset.to_string(), "365 days ahead");
    assert_eq!(another.origin(), Some(Origin::Year));
    assert!(
        another.advice().contains("week-based year"),
        "{}",
        another.advice()
    );
    let server_bug = diagnosed("k-17", "2024-06-10T15:51:45Z");
    assert_eq!(server_bug.cause(), Cause::Clock(None));
    let says_so = server_bug.advice().contains("the server is at fault");
    assert!(says_so, "{}", server_bug.advice());
    let oracle = diagnosed("k-16", "2018-03-11T16:32:46Z");
    assert_ne!(oracle.cause(), Cause::Unrelated);
    let unreadable = diagnosed("k-23", "2024-06-10T15:51:45Z").cause();
    assert_eq!(unreadable, Cause::Other(OtherCause::MalformedDate));
    let invalid = diagnosed("k-24", "2024-06-10T15:51:45Z").cause();
    assert_eq!(invalid, Cause::Other(OtherCause::WrongKey));
    for id in ["k-20", "k-21", "k-22"] {
        assert_eq!(
            diagnosed(id, "2024-06-10T15:51:45Z").cause(),
            Cause::Unrelated,
            "{id}"
        );
    }
}

#[test]
fn a_diagnosis_of_a_report_does_not_change_the_clock() {
    for row in rows() {
        let machine = ManualClock::new(time_of("2024-06-10T15:51:45Z"));
        let clock = SkewClock::builder().local_clock(machine).build();
        let diagnosis = clock.diagnose_response(&row.view(&row.bodies()[0]));
        let said = diagnosis.to_string();
        let outcome = said
            .split_once("; nothing was ")
            .map(|(_, outcome)| outcome);
        assert!(
            outcome.is_none_or(|outcome| outcome == "corrected"),
            "{said}"
        );
        assert_eq!(clock.now(), time_of("2024-06-10T15:51:45Z"));
    }
}

fn diagnosed(id: &str, wall: &str) -> Diagnosis {
    let machine = ManualClock::new(time_of(wall));
    let clock = SkewClock::builder().local_clock(machine).build();
    let row = row(id);
    clock.diagnose_response(&row.view(&row.bodies()[0]))
}

struct Row(Value);

fn rows() -> Vec<Row> {
    let lines = include_str!("corpus/reports-2.jsonl").lines();
    let rows = lines.filter_map(|line| serde_json::from_str(line).ok());
    rows.map(Row).collect()
}

#[track_caller]
fn row(id: &str) -> Row {
    let mut rows = rows().into_iter();
    let Some(row) = rows.find(|row| row.id() == id) else {
        panic!("no row {id}");
    };
    row
}

impl Row {
    fn id(&self) -> &str {
        self.0["id"].as_str().unwrap_or_default()
    }

    /// The text, and a text with the frame around it.
    fn bodies(&self) -> Vec<Vec<u8>> {
        let text = self.0["body"].as_str().unwrap_or_default();
        let frame = self.0["body_base64"].as_str();
        let frame = frame.and_then(|frame| aws_smithy_types::base64::decode(frame).ok());
        [text.as_bytes().to_vec()]
            .into_iter()
            .chain(frame)
            .collect()
    }

    fn view<'a>(&'a self, body: &'a [u8]) -> ResponseView<'a> {
        let status = self.0["status"].as_u64().unwrap_or_default();
        let mut view = ResponseView::new(u16::try_from(status).unwrap_or_default(), body);
        for (name, value) in self.0["headers"].as_object().into_iter().flatten() {
            let values = value
                .as_array()
                .map_or(std::slice::from_ref(value), Vec::as_slice);
            for value in values.iter().filter_map(Value::as_str) {
                view = match name.as_str() {
                    "date" => view.with_date(value),
                    "age" => view.with_age(value),
                    "x-amzn-errortype" => view.with_error_code(value),
                    "x-amzn-requestid" | "x-amz-request-id" => view.with_request_id(value),
                    _ => view,
                };
            }
        }
        view
    }
}

fn way(rejection: SkewDirection) -> Option<&'static str> {
    match rejection {
        SkewDirection::Behind => Some("behind"),
        SkewDirection::Ahead => Some("ahead"),
        _ => None,
    }
}

/// Parsed by another parser than the crate's.
#[track_caller]
fn time_of(label: &str) -> SystemTime {
    let time = DateTime::from_str(label, Format::DateTime);
    let Some(time) = time.ok().and_then(|time| SystemTime::try_from(time).ok()) else {
        panic!("{label} is no time");
    };
    time
}
