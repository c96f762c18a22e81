//! Subscribers that misbehave: calls still succeed.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use aws_clock_skew::SkewClock;
use futures_util::FutureExt;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::NoSubscriber;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::capture::install_global_subscriber;
use crate::integrations::{Integration, Site};
use crate::scenarios::{call, site};
use crate::wire::Manner;
use crate::world::{DAY, MINUTE};

/// Runs the same function at every event of the crate.
struct Misbehaving<F>(F);

impl<F: Fn() + Send + Sync + 'static> Subscriber for Misbehaving<F> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Except the line about the first request of an integration.
        metadata.target().starts_with("aws_clock_skew") && *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        (self.0)();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Makes calls that start a correction, use it and end it.
async fn lives_through_an_event(integration: Integration, site: &Site) {
    for _ in 0..3 {
        assert_eq!(call(integration, site).await, Ok(()), "{integration:?}");
    }
    assert!(site.clock.status().is_correcting());
    site.world.set_skew(0);
    for _ in 0..3 {
        assert_eq!(call(integration, site).await, Ok(()), "{integration:?}");
    }
    assert_eq!(site.line.wire.rejected(), 1, "{integration:?}");
    assert_eq!(site.clock.now(), site.world.machine_wall());
    // The counters have both events, whatever the subscriber did.
    assert_eq!(site.clock.status().event_count(), 2, "{integration:?}");
}

#[tokio::test]
async fn a_subscriber_that_panics_fails_no_call() {
    install_global_subscriber();
    for integration in Integration::ALL {
        let _guard = tracing::subscriber::set_default(Misbehaving(|| panic!("misbehaving")));
        lives_through_an_event(integration, &site(-20 * MINUTE, Manner::InMessage)).await;
    }
}

#[tokio::test]
async fn a_subscriber_can_read_the_clock() {
    install_global_subscriber();
    for integration in Integration::ALL {
        let site = site(-20 * MINUTE, Manner::InMessage);
        let clock = site.clock.clone();
        let answers = Arc::new(Mutex::new(0));
        let counted = answers.clone();
        let _guard = tracing::subscriber::set_default(Misbehaving(move || {
            assert!(clock.now() > std::time::UNIX_EPOCH);
            drop((clock.status(), clock.subscribe().status()));
            *counted.lock().expect("is not poisoned") += 1;
        }));
        lives_through_an_event(integration, &site).await;
        // Two events in the log and in the metrics, two changes, one resend, and the gauges of two
        // statuses. The statuses were read outside of an event.
        assert_eq!(*answers.lock().expect("is not poisoned"), 9);
    }
}

#[tokio::test]
async fn a_subscriber_that_resets_the_clock_at_every_event_fails_no_call() {
    install_global_subscriber();
    for integration in Integration::ALL {
        let site = site(-20 * MINUTE, Manner::InMessage);
        let clock = site.clock.clone();
        let in_it = std::sync::atomic::AtomicBool::new(false);
        let _guard = tracing::subscriber::set_default(Misbehaving(move || {
            // The reset emits events too.
            if !in_it.swap(true, std::sync::atomic::Ordering::Relaxed) {
                clock.reset();
                in_it.store(false, std::sync::atomic::Ordering::Relaxed);
            }
        }));
        let outcome = call(integration, &site).await;
        drop(outcome);
        assert_eq!(
            site.clock.now(),
            site.world.machine_wall(),
            "{integration:?}"
        );
    }
}

#[tokio::test]
async fn without_a_subscriber_no_call_fails() {
    for integration in Integration::ALL {
        let _guard = tracing::subscriber::set_default(NoSubscriber::default());
        lives_through_an_event(integration, &site(-20 * MINUTE, Manner::InMessage)).await;
    }
}

/// A latch that opens once.
#[derive(Clone, Default)]
struct Latch(Arc<(Mutex<bool>, Condvar)>);

impl Latch {
    fn open(&self) {
        *self.0.0.lock().expect("is not poisoned") = true;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let mut is_open = self.0.0.lock().expect("is not poisoned");
        while !*is_open {
            is_open = self.0.1.wait(is_open).expect("is not poisoned");
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

#[test]
fn a_subscriber_that_blocks_delays_the_call_of_its_event_and_no_other() {
    install_global_subscriber();
    for integration in Integration::ALL {
        let site = site(-2 * DAY, Manner::InMessage);
        let (blocked, released) = (Latch::default(), Latch::default());
        let (open, wait) = (blocked.clone(), released.clone());
        let mut changes = site.clock.subscribe();
        let behind = site.clone();
        let delayed = thread::spawn(move || {
            let _guard = tracing::subscriber::set_default(Misbehaving(move || {
                open.open();
                wait.wait();
            }));
            block_on(call(integration, &behind))
        });
        blocked.wait();
        // The clock is updated, returns its status, and signs for other clients.
        assert!(site.clock.status().is_correcting(), "{integration:?}");
        assert!(site.clock.now() > site.world.machine_wall());
        assert_eq!(
            changes.changed().now_or_never(),
            Some(()),
            "{integration:?}"
        );
        assert!(changes.status().is_correcting());
        for _ in 0..3 {
            assert_eq!(
                block_on(call(integration, &site)),
                Ok(()),
                "{integration:?}"
            );
        }
        assert_eq!(site.line.wire.rejected(), 1, "{integration:?}");
        assert!(!delayed.is_finished());
        released.open();
        assert_eq!(delayed.join().expect("it did not panic"), Ok(()));
    }
}

#[test]
fn a_clock_can_be_read_after_a_panic_in_an_event() {
    install_global_subscriber();
    let site = site(-2 * DAY, Manner::InMessage);
    let clock: SkewClock = site.clock.clone();
    let _guard = tracing::subscriber::set_default(Misbehaving(|| panic!("misbehaving")));
    assert_eq!(block_on(call(Integration::HttpClient, &site)), Ok(()));
    clock.reset();
    assert!(!clock.status().is_correcting());
}

/// The values that all threads set the gauge of the offset to, in order.
#[derive(Clone, Default)]
struct Gauge(Arc<Mutex<Vec<f64>>>);

struct Recorder<F> {
    gauge: Gauge,
    before: F,
}

impl<F: Fn(f64) + Send + Sync + 'static> Subscriber for Recorder<F> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "aws_clock_skew::metrics"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut offset = Offset(None);
        event.record(&mut offset);
        if let Some(offset) = offset.0 {
            (self.before)(offset);
            self.gauge.0.lock().expect("is not poisoned").push(offset);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Offset(Option<f64>);

impl tracing::field::Visit for Offset {
    fn record_f64(&mut self, field: &tracing::field::Field, value: f64) {
        if field.name() == "gauge.aws_clock_skew.offset_seconds" {
            self.0 = Some(value);
        }
    }

    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}
}

#[test]
fn a_gauge_that_is_set_late_is_corrected_at_the_next_scrape() {
    install_global_subscriber();
    let site = site(-2 * DAY, Manner::InMessage);
    let gauge = Gauge::default();
    let (reached, released) = (Latch::default(), Latch::default());
    let (open, wait) = (reached.clone(), released.clone());
    let slow = Recorder {
        gauge: gauge.clone(),
        before: move |offset: f64| {
            if offset > 0.0 {
                open.open();
                wait.wait();
            }
        },
    };
    let behind = site.clone();
    let correcting = thread::spawn(move || {
        let _guard = tracing::subscriber::set_default(slow);
        block_on(call(Integration::HttpClient, &behind))
    });
    reached.wait();
    // While one thread is about to set the gauge, another ends the correction.
    site.world.set_skew(0);
    {
        let recorder = Recorder {
            gauge: gauge.clone(),
            before: |_| {},
        };
        let _guard = tracing::subscriber::set_default(recorder);
        assert!(!site.clock.status().is_correcting());
    }
    released.open();
    assert_eq!(correcting.join().expect("it did not panic"), Ok(()));
    {
        let recorder = Recorder {
            gauge: gauge.clone(),
            before: |_| {},
        };
        let _guard = tracing::subscriber::set_default(recorder);
        site.clock.status();
    }
    let set = gauge.0.lock().expect("is not poisoned");
    assert_eq!(*set, [0.0, 172_800.5, 0.0]);
}
