//! Who corrects: one of our doors, the SDK itself, or nobody.

use std::time::Duration;

use aws_clock_skew::{LocalClock, Signing, Skew, SkewClock};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service};

use crate::clocks::World;
use crate::site::{ACCESS_KEY, SECRET, Site};
use crate::wire::Wire;

/// Who corrects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Arm {
    /// An SDK client with our interceptor and classifier.
    Interceptor,
    /// An SDK client with what `configure` installs, and no retries.
    HttpClient,
    /// The two together.
    Both,
    /// `SigningLayer`.
    Signing,
    /// `SkewLayer`, below a signer that knows the machine's clock only.
    Below,
    /// An SDK client as it comes.
    Native,
    /// An SDK client that has its own correction switched off.
    Nobody,
}

impl Arm {
    pub(crate) const OURS: [Self; 5] = [
        Self::Interceptor,
        Self::HttpClient,
        Self::Both,
        Self::Signing,
        Self::Below,
    ];

    /// Those that cost little.
    pub(crate) const LAYERS: [Self; 2] = [Self::Signing, Self::Below];
}

/// A machine with one client on it.
pub(crate) struct Station {
    pub(crate) arm: Arm,
    pub(crate) world: World,
    pub(crate) wire: Wire,
    pub(crate) clock: SkewClock,
    client: Client,
}

/// What a station's user may choose.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) secret: &'static str,
    pub(crate) url: &'static str,
    pub(crate) retries: RetryConfig,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            secret: SECRET,
            url: AWS,
            retries: RetryConfig::standard(),
        }
    }
}

pub(crate) const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
pub(crate) const LAB: &str = "https://sqs.lab.example";

enum Client {
    Sdk(Box<aws_sdk_sqs::Client>, &'static str),
    Signing(Signing<Wire>, &'static str),
    Below(Skew<Wire>, &'static str, Box<Credentials>),
}

impl Station {
    pub(crate) fn new(arm: Arm, world: &World, site: Site) -> Self {
        let wire = Wire::new(world, site);
        let clock = world.skew_clock();
        Self::on(arm, world, &wire, &clock, Choice::default())
    }

    /// A client on a machine that is there already.
    pub(crate) fn on(
        arm: Arm,
        world: &World,
        wire: &Wire,
        clock: &SkewClock,
        choice: Choice,
    ) -> Self {
        let credentials = Credentials::new(ACCESS_KEY, choice.secret, None, None, "world");
        let client = match arm {
            Arm::Signing => {
                let layer = clock.signing_layer(credentials, "us-east-1", "sqs");
                Client::Signing(layer.layer(wire.clone()), choice.url)
            }
            Arm::Below => {
                let layer = clock.layer(credentials.clone());
                Client::Below(layer.layer(wire.clone()), choice.url, Box::new(credentials))
            }
            _ => {
                let url = choice.url;
                let client = sdk(arm, world, wire, clock, choice, credentials);
                Client::Sdk(Box::new(client), url)
            }
        };
        Self {
            arm,
            world: world.clone(),
            wire: wire.clone(),
            clock: clock.clone(),
            client,
        }
    }

    /// Makes one call.
    ///
    /// # Errors
    ///
    /// What the caller gets in place of an answer.
    pub(crate) async fn calls(&self) -> Result<(), String> {
        self.calls_after(Duration::ZERO).await
    }

    /// Makes one call that waits, signed, before it is sent; below a signer only.
    pub(crate) async fn calls_after(&self, queued: Duration) -> Result<(), String> {
        let response = match &self.client {
            Client::Sdk(sqs, url) => {
                let sent = sqs.receive_message().queue_url(format!("{url}/1/q")).send();
                let sent = sent.await.map(drop);
                return sent.map_err(|error| DisplayErrorContext(&error).to_string());
            }
            Client::Signing(layer, url) => layer.clone().call(request(url)).await,
            Client::Below(layer, url, credentials) => {
                let request = signed(request(url), credentials, &self.world);
                self.world.passes(queued);
                layer.clone().call(request).await
            }
        };
        let response = response.map_err(|error| error.to_string())?;
        if response.status() == StatusCode::OK {
            return Ok(());
        }
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        Err(String::from_utf8_lossy(&body).into_owned())
    }
}

fn sdk(
    arm: Arm,
    world: &World,
    wire: &Wire,
    clock: &SkewClock,
    choice: Choice,
    credentials: Credentials,
) -> aws_sdk_sqs::Client {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(choice.url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(wire.clone())
        .time_source(world.clone())
        .sleep_impl(world.clone())
        .timeout_config(TimeoutConfig::disabled())
        .retry_config(choice.retries)
        .disable_clock_skew_correction(arm == Arm::Nobody);
    let config = match arm {
        Arm::HttpClient | Arm::Both => config
            .http_client(clock.http_client(wire.clone()))
            .time_source(clock.clone())
            .identity_cache(clock.identity_cache()),
        _ => config,
    };
    let config = match arm {
        Arm::HttpClient => config.retry_config(RetryConfig::disabled()),
        _ => config,
    };
    let config = aws_sdk_sqs::config::Builder::from(&config.build());
    let config = match arm {
        Arm::Interceptor | Arm::Both => config
            .time_source(clock.clone())
            .interceptor(clock.interceptor())
            .retry_classifier(clock.retry_classifier()),
        _ => config,
    };
    aws_sdk_sqs::Client::from_conf(config.build())
}

fn request(url: &str) -> Request<Full<Bytes>> {
    Request::post(format!("{url}/"))
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "AmazonSQS.ReceiveMessage")
        .body(Full::from(BODY))
        .expect("a request")
}

/// Signs with `aws-sigv4` by the machine's own clock, as programs without an SDK
/// do.
fn signed(
    mut request: Request<Full<Bytes>>,
    credentials: &Credentials,
    world: &World,
) -> Request<Full<Bytes>> {
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("sqs")
        .time(world.wall())
        .settings(SigningSettings::default())
        .build()
        .expect("nothing is missing");
    let headers = request.headers().iter();
    let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.uri().to_string(),
        headers,
        SignableBody::Bytes(BODY.as_bytes()),
    );
    let (instructions, _) = sign(signable.expect("a request"), &params.into())
        .expect("it can be signed")
        .into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request
}

const BODY: &str = r#"{"QueueUrl":"q"}"#;
