//! Messages about another request. They repeat what a user wrote, or what the server sent to
//! another client, and must not change the clock.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::DateTime;

use crate::clients::{Integration, config_in, config_on, receive, sqs_of};
use crate::log::Log;
use crate::trial::Loads;
use crate::wire::{Answer, Wire, basic, extended};
use crate::world::{World, minutes};

const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

/// Status and body of responses that state `time` as the server's time, six days off, and a request
/// time an hour before that.
fn quotes(time: SystemTime, kept: SystemTime) -> Vec<(&'static str, u16, String)> {
    let stamp = |time: SystemTime| basic(DateTime::from(time).secs());
    let said = format!(
        "Signature expired: {} is now earlier than {} ({} - 15 min.)",
        stamp(time - minutes(60)),
        stamp(time - minutes(15)),
        stamp(time)
    );
    let nameless = format!(
        "Signature expired: date is now earlier than {} ({} - 15 min.)",
        stamp(time - minutes(15)),
        stamp(time)
    );
    vec![
        (
            "no code",
            400,
            format!(r#"{{"message":"Invalid comment: '{said}'"}}"#),
        ),
        (
            "no code and no request time",
            400,
            format!(r#"{{"message":"Invalid comment: '{nameless}'"}}"#),
        ),
        (
            "unlisted code, a listed one in the text",
            400,
            format!(
                r#"{{"__type":"com.amazonaws.athena#InvalidRequestException","message":"line 1:8: Column 'Code: SignatureDoesNotMatch {said}' cannot be resolved"}}"#
            ),
        ),
        (
            "the same without a request time",
            400,
            format!(
                r#"{{"__type":"com.amazonaws.athena#InvalidRequestException","message":"line 1:8: Column 'Code: SignatureDoesNotMatch {nameless}' cannot be resolved"}}"#
            ),
        ),
        (
            "the same in XML",
            400,
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>MalformedPolicyDocument</Code>\
                <Message>Syntax error at 'code=AccessDenied {said}'</Message></Error></ErrorResponse>"
            ),
        ),
        (
            "a validation error, message first",
            400,
            format!(
                r#"{{"message":"Label 'code: InvalidSignature {said}' is too long","__type":"com.amazon.coral.validate#ValidationException"}}"#
            ),
        ),
        (
            "a denial in other words",
            403,
            format!(
                r#"{{"__type":"AccessDeniedException","message":"Label '{said}' is reserved"}}"#
            ),
        ),
        (
            "a signature error of another request",
            403,
            format!(r#"{{"__type":"InvalidSignatureException","message":"{said}"}}"#),
        ),
        (
            "S3's response to another client, from a cache",
            403,
            format!(
                "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the \
                request time and the current time is too large.</Message><RequestTime>{}\
                </RequestTime><ServerTime>{}</ServerTime><MaxAllowedSkewMilliseconds>900000\
                </MaxAllowedSkewMilliseconds></Error>",
                stamp(kept - minutes(60)),
                extended(kept)
            ),
        ),
    ]
}

/// What a caller, a server and a credential provider see of a call with this response, and of the
/// call after it.
async fn outcome(
    url: &'static str,
    answer: &Answer,
    integration: Option<Integration>,
) -> (String, usize, usize) {
    let log = Log::start();
    let world = World::with_skew(0);
    let wire = Wire::new(&world, minutes(15));
    let clock = world.skew_clock();
    let loads = Loads(Arc::default(), world.true_time() + Duration::from_hours(24));
    let config = config_in(&world, wire.clone(), url).into_builder();
    let config = config.credentials_provider(SharedCredentialsProvider::new(loads.clone()));
    let sqs = sqs_of(integration, &config.build(), &clock);
    let queue = format!("{url}/1/q");
    assert_eq!(receive(&sqs, &queue).await, Ok(()));
    world.advance(minutes(4));
    let answer = answer.clone().dated(world.true_time());
    wire.plan([answer.with("x-amzn-requestid", "id-9").into()]);
    let error = receive(&sqs, &queue).await.expect_err("is the answer");
    assert_eq!(
        clock.now(),
        world.machine_wall(),
        "{error}, {integration:?}"
    );
    assert_eq!(
        log.names(),
        Vec::<String>::new(),
        "{error}, {integration:?}"
    );
    assert_eq!(clock.status().event_count(), 0);
    assert_eq!(
        receive(&sqs, &queue).await,
        Ok(()),
        "{error}, {integration:?}"
    );
    // The raw response follows, with what each integration has added to it.
    let error = error.split(", raw: ").next().unwrap_or_default();
    (error.to_owned(), wire.sent(), loads.count())
}

#[tokio::test]
async fn a_message_about_another_request_changes_nothing() {
    let world = World::with_skew(0);
    let truth = world.true_time() + minutes(4);
    let time = truth + Duration::from_hours(6 * 24);
    for (name, status, body) in quotes(time, truth - minutes(10)) {
        let answer = Answer::new(status, &body);
        for url in [AWS, "https://api.example"] {
            let alone = outcome(url, &answer, None).await;
            for integration in Integration::ALL {
                let ours = outcome(url, &answer, Some(integration)).await;
                assert_eq!(ours, alone, "{name}, {url}, {integration:?}");
            }
        }
    }
}

/// The message is one of those above, and states the time of the request's own signature.
#[tokio::test]
async fn a_message_about_this_request_counts_whatever_its_status_and_code() {
    for (status, body) in [
        (500, r#"{"__type":"InternalFailure","message":"|"}"#),
        (502, "<html>upstream said: |</html>"),
        (400, r#"{"__type":"BadRequestException","message":"|"}"#),
        (
            400,
            r#"{"message":"Label 'code: InvalidSignature |' is too long"}"#,
        ),
    ] {
        for integration in Integration::ALL {
            let log = Log::start();
            let world = World::with_skew(-3_600);
            let wire = Wire::new(&world, minutes(15));
            let clock = world.skew_clock();
            let sqs = integration.sqs(&config_on(&wire, AWS), &clock);
            let [signed, now] =
                [world.machine_wall(), world.true_time()].map(|time| DateTime::from(time).secs());
            let said = format!(
                "Signature expired: {} is now earlier than {} ({} - 15 min.)",
                basic(signed),
                basic(now - 900),
                basic(now)
            );
            wire.plan([Answer::new(status, body.replace('|', &said)).into()]);
            drop(receive(&sqs, QUEUE).await);
            assert_eq!(
                log.names(),
                ["skew_detected"],
                "{status} {body} {integration:?}"
            );
            assert_eq!(
                receive(&sqs, QUEUE).await,
                Ok(()),
                "{status} {body} {integration:?}"
            );
        }
    }
}
