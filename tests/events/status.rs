//! The status, as a health check returns it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::integrations::Integration;
use crate::scenarios::{call, site, trigger};
use crate::wire::Manner;
use crate::world::{DAY, HOUR, minutes};

#[tokio::test]
async fn the_status_states_since_when_and_by_how_much_the_clock_corrects() {
    for integration in Integration::ALL {
        let site = trigger("skew_detected", integration).await;
        let status = serde_json::to_value(site.clock.status()).expect("is JSON");
        assert_eq!(status["correcting"], true);
        assert_eq!(status["offset_ms"], 172_800_500);
        assert_eq!(status["uncertainty_ms"], 502);
        assert_eq!(status["since"], "2027-01-16T08:00:00.500Z");
        assert_eq!(status["events"], 1);
        assert_eq!(
            status["events_by_kind"],
            json!({
                "skew_detected": 1, "expired_in_transit": 0, "correction_cleared": 0, "trial_rejected": 0,
                "hosts_disagree": 0, "resend_skipped": 0, "resend_rejected": 0, "offset_limit_exceeded": 0,
                "not_clock_skew": 0, "incomplete_installation": 0,
            })
        );
        let last = &status["last_event"];
        assert_eq!(last["event"], "skew_detected");
        assert_eq!(last["offset_ms"], 172_800_500);
        assert_eq!(last["previous_offset_ms"], 0);
        assert_eq!(last["age_ms"], 172_800_000);
        assert_eq!(last["server_time"], "2027-01-16T08:00:00.000Z");
        assert_eq!(last["aws.request_id"], "id-1");
        let operation = (integration == Integration::Interceptor).then_some("ReceiveMessage");
        assert_eq!(last.get("rpc.method").and_then(Value::as_str), operation);
    }
}

#[tokio::test]
async fn the_status_in_json_is_that_of_the_reference() {
    let reference = include_str!("../../docs/observability.md");
    let (_, sample) = reference.split_once("```json").expect("has a sample");
    let (sample, _) = sample.split_once("```").expect("ends");
    let sample: Value = serde_json::from_str(sample).expect("is JSON");
    let site = trigger("skew_detected", Integration::HttpClient).await;
    let status = serde_json::to_value(site.clock.status()).expect("is JSON");
    for field in sample.as_object().expect("a map").keys() {
        match (&sample[field], &status[field]) {
            (Value::Object(sample), Value::Object(status)) => {
                for (name, value) in sample {
                    assert_eq!(status.get(name), Some(value), "{field} {name}");
                }
            }
            (sample, status) => assert_eq!(sample, status, "{field}"),
        }
    }
    assert_eq!(
        status.as_object().map(serde_json::Map::len),
        sample.as_object().map(serde_json::Map::len)
    );
}

#[tokio::test]
async fn a_correct_clock_reports_nothing() {
    let site = site(0, Manner::InMessage);
    assert_eq!(call(Integration::HttpClient, &site).await, Ok(()));
    let status = serde_json::to_value(site.clock.status()).expect("is JSON");
    assert_eq!(status["correcting"], false);
    assert_eq!(status["offset_ms"], 0);
    assert_eq!(status["since"], Value::Null);
    assert_eq!(status["events"], 0);
    assert_eq!(status["last_event"], Value::Null);
}

#[tokio::test]
async fn since_stays_while_the_correction_changes_and_ends_with_it() {
    let site = site(-2 * DAY, Manner::InMessage);
    assert_eq!(call(Integration::HttpClient, &site).await, Ok(()));
    let since = site.clock.status().since().expect("is corrected");
    assert_eq!(since, site.world.true_time() + Duration::from_millis(500));
    site.world.advance(minutes(60));
    assert_eq!(site.clock.status().since(), Some(since));
    // The time of the servers changes by an hour, and the correction follows.
    site.line.wire.set_ahead(HOUR);
    assert_eq!(call(Integration::HttpClient, &site).await, Ok(()));
    let changed = site.clock.status().since().expect("is corrected");
    let by = changed.duration_since(since).expect("is later");
    assert_eq!(by.as_secs(), 3_600);
    assert_eq!(site.clock.status().event_count(), 2);
    site.line.wire.set_ahead(0);
    site.world.set_skew(0);
    assert_eq!(call(Integration::HttpClient, &site).await, Ok(()));
    assert_eq!(site.clock.status().since(), None);
}

#[tokio::test]
async fn a_field_of_one_kind_of_event_is_in_the_status() {
    for (kind, integration, field, value) in [
        (
            "resend_skipped",
            Integration::BelowASigner,
            "reason",
            "proof",
        ),
        ("not_clock_skew", Integration::Signing, "cause", "wrong_key"),
        (
            "incomplete_installation",
            Integration::Interceptor,
            "missing",
            "auth_scheme",
        ),
        (
            "hosts_disagree",
            Integration::HttpClient,
            "other.address",
            "sqs.us-east-1.amazonaws.com",
        ),
    ] {
        let site = trigger(kind, integration).await;
        let status = serde_json::to_value(site.clock.status()).expect("is JSON");
        assert_eq!(status["last_event"]["event"], kind);
        assert_eq!(status["last_event"][field], value, "{kind}");
        assert_eq!(status["events_by_kind"][kind], 1);
    }
}
