//! Loom runs every interleaving of threads that read, correct and repair one clock.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::SkewClock;
use crate::decide::{Decision, Exchange};
use crate::evidence::{Evidence, ResponseView};
use crate::host::Host;
use crate::judge::{RoundTrip, SignedBy};
use crate::local_clock::ManualClock;

const DAY: Duration = Duration::from_secs(86_400);

/// A machine whose clock is one day behind.
#[derive(Clone)]
struct Machine {
    clocks: ManualClock,
    clock: SkewClock,
}

impl Machine {
    fn new() -> Self {
        let clocks = ManualClock::new(start());
        clocks.advance_monotonic(Duration::from_secs(1_000));
        let clock = SkewClock::builder().local_clock(clocks.clone()).build();
        Self { clocks, clock }
    }

    /// Returns a machine whose clock is behind, with the correction in effect.
    fn corrected() -> Self {
        let machine = Self::new();
        assert_eq!(machine.is_rejected(), Decision::Resign);
        assert!(machine.clock.now() > machine.wall());
        machine
    }

    fn wall(&self) -> SystemTime {
        use crate::local_clock::LocalClock;
        self.clocks.wall()
    }

    fn is_correct(&self, time: SystemTime) -> bool {
        let truth = self.wall() + DAY;
        time >= truth && time < truth + Duration::from_secs(1)
    }

    /// A request signed by the local clock meets a clock skew error.
    fn is_rejected(&self) -> Decision {
        let evidence = clock_skew_error();
        self.clock.observe(&self.exchange(evidence, &aws(), 0))
    }

    /// A request signed by the local clock is accepted by AWS.
    fn is_accepted(&self, generation: u64) {
        let date = httpdate::fmt_http_date(self.wall());
        let evidence = Evidence::read(&ResponseView::new(200, b"").with_date(&date));
        self.clock
            .observe(&self.exchange(&evidence, &aws(), generation));
    }

    fn exchange<'a>(
        &self,
        evidence: &'a Evidence,
        host: &'a Host,
        generation: u64,
    ) -> Exchange<'a> {
        let reading = self.clock.reading();
        Exchange {
            trip: RoundTrip {
                signed_at: Some(reading.wall),
                signed_by: SignedBy::Clock(generation),
                sent: reading,
                received: reading,
            },
            evidence,
            host: Some(host),
            service: None,
            operation: None,
            is_resend: false,
        }
    }
}

/// A subscriber that lets loom switch threads while an event is logged.
struct Busy(AtomicBool);

impl Subscriber for Busy {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Ignores the events of loom itself.
        metadata.target().starts_with("aws_clock_skew")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_900_000_000)
}

/// A clock skew error from a server that is a day ahead, for a request signed at the start.
fn clock_skew_error() -> &'static Evidence {
    static READ: OnceLock<Evidence> = OnceLock::new();
    READ.get_or_init(|| {
        let (signed, server) = (stamp(start()), stamp(start() + DAY));
        let bound = stamp(start() + DAY - Duration::from_secs(900));
        let body = format!(
            r#"{{"__type":"InvalidSignatureException","message":"Signature expired: {signed} is now earlier than {bound} ({server} - 15 min.)"}}"#
        );
        Evidence::read(&ResponseView::new(403, body.as_bytes()))
    })
}

fn model(test: impl Fn() + Sync + Send + 'static) {
    // Compiles the patterns before loom starts: its threads have too little stack for that.
    clock_skew_error();
    loom::model(test);
}

fn aws() -> Host {
    Host::new("sqs.us-east-1.amazonaws.com", true).unwrap()
}

/// `20300317T174640Z`
fn stamp(time: SystemTime) -> String {
    let date = httpdate::fmt_http_date(time);
    // Sun, 17 Mar 2030 17:46:40 GMT
    let clock = date[17..25].replace(':', "");
    assert_eq!(&date[8..11], "Mar");
    format!("{}03{}T{clock}Z", &date[12..16], &date[5..7])
}

#[test]
fn a_reader_sees_the_local_time_and_then_the_correct_one() {
    model(|| {
        let machine = Machine::new();
        let rejected = machine.clone();
        let correcting =
            thread::spawn(move || assert_eq!(rejected.is_rejected(), Decision::Resign));
        let mut was_correct = false;
        for _ in 0..3 {
            let now = machine.clock.now();
            let is_correct = machine.is_correct(now);
            assert!(is_correct || now == machine.wall(), "{now:?}");
            assert!(is_correct || !was_correct, "it went back");
            was_correct = is_correct;
        }
        correcting.join().unwrap();
        assert!(machine.is_correct(machine.clock.now()));
    });
}

#[test]
fn two_rejections_at_once_are_one_correction_and_two_resends() {
    model(|| {
        let machine = Machine::new();
        let other = machine.clone();
        let observing = thread::spawn(move || other.is_rejected());
        assert_eq!(machine.is_rejected(), Decision::Resign);
        assert_eq!(observing.join().unwrap(), Decision::Resign);
        let status = machine.clock.status();
        assert_eq!((status.is_correcting(), status.event_count()), (true, 1));
        assert_eq!(machine.clock.generation(), 1);
        assert!(machine.is_correct(machine.clock.now()));
    });
}

#[test]
fn a_repair_that_many_notice_is_one_event() {
    model(|| {
        let machine = Machine::corrected();
        machine.clocks.set_wall(machine.wall() + DAY);
        let readers = [machine.clone(), machine.clone()]
            .map(|reader| thread::spawn(move || assert_eq!(reader.clock.now(), reader.wall())));
        let _ = machine.clock.status();
        for reader in readers {
            reader.join().unwrap();
        }
        let status = machine.clock.status();
        assert_eq!((status.is_correcting(), status.event_count()), (false, 2));
        assert!(machine.clock.lock().clock.events.is_empty());
        assert!(!machine.clock.is_correcting());
    });
}

#[test]
fn readers_see_the_state_as_it_is() {
    model(|| {
        let machine = Machine::corrected();
        let (rejected, resetting) = (machine.clone(), machine.clone());
        let correcting = thread::spawn(move || {
            rejected.is_rejected();
        });
        let reset = thread::spawn(move || resetting.clock.reset());
        correcting.join().unwrap();
        reset.join().unwrap();
        let (is_corrected, generation) = {
            let state = machine.clock.lock();
            (state.clock.correction().is_some(), state.clock.generation())
        };
        assert_eq!(machine.clock.is_correcting(), is_corrected);
        assert_eq!(machine.clock.generation(), generation);
    });
}

#[test]
fn a_watcher_reports_the_last_change() {
    model(|| {
        let busy = Busy(AtomicBool::new(false));
        let _listening = tracing::subscriber::set_default(busy);
        let machine = Machine::corrected();
        let listener = machine.clock.subscribe();
        let (one, other) = (machine.clone(), machine.clone());
        let threads = [
            thread::spawn(move || one.clock.reset()),
            thread::spawn(move || {
                other.is_rejected();
            }),
        ];
        for changing in threads {
            changing.join().unwrap();
        }
        let told = *listener.versions.borrow();
        assert_eq!(told, machine.clock.lock().version);
    });
}

#[test]
fn a_confirmation_of_one_generation_is_none_for_the_next() {
    model(|| {
        let machine = Machine::new();
        let generation = machine.clock.generation();
        let rejected = machine.clone();
        let correcting =
            thread::spawn(move || assert_eq!(rejected.is_rejected(), Decision::Resign));
        machine.is_accepted(generation);
        correcting.join().unwrap();
        // No host has confirmed the correction, so a confirmation is wanted at once.
        let sent = machine.clock.reading();
        assert!(machine.clock.wants_accepted(sent, || None, || true));
    });
}
