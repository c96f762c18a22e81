//! Calls SQS from a blocking program, with `ureq` and without an SDK, Tower or async, on
//! a machine whose clock is two hours behind.
//!
//! The clock says which time to sign with, and whether to sign and send once more. The
//! program signs and sends by itself, so any signer and any HTTP client will do. The
//! service is an endpoint on loopback that verifies every signature.
//!
//! ```text
//! cargo run --example blocking --no-default-features
//! ```

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::evidence::ResponseView;
use aws_clock_skew::{ManualClock, NextStep, SkewClock};
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::Request;
use ureq::Agent;

const TWO_HOURS: Duration = Duration::from_hours(2);
const CALLS: u32 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    // Only the endpoint needs it.
    let runtime = tokio::runtime::Runtime::new()?;
    let endpoint = runtime.block_on(Endpoint::builder(true_time).start())?;
    endpoint.feed("orders", "the first order");

    // In a program of your own: `SkewClock::new()`.
    let clock = SkewClock::builder()
        .local_clock(ManualClock::new(true_time() - TWO_HOURS))
        .build();
    let agent = agent();
    let mut failed = 0;
    for number in 1..=CALLS {
        let status = send(&agent, &clock, &endpoint, &format!("order {number}"))?;
        println!("order {number}: {status}");
        failed += u32::from(status != 200);
    }
    println!("the local clock is {}", clock.status().offset());
    let rejected = endpoint.counts().rejected;
    println!("calls {CALLS}, rejected by the server {rejected}, failed {failed}");
    Ok(())
}

/// A client that returns error responses as responses: their bodies say what time it is.
pub(crate) fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false);
    config.build().into()
}

/// Sends a message, and returns the status of the result.
pub(crate) fn send(
    agent: &Agent,
    clock: &SkewClock,
    endpoint: &Endpoint,
    message: &str,
) -> Result<u16, Box<dyn Error>> {
    let queue = endpoint.queue_url("orders");
    let request = Request::post(endpoint.url())
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "AmazonSQS.SendMessage")
        .body(format!(
            r#"{{"QueueUrl":"{queue}","MessageBody":"{message}"}}"#
        ))?;

    let mut attempt = clock.attempt(&endpoint.url()).with_service("sqs");
    loop {
        let signed = signed(request.clone(), attempt.signing_time())?;
        let mut response = agent.run(signed)?;
        let body = response.body_mut().read_to_vec()?;
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let status = response.status().as_u16();
        let view = ResponseView::new(status, &body).with_headers(headers);
        match attempt.observe(&view) {
            NextStep::Finish => return Ok(status),
            NextStep::SignAgain => {}
        }
    }
}

/// Signs with `aws-sigv4`.
fn signed(
    mut request: Request<String>,
    time: SystemTime,
) -> Result<Request<String>, Box<dyn Error>> {
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "example");
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("sqs")
        .time(time)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let headers = request.headers().iter();
    let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.uri().to_string(),
        headers,
        SignableBody::Bytes(request.body().as_bytes()),
    )?;
    let (instructions, _) = sign(signable, &params)?.into_parts();
    instructions.apply_to_request_http1x(&mut request);
    Ok(request)
}

/// It stands still, so that the example says the same at every run.
fn true_time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}
