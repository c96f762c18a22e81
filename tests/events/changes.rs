//! Watchers: each receives every change, and none delays the clock.

use futures_util::FutureExt;

use crate::integrations::Integration;
use crate::scenarios::{call, site, trigger};
use crate::wire::Manner;
use crate::world::{DAY, MINUTE};

#[tokio::test]
async fn every_watcher_receives_every_change() {
    for integration in Integration::ALL {
        let site = site(-2 * DAY, Manner::InMessage);
        let mut listeners = [site.clock.subscribe(), site.clock.subscribe()];
        for round in 0..5 {
            let (skew, is_corrected) = if round % 2 == 0 {
                (-2 * DAY, true)
            } else {
                (0, false)
            };
            site.world.set_skew(skew);
            assert_eq!(call(integration, &site).await, Ok(()));
            for listener in &mut listeners {
                listener.changed().await;
                assert_eq!(
                    listener.status().is_correcting(),
                    is_corrected,
                    "{integration:?} {round}"
                );
                assert_eq!(
                    listener.changed().now_or_never(),
                    None,
                    "{integration:?} {round}"
                );
            }
        }
        assert_eq!(site.clock.status().event_count(), 5);
    }
}

#[tokio::test]
async fn an_event_that_changes_no_offset_is_received_as_well() {
    for integration in Integration::ALL {
        let site = site(0, Manner::InMessage);
        let mut changes = site.clock.subscribe();
        let frozen = crate::wire::Fate {
            before: crate::world::minutes(20),
            ..crate::wire::Fate::default()
        };
        site.line.wire.plan([frozen]);
        assert_eq!(call(integration, &site).await, Ok(()));
        changes.changed().await;
        let status = changes.status();
        assert!(!status.is_correcting());
        let last = status.last_event().map(|event| event.name());
        assert_eq!(last, Some("expired_in_transit"));
    }
}

#[tokio::test]
async fn a_late_watcher_sees_the_current_state() {
    let site = trigger("skew_detected", Integration::HttpClient).await;
    let mut late = site.clock.subscribe();
    assert!(late.status().is_correcting());
    assert_eq!(late.status(), site.clock.status());
    // The state before the subscription is no change.
    assert_eq!(late.changed().now_or_never(), None);
    site.clock.reset();
    late.changed().await;
    assert!(!late.status().is_correcting());
}

#[tokio::test]
async fn watchers_that_are_dropped_or_never_awaited_delay_no_call() {
    for integration in Integration::ALL {
        let site = site(-20 * MINUTE, Manner::InMessage);
        let idle: Vec<_> = (0..1_000).map(|_| site.clock.subscribe()).collect();
        drop(site.clock.subscribe());
        let mut cancelled = site.clock.subscribe();
        assert_eq!(cancelled.changed().now_or_never(), None);
        for _ in 0..3 {
            assert_eq!(call(integration, &site).await, Ok(()));
        }
        // A change is not lost when the future that waited for it is dropped.
        assert_eq!(cancelled.changed().now_or_never(), Some(()));
        assert!(
            idle.iter()
                .all(|listener| listener.status().is_correcting())
        );
    }
}

#[tokio::test]
async fn a_watcher_outlives_the_other_handles() {
    let site = trigger("skew_detected", Integration::Interceptor).await;
    let mut changes = site.clock.subscribe();
    drop(site);
    assert!(changes.status().is_correcting());
    assert_eq!(changes.changed().now_or_never(), None);
}
