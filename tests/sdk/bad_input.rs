//! Responses that no service sends, and subscribers that misbehave.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use aws_clock_skew::{LocalClock as _, SkewClock};
use aws_sdk_sqs::config::SharedHttpClient;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::assertions::distance;
use crate::clients::{config, receive, sqs, without_retries};
use crate::log::Log;
use crate::wire::{Wire, http_date};
use crate::world::{DAY, MINUTE, World, minutes};

const URL: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

struct Bad {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Bad {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }
}

/// A wire that sends malformed responses first.
#[derive(Clone)]
struct Hostile {
    answers: Arc<Mutex<VecDeque<Bad>>>,
    wire: Wire,
}

impl fmt::Debug for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hostile")
    }
}

impl HttpConnector for Hostile {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let bad = self.answers.lock().expect("is not poisoned").pop_front();
        let Some(bad) = bad else {
            return HttpConnectorFuture::ready(self.wire.answer(&request));
        };
        let Ok(status) = StatusCode::try_from(bad.status) else {
            let error = ConnectorError::io(std::io::Error::other("cut off").into());
            return HttpConnectorFuture::ready(Err(error));
        };
        let mut response = HttpResponse::new(status, SdkBody::from(bad.body));
        for (name, value) in bad.headers {
            // The SDK accepts only header values that are text.
            let value = String::from_utf8_lossy(&value).into_owned();
            drop(response.headers_mut().try_append(name, value));
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for Hostile {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Bodies and headers that look like a clock skew error and contain no usable time.
fn bad_answers(now: std::time::SystemTime) -> Vec<Bad> {
    let sentence = |rest: &str| {
        format!(r#"{{"__type":"InvalidSignatureException","message":"Signature expired: {rest}"}}"#)
    };
    let far = "x".repeat(5 << 20)
        + &sentence(
            "20270115T080000Z is now earlier than 20270120T074500Z (20270120T080000Z - 15 min.)",
        );
    let many = (0..10_000).fold(Bad::new(403, ""), |bad, count| {
        bad.with(&format!("x-{count}"), "v")
    });
    let dates = (0..10_000).fold(Bad::new(403, "").with("x-amz-request-id", "1"), |bad, _| {
        bad.with("date", http_date(now + minutes(600)))
    });
    let mut answers = vec![
        Bad::new(403, far),
        Bad::new(400, vec![0xff; 1 << 20]),
        Bad::new(
            403,
            b"\xff\xfeSignature expired: \x80\x81 is now earlier than \xc3\x28".to_vec(),
        ),
        Bad::new(403, b"\0".repeat(100_000)),
        Bad::new(400, "{".repeat(100_000)),
        Bad::new(403, "<Error>".repeat(50_000)),
        Bad::new(403, "(((((((((((".repeat(6_000)),
        Bad::new(403, sentence("20270115T080000Z is now earlier than")),
        Bad::new(
            403,
            sentence(
                "99999999T999999Z is now earlier than 99999999T999999Z (99999999T999999Z - 15 min.)",
            ),
        ),
        Bad::new(
            403,
            sentence(
                "00010101T000000Z is now earlier than 00010101T000000Z (00010101T000000Z - 15 min.)",
            ),
        ),
        // The arithmetic is wrong: C − 15 min. is not B.
        Bad::new(
            403,
            sentence(
                "20270115T080000Z is now earlier than 20270115T070000Z (20270120T080000Z - 15 min.)",
            ),
        ),
        Bad::new(
            403,
            sentence(
                "20270115T080000Z is now earlier than 20270115T074500Z (20270115T080000Z - 99999999999999999999 min.)",
            ),
        ),
        Bad::new(400, format!("{{\"__type\":\"{}\"}}", "é".repeat(40_000))),
        Bad::new(403, "").with("x-amzn-errortype", "RequestTimeTooSkewed".repeat(3_000)),
        Bad::new(403, "")
            .with("date", "é".repeat(9_000))
            .with("x-amz-request-id", "1"),
        Bad::new(403, "")
            .with("date", "Thu, 01 Jan 1970 00:00:00 GMT")
            .with("x-amz-request-id", "1"),
        Bad::new(403, "")
            .with("date", "Fri, 31 Dec 9999 23:59:59 GMT")
            .with("x-amz-request-id", "1"),
        Bad::new(403, "")
            .with("date", http_date(now + minutes(600)))
            .with("age", "-1")
            .with("x-amz-request-id", "1"),
        Bad::new(403, "").with("date", http_date(now + minutes(600))),
        Bad::new(200, "{}").with("date", http_date(now + minutes(600))),
        Bad::new(
            200,
            sentence(
                "20270115T080000Z is now earlier than 20270120T074500Z (20270120T080000Z - 15 min.)",
            ),
        ),
        Bad::new(304, "").with("date", http_date(now - minutes(600))),
        Bad::new(503, sentence("x")).with("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        Bad::new(100, ""),
        Bad::new(599, ""),
        // No response.
        Bad::new(0, ""),
        many,
        dates,
    ];
    for header in [
        "x-amzn-requestid",
        "x-amz-request-id",
        "content-type",
        "location",
    ] {
        answers.push(Bad::new(403, "").with(header, "\u{202e}\u{7f}é".repeat(3_000)));
    }
    answers
}

#[tokio::test]
async fn bad_answers_fail_no_other_call_and_change_nothing() {
    for skew in [0, -2 * DAY] {
        let log = Log::start();
        let world = World::with_skew(skew);
        let wire = Wire::new(&world, minutes(5));
        let hostile = Hostile {
            answers: Arc::default(),
            wire: wire.clone(),
        };
        let clock = world.skew_clock();
        let http = SharedHttpClient::new(hostile.clone());
        let config = config(URL).into_builder().http_client(http).build();
        let sqs = sqs(&without_retries(config), &clock);
        // The local clock is wrong and the correction is there before the first of them.
        assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
        let samples = usize::from(skew != 0);
        assert_eq!(wire.seen().len(), 1 + samples);
        let answers = bad_answers(world.true_time());
        let count = answers.len();
        for (number, answer) in answers.into_iter().enumerate() {
            let bad = hostile.answers.lock();
            bad.expect("is not poisoned").push_back(answer);
            // This call may end in any way.
            drop(receive(&sqs, QUEUE).await);
            hostile.answers.lock().expect("is not poisoned").clear();
            let error = distance(clock.now(), world.true_time());
            assert!(error.as_secs() <= 1, "{error:?} after answer {number}");
            assert_eq!(receive(&sqs, QUEUE).await, Ok(()), "after answer {number}");
            world.advance(minutes(1));
        }
        assert_eq!(count, 32);
        // Error responses that reject a corrected signature and state no time. The clock tries the
        // local time for this host, and the host rejects it.
        let rejected = wire.rejected();
        assert_eq!(rejected, 6 * samples);
        let names = log.names();
        assert_eq!(
            names.iter().filter(|name| *name == "skew_detected").count(),
            samples,
            "{names:?}"
        );
        assert!(
            !names.contains(&"correction_cleared".to_owned()),
            "{names:?}"
        );
        assert_eq!(clock.status().is_correcting(), skew != 0);
    }
}

/// Handles every event in a way that no subscriber should.
struct Misbehaving {
    clock: SkewClock,
    panics: bool,
}

impl Misbehaving {
    fn misbehave(&self) {
        // Would deadlock if the crate emitted an event while it holds a lock.
        assert!(self.clock.now() > std::time::UNIX_EPOCH);
        drop(self.clock.status());
        drop(self.clock.subscribe().status());
        assert!(!self.panics, "as it does");
    }
}

impl Subscriber for Misbehaving {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("aws_clock_skew")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.misbehave();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_subscriber_that_panics_or_asks_the_clock_fails_no_call() {
    for panics in [true, false] {
        let world = World::with_skew(-20 * MINUTE);
        let clock = world.skew_clock();
        let _guard = tracing::subscriber::set_default(Misbehaving {
            clock: clock.clone(),
            panics,
        });
        let wire = Wire::new(&world, minutes(5));
        let config = config(URL).into_builder().http_client(wire.clone()).build();
        let sqs = sqs(&without_retries(config), &clock);
        let mut changes = clock.subscribe();
        for _ in 0..3 {
            assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
        }
        changes.changed().await;
        assert!(clock.status().is_correcting());
        world.set_skew(0);
        for _ in 0..3 {
            assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
        }
        changes.changed().await;
        assert_eq!(clock.now(), world.machine.wall());
        assert_eq!(clock.status().event_count(), 2);
        assert_eq!(wire.seen().iter().filter(|seen| !**seen).count(), 1);
    }
}
