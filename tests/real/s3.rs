//! The SDK's S3 client, on a clock that is hours wrong, against servers that look
//! at the time of signatures.

use std::time::{Duration, SystemTime};

use aws_clock_skew::{ClockOffset, LocalClock, SkewClock, SystemClock};
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use crate::relay::Relay;
use crate::servers::{Make, Server};

const BUCKET: &str = "bucket";

/// This machine with its wall clock off by so many seconds.
#[derive(Debug)]
struct Off(i64);

impl LocalClock for Off {
    fn wall(&self) -> SystemTime {
        let by = Duration::from_secs(self.0.unsigned_abs());
        let wall = SystemClock::new().wall();
        if self.0 < 0 { wall - by } else { wall + by }
    }

    fn monotonic(&self) -> Duration {
        SystemClock::new().monotonic()
    }
}

#[derive(Clone, Copy, Debug)]
enum Integration {
    Interceptor,
    HttpClient,
}

fn config(relay: &Relay, (key, secret): (&str, &str)) -> SdkConfig {
    let keys = Credentials::new(key, secret, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&relay.url)
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .retry_config(RetryConfig::disabled())
        .build()
}

fn client(relay: &Relay, make: Make, clock: &SkewClock, integration: Integration) -> Client {
    let config = config(relay, make.keys());
    let builder = match integration {
        Integration::Interceptor => {
            aws_clock_skew::install!(aws_sdk_s3::config::Builder::from(&config), &clock)
        }
        Integration::HttpClient => {
            let inner = config.http_client().expect("was given");
            aws_sdk_s3::config::Builder::from(&config)
                .http_client(clock.wrap_http_client(inner))
                .identity_cache(clock.identity_cache())
        }
    };
    Client::from_conf(
        builder
            .force_path_style(true)
            .time_source(clock.local_time())
            .build(),
    )
}

/// A key, and what is kept under it.
fn objects() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("plain", b"hello".to_vec()),
        ("empty", Vec::new()),
        ("with space/and + & = ?", vec![0, 255, 10, 13]),
        ("äöü/日本語", "ÿ".repeat(1_000).into_bytes()),
        ("dots../are./kept.", vec![b'.'; 10]),
        ("percent%20%2F", vec![b'%'; 3]),
        ("(it's)*~!@", vec![7; 1 << 20]),
    ]
}

/// Calls, and how many of them failed.
#[derive(Debug, Default)]
struct Tally {
    calls: usize,
    failed: Vec<String>,
}

impl Tally {
    fn count<T, E>(&mut self, name: &str, outcome: Result<T, SdkError<E>>) -> Option<T>
    where
        E: std::error::Error + 'static,
    {
        self.calls += 1;
        outcome
            .map_err(|error| {
                let error = DisplayErrorContext(&error).to_string();
                self.failed.push(format!("{name}: {error}"));
            })
            .ok()
    }
}

/// Every object is kept, found, read, listed, copied and deleted, and one comes in
/// parts.
async fn works(client: &Client, objects: &[(&str, Vec<u8>)]) -> Tally {
    let mut tally = Tally::default();
    for (key, body) in objects {
        let put = client.put_object().bucket(BUCKET).key(*key);
        tally.count("put", put.body(body.clone().into()).send().await);
        let head = client.head_object().bucket(BUCKET).key(*key).send().await;
        let found = tally.count("head", head);
        let length = found.and_then(|found| found.content_length());
        assert_eq!(length, i64::try_from(body.len()).ok(), "{key}");
        let get = client.get_object().bucket(BUCKET).key(*key).send().await;
        if let Some(got) = tally.count("get", get) {
            let got = got.body.collect().await.expect("it holds").into_bytes();
            assert!(got == *body, "{key}: {} bytes", got.len());
        }
    }
    let list = client.list_objects_v2().bucket(BUCKET).send().await;
    let listed = tally.count("list", list);
    assert_eq!(
        listed.map(|listed| listed.contents().len()),
        Some(objects.len())
    );

    let create = client.create_multipart_upload().bucket(BUCKET).key("parts");
    let created = tally.count("create", create.send().await);
    let id = created
        .and_then(|created| created.upload_id)
        .unwrap_or_default();
    let part = client
        .upload_part()
        .bucket(BUCKET)
        .key("parts")
        .upload_id(&id);
    let part = part.part_number(1).body(vec![1; 5 << 20].into());
    let uploaded = tally.count("part", part.send().await);
    let part = CompletedPart::builder()
        .part_number(1)
        .set_e_tag(uploaded.and_then(|part| part.e_tag))
        .build();
    let complete = client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key("parts");
    let complete = complete
        .upload_id(&id)
        .multipart_upload(CompletedMultipartUpload::builder().parts(part).build());
    tally.count("complete", complete.send().await);

    let keys = objects.iter().map(|(key, _)| *key).chain(["parts"]);
    for key in keys {
        let delete = client.delete_object().bucket(BUCKET).key(key).send().await;
        tally.count("delete", delete);
    }
    tally
}

/// Each integration, behind and ahead, and with a HEAD as the first call, whose error response
/// has no body.
async fn one_rejection_a_process(make: Make) {
    let server = Server::start(make).await;
    let relay = Relay::start(server.port).await;
    let right = SkewClock::new();
    let created = client(&relay, make, &right, Integration::Interceptor)
        .create_bucket()
        .bucket(BUCKET)
        .send()
        .await;
    if let Err(error) = created {
        panic!("{}", DisplayErrorContext(&error));
    }
    let objects = objects();
    for integration in [Integration::Interceptor, Integration::HttpClient] {
        for seconds in [-7_200, 32_400] {
            // Without a request id, the error response to a HEAD starts no trial.
            let begins = if make == Make::S3rver {
                &[false][..]
            } else {
                &[false, true]
            };
            for &begins_with_head in begins {
                let clock = SkewClock::builder().local_clock(Off(seconds)).build();
                let client = client(&relay, make, &clock, integration);
                let (rejected, answers) = (relay.rejected(), relay.answers());
                if begins_with_head {
                    let head = client.head_bucket().bucket(BUCKET).send().await;
                    if let Err(error) = head {
                        panic!("{integration:?} {seconds}: {}", DisplayErrorContext(&error));
                    }
                }
                let tally = works(&client, &objects).await;
                let rejected = relay.rejected() - rejected;
                println!(
                    "{make:?}, {integration:?}, {}: calls {}, rejected {rejected}, failed {}",
                    ClockOffset::from_millis(-1_000 * seconds),
                    tally.calls,
                    tally.failed.len()
                );
                assert_eq!(tally.failed, Vec::<String>::new());
                assert_eq!(rejected, 1);
                assert!(relay.answers() - answers > tally.calls, "the relay counts");
                assert_eq!(clock.status().event_count(), 1);
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs SeaweedFS: bash tests/real/install"]
async fn seaweedfs_rejects_one_request_and_no_call_fails() {
    one_rejection_a_process(Make::SeaweedFs).await;
}

/// Too slow for every change.
mod full {
    use super::*;

    #[tokio::test]
    #[ignore = "needs s3rver: bash tests/real/install full"]
    async fn s3rver_rejects_one_request_and_no_call_fails() {
        one_rejection_a_process(Make::S3rver).await;
    }
}
