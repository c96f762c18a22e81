//! How does reading evidence grow with the body?

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_clock_skew::evidence::{Evidence, ResponseView};
use aws_clock_skew_benches::{BAITS, REJECTION};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const DATE: &str = "Mon, 23 Nov 2026 08:21:51 GMT";

#[expect(clippy::disallowed_methods, reason = "a bench reads the real clock")]
fn evidence(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("evidence");
    group.bench_function("accepted", |bencher| {
        let view = ResponseView::new(200, b"").with_date(DATE);
        bencher.iter(|| Evidence::read(black_box(&view)));
    });
    // The patterns of a clock skew error are compiled once in a process.
    let before = Instant::now();
    black_box(Evidence::read(&ResponseView::new(
        400,
        REJECTION.as_bytes(),
    )));
    println!("evidence/first rejection: {:?}", before.elapsed());
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

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(2));
    targets = evidence
}
criterion_main!(benches);
