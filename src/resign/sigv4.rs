//! SigV4 and SigV4a signatures by aws-sigv4, in each form in which services canonicalize a
//! request.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::PercentEncodingMode::{self, Double, Single};
use aws_sigv4::http_request::UriPathNormalizationMode::{self, Disabled, Enabled};
use aws_sigv4::http_request::{
    self, PayloadChecksumKind, SessionTokenMode, SignableBody, SignableRequest, SigningSettings,
};
use aws_sigv4::sign::v4;
#[cfg(feature = "sigv4a")]
use aws_sigv4::sign::v4a;

#[cfg(feature = "sigv4a")]
use super::REGION_SET;
use super::{Head, SignatureHeader};
use crate::host::Host;

/// How a path is written in the canonical request. S3 takes it unchanged; other services
/// normalize it and encode it once more. Nothing in a request shows which form its server
/// uses, and third-party servers differ, so all forms are tried.
pub(super) type Form = (PercentEncodingMode, UriPathNormalizationMode);

pub(super) fn settings(
    (encoding, normalization): Form,
    checksum: PayloadChecksumKind,
    token: SessionTokenMode,
) -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.excluded_headers = None;
    settings.payload_checksum_kind = checksum;
    settings.session_token_mode = token;
    settings.percent_encoding_mode = encoding;
    settings.uri_path_normalization_mode = normalization;
    settings
}

/// Signs those headers of a request for which `is_signed` returns true, and returns the
/// headers of the signature. Returns `None` if the request cannot be signed. Without a
/// region, it is a SigV4a signature for the regions that a header names.
pub(super) fn sign(
    head: &Head<'_>,
    is_signed: impl Fn(&str, &str) -> bool,
    body: SignableBody<'_>,
    credentials: &Credentials,
    (region, service): (Option<&str>, &str),
    time: SystemTime,
    settings: SigningSettings,
) -> Option<Vec<SignatureHeader>> {
    let headers = head.headers.iter().copied();
    let headers: Vec<_> = headers
        .filter(|(name, value)| is_signed(name, value))
        .collect();
    let has_host = headers.iter().any(|(name, _)| *name == "host");
    if !has_host && Host::of_uri(&head.uri).is_none() {
        // The signer takes the host from the URL or the header, and panics if both lack it.
        return None;
    }
    let identity = credentials.clone().into();
    let params = match region {
        Some(region) => v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(time)
            .settings(settings)
            .build()
            .ok()?
            .into(),
        // ECDSA signatures by RFC 6979 are deterministic, so they can be compared.
        #[cfg(feature = "sigv4a")]
        None => v4a::SigningParams::builder()
            .identity(&identity)
            .region_set(head.header(REGION_SET)?)
            .name(service)
            .time(time)
            .settings(settings)
            .build()
            .ok()?
            .into(),
        #[cfg(not(feature = "sigv4a"))]
        None => return None,
    };
    let request = SignableRequest::new(head.method, &*head.uri, headers.into_iter(), body).ok()?;
    let (instructions, _) = http_request::sign(request, &params).ok()?.into_parts();
    let (headers, _) = instructions.into_parts();
    let headers = headers.iter().map(|header| SignatureHeader {
        name: header.name(),
        value: header.value().to_owned(),
    });
    Some(headers.collect())
}

pub(super) const FORMS: [Form; 4] = [
    (Double, Enabled),
    (Single, Disabled),
    (Double, Disabled),
    (Single, Enabled),
];
