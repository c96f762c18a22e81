//! Who has signed a request, and for what; a new signature for another host.
//!
//! A signature is reproduced at its own time with the credentials at hand. If it comes out
//! identical, their holder signed exactly this request, and the same headers are signed
//! for the other host.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SignableBody, SignableRequest,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use chrono::{NaiveDateTime, TimeZone, Utc};
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

/// A SigV4 signature in the headers of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authorization<'a> {
    pub(crate) access_key: &'a str,
    pub(crate) date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) signed_headers: &'a str,
    pub(crate) signature: &'a str,
    pub(crate) signed_at: NaiveDateTime,
}

impl<'a> Authorization<'a> {
    /// Returns `None` if there is none, or a header of it stands twice.
    pub(crate) fn of(headers: &'a HeaderMap) -> Option<Self> {
        let fields = only(headers, "authorization")?.strip_prefix("AWS4-HMAC-SHA256")?;
        let field = |name: &str| {
            let mut named = fields
                .split(',')
                .filter_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
            named.next().filter(|_| named.next().is_none())
        };
        // The scope has four parts; access keys of other vendors may hold slashes.
        let mut credential = field("Credential")?.rsplitn(5, '/');
        let mut part = || credential.next();
        let (end, service, region, date, access_key) =
            (part()?, part()?, part()?, part()?, part()?);
        let signed_at = only(headers, DATE)?;
        (end == "aws4_request").then_some(Self {
            access_key,
            date,
            region,
            service,
            signed_headers: field("SignedHeaders")?,
            signature: field("Signature")?,
            signed_at: NaiveDateTime::parse_from_str(signed_at, "%Y%m%dT%H%M%SZ").ok()?,
        })
    }

    fn signs(&self, name: &str) -> bool {
        self.signed_headers.split(';').any(|signed| signed == name)
    }
}

/// A request that the holder of the credentials has signed.
#[derive(Debug)]
pub(crate) struct Proof {
    region: String,
    service: String,
    signed_headers: String,
}

impl Proof {
    /// Reproduces a signature. The body is needed where no header has its hash.
    pub(crate) fn of(parts: &Parts, body: &[u8], credentials: &Credentials) -> Option<Self> {
        let original = Authorization::of(&parts.headers)?;
        let proof = Self {
            region: original.region.to_owned(),
            service: original.service.to_owned(),
            signed_headers: original.signed_headers.to_owned(),
        };
        let is_whole = original.access_key == credentials.access_key_id()
            && [HOST.as_str(), DATE]
                .iter()
                .all(|name| original.signs(name))
            && [HOST.as_str(), TOKEN, CONTENT_SHA256]
                .iter()
                .all(|name| is_single(&parts.headers, name));
        let signed_at = Utc.from_utc_datetime(&original.signed_at).into();
        let headers = is_whole.then(|| proof.sign(parts, body, credentials, signed_at))??;
        let again = Authorization::of(&headers)?;
        // The date of the scope is compared, too: it is part of the key.
        let is_identical = again.signature == original.signature
            && again.date == original.date
            && again.signed_headers == original.signed_headers;
        is_identical.then_some(proof)
    }

    /// Returns the headers of a signature for a time, with the same headers signed.
    pub(crate) fn sign(
        &self,
        parts: &Parts,
        body: &[u8],
        credentials: &Credentials,
        time: SystemTime,
    ) -> Option<HeaderMap> {
        let signs = |name: &str| self.signed_headers.split(';').any(|signed| signed == name);
        let headers = parts.headers.iter();
        let headers = headers
            .filter(|(name, _)| signs(name.as_str()) && !WRITTEN.contains(&name.as_str()))
            .filter_map(|(name, value)| {
                Some((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?))
            });
        let body = match parts.headers.get(CONTENT_SHA256) {
            Some(hash) => SignableBody::Precomputed(hash.to_str().ok()?.to_owned()),
            None => SignableBody::Bytes(body),
        };
        let mut settings = SigningSettings::default();
        settings.excluded_headers = None;
        if signs(CONTENT_SHA256) {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if !signs(TOKEN) {
            settings.session_token_mode = SessionTokenMode::Exclude;
        }
        // S3 takes a path as it is; other services normalize and encode it once more.
        if self.service.starts_with("s3") {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let identity = credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(time)
            .settings(settings)
            .build()
            .ok()?;
        let uri = parts.uri.to_string();
        let request = SignableRequest::new(parts.method.as_str(), uri, headers, body).ok()?;
        let (instructions, _) = sign(request, &params.into()).ok()?.into_parts();
        let mut signed = HeaderMap::new();
        for header in instructions.into_parts().0 {
            let name = HeaderName::from_static(header.name());
            let has_it = [AUTHORIZATION.as_str(), DATE].contains(&header.name());
            // A token that is not signed stays as the program sent it.
            if has_it || signs(header.name()) {
                let mut value = HeaderValue::from_str(header.value()).ok()?;
                value.set_sensitive(header.name() != DATE);
                signed.insert(name, value);
            }
        }
        Some(signed)
    }
}

/// Returns the value of a header that stands once.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name).filter(|_| is_single(headers, name))?;
    value.to_str().ok()
}

/// Returns whether a header stands once at most.
fn is_single(headers: &HeaderMap, name: &str) -> bool {
    headers.get_all(name).iter().nth(1).is_none()
}

pub(crate) const CONTENT_SHA256: &str = "x-amz-content-sha256";
const DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";
/// What the signer writes itself.
const WRITTEN: [&str; 4] = ["authorization", DATE, TOKEN, CONTENT_SHA256];
