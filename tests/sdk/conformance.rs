//! The cases that all AWS SDKs share for their own correction, run with this crate's integrations.
//! `conformance/NOTICE` says where they come from.

use std::time::{Duration, SystemTime};

use aws_clock_skew::{ClockOffset, ManualClock, SkewClock};
use aws_config::retry::RetryConfig;
use aws_smithy_types::date_time::{DateTime, Format};
use serde_json::Value;

use crate::clients::{Integration, config, receive};
use crate::tap::Tap;
use crate::wire::{Answer, Fate, Wire, http_date};
use crate::world::{World, minutes, shifted};

const SUITE: &str = include_str!("conformance/clock-skew-test-cases.json");
const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

/// The outcome of one operation.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Operation {
    /// How far each signature was from the client's clock, in seconds.
    signed: Vec<i64>,
    succeeds: bool,
    /// The correction after the operation, in seconds.
    skew: i64,
}

/// A case in which this crate differs from the suite on purpose.
struct Difference {
    case: &'static str,
    operation: usize,
    /// Applies only to responses without a request id, as all responses of the suite are.
    only_without_id: bool,
    instead: fn(&mut Operation),
    why: &'static str,
}

const DIFFERENCES: [Difference; 6] = [
    Difference {
        case: "Clock skew error with no retry budget still updates ClientSkew",
        operation: 0,
        only_without_id: false,
        instead: |ours| {
            ours.signed.push(300);
            ours.succeeds = true;
        },
        why: "Our second attempt is none of the user's: no call is lost to a clock, with \
              retries configured or not.",
    },
    Difference {
        case: "Delayed response exceeding trust threshold does not update ClientSkew",
        operation: 1,
        only_without_id: false,
        instead: |ours| ours.skew = 0,
        why: "The service accepted the signature, so the clock is accurate enough, and a `Date` \
              alone may be a proxy's.",
    },
    Difference {
        case: "Stale ClientSkew is silently corrected by a successful response without error or \
               retry",
        operation: 0,
        only_without_id: false,
        instead: |ours| ours.skew = 300,
        why: "One wrong `Date` must not end a correct correction; three in a row do, as \
              the next test shows.",
    },
    Difference {
        case: "Possible clock skew error with skew below detection threshold is not retried as \
               clock skew",
        operation: 0,
        only_without_id: false,
        instead: |ours| ours.skew = 0,
        why: "Two minutes make no call fail, and the `Date` of an error with another reason is \
              not worth moving every signature by.",
    },
    Difference {
        case: "Possible clock skew error with skew above detection threshold is retried and \
               succeeds",
        operation: 0,
        only_without_id: true,
        instead: |ours| {
            ours.signed.truncate(1);
            ours.succeeds = false;
            ours.skew = 0;
        },
        why: "An error that does not name the time may be a proxy's; AWS and S3 servers sign \
              theirs with a request id.",
    },
    Difference {
        case: "Cached response with Age header does not update ClientSkew",
        operation: 1,
        only_without_id: false,
        instead: |ours| ours.skew = 0,
        why: "As above: an accepted answer never starts a correction.",
    },
];

#[tokio::test]
async fn the_cases_of_all_sdks_have_the_expected_outcome_except_where_we_differ_on_purpose() {
    let cases = cases();
    assert_eq!(cases.len(), 10);
    for integration in Integration::ALL {
        for has_id in [true, false] {
            for case in &cases {
                let name = text(case, "description");
                let expected = expected(case, has_id);
                let observed = play(case, integration, has_id).await;
                assert_eq!(
                    observed, expected,
                    "{name}; {integration:?}, request id: {has_id}"
                );
            }
        }
    }
}

#[test]
fn each_difference_is_one() {
    for difference in &DIFFERENCES {
        let cases = cases();
        let case = cases
            .iter()
            .find(|case| text(case, "description") == difference.case);
        let case = case.expect("a case of the suite");
        let theirs = published(&list(case, "operations")[difference.operation]);
        let mut ours = theirs.clone();
        (difference.instead)(&mut ours);
        assert_ne!(ours, theirs, "{}: {}", difference.case, difference.why);
    }
}

#[tokio::test]
async fn an_outdated_correction_is_ended_by_three_accepted_answers() {
    for integration in Integration::ALL {
        let cases = cases();
        let case = cases
            .iter()
            .find(|case| text(case, "description") == DIFFERENCES[2].case)
            .expect("a case of the suite");
        let operation = &list(case, "operations")[0];
        let client = Client::new(case, integration);
        let mut skews = Vec::new();
        for _ in 0..3 {
            let mut fates = fates(operation, true);
            // The same response, a few seconds later, has another `Date`.
            for fate in &mut fates {
                let right = http_date(client.world.machine_wall());
                let answer = fate.answer.as_mut().expect("was planned");
                answer.headers.retain(|(name, _)| *name != "date");
                answer.headers.push(("date", right));
            }
            skews.push(client.calls(&fates, &[]).await.skew);
        }
        assert_eq!(skews, [300, 300, 0], "{integration:?}");
    }
}

/// Each case has its own client, as the suite requires.
struct Client {
    world: World,
    wire: Wire,
    tap: Tap,
    clock: SkewClock,
    sqs: aws_sdk_sqs::Client,
}

impl Client {
    fn new(case: &Value, integration: Integration) -> Self {
        let first = &list(case, "operations")[0];
        let world = World {
            machine: ManualClock::new(time(&list(first, "attempts")[0], "clientTimeAtSend")),
        };
        let wire = Wire::new(&world, minutes(15));
        let tap = Tap::new(wire.clone());
        let initial = first["initialClientSkew"].as_i64().expect("a number");
        let clock = SkewClock::builder()
            .local_clock(world.machine.clone())
            .initial_offset(ClockOffset::from_millis(initial * 1_000))
            .build();
        let attempts = first["maxAttempts"].as_u64().unwrap_or(3);
        let attempts = u32::try_from(attempts).expect("a few");
        let config = config(AWS)
            .into_builder()
            .http_client(tap.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(attempts))
            .build();
        Self {
            sqs: integration.sqs(&config, &clock),
            world,
            wire,
            tap,
            clock,
        }
    }

    /// Makes one operation. A request beyond those that are planned is accepted.
    async fn calls(&self, planned: &[Fate], sends: &[SystemTime]) -> Operation {
        let before = self.tap.sent().len();
        self.wire.plan(planned.iter().cloned());
        self.wire.plan([Fate::answered(Answer::new(200, "{}"))]);
        let started = self.world.machine_wall();
        let outcome = receive(&self.sqs, QUEUE).await;
        self.wire.forget_plans();
        let sent = self.tap.sent();
        let signed = sent[before..].iter().enumerate().map(|(index, request)| {
            let date = request.header("x-amz-date").expect("is signed");
            let by = sends.get(index).copied().unwrap_or(if index == 0 {
                started
            } else {
                self.world.machine_wall()
            });
            rounded(by, parse(&extended(date)))
        });
        Operation {
            signed: signed.collect(),
            succeeds: outcome.is_ok(),
            skew: rounded(self.world.machine_wall(), self.clock.now()),
        }
    }
}

/// Runs a case and returns the outcomes.
async fn play(case: &Value, integration: Integration, has_id: bool) -> Vec<Operation> {
    let client = Client::new(case, integration);
    let mut outcomes = Vec::new();
    for operation in list(case, "operations") {
        let attempts = list(operation, "attempts");
        let sends: Vec<_> = attempts
            .iter()
            .map(|attempt| time(attempt, "clientTimeAtSend"))
            .collect();
        let pause = sends[0].duration_since(client.world.machine_wall());
        client.world.advance(pause.expect("time goes on"));
        outcomes.push(client.calls(&fates(operation, has_id), &sends).await);
    }
    outcomes
}

/// The outcomes that the suite expects, with this crate's differences.
fn expected(case: &Value, has_id: bool) -> Vec<Operation> {
    let operations = list(case, "operations");
    let mut expected: Vec<_> = operations.iter().map(published).collect();
    for difference in &DIFFERENCES {
        if difference.case == text(case, "description") && !(has_id && difference.only_without_id) {
            (difference.instead)(&mut expected[difference.operation]);
        }
    }
    expected
}

fn published(operation: &Value) -> Operation {
    let attempts = list(operation, "attempts");
    let signed = attempts.iter().map(|attempt| {
        rounded(
            time(attempt, "clientTimeAtSend"),
            time(attempt, "expectedSigningTime"),
        )
    });
    Operation {
        signed: signed.collect(),
        succeeds: text(operation, "expectedOutcome") == "success",
        skew: operation["expectedClientSkew"].as_i64().expect("a number"),
    }
}

/// The responses to an operation, each after the delay that the suite states.
fn fates(operation: &Value, has_id: bool) -> Vec<Fate> {
    let attempts = list(operation, "attempts").iter();
    let fates = attempts.map(|attempt| {
        let took = time(attempt, "clientTimeAtReceive")
            .duration_since(time(attempt, "clientTimeAtSend"))
            .expect("time goes on");
        let response = &attempt["response"];
        let status = response["statusCode"].as_u64().expect("a number");
        let status = u16::try_from(status).expect("a status");
        let body = match response["errorCode"].as_str() {
            Some(code) => format!(r#"{{"__type":"com.amazonaws.sqs#{code}"}}"#),
            None => "{}".to_owned(),
        };
        let mut answer = Answer::new(status, &body);
        for name in ["Date", "Age"] {
            if let Some(value) = response["headers"][name].as_str() {
                let name = if name == "Date" { "date" } else { "age" };
                answer = answer.with(name, value);
            }
        }
        if has_id {
            answer = answer.with("x-amzn-requestid", "id-1");
        }
        Fate {
            after: took,
            ..Fate::answered(answer)
        }
    });
    fates.collect()
}

/// The distance in seconds, rounded to the next minute if it is within a second of it. The suite
/// takes the middle between sending and the response. This crate takes the low end and half a
/// second, since a server that rejects a request writes its `Date` at once.
fn rounded(from: SystemTime, to: SystemTime) -> i64 {
    let nearest = |distance: Duration| {
        let millis = i64::try_from(distance.as_millis()).expect("is short");
        let minute = (millis + 30_000) / 60_000 * 60;
        if (millis - minute * 1_000).abs() <= 1_000 {
            minute
        } else {
            millis / 1_000
        }
    };
    match to.duration_since(from) {
        Ok(ahead) => nearest(ahead),
        Err(behind) => -nearest(behind.duration()),
    }
}

fn cases() -> Vec<Value> {
    let suite: Value = serde_json::from_str(SUITE).expect("JSON");
    list(&suite, "tests").to_vec()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().expect("a list")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().expect("a text")
}

fn time(value: &Value, name: &str) -> SystemTime {
    parse(text(value, name))
}

fn parse(text: &str) -> SystemTime {
    let time = DateTime::from_str(text, Format::DateTime).expect("a time");
    shifted(SystemTime::UNIX_EPOCH, time.secs())
}

/// `20260101T000502Z` as `2026-01-01T00:05:02Z`.
fn extended(basic: &str) -> String {
    let (date, time) = basic.split_at(9);
    format!(
        "{}-{}-{}T{}:{}:{}",
        &date[..4],
        &date[4..6],
        &date[6..8],
        &time[..2],
        &time[2..4],
        &time[4..]
    )
}
