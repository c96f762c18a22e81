//! A service that calls SQS and shows the state of its clock: `/healthz`, `/metrics`, and logs in JSON.
//! In this example the local clock is two days behind.
//!
//! ```text
//! cargo run --example axum_service
//! cargo run --example axum_service -- --help
//! ```
//!
//! `alerts.yml` and `dashboard.json` in this folder use its metrics.

#[path = "../shared/command_line.rs"]
pub(crate) mod command_line;
pub(crate) mod service;
pub(crate) mod telemetry;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use aws_clock_skew::{LocalClock, SkewClock, SystemClock};
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::config::Credentials;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use service::Service;
use telemetry::Telemetry;

const ORDERS: u32 = 10;
const HELP: &str = "\
A service that calls SQS, on a machine whose clock is two days behind.

Usage: axum_service [--serve[=ADDRESS]]

It sends ten orders to itself, shows /healthz and /metrics, and ends. SQS is an
endpoint on loopback. The last line counts the orders, the requests that the
endpoint rejected, and the failed orders. RUST_LOG filters the log.

  --serve=ADDRESS  Serves /healthz, /metrics and POST /orders until Ctrl-C, on
                   127.0.0.1:8080 if no address is given.

Exit codes: 0 if no order failed; 1 if one failed; 2 if an argument cannot be
understood or the address cannot be used.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = command_line::arguments(HELP);
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let (telemetry, subscriber) = Telemetry::new(filter, std::io::stdout)?;
    tracing::subscriber::set_global_default(subscriber)?;

    // The endpoint stands for SQS. It has the true time and verifies signatures.
    let endpoint = Endpoint::builder(true_time).start().await?;
    endpoint.feed("orders", "the first order");
    // In your program: `SkewClock::new()`.
    let clock = SkewClock::builder().local_clock(TwoDaysBehind).build();
    let service = service(clock, &endpoint, SECRET_ACCESS_KEY, telemetry).await;

    if let Some(argument) = arguments.first() {
        let (_, address) = argument.split_once('=').unwrap_or(("", "127.0.0.1:8080"));
        let listener = TcpListener::bind(address).await.unwrap_or_else(|error| {
            command_line::fail(format!(
                "cannot listen on `{address}`: {error}; try --serve=127.0.0.1:0"
            ))
        });
        println!(
            "http://{}/healthz, /metrics; POST /orders",
            listener.local_addr()?
        );
        axum::serve(listener, service.router())
            .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
            .await?;
        return Ok(ExitCode::SUCCESS);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, service.router()).into_future());

    let client = reqwest::Client::new();
    let mut failed = 0;
    for number in 1..=ORDERS {
        let order = client.post(format!("{url}/orders"));
        let answer = order.body(format!("order {number}")).send().await?;
        failed += u32::from(!answer.status().is_success());
    }
    for page in ["healthz", "metrics"] {
        let answer = client.get(format!("{url}/{page}")).send().await?;
        println!("\nGET /{page}\n{}", answer.text().await?);
    }
    let rejected = endpoint.counts().rejected;
    println!("orders {ORDERS}, rejected by the server {rejected}, failed {failed}");
    Ok(ExitCode::from(u8::from(failed > 0)))
}

pub(crate) async fn service(
    clock: SkewClock,
    endpoint: &Endpoint,
    secret: &str,
    telemetry: Telemetry,
) -> Service {
    let credentials = Credentials::new(ACCESS_KEY_ID, secret, None, None, "example");
    // The clock corrects every client of this config, and those of its credential providers.
    let config = clock.configure(
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(credentials)
            .endpoint_url(endpoint.url()),
    );
    Service {
        sqs: aws_sdk_sqs::Client::new(&config.load().await),
        queue_url: endpoint.queue_url("orders"),
        clock,
        telemetry,
    }
}

fn true_time() -> SystemTime {
    SystemClock::new().wall()
}

/// The clock of a virtual machine that was restored from a snapshot.
#[derive(Debug)]
struct TwoDaysBehind;

impl LocalClock for TwoDaysBehind {
    fn wall(&self) -> SystemTime {
        true_time() - Duration::from_hours(48)
    }

    fn monotonic(&self) -> Duration {
        SystemClock::new().monotonic()
    }
}
