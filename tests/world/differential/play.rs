//! A scenario, played to one kind of client.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_clock_skew::tower::{NonReplayable, SigningService, SkewService};
use aws_clock_skew::{LocalClock, SkewClock, install};
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_sqs::config::retry::RetryPartition;
use aws_sdk_sqs::error::{DisplayErrorContext, SdkError};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service};

use super::bank::{Bank, Provider};
use super::net::{Net, Sent};
use super::scenario::{Call, Cancel, End, Host, Line, Method, Scenario, Setting};
use crate::arm::{request, signed};
use crate::clocks::World;
use crate::polled::polled;

/// Who corrects.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Correction {
    Install,
    Configure,
    Apply,
    Both,
    /// `SigningLayer`.
    Sign,
    /// `SkewLayer`, below a signer that knows the local clock only.
    Below,
    /// The SDK's own.
    Sdk,
    /// The SDK, with its own switched off.
    None,
    /// A signer that knows the local clock only.
    Signer,
    /// The SDK, on a clock that is wrong by an hour: worse than any.
    Broken,
}

impl Correction {
    pub(super) const OURS: [Self; 6] = [
        Self::Install,
        Self::Configure,
        Self::Apply,
        Self::Both,
        Self::Sign,
        Self::Below,
    ];

    /// What it may not be worse than.
    pub(super) const fn alone(self) -> &'static [Self] {
        match self {
            Self::Sign | Self::Below => &[Self::Signer],
            _ => &[Self::Sdk, Self::None],
        }
    }
}

/// What became of one line of calls.
#[derive(Clone, Debug)]
pub(super) struct Played {
    pub(super) line: usize,
    pub(super) outcomes: Vec<Result<(), String>>,
    pub(super) sent: Vec<Sent>,
}

impl Played {
    pub(super) fn lost(&self) -> usize {
        self.outcomes.iter().filter(|one| one.is_err()).count()
    }
}

impl Scenario {
    /// Plays it, and returns what became of the calls.
    pub(super) fn play(&self, correction: Correction) -> Vec<Played> {
        crate::block_on(self.run(correction))
    }

    async fn run(&self, correction: Correction) -> Vec<Played> {
        let world = World::in_tokio_time();
        let net = Net::new(&world);
        let clock = world.skew_clock();
        let mut machine = Machine {
            correction,
            config: config(self, correction, &world, &net, &clock),
            bank: Bank::new(self, &world),
            world: world.clone(),
            clock,
            net,
            clients: HashMap::new(),
        };
        let mut played = Vec::new();
        for (number, line) in self.0.iter().enumerate() {
            match line {
                Line::Setting(_) => {}
                Line::NoNewKeys => machine.bank.close(),
                Line::Clock(event) => world.undergoes(*event),
                Line::Slew(ppm) => world.slews(*ppm),
                Line::Wait(time) => tokio::time::sleep(*time).await,
                Line::Host(host, servers) => machine.net.set(*host, servers),
                Line::Call(call) => {
                    machine.net.expect(call);
                    let outcomes = machine.calls(call).await;
                    played.push(Played {
                        line: number,
                        outcomes,
                        sent: machine.net.take_sent(),
                    });
                }
            }
        }
        played
    }
}

/// A process with all its clients.
struct Machine {
    correction: Correction,
    config: SdkConfig,
    bank: Bank,
    world: World,
    clock: SkewClock,
    net: Net,
    clients: HashMap<Wanted, Client>,
}

/// What a client is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Wanted {
    host: Host,
    has_wrong_key: bool,
    tenant: usize,
}

#[derive(Clone)]
enum Client {
    Sqs(aws_sdk_sqs::Client, String),
    S3(aws_sdk_s3::Client, &'static str),
    Sign(SigningService<Net>, &'static str),
    Below(SkewService<Net>, &'static str, World, Provider),
    Signer(Net, &'static str, World, Provider),
}

impl Machine {
    async fn calls(&mut self, call: &Call) -> Vec<Result<(), String>> {
        let clients = (0..call.count).map(|number| {
            self.client(Wanted {
                host: call.host,
                has_wrong_key: call.end == End::WrongKey,
                tenant: if call.has_tenants { number } else { 0 },
            })
        });
        let clients: Vec<_> = clients.collect();
        let one = |client: Client| async move {
            let outcome = jittered(call.jitter, client.call(call));
            match call.cancel {
                None => outcome.await,
                Some(Cancel::After(time)) => tokio::time::timeout(time, outcome)
                    .await
                    .unwrap_or_else(|_| Err(CANCELLED.to_owned())),
                Some(Cancel::AfterPolls(count)) => polled(count, outcome)
                    .await
                    .unwrap_or_else(|| Err(CANCELLED.to_owned())),
            }
        };
        join_all(clients.into_iter().map(one)).await
    }

    fn client(&mut self, wanted: Wanted) -> Client {
        let known = self.clients.get(&wanted);
        known.cloned().unwrap_or_else(|| {
            let client = self.new_client(wanted);
            self.clients.insert(wanted, client.clone());
            client
        })
    }

    fn new_client(&self, wanted: Wanted) -> Client {
        let Wanted { host, .. } = wanted;
        let provider = self.bank.provider(wanted.tenant, wanted.has_wrong_key);
        let (net, url, world) = (self.net.clone(), host.url(), self.world.clone());
        match self.correction {
            Correction::Sign => {
                let layer = self.clock.signing_layer(provider, "us-east-1", "sqs");
                return Client::Sign(layer.layer(net), url);
            }
            Correction::Below => {
                let layer = self.clock.layer(provider.clone());
                return Client::Below(layer.layer(net), url, world, provider);
            }
            Correction::Signer => return Client::Signer(net, url, world, provider),
            _ => {}
        }
        let credentials = SharedCredentialsProvider::new(provider);
        let config = self.config.to_builder().credentials_provider(credentials);
        let config = if host == Host::Express {
            // Its endpoint is of the bucket's name.
            config.build()
        } else {
            config.endpoint_url(url).build()
        };
        let is_installed = matches!(self.correction, Correction::Install | Correction::Both);
        // The quota of retries is one for the process otherwise.
        let own = || RetryPartition::custom("own").build();
        if host.is_s3() {
            let builder = aws_sdk_s3::config::Builder::from(&config)
                .force_path_style(host != Host::Express)
                .retry_partition(own());
            let builder = if is_installed {
                install!(builder, &self.clock)
            } else {
                builder
            };
            Client::S3(
                aws_sdk_s3::Client::from_conf(builder.build()),
                host.bucket(),
            )
        } else {
            let builder = aws_sdk_sqs::config::Builder::from(&config).retry_partition(own());
            let builder = if is_installed {
                install!(builder, &self.clock)
            } else {
                builder
            };
            let client = aws_sdk_sqs::Client::from_conf(builder.build());
            Client::Sqs(client, format!("{}/1/q", host.url()))
        }
    }
}

/// The SDK draws from the thread's generator, which starts again whenever the call goes on:
/// so all of its back-offs have one factor.
async fn jittered<F: Future>(jitter: u64, call: F) -> F::Output {
    let mut call = pin!(call);
    poll_fn(move |cx| {
        fastrand::seed(jitter);
        call.as_mut().poll(cx)
    })
    .await
}

impl Client {
    async fn call(&self, call: &Call) -> Result<(), String> {
        match self {
            Self::S3(s3, bucket) => s3_call(s3, bucket, call.method).await,
            Self::Sqs(sqs, queue) => {
                let received = sqs.receive_message().queue_url(queue).send().await;
                received.map(drop).map_err(shown)
            }
            Self::Sign(layer, url) => send(layer.clone(), named(url), call.method).await,
            Self::Below(layer, url, world, provider) => {
                let request = signed_by(url, world, provider).await?;
                send(layer.clone(), request, call.method).await
            }
            Self::Signer(net, url, world, provider) => {
                let request = signed_by(url, world, provider).await?;
                send(net.clone(), request, call.method).await
            }
        }
    }
}

async fn s3_call(
    s3: &aws_sdk_s3::Client,
    bucket: &'static str,
    method: Method,
) -> Result<(), String> {
    let once = || SdkBody::from_body_1_x(NonReplayable::new(Full::from(BODY)));
    let body = match method {
        Method::Get => {
            let found = s3.get_object().bucket(bucket).key("k").send().await;
            return found.map(drop).map_err(shown);
        }
        Method::Head => {
            let found = s3.head_object().bucket(bucket).key("k").send().await;
            return found.map(drop).map_err(shown);
        }
        Method::Put => ByteStream::from_static(BODY),
        Method::Stream => ByteStream::new(once()),
    };
    let put = s3.put_object().bucket(bucket).key("k").body(body);
    put.send().await.map(drop).map_err(shown)
}

const BODY: &[u8] = b"of some bytes";

async fn send<S, R, E>(
    mut service: S,
    request: Request<Full<Bytes>>,
    method: Method,
) -> Result<(), String>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = E>,
    S: Service<Request<NonReplayable<Full<Bytes>>>, Response = Response<R>, Error = E>,
    R: Body<Error: fmt::Debug>,
    E: fmt::Display,
{
    let response = if method == Method::Stream {
        service.call(request.map(NonReplayable::new)).await
    } else {
        service.call(request).await
    };
    read(response).await
}

/// A request that is told apart from others as those of the SDK are.
fn named(url: &str) -> Request<Full<Bytes>> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let mut request = request(url);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let headers = request.headers_mut();
    headers.insert("amz-sdk-invocation-id", number.into());
    request
}

async fn signed_by(
    url: &str,
    world: &World,
    provider: &Provider,
) -> Result<Request<Full<Bytes>>, String> {
    let credentials = provider.provide_credentials().await;
    let credentials = credentials.map_err(|error| error.to_string())?;
    Ok(signed(named(url), &credentials, world))
}

async fn read<B>(response: Result<Response<B>, impl fmt::Display>) -> Result<(), String>
where
    B: Body<Error: fmt::Debug>,
{
    let response = response.map_err(|error| format!("{error:#}"))?;
    if response.status() == http::StatusCode::OK {
        return Ok(());
    }
    let body = response.into_body().collect().await;
    let body = body.map_err(|error| format!("{error:?}"))?.to_bytes();
    Err(String::from_utf8_lossy(&body).into_owned())
}

fn config(
    scenario: &Scenario,
    correction: Correction,
    world: &World,
    net: &Net,
    clock: &SkewClock,
) -> SdkConfig {
    let mut retries = RetryConfig::standard();
    let mut timeouts = TimeoutConfig::builder();
    for setting in scenario.settings() {
        match setting {
            Setting::NoRetries => retries = RetryConfig::disabled(),
            Setting::Adaptive => retries = RetryConfig::adaptive(),
            Setting::Keys(_) => {}
            Setting::AttemptTimeout(time) => timeouts = timeouts.operation_attempt_timeout(time),
        }
    }
    let is_off = matches!(correction, Correction::None | Correction::Broken);
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .http_client(net.clone())
        .time_source(world.clone())
        .sleep_impl(TokioSleep::new())
        .timeout_config(timeouts.build())
        // The SDK takes any jump of a clock for a stream that has stalled.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .retry_config(retries)
        .disable_clock_skew_correction(is_off);
    match correction {
        Correction::Configure | Correction::Both => config
            .http_client(clock.wrap_http_client(net.clone()))
            .identity_cache(clock.identity_cache())
            .build(),
        Correction::Apply => clock.apply(&config.build()),
        Correction::Broken => config.time_source(Hour(world.clone())).build(),
        _ => config.build(),
    }
}

/// An hour ahead of the local clock.
#[derive(Debug)]
struct Hour(World);

impl TimeSource for Hour {
    fn now(&self) -> SystemTime {
        self.0.wall() + Duration::from_secs(3_600)
    }
}

fn shown<E: std::error::Error + 'static>(error: SdkError<E>) -> String {
    DisplayErrorContext(&error).to_string()
}

pub(super) const CANCELLED: &str = "cancelled";
