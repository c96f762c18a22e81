//! Every interleaving of threads that read, teach and repair one clock, by loom.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::SkewClock;
use crate::evidence::{Evidence, ResponseView};
use crate::host::Host;
use crate::judge::Attempt;
use crate::local_clock::ManualClock;
use crate::ruling::{Door, Exchange, Ruling};

const DAY: Duration = Duration::from_secs(86_400);

/// A machine that is one day behind.
#[derive(Clone)]
struct Machine {
    clocks: ManualClock,
    clock: SkewClock,
}

impl Machine {
    fn new() -> Self {
        let clocks = ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_900_000_000));
        clocks.advance_boot(Duration::from_secs(1_000));
        let clock = SkewClock::builder().local_clock(clocks.clone()).build();
        Self { clocks, clock }
    }

    /// A machine that was behind and knows it.
    fn corrected() -> Self {
        let machine = Self::new();
        assert!(machine.is_rejected().resign);
        assert!(machine.clock.now() > machine.wall());
        machine
    }

    fn wall(&self) -> SystemTime {
        use crate::local_clock::LocalClock;
        self.clocks.wall()
    }

    fn is_right(&self, time: SystemTime) -> bool {
        let truth = self.wall() + DAY;
        time >= truth && time < truth + Duration::from_secs(1)
    }

    /// A request signed by the machine's clock is rejected in words.
    fn is_rejected(&self) -> Ruling {
        let (signed, server) = (stamp(self.wall()), stamp(self.wall() + DAY));
        let bound = stamp(self.wall() + DAY - Duration::from_secs(900));
        let body = format!(
            r#"{{"__type":"InvalidSignatureException","message":"Signature expired: {signed} is now earlier than {bound} ({server} - 15 min.)"}}"#
        );
        let evidence = Evidence::read(&ResponseView::new(403, body.as_bytes()));
        self.clock.rule(&self.exchange(&evidence, &aws(), 0))
    }

    /// A request signed by the machine's clock is accepted by AWS.
    fn is_accepted(&self, moves: u64) {
        let date = httpdate::fmt_http_date(self.wall());
        let evidence = Evidence::read(&ResponseView::new(200, b"").with_date(&date));
        self.clock.accept(&self.exchange(&evidence, &aws(), moves));
    }

    fn exchange<'a>(&self, evidence: &'a Evidence, host: &'a Host, moves: u64) -> Exchange<'a> {
        let reading = self.clock.reading();
        Exchange {
            attempt: Attempt {
                signed_at: Some(reading.wall),
                signing_boot: reading.boot,
                sent: reading,
                received: reading,
            },
            evidence,
            host: Some(host),
            service: None,
            operation: None,
            door: Door::Signer,
            moves_at_signing: moves,
            request: self.clock.next_request(),
            is_second: false,
        }
    }
}

/// Whoever logs may be interrupted by another thread.
struct Busy(AtomicBool);

impl Subscriber for Busy {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // loom has events of its own.
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
fn a_reader_sees_the_machines_time_and_then_the_right_one() {
    loom::model(|| {
        let machine = Machine::new();
        let teacher = machine.clone();
        let teaching = thread::spawn(move || assert!(teacher.is_rejected().resign));
        let mut has_learned = false;
        for _ in 0..3 {
            let now = machine.clock.now();
            let is_right = machine.is_right(now);
            assert!(is_right || now == machine.wall(), "{now:?}");
            assert!(is_right || !has_learned, "it went back");
            has_learned = is_right;
        }
        teaching.join().unwrap();
        assert!(machine.is_right(machine.clock.now()));
    });
}

#[test]
fn two_rejections_at_once_are_one_event_and_two_retries() {
    loom::model(|| {
        let machine = Machine::new();
        let other = machine.clone();
        let hearing = thread::spawn(move || other.is_rejected().resign);
        assert!(machine.is_rejected().resign);
        assert!(hearing.join().unwrap());
        let status = machine.clock.status();
        assert_eq!((status.is_correcting(), status.event_count()), (true, 1));
        assert_eq!(machine.clock.moves(), 1);
        assert!(machine.is_right(machine.clock.now()));
    });
}

#[test]
fn a_repair_that_many_notice_is_told_once() {
    loom::model(|| {
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
        assert!(machine.clock.lock().unreported.is_empty());
        assert!(!machine.clock.is_corrected());
    });
}

#[test]
fn what_is_published_is_what_is_known() {
    loom::model(|| {
        let machine = Machine::corrected();
        let (teacher, forgetful) = (machine.clone(), machine.clone());
        let teaching = thread::spawn(move || drop(teacher.is_rejected()));
        let forgetting = thread::spawn(move || forgetful.clock.reset());
        teaching.join().unwrap();
        forgetting.join().unwrap();
        let is_known = machine.clock.lock().estimator.estimate().is_some();
        assert_eq!(machine.clock.is_corrected(), is_known);
        assert_eq!(
            machine.clock.moves(),
            machine.clock.lock().estimator.moves()
        );
        assert_eq!(
            machine.clock.epoch(),
            machine.clock.lock().estimator.epoch()
        );
    });
}

#[test]
fn a_listener_is_told_of_the_last_change() {
    loom::model(|| {
        let busy = Busy(AtomicBool::new(false));
        let _listening = tracing::subscriber::set_default(busy);
        let machine = Machine::corrected();
        let listener = machine.clock.changes();
        let (one, other) = (machine.clone(), machine.clone());
        let threads = [
            thread::spawn(move || one.clock.reset()),
            thread::spawn(move || drop(other.is_rejected())),
        ];
        for changing in threads {
            changing.join().unwrap();
        }
        let told = *listener.versions.borrow();
        assert_eq!(told, machine.clock.lock().version);
    });
}

#[test]
fn a_vouch_for_the_clock_before_a_move_is_none_for_the_one_after() {
    loom::model(|| {
        let machine = Machine::new();
        let moves = machine.clock.moves();
        let teacher = machine.clone();
        let teaching = thread::spawn(move || assert!(teacher.is_rejected().resign));
        machine.is_accepted(moves);
        teaching.join().unwrap();
        // Nobody has vouched for the correction, so it is wanted at once.
        assert!(machine.clock.wants_vouch(machine.clock.reading().boot));
    });
}
