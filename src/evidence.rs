//! What a response says about the clock.
//!
//! [`Evidence::read`] takes a status, the beginning of a body and a few headers. It tells whether
//! the response is a clock skew error or a possible one, and what time it is at the server. It
//! decides nothing.
//!
//! The reader is a handful of patterns over the body as the server sent it: JSON, XML, CBOR, an
//! event-stream frame, or a log line around one of them. It parses no framing, since the message of
//! a clock skew error holds no character that any of them escapes. It keeps no part of a text
//! except times, the error code and the request id.

mod code;
mod message;
mod pattern;
mod response;
mod sample;

pub(crate) use code::visible;
use code::{Class, Code};
use message::Message;
use std::time::{Duration, SystemTime};

pub use response::ResponseView;
pub use sample::Source;
pub(crate) use sample::{Sample, Strength, is_plausible};

/// Direction in which a clock skew error says that the request's time is wrong.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SkewDirection {
    /// The request was signed too long before the server's time.
    Behind,
    /// The request was signed at a time that the server has not reached.
    Ahead,
    /// The times are too far apart. The response does not say which one is earlier.
    Unspecified,
}

/// Cause of an authentication error other than the clock, as the response states it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OtherCause {
    /// The signature was made with another secret key, or of another request.
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

/// Everything that a response says about the clock; see the [module](self).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Evidence {
    status: u16,
    /// The response comes from a cache.
    is_aged: bool,
    date: Option<SystemTime>,
    request_id: Option<String>,
    code: Code,
    message: Message,
}

impl Evidence {
    /// Reads a response. Any bytes will do, and take time linear in their number, up to 64 KiB. The
    /// body is read whatever the status is, since S3 sends errors with a 200 as well.
    #[must_use]
    pub fn read(response: &ResponseView<'_>) -> Self {
        let text = message::text(response.body);
        let code = Code::find(response.error_code, &text);
        // Nobody asks for the request id of a success.
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

    /// What the server says about the request's time. `None` if the response is no clock skew
    /// error.
    pub const fn clock_skew_error(&self) -> Option<SkewDirection> {
        self.message.rejection
    }

    /// Whether the response is a possible clock skew error: a signature or access code, or a 403
    /// with no code at all, and no word about the time.
    ///
    /// Alone it proves nothing. `false` for a clock skew error, and where the response names
    /// another cause.
    pub fn is_possible_clock_skew_error(&self) -> bool {
        let is_open = matches!(self.code.class, Class::Signature | Class::Access)
            || self.code.name.is_none() && self.status == 403;
        // A server may deny access because it cannot verify the signature. Every other cause shows
        // that it has checked the time.
        is_open
            && self.rejects()
            && self.clock_skew_error().is_none()
            && matches!(self.other_cause(), None | Some(OtherCause::Denied))
    }

    /// The server's time in the error message, never the `Date` header.
    ///
    /// `None` if the message states none, or contradicts itself. It may stand in a message that is
    /// no clock skew error, and may be absurd: [`server_time_range`](Self::server_time_range) is
    /// neither.
    pub const fn server_time(&self) -> Option<SystemTime> {
        self.message.times.server
    }

    /// The time of the request, as a clock skew error states it. `None` if it states none, or
    /// contradicts itself.
    pub const fn request_time(&self) -> Option<SystemTime> {
        self.message.times.request
    }

    /// The earliest time of a request that the server would have accepted (the latest, if the
    /// request came from the future), as a clock skew error states it. `None` if it states none, or
    /// contradicts itself.
    pub const fn bound_time(&self) -> Option<SystemTime> {
        self.message.times.bound
    }

    /// How far a request's time may be off, as a clock skew error states it. `None` if it states
    /// none, or contradicts itself.
    pub const fn tolerance(&self) -> Option<Duration> {
        self.message.times.tolerance
    }

    /// The earliest and the latest time at which the server can have responded, by its own clock.
    ///
    /// They come from the message of a clock skew error. If that has no usable time, they come from
    /// `Date`, provided that the response is a clock skew error, a possible one with a request id,
    /// or accepted. A message with a bound alone gives a range of ten minutes. `None` if the
    /// response allows no conclusion. A time before 2020 is never concluded.
    pub fn server_time_range(&self) -> Option<(SystemTime, SystemTime)> {
        self.sample().map(|sample| (sample.earliest, sample.latest))
    }

    /// The error code without its namespace, cut to 64 visible ASCII characters. `None` if the
    /// response names none.
    pub fn error_code(&self) -> Option<&str> {
        self.code.name.as_deref()
    }

    /// The request id, cut like the error code.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// What the response says about the server's time; see [`Strength`]. `None` if that
    /// is nothing usable.
    pub(crate) fn sample(&self) -> Option<Sample> {
        let strength = match self.clock_skew_error() {
            Some(kind) => match Sample::from_message(kind, &self.message.times) {
                Some(sample) => return Some(sample),
                // A proxy's error page may quote a service, and has a date of its own.
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

    /// The `Date` header, if it came once, is readable, is of 2020 or later, and comes from no
    /// cache.
    pub(crate) const fn date(&self) -> Option<SystemTime> {
        self.date
    }

    /// Whether the message is about another request than the one with this signature, or may be.
    ///
    /// A message that states the time of the request is about the request that was signed then, to
    /// the second, whatever its status and code. One that states another time repeats what somebody
    /// wrote, or what the server said to somebody else. One that states none counts only with a listed
    /// code, a status that rejects the request, and no cache.
    pub(crate) fn quotes_another_than(&self, signed_at: SystemTime) -> bool {
        if let Some(request) = self.request_time() {
            let distance = request.duration_since(signed_at);
            return distance.unwrap_or_else(|error| error.duration()) > CUT_OFF;
        }
        // Without a time the sample is from `Date`, which no text can fake.
        let is_timeless = self.server_time().or(self.bound_time()).is_none();
        let is_listed = match self.code.class {
            Class::Unknown | Class::Unrelated => self.code.name.is_none() && is_timeless,
            _ => self.code.is_stated || is_timeless,
        };
        !is_listed || self.is_aged || !(self.rejects() || self.is_success())
    }

    /// What the response names as the cause, if it rejects the request and is no clock skew error.
    pub(crate) fn other_cause(&self) -> Option<OtherCause> {
        self.message.cause.filter(|_| self.rejects())
    }

    /// Whether the code is one of those with which a service rejects a signature.
    pub(crate) fn is_signature_code(&self) -> bool {
        let class = self.code.class;
        class == Class::Signature || class == Class::Other(OtherCause::MalformedSignature)
    }

    /// Whether the server accepted the request, and with it the request's time.
    pub(crate) fn accepted(&self) -> bool {
        self.is_success() && self.clock_skew_error().is_none()
    }

    /// Whether the request passed the timestamp check: the server answered, found nothing, or says
    /// that the key is wrong.
    pub(crate) fn passed_timestamp_check(&self) -> bool {
        let is_wrong_key = self.other_cause() == Some(OtherCause::WrongKey);
        let is_ok = matches!(self.status, 200..=399 | 404 | 405 | 409 | 412 | 416);
        // A cache answers without a look at the signature.
        !self.is_aged
            && (is_wrong_key
                || is_ok
                    && self.clock_skew_error().is_none()
                    && !self.is_possible_clock_skew_error())
    }

    const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299 | 304)
    }

    /// Whether the status says that the request itself is at fault, and not what it asks for.
    const fn rejects(&self) -> bool {
        matches!(self.status, 400..=499)
            && !matches!(self.status, 404 | 405 | 407 | 409 | 412 | 416 | 429)
    }
}

/// What a message may leave out of the time of a signature.
const CUT_OFF: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
