//! Waiting for the clock to change.

use aws_clock_skew::SkewEvent;
use aws_clock_skew::event::EventKind;
use aws_clock_skew_endpoint::Endpoint;
use futures_util::FutureExt as _;

use crate::clients::{config, encrypt, kms, send, sqs, without_retries};
use crate::site::{Parts, Site};
use crate::world::{MINUTE, World};

#[tokio::test]
async fn a_correction_and_a_repair_wake_a_watcher() {
    let site = Site::new(Parts::All, -20 * MINUTE, without_retries);
    let mut changes = site.clock.subscribe();
    assert!(changes.changed().now_or_never().is_none(), "nothing yet");
    let listener = tokio::spawn({
        let mut changes = site.clock.subscribe();
        async move {
            changes.changed().await;
            changes.status()
        }
    });
    tokio::task::yield_now().await;
    assert_eq!(site.lost(1).await, 0);
    let status = listener.await.expect("it does not panic");
    assert!(status.is_correcting());
    assert!(matches!(
        status.last_event().map(SkewEvent::kind),
        Some(EventKind::SkewDetected)
    ));
    assert!(changes.changed().now_or_never().is_some());
    assert!(changes.changed().now_or_never().is_none(), "told once");

    site.world.set_skew(0);
    assert_eq!(site.clock.now(), site.world.machine_wall());
    assert!(
        changes.changed().now_or_never().is_none(),
        "reading the time publishes nothing"
    );
    assert_eq!(site.lost(1).await, 0);
    assert!(changes.changed().now_or_never().is_some());
    let status = changes.status();
    assert!(!status.is_correcting());
    assert!(matches!(
        status.last_event().map(SkewEvent::kind),
        Some(EventKind::CorrectionCleared { .. })
    ));
    assert!(changes.changed().now_or_never().is_none());
}

#[tokio::test]
async fn a_late_watcher_sees_the_last_change() {
    let site = Site::new(Parts::All, -20 * MINUTE, without_retries);
    assert_eq!(site.lost(1).await, 0);
    let mut late = site.clock.subscribe();
    assert!(late.status().is_correcting());
    assert!(late.changed().now_or_never().is_none(), "it is known");
    site.clock.reset();
    assert!(late.changed().now_or_never().is_some());
}

#[tokio::test]
async fn a_watcher_neither_blocks_the_clock_nor_misses_a_change() {
    let site = Site::new(Parts::All, -20 * MINUTE, without_retries);
    let dropped = site.clock.subscribe();
    drop(dropped);
    let held = site.clock.subscribe();
    let mut waiting = held.clone();
    let mut wait = Box::pin(waiting.changed());
    assert!(wait.as_mut().now_or_never().is_none());
    // One watcher is alive, and another is waiting.
    assert_eq!(site.lost(2).await, 0);
    site.world.set_skew(0);
    assert_eq!(site.clock.now(), site.world.machine_wall());
    assert_eq!(site.lost(2).await, 0);
    assert!(wait.as_mut().now_or_never().is_some());
    drop(wait);
    assert!(!held.status().is_correcting());
    drop((held, waiting));
    site.clock.reset();
    assert_eq!(site.lost(1).await, 0);
}

#[tokio::test]
async fn a_cancelled_wait_loses_no_change() {
    let site = Site::new(Parts::All, -20 * MINUTE, without_retries);
    let mut changes = site.clock.subscribe();
    drop(changes.changed());
    assert_eq!(site.lost(1).await, 0);
    assert!(changes.changed().now_or_never().is_some());
}

#[tokio::test]
async fn clients_of_two_services_share_a_clock_and_its_watchers() {
    let world = World::with_skew(-20 * MINUTE);
    let endpoint = Endpoint::builder(world.clock()).start().await;
    let endpoint = endpoint.expect("loopback can be bound");
    endpoint.feed("q", "first");
    let clock = world.skew_clock();
    let config = without_retries(config(&endpoint.url()));
    let mut changes = clock.subscribe();
    let key = endpoint.create_key();
    assert_eq!(encrypt(&kms(&config, &clock), &key).await, Ok(()));
    changes.changed().await;
    let queue = endpoint.queue_url("q");
    assert_eq!(send(&sqs(&config, &clock), &queue).await, Ok(()));
    assert_eq!(endpoint.counts().rejected, 1);
    assert_eq!(changes.status().event_count(), 1);
}
