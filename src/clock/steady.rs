//! Accepted responses under a correction, the most frequent case, take no lock.

use std::sync::mpsc;
use std::thread;
use std::time::UNIX_EPOCH;

use super::*;
use crate::ClockOffset;
use crate::decide::Exchange;
use crate::evidence::{Evidence, ResponseView};
use crate::host::Host;
use crate::judge::{RoundTrip, SignedBy};
use crate::local_clock::ManualClock;

const HOUR: Duration = Duration::from_secs(3_600);

struct Site {
    clocks: ManualClock,
    clock: SkewClock,
    aws: Host,
}

impl Site {
    /// Returns a machine whose clock is an hour behind, with the correction in effect.
    fn new() -> Self {
        let start = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clocks = ManualClock::new(start);
        let site = Self {
            clock: SkewClock::builder()
                .local_clock(clocks.clone())
                .initial_offset(ClockOffset::from_duration(HOUR))
                .build(),
            clocks,
            aws: Host::new("sqs.us-east-1.amazonaws.com", true).unwrap(),
        };
        // AWS confirms it once a minute.
        site.accepts(site.clock.now());
        site
    }

    fn wants(&self, date: SystemTime) -> bool {
        let sent = self.clock.reading();
        self.clock.wants_accepted(sent, || Some(date), || true)
    }

    /// Observes an accepted response with this `Date`.
    fn accepts(&self, date: SystemTime) {
        let date_header = httpdate::fmt_http_date(date);
        let evidence = Evidence::read(&ResponseView::new(200, b"").with_date(&date_header));
        let reading = self.clock.reading();
        self.clock.observe(&Exchange {
            trip: RoundTrip {
                signed_at: Some(date),
                signed_by: SignedBy::Clock(self.clock.generation()),
                sent: reading,
                received: reading,
            },
            evidence: &evidence,
            host: Some(&self.aws),
            service: None,
            operation: None,
            is_resend: false,
        });
    }

    fn is_corrected(&self) -> bool {
        self.clock.status().is_correcting()
    }
}

#[test]
fn a_response_that_agrees_with_a_clock_that_is_not_corrected_takes_no_lock() {
    let site = Site::new();
    site.clock.reset();
    site.accepts(site.clock.now());
    let held = site.clock.lock();
    let (said, hears) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let now = site.clock.now();
            let signing = site.clock.signing_time(Some(&site.aws)).now;
            // The receiver is gone if the test has failed.
            let _ = said.send((now, signing, site.wants(now)));
        });
        let heard = hears.recv_timeout(Duration::from_secs(60));
        drop(held);
        let (now, signing, is_wanted) = heard.expect("does not wait for the lock");
        assert_eq!((now, signing), (site.clocks.wall(), site.clocks.wall()));
        assert!(!is_wanted);
    });
}

#[test]
fn three_contradictions_in_a_row_end_a_correction_and_a_response_that_agrees_breaks_the_row() {
    let site = Site::new();
    let contradicts = || {
        let wall = site.clocks.wall();
        assert!(site.wants(wall));
        site.accepts(wall);
    };
    contradicts();
    contradicts();
    let now = site.clock.now();
    assert!(site.wants(now), "the clock must be told that it agrees");
    site.accepts(now);
    assert!(!site.wants(now));
    contradicts();
    contradicts();
    assert!(site.is_corrected());
    contradicts();
    assert!(!site.is_corrected());
}

#[test]
fn a_response_that_is_not_wanted_would_contradict_nothing() {
    for ahead in -10_000..10_000 {
        let site = Site::new();
        let date = ClockOffset::from_millis(ahead).shift(site.clock.now());
        if site.wants(date) {
            continue;
        }
        assert!(ahead.abs() < 2_000, "{ahead}");
        for _ in 0..5 {
            site.accepts(date);
        }
        assert!(site.is_corrected(), "{ahead}");
    }
}

/// Otherwise a clock restored from last week's checkpoint would not be confirmed for a
/// week.
#[test]
fn a_monotonic_clock_that_goes_back_does_not_put_off_the_confirmation() {
    for back in [61, 86_399] {
        let site = Site::new();
        let now = site.clock.now();
        assert!(!site.wants(now));
        let restored = ManualClock::new(site.clocks.wall());
        let sent = Reading::take(&restored);
        let sent = Reading {
            monotonic: sent.monotonic - Duration::from_secs(back),
            ..sent
        };
        assert!(site.clock.wants_accepted(sent, || None, || true), "{back}");
    }
}
