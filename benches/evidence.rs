//! How does reading evidence grow with the body?

use std::hint::black_box;
use std::time::Duration;

use aws_clock_skew::evidence::{Evidence, ResponseView};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const DATE: &str = "Mon, 23 Nov 2026 08:21:51 GMT";
const REJECTION: &str = r#"{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"Signature expired: 20261123T082151Z is now earlier than 20261123T090651Z (20261123T092151Z - 15 min.)"}"#;

fn evidence(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("evidence");
    group.bench_function("accepted", |bencher| {
        let view = ResponseView::new(200, b"").with_date(DATE);
        bencher.iter(|| Evidence::read(black_box(&view)));
    });
    let mut read = |name: String, body: &str| {
        let view = ResponseView::new(400, body.as_bytes()).with_date(DATE);
        group.throughput(Throughput::Bytes(u64::try_from(body.len()).unwrap_or(0)));
        group.bench_function(name, |bencher| {
            bencher.iter(|| Evidence::read(black_box(&view)));
        });
    };
    read("rejection".to_owned(), REJECTION);
    for kib in [1, 4, 16, 64] {
        let page = format!(
            "<html>{}{REJECTION}",
            "<p>Lorem ipsum dolor sit amet.</p>\n".repeat(kib * 30)
        );
        read(format!("page of {kib} KiB"), &page[..kib * 1_024]);
    }
    for (name, bait) in BAITS {
        let text = bait.repeat(64 * 1_024 / bait.len() + 1);
        read(format!("64 KiB of {name}"), &text[..64 * 1_024]);
    }
    group.finish();
}

/// Texts that begin again and again what is looked for, and never end it.
const BAITS: [(&str, &str); 8] = [
    (
        "sentences",
        "Signature expired: 20261123T082151Z is now earlier than ",
    ),
    ("words", "is now earlier than "),
    ("fields", "<ServerTime>"),
    ("labels", "RequestTime: "),
    ("escapes", "\\u0026lt;&amp;"),
    ("codes", "\"code\":\""),
    ("stamps", "20261123T082151Z "),
    ("tags", "<a>"),
];

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(2));
    targets = evidence
}
criterion_main!(benches);
