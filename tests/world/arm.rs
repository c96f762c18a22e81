//! The clients under test: one for each integration, the SDK alone, or no correction.

// The path is explicit because the marathon includes this file from another package.
#[path = "arm/sdk.rs"]
mod sdk;

use std::time::Duration;

use aws_clock_skew::tower::{SigningService, SkewService};
use aws_clock_skew::{LocalClock, SkewClock};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service};

use crate::clocks::World;
use crate::site::{ACCESS_KEY, SECRET, Site};
use crate::wire::Wire;

/// The integration that corrects, if any.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Arm {
    /// `SigningLayer`.
    Signing,
    /// `SkewLayer`, below a signer that reads the local clock.
    Below,
    /// An SDK client with `install!`.
    Install,
    /// An SDK client with the settings of `configure`, without retries.
    Configure,
    /// An SDK client whose config went through `apply`, without retries.
    Apply,
    /// `configure` and `install!` together.
    Both,
    /// An SDK client without the crate.
    SdkAlone,
    /// An SDK client without the crate whose own correction is off.
    Nobody,
}

impl Arm {
    pub(crate) const OURS: [Self; 6] = [
        Self::Install,
        Self::Configure,
        Self::Apply,
        Self::Both,
        Self::Signing,
        Self::Below,
    ];

    /// The integrations whose calls are cheap.
    pub(crate) const LAYERS: [Self; 2] = [Self::Signing, Self::Below];
}

/// A machine with one client.
pub(crate) struct Station {
    pub(crate) world: World,
    pub(crate) wire: Wire,
    pub(crate) clock: SkewClock,
    client: Client,
}

/// The options of a station's user.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) secret: &'static str,
    pub(crate) url: &'static str,
    /// The SDK's standard retries, or none. The HTTP client needs none and gets none.
    pub(crate) retries: bool,
    /// Calls run concurrently: while one of them waits, the time passes for all.
    pub(crate) is_parallel: bool,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            secret: SECRET,
            url: AWS,
            retries: true,
            is_parallel: false,
        }
    }
}

pub(crate) const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
pub(crate) const OTHER: &str = "https://sqs.example";

enum Client {
    Sdk(sdk::Client),
    Signing(SigningService<Wire>, &'static str),
    Below(SkewService<Wire>, &'static str, Box<Credentials>),
}

impl Station {
    pub(crate) fn new(arm: Arm, world: &World, site: Site) -> Self {
        let wire = Wire::new(world, site);
        let clock = world.skew_clock();
        Self::on(arm, world, &wire, &clock, Choice::default())
    }

    /// A client on an existing machine.
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
            _ => Client::Sdk(sdk::Client::new(
                arm,
                world,
                wire,
                clock,
                choice,
                credentials,
            )),
        };
        Self {
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
    /// The error that the caller gets.
    pub(crate) async fn calls(&self) -> Result<(), String> {
        self.calls_after(Duration::ZERO).await
    }

    /// Makes one call whose signed request waits before it is sent. Only below a signer.
    pub(crate) async fn calls_after(&self, queued: Duration) -> Result<(), String> {
        let response = match &self.client {
            Client::Sdk(client) => return client.calls().await,
            Client::Signing(layer, url) => {
                let response = layer.clone().call(request(url)).await;
                response.map_err(|error| error.to_string())
            }
            Client::Below(layer, url, credentials) => {
                let request = signed(request(url), credentials, &self.world);
                self.world.passes(queued);
                let response = layer.clone().call(request).await;
                response.map_err(|error| error.to_string())
            }
        }?;
        if response.status() == StatusCode::OK {
            return Ok(());
        }
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        Err(String::from_utf8_lossy(&body).into_owned())
    }
}

pub(crate) fn request(url: &str) -> Request<Full<Bytes>> {
    Request::post(format!("{url}/"))
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "AmazonSQS.ReceiveMessage")
        .body(Full::from(BODY))
        .expect("a request")
}

/// Signs with `aws-sigv4` and the local clock, as programs without an SDK do.
pub(crate) fn signed(
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
