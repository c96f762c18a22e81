//! Programs that sign requests of other services, here of SQS, with a clock that the test sets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::{ManualClock, SkewClock};
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
use aws_clock_skew_recipes::reqwest_middleware::SkewMiddleware;
use aws_clock_skew_recipes::{aws_sign_v4, axum_proxy, hyper, reqwest as as_service, tower_http};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Extensions, Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::{Cost, SKEWS, is_row};

const CALLS: usize = 10;

/// A machine whose clock is wrong, and an endpoint.
struct Site {
    endpoint: Endpoint,
    clock: SkewClock,
    local_time: SystemTime,
}

impl Site {
    async fn start(skew: i64) -> Self {
        let true_time = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let by = Duration::from_secs(skew.unsigned_abs());
        let local_time = if skew < 0 {
            true_time - by
        } else {
            true_time + by
        };
        let endpoint = Endpoint::builder(move || true_time).start().await;
        let endpoint = endpoint.expect("loopback can be bound");
        endpoint.feed("q", "first");
        let clock = SkewClock::builder().local_clock(ManualClock::new(local_time));
        Self {
            endpoint,
            clock: clock.build(),
            local_time,
        }
    }

    /// A request without a signature.
    fn request(&self) -> Request<String> {
        let queue = self.endpoint.queue_url("q");
        let request = Request::post(self.endpoint.url())
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "AmazonSQS.SendMessage")
            .body(format!(r#"{{"QueueUrl":"{queue}","MessageBody":"hello"}}"#));
        request.expect("a request")
    }

    /// The same request, signed with the local clock.
    fn signed(&self) -> Request<Full<Bytes>> {
        signed(self.request(), self.local_time).map(Full::from)
    }

    fn authority(&self) -> String {
        self.endpoint.url().replace("http://", "")
    }

    fn cost(&self, statuses: &[Option<StatusCode>]) -> Cost {
        assert_eq!(statuses.len(), CALLS);
        let is_ok = |status: &&Option<StatusCode>| **status == Some(StatusCode::OK);
        Cost {
            rejected: self.endpoint.counts().rejected,
            failed: CALLS - statuses.iter().filter(is_ok).count(),
        }
    }
}

fn credentials() -> Credentials {
    Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "test")
}

fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

fn signed(mut request: Request<String>, time: SystemTime) -> Request<String> {
    let identity = credentials().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("sqs")
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .expect("nothing is missing")
        .into();
    let headers = request.headers().iter();
    let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let uri = request.uri().to_string();
    let body = SignableBody::Bytes(request.body().as_bytes());
    let signable = SignableRequest::new(request.method().as_str(), uri, headers, body);
    let signed = sign(signable.expect("a request"), &params).expect("it can be signed");
    signed.into_parts().0.apply_to_request_http1x(&mut request);
    request
}

/// Calls a service ten times.
async fn calls<S, B, R>(mut service: S, request: impl Fn() -> Request<B>) -> Vec<Option<StatusCode>>
where
    S: Service<Request<B>, Response = http::Response<R>>,
{
    let mut statuses = Vec::new();
    for _ in 0..CALLS {
        let ready = service.ready().await.ok();
        let ready = ready.expect("it is ready");
        let response = ready.call(request()).await.ok();
        statuses.push(response.map(|response| response.status()));
    }
    statuses
}

/// Compares a row with the cost of ten calls at each skew.
#[track_caller]
fn costs_are_as_on_the_page(program: &str, recipe: &str, costs: &[Cost]) {
    is_row(
        program,
        recipe,
        costs.try_into().expect("one for each skew"),
    );
}

#[tokio::test]
async fn reqwest_loses_no_call() {
    let mut costs = Vec::new();
    for skew in SKEWS {
        let site = Site::start(skew).await;
        let service = as_service::client(&site.clock, credentials(), reqwest::Client::new());
        costs.push(site.cost(&calls(service, || site.request()).await));
    }
    costs_are_as_on_the_page("reqwest 0.13, a Tower service", "reqwest.rs", &costs);
}

/// A middleware that signs by the local clock.
struct Signer(SystemTime);

#[async_trait::async_trait]
impl Middleware for Signer {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let request = Request::<reqwest::Body>::try_from(request)?;
        let body = request.body().as_bytes().unwrap_or_default();
        let body = String::from_utf8_lossy(body).into_owned();
        let request = signed(request.map(|_| body), self.0);
        next.run(request.try_into()?, extensions).await
    }
}

#[tokio::test]
async fn reqwest_middleware_loses_no_call() {
    let mut costs = Vec::new();
    for skew in SKEWS {
        let site = Site::start(skew).await;
        let client = ClientBuilder::new(reqwest::Client::new())
            .with(Signer(site.local_time))
            .with(SkewMiddleware(site.clock.layer(credentials())))
            .build();
        let mut statuses = Vec::new();
        for _ in 0..CALLS {
            let request = site.request().try_into().expect("a request");
            let response = client.execute(request).await.ok();
            statuses.push(response.map(|response| response.status()));
        }
        costs.push(site.cost(&statuses));
    }
    costs_are_as_on_the_page("reqwest-middleware 0.5", "reqwest_middleware.rs", &costs);
}

#[tokio::test]
async fn hyper_by_hand_loses_no_call() {
    let mut costs = Vec::new();
    for skew in SKEWS {
        let site = Site::start(skew).await;
        let stream = TcpStream::connect(site.authority())
            .await
            .expect("loopback");
        let handshake = ::hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await.expect("a connection");
        tokio::spawn(connection);
        let (layer, sender) = (site.clock.layer(credentials()), Mutex::new(sender));
        let mut statuses = Vec::new();
        for _ in 0..CALLS {
            let response = hyper::send(&layer, &sender, site.signed()).await;
            statuses.push(response.ok().map(|response| response.status()));
        }
        costs.push(site.cost(&statuses));
    }
    costs_are_as_on_the_page("hyper 1 by hand, aws-sigv4 1", "hyper.rs", &costs);
}

/// Signs by the local clock as the documentation of `aws-sign-v4` says.
fn signed_by_aws_sign_v4(site: &Site) -> Request<Full<Bytes>> {
    let time: DateTime<Utc> = site.local_time.into();
    let mut request = site.request();
    let date = time.format("%Y%m%dT%H%M%SZ").to_string();
    let headers = request.headers_mut();
    headers.insert("x-amz-date", date.parse().expect("a header"));
    headers.insert("host", site.authority().parse().expect("a header"));
    let signature = ::aws_sign_v4::AwsSign::new(
        "POST",
        &request.uri().to_string(),
        &time,
        request.headers(),
        "us-east-1",
        ACCESS_KEY_ID,
        SECRET_ACCESS_KEY,
        "sqs",
        request.body(),
    )
    .sign();
    let signature = signature.parse().expect("a header");
    request.headers_mut().insert("authorization", signature);
    request.map(Full::from)
}

#[tokio::test]
async fn aws_sign_v4_loses_no_call() {
    let mut costs = Vec::new();
    for skew in SKEWS {
        let site = Site::start(skew).await;
        let service = aws_sign_v4::corrected(&site.clock, credentials(), client());
        costs.push(site.cost(&calls(service, || signed_by_aws_sign_v4(&site)).await));
    }
    costs_are_as_on_the_page("aws-sign-v4 0.3", "aws_sign_v4.rs", &costs);
}

#[tokio::test]
async fn an_axum_proxy_loses_no_call() {
    let mut costs = Vec::new();
    for skew in SKEWS {
        let site = Site::start(skew).await;
        let layer = site.clock.signing_layer(credentials(), "us-east-1", "sqs");
        let router = axum_proxy::proxy(layer, site.authority());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let request = || {
            let mut request = site.request().map(Full::from);
            *request.uri_mut() = url.parse().expect("a URL");
            request
        };
        costs.push(site.cost(&calls(client(), request).await));
    }
    costs_are_as_on_the_page("axum 0.8, a reverse proxy", "axum_proxy.rs", &costs);
}

/// A client with a body that has a default, which `TimeoutLayer` asks for.
fn sender() -> impl Service<
    Request<String>,
    Response = http::Response<reqwest::Body>,
    Error = reqwest::Error,
    Future: Send,
> + Clone {
    ServiceBuilder::new()
        .map_request(|request: Request<String>| -> reqwest::Request {
            request.try_into().expect("an absolute URI")
        })
        .map_response(http::Response::<reqwest::Body>::from)
        .service(reqwest::Client::new())
}

#[tokio::test]
async fn tower_http_loses_no_call_in_either_order() {
    let (mut above, mut below) = (Vec::new(), Vec::new());
    for skew in SKEWS {
        let site = Site::start(skew).await;
        let layer = site.clock.signing_layer(credentials(), "us-east-1", "sqs");
        let request = || site.request();
        let service = tower_http::above(layer, sender());
        above.push(site.cost(&calls(service, request).await));

        let site = Site::start(skew).await;
        let layer = site.clock.signing_layer(credentials(), "us-east-1", "sqs");
        let request = || site.request();
        let service = tower_http::below(layer, sender());
        below.push(site.cost(&calls(service, request).await));
    }
    assert_eq!(above, below);
    costs_are_as_on_the_page("tower-http 0.7, above or below", "tower_http.rs", &above);
}
