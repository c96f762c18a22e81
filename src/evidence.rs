//! What a response says about the clock.
//!
//! [`Evidence::read`] takes a status, the beginning of a body and a few headers, and tells whether
//! the server rejected the request for its time, whether it may have, and what time it is there.
//! It decides nothing: how far to believe it, and what to do, is the judge's business.
//!
//! Texts are read by rule, in whatever they arrive: JSON, XML, a log line around either, cut,
//! escaped or wrapped. No part of a text is kept but times and the error code.

mod cause;
mod codes;
mod conclusion;
mod field;
mod message;
mod plain;
mod response;
mod sentence;
pub(crate) mod stamp;
mod statement;

use codes::{Class, Code};
use conclusion::Conclusion;
use message::Times;
use plain::Plain;
use std::time::{Duration, SystemTime};

pub use cause::OtherCause;
pub use conclusion::Source;
pub(crate) use conclusion::Strength;
pub use response::ResponseView;

/// "Your time is wrong": in words, or by a code that means nothing else.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Rejection {
    /// The request was signed too long before the server's time.
    Behind,
    /// The request was signed at a time that the server has not reached.
    Ahead,
    /// The times are too far apart; which one is earlier is not said.
    Unspecified,
}

/// What a response says about the clock; see the [module](self).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Evidence {
    status: u16,
    /// A cache has kept the response, or says for how long.
    is_aged: bool,
    rejection: Option<Rejection>,
    is_suspect: bool,
    is_signature_code: bool,
    /// A code is stated that no list here has.
    is_unlisted_code: bool,
    times: Times,
    date: Option<SystemTime>,
    other_cause: Option<OtherCause>,
    error_code: Option<String>,
    request_id: Option<String>,
}

impl Evidence {
    /// Reads a response. Any bytes will do, and take time linear in their number; a body is read
    /// whatever the status, since S3 reports errors with a 200 as well.
    #[must_use]
    pub fn read(response: &ResponseView<'_>) -> Self {
        let silent = Self {
            status: response.status,
            is_aged: response.is_aged(),
            rejection: None,
            is_suspect: false,
            is_signature_code: false,
            is_unlisted_code: false,
            times: Times::default(),
            date: response.date(),
            other_cause: None,
            error_code: None,
            request_id: None,
        };
        // An accepted answer: nobody asks for its request id.
        if silent.is_success() && response.body.is_empty() && response.error_code.is_none() {
            return silent;
        }
        let text = Plain::read(response.body);
        let code = Code::find(response.error_code, &text.readable);
        let said = message::read(&text.squeezed, &code);
        let refuses = silent.refuses();
        let other_cause = said.cause.filter(|_| refuses && said.rejection.is_none());
        let is_open = match code.class {
            Class::Signature | Class::Access => true,
            Class::Unknown => code.name.is_none() && response.status == 403,
            Class::Clock(_) | Class::Other(_) | Class::Unrelated => false,
        };
        Self {
            rejection: said.rejection,
            // Who is denied may have been misread for want of a right signature; every other cause
            // is known only to a server that has looked past the time.
            is_suspect: is_open
                && refuses
                && said.rejection.is_none()
                && matches!(other_cause, None | Some(OtherCause::Denied)),
            is_signature_code: code.is_signature(),
            is_unlisted_code: code.is_unlisted(),
            times: said.times,
            other_cause,
            error_code: code.name.map(Into::into),
            request_id: response
                .request_id
                .map(codes::visible)
                .filter(|id| !id.is_empty())
                .map(Into::into),
            ..silent
        }
    }

    /// How the server said that the request's time is wrong. `None` if it did not say so.
    #[must_use]
    pub const fn rejection(&self) -> Option<Rejection> {
        self.rejection
    }

    /// Whether the request was refused in a way that a wrong time can be behind, without a word
    /// about it: a signature or access code, or a 403 with no code at all.
    ///
    /// Alone it proves nothing. `false` for a rejection, and where another cause is named.
    #[must_use]
    pub const fn is_suspect(&self) -> bool {
        self.is_suspect
    }

    /// The server's time as its text states it; never the `Date` header.
    ///
    /// `None` if the text has none, or contradicts itself. It may be stated by a text that is no
    /// rejection, and may be absurd: [`server_time_range`](Self::server_time_range) is neither.
    #[must_use]
    pub const fn server_time(&self) -> Option<SystemTime> {
        self.times.server
    }

    /// The time of the request, as the text of a rejection tells it back. `None` if it tells none,
    /// or contradicts itself.
    #[must_use]
    pub const fn request_time(&self) -> Option<SystemTime> {
        self.times.request
    }

    /// The earliest (or, of a request from the future, latest) time of a request that the server
    /// would have accepted, as its text states it. `None` if it states none, or contradicts itself.
    #[must_use]
    pub const fn bound_time(&self) -> Option<SystemTime> {
        self.times.bound
    }

    /// How far a request's time may be off, as the text of a rejection states it. `None` if it
    /// states none, or contradicts itself.
    #[must_use]
    pub const fn tolerance(&self) -> Option<Duration> {
        self.times.tolerance
    }

    /// When the server answered, by its own clock: the earliest and the latest moment that fit.
    ///
    /// From the text of a rejection; if that has no usable time, from `Date`, where the response
    /// is a rejection, a suspect with a request id, or accepted. A text with a bound only gives a
    /// range of ten minutes. `None` if nothing can be concluded; a time before 2020 is never
    /// concluded, since no clock that says so is right.
    #[must_use]
    pub fn server_time_range(&self) -> Option<(SystemTime, SystemTime)> {
        Some(self.conclusion()?.range)
    }

    /// The error code, without namespace, cut to 64 visible ASCII characters. `None` if the
    /// response names none.
    #[must_use]
    pub fn error_code(&self) -> Option<&str> {
        self.error_code.as_deref()
    }

    /// The request id, cut like the error code.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// How much the server's time weighs. `None` if there is no usable one.
    pub(crate) fn strength(&self) -> Option<Strength> {
        Some(self.conclusion()?.strength)
    }

    /// The server's time to sign by: inside the range, where every known tolerance accepts it.
    pub(crate) fn estimate_from(&self) -> Option<SystemTime> {
        Some(self.conclusion()?.best)
    }

    /// Where the server's time comes from, for logs. `None` where there is no
    /// [`strength`](Self::strength).
    pub(crate) fn source(&self) -> Option<Source> {
        Some(self.conclusion()?.source)
    }

    /// The `Date` header, if it came once, can be read, is of 2020 or later, and no cache's.
    pub(crate) const fn date(&self) -> Option<SystemTime> {
        self.date
    }

    /// Whether the text is about another request than the one that was answered and signed then, or
    /// may be. It says which by the time of the request that it tells back.
    ///
    /// A page of somebody in trouble quotes what it likes, and a complaint about an argument tells
    /// back what the caller's users wrote; a cache keeps what somebody else was told.
    pub(crate) fn quotes_another_than(&self, signed_at: SystemTime) -> bool {
        let may_quote = self.is_unlisted_code || !(self.refuses() || self.is_success());
        let is_another = self.times.request.map(|request| {
            let distance = request.duration_since(signed_at);
            distance.unwrap_or_else(|error| error.duration()) > CUT_OFF
        });
        if may_quote {
            is_another.unwrap_or(true)
        } else {
            self.is_aged && is_another.unwrap_or(false)
        }
    }

    /// What the response names as the cause, if it refuses the request and the clock is not it.
    pub(crate) const fn other_cause(&self) -> Option<OtherCause> {
        self.other_cause
    }

    /// Whether the code refuses a signature.
    pub(crate) const fn is_signature_code(&self) -> bool {
        self.is_signature_code
    }

    /// Whether the request was accepted: its time was right enough for this server.
    pub(crate) fn accepted(&self) -> bool {
        self.is_success() && self.rejection.is_none()
    }

    /// Whether the server looked past the request's time: it answered, found nothing, or says that
    /// the key is wrong.
    pub(crate) fn let_through(&self) -> bool {
        let answered = matches!(self.status, 200..=399 | 404 | 405 | 409 | 412 | 416);
        (answered && self.rejection.is_none() && !self.is_suspect)
            || self.other_cause == Some(OtherCause::WrongKey)
    }

    fn is_success(&self) -> bool {
        matches!(self.status, 200..=299 | 304)
    }

    /// Whether the status says that the request itself is at fault, and not for
    /// what it asks.
    fn refuses(&self) -> bool {
        matches!(self.status, 400..=499)
            && !matches!(self.status, 404 | 405 | 407 | 409 | 412 | 416 | 429)
    }

    /// The table of evidence: which time counts, and as what.
    fn conclusion(&self) -> Option<Conclusion> {
        let strength = match self.rejection {
            Some(way) => match Conclusion::from_text(way, &self.times) {
                Some(conclusion) => return Some(conclusion),
                // A proxy in trouble may quote a service, but dates its page itself.
                None if self.refuses() => Strength::Medium,
                None => return None,
            },
            None if self.is_suspect && self.request_id.is_some() => Strength::Medium,
            None if self.is_success() => Strength::Weak,
            None => return None,
        };
        Some(Conclusion::from_date(self.date?, strength))
    }
}

/// What a text may leave out of the time of a signature.
const CUT_OFF: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
