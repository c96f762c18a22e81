//! The parts of a response that are looked at.

use super::conclusion::is_plausible;
use super::stamp;
use std::fmt;
use std::time::SystemTime;

/// The parts of a response that can hold evidence. Borrowed, and cheap to copy.
#[derive(Clone, Copy)]
pub struct ResponseView<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
    date: DateHeader<'a>,
    aged: bool,
    pub(super) error_code: Option<&'a str>,
    pub(super) request_id: Option<&'a str>,
}

impl<'a> ResponseView<'a> {
    /// A response of an HTTP status, with its body or as much of it as was read.
    ///
    /// The body may be any bytes, and empty; 64 KiB of it are looked at.
    #[must_use]
    pub const fn new(status: u16, body: &'a [u8]) -> Self {
        Self {
            status,
            body,
            date: DateHeader::Absent,
            aged: false,
            error_code: None,
            request_id: None,
        }
    }

    /// Adds the `Date` header's value, as received.
    ///
    /// A second call says that the header came twice, and then neither value is used: a proxy may
    /// have added its own.
    #[must_use]
    pub const fn with_date(mut self, date: &'a str) -> Self {
        self.date = match self.date {
            DateHeader::Absent => DateHeader::Single(date),
            DateHeader::Single(_) | DateHeader::Doubled => DateHeader::Doubled,
        };
        self
    }

    /// Adds the `Age` header's value. Whatever it is, the `Date` beside it is a cache's copy
    /// (RFC 9111, section 5.1) and is not used.
    #[must_use]
    pub const fn with_age(mut self, age: &'a str) -> Self {
        let _ = age;
        self.aged = true;
        self
    }

    /// Adds the error code that the caller knows, from `x-amzn-ErrorType` or a parsed body.
    ///
    /// It is preferred to what the body says. `namespace#Code` and `Code:http://…` are stripped; an
    /// empty one, `null` and HTTP's own words (`403`, `Forbidden`) count as none.
    #[must_use]
    pub const fn with_error_code(mut self, code: &'a str) -> Self {
        self.error_code = Some(code);
        self
    }

    /// Adds the request id that the server gave, from whichever header. A blank one counts as none.
    #[must_use]
    pub const fn with_request_id(mut self, request_id: &'a str) -> Self {
        self.request_id = Some(request_id);
        self
    }

    pub(super) const fn is_aged(&self) -> bool {
        self.aged
    }

    /// The `Date` of the answering server, if there is one that can be believed to be that.
    pub(super) fn date(&self) -> Option<SystemTime> {
        match self.date {
            DateHeader::Single(value) if !self.aged => {
                stamp::http_date(value).filter(|time| is_plausible(*time))
            }
            _ => None,
        }
    }
}

impl fmt::Debug for ResponseView<'_> {
    /// Leaves out the body and every header value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseView")
            .field("status", &self.status)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
enum DateHeader<'a> {
    Absent,
    Single(&'a str),
    Doubled,
}
