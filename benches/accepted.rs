//! What does an integration add to a call that is accepted?

use std::time::Duration;

use aws_clock_skew::{ClockOffset, SkewClock};
use aws_clock_skew_benches::{Integration, Wire, accepted_call, client};
use criterion::{Criterion, criterion_group, criterion_main};

const HOUR: i64 = 3_600_000;

fn accepted(criterion: &mut Criterion) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let Ok(runtime) = runtime.enable_all().build() else {
        return;
    };
    for (state, offset) in [("uncorrected", 0), ("corrected", HOUR)] {
        let mut group = criterion.benchmark_group(format!("accepted call, {state}"));
        for integration in Integration::ALL {
            let clock = SkewClock::builder()
                .initial_offset(ClockOffset::from_millis(offset))
                .build();
            let wire = Wire::ahead(Duration::from_millis(offset.unsigned_abs()));
            let client = client(integration, &clock, wire);
            group.bench_function(format!("{integration:?}"), |bencher| {
                bencher.iter(|| runtime.block_on(accepted_call(&client)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, accepted);
criterion_main!(benches);
