//! The events that the builder's `on_event` receives.

use std::sync::{Arc, Mutex};

use aws_clock_skew::event::EventKind;
use aws_clock_skew::{SkewClock, SkewClockBuilder, SkewEvent};

use crate::integrations::{Integration, Site};
use crate::scenarios::{call, site};
use crate::wire::{Answer, Fate, Manner};
use crate::world::DAY;

/// The same site with another clock.
fn with_clock(site: Site, build: impl FnOnce(SkewClockBuilder) -> SkewClockBuilder) -> Site {
    let builder = SkewClock::builder().local_clock(site.world.machine.clone());
    Site {
        clock: build(builder).build(),
        ..site
    }
}

fn error(code: &str, message: &str) -> Fate {
    let body = format!(r#"{{"__type":"{code}","message":"{message}"}}"#);
    let answer = Answer::new(403, &body).with("x-amzn-requestid", "id-1");
    answer.into()
}

#[tokio::test]
async fn a_listener_receives_each_event_that_is_counted() {
    for integration in Integration::ALL {
        let received = Arc::new(Mutex::new(Vec::<SkewEvent>::new()));
        let sink = received.clone();
        let site = with_clock(site(-2 * DAY, Manner::InMessage), |builder| {
            builder.name("orders").on_event(move |event| {
                sink.lock().expect("is not poisoned").push(event.clone());
            })
        });
        assert_eq!(call(integration, &site).await, Ok(()), "{integration:?}");
        let wrong_key = "The request signature we calculated does not match the signature you \
            provided.";
        for _ in 0..3 {
            let wrong_key = error("InvalidSignatureException", wrong_key);
            site.line.wire.plan([wrong_key]);
            assert!(call(integration, &site).await.is_err());
            site.line.wire.plan([error("AccessDeniedException", "no")]);
            assert!(call(integration, &site).await.is_err());
        }
        let received = received.lock().expect("is not poisoned");
        let names: Vec<_> = received.iter().map(SkewEvent::name).collect();
        // Includes the events that the throttle keeps out of the log, and no denial.
        let expected = [
            "skew_detected",
            "not_clock_skew",
            "not_clock_skew",
            "not_clock_skew",
        ];
        assert_eq!(names, expected, "{integration:?}");
        assert_eq!(received[0].kind(), EventKind::SkewDetected);
        let clock = received[0]
            .details()
            .clock
            .as_ref()
            .map(|name| name.as_str());
        assert_eq!(clock, Some("orders"));
        assert_eq!(Some(&received[3]), site.clock.status().last_event());
    }
}

#[tokio::test]
async fn a_listener_that_panics_fails_no_call() {
    for integration in Integration::ALL {
        let site = with_clock(site(-2 * DAY, Manner::InMessage), |builder| {
            builder.on_event(|_| panic!("misbehaving"))
        });
        for _ in 0..3 {
            assert_eq!(call(integration, &site).await, Ok(()), "{integration:?}");
        }
        assert_eq!(site.line.wire.rejected(), 1, "{integration:?}");
    }
}

#[tokio::test]
async fn a_listener_can_read_and_reset_the_clock() {
    for integration in Integration::ALL {
        let clock = Arc::new(Mutex::new(None::<SkewClock>));
        let asked = clock.clone();
        let counts = Arc::new(Mutex::new(Vec::new()));
        let counted = counts.clone();
        let site = with_clock(site(-2 * DAY, Manner::InMessage), |builder| {
            builder.on_event(move |event| {
                let clock = asked.lock().expect("is not poisoned").clone();
                let clock = clock.expect("is set");
                let count = clock.status().event_count();
                counted
                    .lock()
                    .expect("is not poisoned")
                    .push((event.name(), count));
                clock.reset();
            })
        });
        *clock.lock().expect("is not poisoned") = Some(site.clock.clone());
        // The resend is signed by a clock that was reset.
        let _fails_or_not = call(integration, &site).await;
        let counts = counts.lock().expect("is not poisoned");
        assert_eq!(counts[0], ("skew_detected", 1), "{integration:?}");
        assert_eq!(counts[1], ("correction_cleared", 2), "{integration:?}");
    }
}
