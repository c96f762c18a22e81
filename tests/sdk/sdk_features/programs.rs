//! The programs of the table: five calls each, a minute apart.

use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_clock_skew::SkewClock;
use aws_clock_skew_endpoint::Endpoint;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::shared::IntoShared;
use aws_smithy_types::byte_stream::ByteStream;
use aws_types::sdk_config::Builder;

use super::server::{Protocol, Server};
use super::{Cost, Feature, Setup};
use crate::assumed_role::profiles;
use crate::clients::{Integration, config, config_of, send, sqs_of};
use crate::imds::{self, Metadata, Providers};
use crate::resent::legacy_client;
use crate::streams::transcribe;
use crate::wire::time_of;
use crate::world::{World, minutes};
use crate::{express, sigv4a};

macro_rules! feature {
    ($name:literal, $run:expr) => {
        Feature {
            name: $name,
            run: |setup| Box::pin($run(setup)),
        }
    };
}

/// A client of a service, with the integration of a site.
macro_rules! client {
    ($service:ident, $site:expr) => {
        client!($service, $site, |builder| builder)
    };
    ($service:ident, $site:expr, $prepare:expr) => {{
        let builder = $service::config::Builder::from(&$site.config)
            // A partition has a retry quota of its own, which no other test uses up.
            .retry_partition($service::config::retry::RetryPartition::custom("own").build());
        let prepare: &dyn Fn($service::config::Builder) -> $service::config::Builder = &$prepare;
        let mut builder = prepare(builder);
        if $site.installs() {
            builder = aws_clock_skew::install!(builder, &$site.clock);
        }
        $service::Client::from_conf(builder.build())
    }};
}

pub(super) const FEATURES: [Feature; 31] = [
    feature!("SQS (JSON)", async |of: Setup| {
        sqs_calls(of.site(Protocol::Json)).await
    }),
    feature!("STS (query and XML)", async |of: Setup| {
        let site = of.site(Protocol::Query);
        let sts = client!(aws_sdk_sts, site);
        let call = async || sts.get_caller_identity().send().await.is_ok();
        site.cost(call).await
    }),
    feature!("Polly (REST and JSON)", async |of: Setup| {
        let site = of.site(Protocol::RestJson);
        let polly = client!(aws_sdk_polly, site);
        let call = async || polly.describe_voices().send().await.is_ok();
        site.cost(call).await
    }),
    feature!("CloudWatch (CBOR)", async |of: Setup| {
        let site = of.site(Protocol::Cbor);
        let cloudwatch = client!(aws_sdk_cloudwatch, site);
        let call = async || {
            let put = cloudwatch.put_metric_data().namespace("n");
            put.send().await.is_ok()
        };
        site.cost(call).await
    }),
    feature!("an endpoint with `http:`", async |of: Setup| {
        let url = "http://sqs.other.example";
        sqs_calls(of.site_with(Protocol::Json, |config| config.endpoint_url(url))).await
    }),
    feature!("S3, put from memory and get", async |of: Setup| {
        puts(of.site(Protocol::S3), Content::InMemory).await
    }),
    feature!(
        "S3, put from a file (unsigned trailer)",
        async |of: Setup| puts(of.site(Protocol::S3), Content::InFile).await
    ),
    feature!(
        "S3 over `http:`, put from memory and get",
        async |of: Setup| puts(of.minio(), Content::InMemory).await
    ),
    feature!(
        "S3 over `http:`, put from a file (signed chunks)",
        async |of: Setup| puts(of.minio(), Content::InFile).await
    ),
    feature!("S3, multipart upload", async |of: Setup| {
        let site = of.site(Protocol::S3);
        let s3 = client!(aws_sdk_s3, site);
        site.cost(async || uploads_in_parts(&s3).await).await
    }),
    feature!(
        "S3, multi-region access point (SigV4a)",
        async |of: Setup| {
            let site = of.site(Protocol::S3);
            let s3 = client!(aws_sdk_s3, site);
            site.cost(async || gets(&s3, sigv4a::MRAP).await).await
        }
    ),
    feature!("S3 Express", async |of: Setup| {
        let site = of.site(Protocol::S3);
        let s3 = client!(aws_sdk_s3, site);
        site.cost(async || gets(&s3, express::BUCKET).await).await
    }),
    feature!(
        "S3 Express, the clock is set after `CreateSession`",
        async |of: Setup| {
            let site = Setup { skew: 0, ..of }.site(Protocol::S3);
            let s3 = client!(aws_sdk_s3, site);
            assert!(gets(&s3, express::BUCKET).await);
            site.world.set_skew(of.skew);
            site.cost(async || gets(&s3, express::BUCKET).await).await
        }
    ),
    feature!(
        "S3, presigned URLs after another call",
        async |of: Setup| { presigned(of.site(Protocol::S3)).await }
    ),
    feature!("Transcribe, event streams", async |of: Setup| {
        let site = of.site(Protocol::Json);
        let client = client!(aws_sdk_transcribestreaming, site);
        site.cost(async || transcribe(&client).await.1.is_ok())
            .await
    }),
    feature!(
        "the same, after a call of another client",
        async |of: Setup| {
            let site = of.site(Protocol::Json);
            let sqs = client!(aws_sdk_sqs, site);
            assert!(receives(&sqs).await);
            let client = client!(aws_sdk_transcribestreaming, site);
            site.cost(async || transcribe(&client).await.1.is_ok())
                .await
        }
    ),
    feature!("DynamoDB, waiters", async |of: Setup| {
        let site = of.site(Protocol::Json);
        let dynamodb = client!(aws_sdk_dynamodb, site);
        let call = async || {
            let wait = dynamodb.wait_until_table_exists().table_name("t");
            wait.wait(minutes(5)).await.is_ok()
        };
        site.cost(call).await
    }),
    feature!("DynamoDB, paginators", async |of: Setup| {
        let site = of.site(Protocol::Json);
        let dynamodb = client!(aws_sdk_dynamodb, site);
        let call = async || {
            let pages = dynamodb.list_tables().into_paginator().items().send();
            let names = pages.collect::<Result<Vec<_>, _>>().await;
            names.is_ok_and(|names| names == ["a", "b"])
        };
        site.cost(call).await
    }),
    feature!("`config_override`", async |of: Setup| {
        let site = of.site(Protocol::Json);
        let sqs = client!(aws_sdk_sqs, site);
        let call = async || {
            let other = aws_sdk_sqs::config::Builder::new().region(Region::new("eu-central-1"));
            let call = sqs.list_queues().customize().config_override(other);
            call.send().await.is_ok()
        };
        site.cost(call).await
    }),
    feature!(
        "a role that is assumed through another",
        async |of: Setup| { assumed_roles(of).await }
    ),
    feature!("web identity", async |of: Setup| { web_identity(of).await }),
    feature!("credentials of an instance (IMDS)", async |of: Setup| {
        instance(of).await
    }),
    feature!("retries disabled", async |of: Setup| {
        let retries = RetryConfig::disabled();
        sqs_calls(of.site_with(Protocol::Json, |config| config.retry_config(retries))).await
    }),
    feature!("adaptive retries", async |of: Setup| {
        let retries = RetryConfig::adaptive();
        sqs_calls(of.site_with(Protocol::Json, |config| config.retry_config(retries))).await
    }),
    feature!(
        "attempt time-out of 500 ms, responses take 300 ms",
        async |of: Setup| sqs_calls(slow(of, RetryConfig::standard())).await
    ),
    feature!("the same, retries disabled", async |of: Setup| sqs_calls(
        slow(of, RetryConfig::disabled())
    )
    .await),
    feature!("behavior version 2023-11-09", async |of: Setup| {
        #[expect(deprecated, reason = "it is the oldest")]
        let version = BehaviorVersion::v2023_11_09();
        sqs_calls(of.site_with(Protocol::Json, |config| config.behavior_version(version))).await
    }),
    feature!(
        "the SDK's previous HTTP client (hyper 0.14)",
        async |of: Setup| { over_http(of, legacy_client()).await }
    ),
    feature!("the SDK's HTTP client", async |of: Setup| {
        let client = aws_smithy_http_client::Builder::new().build_http();
        over_http(of, client).await
    }),
    feature!(
        "a client that is given another HTTP client",
        async |of: Setup| {
            let site = of.site(Protocol::Json);
            replaced(&site).await
        }
    ),
    feature!(
        "the same, after a call of another client",
        async |of: Setup| {
            let site = of.site(Protocol::Json);
            let sqs = client!(aws_sdk_sqs, site);
            assert!(receives(&sqs).await);
            replaced(&site).await
        }
    ),
];

/// A program on a machine of its own, and the server that it calls.
struct Site {
    integration: Option<Integration>,
    world: World,
    server: Server,
    clock: SkewClock,
    config: SdkConfig,
}

impl Setup {
    fn site(self, protocol: Protocol) -> Site {
        self.site_with(protocol, |config| config)
    }

    fn site_with(self, protocol: Protocol, prepare: impl FnOnce(Builder) -> Builder) -> Site {
        let world = World::with_skew(self.skew);
        let server = Server::new(&world, protocol);
        self.site_of(world, server, prepare)
    }

    fn site_of(
        self,
        world: World,
        server: Server,
        prepare: impl FnOnce(Builder) -> Builder,
    ) -> Site {
        // Files are read in the meantime, so whoever waits has to be woken by Tokio.
        tokio::time::pause();
        let clock = world.skew_clock();
        let mut config = config("http://unused")
            .into_builder()
            .http_client(server.clone())
            .time_source(world.clone())
            .sleep_impl(TokioSleep::new());
        config.set_endpoint_url(None);
        let config = prepare(config).build();
        Site {
            integration: self.integration,
            config: config_of(self.integration, &config, &clock),
            world,
            server,
            clock,
        }
    }

    fn minio(self) -> Site {
        self.site_with(Protocol::S3, |config| {
            config.endpoint_url("http://minio.example")
        })
    }
}

impl Site {
    fn with_credentials(self, provider: SharedCredentialsProvider) -> Self {
        let config = self.config.to_builder().credentials_provider(provider);
        Self {
            config: config.build(),
            ..self
        }
    }

    fn installs(&self) -> bool {
        self.integration.is_some_and(Integration::installs)
    }

    async fn cost(&self, call: impl AsyncFn() -> bool) -> Cost {
        let failed = failed_of_five(&self.world, call).await;
        let rejected = self.server.wire.rejected();
        Cost { rejected, failed }
    }
}

/// Makes five calls, a minute apart. Returns how many fail.
async fn failed_of_five(world: &World, call: impl AsyncFn() -> bool) -> usize {
    let mut failed = 0;
    for _ in 0..5 {
        failed += usize::from(!call().await);
        world.advance(minutes(1));
    }
    failed
}

async fn receives(sqs: &aws_sdk_sqs::Client) -> bool {
    let url = "https://sqs.us-east-1.amazonaws.com/1/q";
    let received = sqs.receive_message().queue_url(url).send().await;
    received.is_ok()
}

async fn sqs_calls(site: Site) -> Cost {
    let sqs = client!(aws_sdk_sqs, site);
    site.cost(async || sqs.list_queues().send().await.is_ok())
        .await
}

async fn gets(s3: &aws_sdk_s3::Client, bucket: &str) -> bool {
    let got = s3.get_object().bucket(bucket).key("k").send().await;
    got.is_ok()
}

#[derive(Clone, Copy)]
enum Content {
    InMemory,
    InFile,
}

/// Each call is a put and a get.
async fn puts(site: Site, content: Content) -> Cost {
    let s3 = client!(aws_sdk_s3, site, |builder| builder.force_path_style(true));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let call = async || {
        let body = match content {
            Content::InMemory => ByteStream::from_static(b"hello"),
            Content::InFile => ByteStream::from_path(&file).await.expect("it is there"),
        };
        let put = s3.put_object().bucket("b").key("odd key+é").body(body);
        put.send().await.is_ok() & gets(&s3, "b").await
    };
    site.cost(call).await
}

async fn uploads_in_parts(s3: &aws_sdk_s3::Client) -> bool {
    let begun = s3.create_multipart_upload().bucket("b").key("k");
    let Ok(begun) = begun.send().await else {
        return false;
    };
    let Some(id) = begun.upload_id() else {
        return false;
    };
    let mut parts = CompletedMultipartUpload::builder();
    for number in 1..=2 {
        let part = s3.upload_part().bucket("b").key("k").upload_id(id);
        let body = ByteStream::from_static(b"hello");
        if part.part_number(number).body(body).send().await.is_err() {
            return false;
        }
        let part = CompletedPart::builder().part_number(number).e_tag("e");
        parts = parts.parts(part.build());
    }
    let whole = s3.complete_multipart_upload().bucket("b").key("k");
    let whole = whole.upload_id(id).multipart_upload(parts.build());
    whole.send().await.is_ok()
}

/// One call updates the clock; then five URLs are made for an hour each. A URL that the
/// server rejects is a call that fails.
async fn presigned(site: Site) -> Cost {
    let s3 = client!(aws_sdk_s3, site);
    assert!(gets(&s3, "b").await);
    let call = async || {
        let start = match site.integration {
            Some(_) => site.clock.now(),
            None => site.world.machine_wall(),
        };
        let hour = PresigningConfig::builder()
            .start_time(start)
            .expires_in(minutes(60))
            .build();
        let url = s3.get_object().bucket("b").key("k");
        let url = url.presigned(hour.expect("is short")).await;
        let url = url.expect("it can be signed");
        let (_, date) = url.uri().split_once("X-Amz-Date=").expect("it is signed");
        let start: SystemTime = time_of(&date[..16]).expect("a time");
        let now = site.world.true_time();
        start <= now + minutes(15) && now <= start + minutes(60)
    };
    let Cost { rejected, failed } = site.cost(call).await;
    Cost {
        rejected: rejected + failed,
        failed,
    }
}

fn slow(of: Setup, retries: RetryConfig) -> Site {
    let world = World::with_skew(of.skew);
    let server = Server::new(&world, Protocol::Json).slowed(Duration::from_millis(300));
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_millis(500))
        .build();
    of.site_of(world, server, |config| {
        config.retry_config(retries).timeout_config(timeouts)
    })
}

/// The client replaces the HTTP client of its config by one that is not ours.
async fn replaced(site: &Site) -> Cost {
    let sqs = client!(aws_sdk_sqs, site, |builder| builder
        .http_client(site.server.clone()));
    site.cost(async || receives(&sqs).await).await
}

/// Over connections of an HTTP client of the SDK, to the endpoint that verifies.
async fn over_http(of: Setup, client: impl IntoShared<SharedHttpClient>) -> Cost {
    let world = World::with_skew(of.skew);
    let endpoint = endpoint(&world).await;
    let clock = world.skew_clock();
    let config = config(&endpoint.url()).into_builder();
    let config = config
        .time_source(world.clone())
        .http_client(client.into_shared());
    let sqs = sqs_of(of.integration, &config.build(), &clock);
    cost_at(&world, &endpoint, &sqs).await
}

async fn endpoint(world: &World) -> Endpoint {
    let endpoint = Endpoint::builder(world.clock()).start().await;
    let endpoint = endpoint.expect("loopback can be bound");
    endpoint.feed("q", "first");
    endpoint
}

async fn cost_at(world: &World, endpoint: &Endpoint, sqs: &aws_sdk_sqs::Client) -> Cost {
    let url = endpoint.queue_url("q");
    let failed = failed_of_five(world, async || send(sqs, &url).await.is_ok()).await;
    let rejected = usize::try_from(endpoint.counts().rejected).expect("a few");
    Cost { rejected, failed }
}

/// The clients that assume the roles are inside the credential providers: they have what
/// the loader of the config has.
async fn assumed_roles(of: Setup) -> Cost {
    let world = World::with_skew(of.skew);
    let endpoint = endpoint(&world).await;
    let clock = world.skew_clock();
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .profile_files(profiles(&endpoint.url()))
        .profile_name("app")
        .time_source(world.clone())
        .timeout_config(TimeoutConfig::disabled())
        .retry_config(RetryConfig::standard());
    let inner = aws_smithy_http_client::Builder::new().build_http();
    let loader = match of.integration {
        Some(Integration::HttpClient | Integration::Both) => {
            clock.configure_with_http_client(loader, inner)
        }
        _ => loader.http_client(inner),
    };
    let config = loader.load().await;
    let installed = of.integration.filter(|integration| integration.installs());
    let installed = installed.map(|_| Integration::Interceptor);
    let sqs = sqs_of(installed, &config, &clock);
    cost_at(&world, &endpoint, &sqs).await
}

/// The request for credentials is not signed. They last for an hour.
async fn web_identity(of: Setup) -> Cost {
    let token = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let site = of.site(Protocol::Json);
    let role = StaticConfiguration {
        web_identity_token_file: token,
        role_arn: "arn:aws:iam::123456789012:role/app".to_owned(),
        session_name: "s".to_owned(),
    };
    let environment = aws_config::provider_config::ProviderConfig::empty()
        .with_region(Some(Region::new("us-east-1")))
        .with_time_source(site.config.time_source().expect("was given"))
        .with_sleep_impl(site.config.sleep_impl().expect("was given"))
        .with_http_client(site.config.http_client().expect("was given"));
    let provider = WebIdentityTokenCredentialsProvider::builder()
        .configure(&environment)
        .static_configuration(role)
        .build();
    sqs_calls(site.with_credentials(SharedCredentialsProvider::new(provider))).await
}

async fn instance(of: Setup) -> Cost {
    let site = of.site(Protocol::Json);
    let providers = match of.integration {
        Some(Integration::HttpClient | Integration::Both) => Providers::Configured,
        _ => Providers::Nothing,
    };
    let provider = imds::provider(&site.clock, &Metadata::new(&site.world), providers);
    sqs_calls(site.with_credentials(provider)).await
}
