//! What the SDK has signed comes out identical at the same time, and is right at
//! another.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri, Version};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::integration::{Rejection, basic, pass, signed_at};
use crate::operations::{Given, all};
use crate::scratchstack::{is_known_to_scratchstack, scratchstack};
use crate::signer::{SECRET, Wire, credentials};
use crate::verifier::verify;

const TWO_DAYS: Duration = Duration::from_hours(48);
const CASES: u32 = 12;

/// How often each operation was signed again, and by whom it was verified.
#[derive(Debug, Default)]
struct Counts {
    operations: BTreeMap<&'static str, u32>,
    by_scratchstack: u32,
    unsigned_payloads: u32,
}

async fn same_signature(given: &Given, token: Option<&str>, counts: &mut Counts) {
    let wire = Wire::default();
    let credentials = credentials(token);
    let config = wire.config(&credentials);
    for operation in all() {
        operation.call(&config, given).await;
        for original in wire.taken() {
            let name = operation.name;
            let authorization = original.headers()["authorization"].as_bytes();
            let is_sigv4a = authorization.starts_with(b"AWS4-ECDSA-P256-SHA256");
            assert_eq!(is_sigv4a, given.is_sigv4a, "{name}");
            verify(&original, SECRET, operation.is_s3())
                .unwrap_or_else(|e| panic!("the SDK, {name}, {given:?}: {e}"));

            let same = pass(&original, &credentials, Rejection::SameTime).await;
            assert_eq!(same.reason, None, "{name}, {given:?}");
            let [first, second] = &same.sent[..] else {
                panic!("{name} was sent {} times: {given:?}", same.sent.len());
            };
            for sent in [first, second] {
                assert_eq!(rest(sent), rest(&original), "{name}, {given:?}");
                assert_eq!(sent.headers(), original.headers(), "{name}, {given:?}");
            }

            let later = pass(&original, &credentials, Rejection::Ahead(TWO_DAYS)).await;
            let [first, second] = &later.sent[..] else {
                panic!("{name} was sent {} times: {given:?}", later.sent.len());
            };
            assert_eq!(rest(first), rest(&original), "{name}, {given:?}");
            assert_eq!(first.headers(), original.headers(), "{name}, {given:?}");
            assert_eq!(
                second.headers()["x-amz-date"],
                basic(signed_at() + TWO_DAYS),
                "{name}"
            );
            assert_eq!(rest(second), rest(&original), "{name}, {given:?}");
            verify(second, SECRET, operation.is_s3())
                .unwrap_or_else(|e| panic!("{name}, {given:?}: {e}"));
            if !given.is_sigv4a && is_known_to_scratchstack(second) {
                let verified = scratchstack(second, SECRET).await;
                verified.unwrap_or_else(|e| panic!("{name}, {given:?}: {e}"));
                counts.by_scratchstack += 1;
            }
            let stated = original.headers().get("x-amz-content-sha256");
            if stated.is_some_and(|stated| stated.as_bytes().contains(&b'U')) {
                counts.unsigned_payloads += 1;
            }
            *counts.operations.entry(name).or_default() += 1;
        }
    }
}

fn given() -> impl Strategy<Value = Given> {
    // Labels of a host must not be empty, nor may a path's.
    let text = "[ -~äß漢€🦀]{0,12}[a-zA-Z0-9 ./%+*~'()!$&=;:@,_-]{1,8}[a-z]";
    (
        text,
        "[ -~é]{1,12}",
        "[!-~]([ !-~]{0,20}[!-~])?",
        proptest::collection::vec(any::<u8>(), 0..2_000),
    )
        .prop_map(|(text, other, header, body)| Given {
            text,
            other,
            header,
            body,
            is_sigv4a: false,
        })
}

#[test]
fn what_the_sdk_signs_comes_out_identical() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut counts = Counts::default();
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(CASES)
    });
    runtime.block_on(same_signature(&plain(), None, &mut counts));
    let counts_of_cases = std::cell::RefCell::new(&mut counts);
    let strategy = (given(), proptest::option::of("[a-zA-Z0-9/+=]{1,600}"));
    runner
        .run(&strategy, |(given, token)| {
            let counts = &mut counts_of_cases.borrow_mut();
            runtime.block_on(same_signature(&given, token.as_deref(), counts));
            Ok(())
        })
        .unwrap();
    assert!(counts.operations.len() >= 50, "{counts:?}");
    assert!(counts.by_scratchstack > 26 * CASES, "{counts:?}");
    assert!(counts.unsigned_payloads > 0, "{counts:?}");
    println!(
        "{} operations, signed again {} times; {} verified by scratchstack too, {} with an \
         unsigned payload",
        counts.operations.len(),
        counts.operations.values().sum::<u32>(),
        counts.by_scratchstack,
        counts.unsigned_payloads,
    );
}

/// Few cases, as the forms are those of SigV4, and ECDSA takes its time.
#[cfg_attr(not(feature = "sigv4a"), ignore = "needs the feature")]
#[tokio::test]
async fn what_the_sdk_signs_with_sigv4a_comes_out_identical() {
    let mut counts = Counts::default();
    let odd = Given {
        text: "ä ß/../%2F//漢+*~'()!$&=;:@,🦀.z".to_owned(),
        other: "é %".to_owned(),
        header: "a  b".to_owned(),
        body: b"\0\xff".to_vec(),
        is_sigv4a: true,
    };
    let plain = Given {
        is_sigv4a: true,
        ..plain()
    };
    same_signature(&plain, None, &mut counts).await;
    same_signature(&odd, Some("IQoJb3JpZ2luX2Vj/+="), &mut counts).await;
    assert!(counts.operations.len() >= 50, "{counts:?}");
    assert_eq!(counts.by_scratchstack, 0);
    assert!(counts.unsigned_payloads > 0, "{counts:?}");
}

/// A key that nothing has to be encoded of, which chance seldom draws.
fn plain() -> Given {
    Given {
        text: "aa".to_owned(),
        other: "a".to_owned(),
        header: "0".to_owned(),
        body: Vec::new(),
        is_sigv4a: false,
    }
}

/// A request byte for byte, without the time and the signature.
type Rest = (
    Method,
    Uri,
    Version,
    Bytes,
    BTreeMap<String, Vec<Vec<u8>>>,
    String,
);

fn rest(request: &Request<Bytes>) -> Rest {
    let mut headers = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in request.headers() {
        if !["authorization", "x-amz-date"].contains(&name.as_str()) {
            let values = headers.entry(name.to_string()).or_default();
            values.push(value.as_bytes().to_vec());
        }
    }
    let authorization = request.headers().get_all("authorization").iter();
    let authorization: String = authorization
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    let (signs, _) = authorization.split_once("Signature=").unwrap_or_default();
    let date = &basic(signed_at())[..8];
    let later = &basic(signed_at() + TWO_DAYS)[..8];
    (
        request.method().clone(),
        request.uri().clone(),
        request.version(),
        request.body().clone(),
        headers,
        signs.replace(later, date),
    )
}
