//! The interceptor and the HTTP client on one client: one rejection is one sample, one event and
//! one resend.

use std::iter;

use aws_clock_skew::SkewClock;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, SharedRetryClassifier,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::task::JoinSet;

use crate::clients::{Integration, behind, config_on, error_text, receive, s3, without_retries};
use crate::log::Log;
use crate::wire::{Answer, Fate, Manner, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes, shifted};

const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";
/// Without TLS the SDK signs each chunk of a streamed body.
const MINIO: &str = "http://minio.example";

struct Scenario {
    log: Log,
    world: World,
    wire: Wire,
    clock: SkewClock,
    sqs: aws_sdk_sqs::Client,
    minio: aws_sdk_s3::Client,
}

impl Scenario {
    fn new(skew: i64, manner: Manner) -> Self {
        let log = Log::start();
        let world = World::with_skew(skew);
        let wire = Wire::with_manner(&world, minutes(15), manner);
        let clock = world.skew_clock();
        let behind = |url| behind(&without_retries(config_on(&wire, url)), &clock);
        Self {
            sqs: Integration::Interceptor.sqs(&behind(AWS), &clock),
            minio: s3(&behind(MINIO), &clock),
            log,
            world,
            wire,
            clock,
        }
    }

    async fn receives(&self) -> Result<(), String> {
        receive(&self.sqs, QUEUE).await
    }

    /// Puts a body with signed chunks.
    async fn puts(&self) -> Result<(), String> {
        let body = SdkBody::retryable(|| {
            let frame = Frame::data(Bytes::from_static(b"hello"));
            let frames = stream::iter([Ok::<_, std::io::Error>(frame)]);
            SdkBody::from_body_1_x(StreamBody::new(frames))
        });
        let put = self.minio.put_object().bucket("b").key("k");
        let put = put.content_length(5).body(ByteStream::new(body));
        put.send().await.map(drop).map_err(error_text)
    }
}

#[tokio::test]
async fn one_rejection_is_one_sample_and_one_resend() {
    for skew in [-2 * DAY, -20 * MINUTE, 20 * MINUTE, 9 * HOUR] {
        let scenario = Scenario::new(skew, Manner::InMessage);
        for _ in 0..20 {
            assert_eq!(scenario.receives().await, Ok(()));
        }
        assert_eq!(scenario.wire.sent(), 21);
        assert_eq!(scenario.log.names(), ["skew_detected"]);
        assert_eq!(scenario.clock.status().event_count(), 1);
        assert_eq!(scenario.log.counted("resends", "outcome", "accepted"), 1);
    }
}

#[tokio::test]
async fn two_hundred_in_flight_are_sent_twice_each() {
    const CALLS: usize = 200;
    let scenario = Scenario::new(-20 * MINUTE, Manner::InMessage);
    scenario.wire.hold(CALLS);
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let sqs = scenario.sqs.clone();
        calls.spawn(async move { receive(&sqs, QUEUE).await });
    }
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    assert_eq!(scenario.wire.sent(), 2 * CALLS);
    assert_eq!(scenario.log.names(), ["skew_detected"]);
    assert_eq!(
        scenario.log.counted("resends", "outcome", "accepted"),
        CALLS
    );
}

#[tokio::test]
async fn a_signature_that_expired_in_transit_is_reported_once() {
    let scenario = Scenario::new(0, Manner::InMessage);
    let frozen = Fate {
        before: minutes(20),
        ..Fate::default()
    };
    scenario.wire.plan([frozen]);
    assert_eq!(scenario.receives().await, Ok(()));
    assert_eq!(scenario.wire.seen(), [false, true]);
    assert_eq!(scenario.clock.status().event_count(), 1);
    assert_eq!(scenario.log.names(), ["expired_in_transit"]);
}

#[tokio::test]
async fn a_second_rejection_is_not_followed_by_a_third_send() {
    let scenario = Scenario::new(-20 * MINUTE, Manner::InMessage);
    let frozen = Fate {
        before: minutes(25),
        ..Fate::default()
    };
    scenario.wire.plan([Fate::default(), frozen]);
    assert!(scenario.receives().await.is_err());
    assert_eq!(scenario.wire.sent(), 2);
    assert_eq!(scenario.log.names(), ["skew_detected", "resend_rejected"]);
    assert_eq!(scenario.log.counted("resends", "outcome", "rejected"), 1);
}

#[tokio::test]
async fn a_second_send_that_is_lost_is_not_followed_by_a_third() {
    let scenario = Scenario::new(-20 * MINUTE, Manner::InMessage);
    scenario.wire.plan([Fate::default(), Fate::lost()]);
    let error = scenario.receives().await.expect_err("it was lost");
    assert!(error.contains("connection reset"), "{error}");
    assert_eq!(scenario.wire.sent(), 2);
    assert_eq!(scenario.log.counted("resends", "outcome", "failed"), 1);
}

#[tokio::test]
async fn the_sdk_re_signs_what_the_http_client_may_not() {
    for manner in [Manner::InFields, Manner::ByCode, Manner::Silently] {
        for skew in [-2 * DAY, 9 * HOUR] {
            let scenario = Scenario::new(skew, manner);
            for _ in 0..5 {
                assert_eq!(scenario.puts().await, Ok(()), "{manner:?} {skew}");
            }
            assert_eq!(scenario.wire.sent(), 6, "{manner:?} {skew}");
            assert_eq!(scenario.log.names(), ["skew_detected"]);
            assert_eq!(
                scenario.log.counted("resends_skipped", "reason", "chunked"),
                0
            );
            assert_eq!(scenario.log.counted("resends", "outcome", "accepted"), 1);
            assert!(scenario.clock.status().is_correcting());
        }
    }
}

#[tokio::test]
async fn a_trial_that_the_sdks_resend_fails_is_ended_at_once() {
    let scenario = Scenario::new(0, Manner::ByCode);
    let misdated = Answer {
        body: "<Error><Code>RequestTimeTooSkewed</Code></Error>".into(),
        ..Answer::empty_403(shifted(scenario.world.true_time(), 2 * HOUR))
    };
    scenario.wire.plan(vec![Fate::answered(misdated); 2]);
    assert!(scenario.puts().await.is_err());
    assert_eq!(scenario.wire.sent(), 2);
    assert_eq!(scenario.clock.now(), scenario.world.machine_wall());
    assert_eq!(scenario.log.names(), ["trial_rejected", "resend_rejected"]);
    assert_eq!(scenario.puts().await, Ok(()));
    assert_eq!(scenario.wire.sent(), 3);
}

#[tokio::test]
async fn a_conflicting_host_gets_signatures_with_its_own_time() {
    let scenario = Scenario::new(0, Manner::ByCode);
    let aws = Wire::new(&scenario.world, minutes(5));
    let on_aws = behind(&without_retries(config_on(&aws, AWS)), &scenario.clock);
    let sqs = Integration::Interceptor.sqs(&on_aws, &scenario.clock);
    let url = "https://minio.example";
    let on_minio = behind(
        &without_retries(config_on(&scenario.wire, url)),
        &scenario.clock,
    );
    let minio = s3(&on_minio, &scenario.clock);
    scenario.wire.set_ahead(HOUR);
    for _ in 0..100 {
        assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
        assert_eq!(crate::clients::head(&minio).await, Ok(()));
    }
    assert_eq!((aws.rejected(), scenario.wire.rejected()), (0, 1));
    assert_eq!(scenario.log.names(), ["hosts_disagree"]);
}

/// Only the SDK can re-sign such a body, and the auth scheme gives its signer the host's time.
#[tokio::test]
async fn signed_chunks_for_a_conflicting_host_are_signed_with_its_own_time() {
    let scenario = Scenario::new(0, Manner::InFields);
    let aws = Wire::new(&scenario.world, minutes(5));
    let on_aws = behind(&without_retries(config_on(&aws, AWS)), &scenario.clock);
    let sqs = Integration::Interceptor.sqs(&on_aws, &scenario.clock);
    scenario.wire.set_ahead(HOUR);
    for _ in 0..10 {
        assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
        assert_eq!(scenario.puts().await, Ok(()));
    }
    assert_eq!(scenario.wire.rejected(), 1);
    assert_eq!(aws.rejected(), 0);
    assert_eq!(scenario.clock.now(), scenario.world.machine_wall());
}

/// The HTTP client keeps no copy of a request that the SDK re-signs. Without the crate's retry
/// classifier the SDK does not re-sign.
#[tokio::test]
async fn a_client_that_is_rebuilt_without_the_classifier_is_left_to_the_http_client() {
    let scenario = Scenario::new(0, Manner::InMessage);
    assert_eq!(scenario.receives().await, Ok(()));
    let mut builder = scenario.sqs.config().to_builder();
    builder.set_retry_classifiers(iter::empty::<SharedRetryClassifier>());
    let rebuilt = aws_sdk_sqs::Client::from_conf(builder.build());
    scenario.world.set_skew(-20 * MINUTE);
    for _ in 0..3 {
        assert_eq!(receive(&rebuilt, QUEUE).await, Ok(()));
    }
    let rejected = scenario
        .wire
        .seen()
        .into_iter()
        .filter(|accepted| !accepted);
    assert_eq!(rejected.count(), 1);
}

/// A client with the crate's classifier and no other part of it re-signs nothing.
#[tokio::test]
async fn a_client_with_the_classifier_alone_is_left_to_the_http_client() {
    for skew in [-2 * DAY, 9 * HOUR] {
        let scenario = Scenario::new(skew, Manner::InMessage);
        let config = behind(
            &without_retries(config_on(&scenario.wire, AWS)),
            &scenario.clock,
        );
        let builder = aws_sdk_sqs::config::Builder::from(&config);
        let builder = builder.retry_classifier(scenario.clock.retry_classifier());
        let sqs = aws_sdk_sqs::Client::from_conf(builder.build());
        for _ in 0..3 {
            assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
        }
        assert_eq!(scenario.wire.seen(), [false, true, true, true]);
        assert_eq!(scenario.log.names(), ["skew_detected"]);
    }
}

/// A classifier of the user that comes before the crate's.
#[derive(Debug)]
struct Early;

impl ClassifyRetry for Early {
    fn classify_retry(&self, _: &InterceptorContext) -> RetryAction {
        RetryAction::NoActionIndicated
    }

    fn name(&self) -> &'static str {
        "early"
    }

    fn priority(&self) -> RetryClassifierPriority {
        let first_of_crate = RetryClassifierPriority::run_before(
            RetryClassifierPriority::http_status_code_classifier(),
        );
        RetryClassifierPriority::run_before(first_of_crate)
    }
}

/// Both take part in the requests of such a client, and each response counts once.
#[tokio::test]
async fn behind_a_classifier_that_comes_first_each_response_counts_once() {
    let scenario = Scenario::new(0, Manner::InMessage);
    let builder = scenario.sqs.config().to_builder();
    let sqs = aws_sdk_sqs::Client::from_conf(builder.retry_classifier(Early).build());
    let text = "Signature expired: 20270116T080000Z is now earlier than 20270116T080500Z \
                (20270116T081000Z - 5 min.)";
    let body = format!(r#"{{"__type":"InvalidSignatureException","message":"{text}"}}"#);
    let date = shifted(scenario.world.true_time(), 10 * MINUTE);
    scenario.wire.plan([
        Fate::answered(Answer::new(400, &body)),
        Fate::answered(Answer::new(200, "{}").dated(date)),
    ]);
    assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
    assert_eq!(scenario.wire.sent(), 2);
    assert_eq!(scenario.log.counted("resends", "outcome", "accepted"), 1);
    // Three responses in a row that contradict a correction end it.
    for is_corrected in [true, true, false] {
        assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
        assert_eq!(scenario.clock.status().is_correcting(), is_corrected);
    }
    assert_eq!(
        scenario.log.names(),
        ["skew_detected", "correction_cleared"]
    );
}
