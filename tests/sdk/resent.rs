//! The content of the second send, and its outcome.

use std::time::Duration;

use aws_clock_skew::SkewClock;
use aws_clock_skew_endpoint::Endpoint;
use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_async::time::StaticTimeSource;
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient};
use aws_smithy_types::body::SdkBody;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use sha2::{Digest, Sha256};

use crate::clients::{config, encrypt, error_text, receive, send, through, without_retries};
use crate::log::Log;
use crate::tap::Tap;
use crate::wire::{Fate, Manner, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes};

const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
pub(crate) const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

/// A machine twenty minutes behind, a wire, and a client without retries behind the HTTP client.
pub(crate) struct Scenario {
    pub(crate) log: Log,
    pub(crate) world: World,
    pub(crate) wire: Wire,
    pub(crate) tap: Tap,
    pub(crate) clock: SkewClock,
    pub(crate) config: SdkConfig,
}

impl Scenario {
    pub(crate) fn new() -> Self {
        Self::with_manner(Manner::InMessage)
    }

    pub(crate) fn with_manner(manner: Manner) -> Self {
        let log = Log::start();
        let world = World::with_skew(-20 * MINUTE);
        let wire = Wire::with_manner(&world, minutes(15), manner);
        let tap = Tap::new(wire.clone());
        let clock = world.skew_clock();
        let config = through(&without_retries(config(AWS)), tap.clone(), &clock);
        Self {
            log,
            world,
            wire,
            tap,
            clock,
            config,
        }
    }

    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }

    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config).force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }
}

pub(crate) fn legacy_client() -> SharedHttpClient {
    aws_smithy_http_client::hyper_014::HyperClientBuilder::new().build_https()
}

#[tokio::test]
async fn the_legacy_client_inside_does_as_well_as_the_current_one() {
    for skew in [-2 * DAY, 9 * HOUR] {
        let log = Log::start();
        let world = World::with_skew(skew);
        let endpoint = Endpoint::builder(world.clock()).start().await;
        let endpoint = endpoint.expect("loopback can be bound");
        endpoint.feed("q", "first");
        let config = without_retries(config(&endpoint.url()));
        let config = through(&config, legacy_client(), &world.skew_clock());
        let sqs = aws_sdk_sqs::Client::new(&config);
        let kms = aws_sdk_kms::Client::new(&config);
        let (queue, key) = (endpoint.queue_url("q"), endpoint.create_key());
        for _ in 0..20 {
            assert_eq!(send(&sqs, &queue).await, Ok(()));
            assert_eq!(encrypt(&kms, &key).await, Ok(()));
        }
        assert_eq!(endpoint.counts().rejected, 1);
        assert_eq!(log.names(), ["skew_detected"]);
    }
}

#[tokio::test]
async fn a_body_arrives_the_second_time_byte_for_byte() {
    let current = aws_smithy_http_client::Builder::new().build_http();
    for inner in [current, legacy_client()] {
        let world = World::with_skew(-20 * MINUTE);
        let endpoint = Endpoint::builder(world.clock()).start().await;
        let endpoint = endpoint.expect("loopback can be bound");
        endpoint.feed("q", "first");
        let config = without_retries(config(&endpoint.url()));
        let sqs = aws_sdk_sqs::Client::new(&through(&config, inner, &world.skew_clock()));
        let body = "a message of some length, \u{fc}, \u{1f550} ".repeat(5_000);
        let send = sqs.send_message().queue_url(endpoint.queue_url("q"));
        let sent = send.message_body(&body).send().await.map_err(error_text);
        let digest = hex::encode(Sha256::digest(&body));
        let records = endpoint.requests_log();
        let [first, second] = &records[..] else {
            panic!("{sent:?} {}", records.len());
        };
        assert!(sent.is_ok() && first.rejected() && !second.rejected());
        assert_eq!(first.request.body_sha256, second.request.body_sha256);
        assert_eq!(first.request.invocation_id, second.request.invocation_id);
        let receive = sqs.receive_message().queue_url(endpoint.queue_url("q"));
        let received = receive.max_number_of_messages(10).send().await;
        let received = received.expect("the clock is known");
        let bodies = received
            .messages()
            .iter()
            .filter_map(|message| message.body());
        assert!(
            bodies
                .map(|body| hex::encode(Sha256::digest(body)))
                .any(|it| it == digest)
        );
    }
}

#[tokio::test]
async fn settings_and_the_name_of_the_inner_client_are_passed_on() {
    let scenario = Scenario::new();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(11))
        .read_timeout(Duration::from_secs(13));
    let config = scenario
        .config
        .to_builder()
        .timeout_config(timeouts.build());
    let sqs = aws_sdk_sqs::Client::new(&config.build());
    assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
    let expected = (Some(Duration::from_secs(11)), Some(Duration::from_secs(13)));
    let settings = scenario.tap.settings();
    assert!(!settings.is_empty());
    assert!(
        settings.iter().all(|seen| *seen == expected),
        "{settings:?}"
    );
    let metadata = scenario
        .clock
        .wrap_http_client(scenario.tap.clone())
        .connector_metadata();
    let metadata = metadata.expect("the inner client has it");
    assert_eq!(metadata.name(), "tap");
    assert_eq!(metadata.version().as_deref(), Some("7"));
    let user_agent = scenario.tap.sent()[0]
        .header("x-amz-user-agent")
        .map(str::to_owned);
    let user_agent = user_agent.expect("the SDK sends one");
    assert!(user_agent.contains("tap"), "{user_agent}");
}

#[tokio::test]
async fn only_the_signature_differs_in_the_second_send() {
    for is_s3 in [false, true] {
        let scenario = Scenario::new();
        if is_s3 {
            let put = scenario.s3().put_object().bucket("b").key("a key/with ö");
            let put = put.body(ByteStream::from(vec![7; 1_000_000])).send().await;
            put.expect("passes the timestamp check");
        } else {
            let send = scenario.sqs().send_message().queue_url(QUEUE);
            let send = send.message_body("ä, 🕒 ".repeat(50_000)).send().await;
            send.expect("passes the timestamp check");
        }
        let sent = scenario.tap.sent();
        let [first, second] = &sent[..] else {
            panic!("{} requests", sent.len());
        };
        assert_eq!((&first.method, &first.uri), (&second.method, &second.uri));
        assert_eq!(first.unsigned_headers(), second.unsigned_headers());
        assert_ne!(first.header("x-amz-date"), second.header("x-amz-date"));
        assert_ne!(
            first.header("authorization"),
            second.header("authorization")
        );
        assert!(first.body.is_some() && first.body == second.body);
    }
}

#[tokio::test]
async fn the_second_send_lets_the_sdk_close_a_broken_connection() {
    let scenario = Scenario::new();
    assert_eq!(receive(&scenario.sqs(), QUEUE).await, Ok(()));
    let connections: Vec<_> = scenario
        .tap
        .sent()
        .into_iter()
        .map(|sent| sent.connection)
        .collect();
    assert_eq!(connections.len(), 2);
    let [Some(first), Some(second)] = &connections[..] else {
        panic!("{connections:?}");
    };
    // Both are one object: a retriever that is set on the first is seen on the second.
    first.set_connection_retriever(|| {
        use aws_smithy_runtime_api::client::connection::ConnectionMetadata;
        Some(
            ConnectionMetadata::builder()
                .proxied(true)
                .poison_fn(|| ())
                .build(),
        )
    });
    assert!(second.get().is_some());
}

#[tokio::test]
async fn a_connection_lost_on_the_second_send_is_that_error() {
    let scenario = Scenario::new();
    scenario.wire.plan([Fate::default(), Fate::lost()]);
    let error = receive(&scenario.sqs(), QUEUE)
        .await
        .expect_err("it was lost");
    assert!(error.contains("connection reset"), "{error}");
    assert_eq!(scenario.wire.sent(), 2);
    assert_eq!(scenario.log.names(), ["skew_detected"]);
    assert_eq!(scenario.log.counted("resends", "outcome", "failed"), 1);
    assert_eq!(receive(&scenario.sqs(), QUEUE).await, Ok(()));
    assert_eq!(scenario.wire.sent(), 3);
}

#[tokio::test]
async fn a_connection_lost_on_the_second_send_is_retried_by_the_sdk_as_usual() {
    let scenario = Scenario::new();
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let config = scenario.config.to_builder().retry_config(retries).build();
    scenario.wire.plan([Fate::default(), Fate::lost()]);
    assert_eq!(
        receive(&aws_sdk_sqs::Client::new(&config), QUEUE).await,
        Ok(())
    );
    assert_eq!(scenario.wire.seen(), [false, true, true]);
}

#[tokio::test]
async fn a_second_rejection_is_the_answer_and_nothing_is_sent_a_third_time() {
    let scenario = Scenario::new();
    let frozen = Fate {
        before: minutes(25),
        ..Fate::default()
    };
    scenario.wire.plan([Fate::default(), frozen]);
    let error = receive(&scenario.sqs(), QUEUE)
        .await
        .expect_err("twice too late");
    assert!(error.contains("Signature expired"), "{error}");
    assert_eq!(scenario.wire.seen(), [false, false]);
    assert_eq!(scenario.wire.sent(), 2);
    assert_eq!(scenario.log.names(), ["skew_detected", "resend_rejected"]);
    let failed = scenario.log.events().pop().expect("just seen");
    assert_eq!(failed.level, tracing::Level::WARN);
    assert_eq!(scenario.log.counted("resends", "outcome", "rejected"), 1);
    assert_eq!(receive(&scenario.sqs(), QUEUE).await, Ok(()));
    assert_eq!(scenario.wire.sent(), 3);
}

/// A body that can be read once.
pub(crate) fn once(body: &'static [u8]) -> ByteStream {
    let frame = Frame::data(bytes::Bytes::from_static(body));
    let frames = stream::iter([Ok::<_, std::io::Error>(frame)]);
    ByteStream::new(SdkBody::from_body_1_x(StreamBody::new(frames)))
}

#[tokio::test]
async fn a_body_that_cannot_be_sent_again_passes_once_and_updates_the_clock() {
    for manner in [Manner::InFields, Manner::ByCode] {
        let scenario = Scenario::with_manner(manner);
        let put = |body| {
            scenario
                .s3()
                .put_object()
                .bucket("b")
                .key("k")
                .content_length(5)
                .body(body)
        };
        let error = put(once(b"hello")).send().await.expect_err("is lost");
        assert!(error_text(error).contains("RequestTimeTooSkewed"));
        assert_eq!(scenario.wire.sent(), 1);
        // A `Date` alone starts a trial.
        let names: &[&str] = match manner {
            Manner::InFields => &["skew_detected", "resend_skipped"],
            _ => &["resend_skipped"],
        };
        assert_eq!(scenario.log.names(), names);
        let skipped = scenario.log.events().pop().expect("just seen");
        assert_eq!(skipped.get("reason"), Some("body"));
        assert_eq!(scenario.log.counted("resends_skipped", "reason", "body"), 1);
        assert!(put(once(b"hello")).send().await.is_ok());
        assert_eq!(scenario.wire.sent(), 2);
        assert!(scenario.log.names().contains(&"skew_detected".to_owned()));
    }
}

#[tokio::test]
async fn a_signature_by_another_clock_is_re_signed_before_it_is_sent() {
    let scenario = Scenario::new();
    // The client has the crate's HTTP client and another time source.
    let own = StaticTimeSource::new(scenario.world.machine_wall());
    let config = scenario.config.to_builder().time_source(own);
    let config = config.identity_cache(IdentityCache::lazy().build());
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let sqs = aws_sdk_sqs::Client::new(&config.retry_config(retries).build());
    for _ in 0..20 {
        assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
    }
    assert_eq!(scenario.wire.rejected(), 1);
    assert_eq!(scenario.wire.sent(), 21);
    assert_eq!(scenario.log.names(), ["skew_detected"]);
    // Once the local clock is correct again, the request is sent unchanged.
    scenario.world.set_skew(0);
    let own = StaticTimeSource::new(scenario.world.machine_wall());
    let sqs = aws_sdk_sqs::Client::new(&scenario.config.to_builder().time_source(own).build());
    assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
    assert_eq!(scenario.wire.sent(), 22);
}
