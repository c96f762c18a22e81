//! A wire inside the process: virtual time passes on it, and servers answer as
//! the test says.

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
use aws_smithy_types::date_time::{DateTime, Format};
use tokio::sync::Barrier;

use crate::world::{World, shifted};

/// What happens to one request, in this order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    /// How long it is on its way.
    pub(crate) before: Duration,
    /// What it finds there; the service if `None`.
    pub(crate) answer: Option<Answer>,
    /// How long the answer is on its way.
    pub(crate) after: Duration,
    /// The connection breaks before the answer arrives.
    pub(crate) is_lost: bool,
}

impl Fate {
    /// Not the service answers, but somebody before it.
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

/// An answer that is not the service's own.
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

    /// What S3 says to a HEAD that it refuses.
    pub(crate) fn empty_403(date: SystemTime) -> Self {
        Self::new(403, "")
            .dated(date)
            .with("x-amz-request-id", "id-1")
    }

    /// A service, or whatever stands before it, in trouble.
    pub(crate) fn unavailable() -> Self {
        Self::new(503, "<html>upstream is down</html>")
    }

    /// "Slow down", in the words of SQS.
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

/// How a service says that a request's time is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    /// As JSON services do: with its own time in the error message.
    InMessage,
    /// As S3 does: with its own time in a field.
    InFields,
    /// As MinIO does: by the code alone.
    ByCode,
    /// As EC2 does: with the code for a wrong key.
    AuthFailure,
    /// As S3 to a HEAD.
    Silently,
}

impl Manner {
    pub(crate) const WITHOUT_MESSAGE: [Self; 3] = [Self::ByCode, Self::AuthFailure, Self::Silently];
}

/// A service with a clock and a tolerance, at the end of a wire.
///
/// It knows every access key, and of one that is called `EXP` and a number also
/// when it ends, in seconds since 1970.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Inner>);

struct Inner {
    world: World,
    tolerance: Mutex<Duration>,
    manner: Manner,
    /// How far its clock is ahead of the true time.
    ahead: Mutex<i64>,
    is_dateless: AtomicBool,
    /// What is in the paths, or the access keys, of requests that it denies.
    denied: Mutex<Option<&'static str>>,
    is_dated_by_machine: AtomicBool,
    gate: Mutex<Option<Arc<Barrier>>>,
    fates: Mutex<VecDeque<Fate>>,
    sent: AtomicUsize,
    seen: Mutex<Vec<bool>>,
    /// `x-amz-date` of the last request.
    signed_at: Mutex<Option<SystemTime>>,
}

impl Wire {
    /// A service with the correct time, which it states in the error message.
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
            gate: Mutex::default(),
            fates: Mutex::default(),
            sent: AtomicUsize::default(),
            seen: Mutex::default(),
            signed_at: Mutex::default(),
        }))
    }

    /// Sets the service's clock to `seconds` ahead of the true time.
    pub(crate) fn set_ahead(&self, seconds: i64) {
        *self.0.ahead.lock().expect("nobody panics with it") = seconds;
    }

    /// From now on no answer has a `Date`.
    pub(crate) fn leave_out_dates(&self) {
        self.0.is_dateless.store(true, Ordering::Relaxed);
    }

    /// From now on what has this in its path or its access key is denied, as a wrong time is
    /// rejected.
    pub(crate) fn deny(&self, denied: &'static str) {
        *self.0.denied.lock().expect("nobody panics with it") = Some(denied);
    }

    /// From now on each `Date` is that of the local clock: a proxy on the machine writes it.
    pub(crate) fn date_by_local_clock(&self) {
        self.0.is_dated_by_machine.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_tolerance(&self, tolerance: Duration) {
        *self.0.tolerance.lock().expect("nobody panics with it") = tolerance;
    }

    /// From now on requests are answered when so many have come.
    pub(crate) fn hold(&self, requests: usize) {
        let gate = Arc::new(Barrier::new(requests));
        *self.0.gate.lock().expect("nobody panics with it") = Some(gate);
    }

    /// How many requests were sent, whoever answered them.
    pub(crate) fn sent(&self) -> usize {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// The time that the last request was signed for.
    pub(crate) fn signed_at(&self) -> Option<SystemTime> {
        *self.0.signed_at.lock().expect("nobody panics with it")
    }

    /// How many requests the service has rejected.
    pub(crate) fn rejected(&self) -> usize {
        self.seen().iter().filter(|accepted| !**accepted).count()
    }

    /// Says what happens to the next requests; those after them find the service
    /// at once.
    pub(crate) fn plan(&self, fates: impl IntoIterator<Item = Fate>) {
        self.0
            .fates
            .lock()
            .expect("nobody panics with it")
            .extend(fates);
    }

    /// Takes back what was planned and has not happened.
    pub(crate) fn forget_plans(&self) {
        self.0.fates.lock().expect("nobody panics with it").clear();
    }

    /// Whether each request that reached the service was accepted.
    pub(crate) fn seen(&self) -> Vec<bool> {
        self.0.seen.lock().expect("nobody panics with it").clone()
    }

    pub(crate) fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let inner = &self.0;
        let fate = inner
            .fates
            .lock()
            .expect("nobody panics with it")
            .pop_front();
        let fate = fate.unwrap_or_default();
        let date = request.headers().get("x-amz-date");
        *inner.signed_at.lock().expect("nobody panics with it") = date.and_then(time_of);
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
            let value = if is_local {
                http_date(inner.world.machine_wall())
            } else {
                value
            };
            response.headers_mut().append(name, value);
        }
        Ok(response)
    }

    /// Looks at the time of the signature only; what verifies signatures is the
    /// endpoint.
    fn serve(&self, request: &HttpRequest) -> Answer {
        let ahead = *self.0.ahead.lock().expect("nobody panics with it");
        let now = shifted(self.0.world.true_time(), ahead);
        let signed_at = request.headers().get("x-amz-date").expect("is signed");
        let denied = *self.0.denied.lock().expect("nobody panics with it");
        let key = request.headers().get("authorization").unwrap_or_default();
        let is_denied = denied.is_some_and(|it| request.uri().contains(it) || key.contains(it));
        let verdict = self.verdict(signed_at, now);
        let verdict = verdict.or_else(|| is_denied.then(String::new));
        let has_expired = verdict.is_none() && has_expired(request, now);
        self.0
            .seen
            .lock()
            .expect("nobody panics with it")
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
        let tolerance = *self.0.tolerance.lock().expect("nobody panics with it");
        let tolerance = i64::try_from(tolerance.as_secs()).expect("is short");
        let (low, high) = (basic(now - tolerance), basic(now + tolerance));
        let minutes = tolerance / 60;
        // The layout sorts as the times do.
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
/// What EC2 says of a wrong time, of a wrong key and of an unknown one.
const EC2: &str = "<Response><Errors><Error><Code>AuthFailure</Code><Message>AWS was not able to \
    validate the provided access credentials</Message></Error></Errors></Response>";
const EXPIRED: &str = r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"The security token included in the request is expired"}"#;

fn has_expired(request: &HttpRequest, now: SystemTime) -> bool {
    let credential = request
        .headers()
        .get("authorization")
        .and_then(|header| header.split_once("Credential=EXP"));
    let expiry = credential.and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
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
        let gate = self.0.gate.lock().expect("nobody panics with it").clone();
        HttpConnectorFuture::new(async move {
            if let Some(gate) = gate {
                gate.wait().await;
                // Whoever comes later is not held.
                *wire.0.gate.lock().expect("nobody panics with it") = None;
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
