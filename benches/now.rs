//! What does it cost to read the time, in one thread and in sixteen?

use std::hint::black_box;
use std::num::NonZero;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use aws_clock_skew::{ClockOffset, LocalClock, SkewClock, SystemClock};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};

const HOUR: ClockOffset = ClockOffset::from_millis(3_600_000);

fn now(criterion: &mut Criterion) {
    let machine = SystemClock::new();
    let uncorrected = SkewClock::new();
    let corrected = SkewClock::builder().initial_offset(HOUR).build();
    assert!(corrected.status().is_correcting());
    // The SDK's own correction stores its offset this way.
    let distance = Mutex::new(Duration::from_secs(3_600));
    let sdk = || {
        let distance = *distance.lock().unwrap_or_else(|e| e.into_inner());
        machine.wall() + distance
    };

    let mut group = criterion.benchmark_group("now");
    for threads in [1, 16] {
        let mut measure = |name, read: &(dyn Fn() -> SystemTime + Sync)| {
            by(&mut group, name, threads, read);
        };
        measure("machine", &|| machine.wall());
        measure("uncorrected", &|| uncorrected.now());
        measure("corrected", &|| corrected.now());
        measure("a distance in a mutex", &sdk);
    }
    group.finish();
}

/// The processor time of one reading.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures the local time"
)]
fn by(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    threads: u32,
    read: &(dyn Fn() -> SystemTime + Sync),
) {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let busy = threads.min(u32::try_from(cores).unwrap_or(1));
    group.bench_function(format!("{name}, {threads} threads"), |bencher| {
        bencher.iter_custom(|times| {
            let start = Instant::now();
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        for _ in 0..times {
                            black_box(read());
                        }
                    });
                }
            });
            start.elapsed() * busy / threads
        });
    });
}

criterion_group!(benches, now);
criterion_main!(benches);
