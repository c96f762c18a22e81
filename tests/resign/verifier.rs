//! Two verifiers that share no code with the crate, nor with the SDK.
//!
//! `scratchstack-aws-signature` knows neither unsigned payloads nor paths that
//! are encoded twice. The other one, below, is written from "Create a signed AWS
//! API request" in the IAM user guide and takes everything.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use scratchstack_aws_signature::canonical::CanonicalRequest;
use scratchstack_aws_signature::{
    GetSigningKeyRequest, GetSigningKeyResponse, KSecretKey, NO_ADDITIONAL_SIGNED_HEADERS,
    SignatureOptions, service_for_signing_key_fn,
};
use sha2::{Digest, Sha256};

/// Returns whether the signature is right for this secret, and says why not.
pub(crate) fn verify(request: &Request<Bytes>, secret: &str, is_s3: bool) -> Result<(), String> {
    let authorization = request.headers().get("authorization");
    let authorization = authorization.and_then(|value| value.to_str().ok());
    let stated = authorization.and_then(|value| value.split_once("Signature="));
    let (expected, canonical) = signature(request, secret, is_s3)?;
    (stated.map(|(_, stated)| stated) == Some(&expected))
        .then_some(())
        .ok_or_else(|| format!("signed otherwise:\n{canonical}"))
}

/// Returns the signature that a request should have, given the rest of its
/// `Authorization`, and the canonical form that it signs.
pub(crate) fn signature(
    request: &Request<Bytes>,
    secret: &str,
    is_s3: bool,
) -> Result<(String, String), String> {
    let header = |name: &str| {
        let values: Vec<_> = request
            .headers()
            .get_all(name)
            .iter()
            .map(|value| collapsed(str::from_utf8(value.as_bytes()).unwrap_or("?")))
            .collect();
        values.join(",")
    };
    let authorization = header("authorization");
    let field = |name: &str| {
        let (_, rest) = authorization.split_once(&format!("{name}="))?;
        rest.split(',').next().map(str::trim)
    };
    let (Some(credential), Some(signed)) = (field("Credential"), field("SignedHeaders")) else {
        return Err(format!("malformed: {authorization}"));
    };
    // The last four parts; an access key may hold slashes itself.
    let (before, _) = credential.rmatch_indices('/').nth(3).ok_or("no scope")?;
    let scope = &credential[before + 1..];
    let path = request.uri().path();
    let path = if is_s3 {
        path.to_owned()
    } else {
        encoded(path)
    };
    let mut query: Vec<_> = request
        .uri()
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    query.sort_unstable();
    let query: Vec<_> = query.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let headers: String = signed
        .split(';')
        .map(|name| match (name, header(name)) {
            ("host", host) if host.is_empty() => {
                format!(
                    "host:{}\n",
                    request.uri().authority().map_or("", |a| a.as_str())
                )
            }
            (name, value) => format!("{name}:{value}\n"),
        })
        .collect();
    let payload = match header("x-amz-content-sha256") {
        stated if stated.is_empty() => hex::encode(Sha256::digest(request.body())),
        stated => stated,
    };
    let canonical = format!(
        "{}\n{path}\n{}\n{headers}\n{signed}\n{payload}",
        request.method(),
        query.join("&")
    );
    let date = header("x-amz-date");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex::encode(Sha256::digest(&canonical))
    );
    let key = scope
        .split('/')
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| {
            hmac(&key, part.as_bytes())
        });
    if !scope.starts_with(date.get(..8).unwrap_or("?")) {
        return Err(format!("{date} is not of the scope {scope}"));
    }
    Ok((hex::encode(hmac(&key, to_sign.as_bytes())), canonical))
}

/// Returns whether `scratchstack-aws-signature` can judge this request.
pub(crate) fn is_known_to_scratchstack(request: &Request<Bytes>) -> bool {
    let hash = hex::encode(Sha256::digest(request.body()));
    let states_hash = request
        .headers()
        .get("x-amz-content-sha256")
        .is_none_or(|stated| stated.as_bytes() == hash.as_bytes());
    states_hash && !request.uri().path().contains('%')
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
        CanonicalRequest::from_request_parts(parts, body, options).map_err(in_words)?;
    let authenticator = canonical
        .get_authenticator(&NO_ADDITIONAL_SIGNED_HEADERS)
        .map_err(in_words)?;
    let secret: KSecretKey = secret.parse().map_err(|_| "a secret has 40 characters")?;
    let find = move |wanted: GetSigningKeyRequest| {
        let key = secret.to_ksigning(wanted.request_date(), wanted.region(), wanted.service());
        async move { Ok(GetSigningKeyResponse::builder().signing_key(key).build()?) }
    };
    let date = parts.headers["x-amz-date"].to_str().unwrap_or_default();
    let now = chrono::NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").map_err(in_words)?;
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
        .map_err(in_words)
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    let key = if key.len() > block.len() {
        Sha256::digest(key).to_vec()
    } else {
        key.to_vec()
    };
    block[..key.len()].copy_from_slice(&key);
    let inner = Sha256::new()
        .chain_update(block.map(|byte| byte ^ 0x36))
        .chain_update(message);
    let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c));
    outer.chain_update(inner.finalize()).finalize().to_vec()
}

fn collapsed(value: &str) -> String {
    value
        .split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Encodes a path once more, after its empty and dot segments have gone.
fn encoded(path: &str) -> String {
    let mut kept = Vec::new();
    for segment in path
        .split('/')
        .filter(|segment| !matches!(*segment, "" | "."))
    {
        if segment == ".." {
            kept.pop();
        } else {
            kept.push(segment);
        }
    }
    let slash = if path.ends_with('/') && !kept.is_empty() {
        "/"
    } else {
        ""
    };
    let whole = format!("/{}{slash}", kept.join("/"));
    let mut result = String::new();
    for byte in whole.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            result.push(char::from(byte));
        } else {
            result.push_str(&format!("%{byte:02X}"));
        }
    }
    result
}

/// The headers of a request without those of its signature.
pub(crate) fn unsigned_headers(request: &Request<Bytes>) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut headers = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in request.headers() {
        if !["authorization", "x-amz-date", "x-amz-security-token"].contains(&name.as_str()) {
            headers
                .entry(name.to_string())
                .or_default()
                .push(value.as_bytes().to_vec());
        }
    }
    headers
}
