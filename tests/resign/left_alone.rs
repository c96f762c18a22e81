//! What must not be touched: it goes once, as it is, and the caller gets the
//! first answer.

use std::time::Duration;

use aws_clock_skew::event::SkipReason;
use aws_credential_types::Credentials;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use proptest::prelude::*;

use crate::integration::{Passage, Rejection, basic, pass, signed_at};
use crate::odd_headers::{SIGNER, Signer, URI, get, with};
use crate::signer::{SECRET, Wire, credentials};
use crate::verifier::verify;

const HOUR: Rejection = Rejection::Ahead(Duration::from_hours(1));

fn passed(request: &Request<Bytes>, credentials: &Credentials) -> Passage {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(pass(request, credentials, HOUR))
}

#[track_caller]
fn left_alone(request: &Request<Bytes>, reason: Option<SkipReason>) {
    left_alone_with(request, &credentials(None), reason);
}

#[track_caller]
fn left_alone_with(
    request: &Request<Bytes>,
    credentials: &Credentials,
    reason: Option<SkipReason>,
) {
    let passage = passed(request, credentials);
    assert_eq!(passage.sent.len(), 1, "{request:?}");
    let sent = &passage.sent[0];
    assert_eq!(sent.headers(), request.headers());
    assert_eq!(sent.uri(), request.uri());
    assert_eq!(sent.body(), request.body());
    assert_eq!(passage.status, StatusCode::FORBIDDEN);
    assert_eq!(passage.reason, reason, "{request:?}");
}

#[test]
fn signed_chunks_and_events_are_not_touched() {
    let signer = Signer {
        signed_headers: "host;x-amz-content-sha256;x-amz-date",
        ..SIGNER
    };
    for stated in [
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-EVENTS",
    ] {
        let request = with(get(URI), &[("x-amz-content-sha256", stated)]);
        left_alone(&signer.sign(request.clone()), Some(SkipReason::Chunked));
        left_alone(&SIGNER.sign(request), Some(SkipReason::Chunked));
    }
}

#[tokio::test]
async fn what_the_sdk_signs_in_chunks_is_not_touched() {
    let wire = Wire::default();
    let credentials = credentials(None);
    let plain = wire.config(&credentials).into_builder();
    let s3 = aws_sdk_s3::Client::new(&plain.endpoint_url("http://s3.example.com").build());
    let body = SdkBody::from_body_1_x(Full::from("in chunks"));
    let put = s3.put_object().bucket("bucket").key("key");
    put.body(ByteStream::new(body))
        .send()
        .await
        .expect_err("the wire ends nowhere");
    let polly = aws_sdk_polly::Client::new(&wire.config(&credentials));
    let stream = polly.start_speech_synthesis_stream();
    let events = futures_util::stream::empty();
    let stream = stream.engine("generative".into()).voice_id("Vicki".into());
    let stream = stream
        .output_format("mp3".into())
        .action_stream(events.into());
    drop(stream.send().await);

    let requests = wire.taken();
    assert_eq!(requests.len(), 2);
    for request in requests {
        let passage = pass(&request, &credentials, HOUR).await;
        assert_eq!(passage.sent.len(), 1);
        assert_eq!(passage.reason, Some(SkipReason::Chunked));
    }
}

#[test]
fn other_kinds_of_signatures_are_not_touched() {
    let signer = Signer {
        signed_headers: "host;x-amz-date;x-amz-s3session-token",
        ..SIGNER
    };
    let request = with(get(URI), &[("x-amz-s3session-token", "t")]);
    left_alone(&signer.sign(request), Some(SkipReason::Express));
    // No signature at all: nothing that is answered to it concerns the clock.
    let request = with(get(URI), &[("authorization", "Bearer token")]);
    left_alone(&request, None);
}

#[test]
fn presigned_urls_are_not_touched() {
    let uri = format!(
        "{URI}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20270115%2F\
         eu-central-1%2Fs3%2Faws4_request&X-Amz-Date=20270115T080000Z&X-Amz-Expires=60&\
         X-Amz-SignedHeaders=host&X-Amz-Signature=00"
    );
    left_alone(&get(&uri), None);
}

#[test]
fn the_signature_of_others_is_not_touched() {
    let request = SIGNER.sign(get(URI));
    let other_secret: String = SECRET.chars().rev().collect();
    for (key, secret) in [
        ("AKIAOTHER", SECRET),
        ("AKIAIOSFODNN7EXAMPLE", &other_secret),
    ] {
        let credentials = Credentials::new(key, secret, None, None, "test");
        left_alone_with(&request, &credentials, Some(SkipReason::Proof));
    }
}

#[test]
fn a_signature_that_leaves_out_the_host_or_the_time_is_not_touched() {
    for signed_headers in [
        "x-amz-date",
        "host",
        "Host;X-Amz-Date",
        "",
        ";",
        "host;;x-amz-date",
    ] {
        let request = Signer {
            signed_headers,
            ..SIGNER
        }
        .sign(get(URI));
        left_alone(&request, Some(SkipReason::Proof));
    }
    // It says that it signs a host that is nowhere.
    left_alone(&SIGNER.sign(get("/index")), Some(SkipReason::Proof));
    left_alone(
        &SIGNER.sign(get("/proxy/http://x/y")),
        Some(SkipReason::Proof),
    );
}

#[test]
fn doubled_headers_of_the_signature_are_not_touched() {
    let signed = SIGNER.sign(with(
        get(URI),
        &[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")],
    ));
    for name in ["authorization", "x-amz-date", "x-amz-content-sha256"] {
        let mut request = signed.clone();
        let value = request.headers()[name].clone();
        request.headers_mut().append(name, value);
        left_alone(&request, Some(SkipReason::Proof));
        // Neither if the second is no text.
        let mut request = signed.clone();
        let value = HeaderValue::from_bytes(b"\xff").unwrap();
        request.headers_mut().append(name, value);
        left_alone(&request, Some(SkipReason::Proof));
    }
    let tokens = [("x-amz-security-token", "a"), ("x-amz-security-token", "b")];
    left_alone(
        &SIGNER.sign(with(get(URI), &tokens)),
        Some(SkipReason::Proof),
    );
}

#[test]
fn what_was_changed_after_signing_is_not_touched() {
    let signer = Signer {
        signed_headers: "host;x-amz-content-sha256;x-amz-date;x-amz-security-token;x-test",
        ..SIGNER
    };
    let token = credentials(Some("token"));
    let given = [
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-security-token", "token"),
        ("x-test", "a"),
    ];
    let uri = "https://search.example.com/index/_search?q=a";
    let signed = signer.sign(with(get(uri), &given));
    assert_eq!(passed(&signed, &token).sent.len(), 2, "it is proven");

    let tomorrow = basic(signed_at() + Duration::from_hours(24));
    let mut changed = vec![signed; 11];
    for (request, uri) in changed.iter_mut().zip([
        "https://search.example.com/index/_search?q=b",
        "https://search.example.com/index/_search?q=a&more",
        "https://search.example.com/index/_search",
        "https://search.example.net/index/_search?q=a",
        "https://search.example.com:8443/index/_search?q=a",
    ]) {
        *request.uri_mut() = uri.parse().unwrap();
    }
    *changed[5].method_mut() = http::Method::POST;
    for (request, (name, value)) in changed[6..].iter_mut().zip([
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-date", tomorrow.as_str()),
        ("x-amz-security-token", "other"),
        ("x-test", "b"),
        ("x-test", "a\u{ff}"),
    ]) {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers_mut().insert(name, value);
    }
    for request in &changed {
        left_alone_with(request, &token, Some(SkipReason::Proof));
    }
    let mut removed = changed[10].clone();
    removed.headers_mut().remove("x-test");
    left_alone_with(&removed, &token, Some(SkipReason::Proof));
}

/// Without `x-amz-content-sha256` the body itself is hashed. With it, that header is covered and
/// the server compares the body with it.
#[test]
fn a_body_that_was_changed_after_signing_is_not_touched_unless_a_header_states_its_hash() {
    let mut request = SIGNER.sign(get(URI).map(|_| Bytes::from_static(b"signed")));
    *request.body_mut() = Bytes::from_static(b"changed");
    left_alone(&request, Some(SkipReason::Proof));

    let signer = Signer {
        signed_headers: "host;x-amz-content-sha256;x-amz-date",
        ..SIGNER
    };
    let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for stated in [hash, "UNSIGNED-PAYLOAD"] {
        let mut request = signer.sign(with(get(URI), &[("x-amz-content-sha256", stated)]));
        *request.body_mut() = Bytes::from_static(b"changed");
        let sent = passed(&request, &credentials(None)).sent;
        assert_eq!(sent.len(), 2, "{stated}");
        assert_eq!(sent[1].headers()["x-amz-content-sha256"], stated);
        assert_eq!(verify(&sent[1], SECRET, false), Ok(()));
    }
}

/// Services write a path in different ways, and all are tried.
#[test]
fn a_path_that_was_changed_after_signing_is_not_touched() {
    let signed = "/store/a%20b//c/./d";
    for is_s3 in [true, false] {
        let signer = Signer { is_s3, ..SIGNER };
        let request = signer.sign(get(&format!("https://search.example.com{signed}")));
        let sent = passed(&request, &credentials(None)).sent;
        assert_eq!(sent.len(), 2, "it is proven");
        for path in [
            "/",
            "/store/a%20b//c/./e",
            "/store/a%20b//c/./d/",
            "/store/a%20b//c/./d/e",
            "/store/a%20b//c/./",
            "/store/a%20b//c/../d",
            "/store/../a%20b//c/./d",
            "/Store/a%20b//c/./d",
            "/store/a+b//c/./d",
            "/store/a%20b%2F%2Fc/./d",
            "/other/store/a%20b//c/./d",
        ] {
            let mut request = request.clone();
            *request.uri_mut() = format!("https://search.example.com{path}").parse().unwrap();
            left_alone(&request, Some(SkipReason::Proof));
        }
    }
}

#[test]
fn malformed_authorization_is_not_touched() {
    let good = SIGNER.sign(get(URI));
    let value = good.headers()["authorization"].to_str().unwrap().to_owned();
    let signature = value.split_once("Signature=").unwrap().1;
    for malformed in [
        "".to_owned(),
        "AWS4-HMAC-SHA256".to_owned(),
        "AWS4-HMAC-SHA256 ".to_owned(),
        "AWS4-HMAC-SHA256 ,,,".to_owned(),
        "AWS4-HMAC-SHA256 Credential=, SignedHeaders=, Signature=".to_owned(),
        "AWS4-HMAC-SHA256 Credential=////, SignedHeaders=host, Signature=00".to_owned(),
        value.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"),
        value.replace("AWS4-HMAC-SHA256", "aws4-hmac-sha256"),
        value.replace("AWS4-HMAC-SHA256 ", ""),
        value.replace("aws4_request", "aws5_request"),
        value.replace("/aws4_request", ""),
        value.replace("/es/", "/"),
        value.replace("/20270115/", "/20270116/"),
        value.replace("/20270115/", "/2027011/"),
        value.replace("AKIA", "AKIB"),
        value.replace("Signature=", "signature="),
        value.replace("Signature=", "Signature=0"),
        value.replace(signature, ""),
        value.replace(signature, &signature.to_ascii_uppercase()),
        value.replace(", ", "; "),
        value.replace(", ", " "),
        format!("{value}, Signature={signature}"),
        format!("{value}, Credential=x"),
        format!("{value}, SignedHeaders=host"),
    ] {
        let mut request = good.clone();
        request
            .headers_mut()
            .insert("authorization", malformed.parse().unwrap());
        let is_signature = malformed.starts_with("AWS4-");
        let passage = passed(&request, &credentials(None));
        assert_eq!(passage.sent.len(), 1, "{malformed}");
        assert_eq!(passage.sent[0].headers(), request.headers());
        assert_eq!(passage.status, StatusCode::FORBIDDEN);
        let reason = is_signature.then_some(SkipReason::Proof);
        assert_eq!(passage.reason, reason, "{malformed}");
    }
}

/// A wrong date is no reason to panic either.
#[test]
fn malformed_dates_are_not_touched() {
    let unreadable = ["", "20270115", "20270115T080000", "20271315T080000Z"];
    for (date, reason) in unreadable
        .map(|date| (date, None))
        .into_iter()
        .chain([("99991231T235959Z", Some(SkipReason::Proof))])
    {
        let mut request = SIGNER.sign(get(URI));
        request
            .headers_mut()
            .insert("x-amz-date", date.parse().unwrap());
        left_alone(&request, reason);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn nothing_in_authorization_makes_it_panic(
        value in "((AWS4-HMAC-SHA256|AWS4-ECDSA-P256-SHA256) ?)?([ -~]{0,60}|(Credential=|SignedHeaders=|Signature=|host;x-amz-date;x-amz-region-set|[a-z0-9/;,= -]{0,12}){0,8})",
        date in "[0-9]{8}T[0-9]{6}Z",
        regions in "[ -~é]{0,12}",
        uri in "(https://[a-z@:0-9]{0,8})?/[a-z:/.%0-9]{0,12}(\\?[a-z=&%]{0,8})?",
    ) {
        let mut request = get(&uri);
        request.headers_mut().insert("authorization", value.parse().unwrap());
        request.headers_mut().insert("x-amz-date", date.parse().unwrap());
        request.headers_mut().insert("x-amz-region-set", regions.parse().unwrap());
        let passage = passed(&request, &credentials(None));
        prop_assert_eq!(passage.sent.len(), 1);
        prop_assert_eq!(passage.sent[0].headers(), request.headers());
    }

    #[test]
    fn a_damaged_authorization_is_not_touched_unless_it_still_says_the_same(
        at in any::<prop::sample::Index>(),
        removed in 0..3_usize,
        inserted in "[ -~]{0,3}",
    ) {
        let mut request = SIGNER.sign(get(URI));
        let mut value = request.headers()["authorization"].to_str().unwrap().to_owned();
        let at = at.index(value.len());
        let end = (at + removed).min(value.len());
        value.replace_range(at..end, &inserted);
        request.headers_mut().insert("authorization", value.parse().unwrap());
        let passage = passed(&request, &credentials(None));
        prop_assert_eq!(passage.sent[0].headers(), request.headers());
        if let Some(second) = passage.sent.get(1) {
            prop_assert_eq!(verify(second, SECRET, false), Ok(()), "{}", value);
        }
    }

    /// Some paths are the same in the canonical form. A server that tells them apart rejects both
    /// signatures.
    #[test]
    fn a_changed_path_is_signed_only_as_the_one_that_was_signed_before(
        path in "(/([ab]|%20|%2520|\\.|\\.\\.)?){1,4}",
        other in "(/([ab]|%20|%2520|\\.|\\.\\.)?){1,4}",
        is_s3: bool,
    ) {
        let uri = |path: &str| format!("https://search.example.com{path}").parse::<http::Uri>().unwrap();
        let mut request = Signer { is_s3, ..SIGNER }.sign(get(&uri(&path).to_string()));
        *request.uri_mut() = uri(&other);
        let mut sent = passed(&request, &credentials(None)).sent;
        prop_assert_eq!(sent[0].uri(), &uri(&other));
        if let Some(second) = sent.get_mut(1) {
            prop_assert_eq!(second.uri(), &uri(&other));
            *second.uri_mut() = uri(&path);
            prop_assert_eq!(verify(second, SECRET, is_s3), Ok(()), "{} for {}", other, path);
        } else {
            prop_assert_ne!(path, other);
        }
    }
}
