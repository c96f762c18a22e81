//! The reader of responses: what a response says about the clock.
//!
//! [`Evidence::read`] reads a status, the beginning of a body and a few headers. The result
//! tells whether the response is a clock skew error or a possible one, and which time the
//! server states. It does not decide what to do.
//!
//! The reader runs a few patterns over the body as the server sent it: JSON, XML, CBOR, an
//! event-stream frame, or a log line that quotes one of them. It need not parse these
//! formats, because the message of a clock skew error holds no character that any of them
//! escapes. It keeps only the times, the error code and the request id.

mod code;
mod message;
mod pattern;
mod response;
mod sample;

pub(crate) use code::visible;

use crate::offset::distance;
use code::{Class, Code};
use message::Message;
use std::time::{Duration, SystemTime};

pub use response::ResponseView;
pub use sample::Source;
pub(crate) use sample::{Sample, Strength, is_plausible};

/// Direction in which the request's time is wrong, as a clock skew error states it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SkewDirection {
    /// The request was signed too long before the server's time.
    Behind,
    /// The request was signed at a time that the server has not reached.
    Ahead,
    /// The response states only that the times are too far apart, and not which one is
    /// earlier.
    Unspecified,
}

/// Cause of an authentication error other than the clock, as the response states it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OtherCause {
    /// The signature was made with another secret key, or for another request.
    WrongKey,
    /// The session token, web identity token or SAML response has expired.
    ExpiredCredentials,
    /// The presigned URL or POST policy has expired, as its signer intended.
    ExpiredUrl,
    /// The credential scope names another region, service or day.
    CredentialScope,
    /// The server does not know the access key or its session token.
    UnknownCredentials,
    /// The request has no signature.
    MissingAuthentication,
    /// The request's date is missing or not in a format that the server reads.
    MalformedDate,
    /// The signature lacks a part or cannot be parsed.
    MalformedSignature,
    /// The server knows the caller, and a policy denies the action.
    Denied,
}

impl OtherCause {
    /// Returns the `cause` field of the log event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WrongKey => "wrong_key",
            Self::ExpiredCredentials => "expired_credentials",
            Self::ExpiredUrl => "expired_url",
            Self::CredentialScope => "credential_scope",
            Self::UnknownCredentials => "unknown_credentials",
            Self::MissingAuthentication => "missing_authentication",
            Self::MalformedDate => "malformed_date",
            Self::MalformedSignature => "malformed_signature",
            Self::Denied => "denied",
        }
    }
}

/// What a response says about the clock; see the [module](self).
///
/// ```
/// use aws_clock_skew::evidence::{Evidence, ResponseView, SkewDirection};
///
/// let body = b"<Error><Code>RequestTimeTooSkewed</Code></Error>";
/// let view = ResponseView::new(403, body).with_date("Fri, 15 Jan 2027 08:00:00 GMT");
/// let evidence = Evidence::read(&view);
/// assert_eq!(evidence.clock_skew_error(), Some(SkewDirection::Unspecified));
/// assert_eq!(evidence.error_code(), Some("RequestTimeTooSkewed"));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Evidence {
    status: u16,
    /// Whether the response comes from a cache.
    is_aged: bool,
    date: Option<SystemTime>,
    request_id: Option<String>,
    code: Code,
    message: Message,
}

impl Evidence {
    /// Reads a response. The body may be any bytes; the first 64 KiB are read, in linear
    /// time. It is read whatever the status is, because S3 sends some errors with a 200.
    #[must_use]
    pub fn read(response: &ResponseView<'_>) -> Self {
        let text = message::text(response.body);
        let code = Code::find(response.error_code, &text);
        // The request id of a success is not needed.
        let has_error = response.status >= 400 || !text.is_empty();
        let id = response.request_id.filter(|_| has_error).map(visible);
        Self {
            status: response.status,
            is_aged: response.is_aged,
            date: response.date(),
            request_id: id.filter(|id| !id.is_empty()),
            message: message::read(&text, &code),
            code,
        }
    }

    /// Returns in which direction the request's time is wrong, or `None` if the response is
    /// not a clock skew error.
    pub const fn clock_skew_error(&self) -> Option<SkewDirection> {
        self.message.rejection
    }

    /// Returns whether the response is a possible clock skew error: it has a signature or
    /// access code, or is a 403 without any code, and does not mention the time.
    ///
    /// This alone proves nothing. Returns `false` for a clock skew error, and if the
    /// response names another cause.
    pub fn is_possible_clock_skew_error(&self) -> bool {
        let is_open = matches!(self.code.class, Class::Signature | Class::Access)
            || self.code.name.is_none() && self.status == 403;
        // A server may deny access because it cannot verify the signature. Every other
        // cause shows that the server has checked the time.
        is_open
            && self.rejects()
            && self.clock_skew_error().is_none()
            && matches!(self.other_cause(), None | Some(OtherCause::Denied))
    }

    /// Returns the server's time in the error message, never the `Date` header.
    ///
    /// Returns `None` if the message states none or contradicts itself. The time may be
    /// absurd, and the message need not be a clock skew error;
    /// [`server_time_range`](Self::server_time_range) checks both.
    pub const fn server_time(&self) -> Option<SystemTime> {
        self.message.times.server
    }

    /// Returns the time of the request, as a clock skew error states it, or `None` if it
    /// states none or contradicts itself.
    pub const fn request_time(&self) -> Option<SystemTime> {
        self.message.times.request
    }

    /// Returns the earliest request time that the server would have accepted (or the
    /// latest, if the request's time was ahead), as a clock skew error states it. Returns
    /// `None` if it states none or contradicts itself.
    pub const fn bound_time(&self) -> Option<SystemTime> {
        self.message.times.bound
    }

    /// Returns how far a request's time may be off, as a clock skew error states it, or
    /// `None` if it states none or contradicts itself.
    pub const fn tolerance(&self) -> Option<Duration> {
        self.message.times.tolerance
    }

    /// Returns the earliest and the latest time at which the server can have responded, by
    /// its own clock.
    ///
    /// They come from the message of a clock skew error. If that has no usable time, they
    /// come from `Date`, provided that the response is a clock skew error, a possible one
    /// with a request id, or a success. A message with only a bound gives a range of ten
    /// minutes. Returns `None` if the response has no usable time; times before 2020 are
    /// never usable.
    pub fn server_time_range(&self) -> Option<(SystemTime, SystemTime)> {
        self.sample().map(|sample| (sample.earliest, sample.latest))
    }

    /// Returns the error code without its namespace, cut to 64 visible ASCII characters, or
    /// `None` if the response has none.
    pub fn error_code(&self) -> Option<&str> {
        self.code.name.as_deref()
    }

    /// Returns the request id, cut like the error code.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Returns the sample in the response, or `None` if it has no usable time; see
    /// [`Strength`].
    pub(crate) fn sample(&self) -> Option<Sample> {
        let strength = match self.clock_skew_error() {
            Some(kind) => match Sample::from_message(kind, &self.message.times) {
                Some(sample) => return Some(sample.with_date(self.date)),
                // Otherwise this may be the error page of a proxy, which quotes a service
                // and has its own `Date`.
                None if self.rejects() => Strength::Date,
                None => return None,
            },
            None if self.is_possible_clock_skew_error() && self.request_id.is_some() => {
                Strength::Date
            }
            None if self.is_success() => Strength::Accepted,
            None => return None,
        };
        Some(Sample::from_date(self.date?, strength))
    }

    /// Returns the `Date` header if it came once, is readable, is not before 2020, and does
    /// not come from a cache.
    pub(crate) const fn date(&self) -> Option<SystemTime> {
        self.date
    }

    /// Returns whether the message is, or may be, about another request than the one with
    /// this signature.
    ///
    /// If the message states this request's time, to the second, it is about this request,
    /// whatever the status and code are. If it states another time, it quotes a text or is
    /// about somebody else's request. If it states no request time, it counts only with a
    /// listed code and a status that rejects the request, and if it does not come from a
    /// cache.
    pub(crate) fn is_about_another_request(&self, signed_at: SystemTime) -> bool {
        if let Some(request) = self.request_time() {
            return distance(request, signed_at) > CUT_OFF;
        }
        // If the message states no time, the sample comes from `Date`, which no quoted text
        // can change.
        let is_timeless = self.server_time().or(self.bound_time()).is_none();
        let is_listed = match self.code.class {
            Class::Unknown | Class::Unrelated => self.code.name.is_none() && is_timeless,
            _ => self.code.is_stated || is_timeless,
        };
        !is_listed || self.is_aged || !(self.rejects() || self.is_success())
    }

    /// Returns the cause that the response names, if it rejects the request and is not a
    /// clock skew error.
    pub(crate) fn other_cause(&self) -> Option<OtherCause> {
        self.message.cause.filter(|_| self.rejects())
    }

    /// Returns whether the code is one with which services reject a signature.
    pub(crate) fn is_signature_code(&self) -> bool {
        let class = self.code.class;
        class == Class::Signature || class == Class::Other(OtherCause::MalformedSignature)
    }

    /// Returns whether the server accepted the request, and so its time.
    pub(crate) fn accepted(&self) -> bool {
        self.is_success() && self.clock_skew_error().is_none()
    }

    /// Returns whether the request passed the timestamp check: the status is one that
    /// follows the check, or the response says that the key is wrong.
    pub(crate) fn passed_timestamp_check(&self) -> bool {
        let is_wrong_key = self.other_cause() == Some(OtherCause::WrongKey);
        let is_ok = matches!(self.status, 200..=399 | 404 | 405 | 409 | 412 | 416);
        // A cache does not check signatures.
        !self.is_aged
            && (is_wrong_key
                || is_ok
                    && self.clock_skew_error().is_none()
                    && !self.is_possible_clock_skew_error())
    }

    const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299 | 304)
    }

    /// Returns whether the status means that the server rejected the request itself, and
    /// not only that its target is missing or busy.
    const fn rejects(&self) -> bool {
        matches!(self.status, 400..=499)
            && !matches!(self.status, 404 | 405 | 407 | 409 | 412 | 416 | 429)
    }
}

/// Messages may cut the request's time to the second.
const CUT_OFF: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
