//! Stacks as users build them, over a hyper client.

use std::time::SystemTime;

use aws_clock_skew::SkewClock;
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};

use crate::world::World;

/// The layer that corrects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Integration {
    /// `SkewLayer`, below a signer that reads the local clock.
    BelowASigner,
    /// `SigningLayer`.
    SigningService,
}

pub(crate) const INTEGRATIONS: [Integration; 2] =
    [Integration::BelowASigner, Integration::SigningService];

pub(crate) type Stack = BoxCloneSyncService<Request<Full<Bytes>>, Response<Bytes>, BoxError>;

pub(crate) fn credentials() -> Credentials {
    Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "test")
}

pub(crate) fn client<B>() -> Client<HttpConnector, B>
where
    B: Body<Data: Send> + Send,
{
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// A stack for one service, with credentials that the endpoint accepts.
pub(crate) fn stack(
    integration: Integration,
    world: &World,
    clock: &SkewClock,
    service: &'static str,
) -> Stack {
    stack_with(integration, world, clock, service, credentials())
}

pub(crate) fn stack_with(
    integration: Integration,
    world: &World,
    clock: &SkewClock,
    service: &'static str,
    credentials: Credentials,
) -> Stack {
    let whole = |response: Response<_>| async move {
        let (parts, body) = response.into_parts();
        let body = BodyExt::collect(body).await?.to_bytes();
        Ok::<_, BoxError>(Response::from_parts(parts, body))
    };
    match integration {
        Integration::BelowASigner => {
            let world = world.clone();
            let layer = clock.layer(credentials.clone());
            let stack = ServiceBuilder::new()
                .map_request(move |request| {
                    signed(request, service, &credentials, world.machine_wall())
                })
                .layer(layer)
                .service(client());
            BoxCloneSyncService::new(stack.map_err(BoxError::from).and_then(whole))
        }
        Integration::SigningService => {
            let stack = ServiceBuilder::new()
                .layer(clock.signing_layer(credentials, "us-east-1", service))
                .service(client());
            BoxCloneSyncService::new(stack.map_err(BoxError::from).and_then(whole))
        }
    }
}

/// Signs with `aws-sigv4`, as programs without an SDK do.
pub(crate) fn signed(
    mut request: Request<Full<Bytes>>,
    service: &str,
    credentials: &Credentials,
    time: SystemTime,
) -> Request<Full<Bytes>> {
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name(service)
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .expect("nothing is missing");
    let body = bytes_of(request.body());
    let headers = request.headers().iter();
    let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.uri().to_string(),
        headers,
        SignableBody::Bytes(&body),
    );
    let signable = signable.expect("a request");
    let (instructions, _) = sign(signable, &params.into())
        .expect("it can be signed")
        .into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request
}

fn bytes_of(body: &Full<Bytes>) -> Bytes {
    use futures_util::FutureExt;
    let collected = body.clone().collect().now_or_never();
    collected
        .and_then(Result::ok)
        .map(|body| body.to_bytes())
        .unwrap_or_default()
}

/// A call of an operation of SQS or KMS.
pub(crate) fn operation(url: &str, target: &'static str, body: String) -> Request<Full<Bytes>> {
    Request::post(url)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", target)
        .body(Full::from(body))
        .expect("a request")
}

/// Makes one call. The error is its text.
pub(crate) async fn send(sqs: &Stack, endpoint: &Endpoint) -> Result<(), String> {
    let queue = endpoint.queue_url("q");
    let body = format!(r#"{{"QueueUrl":"{queue}","MessageBody":"hello"}}"#);
    call(
        sqs,
        operation(&endpoint.url(), "AmazonSQS.SendMessage", body),
    )
    .await
}

pub(crate) async fn encrypt(kms: &Stack, endpoint: &Endpoint, key: &str) -> Result<(), String> {
    let body = format!(r#"{{"KeyId":"{key}","Plaintext":"c2VjcmV0"}}"#);
    call(
        kms,
        operation(&endpoint.url(), "TrentService.Encrypt", body),
    )
    .await
}

pub(crate) async fn call(stack: &Stack, request: Request<Full<Bytes>>) -> Result<(), String> {
    let response = stack
        .clone()
        .oneshot(request)
        .await
        .map_err(|e| e.to_string())?;
    if response.status() == StatusCode::OK {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(response.body()).into_owned())
    }
}
