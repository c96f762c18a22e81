//! One call through each integration, over one wire.

use std::fmt;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};

use aws_clock_skew::SkewClock;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

use crate::wire::Wire;
use crate::world::World;

/// How a client gets the clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Integration {
    Interceptor,
    HttpClient,
    BelowASigner,
    Signing,
}

impl Integration {
    pub(crate) const ALL: [Self; 4] = [
        Self::Interceptor,
        Self::HttpClient,
        Self::BelowASigner,
        Self::Signing,
    ];

    /// Calls SQS at `url`, without retries. `signer` provides the credentials of the first
    /// signature, and `known` those of the resend.
    pub(crate) async fn call(
        self,
        site: &Site,
        signer: impl ProvideCredentials + Clone + 'static,
        known: impl ProvideCredentials + 'static,
    ) -> Result<(), String> {
        match self {
            Self::Interceptor | Self::HttpClient => {
                let sqs = self.sqs(site, SharedCredentialsProvider::new(signer));
                let received = sqs.receive_message().queue_url(site.queue()).send().await;
                received
                    .map(drop)
                    .map_err(|error| DisplayErrorContext(&error).to_string())
            }
            Self::BelowASigner => {
                let credentials = signer.provide_credentials().await.expect("has some");
                let wall = site.world.machine_wall();
                let stack = ServiceBuilder::new()
                    .map_request(|request| signed(request, &credentials, wall))
                    .layer(site.clock.layer(known))
                    .service(service_fn(site.line.serve()));
                outcome(stack.oneshot(site.request()).await).await
            }
            Self::Signing => {
                let stack = ServiceBuilder::new()
                    .layer(site.clock.signing_layer(signer, "us-east-1", "sqs"))
                    .service(service_fn(site.line.serve()));
                outcome(stack.oneshot(site.request()).await).await
            }
        }
    }

    pub(crate) fn sqs(
        self,
        site: &Site,
        provider: SharedCredentialsProvider,
    ) -> aws_sdk_sqs::Client {
        let config = site.config(provider);
        if self == Self::HttpClient {
            let config = config
                .to_builder()
                .http_client(site.clock.wrap_http_client(site.line.clone()))
                .time_source(site.clock.local_time())
                // So that the provider is called for each signature.
                .identity_cache(aws_sdk_sqs::config::IdentityCache::no_cache())
                .build();
            return aws_sdk_sqs::Client::new(&config);
        }
        aws_sdk_sqs::Client::from_conf(
            aws_clock_skew::install!(aws_sdk_sqs::config::Builder::from(&config), &site.clock)
                .build(),
        )
    }
}

async fn outcome<B>(response: Result<Response<B>, BoxError>) -> Result<(), String>
where
    B: http_body::Body<Error: fmt::Debug>,
{
    let response = response.map_err(|error| error.to_string())?;
    if response.status().is_success() {
        return Ok(());
    }
    let body = response.into_body().collect().await;
    let body = body.map_err(|error| format!("{error:?}"))?.to_bytes();
    Err(String::from_utf8_lossy(&body).into_owned())
}

/// A machine with its clock, and a host.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) clock: SkewClock,
    pub(crate) url: &'static str,
    pub(crate) line: Line,
}

impl Site {
    pub(crate) fn queue(&self) -> String {
        format!("{}/1/q", self.url)
    }

    pub(crate) fn config(&self, provider: SharedCredentialsProvider) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(self.url)
            .credentials_provider(provider)
            .http_client(self.line.clone())
            .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
            .timeout_config(TimeoutConfig::disabled())
            .retry_config(RetryConfig::disabled())
            .build()
    }

    pub(crate) fn request(&self) -> Request<Full<Bytes>> {
        let body = format!(r#"{{"QueueUrl":"{}"}}"#, self.queue());
        Request::post(self.url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "AmazonSQS.ReceiveMessage")
            .body(Full::from(body))
            .expect("a request")
    }
}

/// A wire that records every signature.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) wire: Wire,
    signatures: Arc<Mutex<Vec<String>>>,
}

impl Line {
    pub(crate) fn new(wire: Wire) -> Self {
        Self {
            wire,
            signatures: Arc::default(),
        }
    }

    pub(crate) fn signatures(&self) -> Vec<String> {
        self.signatures.lock().expect("is not poisoned").clone()
    }

    fn note(&self, request: &HttpRequest) {
        let header = request.headers().get("authorization").expect("is signed");
        let (_, signature) = header.split_once("Signature=").expect("SigV4");
        let mut signatures = self.signatures.lock().expect("is not poisoned");
        signatures.push(signature.to_owned());
    }

    pub(crate) fn serve(
        &self,
    ) -> impl Fn(Request<Full<Bytes>>) -> Ready<Result<Served, BoxError>> + Clone + use<> {
        let line = self.clone();
        move |request: Request<Full<Bytes>>| {
            let answer = HttpRequest::try_from(request.map(|_| SdkBody::empty()))
                .map_err(BoxError::from)
                .and_then(|request| {
                    line.note(&request);
                    let response = line.wire.answer(&request)?;
                    let response = response.try_into_http1x()?;
                    Ok(response.map(|body| {
                        let bytes = body.bytes().unwrap_or_default();
                        Full::from(Bytes::copy_from_slice(bytes))
                    }))
                });
            ready(answer)
        }
    }
}

type Served = Response<Full<Bytes>>;

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl HttpConnector for Line {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.note(&request);
        let answer: Result<_, ConnectorError> = self.wire.answer(&request);
        HttpConnectorFuture::ready(answer)
    }
}

impl HttpClient for Line {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Signs with `aws-sigv4`, as programs without an SDK do.
fn signed(
    mut request: Request<Full<Bytes>>,
    credentials: &Credentials,
    time: std::time::SystemTime,
) -> Request<Full<Bytes>> {
    use futures_util::FutureExt;
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("sqs")
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .expect("nothing is missing");
    let body = request.body().clone().collect().now_or_never();
    let body = body.expect("is in memory").expect("cannot fail").to_bytes();
    let headers = request.headers().iter();
    let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.uri().to_string(),
        headers,
        SignableBody::Bytes(&body),
    );
    let (instructions, _) = sign(signable.expect("a request"), &params.into())
        .expect("it can be signed")
        .into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request
}
