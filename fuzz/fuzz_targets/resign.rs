//! Any request through the layer, signed with SigV4 or SigV4a: the resend is the same request
//! except for its signature, and an independent verifier that accepts the first signature
//! accepts the second.
#![no_main]

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arbitrary::Arbitrary;
use aws_clock_skew::{ManualClock, SkewClock};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::{v4, v4a};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, ServiceExt, service_fn};

use crate::verifier::verify;

#[path = "../../tests/resign/verifier.rs"]
mod verifier;

#[derive(Arbitrary, Debug)]
struct Input {
    /// SigV4a in place of SigV4, for one of these sets.
    region_set: Option<u8>,
    method: u8,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    /// The number of days by which the machine is behind or ahead.
    days: i8,
    /// A change of the request after it was signed.
    tampering: Tampering,
    /// The server's error message, if not that of AWS.
    answer: Option<(u16, String)>,
}

#[derive(Arbitrary, Debug)]
enum Tampering {
    None,
    Body(Vec<u8>),
    Header(String, Vec<u8>),
    Authorization(Vec<u8>),
    Date(Vec<u8>),
    Target(String),
}

fuzz_target!(|input: Input| {
    let Some(request) = request(&input) else {
        return;
    };
    RUNTIME.with(|runtime| runtime.borrow().block_on(passes(&input, request)));
});

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_time().build().unwrap());
}

/// A request as the server received it, with its body.
type Seen = (Request<()>, Bytes);

async fn passes(input: &Input, mut request: Request<Full<Bytes>>) {
    let machine = ManualClock::new(noon());
    machine.advance_monotonic(Duration::from_secs(1_000));
    let truth = shifted(noon(), i64::from(input.days));
    let clock = SkewClock::builder().local_clock(machine).build();

    let regions = input.region_set.map(region_set);
    let is_signed = signed(&mut request, noon(), regions);
    let signed_uri = request.uri().clone();
    let proof = match is_signed {
        true => tampered(&mut request, &input.tampering),
        false => Proof::Impossible,
    };
    let given = seen(request.clone()).await;

    let server = Arc::<Mutex<Vec<Seen>>>::default();
    let service = service_fn({
        let server = server.clone();
        let answer = input.answer.clone();
        move |request: Request<_>| {
            let (server, answer) = (server.clone(), answer.clone());
            async move {
                let sent = seen(request).await;
                let is_first = server.lock().unwrap().is_empty();
                let (status, body) = match answer {
                    _ if !is_first => (200, String::new()),
                    Some(answer) => answer,
                    None => (403, rejection(&sent.0, truth)),
                };
                server.lock().unwrap().push(sent);
                let response = Response::builder()
                    .status(status.clamp(200, 599))
                    .header("date", httpdate::fmt_http_date(truth))
                    .header("x-amzn-requestid", "id-1");
                Ok::<_, Infallible>(response.body(Full::<Bytes>::from(body)).unwrap())
            }
        }
    });
    let response = clock.layer(credentials()).layer(service).oneshot(request);
    let response = response.await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    drop(body);

    let server = server.lock().unwrap();
    let [first, rest @ ..] = &server[..] else {
        panic!("nothing was sent");
    };
    assert_same(first, &given, true);
    assert!(rest.len() <= 1, "sent {} times", server.len());
    let is_verified = is_signed && verified(&given).is_ok();
    if is_signed && proof == Proof::Certain && input.is_plain() {
        assert_eq!(verified(&given), Ok(()), "the verifier knows this request");
    }
    for second in rest {
        assert_ne!(proof, Proof::Impossible, "an unsigned request was signed");
        assert_same(second, &given, false);
        let mut again = given.0.clone();
        // Where SigV4 writes two targets alike, the signature is still of the first.
        *again.uri_mut() = signed_uri.clone();
        let date = second.0.headers()["x-amz-date"].to_str().unwrap();
        // By the server's clock, to the second.
        let time = [truth, truth + Duration::from_secs(1)]
            .into_iter()
            .find(|time| stamp(*time) == date)
            .expect("the time of the server");
        let covers = |name: &str| {
            let header = given.0.headers()["authorization"].to_str().unwrap();
            let (_, rest) = header.split_once("SignedHeaders=").unwrap();
            let (names, _) = rest.split_once(',').unwrap();
            names.split(';').any(|known| known == name)
        };
        again.headers_mut().remove("authorization");
        again.headers_mut().remove("x-amz-date");
        again.headers_mut().remove("x-amz-region-set");
        let mut again = again.map(|()| Full::from(given.1.clone()));
        // Anything that was added after signing stays unsigned.
        let added: Vec<_> = again.headers().keys().cloned().collect();
        for name in added {
            if !covers(name.as_str()) {
                again.headers_mut().remove(name);
            }
        }
        assert!(signed(&mut again, time, regions));
        assert_eq!(
            again.headers()["authorization"],
            second.0.headers()["authorization"]
        );
        if is_verified {
            assert_eq!(verified(second), Ok(()));
        }
    }
    if proof == Proof::Certain
        && input.answer.is_none()
        && input.days != 0
        && input.days.unsigned_abs() <= 6
    {
        assert_eq!(rest.len(), 1, "the request was not re-signed");
    }
}

fn verified((head, body): &Seen) -> Result<(), String> {
    verify(&head.clone().map(|()| body.clone()), SECRET, false)
}

/// What a header `x-amz-region-set` holds.
fn region_set(number: u8) -> &'static str {
    let sets = [
        "*",
        "us-east-1",
        "us-east-1,eu-central-1",
        "us-*, eu-west-1",
    ];
    sets[usize::from(number) % sets.len()]
}

impl Input {
    /// Whether services and their verifiers read such a request in one way only.
    fn is_plain(&self) -> bool {
        self.headers.is_empty()
            && matches!(self.tampering, Tampering::None)
            && self.target.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }
}

fn assert_same(sent: &Seen, given: &Seen, with_signature: bool) {
    assert_eq!(sent.0.method(), given.0.method());
    assert_eq!(sent.0.uri(), given.0.uri());
    assert_eq!(sent.1, given.1);
    let headers = |seen: &Seen| {
        let mut headers: Vec<_> = seen.0.headers().clone().into_iter().collect();
        headers.retain(|(name, _)| {
            let name = name.as_ref().map(HeaderName::as_str);
            with_signature || !matches!(name, Some("authorization" | "x-amz-date"))
        });
        headers
    };
    assert_eq!(headers(sent), headers(given));
}

fn request(input: &Input) -> Option<Request<Full<Bytes>>> {
    let methods = [
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::HEAD,
        Method::DELETE,
    ];
    let uri = uri(&input.target).ok()?;
    let mut request = Request::builder()
        .method(methods[usize::from(input.method) % methods.len()].clone())
        .uri(uri)
        .body(Full::from(input.body.clone()))
        .ok()?;
    for (name, value) in &input.headers {
        let name: HeaderName = name.parse().ok()?;
        // The signer writes these headers.
        if name == "authorization" || name == "host" || name.as_str().starts_with("x-amz-") {
            return None;
        }
        request
            .headers_mut()
            .append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(request)
}

fn uri(target: &str) -> Result<Uri, http::uri::InvalidUri> {
    format!("https://service.example/{target}").parse()
}

/// Signs, if the signer can.
fn signed(request: &mut Request<Full<Bytes>>, time: SystemTime, regions: Option<&str>) -> bool {
    let identity = credentials().into();
    let settings = SigningSettings::default();
    let params = match regions {
        None => v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("sqs")
            .time(time)
            .settings(settings)
            .build()
            .unwrap()
            .into(),
        Some(regions) => v4a::SigningParams::builder()
            .identity(&identity)
            .region_set(regions)
            .name("events")
            .time(time)
            .settings(settings)
            .build()
            .unwrap()
            .into(),
    };
    let body = body_of(request.body());
    let headers = request.headers().iter();
    let headers: Option<Vec<_>> = headers
        .map(|(name, value)| Some((name.as_str(), str::from_utf8(value.as_bytes()).ok()?)))
        .collect();
    let Some(headers) = headers else {
        return false;
    };
    let uri = request.uri().to_string();
    let body = SignableBody::Bytes(&body);
    let method = request.method().as_str().to_owned();
    let Ok(signable) = SignableRequest::new(&method, uri, headers.into_iter(), body) else {
        return false;
    };
    let Ok(output) = sign(signable, &params) else {
        return false;
    };
    let (instructions, _) = output.into_parts();
    instructions.apply_to_request_http1x(request);
    true
}

/// Whether the signature can be reproduced from the request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Proof {
    Certain,
    /// Some headers that AWS interprets describe the signature, whether or not it covers them.
    Possible,
    Impossible,
}

fn tampered(request: &mut Request<Full<Bytes>>, tampering: &Tampering) -> Proof {
    match tampering {
        Tampering::None => Proof::Certain,
        Tampering::Body(body) => {
            let before = body_of(request.body());
            *request.body_mut() = Full::from(body.clone());
            if before == *body {
                Proof::Certain
            } else {
                Proof::Impossible
            }
        }
        Tampering::Header(name, value) => match name.parse() {
            Ok(name) => overwritten(request, name, value),
            Err(_) => Proof::Certain,
        },
        Tampering::Authorization(value) => overwritten(request, http::header::AUTHORIZATION, value),
        Tampering::Date(value) => {
            overwritten(request, HeaderName::from_static("x-amz-date"), value)
        }
        Tampering::Target(target) => {
            if let Ok(uri) = uri(target) {
                *request.uri_mut() = uri;
            }
            Proof::Possible
        }
    }
}

fn overwritten(request: &mut Request<Full<Bytes>>, name: HeaderName, value: &[u8]) -> Proof {
    let Ok(value) = HeaderValue::from_bytes(value) else {
        return Proof::Certain;
    };
    let before: Vec<_> = request.headers().get_all(&name).iter().collect();
    let is_same = before == [&value];
    let is_written_alike =
        before.len() == 1 && before.iter().all(|old| words(old).eq(words(&value)));
    // `host` is signed, although the client adds it later.
    let is_there = !before.is_empty() || name == "host";
    let has_meaning = name.as_str().starts_with("x-amz-");
    let is_never_signed = NEVER_SIGNED.contains(&name.as_str());
    request.headers_mut().insert(name, value);
    match (is_same, is_there) {
        (true, _) => Proof::Certain,
        (false, _) if is_written_alike => Proof::Possible,
        (false, _) if is_never_signed => Proof::Possible,
        (false, false) if has_meaning => Proof::Possible,
        (false, false) => Proof::Certain,
        (false, true) => Proof::Impossible,
    }
}

/// SigV4 writes each run of blanks as one, and none at the ends.
fn words(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let words = value.as_bytes().split(u8::is_ascii_whitespace);
    words.filter(|word| !word.is_empty())
}

/// Headers that proxies change and `aws-sigv4` does not sign.
const NEVER_SIGNED: [&str; 3] = ["user-agent", "x-amzn-trace-id", "transfer-encoding"];

async fn seen(request: Request<Full<Bytes>>) -> Seen {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Request::from_parts(parts, ()), body)
}

/// The body is in memory.
fn body_of(body: &Full<Bytes>) -> Bytes {
    let mut collecting = pin!(body.clone().collect());
    match collecting
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(Ok(body)) => body.to_bytes(),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => unreachable!("a whole body is ready"),
    }
}

/// The error message of AWS.
fn rejection(request: &Request<()>, truth: SystemTime) -> String {
    let signed = request.headers().get("x-amz-date");
    let signed = signed.and_then(|value| value.to_str().ok()).unwrap_or("");
    let (words, sign, bound) = if signed < stamp(truth).as_str() {
        ("Signature expired", "-", truth - TOLERANCE)
    } else {
        ("Signature not yet current", "+", truth + TOLERANCE)
    };
    let order = if sign == "-" {
        "now earlier"
    } else {
        "still later"
    };
    let message = format!(
        "{words}: {signed} is {order} than {} ({} {sign} 15 min.)",
        stamp(bound),
        stamp(truth)
    );
    format!(r#"{{"__type":"InvalidSignatureException","message":"{message}"}}"#)
}

const TOLERANCE: Duration = Duration::from_secs(900);

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", SECRET, None, None, "fuzz")
}

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// 2027-01-15T12:00:00Z
fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_014_400)
}

fn shifted(time: SystemTime, days: i64) -> SystemTime {
    let distance = Duration::from_secs(days.unsigned_abs() * 86_400);
    if days > 0 {
        time + distance
    } else {
        time - distance
    }
}

/// `20270115T120000Z`
fn stamp(time: SystemTime) -> String {
    let date = httpdate::fmt_http_date(time);
    let month = MONTHS
        .iter()
        .position(|month| *month == &date[8..11])
        .unwrap()
        + 1;
    let clock = date[17..25].replace(':', "");
    format!("{}{month:02}{}T{clock}Z", &date[12..16], &date[5..7])
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
