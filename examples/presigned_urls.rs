//! Presigned URLs on a machine whose clock is two hours behind.
//!
//! A presigned URL contains the time of its signature and its validity. Nothing re-signs it later, so
//! its time has to be correct. `expires_in` alone uses the local time: set `start_time(clock.now())` as
//! well.
//!
//! ```text
//! cargo run --example presigned_urls
//! ```

#[path = "shared/command_line.rs"]
mod command_line;

use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::{ManualClock, SkewClock};
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::presigning::PresigningConfig;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header::DATE};
use axum::routing::get;
use tokio::net::TcpListener;

const LIFE: Duration = Duration::from_mins(15);
const HELP: &str = "\
Makes presigned URLs on a machine whose clock is two hours behind, and gets them.

Usage: presigned_urls

The first URL has the local time, and a server on loopback rejects it. The second
has the corrected time. The last line has the status of both.

Exit codes: 0 if the server accepts the second URL; 1 if it rejects it; 2 if an
argument cannot be understood.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    command_line::arguments(HELP);
    let server = server().await?;
    // In your program: `SkewClock::new()`.
    let machine = ManualClock::new(true_time() - Duration::from_hours(2));
    let clock = SkewClock::builder().local_clock(machine.clone()).build();
    let config = clock.configure(
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("AKID", "secret", None, None, "example"))
            .endpoint_url(&server),
    );
    let config = config.load().await;
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
    let s3 = aws_sdk_s3::Client::from_conf(s3.build());

    println!("A URL with the local time:");
    let wrong = url(&s3, aws_clock_skew::LocalClock::wall(&machine)).await?;
    let rejected = reqwest::get(wrong).await?;
    let by_local_clock = rejected.status().as_u16();
    let rejected = http::Response::<reqwest::Body>::from(rejected);
    let (parts, body) = rejected.into_parts();
    let body = http_body_util::BodyExt::collect(body).await?.to_bytes();
    let diagnosis = clock.diagnose_response(&(&http::Response::from_parts(parts, body)).into());
    println!("{by_local_clock}: {diagnosis}. {}\n", diagnosis.advice());

    // Any clock skew error updates the clock. A program that only presigns URLs makes no calls, so it
    // asks for the time.
    let status = clock.synchronize(&config).await?;
    println!("synchronize: the local clock is {}.\n", status.offset());
    println!("A URL with the corrected time:");
    let correct = url(&s3, clock.now()).await?;
    let by_corrected = reqwest::get(correct).await?.status().as_u16();
    println!("by the local clock {by_local_clock}, by clock.now() {by_corrected}");
    Ok(ExitCode::from(u8::from(by_corrected != 200)))
}

async fn url(s3: &aws_sdk_s3::Client, now: SystemTime) -> Result<String, Box<dyn Error>> {
    let life = PresigningConfig::builder()
        .start_time(now)
        .expires_in(LIFE)
        .build()?;
    let request = s3.get_object().bucket("photos").key("cat.jpg");
    Ok(request.presigned(life).await?.uri().to_owned())
}

/// A server that checks the time of a presigned URL as S3 does. Each response has a `Date`.
async fn server() -> std::io::Result<String> {
    let router = Router::new()
        .route("/", get(|| async { dated(StatusCode::OK, "") }))
        .route("/photos/cat.jpg", get(cat).with_state(true_time()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok(url)
}

type Answer = (StatusCode, HeaderMap, &'static str);

async fn cat(
    State(now): State<SystemTime>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let text = |name: &str| query.get(name).map_or("", String::as_str);
    let signed = aws_sdk_s3::primitives::DateTime::from_str(
        &extended(text("X-Amz-Date")),
        aws_sdk_s3::primitives::DateTimeFormat::DateTime,
    );
    let life = text("X-Amz-Expires").parse().map(Duration::from_secs);
    let ends = signed
        .ok()
        .and_then(|signed| SystemTime::try_from(signed).ok());
    let ends = ends.zip(life.ok()).map(|(signed, life)| signed + life);
    if ends.is_some_and(|ends| now <= ends) {
        return dated(StatusCode::OK, "a cat");
    }
    dated(
        StatusCode::FORBIDDEN,
        "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
    )
}

fn dated(status: StatusCode, body: &'static str) -> Answer {
    let date = HeaderValue::from_str(&httpdate::fmt_http_date(true_time()));
    let headers = date.into_iter().map(|date| (DATE, date)).collect();
    (status, headers, body)
}

/// `20270115T080000Z` as `2027-01-15T08:00:00Z`.
fn extended(basic: &str) -> String {
    let part = |from, to| basic.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(9, 11),
        part(11, 13),
        part(13, 15)
    )
}

/// A constant, so that each run has the same output.
fn true_time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}
