//! What does a rejection cost, from the head of the response to the second send?
//!
//! For comparison, a call that is accepted at once: the SDK signs and sends once.

use std::time::Duration;

use aws_clock_skew::SkewClock;
use aws_clock_skew_benches::{Integration, RejectingWire, Wire, accepted_call, client};
use criterion::{Criterion, criterion_group, criterion_main};

fn rejection(criterion: &mut Criterion) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let Ok(runtime) = runtime.enable_all().build() else {
        return;
    };
    let mut group = criterion.benchmark_group("rejection");
    group.bench_function("a whole call, accepted", |bencher| {
        let client = client(
            Integration::None,
            &SkewClock::new(),
            Wire::ahead(Duration::ZERO),
        );
        bencher.iter(|| runtime.block_on(accepted_call(&client)));
    });
    for integration in [Integration::Install, Integration::Configure] {
        group.bench_function(
            format!("from head to second send, {integration:?}"),
            |bencher| {
                let clock = SkewClock::new();
                let wire = RejectingWire::new(Duration::from_secs(3_600));
                let client = client(integration, &clock, wire.clone());
                bencher.iter_custom(|times| {
                    let mut sum = Duration::ZERO;
                    for _ in 0..times {
                        clock.reset();
                        runtime.block_on(accepted_call(&client));
                        sum += wire.between();
                    }
                    sum
                });
            },
        );
    }
    group.finish();
}

criterion_group!(benches, rejection);
criterion_main!(benches);
