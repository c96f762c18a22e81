//! What does an integration add to a call of a program that uses its heap for other things?
//!
//! `cargo bench -p aws-clock-skew-benches --bench heap -- --output-format=json`, for
//! `aws-clock-skew-gate`; needs valgrind and gungraun-runner.

#![expect(missing_docs, unused_qualifications, reason = "what the macros write")]

use std::hint::black_box;

use aws_clock_skew_benches::{Calls, Integration};
use gungraun::Callgrind;
use gungraun::prelude::*;

/// The cost of an allocation depends on all earlier ones. So each round has another heap;
/// `aws-clock-skew-gate` divides by both numbers.
const ROUNDS: u64 = 16;
const CALLS: usize = 250;

/// The rest of the program, the same in each measurement.
struct Others {
    blocks: Vec<Vec<u8>>,
    random: u64,
}

impl Others {
    fn new(random: u64) -> Self {
        let mut others = Self {
            blocks: vec![Vec::new(); 256],
            random,
        };
        for _ in 0..64 {
            others.work();
        }
        others
    }

    /// Frees sixteen blocks and allocates as many, of up to 8 KiB and mostly small ones.
    fn work(&mut self) {
        for _ in 0..16 {
            // xorshift64
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let [index, size, shift, ..] = self.random.to_le_bytes();
            if let Some(block) = self.blocks.get_mut(usize::from(index)) {
                *block = Vec::with_capacity(usize::from(size) << (shift % 6));
            }
        }
        black_box(&self.blocks);
    }
}

#[library_benchmark(setup = Calls::new)]
#[bench::none(Integration::None, 0)]
#[bench::sdk(Integration::SdkAlone, 0)]
#[bench::install(Integration::Install, 0)]
#[bench::configure(Integration::Configure, 0)]
#[bench::configure_sdk_off(Integration::ConfigureSdkOff, 0)]
#[bench::both(Integration::Both, 0)]
fn in_use(calls: Calls) -> Calls {
    for round in 1..=ROUNDS {
        let mut others = Others::new(round * 0x9e37_79b9);
        calls.make(CALLS, || others.work());
    }
    calls
}

library_benchmark_group!(name = heap, benchmarks = in_use);

gungraun::main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = heap
);
