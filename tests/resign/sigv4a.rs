//! SigV4a: re-signed for the same set of regions, and only if it can be proven.

use std::time::Duration;

use aws_clock_skew::event::SkipReason;
use aws_credential_types::Credentials;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use aws_sigv4::http_request::{
    SessionTokenMode, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4a;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};

use crate::integration::{Passage, Rejection, basic, pass, signed_at};
use crate::odd_headers::{URI, get, with};
use crate::signer::{SECRET, credentials};
use crate::verifier::{Signed, public_key, sigv4a_key, verify};

const HOUR: Duration = Duration::from_hours(1);
const NAME: &str = "x-amz-region-set";

/// A request that is signed for these regions, as EventBridge asks for.
fn signed(mut request: Request<Bytes>, regions: &str, token: Option<&str>) -> Request<Bytes> {
    let identity = credentials(token).into();
    let mut settings = SigningSettings::default();
    settings.session_token_mode = SessionTokenMode::Exclude;
    let params = v4a::SigningParams::builder()
        .identity(&identity)
        .region_set(regions)
        .name("events")
        .time(signed_at())
        .settings(settings)
        .build()
        .expect("all that is required");
    let text = |value: &HeaderValue| value.to_str().expect("is text").to_owned();
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect();
    let (method, uri) = (request.method().to_string(), request.uri().to_string());
    let body = request.body().clone();
    let signable = SignableRequest::new(
        &method,
        uri,
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
        SignableBody::Bytes(&body),
    );
    let output = sign(signable.expect("is a URI"), &params.into()).expect("it can be signed");
    let (instructions, _) = output.into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request
}

fn put_events() -> Request<Bytes> {
    let mut request = with(get(URI), &[("x-amz-target", "AWSEvents.PutEvents")]);
    *request.method_mut() = Method::POST;
    *request.body_mut() = Bytes::from_static(b"{}");
    request
}

async fn left_alone(request: &Request<Bytes>, reason: SkipReason) {
    let passage = pass(request, &credentials(None), Rejection::Ahead(HOUR)).await;
    let Passage { sent, status, .. } = &passage;
    assert_eq!(sent.len(), 1, "{request:?}");
    assert_eq!(sent[0].headers(), request.headers());
    assert_eq!(*status, StatusCode::FORBIDDEN);
    assert_eq!(passage.reason, Some(reason), "{request:?}");
}

#[cfg_attr(not(feature = "sigv4a"), ignore = "needs the feature")]
#[tokio::test]
async fn a_request_is_re_signed_for_the_same_regions() {
    for regions in [
        "*",
        "us-east-1",
        "us-east-1,eu-central-1",
        "us-*, eu-west-1",
    ] {
        for token in [None, Some("IQoJb3JpZ2luX2Vj/+=")] {
            let original = signed(put_events(), regions, token);
            assert_eq!(verify(&original, SECRET, false), Ok(()));
            let passage = pass(&original, &credentials(token), Rejection::Ahead(HOUR)).await;
            let [first, second] = &passage.sent[..] else {
                panic!("{regions}: {:?}", passage.reason);
            };
            assert_eq!(first.headers(), original.headers());
            assert_eq!(verify(second, SECRET, false), Ok(()), "{regions}");
            assert_eq!(second.headers()["x-amz-date"], basic(signed_at() + HOUR));
            let rest = |request: &Request<Bytes>| {
                let mut headers = request.headers().clone();
                headers.remove("authorization");
                headers.remove("x-amz-date");
                headers
            };
            assert_eq!(rest(second), rest(&original));
            assert_eq!(second.headers()[NAME], regions);
        }
    }
}

#[cfg_attr(not(feature = "sigv4a"), ignore = "needs the feature")]
#[tokio::test]
async fn what_was_changed_after_signing_is_not_touched() {
    let original = signed(put_events(), "us-east-1,eu-central-1", None);
    let mut changed = vec![original.clone(); 9];
    *changed[0].uri_mut() = format!("{URI}?more").parse().unwrap();
    *changed[1].method_mut() = Method::PUT;
    *changed[2].body_mut() = Bytes::from_static(b"[]");
    let tomorrow = basic(signed_at() + Duration::from_hours(24));
    for (request, name, value) in [
        (3, "x-amz-target", "AWSEvents.PutRule"),
        (4, "x-amz-date", &tomorrow),
        (5, NAME, "*"),
        (6, NAME, "us-east-1, eu-central-1"),
    ] {
        let headers = changed[request].headers_mut();
        headers.insert(name, value.parse().unwrap());
    }
    changed[7].headers_mut().remove(NAME);
    let twice = HeaderValue::from_static("us-east-1,eu-central-1");
    changed[8].headers_mut().append(NAME, twice);
    for request in &changed {
        left_alone(request, SkipReason::Proof).await;
    }
}

#[cfg_attr(not(feature = "sigv4a"), ignore = "needs the feature")]
#[tokio::test]
async fn a_signature_that_is_not_ours_is_not_touched() {
    let original = signed(put_events(), "*", None);
    let value = original.headers()["authorization"].to_str().unwrap();
    let (_, signature) = value.split_once("Signature=").unwrap();
    for changed in [
        value.replace("AKIA", "AKIB"),
        value.replace("/events/", "/sqs/"),
        value.replace("/events/", "/us-east-1/events/"),
        value.replace("/20270115/", "/20270116/"),
        value.replace("AWS4-ECDSA-P256-SHA256", "AWS4-HMAC-SHA256"),
        value.replace("AWS4-ECDSA-P256-SHA256", "AWS4-ECDSA-P384-SHA384"),
        // The set of regions, of which nobody says that it was signed.
        value.replace(";x-amz-region-set", ""),
        value.replace(signature, ""),
        value.replace(signature, &signature.to_ascii_uppercase()),
    ] {
        let mut request = original.clone();
        let headers = request.headers_mut();
        headers.insert("authorization", changed.parse().unwrap());
        left_alone(&request, SkipReason::Proof).await;
    }
    let other: String = SECRET.chars().rev().collect();
    let other = Credentials::new("AKIAIOSFODNN7EXAMPLE", other, None, None, "test");
    let passage = pass(&original, &other, Rejection::Ahead(HOUR)).await;
    assert_eq!(passage.sent.len(), 1);
    assert_eq!(passage.reason, Some(SkipReason::Proof));
}

/// Returns a valid SigV4a signature that is another each time.
fn random_sigv4a(request: &Request<Bytes>, secret: &str) -> String {
    let signed = Signed::by(request, false).expect("it is signed");
    let key = sigv4a_key(&signed.access_key, secret);
    let public = public_key(&key);
    let signer = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let pair = EcdsaKeyPair::from_private_key_and_public_key(signer, &key, public.as_ref());
    let signature = pair
        .expect("they are a pair")
        .sign(&SystemRandom::new(), signed.to_sign.as_bytes());
    hex::encode(signature.expect("it can be signed"))
}

/// ECDSA allows for many signatures. Who does not follow RFC 6979 cannot be reproduced.
#[cfg_attr(not(feature = "sigv4a"), ignore = "needs the feature")]
#[tokio::test]
async fn a_valid_signature_with_a_random_nonce_is_not_touched() {
    let mut request = signed(put_events(), "*", None);
    let value = request.headers()["authorization"].to_str().unwrap();
    let (before, stated) = value.split_once("Signature=").unwrap();
    let random = random_sigv4a(&request, SECRET);
    assert_ne!(random, stated);
    let value = format!("{before}Signature={random}").parse().unwrap();
    request.headers_mut().insert("authorization", value);
    assert_eq!(verify(&request, SECRET, false), Ok(()));
    left_alone(&request, SkipReason::Proof).await;
}

#[cfg(not(feature = "sigv4a"))]
#[tokio::test]
async fn without_the_feature_a_request_is_not_touched() {
    left_alone(&signed(put_events(), "*", None), SkipReason::Sigv4a).await;
}
