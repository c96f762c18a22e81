//! Asking a server for the time before the first signature.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::error::Error as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use aws_clock_skew::tower::LayeredHttpClient;
use aws_clock_skew::{Limits, SkewClock, SkewStatus, SynchronizeError};
use aws_clock_skew_endpoint::{Endpoint, EndpointBuilder};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::shared::IntoShared;
use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::limit::ConcurrencyLimitLayer;

use clients::{Integration, behind, config, send, sqs_of, without_retries};
use world::{DAY, HOUR, MINUTE, World, shifted};

#[expect(dead_code, reason = "used by other tests")]
#[path = "events/capture.rs"]
mod capture;
#[expect(dead_code, reason = "used by other tests")]
#[path = "sdk/clients.rs"]
mod clients;
#[expect(dead_code, reason = "used by other tests")]
#[path = "tower/stack.rs"]
mod stack;
#[expect(dead_code, reason = "used by other tests")]
#[path = "sdk/wire.rs"]
mod wire;
#[path = "sdk/world.rs"]
mod world;

/// The client that asks for the time.
#[derive(Clone, Copy, Debug)]
enum By {
    /// The HTTP client of a config.
    Config,
    /// The crate's HTTP client, as `configure` sets it.
    Configured,
    /// A `tower` service.
    Service,
}

impl By {
    const ALL: [Self; 3] = [Self::Config, Self::Configured, Self::Service];

    async fn synchronize(
        self,
        skew: &SkewClock,
        url: &str,
    ) -> Result<SkewStatus, SynchronizeError> {
        let config = without_retries(config(url));
        match self {
            Self::Config => skew.synchronize(&config).await,
            Self::Configured => skew.synchronize(&behind(&config, skew)).await,
            Self::Service => {
                let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
                skew.synchronize_with(client, url).await
            }
        }
    }
}

async fn start(builder: EndpointBuilder) -> Endpoint {
    let endpoint = builder.start().await.expect("loopback can be bound");
    endpoint.feed("q", "first");
    endpoint
}

async fn is_accepted(skew: &SkewClock, endpoint: &Endpoint) -> bool {
    let config = without_retries(config(&endpoint.url()));
    let sqs = aws_sdk_sqs::Client::new(&behind(&config, skew));
    send(&sqs, &endpoint.queue_url("q")).await.is_ok()
}

#[tokio::test]
async fn even_the_first_request_is_accepted() {
    for by in By::ALL {
        for skew in [-2 * DAY, -20 * MINUTE, 20 * MINUTE, 9 * HOUR, 700 * DAY] {
            let world = World::with_skew(skew);
            let endpoint = start(Endpoint::builder(world.clock())).await;
            let clock = world.skew_clock();
            let status = by.synchronize(&clock, &endpoint.url()).await;
            let status = status.expect("the endpoint answers");
            assert!(status.is_correcting());
            let error = (status.offset().as_millis() + skew * 1_000).unsigned_abs();
            assert!(
                u128::from(error) <= status.uncertainty().as_millis(),
                "{error}"
            );
            assert!(error <= 1_000, "{error}");
            for _ in 0..5 {
                assert!(is_accepted(&clock, &endpoint).await, "{by:?} {skew}");
            }
            let counts = endpoint.counts();
            assert_eq!(counts.rejected_for_time, 0, "{by:?} {skew}");
            assert_eq!((counts.requests, counts.accepted), (1 + 5, 5));
        }
    }
}

/// What sends a program's first request.
#[derive(Clone, Copy, Debug)]
enum Program {
    /// A client of the SDK: alone, or with an integration.
    Sdk(Option<Integration>),
    /// A client with our HTTP client, and nothing else of ours.
    WrappedHttpClient,
    /// Tower layers under a client of the SDK, with our HTTP client above them.
    AboveLayers,
    /// The same, with our HTTP client below them.
    BelowLayers,
    /// The same, with `SkewLayer` among them.
    AmongLayers,
    /// A Tower stack without the SDK.
    Tower(stack::Integration),
}

impl Program {
    const ALONE: Self = Self::Sdk(None);
    const CORRECTED: [Self; 10] = [
        Self::Sdk(Some(Integration::Interceptor)),
        Self::Sdk(Some(Integration::HttpClient)),
        Self::Sdk(Some(Integration::Apply)),
        Self::Sdk(Some(Integration::Both)),
        Self::WrappedHttpClient,
        Self::AboveLayers,
        Self::BelowLayers,
        Self::AmongLayers,
        Self::Tower(stack::Integration::BelowASigner),
        Self::Tower(stack::Integration::SigningService),
    ];

    /// Makes five calls. Returns how many fail.
    async fn failed(self, world: &World, clock: &SkewClock, endpoint: &Endpoint) -> usize {
        let config = config(&endpoint.url()).into_builder();
        let config = config.time_source(clock.local_time()).build();
        let inner = config.http_client().expect("was given");
        let limit = ConcurrencyLimitLayer::new(1);
        let with = |client: SharedHttpClient| {
            aws_sdk_sqs::Client::new(&config.to_builder().http_client(client).build())
        };
        let sqs = match self {
            Self::Sdk(integration) => sqs_of(integration, &config, clock),
            Self::WrappedHttpClient => with(clock.wrap_http_client(inner).into_shared()),
            Self::AboveLayers => {
                let layered = LayeredHttpClient::new(inner, limit);
                with(clock.wrap_http_client(layered).into_shared())
            }
            Self::BelowLayers => {
                let inner = clock.wrap_http_client(inner);
                with(LayeredHttpClient::new(inner, limit).into_shared())
            }
            Self::AmongLayers => {
                let layers = tower::ServiceBuilder::new().layer(limit);
                let layers = layers.layer(clock.layer(stack::credentials()));
                with(LayeredHttpClient::new(inner, layers).into_shared())
            }
            Self::Tower(integration) => {
                let stack = stack::stack(integration, world, clock, "sqs");
                let mut failed = 0;
                for _ in 0..5 {
                    failed += usize::from(stack::send(&stack, endpoint).await.is_err());
                }
                return failed;
            }
        };
        let mut failed = 0;
        for _ in 0..5 {
            failed += usize::from(send(&sqs, &endpoint.queue_url("q")).await.is_err());
        }
        failed
    }
}

#[tokio::test]
async fn through_every_integration_the_first_request_is_accepted() {
    for program in Program::CORRECTED {
        for skew in [-2 * HOUR, 9 * HOUR] {
            for by in By::ALL {
                let world = World::with_skew(skew);
                let endpoint = start(Endpoint::builder(world.clock())).await;
                let clock = world.skew_clock();
                let status = by.synchronize(&clock, &endpoint.url()).await;
                assert!(status.expect("the endpoint answers").is_correcting());
                let failed = program.failed(&world, &clock, &endpoint).await;
                let counts = endpoint.counts();
                let cost = (counts.rejected_for_time, failed, counts.requests);
                assert_eq!(cost, (0, 0, 1 + 5), "{program:?} {by:?} {skew}");
            }
            // Without it, each has one request rejected.
            let world = World::with_skew(skew);
            let endpoint = start(Endpoint::builder(world.clock())).await;
            let failed = program.failed(&world, &world.skew_clock(), &endpoint).await;
            let rejected = endpoint.counts().rejected_for_time;
            assert_eq!((rejected, failed), (1, 0), "{program:?} {skew}");
        }
    }
}

/// Nor does it change what the SDK alone sends.
#[tokio::test]
async fn on_a_correct_local_clock_no_request_is_signed_otherwise() {
    for program in [Program::ALONE].into_iter().chain(Program::CORRECTED) {
        for by in By::ALL {
            let world = World::with_skew(0);
            let endpoint = start(Endpoint::builder(world.clock())).await;
            let clock = world.skew_clock();
            let status = by.synchronize(&clock, &endpoint.url()).await;
            assert!(!status.expect("the endpoint answers").is_correcting());
            assert_eq!(clock.now(), world.machine_wall());
            assert_eq!(program.failed(&world, &clock, &endpoint).await, 0);
            assert_eq!(endpoint.counts().requests, 1 + 5, "{program:?} {by:?}");
            let log = endpoint.requests_log();
            for record in log.iter().filter(|record| !record.rejected()) {
                let now = aws_smithy_types::DateTime::from(world.machine_wall());
                let local = wire::basic(now.secs());
                assert_eq!(record.request.amz_date, local, "{program:?} {by:?}");
            }
            assert_eq!(clock.status().event_count(), 0);
        }
    }
}

#[tokio::test]
async fn a_synchronization_is_one_event_by_date() {
    for by in By::ALL {
        let capture = capture::Capture::start();
        let world = World::with_skew(-2 * DAY);
        let endpoint = start(Endpoint::builder(world.clock())).await;
        let clock = world.skew_clock();
        let mut changes = clock.subscribe();
        by.synchronize(&clock, &endpoint.url())
            .await
            .expect("the endpoint answers");
        changes.changed().await;
        assert_eq!(capture.names(), ["skew_detected"]);
        assert_eq!(capture.log()[0].text("time_source"), Some("date"));
        assert_eq!(capture.log()[0].text("server.address"), Some("127.0.0.1"));
        // The second synchronization changes nothing.
        by.synchronize(&clock, &endpoint.url())
            .await
            .expect("the endpoint answers");
        assert_eq!(clock.status().event_count(), 1, "{by:?}");
    }
}

#[tokio::test]
async fn a_synchronization_leaves_a_clock_that_may_be_correct_unchanged() {
    for by in By::ALL {
        for skew in [0, -100, 100] {
            let world = World::with_skew(skew);
            let endpoint = start(Endpoint::builder(world.clock())).await;
            let clock = world.skew_clock();
            let status = by.synchronize(&clock, &endpoint.url()).await;
            let status = status.expect("the endpoint answers");
            assert!(!status.is_correcting(), "{by:?} {skew}");
            assert_eq!((status.event_count(), status.since()), (0, None));
            assert_eq!(clock.now(), world.machine_wall());
        }
    }
}

#[tokio::test]
async fn a_repair_of_the_local_clock_ends_the_correction_of_a_synchronization() {
    let world = World::with_skew(-2 * DAY);
    let endpoint = start(Endpoint::builder(world.clock())).await;
    let clock = world.skew_clock();
    let synchronized = By::Config.synchronize(&clock, &endpoint.url()).await;
    assert!(synchronized.expect("the endpoint answers").is_correcting());
    world.set_skew(0);
    assert_eq!(clock.now(), world.machine_wall());
    assert!(is_accepted(&clock, &endpoint).await);
    assert_eq!(endpoint.counts().rejected_for_time, 0);
}

#[tokio::test]
async fn a_wrong_date_costs_one_rejection_and_no_call() {
    for by in By::ALL {
        for error in [-HOUR, HOUR, -DAY] {
            let world = World::with_skew(0);
            let server = world.clone();
            let wrong_date = move || Some(wire::http_date(shifted(server.true_time(), error)));
            let endpoint = start(Endpoint::builder(world.clock()).date_clock(wrong_date)).await;
            let clock = world.skew_clock();
            let status = by.synchronize(&clock, &endpoint.url()).await;
            assert!(status.expect("the endpoint answers").is_correcting());
            for _ in 0..3 {
                assert!(is_accepted(&clock, &endpoint).await, "{by:?} {error}");
            }
            assert_eq!(endpoint.counts().rejected_for_time, 1, "{by:?} {error}");
            assert_eq!(
                clock.now(),
                world.machine_wall(),
                "the error message decides"
            );
        }
    }
}

#[tokio::test]
async fn the_limit_forward_is_that_of_a_date() {
    for by in By::ALL {
        let world = World::with_skew(-8 * DAY);
        world.advance_a_century();
        let endpoint = start(Endpoint::builder(world.clock())).await;
        let clock = world.skew_clock();
        let outcome = by.synchronize(&clock, &endpoint.url()).await;
        assert!(
            matches!(outcome, Err(SynchronizeError::LimitExceeded)),
            "{by:?}"
        );
        assert_eq!(clock.now(), world.machine_wall());
        let last = clock.status().last_event().map(|event| event.name());
        assert_eq!(last, Some("offset_limit_exceeded"));
        // The owner of the device knows that it boots in 1970.
        world.machine.set_wall(UNIX_EPOCH);
        let limits = Limits::default().with_max_forward(Duration::from_hours(200 * 366 * 24));
        let clock = SkewClock::builder()
            .local_clock(world.machine.clone())
            .limits(limits)
            .build();
        let status = by.synchronize(&clock, &endpoint.url()).await;
        assert!(status.expect("the endpoint answers").is_correcting());
        assert!(is_accepted(&clock, &endpoint).await);
        assert_eq!(endpoint.counts().rejected_for_time, 0);
    }
}

#[tokio::test]
async fn a_response_without_a_credible_date_changes_nothing() {
    let cases = [
        None,
        Some("yesterday"),
        Some("Thu, 01 Jan 1970 00:00:00 GMT"),
    ];
    for by in By::ALL {
        for date in cases {
            let world = World::with_skew(-2 * DAY);
            let dates = move || date.map(str::to_owned);
            let endpoint = start(Endpoint::builder(world.clock()).date_clock(dates)).await;
            let clock = world.skew_clock();
            let error = by.synchronize(&clock, &endpoint.url()).await;
            let error = error.expect_err("it has no credible date");
            assert_eq!(
                error.to_string(),
                "the response had no credible date",
                "{by:?}"
            );
            assert_eq!(clock.now(), world.machine_wall());
            // The next clock skew error starts a correction.
            assert!(is_accepted(&clock, &endpoint).await);
        }
    }
}

#[tokio::test]
async fn an_endpoint_without_tls_gets_no_request() {
    let clock = SkewClock::new();
    for by in By::ALL {
        for url in [
            "http://sts.us-east-1.amazonaws.com",
            "http://169.254.169.254",
        ] {
            let outcome = by.synchronize(&clock, url).await;
            assert!(matches!(outcome, Err(SynchronizeError::Insecure)), "{by:?}");
        }
        let outcome = by.synchronize(&clock, "/nowhere").await;
        assert!(matches!(outcome, Err(SynchronizeError::NoEndpoint)));
        // Nothing listens on this port.
        let error = by.synchronize(&clock, "http://127.0.0.1:1").await;
        let error = error.expect_err("nothing listens there");
        assert!(
            matches!(error, SynchronizeError::NoAnswer(_)),
            "{by:?}: {error}"
        );
        assert!(error.source().is_some());
    }
    let nowhere = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .build();
    let outcome = clock.synchronize(&nowhere).await;
    assert!(matches!(outcome, Err(SynchronizeError::NoEndpoint)));
}

/// A server that accepts every request and never responds.
#[derive(Clone, Debug, Default)]
struct Silence(std::sync::Arc<AtomicU64>);

impl HttpConnector for Silence {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        assert_eq!(request.uri(), "https://sts.eu-west-1.amazonaws.com/");
        assert_eq!(request.method(), "HEAD");
        assert_eq!(request.headers().get("authorization"), None);
        self.0.fetch_add(1, Ordering::Relaxed);
        HttpConnectorFuture::new(std::future::pending())
    }
}

impl HttpClient for Silence {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn a_synchronization_waits_15_seconds_for_a_server() {
    let silence = Silence::default();
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .http_client(silence.clone())
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .build();
    let clock = SkewClock::new();
    let start = tokio::time::Instant::now();
    let error = clock.synchronize(&config).await;
    assert!(
        matches!(error, Err(SynchronizeError::NoAnswer(_))),
        "{error:?}"
    );
    assert_eq!(start.elapsed().as_secs(), 15);
    assert_eq!(silence.0.load(Ordering::Relaxed), 1);

    let start = tokio::time::Instant::now();
    let never = tower::service_fn(|_: http::Request<Empty<Bytes>>| {
        std::future::pending::<Result<http::Response<()>, std::io::Error>>()
    });
    let error = clock
        .synchronize_with(never, "https://sts.eu-west-1.amazonaws.com")
        .await;
    assert!(
        matches!(error, Err(SynchronizeError::NoAnswer(_))),
        "{error:?}"
    );
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test]
async fn an_offset_below_two_minutes_starts_no_correction() {
    for (seconds, is_followed) in [(0, false), (119, false), (121, true)] {
        let world = World::with_skew(0);
        let date = wire::http_date(shifted(world.true_time(), seconds));
        let dated = tower::service_fn(move |_: http::Request<Empty<Bytes>>| {
            let response = http::Response::builder().header("date", &date);
            std::future::ready(response.body(()))
        });
        let clock = world.skew_clock();
        let status = clock.synchronize_with(dated, "http://localhost").await;
        let status = status.expect("it answers");
        assert_eq!(status.is_correcting(), is_followed, "{seconds}");
    }
}

/// The first response may come late, since the connection is not open yet.
#[tokio::test]
async fn a_slow_response_makes_the_time_uncertain_and_not_wrong() {
    for skew in [-2 * DAY, 2 * DAY] {
        for (before, after) in [(0, 9), (9, 0), (5, 5)] {
            let world = World::with_skew(skew);
            let there = world.clone();
            let slow = tower::service_fn(move |_: http::Request<Empty<Bytes>>| {
                there.advance(Duration::from_secs(before));
                let date = wire::http_date(there.true_time());
                there.advance(Duration::from_secs(after));
                let response = http::Response::builder().header("date", date);
                std::future::ready(response.body(()))
            });
            let clock = world.skew_clock();
            let status = clock.synchronize_with(slow, "http://localhost").await;
            let status = status.expect("it answers");
            let error = (status.offset().as_millis() + skew * 1_000).unsigned_abs();
            assert!(status.is_correcting());
            assert!(
                u128::from(error) <= status.uncertainty().as_millis(),
                "{error}"
            );
        }
    }
}

/// The URL is that of AWS over TLS; the wire is in the process.
#[tokio::test]
async fn the_limit_over_tls_is_that_of_a_date_too() {
    for (days, is_followed) in [(6, true), (8, false), (-300, true)] {
        let world = World::with_skew(-days * DAY);
        world.advance_a_century();
        let date = wire::http_date(world.true_time());
        let dated = tower::service_fn(move |request: http::Request<Empty<Bytes>>| {
            assert_eq!(request.uri(), "https://sts.eu-west-1.amazonaws.com/");
            let response = http::Response::builder().status(302).header("date", &date);
            std::future::ready(response.body(()))
        });
        let clock = world.skew_clock();
        let outcome = clock
            .synchronize_with(dated, "https://sts.eu-west-1.amazonaws.com")
            .await;
        assert_eq!(outcome.is_ok(), is_followed, "{days}: {outcome:?}");
        assert_eq!(clock.status().is_correcting(), is_followed, "{days}");
    }
}
