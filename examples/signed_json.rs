//! Calls a service without an SDK, with `reqwest`, on a machine whose clock is two days behind.
//!
//! OpenSearch and API Gateway are called in this way: JSON over HTTP, signed with SigV4. The layer signs
//! with the corrected time. The service is an endpoint on loopback that verifies every signature.
//!
//! ```text
//! cargo run --example signed_json
//! ```

#[path = "shared/command_line.rs"]
mod command_line;

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::{ManualClock, SkewClock};
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
use aws_credential_types::Credentials;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

const TWO_DAYS: Duration = Duration::from_hours(48);
const CALLS: u32 = 10;
const HELP: &str = "\
Signs JSON requests with a Tower layer, on a machine whose clock is two days behind.

Usage: signed_json

The service is an endpoint on loopback that verifies signatures. The last line
counts the calls, the requests that it rejected, and the failed calls.

Exit codes: 0 if no call failed; 1 if one failed; 2 if an argument cannot be
understood.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, BoxError> {
    command_line::arguments(HELP);
    let endpoint = Endpoint::builder(true_time).start().await?;
    endpoint.feed("orders", "the first order");

    // In your program: `SkewClock::new()`.
    let clock = SkewClock::builder()
        .local_clock(ManualClock::new(true_time() - TWO_DAYS))
        .build();
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "example");
    let client = reqwest::Client::new();
    let mut service = ServiceBuilder::new()
        .layer(clock.signing_layer(credentials, "us-east-1", "sqs"))
        .service_fn(move |request: http::Request<String>| {
            let client = client.clone();
            async move {
                let response = client.execute(request.try_into()?).await?;
                Ok::<_, reqwest::Error>(http::Response::<reqwest::Body>::from(response))
            }
        });

    let mut failed = 0;
    for number in 1..=CALLS {
        let order = json!({
            "QueueUrl": endpoint.queue_url("orders"),
            "MessageBody": format!("order {number}"),
        });
        let request = http::Request::post(endpoint.url())
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "AmazonSQS.SendMessage")
            .body(order.to_string())?;
        let response = service.ready().await?.call(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        let answer: Value = serde_json::from_slice(&answer)?;
        println!("order {number}: {status}, message {}", answer["MessageId"]);
        failed += u32::from(!status.is_success());
    }
    println!("the local clock is {}", clock.status().offset());
    let rejected = endpoint.counts().rejected;
    println!("calls {CALLS}, rejected by the server {rejected}, failed {failed}");
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// A constant, so that each run has the same output.
fn true_time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}
