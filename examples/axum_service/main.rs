//! A service that calls SQS and shows its clock: `/healthz`, `/metrics`, and logs in
//! JSON. It runs on a machine whose clock pretends to be two days behind.
//!
//! ```text
//! cargo run --example axum_service              # takes ten orders, shows what it tells, ends
//! cargo run --example axum_service -- --serve   # on 127.0.0.1:8080, until Ctrl-C
//! ```
//!
//! `alerts.yml` and `dashboard.json` beside this file go with its metrics.

pub(crate) mod service;
pub(crate) mod telemetry;

use std::error::Error;
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let (telemetry, subscriber) = Telemetry::new(filter, std::io::stdout)?;
    tracing::subscriber::set_global_default(subscriber)?;

    // In place of SQS: an endpoint that verifies signatures, on the true time.
    let endpoint = Endpoint::builder(true_time).start().await?;
    endpoint.feed("orders", "the first order");
    // On a machine that need not pretend: `SkewClock::new()`.
    let skew = SkewClock::builder().local_clock(TwoDaysBehind).build();
    let service = service(skew, &endpoint, SECRET_ACCESS_KEY, telemetry).await;

    if std::env::args().any(|argument| argument == "--serve") {
        let listener = TcpListener::bind("127.0.0.1:8080").await?;
        println!(
            "http://{}/healthz, /metrics; POST /orders",
            listener.local_addr()?
        );
        return Ok(axum::serve(listener, service.router())
            .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
            .await?);
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
    Ok(())
}

pub(crate) async fn service(
    skew: SkewClock,
    endpoint: &Endpoint,
    secret: &str,
    telemetry: Telemetry,
) -> Service {
    let credentials = Credentials::new(ACCESS_KEY_ID, secret, None, None, "example");
    // Every client of this config is right, those of its credential providers too.
    let config = skew.configure(
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(credentials)
            .endpoint_url(endpoint.url()),
    );
    Service {
        sqs: aws_sdk_sqs::Client::new(&config.load().await),
        queue_url: endpoint.queue_url("orders"),
        skew,
        telemetry,
    }
}

fn true_time() -> SystemTime {
    SystemClock::new().wall()
}

/// What a virtual machine that was restored from a snapshot may show.
#[derive(Debug)]
struct TwoDaysBehind;

impl LocalClock for TwoDaysBehind {
    fn wall(&self) -> SystemTime {
        true_time() - Duration::from_hours(48)
    }

    fn boot(&self) -> Duration {
        SystemClock::new().boot()
    }
}
