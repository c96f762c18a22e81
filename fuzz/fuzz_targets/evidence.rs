//! The evidence of a response with any bytes.
#![no_main]

use std::time::{Duration, SystemTime};

use aws_clock_skew::evidence::{Evidence, ResponseView};
use libfuzzer_sys::fuzz_target;

// A response: status, headers, an empty line, the body.
fuzz_target!(|input: &[u8]| {
    let end = input.windows(2).position(|two| two == b"\n\n");
    let (head, body) = match end {
        Some(end) => (&input[..end], &input[end + 2..]),
        None => (&b"403"[..], input),
    };
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.parse().ok());
    let status = status.unwrap_or(403);
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();

    let evidence = Evidence::read(&view(status, &headers, body));
    holds(&evidence);
    // The reader ignores everything beyond 64 KiB, so the evidence is the same.
    let most = &body[..body.len().min(64 * 1024)];
    assert_eq!(evidence, Evidence::read(&view(status, &headers, most)));
});

fn view<'a>(status: u16, headers: &[(&str, &'a str)], body: &'a [u8]) -> ResponseView<'a> {
    let mut view = ResponseView::new(status, body);
    for &(name, value) in headers {
        view = match name {
            "date" => view.with_date(value),
            "age" => view.with_age(value),
            "code" => view.with_error_code(value),
            "id" => view.with_request_id(value),
            _ => view,
        };
    }
    view
}

/// The documented properties of the evidence of every response.
fn holds(evidence: &Evidence) {
    if evidence.clock_skew_error().is_some() {
        assert!(!evidence.is_possible_clock_skew_error());
    }
    if let Some((earliest, latest)) = evidence.server_time_range() {
        assert!(earliest <= latest);
        assert!(latest.duration_since(earliest).unwrap() <= Duration::from_secs(600));
        // 2020-01-01: an earlier time is never correct.
        assert!(earliest >= SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800));
    }
    if let Some(code) = evidence.error_code() {
        assert!(!code.is_empty() && code.len() <= 64);
        assert!(code.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
