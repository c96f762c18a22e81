//! The allocations of an accepted call of the SDK, compared with a call without any correction.

use aws_clock_skew::{SkewClock, install};
use aws_config::identity::IdentityCache;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Builder;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

/// Accepts every request.
#[derive(Clone, Copy, Debug)]
struct Wire;

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        drop(request);
        let mut response = http::Response::new(SdkBody::from("{}"));
        let date = http::HeaderValue::from_static("Mon, 23 Nov 2026 08:21:51 GMT");
        response.headers_mut().insert("date", date);
        let response = HttpResponse::try_from(response);
        HttpConnectorFuture::ready(
            response.map_err(|error| ConnectorError::other(error.into(), None)),
        )
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(*self)
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Integration {
    None,
    SdkAlone,
    Interceptor,
    HttpClient,
}

fn client(integration: Integration) -> Client {
    let clock = SkewClock::new();
    let credentials = Credentials::new("AKIA", "secret", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .sleep_impl(TokioSleep::new())
        .disable_clock_skew_correction(integration == Integration::None);
    let config = if integration == Integration::HttpClient {
        config
            .http_client(clock.wrap_http_client(Wire))
            .time_source(SystemTimeSource::new())
            .identity_cache(clock.identity_cache())
    } else {
        config
            .http_client(Wire)
            .time_source(SystemTimeSource::new())
            .identity_cache(IdentityCache::lazy().build())
    };
    let mut config = Builder::from(&config.build());
    if integration == Integration::Interceptor {
        config = install!(config, &clock);
    }
    Client::from_conf(config.build())
}

#[expect(clippy::unwrap_used, reason = "a call that fails is a test that fails")]
fn allocations(integration: Integration) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = client(integration);
    let call = || {
        let request = client.receive_message();
        let sent = request.queue_url("https://sqs.us-east-1.amazonaws.com/1/queue");
        runtime.block_on(sent.send()).unwrap();
    };
    // Values that are built once are built here, and AWS confirms the clock.
    for _ in 0..3 {
        call();
    }
    let counts = [(); 5].map(|()| allocation_counter::measure(call).count_total);
    // The SDK's own allocations differ by one now and then, since the numbers that it formats
    // differ in length.
    counts.into_iter().min().unwrap_or_default()
}

/// Two values in the config bag, at two allocations each: the interceptor's state, and the switch
/// for the SDK's own correction.
#[test]
fn the_interceptor_allocates_less_than_the_sdks_own_correction() {
    let none = allocations(Integration::None);
    let sdk_alone = allocations(Integration::SdkAlone) - none;
    let interceptor = allocations(Integration::Interceptor) - none;
    println!("the SDK alone {sdk_alone}, interceptor {interceptor}");
    assert!(interceptor <= sdk_alone, "{interceptor} and {sdk_alone}");
    assert_eq!(interceptor, 4);
}

/// Four are the SDK's own correction, which runs and which the `Age` header keeps from acting. The
/// others: the connector, the request in one piece, a future, the wrapper of its body, and space
/// for the header.
#[test]
fn the_http_client_allocates_less_than_the_sdks_own_correction() {
    let none = allocations(Integration::None);
    let sdk_alone = allocations(Integration::SdkAlone) - none;
    let http_client = allocations(Integration::HttpClient) - none;
    println!("the SDK alone {sdk_alone}, HTTP client {http_client}");
    assert!(http_client < sdk_alone, "{http_client} and {sdk_alone}");
    assert_eq!(http_client, 9);
}
