//! An HTTP client without a network: virtual time passes on it, and the test plans the responses.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::date_time::{DateTime, Format};
use bytes::Bytes;
use tokio::sync::Barrier;

use crate::world::{World, shifted};

/// What happens to one request, in this order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    /// How long the request is on its way.
    pub(crate) before: Duration,
    /// The response; that of the service if `None`.
    pub(crate) answer: Option<Answer>,
    /// How long the response is on its way.
    pub(crate) after: Duration,
    /// The connection breaks before the response arrives.
    pub(crate) is_lost: bool,
}

impl Fate {
    /// A planned response instead of that of the service.
    pub(crate) fn answered(answer: Answer) -> Self {
        Self {
            answer: Some(answer),
            ..Self::default()
        }
    }

    pub(crate) fn lost() -> Self {
        Self {
            is_lost: true,
            ..Self::default()
        }
    }
}

/// A response that the service did not compute.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl AsRef<[u8]>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.as_ref().to_owned(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn dated(self, date: SystemTime) -> Self {
        self.with("date", http_date(date))
    }

    /// The response of S3 to a HEAD that it rejects.
    pub(crate) fn empty_403(date: SystemTime) -> Self {
        Self::new(403, "")
            .dated(date)
            .with("x-amz-request-id", "id-1")
    }

    /// A service, or a proxy before it, that is down.
    pub(crate) fn unavailable() -> Self {
        Self::new(503, "<html>upstream is down</html>")
    }

    /// SQS throttles.
    pub(crate) fn throttled() -> Self {
        Self::new(
            400,
            r#"{"__type":"com.amazonaws.sqs#RequestThrottled","message":"slow down"}"#,
        )
    }
}

impl From<Answer> for Fate {
    fn from(answer: Answer) -> Self {
        Self::answered(answer)
    }
}

/// How a service reports a clock skew error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    /// As JSON services do: the error message states the server's time.
    InMessage,
    /// As S3 does: a field states the server's time.
    InFields,
    /// As MinIO does: only the code.
    ByCode,
    /// As EC2 does: with the code for a wrong key.
    AuthFailure,
    /// As S3 does for a HEAD: an empty 403.
    Silently,
}

impl Manner {
    pub(crate) const WITHOUT_MESSAGE: [Self; 3] = [Self::ByCode, Self::AuthFailure, Self::Silently];
}

/// A service with a clock and a tolerance.
///
/// It accepts every access key. One that is `EXP` and a number expires at that time, in seconds
/// since 1970.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Inner>);

struct Inner {
    world: World,
    tolerance: Mutex<Duration>,
    manner: Manner,
    /// How far its clock is ahead of the true time.
    ahead: Mutex<i64>,
    is_dateless: AtomicBool,
    /// Requests with this text in their path or access key are denied.
    denied: Mutex<Option<&'static str>>,
    is_dated_by_machine: AtomicBool,
    /// The `Date` of every response, instead of the time.
    date: Mutex<Option<SystemTime>>,
    gate: Mutex<Option<Arc<Barrier>>>,
    fates: Mutex<VecDeque<Fate>>,
    sent: AtomicUsize,
    seen: Mutex<Vec<bool>>,
    keys: Mutex<Vec<String>>,
    /// `x-amz-date` of the last request.
    signed_at: Mutex<Option<SystemTime>>,
}

impl Wire {
    /// A service with the correct time, which it states in error messages.
    pub(crate) fn new(world: &World, tolerance: Duration) -> Self {
        Self::with_manner(world, tolerance, Manner::InMessage)
    }

    pub(crate) fn with_manner(world: &World, tolerance: Duration, manner: Manner) -> Self {
        Self(Arc::new(Inner {
            world: world.clone(),
            tolerance: Mutex::new(tolerance),
            manner,
            ahead: Mutex::default(),
            is_dateless: AtomicBool::default(),
            denied: Mutex::default(),
            is_dated_by_machine: AtomicBool::default(),
            date: Mutex::default(),
            gate: Mutex::default(),
            fates: Mutex::default(),
            sent: AtomicUsize::default(),
            seen: Mutex::default(),
            keys: Mutex::default(),
            signed_at: Mutex::default(),
        }))
    }

    /// Sets the service's clock to `seconds` ahead of the true time.
    pub(crate) fn set_ahead(&self, seconds: i64) {
        *self.0.ahead.lock().expect("is not poisoned") = seconds;
    }

    /// From now on no response has a `Date`.
    pub(crate) fn leave_out_dates(&self) {
        self.0.is_dateless.store(true, Ordering::Relaxed);
    }

    /// From now on requests with this text in their path or access key are denied, with the same
    /// response as to a wrong time.
    pub(crate) fn deny(&self, denied: &'static str) {
        *self.0.denied.lock().expect("is not poisoned") = Some(denied);
    }

    /// From now on each `Date` shows the local time, as if a proxy on the machine wrote it.
    pub(crate) fn date_by_local_clock(&self) {
        self.0.is_dated_by_machine.store(true, Ordering::Relaxed);
    }

    /// From now on every response has this `Date`.
    pub(crate) fn date_all(&self, date: SystemTime) {
        *self.0.date.lock().expect("is not poisoned") = Some(date);
    }

    pub(crate) fn set_tolerance(&self, tolerance: Duration) {
        *self.0.tolerance.lock().expect("is not poisoned") = tolerance;
    }

    /// From now on requests are answered when this many have arrived.
    pub(crate) fn hold(&self, requests: usize) {
        let gate = Arc::new(Barrier::new(requests));
        *self.0.gate.lock().expect("is not poisoned") = Some(gate);
    }

    /// How many requests were sent, including those with a planned response.
    pub(crate) fn sent(&self) -> usize {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// The time for which the last request was signed.
    pub(crate) fn signed_at(&self) -> Option<SystemTime> {
        *self.0.signed_at.lock().expect("is not poisoned")
    }

    /// How many requests the service has rejected.
    pub(crate) fn rejected(&self) -> usize {
        self.seen().iter().filter(|accepted| !**accepted).count()
    }

    /// The access keys of the requests that reached the service.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.0.keys.lock().expect("is not poisoned").clone()
    }

    /// Plans what happens to the next requests. The service answers those after them.
    pub(crate) fn plan(&self, fates: impl IntoIterator<Item = Fate>) {
        self.0.fates.lock().expect("is not poisoned").extend(fates);
    }

    /// Drops the plans that have not happened.
    pub(crate) fn forget_plans(&self) {
        self.0.fates.lock().expect("is not poisoned").clear();
    }

    /// Whether each request that reached the service was accepted.
    pub(crate) fn seen(&self) -> Vec<bool> {
        self.0.seen.lock().expect("is not poisoned").clone()
    }

    pub(crate) fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let inner = &self.0;
        let fate = inner.fates.lock().expect("is not poisoned").pop_front();
        let fate = fate.unwrap_or_default();
        let date = request.headers().get("x-amz-date");
        *inner.signed_at.lock().expect("is not poisoned") = date.and_then(time_of);
        inner.world.advance(fate.before);
        let answer = fate.answer.unwrap_or_else(|| self.serve(request));
        inner.world.advance(fate.after);
        if fate.is_lost {
            return Err(ConnectorError::io("connection reset".into()));
        }
        let status = StatusCode::try_from(answer.status).expect("a status");
        let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
        let is_dateless = inner.is_dateless.load(Ordering::Relaxed);
        for (name, value) in answer.headers {
            if is_dateless && name == "date" {
                continue;
            }
            let is_local = name == "date" && inner.is_dated_by_machine.load(Ordering::Relaxed);
            let date = *inner.date.lock().expect("is not poisoned");
            let value = match date.filter(|_| name == "date") {
                Some(date) => http_date(date),
                None if is_local => http_date(inner.world.machine_wall()),
                None => value,
            };
            response.headers_mut().append(name, value);
        }
        Ok(response)
    }

    /// Checks only the time of the signature. The endpoint verifies signatures.
    fn serve(&self, request: &HttpRequest) -> Answer {
        let ahead = *self.0.ahead.lock().expect("is not poisoned");
        let now = shifted(self.0.world.true_time(), ahead);
        let signed_at = request.headers().get("x-amz-date").expect("is signed");
        let denied = *self.0.denied.lock().expect("is not poisoned");
        let is_denied =
            denied.is_some_and(|it| request.uri().contains(it) || signature(request).contains(it));
        let key = access_key(request);
        let mut keys = self.0.keys.lock().expect("is not poisoned");
        keys.push(key.to_owned());
        let verdict = self.verdict(signed_at, now);
        let verdict = verdict.or_else(|| is_denied.then(String::new));
        let has_expired = verdict.is_none() && has_expired(key, now);
        self.0
            .seen
            .lock()
            .expect("is not poisoned")
            .push(verdict.is_none() && !has_expired);
        if has_expired {
            return Answer::new(403, EXPIRED)
                .dated(now)
                .with("x-amzn-requestid", "id-1");
        }
        let Some(message) = verdict else {
            let is_json = self.0.manner == Manner::InMessage;
            return Answer::new(200, if is_json { "{}" } else { "" }).dated(now);
        };
        match self.0.manner {
            Manner::InMessage => Answer::new(
                403,
                format!(
                    r#"{{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"{message}"}}"#
                ),
            )
            .dated(now)
            .with("x-amzn-requestid", "id-1"),
            Manner::InFields => Answer {
                body: format!(
                    "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the \
                    request time and the current time is too large.</Message><RequestTime>\
                    {signed_at}</RequestTime><ServerTime>{}</ServerTime></Error>",
                    extended(now)
                )
                .into(),
                ..Answer::empty_403(now)
            },
            Manner::ByCode => Answer {
                body: MINIO.into(),
                ..Answer::empty_403(now)
            },
            Manner::AuthFailure => Answer {
                status: 401,
                body: EC2.into(),
                ..Answer::empty_403(now)
            },
            Manner::Silently => Answer::empty_403(now),
        }
    }

    fn verdict(&self, signed_at: &str, now: SystemTime) -> Option<String> {
        let now = DateTime::from(now).secs();
        let tolerance = *self.0.tolerance.lock().expect("is not poisoned");
        let tolerance = i64::try_from(tolerance.as_secs()).expect("is short");
        let (low, high) = (basic(now - tolerance), basic(now + tolerance));
        let minutes = tolerance / 60;
        // In this layout the texts sort as the times do.
        if signed_at < low.as_str() {
            return Some(format!(
                "Signature expired: {signed_at} is now earlier than {low} ({} - {minutes} min.)",
                basic(now)
            ));
        }
        (signed_at > high.as_str()).then(|| {
            format!(
                "Signature not yet current: {signed_at} is still later than {high} ({} + {minutes} min.)",
                basic(now)
            )
        })
    }
}

/// `cmd/api-errors.go` of MinIO.
const MINIO: &str = "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the \
    request time and the server's time is too large.</Message><Resource>/b/k</Resource></Error>";
/// EC2's error message for a wrong time, a wrong key and an unknown key.
const EC2: &str = "<Response><Errors><Error><Code>AuthFailure</Code><Message>AWS was not able to \
    validate the provided access credentials</Message></Error></Errors></Response>";
const EXPIRED: &str = r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"The security token included in the request is expired"}"#;

fn signature(request: &HttpRequest) -> &str {
    request.headers().get("authorization").unwrap_or_default()
}

fn access_key(request: &HttpRequest) -> &str {
    let credential = signature(request).split_once("Credential=");
    let key = credential.and_then(|(_, credential)| credential.split('/').next());
    key.unwrap_or_default()
}

fn has_expired(access_key: &str, now: SystemTime) -> bool {
    let expiry = access_key.strip_prefix("EXP");
    let expiry = expiry.and_then(|expiry| expiry.parse().ok());
    expiry.is_some_and(|expiry: i64| expiry <= DateTime::from(now).secs())
}

/// `20270115T080000Z`
pub(crate) fn basic(seconds: i64) -> String {
    extended(UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())).replace(['-', ':'], "")
}

/// Reads `20270115T080000Z`.
pub(crate) fn time_of(basic: &str) -> Option<SystemTime> {
    let (day, time) = (basic.get(..8)?, basic.get(9..15)?);
    let parts = [
        &day[..4],
        &day[4..6],
        &day[6..],
        &time[..2],
        &time[2..4],
        &time[4..],
    ];
    let [year, month, day, hour, minute, second] = parts;
    let extended = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    SystemTime::try_from(DateTime::from_str(&extended, Format::DateTime).ok()?).ok()
}

/// Reads a body of the SDK to its end.
pub(crate) async fn whole_body(body: SdkBody) -> Bytes {
    let body = ByteStream::new(body).collect().await;
    body.expect("it can be read").into_bytes()
}

/// `2027-01-15T08:00:00Z`
pub(crate) fn extended(time: SystemTime) -> String {
    DateTime::from_secs(DateTime::from(time).secs())
        .fmt(Format::DateTime)
        .expect("a year of four digits")
}

pub(crate) fn http_date(time: SystemTime) -> String {
    let seconds = DateTime::from(time).secs();
    DateTime::from_secs(seconds)
        .fmt(Format::HttpDate)
        .expect("a year of four digits")
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.0.sent.fetch_add(1, Ordering::Relaxed);
        let wire = self.clone();
        let gate = self.0.gate.lock().expect("is not poisoned").clone();
        HttpConnectorFuture::new(async move {
            if let Some(gate) = gate {
                gate.wait().await;
                // Later requests are not held.
                *wire.0.gate.lock().expect("is not poisoned") = None;
            }
            wire.answer(&request)
        })
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
