//! A verifier that shares no code with the crate, nor with the SDK: written from
//! "Create a signed AWS API request" in the IAM user guide.
//!
//! It takes everything, unsigned payloads and paths that are encoded twice included.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, PublicKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use bytes::Bytes;
use http::Request;
use sha2::{Digest, Sha256};

/// Returns whether the signature is right for this secret, and says why not.
pub(crate) fn verify(request: &Request<Bytes>, secret: &str, is_s3: bool) -> Result<(), String> {
    let authorization = request.headers().get("authorization");
    let authorization = authorization.and_then(|value| value.to_str().ok());
    let stated = authorization.and_then(|value| value.split_once("Signature="));
    let (_, stated) = stated.ok_or("no signature")?;
    let signed = Signed::by(request, is_s3)?;
    let is_right = if signed.is_sigv4a() {
        verify_sigv4a(&signed, secret, &hex::decode(stated).unwrap_or_default())
    } else {
        signature(request, secret, is_s3)? == stated
    };
    is_right
        .then_some(())
        .ok_or_else(|| format!("signed otherwise:\n{}", signed.canonical))
}

/// Returns the SigV4 signature that a request should have, given the rest of its
/// `Authorization`.
pub(crate) fn signature(
    request: &Request<Bytes>,
    secret: &str,
    is_s3: bool,
) -> Result<String, String> {
    Ok(Signed::by(request, is_s3)?.by_sigv4(secret))
}

/// What the signature of a request signs.
pub(crate) struct Signed {
    pub(crate) access_key: String,
    scope: String,
    canonical: String,
    pub(crate) to_sign: String,
}

impl Signed {
    pub(crate) fn by(request: &Request<Bytes>, is_s3: bool) -> Result<Self, String> {
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
        let algorithm = authorization.split(' ').next().unwrap_or_default();
        // The last four parts, or three without a region; an access key may hold slashes itself.
        let parts = if algorithm == SIGV4A { 3 } else { 4 };
        let mut slashes = credential.rmatch_indices('/');
        let (before, _) = slashes.nth(parts - 1).ok_or("no scope")?;
        let (access_key, scope) = (&credential[..before], &credential[before + 1..]);
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
            "{algorithm}\n{date}\n{scope}\n{}",
            hex::encode(Sha256::digest(&canonical))
        );
        if !scope.starts_with(date.get(..8).unwrap_or("?")) {
            return Err(format!("{date} is not of the scope {scope}"));
        }
        Ok(Self {
            access_key: access_key.to_owned(),
            scope: scope.to_owned(),
            canonical,
            to_sign,
        })
    }

    fn is_sigv4a(&self) -> bool {
        self.to_sign.starts_with(SIGV4A)
    }

    fn by_sigv4(&self, secret: &str) -> String {
        let key = self
            .scope
            .split('/')
            .fold(format!("AWS4{secret}").into_bytes(), |key, part| {
                hmac(&key, part.as_bytes())
            });
        hex::encode(hmac(&key, self.to_sign.as_bytes()))
    }
}

const SIGV4A: &str = "AWS4-ECDSA-P256-SHA256";

/// ECDSA over P-256, by a library that neither the crate nor the SDK signs with.
fn verify_sigv4a(signed: &Signed, secret: &str, signature: &[u8]) -> bool {
    let key = sigv4a_key(&signed.access_key, secret);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public_key(&key))
        .verify(signed.to_sign.as_bytes(), signature)
        .is_ok()
}

pub(crate) fn public_key(key: &[u8]) -> PublicKey {
    let key = PrivateKey::from_private_key(&ECDH_P256, key).expect("it is less than the order");
    key.compute_public_key().expect("every private key has one")
}

/// The private key of SigV4a: NIST SP 800-108 in counter mode, then FIPS 186-5, A.2.2.
pub(crate) fn sigv4a_key(access_key: &str, secret: &str) -> Vec<u8> {
    let key = format!("AWS4A{secret}").into_bytes();
    for counter in 1..=254 {
        let mut input = 1_u32.to_be_bytes().to_vec();
        input.extend(SIGV4A.bytes().chain([0]));
        input.extend(access_key.bytes().chain([counter]));
        input.extend(256_u32.to_be_bytes());
        let mut number = hmac(&key, &input);
        // Big-endian numbers of one length are in the order of their bytes.
        if number[..] <= ORDER_LESS_TWO[..] {
            for byte in number.iter_mut().rev() {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    break;
                }
            }
            return number;
        }
    }
    unreachable!("one in 2^32 numbers is larger than that")
}

/// The order of P-256 less two.
const ORDER_LESS_TWO: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x4f,
];

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
