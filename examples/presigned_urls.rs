//! Presigned URLs on a machine whose clock is two hours behind.
//!
//! A URL contains the time at which it was made and how long it is valid, and it is not
//! signed again when it is used: it has to be correct from the start. `expires_in` alone
//! takes the local time, so set `start_time(skew.now())`.
//!
//! ```text
//! cargo run --example presigned_urls
//! ```

use std::collections::HashMap;
use std::error::Error;
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = server().await?;
    // In a program of your own: `SkewClock::new()`.
    let machine = ManualClock::new(true_time() - Duration::from_hours(2));
    let skew = SkewClock::builder().local_clock(machine.clone()).build();
    let config = skew.configure(
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("AKID", "secret", None, None, "example"))
            .endpoint_url(&server),
    );
    let config = config.load().await;
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
    let s3 = aws_sdk_s3::Client::from_conf(s3.build());

    let wrong = url(&s3, aws_clock_skew::LocalClock::wall(&machine)).await?;
    let refused = reqwest::get(wrong).await?;
    let by_the_machine = refused.status().as_u16();
    // The one who was refused can say why.
    let refused = http::Response::<reqwest::Body>::from(refused);
    let (parts, body) = refused.into_parts();
    let body = http_body_util::BodyExt::collect(body).await?.to_bytes();
    let diagnosis = skew.diagnose_response(&(&http::Response::from_parts(parts, body)).into());
    println!("{diagnosis}. {}\n", diagnosis.advice());

    // Any rejected call teaches the clock. Who only makes URLs makes no call, and asks.
    let status = skew.synchronize(&config).await?;
    println!("this machine's clock is {}", status.offset());
    let right = url(&s3, skew.now()).await?;
    let by_the_clock = reqwest::get(right).await?.status().as_u16();
    println!("by the machine's clock {by_the_machine}, by skew.now() {by_the_clock}");
    Ok(())
}

async fn url(s3: &aws_sdk_s3::Client, now: SystemTime) -> Result<String, Box<dyn Error>> {
    let life = PresigningConfig::builder()
        .start_time(now)
        .expires_in(LIFE)
        .build()?;
    let request = s3.get_object().bucket("photos").key("cat.jpg");
    Ok(request.presigned(life).await?.uri().to_owned())
}

/// Looks at the times of a presigned URL as S3 does; tells its own with every answer.
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

/// It stands still, so that the example says the same at every run.
fn true_time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}
