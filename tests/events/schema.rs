//! Every integration emits what the reference in `docs/observability.md` says.

use std::collections::{BTreeMap, BTreeSet};

use aws_clock_skew::SkewClock;
use aws_clock_skew_endpoint::Endpoint;

use crate::capture::{Capture, Emitted, Value};
use crate::integrations::Integration;
use crate::scenarios::{KINDS, call, site, trigger};
use crate::wire::{Answer, Manner};
use crate::world::{MINUTE, World, minutes};

const REFERENCE: &str = include_str!("../../docs/observability.md");

/// The rows of the table whose header starts with `header`: their cells, without back-quotes.
fn table(header: &str) -> Vec<Vec<String>> {
    let rows = REFERENCE
        .lines()
        .skip_while(|line| !line.starts_with(header));
    rows.skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().replace('`', "")).collect()
        })
        .collect()
}

/// The fields for which the table lists all values.
const LISTED: [&str; 5] = ["time_source", "mode", "reason", "cause", "missing"];

struct Field {
    kind: String,
    meaning: String,
    always_in: BTreeSet<String>,
}

fn fields() -> BTreeMap<String, Field> {
    let all: BTreeSet<String> = KINDS.iter().map(|(kind, _)| (*kind).to_owned()).collect();
    let named = |cell: &str| {
        let names = cell.split([',', ' ']).filter(|word| !word.is_empty());
        names.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let rows = table("| field | type | meaning");
    let field = |row: Vec<String>| {
        let always_in = match row[3].strip_prefix("all") {
            Some(rest) => {
                let others = named(rest.trim_start().trim_start_matches("except"));
                all.difference(&others).cloned().collect()
            }
            None => named(&row[3]),
        };
        let field = Field {
            kind: row[1].clone(),
            meaning: row[2].clone(),
            always_in,
        };
        (row[0].clone(), field)
    };
    rows.into_iter().map(field).collect()
}

#[tokio::test]
async fn every_event_is_as_the_reference_says_from_every_integration() {
    let levels: BTreeMap<String, String> = table("| event | level")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let fields = fields();
    assert_eq!((levels.len(), fields.len()), (10, 21));
    let mut seen = BTreeSet::new();
    for (kind, integrations) in KINDS {
        for integration in integrations {
            let capture = Capture::start();
            let site = trigger(kind, *integration).await;
            let log = capture.log();
            let is_it = |event: &&Emitted| event.text("event") == Some(kind);
            let events: Vec<_> = log.iter().filter(is_it).collect();
            let [event] = events[..] else {
                panic!("{kind} {integration:?}: {:?}", capture.names());
            };
            assert_eq!(event.level.as_str(), levels[kind], "{kind} {integration:?}");
            assert!(event.message.is_some(), "{kind} {integration:?}");
            for (name, value) in &event.fields {
                let field = fields.get(name);
                let documented = field.map(|field| field.kind.as_str());
                assert_eq!(
                    documented,
                    Some(value.type_name()),
                    "{kind} {integration:?} {name}"
                );
                seen.insert(name.clone());
                if LISTED.contains(&name.as_str()) {
                    let meaning = field.map_or("", |field| &field.meaning);
                    assert!(meaning.contains(&value.to_string()), "{name} {value}");
                }
            }
            for (name, field) in &fields {
                let is_there = event.fields.contains_key(name);
                let has_to_be = field.always_in.contains(kind);
                assert!(
                    is_there || !has_to_be,
                    "{kind} {integration:?} lacks {name}"
                );
            }
            let status = site.clock.status();
            let counted = status.event_counts().find(|(name, _)| *name == kind);
            assert_eq!(counted, Some((kind, 1)), "{integration:?}");
        }
    }
    let documented: BTreeSet<String> = fields.into_keys().collect();
    assert_eq!(seen, documented);
}

#[tokio::test]
async fn every_metric_is_as_the_reference_says_from_every_integration() {
    let rows = table("| field | in Prometheus");
    for row in &rows {
        let (kind, name) = row[0].split_once('.').expect("has a type");
        let suffix = if kind == "gauge" { "" } else { "_total" };
        assert_eq!(row[1], format!("{}{suffix}", name.replace('.', "_")));
    }
    let mut seen = BTreeSet::new();
    for (kind, integrations) in KINDS {
        for integration in integrations {
            let capture = Capture::start();
            let _site = trigger(kind, *integration).await;
            for event in capture.metrics() {
                assert_eq!((event.level, &event.message), (tracing::Level::INFO, &None));
                let mut labels: BTreeSet<_> = event.fields.keys().cloned().collect();
                // One event sets both gauges.
                let metrics = rows.iter().filter(|row| labels.contains(&row[0]));
                let metrics: Vec<_> = metrics.cloned().collect();
                assert!(!metrics.is_empty(), "{kind} {integration:?}: {labels:?}");
                for metric in &metrics {
                    labels.remove(&metric[0]);
                    assert_eq!(metric[2], event.fields[&metric[0]].type_name());
                }
                for metric in metrics {
                    let documented: BTreeSet<_> =
                        metric[3].split(", ").map(str::to_owned).collect();
                    let mut absent = documented.difference(&labels);
                    assert!(absent.all(|label| label == "aws_service"), "{metric:?}");
                    assert!(labels.is_subset(&documented), "{labels:?} of {metric:?}");
                    seen.insert(metric[0].clone());
                }
                for label in &labels {
                    assert_eq!(event.fields[label].type_name(), "text", "{label}");
                }
                if let Some(outcome) = event.text("outcome") {
                    let outcomes = table("| outcome | what");
                    assert!(outcomes.iter().any(|row| row[0] == outcome), "{outcome}");
                }
                if let Some(service) = event.text("aws_service") {
                    assert!(["sqs", "s3"].contains(&service), "{service}");
                }
            }
            let counted = capture.metrics();
            let counted = counted.iter().filter(|event| {
                event.text("event") == Some(kind)
                    && event.fields.get("monotonic_counter.aws_clock_skew.events")
                        == Some(&Value::U64(1))
            });
            assert_eq!(counted.count(), 1, "{kind} {integration:?}");
        }
    }
    let documented: BTreeSet<String> = rows.into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(seen, documented);
}

/// Each of them has a counter that starts at 0.
#[test]
fn the_events_outcomes_and_reasons_of_the_reference_are_those_that_can_be_emitted() {
    let capture = Capture::start();
    let _clock = SkewClock::new();
    let metrics = capture.metrics();
    let emitted = |label: &str| {
        let values = metrics.iter().filter_map(|event| event.text(label));
        values.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let named = |header: &str| {
        let rows = table(header).into_iter();
        rows.map(|row| row[0].clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!(emitted("event"), named("| event | level"));
    assert_eq!(emitted("outcome"), named("| outcome | what"));
    let fields = fields();
    let (_, reasons) = fields["reason"]
        .meaning
        .split_once("of a skipped resend: ")
        .expect("is there");
    let reasons = reasons.split([',', ' ']);
    let reasons = reasons.filter(|word| !["", "or"].contains(word));
    assert_eq!(emitted("reason"), reasons.map(str::to_owned).collect());
}

#[tokio::test]
async fn the_numbers_are_those_of_the_local_clock() {
    for integration in Integration::ALL {
        let capture = Capture::start();
        let site = trigger("skew_detected", integration).await;
        let log = capture.log();
        let number = |field: &str| match log[0].fields.get(field) {
            Some(Value::I64(value)) => *value,
            Some(Value::U64(value)) => value.cast_signed(),
            other => panic!("{field}: {other:?}"),
        };
        assert!(
            (number("offset_ms") - 172_800_000).abs() <= 1_000,
            "{integration:?}"
        );
        assert!(
            (number("age_ms") - 172_800_000).abs() <= 1_000,
            "{integration:?}"
        );
        assert_eq!(number("previous_offset_ms"), 0);
        assert!(
            (1..=1_500).contains(&number("uncertainty_ms")),
            "{integration:?}"
        );
        assert_eq!(log[0].text("signed_at"), Some("2027-01-14T08:00:00.000Z"));
        assert_eq!(log[0].text("server_time"), Some("2027-01-16T08:00:00.000Z"));
        assert_eq!(
            log[0].text("server.address"),
            Some("sqs.us-east-1.amazonaws.com")
        );
        assert_eq!(log[0].text("error.type"), Some("InvalidSignatureException"));
        assert_eq!(log[0].text("aws.request_id"), Some("id-1"));
        assert_eq!(site.line.wire.rejected(), 1);
    }
}

#[tokio::test]
async fn two_hundred_rejections_of_one_clock_are_one_event_over_real_http() {
    let capture = Capture::start();
    let world = World::with_skew(-20 * MINUTE);
    let endpoint = Endpoint::builder(world.clock()).start().await;
    let endpoint = endpoint.expect("loopback can be bound");
    endpoint.feed("q", "first");
    let clock = world.skew_clock();
    let config = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(endpoint.url())
        .credentials_provider(
            aws_credential_types::provider::SharedCredentialsProvider::new(
                aws_credential_types::Credentials::new(
                    aws_clock_skew_endpoint::ACCESS_KEY_ID,
                    aws_clock_skew_endpoint::SECRET_ACCESS_KEY,
                    None,
                    None,
                    "test",
                ),
            ),
        )
        .timeout_config(aws_config::timeout::TimeoutConfig::disabled())
        .time_source(clock.clone())
        .http_client(clock.wrap_http_client(aws_smithy_http_client::Builder::new().build_http()))
        .build();
    let sqs = aws_sdk_sqs::Client::new(&config);
    const CALLS: usize = 200;
    drop(endpoint.hold(CALLS));
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..CALLS {
        let send = sqs.send_message().queue_url(endpoint.queue_url("q"));
        calls.spawn(send.message_body("hello").send());
    }
    while let Some(sent) = calls.join_next().await {
        sent.expect("no call panics").expect("no call fails");
    }
    assert_eq!(endpoint.counts().rejected, 200);
    assert_eq!(capture.names(), ["skew_detected"]);
    assert_eq!(clock.status().event_count(), 1);
    let resent = capture.increments().into_iter();
    let resent = resent.filter(|event| event.text("outcome") == Some("accepted"));
    assert_eq!(resent.count(), CALLS);
}

#[tokio::test]
async fn an_event_that_is_left_out_of_the_log_is_counted() {
    for integration in Integration::ALL {
        let capture = Capture::start();
        let site = site(0, Manner::InMessage);
        for after in [0, 0, 0, 0, 0, 1] {
            site.world.advance(minutes(after));
            site.line.wire.plan([denied()]);
            assert!(call(integration, &site).await.is_err());
        }
        let log = capture.log();
        let suppressed = log.iter().map(|event| event.fields["suppressed"].clone());
        let suppressed: Vec<_> = suppressed.collect();
        assert_eq!(
            suppressed,
            [Value::U64(0), Value::U64(4)],
            "{integration:?}"
        );
        let counted = capture.increments().into_iter();
        let counted = counted.filter(|event| event.text("event") == Some("not_clock_skew"));
        assert_eq!(counted.count(), 6, "metrics are never left out");
    }
}

#[tokio::test]
async fn hostile_names_are_cut_to_64_visible_characters() {
    for integration in Integration::ALL {
        let capture = Capture::start();
        let site = site(0, Manner::InMessage);
        let hostile = format!("\u{1b}[31m{}", "x".repeat(300));
        let answer = Answer::new(403, format!("<Error><Code>{hostile}</Code></Error>"))
            .with("x-amzn-requestid", "y".repeat(300))
            .with(
                "x-amzn-errortype",
                format!("SignatureDoesNotMatch{}", "z".repeat(300)),
            );
        site.line.wire.plan([answer.into(), denied()]);
        drop(call(integration, &site).await);
        drop(call(integration, &site).await);
        let log = capture.log();
        assert!(!log.is_empty());
        for (name, value) in log.iter().flat_map(|event| &event.fields) {
            if let Value::Text(text) = value {
                assert!(text.len() <= 64, "{integration:?} {name}: {text}");
                let is_visible = |c: char| c.is_ascii_graphic() || c == ' ';
                assert!(
                    text.chars().all(is_visible),
                    "{integration:?} {name}: {text:?}"
                );
            }
        }
    }
}

fn denied() -> crate::wire::Fate {
    let text = "The request signature we calculated does not match the signature you provided.";
    let body = format!(r#"{{"__type":"InvalidSignatureException","message":"{text}"}}"#);
    Answer::new(403, &body)
        .with("x-amzn-requestid", "id-1")
        .into()
}
