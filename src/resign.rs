//! Prove, then re-sign: a new signature for a request that somebody else has
//! signed, if it can be shown how they signed it.
//!
//! A signature is reproduced at its own time with the credentials at hand. Only
//! if it comes out identical is it known which key, which canonical form and
//! which payload hash made it, and only then is the same done at a new time.
//! Source of the forms: "Create a signed AWS API request",
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

mod head;
mod sigv4;

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SessionTokenMode, SignableBody};

use self::head::Authorization;
pub(crate) use self::head::Head;
#[cfg(feature = "tower")]
pub(crate) use self::head::NOT_TEXT;
use self::sigv4::{FORMS, Form, Signable, Signature, settings, signed};
use crate::event::SkipReason;

/// A header of a new signature. Its value is not for logs.
pub(crate) struct SignatureHeader {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// How a request was signed, and that we can do it.
pub(crate) struct Proof {
    region: String,
    service: String,
    signed_headers: String,
    payload: Payload,
    has_token: bool,
    form: Form,
}

/// Where the signature has the hash of the body from.
#[derive(Clone, Copy)]
enum Payload {
    /// `x-amz-content-sha256`, which is signed.
    Header,
    /// The same, which is not signed itself.
    UnsignedHeader,
    /// The body.
    Body,
}

/// Returns whether an `Authorization` header holds a SigV4 or SigV4a signature:
/// the age of any other, such as a bearer token, says nothing of our clock.
pub(crate) fn is_signature(authorization: &[u8]) -> bool {
    authorization.starts_with(b"AWS4-")
}

/// Returns whether a header says that only the request's own signer can sign it again:
/// each piece of the body is signed by the time of the first, the key is that of a session
/// with S3 Express, or the signature is one of SigV4a.
#[cfg(feature = "sdk")]
pub(crate) fn is_signed_elsewhere(name: &str, value: &[u8]) -> bool {
    let is_sigv4a = name == AUTHORIZATION && value.starts_with(SIGV4A.as_bytes());
    name == EXPRESS_TOKEN || is_sigv4a || is_chunked(name, value)
}

/// Returns whether a header says that the body is signed in pieces, whose signatures are
/// chained to the one in the header, by its time. SDKs do not all say so: of a stream of
/// events, Rust's signs no hash.
fn is_chunked(name: &str, value: &[u8]) -> bool {
    match name {
        CONTENT_SHA256 => value.starts_with(b"STREAMING-AWS4-"),
        CONTENT_TYPE => value.starts_with(b"application/vnd.amazon.eventstream"),
        _ => false,
    }
}

/// Reproduces the signature of a request. `body` is what it is about to send, or
/// `None` if they are not known before it is sent.
///
/// # Errors
///
/// Why the request must not, or cannot, be signed again. Nothing is changed.
pub(crate) fn prove(
    head: &Head<'_>,
    body: Option<&[u8]>,
    credentials: &Credentials,
) -> Result<Proof, SkipReason> {
    let authorization = head.header(AUTHORIZATION).ok_or(SkipReason::Proof)?;
    if authorization.starts_with(SIGV4A) {
        return Err(SkipReason::Sigv4a);
    }
    let original = Authorization::parse(authorization).ok_or(SkipReason::Proof)?;
    if head.header(EXPRESS_TOKEN).is_some() {
        return Err(SkipReason::Express);
    }
    let is_single = |name| {
        head.headers
            .iter()
            .filter(|(known, _)| *known == name)
            .count()
            <= 1
    };
    let is_ours = original.access_key == credentials.access_key_id()
        && original.signs("host")
        && original.signs(DATE)
        && [AUTHORIZATION, DATE, TOKEN, CONTENT_SHA256]
            .into_iter()
            .all(is_single);
    let signed_at = head
        .signed_at()
        .filter(|_| is_ours)
        .ok_or(SkipReason::Proof)?;
    let payload = Payload::of(head, &original)?;
    let mut proof = Proof {
        region: original.region.to_owned(),
        service: original.service.to_owned(),
        signed_headers: original.signed_headers.to_owned(),
        payload,
        has_token: head.header(TOKEN).is_some(),
        form: FORMS[0],
    };
    for form in FORMS {
        proof.form = form;
        let attempt = proof.signature(head, body, credentials, signed_at)?;
        // The date of the scope is compared with it: it is part of the key.
        if attempt.signature == original.signature && attempt.scope_date == original.scope_date {
            return Ok(proof);
        }
    }
    Err(SkipReason::Proof)
}

impl Proof {
    /// Signs the request for `time`. Returns the headers to put in the place of
    /// the old ones; the others stay as they are.
    ///
    /// # Errors
    ///
    /// If the credentials cannot sign; nothing is changed.
    pub(crate) fn sign(
        &self,
        head: &Head<'_>,
        body: Option<&[u8]>,
        credentials: &Credentials,
        time: SystemTime,
    ) -> Result<Vec<SignatureHeader>, SkipReason> {
        let mut headers = self.signature(head, body, credentials, time)?.headers;
        if !self.has_token {
            headers.retain(|header| header.name != TOKEN);
        }
        Ok(headers)
    }

    fn signature(
        &self,
        head: &Head<'_>,
        body: Option<&[u8]>,
        credentials: &Credentials,
        time: SystemTime,
    ) -> Result<Signature, SkipReason> {
        let is_signed = |name: &str| self.signed_headers.split(';').any(|signed| signed == name);
        let headers = head
            .headers
            .iter()
            .copied()
            .filter(|(name, _)| is_signed(name) && !WRITTEN.contains(name));
        let body = match self.payload {
            Payload::Body => SignableBody::Bytes(body.ok_or(SkipReason::Body)?),
            Payload::Header | Payload::UnsignedHeader => {
                let hash = head.header(CONTENT_SHA256).ok_or(SkipReason::Proof)?;
                SignableBody::Precomputed(hash.to_owned())
            }
        };
        let checksum = match self.payload {
            Payload::Header => PayloadChecksumKind::XAmzSha256,
            Payload::UnsignedHeader | Payload::Body => PayloadChecksumKind::NoHeader,
        };
        let token = if is_signed(TOKEN) {
            SessionTokenMode::Include
        } else {
            SessionTokenMode::Exclude
        };
        let request = Signable {
            head,
            headers: headers.collect(),
            body,
        };
        let settings = settings(self.form, checksum, token);
        let signed = signed(
            request,
            credentials,
            (&self.region, &self.service),
            time,
            settings,
        )?;
        // What is signed must be what was asked for, no header more or less.
        (signed.signed_headers == self.signed_headers)
            .then_some(signed)
            .ok_or(SkipReason::Proof)
    }
}

/// Signs a request that is not signed, for a region and a service.
///
/// # Errors
///
/// If the credentials, or what the request consists of, do not allow it.
#[cfg(feature = "tower")]
pub(crate) fn sign_anew(
    head: &Head<'_>,
    body: Option<&[u8]>,
    credentials: &Credentials,
    (region, service): (&str, &str),
    time: SystemTime,
) -> Result<Vec<SignatureHeader>, SkipReason> {
    let is_s3 = ["s3", "s3-object-lambda", "s3-outposts"].contains(&service);
    let form = if is_s3 { FORMS[1] } else { FORMS[0] };
    let body = match (head.header(CONTENT_SHA256), body) {
        (Some(stated), _) => SignableBody::Precomputed(stated.to_owned()),
        (None, Some(body)) => SignableBody::Bytes(body),
        (None, None) => SignableBody::UnsignedPayload,
    };
    let headers = head.headers.iter().copied().filter(|(name, value)| {
        !WRITTEN.contains(name) && !UNSIGNED.contains(name) && *value != NOT_TEXT
    });
    let settings = settings(
        form,
        PayloadChecksumKind::XAmzSha256,
        SessionTokenMode::Include,
    );
    let request = Signable {
        head,
        headers: headers.collect(),
        body,
    };
    Ok(signed(request, credentials, (region, service), time, settings)?.headers)
}

impl Payload {
    fn of(head: &Head<'_>, original: &Authorization<'_>) -> Result<Self, SkipReason> {
        let says = |name| {
            let value = head.header(name);
            value.is_some_and(|value| is_chunked(name, value.as_bytes()))
        };
        if says(CONTENT_SHA256) || says(CONTENT_TYPE) {
            return Err(SkipReason::Chunked);
        }
        if head.header(CONTENT_SHA256).is_none() {
            return Ok(Self::Body);
        }
        Ok(if original.signs(CONTENT_SHA256) {
            Self::Header
        } else {
            Self::UnsignedHeader
        })
    }
}

const AUTHORIZATION: &str = "authorization";
const SIGV4A: &str = "AWS4-ECDSA-P256-SHA256";
const DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";
const CONTENT_SHA256: &str = "x-amz-content-sha256";
/// What the signer writes itself.
pub(crate) const WRITTEN: [&str; 4] = [AUTHORIZATION, DATE, TOKEN, CONTENT_SHA256];
/// What others on the way may change; the list of aws-sigv4 and botocore, and the
/// connection's own.
#[cfg(feature = "tower")]
const UNSIGNED: [&str; 5] = [
    "user-agent",
    "x-amzn-trace-id",
    "transfer-encoding",
    "expect",
    "connection",
];

const EXPRESS_TOKEN: &str = "x-amz-s3session-token";
const CONTENT_TYPE: &str = "content-type";
