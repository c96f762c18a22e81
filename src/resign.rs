//! Re-signing of requests that another signer has signed, if that signature can be
//! reproduced.
//!
//! [`prove`] computes the signature again, for its own time and with the credentials that
//! the client has now. Only if the result is identical are the key, the canonical form and
//! the payload hash known; only then does [`Proof::sign`] sign the request for a new time.
//! Source of the forms: "Create a signed AWS API request",
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

#[cfg(feature = "sdk")]
mod chunks;
mod head;
mod sigv4;

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SessionTokenMode, SignableBody};

#[cfg(feature = "sdk")]
pub(crate) use self::chunks::ChunkSigner;
#[cfg(feature = "tower")]
pub(crate) use self::head::NOT_TEXT;
#[cfg(feature = "sdk")]
pub(crate) use self::head::is_signed_elsewhere;
use self::head::{Authorization, is_framed};
pub(crate) use self::head::{Head, service_of};
use self::sigv4::{FORMS, Form, Scope, Signable, Signature, settings, signed};
use crate::event::SkipReason;

/// A header of a new signature. Its value must not be logged.
pub(crate) struct SignatureHeader {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// A new signature of a request.
pub(crate) struct NewSignature {
    /// The headers that replace those of the same name. Other headers stay.
    pub(crate) headers: Vec<SignatureHeader>,
    /// The signer of the chunks, if the body is signed in chunks.
    #[cfg(feature = "sdk")]
    pub(crate) chunks: Option<ChunkSigner>,
}

/// How a request was signed. It exists only if the signature was reproduced.
pub(crate) struct Proof {
    /// `None` in SigV4a, where a header of the request names a set of regions.
    region: Option<String>,
    service: String,
    signed_headers: String,
    payload: Payload,
    /// The token of the request is that of the credentials.
    has_own_token: bool,
    form: Form,
}

/// Where the hash of the body in the signature comes from.
#[derive(Clone, Copy)]
enum Payload {
    /// The header `x-amz-content-sha256`, which is signed.
    Header,
    /// The header `x-amz-content-sha256`, which is not signed itself.
    UnsignedHeader,
    /// The body itself.
    Body,
}

/// Returns whether an `Authorization` header holds a SigV4 or SigV4a signature. Nothing
/// else in this header, such as a bearer token, depends on our clock.
pub(crate) fn is_signature(authorization: &[u8]) -> bool {
    authorization.starts_with(b"AWS4-")
}

/// Reproduces the signature of a request. `body` is `None` if its bytes are not known
/// before they are sent.
///
/// # Errors
///
/// Returns the reason if the request cannot or must not be re-signed.
pub(crate) fn prove(
    head: &Head<'_>,
    body: Option<&[u8]>,
    credentials: &Credentials,
) -> Result<Proof, SkipReason> {
    let authorization = head.header(AUTHORIZATION).ok_or(SkipReason::Proof)?;
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
    let has_own_token = head.header(TOKEN) == credentials.session_token();
    let is_ours = original.access_key == credentials.access_key_id()
        && original.signs("host")
        && original.signs(DATE)
        // The signer takes the token from the credentials, and not from the request.
        && (!original.signs(TOKEN) || has_own_token)
        && (original.region.is_some() || original.signs(REGION_SET) && is_single(REGION_SET))
        && [AUTHORIZATION, DATE, TOKEN, CONTENT_SHA256]
            .into_iter()
            .all(is_single);
    let signed_at = head
        .signed_at()
        .filter(|_| is_ours)
        .ok_or(SkipReason::Proof)?;
    let payload = Payload::of(head, &original)?;
    let mut proof = Proof {
        region: original.region.map(str::to_owned),
        service: original.service.to_owned(),
        signed_headers: original.signed_headers.to_owned(),
        payload,
        has_own_token,
        form: FORMS[0],
    };
    for form in FORMS {
        proof.form = form;
        let attempt = proof.signature(head, body, credentials, signed_at)?;
        // The scope's date is compared as well, because the signing key depends on it.
        if attempt.signature == original.signature && attempt.scope_date == original.scope_date {
            return Ok(proof);
        }
    }
    Err(SkipReason::Proof)
}

impl Proof {
    /// Signs the request for `time`.
    ///
    /// # Errors
    ///
    /// Returns the reason if the credentials cannot sign the request.
    pub(crate) fn sign(
        &self,
        head: &Head<'_>,
        body: Option<&[u8]>,
        credentials: &Credentials,
        time: SystemTime,
    ) -> Result<NewSignature, SkipReason> {
        let signed = self.signature(head, body, credentials, time)?;
        let mut headers = signed.headers;
        // A token from elsewhere, which is not signed, stays in the request.
        if !self.has_own_token {
            headers.retain(|header| header.name != TOKEN);
        }
        #[cfg(feature = "sdk")]
        let chunks = self.region.as_deref().filter(|_| head.has_chunks());
        Ok(NewSignature {
            headers,
            #[cfg(feature = "sdk")]
            chunks: chunks.map(|region| {
                let scope = (region, &*self.service);
                ChunkSigner::new(credentials, scope, time, signed.signature)
            }),
        })
    }

    fn signature(
        &self,
        head: &Head<'_>,
        body: Option<&[u8]>,
        credentials: &Credentials,
        time: SystemTime,
    ) -> Result<Signature, SkipReason> {
        let is_signed = |name: &str| self.signed_headers.split(';').any(|signed| signed == name);
        let scope = match &self.region {
            Some(region) => Scope::Region(region),
            None => Scope::RegionSet(head.header(REGION_SET).ok_or(SkipReason::Proof)?),
        };
        let is_written =
            |name: &str| WRITTEN.contains(&name) || (name == REGION_SET && self.region.is_none());
        let headers = head
            .headers
            .iter()
            .copied()
            .filter(|(name, _)| is_signed(name) && !is_written(name));
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
        let signed = signed(request, credentials, (scope, &self.service), time, settings)?;
        // The signer must have signed exactly the headers of the original signature.
        (signed.signed_headers == self.signed_headers)
            .then_some(signed)
            .ok_or(SkipReason::Proof)
    }
}

/// Signs an unsigned request for a region and a service.
///
/// # Errors
///
/// Returns the reason if the credentials or the contents of the request do not allow it.
#[cfg(feature = "tower")]
pub(crate) fn sign_unsigned(
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
    let scope = (Scope::Region(region), service);
    Ok(signed(request, credentials, scope, time, settings)?.headers)
}

impl Payload {
    fn of(head: &Head<'_>, original: &Authorization<'_>) -> Result<Self, SkipReason> {
        let says = |name| {
            let value = head.header(name);
            value.is_some_and(|value| is_framed(name, value.as_bytes()))
        };
        let is_mixed = original.region.is_none() && head.has_chunks();
        if says(CONTENT_SHA256) || says(CONTENT_TYPE) || is_mixed {
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
const DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";
const CONTENT_SHA256: &str = "x-amz-content-sha256";
/// The regions of a SigV4a signature; the signer writes this header.
const REGION_SET: &str = "x-amz-region-set";
/// The headers that the signer writes.
pub(crate) const WRITTEN: [&str; 4] = [AUTHORIZATION, DATE, TOKEN, CONTENT_SHA256];
/// Headers that are not signed: those on the lists of aws-sigv4 and botocore, which
/// intermediaries may change, and headers of the connection.
#[cfg(feature = "tower")]
const UNSIGNED: [&str; 5] = [
    "user-agent",
    "x-amzn-trace-id",
    "transfer-encoding",
    "expect",
    "connection",
];

const SIGV4A: &str = "AWS4-ECDSA-P256-SHA256";
const EXPRESS_TOKEN: &str = "x-amz-s3session-token";
const CONTENT_TYPE: &str = "content-type";
