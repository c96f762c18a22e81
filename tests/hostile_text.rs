//! Texts that are hard to parse. The tests measure processor time, which Linux states in a file, so
//! that other programs do not matter.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::time::Duration;

use aws_clock_skew::evidence::{Evidence, ResponseView};

const WHOLE: usize = 64 * 1024;

/// Texts at which a parser may go back, each repeated to the end.
const PIECES: [&str; 20] = [
    "a",
    " ",
    "\\",
    "<",
    "<a>",
    "</",
    "&#65;",
    "&",
    "{\"message\":",
    "\"",
    "\\u0041",
    "Signature expired: ",
    "Signature expired: 20160619T100249Z is now earlier than ",
    " is now earlier than ",
    "20160619T100249Z ",
    "20160619T100249Z (20160619T103032Z - 15 min.) ",
    "<Message>",
    "<ServerTime>2016-06-19T10:30:32Z",
    "<Code>RequestTimeTooSkewed</Code>",
    "\u{e9}\u{1f552}",
];

fn text(piece: &str, size: usize) -> Vec<u8> {
    piece.bytes().cycle().take(size).collect()
}

/// How long it takes to read a text of `size` bytes `times` times.
fn time_to_read(piece: &str, size: usize, times: usize) -> Duration {
    let body = text(piece, size);
    let before = processor_time();
    for _ in 0..times {
        std::hint::black_box(Evidence::read(&ResponseView::new(403, &body)));
    }
    processor_time() - before
}

/// The processor time of this thread.
fn processor_time() -> Duration {
    // The file has the time on a processor, the time spent waiting for one, and the number of
    // turns.
    // (https://docs.kernel.org/scheduler/sched-stats.html).
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("the kernel counts processor time"))
}

/// Returns how often to read a quarter of the text so that it takes several ticks.
fn readings(piece: &str) -> usize {
    let mut times = 4;
    while time_to_read(piece, WHOLE / 4, times) < 2 * TICK {
        times *= 2;
        assert!(times < 1 << 24, "the kernel counts no processor time");
    }
    times
}

#[test]
fn no_text_takes_quadratic_time() {
    let mut slow = Vec::new();
    for piece in PIECES {
        let times = readings(piece);
        let quarters = time_to_read(piece, WHOLE / 4, times);
        let wholes = time_to_read(piece, WHOLE, times / 4);
        let each = wholes * 4 / u32::try_from(times).unwrap();
        println!("{:>6} µs  {piece:?}", each.as_micros());
        // Equal if parsing is linear, and four times as long if it is quadratic.
        if wholes > 2 * quarters + TICK {
            slow.push((piece, quarters, wholes));
        }
    }
    assert_eq!(slow, [], "in quarters, and whole");
}

#[test]
fn text_beyond_64_kib_takes_no_time() {
    for piece in PIECES {
        let whole = time_to_read(piece, WHOLE, READS);
        let more = time_to_read(piece, 16 * WHOLE, READS);
        // Sixteen times as long if the parser reads all of it.
        assert!(more <= 2 * whole + TICK, "{piece:?}: {whole:?}, {more:?}");
    }
}

const READS: usize = 10;
/// Some kernels count the time of a thread in ticks.
const TICK: Duration = Duration::from_millis(20);
