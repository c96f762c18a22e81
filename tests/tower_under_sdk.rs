//! Tower layers under real SDK clients, and the SDK's HTTP client under a Tower stack.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

#[expect(dead_code, reason = "used by other tests")]
#[path = "sdk/clients.rs"]
mod clients;
#[expect(dead_code, reason = "used by other tests")]
#[path = "sdk/wire.rs"]
mod wire;
#[expect(dead_code, reason = "used by other tests")]
#[path = "sdk/world.rs"]
mod world;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_clock_skew::SkewClock;
use aws_clock_skew::tower::{HttpClientService, LayeredHttpClient};
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_sdk_sqs::error::SdkError;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient};
use aws_smithy_runtime_api::client::result::ConnectorError;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tower::limit::ConcurrencyLimitLayer;
use tower::timeout::TimeoutLayer;
use tower::timeout::error::Elapsed;
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt};

use clients::{config, send, without_retries};
use world::{HOUR, World};

const SKEWS: [i64; 2] = [-2 * HOUR, 9 * HOUR];
const CALLS: usize = 10;

fn inner(config: &SdkConfig) -> SharedHttpClient {
    config.http_client().expect("was given")
}

fn with_client(config: &SdkConfig, client: impl HttpClient + 'static) -> SdkConfig {
    config.to_builder().http_client(client).build()
}

/// The stack of a program that wants a limit. It boxes the rest.
fn layered(inner: impl HttpClient + 'static) -> LayeredHttpClient {
    let layers = ServiceBuilder::new()
        .layer(BoxCloneService::layer())
        .map_err(BoxError::from)
        .layer(ConcurrencyLimitLayer::new(3));
    LayeredHttpClient::new(inner, layers)
}

async fn endpoint(world: &World) -> Endpoint {
    let endpoint = Endpoint::builder(world.clock()).start().await;
    let endpoint = endpoint.expect("loopback can be bound");
    endpoint.feed("q", "first");
    endpoint
}

fn credentials() -> Credentials {
    Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "test")
}

/// Makes ten calls of a client with this config: the server rejects one request, and no call fails.
async fn costs_one_rejection(prepare: fn(&SdkConfig, &SkewClock) -> SdkConfig) {
    for skew in SKEWS {
        let world = World::with_skew(skew);
        let endpoint = endpoint(&world).await;
        let clock = world.skew_clock();
        let config = without_retries(config(&endpoint.url()));
        let config = config.to_builder().time_source(clock.local_time()).build();
        let sqs = aws_sdk_sqs::Client::new(&prepare(&config, &clock));
        for _ in 0..CALLS {
            assert_eq!(send(&sqs, &endpoint.queue_url("q")).await, Ok(()));
        }
        let counts = endpoint.counts();
        assert_eq!((counts.rejected, counts.requests), (1, CALLS as u64 + 1));
    }
}

#[tokio::test]
async fn the_clock_around_a_stack_costs_one_rejection() {
    costs_one_rejection(|config, clock| clock.apply(&with_client(config, layered(inner(config)))))
        .await;
}

#[tokio::test]
async fn the_clock_inside_a_stack_costs_one_rejection() {
    costs_one_rejection(|config, clock| {
        let client = clock.wrap_http_client(inner(config));
        with_client(config, layered(client))
    })
    .await;
}

#[tokio::test]
async fn skew_layer_in_a_stack_costs_one_rejection() {
    costs_one_rejection(|config, clock| {
        let layers = ServiceBuilder::new()
            .layer(clock.layer(credentials()))
            .layer(ConcurrencyLimitLayer::new(3));
        with_client(config, LayeredHttpClient::new(inner(config), layers))
    })
    .await;
}

#[tokio::test]
async fn all_clients_share_the_state_of_the_layers() {
    let world = World::with_skew(0);
    let endpoint = endpoint(&world).await;
    let config = config(&endpoint.url());
    let config = config.to_builder().time_source(world.clone()).build();
    let (in_flight, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let (in_flight, seen) = (Arc::new(in_flight), most.clone());
    let layers = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(2))
        .map_future(move |sent| {
            let (in_flight, seen) = (in_flight.clone(), seen.clone());
            async move {
                seen.fetch_max(
                    in_flight.fetch_add(1, Ordering::SeqCst) + 1,
                    Ordering::SeqCst,
                );
                let result: Result<_, ConnectorError> = sent.await;
                in_flight.fetch_sub(1, Ordering::SeqCst);
                result
            }
        });
    let config = with_client(&config, LayeredHttpClient::new(inner(&config), layers));
    let clients = [(); 2].map(|()| aws_sdk_sqs::Client::new(&config));
    let queue = endpoint.queue_url("q");
    let sent = join_all((0..20).map(|call| send(&clients[call % 2], &queue))).await;
    assert_eq!(sent, vec![Ok(()); 20]);
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

/// The requests that a plain HTTP server, which verifies nothing, has received.
#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    user_agents: Mutex<Vec<String>>,
}

/// A server whose first response has the status `first`. If that is `None`, it never responds to
/// the first request. All other responses are empty successes.
async fn server(first: Option<StatusCode>) -> (String, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let url = format!("http://{}", listener.local_addr().expect("is bound"));
    let seen = Arc::new(Seen::default());
    let shared = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            shared.connections.fetch_add(1, Ordering::SeqCst);
            let seen = shared.clone();
            let service = service_fn(move |request: Request<_>| {
                let seen = seen.clone();
                async move { answer(request, &seen, first).await }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (url, seen)
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    seen: &Seen,
    first: Option<StatusCode>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let user_agent = request.headers().get("user-agent");
    let user_agent = user_agent.and_then(|agent| agent.to_str().ok());
    if let Ok(mut seen) = seen.user_agents.lock() {
        seen.push(user_agent.unwrap_or_default().to_owned());
    }
    request.into_body().collect().await?;
    let is_first = seen.requests.fetch_add(1, Ordering::SeqCst) == 0;
    let status = if is_first {
        first
    } else {
        Some(StatusCode::OK)
    };
    let Some(status) = status else {
        return std::future::pending().await;
    };
    let mut response = Response::new(Full::from("{}"));
    *response.status_mut() = status;
    Ok(response)
}

/// A config for a server with the SDK's own HTTP client, and one with a stack over that client.
fn alone_and_layered(url: &str) -> [SdkConfig; 2] {
    let alone = config(url);
    let layered = with_client(&alone, layered(inner(&alone)));
    [alone, layered]
}

#[tokio::test(start_paused = true)]
async fn the_read_timeout_of_the_config_applies() {
    for is_layered in [0, 1] {
        let (url, _) = server(None).await;
        let config = without_retries(alone_and_layered(&url)[is_layered].clone());
        let timeouts = TimeoutConfig::builder()
            .disable_connect_timeout()
            .read_timeout(Duration::from_secs(600));
        let config = config.to_builder().timeout_config(timeouts.build()).build();
        let sqs = aws_sdk_sqs::Client::new(&config);
        let start = Instant::now();
        let call = sqs.list_queues().send();
        let result = tokio::time::timeout(Duration::from_secs(3_600), call).await;
        let error = result.expect("it ends by itself").expect_err("no answer");
        let SdkError::DispatchFailure(failure) = &error else {
            panic!("not a failure of the connector: {error:?}");
        };
        assert!(failure.is_timeout(), "{failure:?}");
        assert_eq!(start.elapsed().as_secs(), 600);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_errors_is_not_reused() {
    for is_layered in [0, 1] {
        let (url, seen) = server(Some(StatusCode::INTERNAL_SERVER_ERROR)).await;
        let sqs = aws_sdk_sqs::Client::new(&alone_and_layered(&url)[is_layered]);
        for _ in 0..2 {
            assert!(sqs.list_queues().send().await.is_ok());
        }
        assert_eq!(seen.requests.load(Ordering::SeqCst), 3);
        assert_eq!(seen.connections.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn the_user_agent_names_the_http_client() {
    for is_layered in [0, 1] {
        let (url, seen) = server(Some(StatusCode::OK)).await;
        let sqs = aws_sdk_sqs::Client::new(&alone_and_layered(&url)[is_layered]);
        assert!(sqs.list_queues().send().await.is_ok());
        let agents = seen.user_agents.lock().expect("is not poisoned");
        assert!(agents[0].contains("md/http#hyper-1.x"), "{agents:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_a_layer_is_retried_if_it_is_mapped_to_one() {
    for is_mapped in [false, true] {
        let (url, seen) = server(None).await;
        let config = config(&url);
        let layers = ServiceBuilder::new()
            .map_err(
                move |error: BoxError| match error.is::<Elapsed>() && is_mapped {
                    true => ConnectorError::timeout(error).into(),
                    false => error,
                },
            )
            .layer(TimeoutLayer::new(Duration::from_secs(60)));
        let config = with_client(&config, LayeredHttpClient::new(inner(&config), layers));
        let result = aws_sdk_sqs::Client::new(&config).list_queues().send().await;
        assert_eq!(result.is_ok(), is_mapped, "{result:?}");
        assert_eq!(
            seen.requests.load(Ordering::SeqCst),
            1 + usize::from(is_mapped)
        );
    }
}

#[tokio::test]
async fn the_sdks_http_client_serves_a_tower_stack() {
    for skew in SKEWS {
        let world = World::with_skew(skew);
        let endpoint = endpoint(&world).await;
        let service = HttpClientService::from_config(&config(&endpoint.url()));
        let stack = ServiceBuilder::new()
            .layer(
                world
                    .skew_clock()
                    .signing_layer(credentials(), "us-east-1", "sqs"),
            )
            .service(service.expect("the config has a client"));
        for _ in 0..CALLS {
            let request = Request::post(endpoint.url())
                .header("content-type", "application/x-amz-json-1.0")
                .header("x-amz-target", "AmazonSQS.SendMessage")
                .body(Full::from(format!(
                    r#"{{"QueueUrl":"{}","MessageBody":"hello"}}"#,
                    endpoint.queue_url("q")
                )));
            let response = stack.clone().oneshot(request.expect("a request")).await;
            assert_eq!(response.expect("an answer").status(), StatusCode::OK);
        }
        assert_eq!(endpoint.counts().rejected, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tower_stack_keeps_the_time_outs_of_the_config() {
    let (url, _) = server(None).await;
    let timeouts = TimeoutConfig::builder().read_timeout(Duration::from_secs(600));
    let config = config(&url).into_builder().timeout_config(timeouts.build());
    let service = HttpClientService::from_config(&config.build()).expect("a client");
    let request = Request::get(url).body(Full::<Bytes>::default());
    let start = Instant::now();
    let call = service.oneshot(request.expect("a request"));
    let result = tokio::time::timeout(Duration::from_secs(3_600), call).await;
    let error = result.expect("it ends by itself").expect_err("no answer");
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(start.elapsed().as_secs(), 600);
}
