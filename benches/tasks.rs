//! How does the cost grow with 10, 100, 1,000 and 10,000 tasks that share one clock?

use std::time::Duration;

use aws_clock_skew::SkewClock;
use aws_clock_skew_benches::{Integration, Wire, accepted_call, client};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn tasks(criterion: &mut Criterion) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let Ok(runtime) = runtime.enable_all().build() else {
        return;
    };
    let mut group = criterion.benchmark_group("tasks");
    group.sample_size(10);
    for tasks in [10_u16, 100, 1_000, 10_000] {
        group.throughput(Throughput::Elements(u64::from(tasks)));
        for integration in [Integration::None, Integration::SdkAlone, Integration::Both] {
            let client = client(integration, &SkewClock::new(), Wire::ahead(Duration::ZERO));
            group.bench_function(format!("{tasks}, {integration:?}"), |bencher| {
                bencher.iter(|| {
                    runtime.block_on(async {
                        let calls: Vec<_> = (0..tasks)
                            .map(|_| {
                                let client = client.clone();
                                tokio::spawn(async move { accepted_call(&client).await })
                            })
                            .collect();
                        for call in calls {
                            assert!(call.await.is_ok());
                        }
                    });
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, tasks);
criterion_main!(benches);
