//! [`Head`], the parts of a request that its signature covers, and [`Authorization`], the
//! parsed header of the signature.

use std::borrow::Cow;
use std::time::SystemTime;

#[cfg(feature = "sdk")]
use super::EXPRESS_TOKEN;
use super::{AUTHORIZATION, CONTENT_SHA256, CONTENT_TYPE, DATE, SIGV4A};
use crate::timestamp;

/// The parts of a request that its signature covers.
#[derive(Clone)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    pub(crate) uri: Cow<'a, str>,
    /// The headers in the order of the request. Names are in lower case; a value that is
    /// not UTF-8 is [`NOT_TEXT`].
    pub(crate) headers: Vec<(&'a str, &'a str)>,
}

impl<'a> Head<'a> {
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }

    /// Returns the time that the request was signed for.
    pub(crate) fn signed_at(&self) -> Option<SystemTime> {
        timestamp::sigv4(self.header(DATE)?)
    }

    /// Returns the service in the scope of the signature.
    pub(crate) fn service(&self) -> Option<&'a str> {
        service_of(self.header(AUTHORIZATION)?)
    }

    /// Returns the access key of the signature.
    pub(crate) fn access_key(&self) -> Option<&'a str> {
        Some(Authorization::parse(self.header(AUTHORIZATION)?)?.access_key)
    }

    /// Returns whether the body is signed in chunks.
    pub(crate) fn has_chunks(&self) -> bool {
        let stated = self.header(CONTENT_SHA256);
        stated.is_some_and(|stated| is_chunked(stated.as_bytes()))
    }

    /// Returns whether the hash of the body is needed to reproduce the signature.
    pub(crate) fn needs_body(&self) -> bool {
        self.header(CONTENT_SHA256).is_none()
    }
}

/// An `Authorization` header of SigV4 or SigV4a, in parts.
pub(super) struct Authorization<'a> {
    pub(super) access_key: &'a str,
    pub(super) scope_date: &'a str,
    /// `None` in SigV4a, where a header of the request names a set of regions.
    pub(super) region: Option<&'a str>,
    pub(super) service: &'a str,
    pub(super) signed_headers: &'a str,
    pub(super) signature: &'a str,
}

impl<'a> Authorization<'a> {
    pub(super) fn parse(value: &'a str) -> Option<Self> {
        let (fields, has_region) = match value.strip_prefix(SIGV4A) {
            Some(fields) => (fields, false),
            None => (value.strip_prefix("AWS4-HMAC-SHA256")?, true),
        };
        let field = |name: &str| {
            let mut named = fields
                .split(',')
                .filter_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
            // A field that occurs twice is ambiguous.
            named.next().filter(|_| named.next().is_none())
        };
        // Access keys of other vendors may contain slashes, so the scope is split from its
        // end. It has four parts, or three without a region.
        let mut credential = field("Credential")?.rsplitn(4 + usize::from(has_region), '/');
        let (terminator, service) = (credential.next()?, credential.next()?);
        let region = if has_region {
            Some(credential.next()?)
        } else {
            None
        };
        let (scope_date, access_key) = (credential.next()?, credential.next()?);
        (terminator == "aws4_request").then_some(Self {
            access_key,
            scope_date,
            region,
            service,
            signed_headers: field("SignedHeaders")?,
            signature: field("Signature")?,
        })
    }

    pub(super) fn signs(&self, name: &str) -> bool {
        self.signed_headers.split(';').any(|signed| signed == name)
    }
}

/// Returns the service in the scope of an `Authorization` header.
pub(crate) fn service_of(authorization: &str) -> Option<&str> {
    Some(Authorization::parse(authorization)?.service)
}

/// Returns whether a header shows that only the request's own signer can re-sign it: each
/// frame of an event stream is signed, or the key belongs to an S3 Express session.
#[cfg(feature = "sdk")]
#[inline]
pub(crate) fn is_signed_elsewhere(name: &str, value: &[u8]) -> bool {
    match name {
        EXPRESS_TOKEN => true,
        AUTHORIZATION => cfg!(not(feature = "sigv4a")) && value.starts_with(SIGV4A.as_bytes()),
        _ => is_framed(name, value),
    }
}

/// Returns whether a header shows that the body is signed in pieces other than SigV4
/// chunks. The content type is needed because the SDK for Rust states no hash for an event
/// stream.
#[inline]
pub(super) fn is_framed(name: &str, value: &[u8]) -> bool {
    match name {
        CONTENT_SHA256 => value.starts_with(b"STREAMING-AWS4-") && !is_chunked(value),
        CONTENT_TYPE => value.starts_with(b"application/vnd.amazon.eventstream"),
        _ => false,
    }
}

/// Returns whether the stated hash of a body shows that the body is signed in chunks. Each
/// chunk's signature is computed from the one before, the first from that in the header.
fn is_chunked(stated: &[u8]) -> bool {
    stated.starts_with(b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
}

/// Stands for a header value that is not UTF-8. A signature over such a value cannot be
/// reproduced. The header is kept so that a repeated header is still detected.
#[cfg(feature = "tower")]
pub(crate) const NOT_TEXT: &str = "\u{fffd}";
