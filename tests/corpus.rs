//! Real error responses, as people reported them, are read as their labels say.

use aws_clock_skew::evidence::{Evidence, ResponseView, SkewDirection};
use proptest::prelude::*;
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[test]
fn every_labelled_response_is_read_as_labelled() {
    let rows: Vec<Row> = rows()
        .into_iter()
        .filter(|row| !row.is_arguable())
        .collect();
    let failures: Vec<String> = rows
        .iter()
        .filter_map(|row| row.failure().map(|why| format!("{}: {why}", row.id())))
        .collect();
    println!(
        "corpus: {} of {} rows pass",
        rows.len() - failures.len(),
        rows.len()
    );
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn a_text_that_contradicts_itself_states_no_time() {
    for row in rows().iter().filter(|row| row.flag("inconsistent")) {
        let evidence = row.read(row.text(), true);
        assert!(evidence.clock_skew_error().is_some(), "{}", row.id());
        assert_eq!(
            (
                evidence.server_time(),
                evidence.bound_time(),
                evidence.server_time_range()
            ),
            (None, None, None),
            "{}",
            row.id()
        );
    }
}

#[test]
fn a_sentence_is_read_through_every_escape_and_wrap() {
    let rows = rows();
    for row in rows
        .iter()
        .filter(|row| row.is_sentence() && !row.is_arguable())
    {
        let message = row.message();
        let json = Value::from(message).to_string();
        let wrapped: String = message
            .chars()
            .enumerate()
            .flat_map(|(at, c)| (at % 40 == 39).then_some('\n').into_iter().chain([c]))
            .collect();
        for text in [
            format!("{{\"message\":{}}}", Value::from(json.as_str())),
            format!("<Error><Message>{message}</Message><Key>{message}0</Key>")
                .replace('<', "&lt;")
                .replace('>', "&gt;"),
            format!(
                "<pre>&quot;{}&quot;</pre>",
                message.replace(' ', "&nbsp;").replace('/', "&#x2F;")
            ),
            format!("Error {{ message: Some({json}), code: None }}"),
            format!("{message} (truncated...)\n{message}"),
            message.replace(' ', "\n> "),
            message.replace(' ', "\\n"),
            wrapped,
        ] {
            assert_eq!(
                row.mismatch(&row.read(&text, false)),
                None,
                "{}: {text}",
                row.id()
            );
        }
    }
}

#[test]
fn a_truncated_message_states_only_the_times_that_are_left() {
    let rows = rows();
    for row in rows
        .iter()
        .filter(|row| row.is_sentence() && !row.is_arguable())
    {
        let message = row.message();
        for end in 0..message.len() {
            let evidence = row.read(&message[..end], false);
            let times = [
                (evidence.request_time(), "request_time"),
                (evidence.bound_time(), "bound_time"),
                (evidence.server_time(), "server_time"),
            ];
            for (time, label) in times {
                assert!(
                    time.is_none() || time == row.time(label),
                    "{}: {label} of {}",
                    row.id(),
                    &message[..end]
                );
            }
            assert!(
                evidence.tolerance().is_none() || evidence.tolerance() == row.tolerance(),
                "{}: {}",
                row.id(),
                &message[..end]
            );
            let way = evidence.clock_skew_error().map(way);
            assert!(
                way.is_none() || way == row.direction(),
                "{}: {}",
                row.id(),
                &message[..end]
            );
        }
        // After "(C" only the tolerance is missing.
        if let Some(at) = message.find(" - ").or_else(|| message.find(" + ")) {
            assert_eq!(
                row.read(&message[..at], false).server_time(),
                row.time("server_time"),
                "{}",
                row.id()
            );
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), status in 0..1000_u16) {
        let evidence = Evidence::read(&ResponseView::new(status, &bytes).with_date("x"));
        prop_assert!(evidence.server_time_range().is_none());
    }

    #[test]
    fn no_mutation_of_a_real_response_panics(
        index in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..8),
    ) {
        let rows = rows();
        let mut bytes = index.get(&rows).text().as_bytes().to_vec();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len() + 1);
            match kind {
                0 => bytes.insert(at, byte),
                1 => bytes.truncate(at),
                2 => drop(bytes.drain(..at)),
                _ => bytes.extend_from_within(at..),
            }
        }
        let evidence = Evidence::read(&ResponseView::new(403, &bytes).with_request_id("1"));
        let range = evidence.server_time_range();
        prop_assert!(range.is_none_or(|(earliest, latest)| earliest <= latest && evidence.clock_skew_error().is_some()));
    }
}

struct Row(Value);

fn rows() -> Vec<Row> {
    let lines = include_str!("corpus/dev.jsonl").lines();
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .map(Row)
        .collect()
}

impl Row {
    fn text_of(&self, field: &str) -> Option<&str> {
        self.0[field].as_str()
    }

    fn id(&self) -> &str {
        self.text_of("id").unwrap_or_default()
    }

    fn message(&self) -> &str {
        self.text_of("message").unwrap_or_default()
    }

    fn text(&self) -> &str {
        self.text_of("body").unwrap_or_else(|| self.message())
    }

    fn flag(&self, name: &str) -> bool {
        self.0["flags"]
            .as_array()
            .is_some_and(|flags| flags.iter().any(|flag| flag == name))
    }

    fn is_arguable(&self) -> bool {
        self.flag("ambiguous") || self.flag("inconsistent")
    }

    /// The messages of SigV4 need neither a code nor a body around them.
    fn is_sentence(&self) -> bool {
        self.message().starts_with("Signature ")
    }

    fn time(&self, label: &str) -> Option<SystemTime> {
        self.0["expect"][label].as_str().and_then(time)
    }

    fn tolerance(&self) -> Option<Duration> {
        self.0["expect"]["window_seconds"]
            .as_u64()
            .map(Duration::from_secs)
    }

    fn direction(&self) -> Option<&str> {
        self.0["expect"]["direction"].as_str()
    }

    fn is_evidence(&self) -> bool {
        self.0["expect"]["is_clock_evidence"] == true
    }

    fn read(&self, text: &str, with_code: bool) -> Evidence {
        let status = self.0["status"]
            .as_u64()
            .and_then(|status| u16::try_from(status).ok());
        let mut view = ResponseView::new(status.unwrap_or(403), text.as_bytes());
        for (name, value) in self.0["headers"].as_object().into_iter().flatten() {
            match (name.to_ascii_lowercase().as_str(), value.as_str()) {
                ("date", Some(value)) => view = view.with_date(value),
                ("x-amz-request-id" | "x-amzn-requestid", Some(value)) => {
                    view = view.with_request_id(value)
                }
                _ => {}
            }
        }
        match self.text_of("code").filter(|_| with_code) {
            Some(code) => Evidence::read(&view.with_error_code(code)),
            None => Evidence::read(&view),
        }
    }

    /// The difference between the evidence and the labels.
    fn mismatch(&self, evidence: &Evidence) -> Option<String> {
        let read = (
            evidence.clock_skew_error().is_some(),
            evidence
                .clock_skew_error()
                .map(way)
                .filter(|way| *way != "unspecified"),
            [
                evidence.request_time(),
                evidence.server_time(),
                evidence.bound_time(),
            ],
            evidence.tolerance(),
        );
        let labelled = (
            self.is_evidence(),
            self.direction(),
            [
                self.time("request_time"),
                self.time("server_time"),
                self.time("bound_time"),
            ],
            self.tolerance(),
        );
        (read != labelled).then(|| format!("read {read:?}, labelled {labelled:?}"))
    }

    /// Reads the response as it came, as a log had it, and the message alone. The message may lack
    /// the times and the code of the body, and must not say anything else.
    fn failure(&self) -> Option<String> {
        let whole = self.text();
        let complete = [
            Some((whole, true)),
            Some((whole, false)).filter(|_| self.is_sentence()),
            self.text_of("wrapped")
                .filter(|_| self.is_sentence())
                .map(|text| (text, false)),
        ];
        for (text, with_code) in complete.into_iter().flatten() {
            if let Some(mismatch) = self.mismatch(&self.read(text, with_code)) {
                return Some(format!("{mismatch} in {text:?}, code: {with_code}"));
            }
        }
        for text in [self.text_of("message"), self.text_of("wrapped")]
            .into_iter()
            .flatten()
        {
            for with_code in [true, false] {
                let evidence = self.read(text, with_code);
                let stray =
                    |read: Option<SystemTime>, label| read.is_some() && read != self.time(label);
                let says_nothing = self.flag("message_says_nothing") && !with_code;
                if (evidence.clock_skew_error().is_some() != self.is_evidence() && !says_nothing)
                    || stray(evidence.request_time(), "request_time")
                    || stray(evidence.server_time(), "server_time")
                    || stray(evidence.bound_time(), "bound_time")
                {
                    return Some(format!("{evidence:?} in {text:?}, code: {with_code}"));
                }
            }
        }
        None
    }
}

fn way(rejection: SkewDirection) -> &'static str {
    match rejection {
        SkewDirection::Behind => "behind",
        SkewDirection::Ahead => "ahead",
        _ => "unspecified",
    }
}

/// Parses the layout of the labels, with another parser than the crate's.
fn time(label: &str) -> Option<SystemTime> {
    let (whole, millis) = match label.strip_suffix('Z')?.split_once('.') {
        Some((whole, millis)) => (whole, millis.parse().ok()?),
        None => (label.strip_suffix('Z')?, 0),
    };
    let date = aws_smithy_types::DateTime::from_str(
        &format!("{whole}Z"),
        aws_smithy_types::date_time::Format::DateTime,
    )
    .ok()?;
    let seconds = u64::try_from(date.secs()).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds) + Duration::from_millis(millis))
}
