//! The example `axum_service`: the whole pipeline, from a rejected request to the log, to
//! Prometheus and to the health check.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::{LocalClock, ManualClock, SkewClock};
use aws_clock_skew_endpoint::{Endpoint, SECRET_ACCESS_KEY};
use axum_service::telemetry::Telemetry;
use serde_json::Value;
use tokio::net::TcpListener;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;

#[expect(dead_code, reason = "used by the example's `main`")]
#[path = "../examples/axum_service/main.rs"]
mod axum_service;
#[expect(dead_code, reason = "used by other tests")]
#[path = "events/capture.rs"]
mod capture;
#[path = "events/output.rs"]
mod output;

use output::Output;

#[tokio::test]
async fn one_wrong_clock_is_one_event_with_its_numbers_everywhere() {
    let scenario = Scenario::start("info", SECRET_ACCESS_KEY).await;
    for _ in 0..5 {
        assert_eq!(scenario.order().await.0, 200);
    }
    assert_eq!(scenario.endpoint.counts().rejected, 1);

    let [event] = &scenario.log()[..] else {
        panic!("{:?}", scenario.log());
    };
    assert_eq!(event["level"], "WARN");
    assert_eq!(event["event"], "skew_detected");
    assert_eq!(event["offset"], "2 days behind");
    assert_eq!(event["offset_ms"], 172_800_500);
    assert_eq!(event["suppressed"], 0);
    assert_eq!(event["signed_at"], "2027-01-13T08:00:00.000Z");
    assert_eq!(event["server_time"], "2027-01-15T08:00:00.000Z");

    let metrics = scenario.get("metrics").await;
    for line in [
        r#"aws_clock_skew_events_total{aws_service="sqs",clock="default",event="skew_detected",mode="correct"} 1"#,
        r#"aws_clock_skew_events_total{clock="default",event="resend_rejected",mode="correct"} 0"#,
        r#"aws_clock_skew_resends_total{clock="default",mode="correct",outcome="accepted"} 1"#,
        r#"aws_clock_skew_resends_total{clock="default",mode="correct",outcome="denied"} 0"#,
        r#"aws_clock_skew_resends_skipped_total{clock="default",mode="correct",reason="body"} 0"#,
        r#"aws_clock_skew_offset_seconds{clock="default",mode="correct"} 172800.5"#,
        r#"aws_clock_skew_uncertainty_seconds{clock="default",mode="correct"} 0.502"#,
    ] {
        assert!(
            metrics.lines().any(|known| known == line),
            "{line} in\n{metrics}"
        );
    }

    let health: Value = serde_json::from_str(&scenario.get("healthz").await).expect("is JSON");
    assert_eq!(health["correcting"], true);
    assert_eq!(health["offset_ms"], 172_800_500);
    assert_eq!(health["events"], 1);
    assert_eq!(health["events_by_kind"]["skew_detected"], 1);
    assert_eq!(
        health["last_event"]["aws.request_id"],
        event["aws.request_id"]
    );

    // NTP sets the clock. Only Prometheus sends requests.
    scenario
        .machine
        .set_wall(scenario.machine.wall() + TWO_DAYS);
    let metrics = scenario.get("metrics").await;
    assert!(
        metrics.contains(r#"aws_clock_skew_offset_seconds{clock="default",mode="correct"} 0"#),
        "{metrics}"
    );
    let cleared = r#"aws_clock_skew_events_total{clock="default",event="correction_cleared",mode="correct"} 1"#;
    assert!(metrics.contains(cleared), "{metrics}");
    assert_eq!(scenario.log()[1]["event"], "correction_cleared");
    let health: Value = serde_json::from_str(&scenario.get("healthz").await).expect("is JSON");
    assert_eq!(
        (&health["correcting"], &health["since"]),
        (&Value::Bool(false), &Value::Null)
    );
}

#[tokio::test]
async fn a_log_of_errors_only_silences_no_metric() {
    let scenario = Scenario::start("error", SECRET_ACCESS_KEY).await;
    assert_eq!(scenario.order().await.0, 200);
    assert_eq!(scenario.written.text(), "");
    let metrics = scenario.get("metrics").await;
    assert!(
        metrics.contains(r#"aws_service="sqs",clock="default",event="skew_detected""#),
        "{metrics}"
    );
    assert!(
        metrics
            .contains(r#"aws_clock_skew_offset_seconds{clock="default",mode="correct"} 172800.5"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_log_of_everything_holds_no_metric_events() {
    let scenario = Scenario::start("trace", SECRET_ACCESS_KEY).await;
    assert_eq!(scenario.order().await.0, 200);
    let text = scenario.written.text();
    assert!(text.contains(r#""target":"aws_clock_skew""#), "{text}");
    assert!(!text.contains("aws_clock_skew::metrics"), "{text}");
}

#[tokio::test]
async fn a_lost_order_states_its_cause() {
    let wrong = format!("X{}", &SECRET_ACCESS_KEY[1..]);
    let scenario = Scenario::start("info", &wrong).await;
    let (status, text) = scenario.order().await;
    assert_eq!(status, 502);
    assert_eq!(
        text,
        "the secret key is wrong, or the request was changed in transit"
    );
    let log = scenario.written.text();
    assert!(log.contains("Check the secret access key"), "{log}");
    assert!(!log.contains(&wrong), "{log}");
}

#[tokio::test]
async fn the_alerts_are_tested_with_series_that_the_service_has() {
    let scenario = Scenario::start("info", SECRET_ACCESS_KEY).await;
    assert_eq!(scenario.order().await.0, 200);
    let metrics = scenario.get("metrics").await;
    let labels_of = |series: &str| {
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split(',').filter_map(|label| {
            let name = label.split('=').next()?.trim();
            // Prometheus adds these labels.
            (!["", "instance", "job"].contains(&name)).then(|| name.to_owned())
        });
        (name.to_owned(), labels.collect::<BTreeSet<_>>())
    };
    let is_comment = |line: &&str| !line.starts_with('#');
    let served: BTreeSet<_> = metrics
        .lines()
        .filter(is_comment)
        .filter_map(|line| Some(labels_of(line.rsplit_once(' ')?.0)))
        .collect();
    let tests = include_str!("../examples/axum_service/alerts_test.yml");
    let tested = tests
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- series: '"))
        .map(|series| labels_of(series.trim_end_matches('\'')));
    let tested: BTreeSet<_> = tested.collect();
    // Gauges, events with and without a service, resends.
    assert_eq!(tested.len(), 4);
    assert!(tested.is_subset(&served), "{tested:?} in {served:?}");
    let rules = include_str!("../examples/axum_service/alerts.yml");
    let names: BTreeSet<_> = served.into_iter().map(|(name, _)| name).collect();
    assert!(names_in(rules).is_subset(&names), "{rules}");
    // The alerts and the reference have the same names.
    let reference = include_str!("../docs/observability.md");
    let values = |field: &str| {
        let lines = rules.lines().map(str::trim);
        let values = lines.filter_map(|line| line.strip_prefix(field).map(str::to_owned));
        values.collect::<Vec<_>>()
    };
    let alerts = values("- alert: ");
    let (_, table) = reference.split_once("\n| alert |").expect("is there");
    let rows = table.lines().skip(2).take_while(|row| row.starts_with('|'));
    let rows: Vec<_> = rows.collect();
    let severities = values("severity: ");
    assert_eq!((rows.len(), severities.len()), (alerts.len(), alerts.len()));
    for ((row, alert), severity) in rows.iter().zip(&alerts).zip(severities) {
        let is_the_row =
            row.starts_with(&format!("| `{alert}` |")) && row.ends_with(&format!("| {severity} |"));
        assert!(is_the_row, "{row}: {alert}, {severity}");
    }
    for alert in alerts {
        assert!(tests.contains(&format!("alertname: {alert}")), "{alert}");
        // The runbook has a heading for each alert.
        assert!(reference.contains(&format!("\n### {alert}\n")), "{alert}");
        let anchor = alert.to_lowercase();
        let runbook = format!("/aws_clock_skew/guide/observability/#{anchor}\n");
        assert!(rules.contains(&runbook), "{alert}");
    }
}

#[tokio::test]
async fn the_dashboard_queries_every_metric_of_the_service() {
    let scenario = Scenario::start("info", SECRET_ACCESS_KEY).await;
    assert_eq!(scenario.order().await.0, 200);
    let served = names_in(&scenario.get("metrics").await);
    let dashboard: Value =
        serde_json::from_str(include_str!("../examples/axum_service/dashboard.json"))
            .expect("is JSON");
    let mut asked = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("has panels") {
        for target in panel["targets"].as_array().expect("has targets") {
            asked.extend(names_in(target["expr"].as_str().expect("is a query")));
        }
    }
    assert_eq!(asked, served, "all that there is, and nothing else");
}

/// The rules of Grafana's import for a dashboard (its JSON model).
#[test]
fn the_dashboard_can_be_imported() {
    let text = include_str!("../examples/axum_service/dashboard.json");
    let dashboard: Value = serde_json::from_str(text).expect("is JSON");
    // Grafana rejects a dashboard with the id of another Grafana.
    assert_eq!(dashboard["id"], Value::Null);
    assert!(dashboard["title"].is_string() && dashboard["uid"].is_string());
    assert!(
        dashboard["schemaVersion"]
            .as_u64()
            .is_some_and(|version| version >= 36)
    );
    let variables = dashboard["templating"]["list"].as_array().expect("a list");
    let variables: BTreeSet<_> = variables
        .iter()
        .map(|variable| variable["name"].as_str().expect("has a name"))
        .collect();
    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("has panels") {
        let title = panel["title"].as_str().expect("has a title");
        assert!(ids.insert(panel["id"].as_u64()), "{title}: the id is taken");
        assert!(["stat", "timeseries"].contains(&panel["type"].as_str().expect("has a type")));
        assert_eq!(panel["datasource"]["type"], "prometheus", "{title}");
        assert!(
            panel["fieldConfig"]["defaults"]["unit"].is_string(),
            "{title}"
        );
        assert!(panel["fieldConfig"]["overrides"].is_array(), "{title}");
        assert!(panel["options"].is_object(), "{title}");
        let place = |side: &str| panel["gridPos"][side].as_u64().expect("a number");
        let (x, y, w, h) = (place("x"), place("y"), place("w"), place("h"));
        assert!(w > 0 && h > 0 && x + w <= 24, "{title}");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{title} overlaps another panel");
        }
        let mut queries = BTreeSet::new();
        for target in panel["targets"].as_array().expect("has targets") {
            assert!(queries.insert(target["refId"].as_str()), "{title}");
            let text = target.to_string();
            let used = text.split('$').skip(1).map(|rest| {
                let rest = rest.trim_start_matches('{');
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                &rest[..end.unwrap_or(rest.len())]
            });
            for variable in used.filter(|name| !name.starts_with("__")) {
                assert!(variables.contains(variable), "{title}: ${variable}");
            }
        }
    }
    assert_eq!(ids.len(), 8);
}

/// The crate's metrics in a text.
fn names_in(text: &str) -> BTreeSet<String> {
    text.match_indices("aws_clock_skew_")
        .map(|(start, _)| {
            let rest = &text[start..];
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
            rest[..end.unwrap_or(rest.len())].to_owned()
        })
        .collect()
}

const TWO_DAYS: Duration = Duration::from_hours(48);

/// The service on a machine two days behind.
struct Scenario {
    machine: ManualClock,
    endpoint: Endpoint,
    url: String,
    written: Output,
    client: reqwest::Client,
    _guard: DefaultGuard,
}

impl Scenario {
    async fn start(filter: &str, secret: &str) -> Self {
        capture::install_global_subscriber();
        let written = Output::default();
        let (telemetry, subscriber) = Telemetry::new(EnvFilter::new(filter), written.clone())
            .expect("an empty registry takes it");
        let guard = tracing::subscriber::set_default(subscriber);
        // 2027-01-15T08:00:00Z
        let truth = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let machine = ManualClock::new(truth - TWO_DAYS);
        let endpoint = Endpoint::builder(move || -> SystemTime { truth })
            .credentials(
                aws_clock_skew_endpoint::ACCESS_KEY_ID,
                SECRET_ACCESS_KEY,
                None,
            )
            .start()
            .await
            .expect("loopback can be bound");
        endpoint.feed("orders", "first");
        let skew = SkewClock::builder().local_clock(machine.clone()).build();
        let service = axum_service::service(skew, &endpoint, secret, telemetry).await;
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback can be bound");
        let url = format!("http://{}", listener.local_addr().expect("is bound"));
        tokio::spawn(axum::serve(listener, service.router()).into_future());
        Self {
            machine,
            endpoint,
            url,
            written,
            client: reqwest::Client::new(),
            _guard: guard,
        }
    }

    async fn order(&self) -> (u16, String) {
        let order = self.client.post(format!("{}/orders", self.url));
        let answer = order.body("an order").send().await.expect("is answered");
        (
            answer.status().as_u16(),
            answer.text().await.expect("is text"),
        )
    }

    async fn get(&self, page: &str) -> String {
        let answer = self.client.get(format!("{}/{page}", self.url)).send().await;
        let answer = answer.expect("is answered");
        assert_eq!(answer.status().as_u16(), 200);
        answer.text().await.expect("is text")
    }

    /// The crate's events in the log.
    fn log(&self) -> Vec<Value> {
        let text = self.written.text();
        let events = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        events
            .filter(|event: &Value| event["target"] == "aws_clock_skew")
            .collect()
    }
}
