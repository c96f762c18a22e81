//! SigV4 and SigV4a signatures by aws-sigv4, in each form in which services canonicalize a
//! request.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SignableBody, SignableRequest,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
#[cfg(feature = "sigv4a")]
use aws_sigv4::sign::v4a;

use super::head::Authorization;
use super::{AUTHORIZATION, Head, SignatureHeader};
use crate::event::SkipReason;
use crate::host::Host;

/// How a path is written in the canonical request. S3 takes it unchanged; other services
/// normalize it and encode it once more. Nothing in a request shows which form its server
/// uses, and third-party servers differ, so all forms are tried.
pub(super) type Form = (PercentEncodingMode, UriPathNormalizationMode);

/// The region or regions in which a signature is valid.
#[derive(Clone, Copy)]
pub(super) enum Scope<'a> {
    Region(&'a str),
    /// The regions of a SigV4a signature: a comma-separated list, or `*`.
    #[cfg_attr(
        not(feature = "sigv4a"),
        expect(dead_code, reason = "it is not signed without the feature")
    )]
    RegionSet(&'a str),
}

pub(super) struct Signable<'a> {
    pub(super) head: &'a Head<'a>,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) body: SignableBody<'a>,
}

pub(super) fn settings(
    form: Form,
    checksum: PayloadChecksumKind,
    token: SessionTokenMode,
) -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.excluded_headers = None;
    settings.payload_checksum_kind = checksum;
    settings.session_token_mode = token;
    (
        settings.percent_encoding_mode,
        settings.uri_path_normalization_mode,
    ) = form;
    settings
}

pub(super) fn signed(
    request: Signable<'_>,
    credentials: &Credentials,
    (scope, service): (Scope<'_>, &str),
    time: SystemTime,
    settings: SigningSettings,
) -> Result<Signature, SkipReason> {
    let Signable {
        head,
        headers,
        body,
    } = request;
    let has_host = headers.iter().any(|(name, _)| *name == "host");
    if !has_host && Host::of_uri(&head.uri).is_none() {
        // The signer takes the host from the URL or the header, and panics if both lack it.
        return Err(SkipReason::Proof);
    }
    let identity = credentials.clone().into();
    let params = match scope {
        Scope::Region(region) => v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(time)
            .settings(settings)
            .build()
            .map_err(|_| SkipReason::Proof)?
            .into(),
        // ECDSA signatures by RFC 6979 are deterministic, so they can be compared.
        #[cfg(feature = "sigv4a")]
        Scope::RegionSet(regions) => v4a::SigningParams::builder()
            .identity(&identity)
            .region_set(regions)
            .name(service)
            .time(time)
            .settings(settings)
            .build()
            .map_err(|_| SkipReason::Proof)?
            .into(),
        #[cfg(not(feature = "sigv4a"))]
        Scope::RegionSet(_) => return Err(SkipReason::Sigv4a),
    };
    let request = SignableRequest::new(head.method, &*head.uri, headers.into_iter(), body)
        .map_err(|_| SkipReason::Proof)?;
    let (instructions, signature) = sign(request, &params)
        .map_err(|_| SkipReason::Proof)?
        .into_parts();
    let (headers, _) = instructions.into_parts();
    let headers: Vec<_> = headers
        .iter()
        .map(|header| SignatureHeader {
            name: header.name(),
            value: header.value().to_owned(),
        })
        .collect();
    let authorization = headers
        .iter()
        .find(|header| header.name == AUTHORIZATION)
        .and_then(|header| Authorization::parse(&header.value))
        .ok_or(SkipReason::Proof)?;
    Ok(Signature {
        signature,
        scope_date: authorization.scope_date.to_owned(),
        signed_headers: authorization.signed_headers.to_owned(),
        headers,
    })
}

pub(super) struct Signature {
    pub(super) headers: Vec<SignatureHeader>,
    pub(super) signature: String,
    pub(super) scope_date: String,
    pub(super) signed_headers: String,
}

pub(super) const FORMS: [Form; 4] = [
    (
        PercentEncodingMode::Double,
        UriPathNormalizationMode::Enabled,
    ),
    (
        PercentEncodingMode::Single,
        UriPathNormalizationMode::Disabled,
    ),
    (
        PercentEncodingMode::Double,
        UriPathNormalizationMode::Disabled,
    ),
    (
        PercentEncodingMode::Single,
        UriPathNormalizationMode::Enabled,
    ),
];
