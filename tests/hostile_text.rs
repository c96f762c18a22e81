//! Texts that are made to be hard to read. One of the few tests that look at the
//! machine's clock.

use std::time::Duration;

use aws_clock_skew::evidence::{Evidence, ResponseView};
use aws_clock_skew::{LocalClock, SystemClock};

const WHOLE: usize = 64 * 1024;

/// Pieces that a reader may come back to, each repeated to the end.
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

/// The least of several, since other programs run as well.
fn time_to_read(body: &[u8]) -> Duration {
    let clock = SystemClock::new();
    let times = (0..15).map(|_| {
        let before = clock.boot();
        std::hint::black_box(Evidence::read(&ResponseView::new(403, body)));
        clock.boot() - before
    });
    times.min().unwrap()
}

#[test]
fn twice_the_text_takes_twice_the_time() {
    for piece in PIECES {
        let quarter = time_to_read(&text(piece, WHOLE / 4));
        let whole = time_to_read(&text(piece, WHOLE));
        println!("{:>6} µs  {piece:?}", whole.as_micros());
        // Four times as long, if it is linear, and sixteen times if it is quadratic.
        // What takes no time at all is not measured.
        let floor = Duration::from_micros(50);
        assert!(
            whole <= 9 * quarter.max(floor),
            "{piece:?}: {quarter:?} for a quarter, {whole:?} for the whole"
        );
    }
}

#[test]
fn what_lies_beyond_64_kib_takes_no_time() {
    for piece in PIECES {
        let whole = time_to_read(&text(piece, WHOLE));
        let more = time_to_read(&text(piece, 16 * WHOLE));
        let floor = Duration::from_micros(50);
        assert!(
            more <= 3 * whole.max(floor),
            "{piece:?}: {whole:?}, {more:?}"
        );
    }
}
