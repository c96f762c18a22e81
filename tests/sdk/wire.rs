//! A wire inside the process: virtual time passes on it, and servers answer as
//! the test says.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::{DateTime, Format};

use crate::world::World;

/// What happens to one request, in this order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    /// How long it is on its way.
    pub(crate) before: Duration,
    /// What it finds there; the service if `None`.
    pub(crate) answer: Option<Answer>,
    /// How long the answer is on its way.
    pub(crate) after: Duration,
}

/// An answer that is not the service's own.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// A service, or whatever stands before it, in trouble.
    pub(crate) fn unavailable() -> Self {
        Self {
            status: 503,
            headers: Vec::new(),
            body: "<html>upstream is down</html>".to_owned(),
        }
    }

    /// "Slow down", in the words of SQS.
    pub(crate) fn throttled() -> Self {
        Self {
            status: 400,
            headers: Vec::new(),
            body: r#"{"__type":"com.amazonaws.sqs#RequestThrottled","message":"slow down"}"#
                .to_owned(),
        }
    }
}

impl From<Answer> for Fate {
    fn from(answer: Answer) -> Self {
        Self {
            answer: Some(answer),
            ..Self::default()
        }
    }
}

/// A service with the true time and a tolerance, at the end of a wire.
///
/// It knows every access key, and of one that is called `EXP` and a number also
/// when it ends, in seconds since 1970.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Inner>);

struct Inner {
    world: World,
    tolerance: Duration,
    fates: Mutex<VecDeque<Fate>>,
    seen: Mutex<Vec<bool>>,
}

impl Wire {
    pub(crate) fn new(world: &World, tolerance: Duration) -> Self {
        Self(Arc::new(Inner {
            world: world.clone(),
            tolerance,
            fates: Mutex::default(),
            seen: Mutex::default(),
        }))
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

    /// Whether each request that reached the service was accepted.
    pub(crate) fn seen(&self) -> Vec<bool> {
        self.0.seen.lock().expect("nobody panics with it").clone()
    }

    pub(crate) fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let inner = &self.0;
        let fate = inner
            .fates
            .lock()
            .expect("nobody panics with it")
            .pop_front();
        let fate = fate.unwrap_or_default();
        inner.world.advance(fate.before);
        let answer = fate.answer.unwrap_or_else(|| self.serve(request));
        inner.world.advance(fate.after);
        let status = StatusCode::try_from(answer.status).expect("a status");
        let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
        for (name, value) in answer.headers {
            response.headers_mut().append(name, value);
        }
        response
    }

    /// Looks at the time of the signature only; what verifies signatures is the
    /// endpoint.
    fn serve(&self, request: &HttpRequest) -> Answer {
        let now = self.0.world.true_time();
        let signed_at = request.headers().get("x-amz-date").expect("is signed");
        let verdict = self.verdict(signed_at, now);
        let has_expired = verdict.is_none() && has_expired(request, now);
        self.0
            .seen
            .lock()
            .expect("nobody panics with it")
            .push(verdict.is_none() && !has_expired);
        let date = ("date", http_date(now));
        match verdict {
            None if has_expired => Answer {
                status: 403,
                headers: vec![date, ("x-amzn-requestid", "id-1".to_owned())],
                body: r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"The security token included in the request is expired"}"#.to_owned(),
            },
            None => Answer {
                status: 200,
                headers: vec![date],
                body: "{}".to_owned(),
            },
            Some(message) => Answer {
                status: 403,
                headers: vec![date, ("x-amzn-requestid", "id-1".to_owned())],
                body: format!(
                    r#"{{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"{message}"}}"#
                ),
            },
        }
    }

    fn verdict(&self, signed_at: &str, now: SystemTime) -> Option<String> {
        let now = DateTime::from(now).secs();
        let tolerance = i64::try_from(self.0.tolerance.as_secs()).expect("is short");
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

fn has_expired(request: &HttpRequest, now: SystemTime) -> bool {
    let credential = request
        .headers()
        .get("authorization")
        .and_then(|header| header.split_once("Credential=EXP"));
    let expiry = credential.and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
    expiry.is_some_and(|expiry: i64| expiry <= DateTime::from(now).secs())
}

/// `20270115T080000Z`
fn basic(seconds: i64) -> String {
    let text = DateTime::from_secs(seconds)
        .fmt(Format::DateTime)
        .expect("a year of four digits");
    text.replace(['-', ':'], "")
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
        HttpConnectorFuture::ready(Ok(self.answer(&request)))
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
