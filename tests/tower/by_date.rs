//! Clock skew errors that state the time only in their `Date`: the request is tried with that time,
//! which becomes the correction if the request is accepted.

use aws_clock_skew::SkewEvent;
use aws_clock_skew::event::EventKind;
use http::StatusCode;
use tower::{Layer, ServiceExt};

use crate::log::Log;
use crate::script::{Script, dated, signed};
use crate::stack::credentials;
use crate::world::{HOUR, World};

/// The responses of MinIO and Ceph, and of S3 to a `HEAD`.
pub(crate) const TEXTS: [&str; 2] = ["<Error><Code>RequestTimeTooSkewed</Code></Error>", ""];

#[tokio::test]
async fn a_date_that_is_accepted_becomes_the_correction() {
    for text in TEXTS {
        let log = Log::start();
        let world = World::with_skew(-HOUR);
        let script = Script::new(&world);
        script.plan([Some(Ok(dated(text, world.true_time())))]);
        let clock = world.skew_clock();
        let layer = clock.layer(credentials());
        for sent in 2..=4 {
            let answer = layer.layer(script.clone()).oneshot(signed(&world)).await;
            assert_eq!(answer.map(|answer| answer.status()), Ok(StatusCode::OK));
            assert_eq!(script.sent().len(), sent);
        }
        assert_eq!(log.names(), ["skew_detected"], "{text}");
        assert_eq!(log.events()[0].get("time_source"), Some("date"));
        assert!(matches!(
            clock.status().last_event().map(SkewEvent::kind),
            Some(EventKind::SkewDetected)
        ));
    }
}

#[tokio::test]
async fn a_date_that_is_rejected_does_not_become_the_correction() {
    for text in TEXTS {
        // The local clock is correct; a proxy before the service is wrong.
        let world = World::with_skew(0);
        let elsewhere = World::with_skew(0);
        elsewhere.advance(std::time::Duration::from_hours(3));
        let script = Script::new(&world);
        script.plan([Some(Ok(dated(text, elsewhere.true_time()))), None, None]);
        let clock = world.skew_clock();
        let layer = clock.layer(credentials());
        let answer = layer.layer(script.clone()).oneshot(signed(&world)).await;
        assert_eq!(
            answer.map(|answer| answer.status()),
            Ok(StatusCode::FORBIDDEN)
        );
        assert_eq!(script.sent().len(), 2);
        assert_eq!(clock.now(), world.machine_wall());
        let answer = layer.layer(script.clone()).oneshot(signed(&world)).await;
        assert_eq!(answer.map(|answer| answer.status()), Ok(StatusCode::OK));
        assert_eq!(script.sent().len(), 3);
    }
}

#[tokio::test]
async fn a_denied_request_is_not_sent_again() {
    let world = World::with_skew(-60);
    let script = Script::new(&world);
    let denied = "<Error><Code>AccessDenied</Code></Error>";
    script.plan([Some(Ok(dated(denied, world.true_time())))]);
    let clock = world.skew_clock();
    let answer = clock
        .layer(credentials())
        .layer(script.clone())
        .oneshot(signed(&world))
        .await;
    assert_eq!(
        answer.map(|answer| answer.status()),
        Ok(StatusCode::FORBIDDEN)
    );
    assert_eq!(script.sent().len(), 1);
    assert_eq!(clock.status().event_count(), 0);
}
