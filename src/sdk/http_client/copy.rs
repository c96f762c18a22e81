//! [`RequestCopy`]: a copy of a request that was sent, so that it can be sent again.

use std::str;
use std::time::SystemTime;

use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

use crate::resign::{is_signature, is_signed_elsewhere};
use crate::timestamp;

/// A request in one piece of memory, which is parsed only when it is needed. That is far
/// cheaper than a clone, which needs one or two allocations for each header.
pub(super) struct RequestCopy {
    /// The method, the URI, each [`Header`], and a small body.
    text: Vec<u8>,
    method_ends: usize,
    uri_ends: usize,
    headers_end: usize,
    body: Body,
    /// Lets the SDK close a broken connection. Other extensions are not copied: the
    /// telemetry of the attempt belongs to the first send.
    connection: Option<CaptureSmithyConnection>,
    is_ours_to_sign: bool,
    signed_at: Option<SystemTime>,
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
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        let mut text = Vec::with_capacity(USUAL);
        text.extend_from_slice(request.method().as_bytes());
        let method_ends = text.len();
        text.extend_from_slice(request.uri().as_bytes());
        let uri_ends = text.len();
        let mut is_signed = false;
        let mut is_ours_to_sign = true;
        let mut signed_at = None;
        for (name, value) in request.headers().iter_bytes() {
            is_signed |= name == "authorization" && is_signature(value);
            is_ours_to_sign &= !is_signed_elsewhere(name, value);
            if name == "x-amz-date" {
                signed_at = str::from_utf8(value).ok().and_then(timestamp::sigv4);
            }
            Header::write(name.as_bytes(), value, &mut text)?;
        }
        if !is_signed {
            return None;
        }
        let headers_end = text.len();
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
            method_ends,
            uri_ends,
            headers_end,
            body,
            connection: request.extension::<CaptureSmithyConnection>().cloned(),
            is_ours_to_sign,
            signed_at,
        })
    }

    /// Returns whether the request can be re-signed without the SDK.
    pub(super) const fn is_ours_to_sign(&self) -> bool {
        self.is_ours_to_sign
    }

    /// Returns the time that the request is signed for.
    pub(super) const fn signed_at(&self) -> Option<SystemTime> {
        self.signed_at
    }

    pub(super) fn uri(&self) -> &str {
        self.part(self.method_ends, self.uri_ends)
    }

    /// Returns the request, and whether it is whole and can be sent.
    pub(super) fn into_request(self) -> (HttpRequest, bool) {
        let mut request = HttpRequest::new(SdkBody::taken());
        let mut is_whole = request.set_method(self.part(0, self.method_ends)).is_ok()
            && request.set_uri(self.uri()).is_ok();
        let mut headers = self
            .text
            .get(self.uri_ends..self.headers_end)
            .unwrap_or(&[]);
        while let Some((name, value)) = Header::read(&mut headers) {
            // The SDK cannot make a header that is not UTF-8.
            let added = str::from_utf8(name).ok().zip(str::from_utf8(value).ok());
            is_whole &= added.is_some_and(|(name, value)| {
                let added = request
                    .headers_mut()
                    .try_append(name.to_owned(), value.to_owned());
                added.is_ok()
            });
        }
        match self.body {
            Body::Small => {
                let bytes = self.text.get(self.headers_end..).unwrap_or_default();
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

    fn part(&self, from: usize, to: usize) -> &str {
        let bytes = self.text.get(from..to).unwrap_or_default();
        // The method and the URI were text.
        str::from_utf8(bytes).unwrap_or_default()
    }
}

/// A header as two lengths, followed by the name and the value.
struct Header;

impl Header {
    /// Appends a header. Returns `None` for one of 4 GiB or more, which no HTTP client
    /// sends.
    #[inline]
    fn write(name: &[u8], value: &[u8], text: &mut Vec<u8>) -> Option<()> {
        let name_length = u64::from(u32::try_from(name.len()).ok()?);
        let value_length = u64::from(u32::try_from(value.len()).ok()?);
        let lengths = name_length << u32::BITS | value_length;
        text.reserve(size_of::<u64>() + name.len() + value.len());
        text.extend_from_slice(&lengths.to_ne_bytes());
        text.extend_from_slice(name);
        text.extend_from_slice(value);
        Some(())
    }

    fn read<'a>(text: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let (lengths, rest) = text.split_first_chunk()?;
        let lengths = u64::from_ne_bytes(*lengths);
        let name = usize::try_from(lengths >> u32::BITS).ok()?;
        let value = usize::try_from(lengths & u64::from(u32::MAX)).ok()?;
        let (name, rest) = rest.split_at_checked(name)?;
        let (value, rest) = rest.split_at_checked(value)?;
        *text = rest;
        Some((name, value))
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
            let (copy, is_whole) = RequestCopy::of(&given).unwrap().into_request();
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
        let (copy, is_whole) = RequestCopy::of(&given).unwrap().into_request();
        assert!(!is_whole);
        assert_eq!(copy.uri(), given.uri());
        assert_eq!(copy.headers().len(), given.headers().len());
    }

    #[test]
    fn a_request_without_a_signature_is_not_kept() {
        let mut given = request(SdkBody::empty());
        given.headers_mut().insert("authorization", "Bearer x");
        assert!(RequestCopy::of(&given).is_none());
        given.headers_mut().remove("authorization");
        assert!(RequestCopy::of(&given).is_none());
    }
}
