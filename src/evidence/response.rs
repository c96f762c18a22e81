//! [`ResponseView`]: the parts of a response that can hold evidence.

use super::sample::is_plausible;
use crate::timestamp;
use std::fmt;
use std::time::SystemTime;

/// The parts of a response that can hold evidence. It borrows them, and is cheap to copy.
///
/// ```
/// use aws_clock_skew::evidence::{Evidence, ResponseView};
///
/// let view = ResponseView::new(403, br#"{"message":"Access denied"}"#)
///     .with_error_code("AccessDenied")
///     .with_request_id("b1946ac9");
/// assert!(Evidence::read(&view).is_possible_clock_skew_error());
/// ```
#[must_use]
#[derive(Clone, Copy)]
pub struct ResponseView<'a> {
    pub(crate) status: u16,
    pub(super) body: &'a [u8],
    date: Option<&'a str>,
    is_date_doubled: bool,
    /// Whether the response has an `Age` header.
    pub(super) is_aged: bool,
    pub(super) error_code: Option<&'a str>,
    pub(super) request_id: Option<&'a str>,
}

impl<'a> ResponseView<'a> {
    /// Returns the view of a response with an HTTP status and the beginning of its body.
    ///
    /// The body may be empty, and may hold any bytes. The first 64 KiB are read.
    pub const fn new(status: u16, body: &'a [u8]) -> Self {
        Self {
            status,
            body,
            date: None,
            is_date_doubled: false,
            is_aged: false,
            error_code: None,
            request_id: None,
        }
    }

    /// Adds the `Date` header's value, as received.
    ///
    /// Call it twice if the header came twice. Neither value is used then, because a proxy
    /// may have added one of them.
    pub const fn with_date(mut self, date: &'a str) -> Self {
        self.is_date_doubled = self.date.is_some();
        self.date = Some(date);
        self
    }

    /// Adds the `Age` header's value. A response with this header comes from a cache (RFC
    /// 9111, section 5.1), so its `Date` is not used, whatever the value is.
    pub const fn with_age(mut self, _: &'a str) -> Self {
        self.is_aged = true;
        self
    }

    /// Adds the error code from `x-amzn-ErrorType`, `x-amzn-query-error` or a body that the
    /// caller has parsed.
    ///
    /// It takes precedence over the code in the body. The forms `namespace#Code`,
    /// `Code:http://…`, `Code:` and `Code;Sender` are accepted. An empty value, `null` and
    /// HTTP statuses (`403`, `Forbidden`) count as no code.
    pub const fn with_error_code(mut self, code: &'a str) -> Self {
        self.error_code = Some(code);
        self
    }

    /// Adds the server's request id, from any header. A blank one counts as none.
    pub const fn with_request_id(mut self, request_id: &'a str) -> Self {
        self.request_id = Some(request_id);
        self
    }

    /// Adds all headers that can hold evidence, and ignores the others.
    ///
    /// ```
    /// use aws_clock_skew::evidence::{Evidence, ResponseView};
    ///
    /// let headers = [("Date", "Fri, 15 Jan 2027 08:00:00 GMT"), ("Connection", "close")];
    /// let headers = headers.map(|(name, value)| (name, value.as_bytes()));
    /// let evidence = Evidence::read(&ResponseView::new(200, b"").with_headers(headers));
    /// assert!(evidence.server_time_range().is_some());
    /// ```
    pub fn with_headers(self, headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        headers.into_iter().fold(self, |view, (name, value)| {
            // A second `Date` counts even if it is unreadable.
            let value = str::from_utf8(value).unwrap_or_default();
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is("date") {
                view.with_date(value)
            } else if is("age") {
                view.with_age(value)
            } else if is("x-amzn-errortype")
                // Services that changed from the query protocol to JSON send their old
                // error code in this header.
                || is("x-amzn-query-error") && view.error_code.is_none()
            {
                view.with_error_code(value)
            } else if REQUEST_IDS.into_iter().any(is) {
                view.with_request_id(value)
            } else {
                view
            }
        })
    }

    /// Returns the `Date` of the server if the header came once, is readable and plausible,
    /// and does not come from a cache.
    pub(super) fn date(&self) -> Option<SystemTime> {
        let is_own = !self.is_date_doubled && !self.is_aged;
        let date = timestamp::http_date(self.date.filter(|_| is_own)?);
        date.filter(|time| is_plausible(*time))
    }
}

impl fmt::Debug for ResponseView<'_> {
    /// Prints neither the body nor header values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseView")
            .field("status", &self.status)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

const REQUEST_IDS: [&str; 3] = ["x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id"];
