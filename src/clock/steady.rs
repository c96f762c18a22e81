//! Accepted answers, once a correction has been learned: they are most of what there
//! is, and take no lock.

use std::sync::mpsc;
use std::thread;

use super::*;
use crate::evidence::{Evidence, ResponseView};
use crate::host::Host;
use crate::judge::Attempt;
use crate::local_clock::ManualClock;
use crate::ruling::{Door, Exchange};

const HOUR: Duration = Duration::from_secs(3_600);

struct Site {
    clocks: ManualClock,
    clock: SkewClock,
    aws: Host,
}

impl Site {
    /// A machine an hour behind, that knows it.
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
        // AWS vouches for it once a minute.
        site.accepts(site.clock.now());
        site
    }

    fn minds(&self, date: SystemTime) -> bool {
        let boot = self.clock.reading().boot;
        self.clock.minds_accepted(|| Some(date)) || self.clock.wants_vouch(boot)
    }

    /// An answer of this `Date` arrives, and is taken note of.
    fn accepts(&self, date: SystemTime) {
        let date_header = httpdate::fmt_http_date(date);
        let evidence = Evidence::read(&ResponseView::new(200, b"").with_date(&date_header));
        let reading = self.clock.reading();
        self.clock.accept(&Exchange {
            attempt: Attempt {
                signed_at: Some(date),
                signing_boot: reading.boot,
                sent: reading,
                received: reading,
            },
            evidence: &evidence,
            host: Some(&self.aws),
            service: None,
            operation: None,
            door: Door::Signer,
            moves_at_signing: self.clock.moves(),
            request: 0,
            is_second: false,
        });
    }
}

#[test]
fn an_answer_that_agrees_takes_no_lock() {
    let site = Site::new();
    let held = site.clock.lock();
    let (said, hears) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let now = site.clock.now();
            // Nobody hears where the test has given up.
            let _ = said.send((now, site.minds(now)));
        });
        let heard = hears.recv_timeout(Duration::from_secs(60));
        drop(held);
        let (now, is_minded) = heard.expect("does not wait for the lock");
        assert_eq!(now, site.clocks.wall() + HOUR);
        assert!(!is_minded);
    });
}

#[test]
fn three_contradictions_in_a_row_end_a_correction_and_an_answer_that_agrees_breaks_the_row() {
    let site = Site::new();
    let contradicts = || {
        let wall = site.clocks.wall();
        assert!(site.minds(wall));
        site.accepts(wall);
    };
    contradicts();
    contradicts();
    let now = site.clock.now();
    assert!(site.minds(now), "somebody has to hear that it agrees");
    site.accepts(now);
    assert!(!site.minds(now));
    contradicts();
    contradicts();
    assert!(site.clock.is_corrected());
    contradicts();
    assert!(!site.clock.is_corrected());
}

#[test]
fn whatever_is_not_minded_would_contradict_nothing() {
    for ahead in -10_000..10_000 {
        let site = Site::new();
        let date = ClockOffset::from_millis(ahead).shift(site.clock.now());
        if site.minds(date) {
            continue;
        }
        assert!(ahead.abs() < 2_000, "{ahead}");
        for _ in 0..5 {
            site.accepts(date);
        }
        assert!(site.clock.is_corrected(), "{ahead}");
    }
}
