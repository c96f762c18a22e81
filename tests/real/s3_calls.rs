//! Calls of `aws-sdk-s3` in a process of its own, which `matrix.rs` runs on a wrong clock.
//!
//! ```text
//! s3_calls INTEGRATION CASE [FILE]
//! ```
//!
//! The endpoint and the credentials come from the environment. The last line says how many
//! calls were made and how many failed.

#![expect(clippy::expect_used, reason = "a program of tests")]

use std::env;
use std::error::Error;
use std::fmt::Debug;
use std::path::Path;

use aws_clock_skew::tower::LayeredHttpClient;
use aws_clock_skew::{SkewClock, install, sdk::default_http_client};
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use futures_util::future::join_all;

const BUCKET: &str = "bucket";
/// A key, and what is stored under it from the start.
const KEPT: &str = "kept";

#[tokio::main]
async fn main() {
    let mut arguments = env::args().skip(1);
    let integration = arguments.next().expect("an integration");
    let case = arguments.next().expect("a case");
    let client = client(&integration).await;
    let mut calls = Calls::default();
    match case.as_str() {
        "bucket" => {
            let create = client.create_bucket().bucket(BUCKET);
            // It may be there; then the call below shows it.
            drop(create.send().await);
            let put = client.put_object().bucket(BUCKET).key(KEPT);
            calls.count(
                "put",
                put.body(KEPT.as_bytes().to_vec().into()).send().await,
            );
        }
        "sequence" => sequence(&client, &mut calls, 5).await,
        "repair" => {
            sequence(&client, &mut calls, 2).await;
            set_clock("+0");
            sequence(&client, &mut calls, 3).await;
        }
        "in flight" => {
            let puts = (0..50).map(|number| {
                let put = client.put_object().bucket(BUCKET);
                put.key(format!("{number}"))
                    .body(vec![7; 100].into())
                    .send()
            });
            for outcome in join_all(puts).await {
                calls.count("put", outcome);
            }
        }
        "head" => {
            let head = client.head_bucket().bucket(BUCKET);
            calls.count("head", head.send().await);
            sequence(&client, &mut calls, 5).await;
        }
        "file" => {
            let file = arguments.next().expect("a place for a file");
            upload(&client, &mut calls, Path::new(&file)).await;
            sequence(&client, &mut calls, 5).await;
        }
        other => panic!("no case: {other}"),
    }
    println!("calls {}, failed {}", calls.made, calls.failed);
}

async fn client(integration: &str) -> Client {
    let clock = SkewClock::new();
    let loader = aws_config::defaults(BehaviorVersion::latest());
    let builder = |config: &SdkConfig| {
        Builder::from(config)
            .force_path_style(true)
            // Servers that are older than these checksums reject them.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
    };
    let builder = match integration {
        "sdk" => builder(&loader.load().await),
        "install" => {
            let builder = builder(&loader.load().await);
            install!(builder, &clock)
        }
        "configure" => builder(&clock.configure(loader).load().await),
        "both" => {
            let builder = builder(&clock.configure(loader).load().await);
            install!(builder, &clock)
        }
        "tower" => {
            let inner = default_http_client().expect("the SDK's HTTPS client is built in");
            let layer = clock.layer(EnvironmentVariableCredentialsProvider::new());
            let client = LayeredHttpClient::new(inner, layer);
            builder(&loader.http_client(client).load().await)
        }
        other => panic!("no integration: {other}"),
    };
    Client::from_conf(builder.build())
}

#[derive(Default)]
struct Calls {
    made: usize,
    failed: usize,
}

impl Calls {
    fn count<T, E, R>(&mut self, name: &str, outcome: Result<T, SdkError<E, R>>) -> Option<T>
    where
        E: Error + 'static,
        R: Debug,
    {
        self.made += 1;
        outcome
            .inspect_err(|error| {
                self.failed += 1;
                println!("{name}: {}", DisplayErrorContext(error));
            })
            .ok()
    }
}

/// Four calls a round, none of which needs another to have succeeded.
async fn sequence(client: &Client, calls: &mut Calls, rounds: usize) {
    for round in 0..rounds {
        let key = format!("round {round}");
        let put = client.put_object().bucket(BUCKET).key(&key);
        calls.count("put", put.body(vec![7; 1_000].into()).send().await);
        let list = client.list_objects_v2().bucket(BUCKET);
        calls.count("list", list.send().await);
        let get = client.get_object().bucket(BUCKET).key(KEPT).send().await;
        if let Some(got) = calls.count("get", get) {
            assert_same(got.body, KEPT.as_bytes()).await;
        }
        let delete = client.delete_object().bucket(BUCKET).key(&key);
        calls.count("delete", delete.send().await);
    }
}

async fn upload(client: &Client, calls: &mut Calls, file: &Path) {
    let content = vec![7; 3 << 20];
    std::fs::write(file, &content).expect("a folder that can be written");
    let body = ByteStream::from_path(file).await.expect("is there");
    let put = client.put_object().bucket(BUCKET).key("file").body(body);
    if calls.count("upload", put.send().await).is_some() {
        let get = client.get_object().bucket(BUCKET).key("file").send().await;
        if let Some(got) = calls.count("get", get) {
            assert_same(got.body, &content).await;
        }
    }
    std::fs::remove_file(file).expect("was written");
}

async fn assert_same(body: ByteStream, expected: &[u8]) {
    let got = body.collect().await.expect("the connection holds");
    assert!(got.into_bytes() == expected, "another content");
}

/// Sets the clock that libfaketime shows this process.
fn set_clock(offset: &str) {
    let file = env::var("FAKETIME_TIMESTAMP_FILE").expect("a clock that can be set");
    std::fs::write(file, offset).expect("a file");
}
