//! A service with a clock and a tolerance, which verifies times and signatures.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;

use crate::clocks::{HOUR, shifted};
use crate::fate::{DateFault, Reply};
use crate::skew_error::{SkewError, Way, basic, http_date, stamp};
use crate::verifier;

/// The access key of all callers, whatever their secret.
pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// How a service responds.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) tolerance: Duration,
    /// How far its clock is ahead of the true time, in milliseconds.
    pub(crate) ahead: i64,
    /// The errors for a signature that is too old, and for one from the future.
    pub(crate) old: SkewError,
    pub(crate) young: SkewError,
    pub(crate) date: DateFault,
    /// Whether it verifies each signature. Otherwise it verifies one in 64, and each of a resend.
    pub(crate) verifies_all: bool,
}

/// The verdict of the service on a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Accepted,
    /// Rejected for its time.
    Rejected,
    WrongSignature,
    /// A planned response, or none.
    Unseen,
}

impl Site {
    /// A service with the correct time, which it states in error messages.
    pub(crate) fn with_tolerance(minutes: u64) -> Self {
        let tolerance = Duration::from_secs(60 * minutes);
        Self {
            tolerance,
            ahead: 0,
            old: SkewError::of_json_services(Way::Behind, tolerance),
            young: SkewError::of_json_services(Way::Ahead, tolerance),
            date: DateFault::None,
            verifies_all: true,
        }
    }

    /// The same with another error, for the signatures that it fits. A service that states its time
    /// does so for every signature.
    pub(crate) fn saying(mut self, error: &SkewError) -> Self {
        if !error.has_time {
            self.old = SkewError::by_code();
            self.young = self.old.clone();
        }
        if error.fits(true, self.tolerance) {
            self.old = error.clone();
        }
        if error.fits(false, self.tolerance) {
            self.young = error.clone();
        }
        self
    }

    pub(crate) fn dated(mut self, date: DateFault) -> Self {
        self.date = date;
        self
    }

    /// Responds to a request that arrives now.
    pub(crate) fn answer(
        &self,
        request: &Request<Bytes>,
        reply: Reply,
        truth: SystemTime,
        is_verified: bool,
    ) -> (Response<Full<Bytes>>, Verdict) {
        let now = shifted(truth, self.ahead);
        let answer = match reply {
            Reply::Service | Reply::WithDateAhead(_) => {
                return self.rule(request, reply, truth, is_verified);
            }
            Reply::Unavailable { ahead } => {
                Answer::new(503, "<html>upstream is down</html>").at(shifted(now, ahead))
            }
            Reply::Forbidden { ahead } => {
                Answer::new(403, "<html>Forbidden</html>").at(shifted(now, ahead))
            }
            Reply::WrongMessage { ahead } => self.reject(request, shifted(now, ahead)),
            Reply::WrongCode { ahead } => {
                Answer::new(403, BY_CODE).at(shifted(now, ahead)).with_id()
            }
            Reply::WrongDateWithoutBody { ahead } => {
                Answer::new(403, "").at(shifted(now, ahead)).with_id()
            }
            Reply::Nobody => Answer::new(500, ""),
            Reply::Denied => Answer::new(403, DENIED).at(now).with_id(),
            Reply::NotFound => Answer::new(404, NOT_FOUND).at(now).with_id(),
            Reply::Throttled(status) => {
                let is_json = request.headers().contains_key("x-amz-target");
                let body = if is_json { THROTTLED } else { SLOW_DOWN };
                Answer::new(status, body).at(now).with_id()
            }
        };
        (answer.0, Verdict::Unseen)
    }

    fn rule(
        &self,
        request: &Request<Bytes>,
        reply: Reply,
        truth: SystemTime,
        is_verified: bool,
    ) -> (Response<Full<Bytes>>, Verdict) {
        let now = shifted(truth, self.ahead);
        let (answer, verdict) = if self.is_out_of_time(request, now) {
            (self.reject(request, now), Verdict::Rejected)
        } else if (self.verifies_all || is_verified)
            && verifier::verify(request, SECRET, false).is_err()
        {
            let answer = self.dated_answer(Answer::new(403, WRONG_KEY).with_id(), now);
            (answer, Verdict::WrongSignature)
        } else {
            return (self.accepted(reply, truth), Verdict::Accepted);
        };
        (answer.0, verdict)
    }

    /// Responds to a request that it has accepted and worked on.
    pub(crate) fn accepted(&self, reply: Reply, truth: SystemTime) -> Response<Full<Bytes>> {
        let now = shifted(truth, self.ahead);
        let answer = Answer::new(200, "{}").with_id();
        let answer = match reply {
            Reply::WithDateAhead(by) => answer.at(shifted(now, by)),
            _ => self.dated_answer(answer, now),
        };
        answer.0
    }

    fn is_out_of_time(&self, request: &Request<Bytes>, now: SystemTime) -> bool {
        let signed = amz_date(request);
        // In this layout the texts sort as the times do.
        signed < basic(now - self.tolerance).as_str()
            || signed > basic(now + self.tolerance).as_str()
    }

    fn reject(&self, request: &Request<Bytes>, now: SystemTime) -> Answer {
        let signed = amz_date(request);
        let is_old = signed < basic(now).as_str();
        let error = if is_old { &self.old } else { &self.young };
        let signed = stamp(signed).expect("the layout of x-amz-date");
        let text = error.text(signed, now, self.tolerance);
        let mut answer = Answer::new(error.status, text).with_id();
        if let Some(code) = &error.error_type {
            answer = answer.with("x-amzn-errortype", code);
        }
        self.dated_answer(answer, now)
    }

    fn dated_answer(&self, answer: Answer, now: SystemTime) -> Answer {
        match self.date {
            DateFault::None => answer.at(now),
            DateFault::Missing => answer,
            DateFault::Doubled => answer.at(now).at(shifted(now, HOUR)),
            DateFault::Cached => answer.at(shifted(now, -HOUR)).with("age", "3600"),
            DateFault::TwoDigitYear => {
                let date = http_date(now);
                let (day, month, year, time) =
                    (&date[5..7], &date[8..11], &date[14..16], &date[17..]);
                answer.with("date", &format!("Friday, {day}-{month}-{year} {time}"))
            }
            DateFault::Absurd => answer.with("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
            DateFault::Wrong(by) => answer.at(shifted(now, by)),
        }
    }
}

struct Answer(Response<Full<Bytes>>);

impl Answer {
    fn new(status: u16, body: impl Into<Bytes>) -> Self {
        let mut response = Response::new(Full::new(body.into()));
        *response.status_mut() = status.try_into().expect("a status");
        Self(response)
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = value.parse().expect("a header's value");
        self.0.headers_mut().append(name, value);
        self
    }

    fn with_id(self) -> Self {
        self.with("x-amzn-requestid", "id-1")
    }

    fn at(self, time: SystemTime) -> Self {
        self.with("date", &http_date(time))
    }
}

/// The `x-amz-date` header, or an empty text.
pub(crate) fn amz_date(request: &Request<Bytes>) -> &str {
    let date = request.headers().get("x-amz-date");
    date.and_then(|date| date.to_str().ok()).unwrap_or_default()
}

const BY_CODE: &str = "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the \
    request time and the server's time is too large.</Message></Error>";
const DENIED: &str = r#"{"__type":"com.amazonaws.sqs#AccessDeniedException","message":"no"}"#;
const NOT_FOUND: &str = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"none"}"#;
const THROTTLED: &str = r#"{"__type":"com.amazonaws.sqs#ThrottlingException","message":"less"}"#;
const SLOW_DOWN: &str = "<Error><Code>SlowDown</Code><Message>less</Message></Error>";
const WRONG_KEY: &str = r#"{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."}"#;
