//! How many instructions is it? The gate: the same on every machine of one kind.

use aws_clock_skew::{ClockOffset, LocalClock, SkewClock, SystemClock};
use aws_clock_skew_benches::{Door, Wire, accepted_call, client};
use gungraun::prelude::*;
use std::hint::black_box;
use std::time::{Duration, SystemTime};
use tokio::runtime::Runtime;

/// Calls of one measurement.
const CALLS: usize = 50;

struct Calls {
    runtime: Runtime,
    client: aws_sdk_sqs::Client,
}

impl Calls {
    fn make(&self, number: usize) {
        self.runtime.block_on(async {
            for _ in 0..number {
                accepted_call(&self.client).await;
            }
        });
    }
}

fn prepared(door: Door, offset: i64) -> Calls {
    let offset = ClockOffset::from_millis(offset);
    let clock = SkewClock::builder().initial_offset(offset).build();
    let wire = Wire::ahead(Duration::from_millis(offset.as_millis().unsigned_abs()));
    let calls = Calls {
        runtime: tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap(),
        client: client(door, &clock, wire),
    };
    calls.make(5);
    calls
}

const HOUR: i64 = 3_600_000;

#[library_benchmark(setup = prepared)]
#[bench::nobody(Door::Nobody, 0)]
#[bench::native(Door::Native, 0)]
#[bench::interceptor(Door::Interceptor, 0)]
#[bench::http_client(Door::HttpClient, 0)]
#[bench::both(Door::Both, 0)]
#[bench::interceptor_corrected(Door::Interceptor, HOUR)]
#[bench::http_client_corrected(Door::HttpClient, HOUR)]
#[bench::both_corrected(Door::Both, HOUR)]
fn accepted(calls: Calls) -> Calls {
    calls.make(CALLS);
    calls
}

#[library_benchmark]
fn machine() -> SystemTime {
    let clock = black_box(SystemClock::new());
    let mut now = clock.wall();
    for _ in 0..CALLS {
        now = black_box(clock.wall());
    }
    now
}

fn clock(offset: i64) -> SkewClock {
    SkewClock::builder()
        .initial_offset(ClockOffset::from_millis(offset))
        .build()
}

#[library_benchmark(setup = clock)]
#[bench::uncorrected(0)]
#[bench::corrected(HOUR)]
fn now(clock: SkewClock) -> (SkewClock, SystemTime) {
    let mut now = black_box(&clock).now();
    for _ in 0..CALLS {
        now = black_box(black_box(&clock).now());
    }
    (clock, now)
}

library_benchmark_group!(name = doors, benchmarks = accepted);
library_benchmark_group!(name = clocks, benchmarks = [machine, now]);

gungraun::main!(
    config =
        LibraryBenchmarkConfig::default().env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=2000"),
    library_benchmark_groups = [doors, clocks]
);
