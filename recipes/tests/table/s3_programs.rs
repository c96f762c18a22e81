//! Programs that store objects.

use std::time::{Duration, SystemTime};

use aws_clock_skew::{LocalClock, SkewClock, SystemClock};
use aws_clock_skew_recipes::object_store::SkewConnector;
use aws_clock_skew_recipes::opendal::SkewTransport;
use aws_clock_skew_recipes::transfer_manager::transfer_manager;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_s3_transfer_manager::io::InputStream;
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt};
use opendal::{HttpTransporter, OperationContext, Operator, services::S3};

use crate::s3_server::{BUCKET, S3Server};
use crate::{Cost, SKEWS, is_row};

fn credentials() -> Credentials {
    Credentials::new(
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        None,
        None,
        "test",
    )
}

async fn cost_of<F: AsyncFn(&S3Server, &SkewClock) -> usize>(run: F, skew: i64) -> Cost {
    let server = S3Server::start(&credentials(), skew).await;
    let failed = run(&server, &SkewClock::new()).await;
    let rejected = server.rejected();
    Cost { rejected, failed }
}

fn store(server: &S3Server, clock: Option<&SkewClock>) -> impl ObjectStore {
    let keys = credentials();
    let builder = AmazonS3Builder::new()
        .with_endpoint(&server.url)
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .with_bucket_name(BUCKET)
        .with_region("us-east-1")
        .with_access_key_id(keys.access_key_id())
        .with_secret_access_key(keys.secret_access_key());
    let builder = match clock {
        Some(clock) => builder.with_http_connector(SkewConnector(clock.layer(keys))),
        None => builder,
    };
    builder.build().expect("nothing is missing")
}

/// Makes twelve calls, one of them an upload in parts.
async fn use_store(store: &impl ObjectStore) -> usize {
    let mut failed = 0;
    for key in ["a", "dir/b", "odd key+é"] {
        let path = Path::from(key);
        failed += usize::from(
            store
                .put(&path, Bytes::from_static(b"hello").into())
                .await
                .is_err(),
        );
        failed += usize::from(store.head(&path).await.is_err());
        failed += usize::from(store.get_range(&path, 1..3).await.is_err());
    }
    let path = Path::from("large");
    let parts = async {
        let mut upload = store.put_multipart(&path).await?;
        upload.put_part(vec![7; 5 << 20].into()).await?;
        upload.put_part(vec![8; 100].into()).await?;
        upload.complete().await
    };
    failed += usize::from(parts.await.is_err());
    failed += usize::from(store.list(None).try_collect::<Vec<_>>().await.is_err());
    failed + usize::from(store.delete(&Path::from("a")).await.is_err())
}

#[tokio::test]
async fn object_store_loses_no_call() {
    let run =
        async |server: &S3Server, clock: &SkewClock| use_store(&store(server, Some(clock))).await;
    let costs = [cost_of(run, SKEWS[0]).await, cost_of(run, SKEWS[1]).await];
    is_row("object_store 0.14", "object_store.rs", costs);
    // The server verifies signatures: without this crate no call succeeds.
    let alone = async |server: &S3Server, _: &SkewClock| use_store(&store(server, None)).await;
    assert_eq!(cost_of(alone, SKEWS[0]).await.failed, 12);
}

async fn use_operator(server: &S3Server, clock: &SkewClock) -> usize {
    let keys = credentials();
    let transport = SkewTransport {
        layer: clock.layer(keys.clone()),
        client: reqwest::Client::new(),
    };
    let context = OperationContext::new().with_http_transport(HttpTransporter::new(transport));
    let service = S3::default()
        .endpoint(&server.url)
        .bucket(BUCKET)
        .region("us-east-1")
        .access_key_id(keys.access_key_id())
        .secret_access_key(keys.secret_access_key());
    let operator = Operator::new(service)
        .expect("nothing is missing")
        .with_context(context);
    let mut failed = 0;
    for key in ["a", "dir/b", "odd key+é"] {
        failed += usize::from(operator.write(key, "hello").await.is_err());
        failed += usize::from(operator.stat(key).await.is_err());
        failed += usize::from(operator.read(key).await.is_err());
    }
    failed += usize::from(operator.list("dir/").await.is_err());
    failed + usize::from(operator.delete("a").await.is_err())
}

#[tokio::test]
async fn opendal_loses_no_call() {
    let costs = [
        cost_of(use_operator, SKEWS[0]).await,
        cost_of(use_operator, SKEWS[1]).await,
    ];
    is_row("opendal 0.59", "opendal.rs", costs);
}

/// The system's clock plus an offset.
#[derive(Debug)]
struct Moved(i64);

impl LocalClock for Moved {
    fn wall(&self) -> SystemTime {
        let (wall, by) = (
            SystemClock::new().wall(),
            Duration::from_secs(self.0.unsigned_abs()),
        );
        if self.0 < 0 { wall - by } else { wall + by }
    }

    fn monotonic(&self) -> Duration {
        SystemClock::new().monotonic()
    }
}

/// Whether the program calls `configure`, and whether it uses `install!`.
#[derive(Clone, Copy)]
struct Wiring {
    configures: bool,
    installs: bool,
}

async fn transfers(wiring: Wiring, skew: i64) -> Cost {
    let server = S3Server::start_on_time(&credentials()).await;
    let clock = SkewClock::builder().local_clock(Moved(skew)).build();
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&server.url)
        .credentials_provider(credentials())
        .time_source(clock.local_time());
    let inner = aws_smithy_http_client::Builder::new().build_http();
    let loader = if wiring.configures {
        clock.configure_with_http_client(loader, inner)
    } else {
        loader.http_client(inner)
    };
    let config = loader.load().await;
    let mut config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
    if wiring.installs {
        config = aws_clock_skew::install!(config, &clock);
    }
    let manager = transfer_manager(aws_sdk_s3::Client::from_conf(config.build()));
    let mut failed = 0;
    for length in [20 << 20, 100, 1_000] {
        let upload = manager.upload().bucket(BUCKET).key(format!("{length}"));
        let upload = upload.body(InputStream::from(vec![7; length])).initiate();
        failed += usize::from(upload.expect("it begins").join().await.is_err());
    }
    // A large object needs `GetObject` by part number, which this server lacks.
    for key in ["100", "1000"] {
        let download = manager.download().bucket(BUCKET).key(key);
        let mut download = download.initiate().expect("it begins");
        let first = download.body_mut().next().await;
        failed += usize::from(first.is_none_or(|chunk| chunk.is_err()));
    }
    let rejected = server.rejected();
    Cost { rejected, failed }
}

async fn transfers_of(configures: bool, installs: bool) -> [Cost; 2] {
    let wiring = Wiring {
        configures,
        installs,
    };
    [
        transfers(wiring, SKEWS[0]).await,
        transfers(wiring, SKEWS[1]).await,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transfer_manager_loses_no_transfer() {
    is_row(
        "aws-sdk-s3-transfer-manager 0.3",
        "transfer_manager.rs",
        transfers_of(true, false).await,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transfer_manager_costs_no_more_than_with_the_sdk_alone() {
    let alone = transfers_of(false, false).await;
    let mut row = String::from("| aws-sdk-s3-transfer-manager 0.3 |");
    for costs in [
        transfers_of(false, true).await,
        transfers_of(true, false).await,
        transfers_of(true, true).await,
        alone,
    ] {
        for (cost, alone) in costs.iter().zip(alone) {
            assert!(cost.rejected <= alone.rejected && cost.failed <= alone.failed);
        }
        let [behind, ahead] = costs.map(|cost| format!("{}/{}", cost.rejected, cost.failed));
        row += &format!(" {behind}, {ahead} |");
    }
    let page = include_str!("../../../docs/sdk-features.md");
    assert!(
        page.lines().any(|line| line == row),
        "docs/sdk-features.md lacks:\n{row}"
    );
}
