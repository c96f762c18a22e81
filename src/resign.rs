//! Re-signing of requests that another signer has signed, if that signature can be
//! reproduced.
//!
//! [`Proof::of`] computes the signature again, for its own time and with the credentials
//! that the client has now. Only if the result is identical are the key, the canonical form
//! and the payload hash known; only then does [`Proof::sign`] sign the request for a new
//! time.
//! Source of the forms: "Create a signed AWS API request",
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

#[cfg(feature = "sdk")]
mod chunks;
mod head;
mod sigv4;

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SessionTokenMode, SignableBody};
use bytes::Bytes;
use http::HeaderName;

#[cfg(feature = "sdk")]
pub(crate) use self::chunks::ChunkSigner;
#[cfg(feature = "tower")]
pub(crate) use self::head::NOT_TEXT;
#[cfg(feature = "sdk")]
pub(crate) use self::head::is_signed_elsewhere;
use self::head::{Authorization, is_framed};
pub(crate) use self::head::{Head, service_of};
use self::sigv4::{FORMS, Form, settings, sign};
use crate::event::SkipReason;

/// A header of a new signature. Its value must not be logged.
pub(crate) struct SignatureHeader {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// A new signature of a request.
pub(crate) struct NewSignature {
    /// The time that the request is signed for.
    pub(crate) time: SystemTime,
    /// The headers that replace those of the same name. Other headers stay.
    pub(crate) headers: Vec<SignatureHeader>,
    /// The signer of the chunks, if the body is signed in chunks.
    #[cfg(feature = "sdk")]
    pub(crate) chunks: Option<ChunkSigner>,
}

/// A signature that was reproduced, and what a new one for the same request needs.
pub(crate) struct Proof {
    form: Form,
    /// The token of the request is that of the credentials.
    has_own_token: bool,
    body: Option<Bytes>,
    /// The credentials for the new signature: at first those of the original one.
    pub(crate) credentials: Credentials,
}

/// Returns whether an `Authorization` header holds a SigV4 or SigV4a signature. Nothing
/// else in this header, such as a bearer token, depends on our clock.
pub(crate) fn is_signature(authorization: &[u8]) -> bool {
    authorization.starts_with(b"AWS4-")
}

impl Proof {
    /// Reproduces the signature of a request. `body` is `None` if its bytes are not known
    /// before they are sent.
    ///
    /// # Errors
    ///
    /// Returns the reason if the request cannot or must not be re-signed.
    pub(crate) fn of(
        head: &Head<'_>,
        body: Option<Bytes>,
        credentials: Credentials,
    ) -> Result<Self, SkipReason> {
        let original = head.authorization().ok_or(SkipReason::Proof)?;
        if head.header(EXPRESS_TOKEN).is_some() {
            return Err(SkipReason::Express);
        }
        let is_single = |name| {
            let named = head.headers.iter().filter(|(known, _)| *known == name);
            named.count() <= 1
        };
        let has_own_token = head.header(TOKEN) == credentials.session_token();
        let is_ours = original.access_key == credentials.access_key_id()
            && original.signs("host")
            && original.signs(DATE)
            // The signer takes the token from the credentials, and not from the request.
            && (!original.signs(TOKEN) || has_own_token)
            && (original.region.is_some() || original.signs(REGION_SET) && is_single(REGION_SET))
            && WRITTEN.into_iter().all(is_single);
        let signed_at = head
            .signed_at()
            .filter(|_| is_ours)
            .ok_or(SkipReason::Proof)?;
        let says = |name| {
            let value = head.header(name);
            value.is_some_and(|value| is_framed(name, value.as_bytes()))
        };
        let is_mixed = original.region.is_none() && head.has_chunks();
        if says(CONTENT_SHA256) || says(CONTENT_TYPE) || is_mixed {
            return Err(SkipReason::Chunked);
        }
        let mut proof = Self {
            form: FORMS[0],
            has_own_token,
            body,
            credentials,
        };
        for form in FORMS {
            proof.form = form;
            let headers = proof.headers(head, &original, signed_at)?;
            // The whole header is compared: the signing key depends on the scope's date, too.
            if authorization_in(&headers) == Some(original) {
                return Ok(proof);
            }
        }
        Err(SkipReason::Proof)
    }

    /// Signs the request for `time`. `head` is that of the original signature.
    ///
    /// # Errors
    ///
    /// Returns the reason if the credentials cannot sign the request.
    pub(crate) fn sign(
        &self,
        head: &Head<'_>,
        time: SystemTime,
    ) -> Result<NewSignature, SkipReason> {
        let original = head.authorization().ok_or(SkipReason::Proof)?;
        let mut headers = self.headers(head, &original, time)?;
        // The signer must have signed exactly the headers of the original signature.
        let new = authorization_in(&headers).ok_or(SkipReason::Proof)?;
        if new.signed_headers != original.signed_headers {
            return Err(SkipReason::Proof);
        }
        #[cfg(feature = "sdk")]
        let chunks = new.region.filter(|_| head.has_chunks()).map(|region| {
            let scope = (region, new.service);
            ChunkSigner::new(&self.credentials, scope, time, new.signature.to_owned())
        });
        // A token from elsewhere, which is not signed, stays in the request.
        if !self.has_own_token {
            headers.retain(|header| header.name != TOKEN);
        }
        Ok(NewSignature {
            time,
            headers,
            #[cfg(feature = "sdk")]
            chunks,
        })
    }

    /// Returns the headers of a signature for `time` that covers what the original covers.
    fn headers(
        &self,
        head: &Head<'_>,
        original: &Authorization<'_>,
        time: SystemTime,
    ) -> Result<Vec<SignatureHeader>, SkipReason> {
        let body = signable(head, self.body.as_deref()).ok_or(SkipReason::Body)?;
        if original.region.is_none() && cfg!(not(feature = "sigv4a")) {
            return Err(SkipReason::Sigv4a);
        }
        let states_hash = head.header(CONTENT_SHA256).is_some();
        let checksum = if states_hash && original.signs(CONTENT_SHA256) {
            PayloadChecksumKind::XAmzSha256
        } else {
            PayloadChecksumKind::NoHeader
        };
        let token = if original.signs(TOKEN) {
            SessionTokenMode::Include
        } else {
            SessionTokenMode::Exclude
        };
        let is_region_set = |name: &str| original.region.is_none() && name == REGION_SET;
        let is_signed = |name: &str, _: &str| {
            original.signs(name) && !WRITTEN.contains(&name) && !is_region_set(name)
        };
        sign(
            head,
            is_signed,
            body,
            &self.credentials,
            (original.region, original.service),
            time,
            settings(self.form, checksum, token),
        )
        .ok_or(SkipReason::Proof)
    }
}

/// Signs an unsigned request for a region and a service. Returns `None` if the credentials
/// or the contents of the request do not allow it.
#[cfg(feature = "tower")]
pub(crate) fn sign_unsigned(
    head: &Head<'_>,
    body: Option<&[u8]>,
    credentials: &Credentials,
    (region, service): (&str, &str),
    time: SystemTime,
) -> Option<Vec<SignatureHeader>> {
    let is_s3 = ["s3", "s3-object-lambda", "s3-outposts"].contains(&service);
    let form = if is_s3 { FORMS[1] } else { FORMS[0] };
    sign(
        head,
        |name, value| !WRITTEN.contains(&name) && !UNSIGNED.contains(&name) && value != NOT_TEXT,
        signable(head, body).unwrap_or(SignableBody::UnsignedPayload),
        credentials,
        (Some(region), service),
        time,
        settings(
            form,
            PayloadChecksumKind::XAmzSha256,
            SessionTokenMode::Include,
        ),
    )
}

/// Returns the hash of the body, if the request states it, or the bytes.
fn signable<'a>(head: &Head<'_>, body: Option<&'a [u8]>) -> Option<SignableBody<'a>> {
    match head.header(CONTENT_SHA256) {
        Some(hash) => Some(SignableBody::Precomputed(hash.to_owned())),
        None => body.map(SignableBody::Bytes),
    }
}

fn authorization_in(headers: &[SignatureHeader]) -> Option<Authorization<'_>> {
    let header = headers.iter().find(|header| header.name == AUTHORIZATION)?;
    Authorization::parse(&header.value)
}

const AUTHORIZATION: &str = "authorization";
const DATE: &str = "x-amz-date";
/// The same, for a look-up that does not parse the name.
pub(crate) static X_AMZ_DATE: HeaderName = HeaderName::from_static(DATE);
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
