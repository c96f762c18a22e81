//! Clocks that only observe, and clocks with names: their log and metrics.

use aws_clock_skew::SkewClock;
use aws_credential_types::provider::SharedCredentialsProvider;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::capture::{Capture, Emitted, Value};
use crate::integrations::Integration;
use crate::scenarios::{call, credentials, observing, site};
use crate::wire::{Answer, Fate, Manner};
use crate::world::DAY;

#[tokio::test]
async fn an_observe_only_clock_never_says_that_it_corrects() {
    for integration in Integration::ALL {
        let site = site(-2 * DAY, Manner::InMessage);
        let capture = Capture::start();
        let site = observing(site);
        assert!(call(integration, &site).await.is_err(), "nothing corrects");
        let status = site.clock.status();
        assert!(site.clock.is_observe_only() && status.is_observe_only());
        assert!(!status.is_correcting());
        assert_eq!(status.offset().to_string(), "2 days behind");
        let json = serde_json::to_value(&status).expect("is JSON");
        assert_eq!(
            (&json["correcting"], &json["mode"]),
            (&false.into(), &"observe".into())
        );
        site.world.set_skew(0);
        assert_eq!(call(integration, &site).await, Ok(()));
        assert!(site.clock.status().offset().is_zero());

        let names = ["observe_only", "skew_detected", "correction_cleared"];
        assert_eq!(capture.names(), names, "{integration:?}");
        let log = capture.log();
        assert_eq!(log[0].level, tracing::Level::INFO);
        assert_eq!(log[0].text("reason"), Some("builder"));
        assert_eq!(
            log[1].message.as_deref(),
            Some("clock skew detected; observe-only, not correcting")
        );
        let emitted = log.into_iter().chain(capture.metrics());
        for event in emitted {
            assert_eq!(event.text("mode"), Some("observe"), "{event:?}");
            let message = event.message.unwrap_or_default();
            assert!(!message.contains("correcting signatures"), "{message}");
            assert!(!message.contains("signing with"), "{message}");
        }
    }
}

#[tokio::test]
async fn the_first_signed_request_of_each_integration_is_logged_once() {
    let site = site(0, Manner::InMessage);
    let lines_of_two_calls =
        async |integration: &str, call: &dyn Fn() -> BoxFuture<'static, bool>| {
            let capture = Capture::start();
            assert!(call().await && call().await, "{integration}");
            assert_eq!(capture.names(), [""; 0]);
            let lines = capture.installed();
            let [line] = &lines[..] else {
                panic!("{integration}: {lines:?}");
            };
            assert_eq!(line.level, tracing::Level::DEBUG);
            assert_eq!(line.text("integration"), Some(integration));
            assert_eq!(line.text("rpc.service"), Some("sqs"));
            assert_eq!(line.text("mode"), Some("correct"));
            assert_eq!(site.clock.status().event_count(), 0);
        };
    for (integration, name) in [
        (Integration::Interceptor, "install"),
        (Integration::HttpClient, "http_client"),
    ] {
        let credentials = SharedCredentialsProvider::new(credentials("secret"));
        let sqs = integration.sqs(&site, credentials);
        let queue = site.queue();
        let call = move || {
            let (sqs, queue) = (sqs.clone(), queue.clone());
            async move { sqs.receive_message().queue_url(queue).send().await.is_ok() }.boxed()
        };
        lines_of_two_calls(name, &call).await;
    }
    let layer = (site.clock).signing_layer(credentials("secret"), "us-east-1", "sqs");
    let service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(site.line.serve()));
    let call = || {
        let sent = service.clone().oneshot(site.request());
        async move {
            sent.await
                .is_ok_and(|response| response.status().is_success())
        }
        .boxed()
    };
    lines_of_two_calls("tower", &call).await;
}

#[tokio::test]
async fn a_correcting_clock_says_so_where_it_starts() {
    let capture = Capture::start();
    let site = site(-2 * DAY, Manner::InMessage);
    assert_eq!(call(Integration::HttpClient, &site).await, Ok(()));
    let log = capture.log();
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(
        log[0].message.as_deref(),
        Some("clock skew detected; correcting signatures")
    );
    assert_eq!(log[0].text("offset"), Some("2 days behind"));
    let labels = (log[0].text("mode"), log[0].text("clock"));
    assert_eq!(labels, (Some("correct"), Some("default")));
}

#[test]
fn each_clock_starts_its_counters_and_gauges_at_0() {
    let capture = Capture::start();
    let hostile = format!("my\u{1b} clock {}", "x".repeat(100));
    for (name, label) in [("orders", "orders"), ("", "default"), (&hostile, &hostile)] {
        let before = capture.metrics().len();
        let _clock = SkewClock::builder().name(name.to_owned()).build();
        let started = capture.metrics().split_off(before);
        // Kinds of events, outcomes of resends, reasons for skipping one, and the gauges.
        assert_eq!(started.len(), 10 + 4 + 6 + 1);
        for event in &started {
            let label: String = label
                .chars()
                .filter(char::is_ascii_graphic)
                .take(64)
                .collect();
            assert_eq!(event.text("clock"), Some(&*label));
            let mut numbers = event.fields.iter().filter_map(|(name, value)| match value {
                Value::U64(count) => Some((name, *count == 0)),
                Value::F64(gauge) => Some((name, *gauge == 0.0)),
                _ => None,
            });
            assert!(numbers.all(|(_, is_zero)| is_zero), "{event:?}");
        }
    }
}

#[tokio::test]
async fn asking_for_the_status_refreshes_the_gauges() {
    let site = site(-2 * DAY, Manner::InMessage);
    assert_eq!(call(Integration::HttpClient, &site).await, Ok(()));
    let capture = Capture::start();
    let gauges = || {
        let metrics = capture.metrics().into_iter();
        let gauge = |event: &Emitted, name: &str| match event.fields.get(name) {
            Some(Value::F64(value)) => Some(*value),
            _ => None,
        };
        let gauges = metrics.filter_map(|event| {
            let offset = gauge(&event, "gauge.aws_clock_skew.offset_seconds")?;
            let uncertainty = gauge(&event, "gauge.aws_clock_skew.uncertainty_seconds")?;
            Some((offset, uncertainty))
        });
        gauges.collect::<Vec<_>>()
    };
    site.clock.status();
    // 200 ppm of an hour.
    site.world.advance(crate::world::minutes(60));
    site.clock.status();
    assert_eq!(gauges(), [(172_800.5, 0.502), (172_800.5, 1.222)]);
    // The clock is slewed while there are no calls.
    site.world.set_skew(0);
    site.clock.status();
    assert_eq!(gauges()[2], (0.0, 0.0));
}

#[tokio::test]
async fn a_denial_after_a_resend_is_no_rejection() {
    let wrong_key = "The request signature we calculated does not match the signature you \
        provided.";
    for integration in Integration::ALL {
        for (code, message) in [
            ("AccessDeniedException", "no"),
            ("InvalidSignatureException", wrong_key),
        ] {
            let site = site(-2 * DAY, Manner::InMessage);
            let capture = Capture::start();
            let body = format!(r#"{{"__type":"{code}","message":"{message}"}}"#);
            let denied = Answer::new(403, &body).with("x-amzn-requestid", "id-1");
            site.line.wire.plan([Fate::default(), denied.into()]);
            assert!(call(integration, &site).await.is_err());
            let resends: Vec<_> = capture
                .increments()
                .iter()
                .filter_map(|event| event.text("outcome").map(str::to_owned))
                .collect();
            assert_eq!(resends, ["denied"], "{integration:?} {code}");
            let names = capture.names();
            assert!(!names.contains(&"resend_rejected".to_owned()), "{names:?}");
        }
    }
}
