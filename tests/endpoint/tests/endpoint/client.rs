//! A client with one connection, and a clock that a test sets.

use crate::Outcome;
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, EndpointBuilder, SECRET_ACCESS_KEY};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::net::TcpStream;

/// 2016-06-19 12:40:00 UTC.
const START: u64 = 1_466_340_000;

/// A clock that a test sets.
#[derive(Clone, Default)]
pub(crate) struct Clock {
    moved: Arc<AtomicI64>,
}

impl Clock {
    pub(crate) fn now(&self) -> SystemTime {
        let moved = self.moved.load(Ordering::SeqCst);
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(START);
        let distance = Duration::from_secs(moved.unsigned_abs());
        if moved < 0 {
            start - distance
        } else {
            start + distance
        }
    }

    /// Sets the clock to `seconds` after the start.
    pub(crate) fn set(&self, seconds: i64) {
        self.moved.store(seconds, Ordering::SeqCst);
    }

    pub(crate) fn builder(&self) -> EndpointBuilder {
        let clock = self.clone();
        Endpoint::builder(move || clock.now())
    }
}

/// A complete response.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub(crate) fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["__type"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Returns the text of an XML element that has no children.
    pub(crate) fn element(&self, name: &str) -> &str {
        let after = self
            .body
            .split_once(&format!("<{name}>"))
            .map_or("", |(_, after)| after);
        after.split_once('<').map_or("", |(text, _)| text)
    }
}

/// A client that signs with these credentials and the time of this clock.
pub(crate) struct Client {
    pub(crate) credentials: Credentials,
    pub(crate) clock: Clock,
    host: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Connects with the default credentials and another clock.
    pub(crate) async fn connect(endpoint: &Endpoint) -> Outcome<Self> {
        let host = endpoint.url().trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&host).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            credentials: Credentials::from_keys(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None),
            clock: Clock::default(),
            host,
            sender,
        })
    }

    pub(crate) async fn sqs(&mut self, operation: &str, input: Value) -> Outcome<Answer> {
        let request = self.json("sqs", &format!("AmazonSQS.{operation}"), input)?;
        self.send(request).await
    }

    pub(crate) async fn kms(&mut self, operation: &str, input: Value) -> Outcome<Answer> {
        let request = self.json("kms", &format!("TrentService.{operation}"), input)?;
        self.send(request).await
    }

    pub(crate) async fn sts(&mut self, form: &str) -> Outcome<Answer> {
        let request =
            Request::post("/").header("content-type", "application/x-www-form-urlencoded");
        let request = request
            .header("host", &self.host)
            .body(form.to_owned().into())?;
        let signed = self.sign("sts", request)?;
        self.send(signed).await
    }

    /// Makes a signed request that the test may change.
    pub(crate) fn json(
        &self,
        service: &str,
        target: &str,
        input: Value,
    ) -> Outcome<Request<Bytes>> {
        let request = Request::post("/")
            .header("host", &self.host)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target)
            .body(input.to_string().into())?;
        self.sign(service, request)
    }

    pub(crate) async fn send(&mut self, request: Request<Bytes>) -> Outcome<Answer> {
        self.sender.ready().await?;
        let response = self.sender.send_request(request.map(Full::from)).await?;
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(body.collect().await?.to_bytes().into())?;
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }

    fn sign(&self, service: &str, mut request: Request<Bytes>) -> Outcome<Request<Bytes>> {
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-west-1")
            .name(service)
            .time(self.clock.now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let mut headers = Vec::new();
        for (name, value) in request.headers() {
            headers.push((name.as_str(), value.to_str()?));
        }
        let signable = SignableRequest::new(
            request.method().as_str(),
            format!("http://{}/", self.host),
            headers.into_iter(),
            SignableBody::Bytes(request.body()),
        )?;
        let (instructions, _) = sign(signable, &parameters)?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}
