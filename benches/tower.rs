//! What does a Tower layer add to a request that is accepted?

use aws_clock_skew::SkewClock;
use aws_clock_skew_benches::{Accepts, call, signed_request};
use aws_credential_types::Credentials;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tower::Layer;

fn tower(criterion: &mut Criterion) {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "benchmark");
    let clock = SkewClock::new();
    let mut group = criterion.benchmark_group("accepted request");
    group.bench_function("service alone", |bencher| {
        let send = |request| call(&mut Accepts::new(), request);
        bencher.iter_batched(signed_request, send, BatchSize::SmallInput);
    });
    group.bench_function("under SkewLayer", |bencher| {
        let mut service = clock.layer(credentials.clone()).layer(Accepts::new());
        let send = |request| call(&mut service, request);
        bencher.iter_batched(signed_request, send, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, tower);
criterion_main!(benches);
