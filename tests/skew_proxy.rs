//! The example `skew_proxy`: programs that we did not write, on a wrong clock.

#![expect(clippy::expect_used, reason = "a test may panic")]

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_clock_skew::{ClockOffset, LocalClock, SkewClock};
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use skew_proxy::gate::{Gate, MOST, NotAdmitted, Now};
use skew_proxy::proxy::Proxy;
use skew_proxy::settings::{Command, Settings};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::stack::{client, credentials, operation, signed};
use crate::world::{DAY, HOUR, MINUTE, World, minutes, shifted};

#[path = "skew_proxy/aws.rs"]
mod aws;
#[expect(dead_code, reason = "what the tests of S3 clients need")]
#[path = "s3/server.rs"]
mod server;
#[path = "skew_proxy/to_aws.rs"]
mod to_aws;

#[expect(dead_code, reason = "what only the example's own `main` needs")]
#[path = "../examples/skew_proxy/main.rs"]
mod skew_proxy;
#[expect(dead_code, reason = "what the tests of the layers need")]
#[path = "tower/stack.rs"]
mod stack;
#[expect(dead_code, reason = "what other tests need")]
#[path = "sdk/world.rs"]
mod world;

/// An endpoint, a proxy before it on a machine with a wrong clock, and its URL.
struct Proxied {
    world: World,
    clock: SkewClock,
    endpoint: Endpoint,
    url: String,
    gate: Gate,
    said: Arc<Mutex<Vec<String>>>,
    proxy: AbortHandle,
}

impl Proxied {
    /// With the clock two days behind.
    async fn start() -> Self {
        Self::with_skew(-2 * DAY).await
    }

    async fn with_skew(skew: i64) -> Self {
        Self::before(skew, None).await
    }

    /// Before the endpoint, or before another upstream with the offset known.
    async fn before(skew: i64, upstream: Option<&str>) -> Self {
        let world = World::with_skew(skew);
        let endpoint = endpoint(&world).await;
        let known = ClockOffset::from_millis(upstream.map_or(0, |_| -skew * 1_000));
        let upstream = upstream.map_or(endpoint.url(), str::to_owned);
        Self::run(world, endpoint, known, settings(&[&upstream])).await
    }

    async fn run(world: World, endpoint: Endpoint, known: ClockOffset, settings: Settings) -> Self {
        let said = Arc::<Mutex<Vec<String>>>::default();
        let lines = said.clone();
        let say = move |line: String| {
            lines
                .lock()
                .expect("no thread panicked while it held the lock")
                .push(line)
        };
        let heard = say.clone();
        let clock = SkewClock::builder()
            .local_clock(world.machine.clone())
            .initial_offset(known)
            .on_event(move |event| {
                if let Some(sentence) = skew_proxy::sentence(event) {
                    heard(sentence);
                }
            })
            .build();
        let proxy = Proxy::new(&clock, world.machine.clone(), settings, move |line| {
            say(line.to_string());
        });
        let proxy = proxy.expect("nothing is missing");
        let listener = skew_proxy::listen(0).await.expect("loopback can be bound");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let gate = proxy.gate.clone();
        let proxy = tokio::spawn(proxy.serve(listener)).abort_handle();
        Self {
            world,
            clock,
            endpoint,
            url,
            gate,
            said,
            proxy,
        }
    }

    /// A request as a program on this machine signs it.
    fn request(&self, text: &str) -> Request<Full<Bytes>> {
        self.request_at(text, self.world.machine_wall())
    }

    fn request_at(&self, text: &str, signed_at: SystemTime) -> Request<Full<Bytes>> {
        let queue = self.endpoint.queue_url("q");
        let body = format!(r#"{{"QueueUrl":"{queue}","MessageBody":"{text}"}}"#);
        let request = operation(&self.url, "AmazonSQS.SendMessage", body);
        signed(request, "sqs", &credentials(), signed_at)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> StatusCode {
        let answer = client().request(request).await;
        answer.expect("the proxy answers").status()
    }

    fn said(&self) -> Vec<String> {
        self.said
            .lock()
            .expect("no thread panicked while it held the lock")
            .clone()
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        self.proxy.abort();
    }
}

async fn endpoint(world: &World) -> Endpoint {
    let endpoint = Endpoint::builder(world.clock()).start().await;
    let endpoint = endpoint.expect("loopback can be bound");
    endpoint.feed("q", "first");
    endpoint
}

/// What these arguments after the port say, with the endpoint's credentials.
fn settings(arguments: &[&str]) -> Settings {
    let arguments = ["0"].iter().chain(arguments).map(|&text| text.to_owned());
    let variable = |name: &str| match name {
        "AWS_ACCESS_KEY_ID" => Some(ACCESS_KEY_ID.to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some(SECRET_ACCESS_KEY.to_owned()),
        _ => None,
    };
    match Command::parse(arguments, variable) {
        Ok(Command::Run(settings)) => settings,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn programs_on_a_wrong_clock_work() {
    for skew in [-2 * DAY, 9 * HOUR] {
        let proxied = Proxied::with_skew(skew).await;
        for number in 0..20 {
            let request = proxied.request(&number.to_string());
            assert_eq!(proxied.send(request).await, StatusCode::OK);
            proxied.world.advance(Duration::from_mins(5));
        }
        assert_eq!(proxied.endpoint.counts().rejected, 1);
        let said = proxied.said();
        let [line] = &said[..] else {
            panic!("{said:?}");
        };
        assert!(
            line.starts_with("skew_detected: clock skew detected; correcting signatures ("),
            "{line}"
        );
    }
}

/// As the JavaScript SDK does from its second request on.
#[tokio::test]
async fn a_program_that_corrects_itself_does_not_lock_out_others_of_its_key() {
    for skew in [-2 * DAY, 9 * HOUR] {
        let proxied = Proxied::with_skew(skew).await;
        for number in 0..20 {
            for signed_at in [proxied.world.machine_wall(), proxied.world.true_time()] {
                let request = proxied.request_at(&number.to_string(), signed_at);
                assert_eq!(proxied.send(request).await, StatusCode::OK, "{skew}");
            }
            proxied.world.advance(Duration::from_mins(5));
        }
        assert_eq!(proxied.endpoint.counts().rejected, 1);
    }
}

#[tokio::test]
async fn a_request_that_was_kept_is_not_revived() {
    let proxied = Proxied::start().await;
    let never_sent = proxied.request("kept");
    let sent = proxied.request("sent");
    assert_eq!(proxied.send(sent.clone()).await, StatusCode::OK);
    // The same a few seconds later is nobody's second call of that second.
    proxied.world.advance(Duration::from_secs(4));
    assert_eq!(proxied.send(sent.clone()).await, StatusCode::FORBIDDEN);
    proxied.world.advance(Duration::from_mins(16));
    let other = proxied.request("other");
    assert_eq!(proxied.send(other).await, StatusCode::OK);
    for expired in [sent, never_sent] {
        assert_eq!(proxied.send(expired).await, StatusCode::FORBIDDEN);
    }
    let passed_on = "POST / is passed on as it came: ";
    assert_eq!(
        proxied.said()[1..],
        [
            "its signature came more than two seconds ago",
            "it was signed more than 15 minutes from the local time",
            "it was signed more than 15 minutes from the local time",
        ]
        .map(|reason| format!("{passed_on}{reason}"))
    );
}

/// A proxy that has just been started knows no signatures.
#[tokio::test]
async fn a_request_from_before_the_start_is_not_revived() {
    for skew in [-2 * DAY, 9 * HOUR] {
        let proxied = Proxied::with_skew(skew).await;
        for minutes in [-20, 20] {
            let signed_at = shifted(proxied.world.machine_wall(), minutes * MINUTE);
            let kept = proxied.request_at("kept", signed_at);
            assert_eq!(proxied.send(kept).await, StatusCode::FORBIDDEN);
        }
        assert_eq!(proxied.endpoint.counts().requests, 2);
    }
}

/// Other ways to write the same headers, and others that a server may read as the same.
#[tokio::test]
async fn other_text_around_a_signature_does_not_revive_it() {
    let proxied = Proxied::start().await;
    let kept = proxied.request("kept");
    assert_eq!(proxied.send(kept.clone()).await, StatusCode::OK);
    proxied.world.advance(Duration::from_secs(4));
    let authorization = kept.headers()["authorization"].to_str().expect("text");
    let (before, signature) = authorization.rsplit_once('=').expect("a signature");
    for changed in [
        format!("{authorization}, X=1"),
        format!("{authorization},X=2,Y=3"),
        format!("{authorization} "),
        format!("{authorization},"),
        authorization.replace(", ", ","),
        authorization.replace(", ", "  ,  "),
        authorization.replace("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 X=1, "),
        format!("{before}={}", signature.to_uppercase()),
        format!("{authorization}, Signature={signature}"),
        format!("{authorization}, Credential=AKIA/20270115/us-east-1/sqs/aws4_request"),
    ] {
        let mut again = kept.clone();
        let value = HeaderValue::from_str(&changed).expect("a value");
        again.headers_mut().insert("authorization", value);
        let status = proxied.send(again).await;
        assert!(status.is_client_error(), "{status} for {changed}");
    }
    let twice = kept.headers()["authorization"].clone();
    for (name, value) in [
        ("authorization", twice),
        ("x-amz-date", HeaderValue::from_static("20270115T080000Z")),
    ] {
        let mut again = kept.clone();
        again.headers_mut().append(name, value);
        assert!(proxied.send(again).await.is_client_error());
    }
    assert_eq!(proxied.endpoint.counts().accepted, 1);
}

/// Botocore and other signers sign equal requests of one second alike.
#[tokio::test]
async fn two_equal_calls_in_a_second_both_work() {
    let proxied = Proxied::start().await;
    for _ in 0..10 {
        let request = proxied.request("equal");
        assert_eq!(proxied.send(request.clone()).await, StatusCode::OK);
        assert_eq!(proxied.send(request).await, StatusCode::OK);
        proxied.world.advance(Duration::from_secs(5));
    }
}

#[tokio::test]
async fn requests_that_cannot_be_proven_are_passed_on_and_not_remembered() {
    let proxied = Proxied::start().await;
    assert_eq!(proxied.send(proxied.request("right")).await, StatusCode::OK);
    for number in 0..50 {
        let mut wrong = proxied.request(&format!("wrong {number}"));
        *wrong.body_mut() = Full::from("{}");
        assert_eq!(proxied.send(wrong).await, StatusCode::FORBIDDEN);
    }
    let mut unsigned = proxied.request("unsigned");
    unsigned.headers_mut().remove("authorization");
    assert!(proxied.send(unsigned).await.is_client_error());
    assert_eq!(proxied.endpoint.counts().accepted, 1);
    assert_eq!(proxied.gate.len(), 1);
    // Half an hour later that one is forgotten, too.
    proxied.world.advance(minutes(31));
    assert_eq!(proxied.send(proxied.request("later")).await, StatusCode::OK);
    assert_eq!(proxied.gate.len(), 1);
    let said = proxied.said();
    let wanted = "it was signed with other credentials than the proxy has";
    assert!(said[1].ends_with(wanted), "{said:?}");
}

/// A program that hangs up when its request is on its way has sent it.
#[tokio::test]
async fn a_program_that_hangs_up_does_not_get_a_second_signature() {
    let silent = skew_proxy::listen(0).await.expect("loopback can be bound");
    let upstream = format!("http://{}", silent.local_addr().expect("it is bound"));
    let proxied = Proxied::before(-2 * DAY, Some(&upstream)).await;
    let known = ClockOffset::from_millis(2 * DAY * 1_000);
    assert_eq!(proxied.clock.status().offset(), known);
    let kept = proxied.request("kept");
    let call = tokio::spawn(client::<Full<Bytes>>().request(kept.clone()));
    let (mut arrived, _) = silent.accept().await.expect("the proxy connects");
    let mut start = [0; 4];
    let read = arrived.read_exact(&mut start).await;
    assert!(read.is_ok() && &start == b"POST");
    call.abort();
    assert!(call.await.is_err());
    while proxied.gate.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(proxied.gate.len(), 1);
    proxied.world.advance(Duration::from_secs(4));
    let again = proxied.gate.admit(kept.headers(), now(&proxied.world));
    assert_eq!(again.map(drop), Err(NotAdmitted::Repeated));
}

/// Headers with a signature of some number.
fn headers(number: usize, signed_at: &str) -> HeaderMap {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIA/20270115/us-east-1/sqs/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={number:064x}"
    );
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("authorization", authorization.as_str()),
        ("x-amz-date", signed_at),
    ] {
        headers.insert(name, HeaderValue::from_str(value).expect("a value"));
    }
    headers
}

fn now(world: &World) -> Now {
    Now {
        monotonic: world.machine.monotonic(),
        local: world.machine_wall(),
        corrected: world.true_time(),
    }
}

#[test]
fn the_gate_remembers_what_is_in_flight_and_what_was_proven_for_half_an_hour() {
    let world = World::with_skew(-2 * DAY);
    let gate = Gate::default();
    let signed_at = |world: &World| {
        let wall = chrono::DateTime::<chrono::Utc>::from(world.machine_wall());
        wall.format("%Y%m%dT%H%M%SZ").to_string()
    };
    let admit = |number| gate.admit(&headers(number, &signed_at(&world)), now(&world));
    let tickets: Vec<_> = (0..1_000).map(admit).collect();
    assert!(tickets.iter().all(Result::is_ok));
    assert_eq!(gate.len(), 1_000);
    for ticket in tickets.iter().flatten().take(10) {
        ticket.prove();
        ticket.prove();
    }
    drop(tickets);
    assert_eq!(gate.len(), 10);
    world.advance(minutes(30));
    drop(admit(2_000));
    assert_eq!(gate.len(), 10);
    world.advance(Duration::from_secs(1));
    drop(admit(2_001));
    assert_eq!(gate.len(), 0);
}

#[test]
fn the_gate_remembers_a_hundred_thousand_signatures_and_admits_no_more() {
    let world = World::with_skew(0);
    let gate = Gate::default();
    let signed_at = "20270116T080000Z";
    let admit = |number| gate.admit(&headers(number, signed_at), now(&world));
    for number in 0..MOST {
        admit(number).expect("there is room").prove();
    }
    assert_eq!(gate.len(), MOST);
    assert_eq!(admit(MOST).map(drop), Err(NotAdmitted::Full));
    // Those that are known are admitted as before, and the others later.
    assert!(admit(0).is_ok());
    world.advance(Duration::from_secs(3));
    assert_eq!(admit(0).map(drop), Err(NotAdmitted::Repeated));
    // A restored checkpoint: the monotonic clock goes back.
    let before = Now {
        monotonic: Duration::ZERO,
        ..now(&world)
    };
    let again = gate.admit(&headers(0, signed_at), before);
    assert_eq!(again.map(drop), Err(NotAdmitted::Repeated));
    assert_eq!(gate.len(), MOST);
}

fn parse(arguments: &[&str], variables: &[&str]) -> Result<Command, String> {
    let arguments = arguments.iter().map(|&argument| argument.to_owned());
    Command::parse(arguments, |name| {
        variables.contains(&name).then(|| "value".to_owned())
    })
}

#[test]
fn wrong_arguments_are_named_in_a_sentence() {
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    assert!(matches!(
        parse(&["8080", "http://127.0.0.1:9000"], &keys),
        Ok(Command::Run(_))
    ));
    for help in ["--help", "-h"] {
        assert!(matches!(parse(&[help], &[]), Ok(Command::Help)));
        assert!(matches!(parse(&["8080", help], &[]), Ok(Command::Help)));
    }
    let upstream = "http://127.0.0.1:9000";
    for (arguments, keys, message) in [
        (
            &[][..],
            &keys[..],
            "two arguments are needed: PORT, and http://UPSTREAM or `aws`; try --help",
        ),
        (
            &["eighty", upstream],
            &keys,
            "`eighty` is not a port of 127.0.0.1: write a number up to 65535",
        ),
        (
            &["0.0.0.0:8080", "aws"],
            &keys,
            "`0.0.0.0:8080` is not a port of 127.0.0.1: write a number up to 65535",
        ),
        (
            &["8080", "aws", "--ca-file"],
            &keys,
            "`--ca-file` needs a value; try --help",
        ),
        (
            &["8080", "aws", "--insecure"],
            &keys,
            "`--insecure` is no option; try --help",
        ),
        (
            &["8080", upstream, "--connect-to", "::127.0.0.1:8443"],
            &keys,
            "`--ca-file` and `--connect-to` are for the upstream `aws`",
        ),
        (
            &["8080", "aws", "--connect-to", "127.0.0.1:8443"],
            &keys,
            "`127.0.0.1:8443` is not HOST:PORT:ADDRESS:PORT: write --connect-to \
             sqs.us-east-1.amazonaws.com:443:127.0.0.1:8443",
        ),
        (
            &["8080", "aws"],
            &keys[1..],
            "the environment variable AWS_ACCESS_KEY_ID is not set",
        ),
        (
            &["65536", upstream],
            &keys,
            "`65536` is not a port of 127.0.0.1: write a number up to 65535",
        ),
        (
            &["8080", "https://sqs.us-east-1.amazonaws.com"],
            &keys,
            "`https://sqs.us-east-1.amazonaws.com` is https, and one upstream is reached by plain \
             HTTP only: write `aws` for the hosts of AWS",
        ),
        (
            &["8080", "127.0.0.1:9"],
            &keys,
            "`127.0.0.1:9` has no scheme: write http://127.0.0.1:9000",
        ),
        (
            &["8080", "/foo"],
            &keys,
            "`/foo` has no scheme: write http://127.0.0.1:9000",
        ),
        (
            &["8080", "ftp://127.0.0.1"],
            &keys,
            "`ftp://127.0.0.1` has no scheme: write http://127.0.0.1:9000",
        ),
        (
            &["8080", "http://"],
            &keys,
            "`http://` is not a URL: write http://127.0.0.1:9000",
        ),
        (
            &["8080", "http://127.0.0.1:9000/path"],
            &keys,
            "`http://127.0.0.1:9000/path` has a path, and a request keeps the path that was \
             signed: write http://127.0.0.1:9000",
        ),
        (
            &["8080", "http://localhost:8080"],
            &keys,
            "`http://localhost:8080` is this proxy itself",
        ),
        (
            &["8080", upstream],
            &keys[1..],
            "the environment variable AWS_ACCESS_KEY_ID is not set",
        ),
        (
            &["8080", upstream],
            &keys[..1],
            "the environment variable AWS_SECRET_ACCESS_KEY is not set",
        ),
    ] {
        assert_eq!(parse(arguments, keys).map(drop), Err(message.to_owned()));
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let other = other.expect("loopback can be bound");
    let port = other.local_addr().expect("it is bound").port();
    assert_eq!(
        skew_proxy::listen(port).await.map(drop),
        Err(format!(
            "port {port} of 127.0.0.1 is in use; choose another one, or 0 for any"
        ))
    );
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_named() {
    let nobody = skew_proxy::listen(0).await.expect("loopback can be bound");
    let upstream = format!("http://{}/", nobody.local_addr().expect("it is bound"));
    drop(nobody);
    let proxied = Proxied::before(0, Some(&upstream)).await;
    let answer = client().request(proxied.request("lost")).await;
    let answer = answer.expect("the proxy answers");
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    let body = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    let named = format!("no response from {upstream}: client error (Connect): ");
    assert!(body.starts_with(named.as_bytes()), "{body:?}");
    assert!(proxied.said()[0].starts_with(&named));
}
