//! A verifier that shares no code with the crate, nor with the SDK: written from
//! "Create a signed AWS API request" in the IAM user guide.
//!
//! It takes everything, unsigned payloads and paths that are encoded twice included.

use bytes::Bytes;
use http::Request;
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
