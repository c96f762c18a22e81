//! What other signers sign, and we sign again.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request};

use crate::integration::{Rejection, basic, pass, signed_at};
use crate::signer::{SECRET, credentials};
use crate::verifier::{signature, verify};

/// A signer that we did not write.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) access_key: &'static str,
    pub(crate) service: &'static str,
    pub(crate) signed_headers: &'static str,
    /// With `{credential}`, `{headers}` and `{signature}` in it.
    pub(crate) layout: &'static str,
    /// Takes paths as they are.
    pub(crate) is_s3: bool,
}

pub(crate) const SIGNER: Signer = Signer {
    access_key: "AKIAIOSFODNN7EXAMPLE",
    service: "es",
    signed_headers: "host;x-amz-date",
    layout: "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={headers}, Signature={signature}",
    is_s3: false,
};

impl Signer {
    pub(crate) fn sign(&self, mut request: Request<Bytes>) -> Request<Bytes> {
        let date = basic(signed_at());
        let scope = format!("{}/eu-central-1/{}/aws4_request", &date[..8], self.service);
        let layout = self
            .layout
            .replace("{credential}", &format!("{}/{scope}", self.access_key))
            .replace("{headers}", self.signed_headers);
        let header = |text: String| {
            HeaderValue::from_bytes(text.as_bytes()).unwrap_or(HeaderValue::from_static(""))
        };
        let headers = request.headers_mut();
        headers.insert("x-amz-date", header(date));
        headers.insert("authorization", header(layout.clone()));
        let signature = signature(&request, SECRET, self.is_s3).unwrap_or_default();
        let whole = layout.replace("{signature}", &signature);
        request.headers_mut().insert("authorization", header(whole));
        request
    }
}

pub(crate) fn get(uri: &str) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = uri.parse().unwrap_or_default();
    request
}

pub(crate) fn with(
    mut request: Request<Bytes>,
    headers: &[(&'static str, &str)],
) -> Request<Bytes> {
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value.as_bytes());
        let value = value.unwrap_or(HeaderValue::from_static("not a value"));
        request.headers_mut().append(*name, value);
    }
    request
}

pub(crate) const URI: &str = "https://search.example.com/index/_search";

/// The same signature at the same time, a right one at another.
#[track_caller]
fn resigned(signer: Signer, request: Request<Bytes>) {
    let original = signer.sign(request);
    verify(&original, SECRET, signer.is_s3).expect("it was signed just now");
    let mut credentials = credentials(None);
    if signer.access_key != credentials.access_key_id() {
        credentials =
            aws_credential_types::Credentials::new(signer.access_key, SECRET, None, None, "test");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async {
        let same = pass(&original, &credentials, Rejection::SameTime).await;
        assert_eq!(same.sent.len(), 2, "{:?}: {original:?}", same.reason);
        let signature = |request: &Request<Bytes>| {
            let value = request.headers()["authorization"]
                .to_str()
                .map(str::to_owned);
            value
                .ok()
                .and_then(|value| Some(value.split_once("Signature=")?.1.to_owned()))
        };
        assert_eq!(signature(&same.sent[1]), signature(&original));
        let later = pass(
            &original,
            &credentials,
            Rejection::Ahead(Duration::from_hours(48)),
        )
        .await;
        assert_eq!(later.sent.len(), 2);
        verify(&later.sent[1], SECRET, signer.is_s3).expect("it is re-signed");
        assert_ne!(signature(&later.sent[1]), signature(&original));
        assert_eq!(later.sent[1].body(), original.body());
    });
}

#[test]
fn repeated_headers_are_signed_in_their_order() {
    let signer = Signer {
        signed_headers: "host;x-amz-date;x-test",
        ..SIGNER
    };
    resigned(
        signer,
        with(
            get(URI),
            &[("x-test", "b"), ("x-other", "-"), ("x-test", "a")],
        ),
    );
}

#[test]
fn values_beyond_ascii_are_signed_as_they_are() {
    let signer = Signer {
        signed_headers: "host;x-amz-date;x-test",
        ..SIGNER
    };
    resigned(signer, with(get(URI), &[("x-test", "grün 漢字")]));
}

#[test]
fn spaces_are_collapsed_in_the_canonical_form_alone() {
    let signer = Signer {
        signed_headers: "host;x-amz-date;x-test",
        ..SIGNER
    };
    resigned(signer, with(get(URI), &[("x-test", "  a   b  \"c   d\" ")]));
}

#[test]
fn access_keys_may_hold_slashes() {
    resigned(
        Signer {
            access_key: "tenant/user/KEY",
            ..SIGNER
        },
        get(URI),
    );
}

#[test]
fn layouts_of_authorization_differ() {
    for layout in [
        "AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={headers},Signature={signature}",
        "AWS4-HMAC-SHA256  Credential={credential} ,  SignedHeaders={headers},\tSignature={signature}",
        "AWS4-HMAC-SHA256 SignedHeaders={headers}, Credential={credential}, Signature={signature}",
    ] {
        resigned(Signer { layout, ..SIGNER }, get(URI));
    }
}

#[test]
fn a_path_alone_will_do_where_the_host_is_a_header() {
    resigned(
        SIGNER,
        with(
            get("/index/_search?q=a"),
            &[("host", "search.example.com:9200")],
        ),
    );
    resigned(
        SIGNER,
        with(get("/proxy/http://x/y"), &[("host", "search.example.com")]),
    );
}

#[test]
fn queries_are_odd() {
    for query in [
        "a",
        "a=",
        "b=2&a=1&a=0",
        "x=%20%2F%2f".trim_end_matches("%2f"),
        "=v",
        "k=a%3Db",
    ] {
        resigned(SIGNER, get(&format!("{URI}?{query}")));
    }
}

#[test]
fn a_payload_hash_may_be_anywhere() {
    let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let signs_hash = Signer {
        signed_headers: "host;x-amz-content-sha256;x-amz-date",
        ..SIGNER
    };
    for stated in [
        hash,
        "UNSIGNED-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    ] {
        let request = with(get(URI), &[("x-amz-content-sha256", stated)]);
        resigned(signs_hash.clone(), request.clone());
        resigned(SIGNER, request);
    }
    for body in [Bytes::new(), Bytes::from(vec![7; 10 << 20])] {
        resigned(SIGNER, get(URI).map(|_| body));
    }
}

#[test]
fn no_list_of_services_says_how_a_path_is_written() {
    for path in ["/a%20b/c%2Bd", "/a//b/../c/./d", "/%E6%BC%A2", "/"] {
        for service in ["s3", "s3-outposts", "store-of-somebody", "es"] {
            for is_s3 in [true, false] {
                let uri = format!("https://store.example.com{path}");
                resigned(
                    Signer {
                        service,
                        is_s3,
                        ..SIGNER
                    },
                    get(&uri),
                );
            }
        }
    }
}

#[test]
fn a_token_that_is_not_signed_stays() {
    let request = SIGNER.sign(with(get(URI), &[("x-amz-security-token", "somebody's")]));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime can be built");
    for token in [None, Some("of the credentials")] {
        let later = Rejection::Ahead(Duration::from_hours(48));
        let sent = runtime
            .block_on(pass(&request, &credentials(token), later))
            .sent;
        assert_eq!(sent.len(), 2, "{token:?}");
        assert_eq!(sent[1].headers()["x-amz-security-token"], "somebody's");
        verify(&sent[1], SECRET, false).expect("it is re-signed");
    }
}
