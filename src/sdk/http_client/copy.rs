//! [`RequestCopy`]: a copy of a request that was sent, so that it can be sent again.

use std::str;
use std::time::SystemTime;

use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

use crate::resend::LastDate;
use crate::resign::{is_signature, is_signed_elsewhere};

/// A request in one piece of memory, which is parsed only when it is needed. That is far
/// cheaper than a clone, which needs one or two allocations for each header.
pub(super) struct RequestCopy {
    /// The head as HTTP/1.1 writes it, `METHOD URI` and the headers in lines of their own,
    /// and a small body. No part of a head contains a line feed.
    text: Vec<u8>,
    head_ends: usize,
    body: Body,
    /// Lets the SDK close a broken connection. Other extensions are not copied: the
    /// telemetry of the attempt belongs to the first send.
    connection: Option<CaptureSmithyConnection>,
    /// Whether the request can be re-signed without the SDK.
    pub(super) is_ours_to_sign: bool,
    /// The time that the request is signed for.
    pub(super) signed_at: Option<SystemTime>,
}

enum Body {
    /// The body is at the end of `text`.
    Small,
    Large(Box<SdkBody>),
    /// The body cannot be sent twice.
    Gone,
}

impl RequestCopy {
    /// Copies a request. Returns `None` if the request is not signed.
    pub(super) fn of(request: &HttpRequest, last_date: &LastDate) -> Option<Self> {
        let mut text = Vec::with_capacity(USUAL);
        text.extend_from_slice(request.method().as_bytes());
        text.push(b' ');
        text.extend_from_slice(request.uri().as_bytes());
        let mut is_signed = false;
        let mut is_ours_to_sign = true;
        let mut signed_at = None;
        for (name, value) in request.headers().iter_bytes() {
            match name {
                "authorization" => is_signed |= is_signature(value),
                "x-amz-date" => signed_at = last_date.read(value),
                _ => {}
            }
            is_ours_to_sign &= !is_signed_elsewhere(name, value);
            text.push(b'\n');
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            text.extend_from_slice(value);
        }
        if !is_signed {
            return None;
        }
        let head_ends = text.len();
        let body = match request.body().bytes() {
            Some(bytes) if bytes.len() <= SMALL => {
                text.extend_from_slice(bytes);
                Body::Small
            }
            _ => match request.body().try_clone() {
                Some(copy) => Body::Large(Box::new(copy)),
                None => Body::Gone,
            },
        };
        Some(Self {
            text,
            head_ends,
            body,
            connection: request.extension::<CaptureSmithyConnection>().cloned(),
            is_ours_to_sign,
            signed_at,
        })
    }

    pub(super) fn uri(&self) -> &str {
        self.parts().1
    }

    /// Returns the request, and whether it is whole and can be sent.
    pub(super) fn into_request(self) -> (HttpRequest, bool) {
        let (method, uri, headers) = self.parts();
        let mut request = HttpRequest::new(SdkBody::taken());
        let mut is_whole = request.set_method(method).is_ok() && request.set_uri(uri).is_ok();
        for header in headers.lines() {
            let (name, value) = header.split_once(':').unwrap_or_default();
            let added = request
                .headers_mut()
                .try_append(name.to_owned(), value.to_owned());
            is_whole &= added.is_ok();
        }
        match self.body {
            Body::Small => {
                let bytes = self.text.get(self.head_ends..).unwrap_or_default();
                *request.body_mut() = SdkBody::from(bytes.to_vec());
            }
            Body::Large(body) => *request.body_mut() = *body,
            Body::Gone => is_whole = false,
        }
        if let Some(connection) = self.connection {
            request.add_extension(connection);
        }
        (request, is_whole)
    }

    /// Returns the method, the URI, and the lines with the headers.
    fn parts(&self) -> (&str, &str, &str) {
        let head = self.text.get(..self.head_ends).unwrap_or_default();
        // The SDK cannot make a header that is not UTF-8.
        let head = str::from_utf8(head).unwrap_or_default();
        let (line, headers) = head.split_once('\n').unwrap_or_default();
        let (method, uri) = line.split_once(' ').unwrap_or_default();
        (method, uri, headers)
    }
}

/// A capacity for which one allocation usually suffices: a head has about 800 bytes, and is
/// followed by a small JSON body.
const USUAL: usize = 1_024;
/// The largest body that is copied. A larger one is shared.
const SMALL: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: SdkBody) -> HttpRequest {
        let mut request = HttpRequest::new(body);
        request.set_method("PUT").unwrap();
        request.set_uri("https://host:1/a%20b?c=%C3%A9&d").unwrap();
        let headers = request.headers_mut();
        headers.append("authorization", "AWS4-HMAC-SHA256 x");
        headers.append("x-twice", "one");
        headers.append("x-twice", "é".to_owned());
        headers.append("x-empty", "");
        headers.append("x-long", "l".repeat(3_000));
        request
    }

    #[test]
    fn a_request_comes_back_as_it_was() {
        for length in [0, 1, SMALL, SMALL + 1, 100_000] {
            let given = request(SdkBody::from(vec![7; length]));
            let (copy, is_whole) = RequestCopy::of(&given, &LastDate::default())
                .unwrap()
                .into_request();
            assert!(is_whole, "{length}");
            assert_eq!((copy.method(), copy.uri()), (given.method(), given.uri()));
            let pairs = |request: &HttpRequest| {
                let headers = request.headers().iter();
                headers
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(pairs(&copy), pairs(&given));
            assert_eq!(copy.body().bytes(), given.body().bytes());
        }
    }

    #[test]
    fn a_stream_is_gone_and_the_head_of_its_request_is_not() {
        let stream = SdkBody::from_body_1_x(SdkBody::from("once"));
        let given = request(stream);
        let (copy, is_whole) = RequestCopy::of(&given, &LastDate::default())
            .unwrap()
            .into_request();
        assert!(!is_whole);
        assert_eq!(copy.uri(), given.uri());
        assert_eq!(copy.headers().len(), given.headers().len());
    }

    #[test]
    fn a_request_without_a_signature_is_not_kept() {
        let mut given = request(SdkBody::empty());
        given.headers_mut().insert("authorization", "Bearer x");
        assert!(RequestCopy::of(&given, &LastDate::default()).is_none());
        given.headers_mut().remove("authorization");
        assert!(RequestCopy::of(&given, &LastDate::default()).is_none());
    }
}
