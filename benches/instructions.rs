//! How many instructions does it take? `gate` compares the counts with the committed figures.
//!
//! `cargo bench -p aws-clock-skew-benches --bench instructions`; needs valgrind and
//! gungraun-runner.

#![expect(missing_docs, unused_qualifications, reason = "what the macros write")]

use std::hint::black_box;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::evidence::{Evidence, ResponseView};
use aws_clock_skew::tower::SkewService;
use aws_clock_skew::{LocalClock, SkewClock, SystemClock};
use aws_clock_skew_benches::{
    Accepts, BAITS, Calls, Integration, REJECTION, call, clock, signed_request,
};
use aws_credential_types::Credentials;
use bytes::Bytes;
use gungraun::Callgrind;
use gungraun::prelude::*;
use http::Request;
use http_body_util::Full;
use tower::Layer;

/// The repetitions in each measurement; `gate` divides by it.
const TIMES: usize = 50;
const HOUR: i64 = 3_600_000;

/// Waits until the seconds of the time have two digits, and will have during all calls: the
/// SDK's signer writes a number of one digit with a hundred instructions more.
fn calls(integration: Integration, offset: i64) -> Calls {
    let calls = Calls::new(integration, offset);
    let second = || {
        let since = SystemClock::new().wall().duration_since(UNIX_EPOCH);
        since.unwrap_or_default().as_secs() % 60
    };
    while !(10..50).contains(&second()) {
        thread::sleep(Duration::from_millis(100));
    }
    calls
}

#[library_benchmark(setup = calls)]
#[bench::none(Integration::None, 0)]
#[bench::sdk(Integration::SdkAlone, 0)]
#[bench::install(Integration::Install, 0)]
#[bench::configure(Integration::Configure, 0)]
#[bench::configure_sdk_off(Integration::ConfigureSdkOff, 0)]
#[bench::both(Integration::Both, 0)]
#[bench::install_corrected(Integration::Install, HOUR)]
#[bench::configure_corrected(Integration::Configure, HOUR)]
#[bench::both_corrected(Integration::Both, HOUR)]
fn accepted(calls: Calls) -> Calls {
    calls.make(TIMES, || ());
    calls
}

#[library_benchmark]
fn machine() -> SystemTime {
    let clock = SystemClock::new();
    for _ in 1..TIMES {
        black_box(black_box(&clock).wall());
    }
    black_box(&clock).wall()
}

#[library_benchmark(setup = clock)]
#[bench::uncorrected(0)]
#[bench::corrected(HOUR)]
fn now(clock: SkewClock) -> SkewClock {
    for _ in 0..TIMES {
        black_box(black_box(&clock).now());
    }
    clock
}

struct Requests {
    service: SkewService<Accepts>,
    requests: Vec<Request<Full<Bytes>>>,
}

fn requests(offset: i64) -> Requests {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "benchmark");
    let mut service = clock(offset).layer(credentials).layer(Accepts::new());
    call(&mut service, signed_request());
    Requests {
        service,
        requests: (0..TIMES).map(|_| signed_request()).collect(),
    }
}

#[library_benchmark(setup = requests)]
#[bench::uncorrected(0)]
fn bare(mut given: Requests) -> Requests {
    for request in given.requests.drain(..) {
        call(&mut Accepts::new(), request);
    }
    given
}

#[library_benchmark(setup = requests)]
#[bench::uncorrected(0)]
fn layer(mut given: Requests) -> Requests {
    for request in given.requests.drain(..) {
        call(&mut given.service, request);
    }
    given
}

#[library_benchmark]
fn evidence_of_accepted() {
    let view = ResponseView::new(200, b"")
        .with_date("Mon, 23 Nov 2026 08:21:51 GMT")
        .with_request_id("d38e5c4b-494a-8fb7-f645-5d646dcc89c4");
    for _ in 0..TIMES {
        black_box(Evidence::read(black_box(&view)));
    }
}

/// A text of `kib` KiB from `BAITS`. Reading it compiles the patterns before anything is counted.
fn bait(kib: usize, name: &str) -> String {
    let found = BAITS.iter().find(|(known, _)| *known == name);
    let text = found.map_or(REJECTION, |(_, bait)| bait);
    let mut text = text.repeat(kib * 1_024 / text.len() + 1);
    text.truncate(kib * 1_024);
    black_box(Evidence::read(&ResponseView::new(400, text.as_bytes())));
    text
}

fn rejection() -> &'static str {
    black_box(Evidence::read(&ResponseView::new(
        400,
        REJECTION.as_bytes(),
    )));
    REJECTION
}

#[library_benchmark(setup = rejection)]
fn evidence_of_rejection(text: &str) {
    for _ in 0..TIMES {
        black_box(Evidence::read(black_box(&ResponseView::new(
            400,
            text.as_bytes(),
        ))));
    }
}

/// Four times the text. `gate` fails if it takes much more than four times the instructions.
macro_rules! evidence_of {
    ($($name:ident: $kib:literal),+) => {$(
        #[library_benchmark(setup = bait)]
        #[bench::sentences($kib, "sentences")]
        #[bench::words($kib, "words")]
        #[bench::beginnings($kib, "beginnings")]
        #[bench::fields($kib, "fields")]
        #[bench::labels($kib, "labels")]
        #[bench::values($kib, "values")]
        #[bench::stamps($kib, "stamps")]
        #[bench::stamped($kib, "stamped")]
        #[bench::codes($kib, "codes")]
        #[bench::types($kib, "types")]
        #[bench::messages($kib, "messages")]
        #[bench::quotes($kib, "quotes")]
        #[bench::escapes($kib, "escapes")]
        #[bench::tags($kib, "tags")]
        #[bench::blanks($kib, "blanks")]
        #[bench::letters($kib, "letters")]
        #[bench::all($kib, "all")]
        #[bench::prose($kib, "prose")]
        fn $name(text: String) -> String {
            black_box(Evidence::read(&ResponseView::new(400, text.as_bytes())));
            text
        }
    )+};
}
evidence_of!(evidence_of_16_kib: 16, evidence_of_64_kib: 64);

library_benchmark_group!(name = integrations, benchmarks = accepted);
library_benchmark_group!(name = clocks, benchmarks = [machine, now]);
library_benchmark_group!(
    name = others,
    benchmarks = [
        bare,
        layer,
        evidence_of_accepted,
        evidence_of_rejection,
        evidence_of_16_kib,
        evidence_of_64_kib
    ]
);

// Under glibc's allocator the counts differ by thousands from run to run, since its path depends on
// earlier allocations. Under jemalloc they repeat to 1 %. `heap.rs` averages over many heaps of
// glibc.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

gungraun::main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = [integrations, clocks, others]
);
