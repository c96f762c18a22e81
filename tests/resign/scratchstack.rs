//! Somebody else's verifier, which knows neither unsigned payloads nor paths that
//! are encoded twice, and sorts some queries in another way.

use bytes::Bytes;
use http::Request;
use scratchstack_aws_signature::canonical::CanonicalRequest;
use scratchstack_aws_signature::{
    GetSigningKeyRequest, GetSigningKeyResponse, KSecretKey, NO_ADDITIONAL_SIGNED_HEADERS,
    SignatureOptions, service_for_signing_key_fn,
};
use sha2::{Digest, Sha256};

/// Returns whether `scratchstack-aws-signature` can judge this request.
pub(crate) fn is_known_to_scratchstack(request: &Request<Bytes>) -> bool {
    let hash = hex::encode(Sha256::digest(request.body()));
    let states_hash = request
        .headers()
        .get("x-amz-content-sha256")
        .is_none_or(|stated| stated.as_bytes() == hash.as_bytes());
    states_hash && !request.uri().path().contains('%') && !has_name_within_name(request)
}

/// It sorts whole parameters, `select-type=2` before `select=`, where AWS and its
/// SDKs sort their names.
fn has_name_within_name(request: &Request<Bytes>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let names: Vec<&str> = query
        .split('&')
        .filter_map(|parameter| parameter.split('=').next())
        .collect();
    let is_within = |name: &&str, other: &&str| name != other && other.starts_with(*name);
    names
        .iter()
        .any(|name| names.iter().any(|other| is_within(name, other)))
}

/// Asks `scratchstack-aws-signature`, whose clock shows the time of the signature.
pub(crate) async fn scratchstack(request: &Request<Bytes>, secret: &str) -> Result<(), String> {
    let (parts, body) = request.clone().into_parts();
    let authorization = parts.headers["authorization"].to_str().unwrap_or_default();
    let mut scope = authorization.split('/').skip(1).map(str::to_owned);
    let (_, region, service) = (scope.next(), scope.next(), scope.next());
    let (region, service) = region.zip(service).ok_or("no scope")?;
    let mut parts = parts;
    if !parts.headers.contains_key("host") {
        let host = parts.uri.host().unwrap_or_default().to_owned();
        parts
            .headers
            .insert("host", host.parse().map_err(|_| "no host")?);
    }
    let options = SignatureOptions {
        s3: service == "s3",
        ..SignatureOptions::default()
    };
    let (canonical, parts, _) =
        CanonicalRequest::from_request_parts(parts, body, options).map_err(as_text)?;
    let authenticator = canonical
        .get_authenticator(&NO_ADDITIONAL_SIGNED_HEADERS)
        .map_err(as_text)?;
    let secret: KSecretKey = secret.parse().map_err(|_| "a secret has 40 characters")?;
    let find = move |wanted: GetSigningKeyRequest| {
        let key = secret.to_ksigning(wanted.request_date(), wanted.region(), wanted.service());
        async move { Ok(GetSigningKeyResponse::builder().signing_key(key).build()?) }
    };
    let date = parts.headers["x-amz-date"].to_str().unwrap_or_default();
    let now = chrono::NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").map_err(as_text)?;
    authenticator
        .validate_signature(
            &region,
            &service,
            now.and_utc(),
            chrono::TimeDelta::minutes(5),
            &mut service_for_signing_key_fn(find),
        )
        .await
        .map(drop)
        .map_err(as_text)
}

fn as_text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
