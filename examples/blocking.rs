//! Calls SQS from a blocking program, with `ureq` and without an SDK, Tower or async, on
//! a machine whose clock is two hours behind.
//!
//! The clock returns the time to sign with, and whether to sign and send once more. The
//! program itself signs and sends, so it can use any signer and any HTTP client. The
//! service is an endpoint on loopback that verifies every signature.
//!
//! ```text
//! cargo run --example blocking --no-default-features
//! ```

#[path = "shared/command_line.rs"]
mod command_line;

use std::error::Error;
use std::process::ExitCode;
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
const HELP: &str = "\
Calls SQS from a program without async, on a machine whose clock is two hours behind.

Usage: blocking

The service is an endpoint on loopback that verifies signatures. The last line
counts the calls, the requests that it rejected, and the failed calls.

Exit codes: 0 if no call failed; 1 if one failed; 2 if an argument cannot be
understood.";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    command_line::arguments(HELP);
    // Only the endpoint needs a runtime.
    let runtime = tokio::runtime::Runtime::new()?;
    let endpoint = runtime.block_on(Endpoint::builder(true_time).start())?;
    endpoint.feed("orders", "the first order");

    // In your program: `SkewClock::new()`.
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
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Returns a client that returns error responses with their bodies, since these state the time.
pub(crate) fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false);
    config.build().into()
}

/// Sends a message, and returns the status of the last response.
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

/// A constant, so that each run has the same output.
fn true_time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}
