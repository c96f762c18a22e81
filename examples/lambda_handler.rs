//! Simulates a sandbox of AWS Lambda, which is frozen between invocations.
//!
//! A freeze affects signatures in two ways. The local clock may show the time from before the
//! freeze, until NTP repairs it. And a request that was signed before the freeze and sent after it
//! expires in transit, although the clock is correct. Each costs one rejected request, and no call.
//!
//! ```text
//! cargo run --example lambda_handler
//! ```

#[path = "shared/command_line.rs"]
mod command_line;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::{LocalClock, ManualClock, SkewClock};
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::config::Credentials;

const HELP: &str = "\
Simulates a function that is frozen between invocations, like one of AWS Lambda.

Usage: lambda_handler

Five invocations call SQS, which is an endpoint on loopback. In between, the
sandbox is frozen for 3 h, and a request for 20 min. The last line counts the
invocations, the requests that the endpoint rejected, and the failed calls.

Exit codes: 0 if no call failed; 1 if one failed; 2 if an argument cannot be
understood.";

/// The state that lives as long as the sandbox. It is created once, outside the handler.
struct Function {
    sqs: aws_sdk_sqs::Client,
    queue_url: String,
}

impl Function {
    /// The initialization, with one clock for all clients.
    async fn new(clock: &SkewClock, endpoint: &Endpoint) -> Self {
        let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "example");
        let config = clock.configure(
            aws_config::defaults(BehaviorVersion::latest())
                .region(Region::from_static("us-east-1"))
                .credentials_provider(credentials)
                .endpoint_url(endpoint.url()),
        );
        Self {
            sqs: aws_sdk_sqs::Client::new(&config.load().await),
            queue_url: endpoint.queue_url("orders"),
        }
    }

    /// The handler.
    async fn handle(&self, event: &str) -> Result<(), impl Error + use<>> {
        let message = self.sqs.send_message().queue_url(&self.queue_url);
        message.message_body(event).send().await.map(drop)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    command_line::arguments(HELP);
    let sandbox = Sandbox::new();
    let endpoint = sandbox.endpoint().await?;
    // On Lambda: `SkewClock::new()`.
    let clock = SkewClock::builder()
        .local_clock(sandbox.machine.clone())
        .build();
    let function = Function::new(&clock, &endpoint).await;

    let mut failed = 0;
    for (number, situation) in SITUATIONS.iter().enumerate() {
        match number {
            1 => sandbox.thaw_with_the_old_time(),
            2 => sandbox.repair_by_ntp(),
            3 => sandbox
                .freezes_the_next_request
                .store(true, Ordering::Relaxed),
            _ => {}
        }
        let before = endpoint.counts().rejected;
        let outcome = function.handle(&format!("event {number}")).await;
        failed += u32::from(outcome.is_err());
        println!(
            "invocation {number}, {situation}: {}, {} rejected",
            if outcome.is_ok() { "done" } else { "failed" },
            endpoint.counts().rejected - before
        );
    }
    for (kind, count) in clock
        .status()
        .event_counts()
        .filter(|(_, count)| *count > 0)
    {
        println!("event {kind}: {count}");
    }
    let rejected = endpoint.counts().rejected;
    println!(
        "invocations {}, rejected by the server {rejected}, failed {failed}",
        SITUATIONS.len()
    );
    Ok(ExitCode::from(u8::from(failed > 0)))
}

const SITUATIONS: [&str; 5] = [
    "the first",
    "after a freeze of 3 h, with the time from before it",
    "after NTP has repaired the clock",
    "frozen for 20 min between signing and sending",
    "the last",
];

/// Simulates the platform.
struct Sandbox {
    machine: ManualClock,
    freezes_the_next_request: Arc<AtomicBool>,
}

impl Sandbox {
    fn new() -> Self {
        let machine = ManualClock::new(UNIX_EPOCH);
        machine.set_wall(true_time(&machine));
        Self {
            machine,
            freezes_the_next_request: Arc::default(),
        }
    }

    async fn endpoint(&self) -> std::io::Result<Endpoint> {
        let (servers, machine) = (self.machine.clone(), self.machine.clone());
        let freezes = self.freezes_the_next_request.clone();
        let endpoint = Endpoint::builder(move || true_time(&servers)).before_verify(move |_| {
            if freezes.swap(false, Ordering::Relaxed) {
                machine.advance(Duration::from_mins(20));
            }
        });
        let endpoint = endpoint.start().await?;
        endpoint.feed("orders", "the first event");
        Ok(endpoint)
    }

    fn thaw_with_the_old_time(&self) {
        self.machine.advance_monotonic(Duration::from_hours(3));
    }

    fn repair_by_ntp(&self) {
        self.machine.set_wall(true_time(&self.machine));
    }
}

/// The monotonic clock is correct, whatever the wall clock shows.
fn true_time(machine: &ManualClock) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000) + machine.monotonic()
}
