//! [`Head`]: a request as its signature sees it; [`Authorization`]: what the header of the
//! signature says.

use std::borrow::Cow;
use std::time::SystemTime;

#[cfg(feature = "sdk")]
use super::EXPRESS_TOKEN;
use super::{AUTHORIZATION, CONTENT_SHA256, CONTENT_TYPE, DATE, SIGV4A};
use crate::timestamp;

/// A request as its signature sees it.
#[derive(Clone)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    pub(crate) uri: Cow<'a, str>,
    /// In the order of the request; names in lower case, and [`NOT_TEXT`] for a
    /// value that is none.
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
    /// `None` in SigV4a, which has a set of regions in a header of its own.
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
            // A field that stands twice says nothing.
            named.next().filter(|_| named.next().is_none())
        };
        // Access keys of other vendors may hold slashes; the scope has four parts, or
        // three without a region.
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

/// Returns whether a header says that only the request's own signer can sign it again:
/// each frame of a stream of events is signed, or the key is that of a session with S3
/// Express.
#[cfg(feature = "sdk")]
pub(crate) fn is_signed_elsewhere(name: &str, value: &[u8]) -> bool {
    let is_sigv4a = || name == AUTHORIZATION && value.starts_with(SIGV4A.as_bytes());
    name == EXPRESS_TOKEN
        || is_framed(name, value)
        || (cfg!(not(feature = "sigv4a")) && is_sigv4a())
}

/// Returns whether a header says that the body is signed in pieces other than chunks of
/// SigV4. SDKs do not all say so: of a stream of events, Rust's signs no hash.
pub(super) fn is_framed(name: &str, value: &[u8]) -> bool {
    match name {
        CONTENT_SHA256 => value.starts_with(b"STREAMING-AWS4-") && !is_chunked(value),
        CONTENT_TYPE => value.starts_with(b"application/vnd.amazon.eventstream"),
        _ => false,
    }
}

/// Returns whether the stated hash of a body says that it is signed in chunks, whose
/// signatures are chained to the one in the header, by its time.
fn is_chunked(stated: &[u8]) -> bool {
    stated.starts_with(b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
}

/// Replaces a header value that is not UTF-8. A signature of that value cannot be
/// reproduced, and a repeated header is still recognized.
#[cfg(feature = "tower")]
pub(crate) const NOT_TEXT: &str = "\u{fffd}";
