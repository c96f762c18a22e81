//! Errors in CBOR, sent to a client of CloudWatch, and error codes of query-compatible services,
//! which are in a header.

use aws_clock_skew::{SkewClock, install};
use aws_config::SdkConfig;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::Builder;
use aws_sdk_cloudwatch::types::MetricDatum;
use tracing::Level;

use crate::clients::{Integration, config_on, error_text, receive};
use crate::log::Log;
use crate::tap::Tap;
use crate::wire::{Answer, Wire, basic};
use crate::world::{MINUTE, World, minutes};

const AWS: &str = "https://monitoring.us-east-1.amazonaws.com";
const SQS: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

fn client(integration: Integration, config: &SdkConfig, clock: &SkewClock) -> Client {
    let builder = Builder::from(&integration.config(config, clock));
    let builder = if integration.installs() {
        install!(builder, clock)
    } else {
        builder
    };
    Client::from_conf(builder.build())
}

async fn put(client: &Client) -> Result<(), String> {
    let datum = MetricDatum::builder().metric_name("m").value(1.0).build();
    let put = client.put_metric_data().namespace("n").metric_data(datum);
    put.send().await.map(drop).map_err(error_text)
}

/// An error as services send it in `rpc-v2-cbor`: a map with two texts.
pub(crate) fn error(code: &str, message: &str) -> Answer {
    let mut body = vec![0xbf];
    let code = format!("com.amazon.coral.service#{code}");
    for text in ["__type", &code, "message", message] {
        match u8::try_from(text.len()).expect("is short") {
            length @ ..24 => body.push(0x60 | length),
            length => body.extend([0x78, length]),
        }
        body.extend(text.as_bytes());
    }
    body.push(0xff);
    Answer::new(400, body)
        .with("smithy-protocol", "rpc-v2-cbor")
        .with("content-type", "application/cbor")
        .with("x-amzn-requestid", "id-1")
}

#[tokio::test]
async fn a_clock_skew_error_in_cbor_starts_a_correction() {
    for integration in Integration::ALL {
        for skew in [-20 * MINUTE, 20 * MINUTE] {
            let log = Log::start();
            let world = World::with_skew(skew);
            let wire = Wire::new(&world, minutes(5));
            let signed = seconds(world.machine_wall());
            let now = seconds(world.true_time());
            let message = if skew < 0 {
                format!(
                    "Signature expired: {} is now earlier than {} ({} - 5 min.)",
                    basic(signed),
                    basic(now - 300),
                    basic(now)
                )
            } else {
                format!(
                    "Signature not yet current: {} is still later than {} ({} + 5 min.)",
                    basic(signed),
                    basic(now + 300),
                    basic(now)
                )
            };
            wire.plan([error("InvalidSignatureException", &message).into()]);
            let tap = Tap::new(wire.clone());
            let config = config_on(&wire, AWS);
            let config = config.into_builder().http_client(tap.clone()).build();
            let client = client(integration, &config, &world.skew_clock());
            assert_eq!(put(&client).await, Ok(()), "{integration:?} {skew}");
            assert_eq!(put(&client).await, Ok(()), "{integration:?} {skew}");
            assert_eq!(wire.seen(), [true, true]);
            assert_eq!(tap.sent()[0].header("smithy-protocol"), Some("rpc-v2-cbor"));
            assert_eq!(log.names(), ["skew_detected"]);
            let logged = &log.events()[0];
            assert_eq!(logged.get("time_source"), Some("message"));
            assert_eq!(logged.get("error.type"), Some("InvalidSignatureException"));
        }
    }
}

#[tokio::test]
async fn a_wrong_key_in_cbor_is_reported_as_a_signature_error_and_not_retried() {
    let wrong_key = "The request signature we calculated does not match the signature you \
        provided. Check your AWS Secret Access Key and signing method.";
    for integration in Integration::ALL {
        let log = Log::start();
        let world = World::with_skew(0);
        let wire = Wire::new(&world, minutes(5));
        let rejection = error("InvalidSignatureException", wrong_key);
        wire.plan([rejection.dated(world.true_time()).into()]);
        let client = client(integration, &config_on(&wire, AWS), &world.skew_clock());
        put(&client).await.expect_err("the key is wrong");
        assert_eq!(wire.sent(), 1, "{integration:?}");
        assert_eq!(log.names(), ["not_clock_skew"]);
        let logged = &log.events()[0];
        // The code raises the event from a debug message to a warning.
        assert_eq!(logged.level, Level::WARN);
        assert_eq!(logged.get("cause"), Some("wrong_key"));
        assert_eq!(logged.get("error.type"), Some("InvalidSignatureException"));
    }
}

#[tokio::test]
async fn the_code_in_the_header_of_a_query_compatible_service_is_read() {
    for integration in Integration::ALL {
        for (name, is_read) in [("x-amzn-query-error", true), ("x-amzn-other", false)] {
            let world = World::with_skew(-20 * MINUTE);
            let wire = Wire::new(&world, minutes(5));
            // The body is empty; only the header has the code.
            let rejection = Answer::new(400, "{}")
                .with(name, "RequestExpired;Sender")
                .with("x-amzn-request-id", "id-2");
            wire.plan([rejection.dated(world.true_time()).into()]);
            let sqs = integration.sqs(&config_on(&wire, SQS), &world.skew_clock());
            assert_eq!(
                receive(&sqs, QUEUE).await.is_ok(),
                is_read,
                "{integration:?} {name}"
            );
        }
    }
}

/// Without a request id, no trial uses the `Date` of a possible clock skew error.
#[tokio::test]
async fn the_request_id_in_each_of_three_headers_is_read() {
    for integration in Integration::ALL {
        for (name, is_read) in [
            ("x-amzn-requestid", true),
            ("x-amz-request-id", true),
            ("x-amzn-request-id", true),
            ("x-request-id", false),
        ] {
            let world = World::with_skew(-20 * MINUTE);
            let wire = Wire::new(&world, minutes(5));
            let denied = Answer::new(403, r#"{"__type":"AccessDeniedException"}"#);
            let denied = denied.dated(world.true_time()).with(name, "id-2");
            wire.plan([denied.into()]);
            let sqs = integration.sqs(&config_on(&wire, SQS), &world.skew_clock());
            assert_eq!(
                receive(&sqs, QUEUE).await.is_ok(),
                is_read,
                "{integration:?} {name}"
            );
        }
    }
}

fn seconds(time: std::time::SystemTime) -> i64 {
    aws_smithy_types::DateTime::from(time).secs()
}
