//! Through the proxy to the hosts of AWS, which TLS on loopback plays.

use std::time::Duration;

use aws_clock_skew::event::EventKind;
use aws_clock_skew::{ClockOffset, LocalClock, SkewClock, SystemClock};
use aws_clock_skew_endpoint::Endpoint;
use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_types::retry::RetryConfig;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};

use crate::aws::Aws;
use crate::server::Server;
use crate::skew_proxy::aws_host::{NoHost, SERVICES, Target};
use crate::skew_proxy::body::LARGEST;
use crate::skew_proxy::settings::Settings;
use crate::stack::{client, credentials, operation, signed};
use crate::world::{DAY, HOUR, MINUTE, World, shifted};
use crate::{Proxied, endpoint, settings};

const SQS: &str = "sqs.us-east-1.amazonaws.com";
const STS: &str = "sts.us-east-1.amazonaws.com";
const S3: &str = "s3.us-east-1.amazonaws.com";

fn port(url: &str) -> u16 {
    let url: Uri = url.parse().expect("a URL");
    url.port_u16().expect("it has one")
}

fn settings_for(aws: &Aws) -> Settings {
    let arguments = aws.arguments();
    settings(&arguments.each_ref().map(String::as_str))
}

/// A proxy before an endpoint that has the names of SQS and STS.
async fn proxied(skew: i64) -> (Proxied, Aws) {
    let world = World::with_skew(skew);
    let endpoint = endpoint(&world).await;
    let server = port(&endpoint.url());
    let aws = Aws::start(&[(SQS, server), (STS, server)]).await;
    let none = ClockOffset::from_millis(0);
    let proxied = Proxied::run(world, endpoint, none, settings_for(&aws)).await;
    (proxied, aws)
}

/// A request to STS as a program on this machine signs it.
fn who_am_i(proxied: &Proxied) -> Request<Full<Bytes>> {
    let form = "Action=GetCallerIdentity&Version=2011-06-15";
    let request = Request::post(&proxied.url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(form));
    let request = request.expect("a request");
    signed(request, "sts", &credentials(), proxied.world.machine_wall())
}

async fn answer(proxied: &Proxied, request: Request<Full<Bytes>>) -> (StatusCode, String) {
    assert_eq!(Some(port(&proxied.url)), request.uri().port_u16());
    let answer = client().request(request).await;
    let (head, body) = answer.expect("the proxy answers").into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    (head.status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn requests_reach_the_hosts_of_their_scopes_and_one_is_rejected() {
    for skew in [-2 * DAY, -2 * HOUR, 2 * HOUR, 9 * HOUR] {
        let (proxied, aws) = proxied(skew).await;
        for number in 0..20 {
            let message = proxied.request(&number.to_string());
            for request in [message, who_am_i(&proxied)] {
                let (status, body) = answer(&proxied, request).await;
                assert_eq!(status, StatusCode::OK, "{body}");
            }
            proxied.world.advance(Duration::from_mins(5));
        }
        assert_eq!(proxied.endpoint.counts().rejected, 1, "{skew}");
        assert_eq!(proxied.endpoint.counts().accepted, 40, "{skew}");
        assert_eq!(aws.names(), [SQS, STS]);
        let said = proxied.said();
        let [line] = &said[..] else {
            panic!("{said:?}");
        };
        assert!(line.starts_with("skew_detected: "), "{line}");
    }
}

#[tokio::test]
async fn a_correct_clock_costs_nothing() {
    let (proxied, _aws) = proxied(0).await;
    for request in [proxied.request("first"), who_am_i(&proxied)] {
        assert_eq!(proxied.send(request).await, StatusCode::OK);
    }
    assert_eq!(proxied.endpoint.counts().rejected, 0);
    assert_eq!(proxied.said(), [""; 0]);
}

/// It is more than the clock follows any host without TLS.
#[tokio::test]
async fn a_clock_that_is_100_days_behind_follows_the_host_of_aws() {
    let (proxied, _aws) = proxied(-100 * DAY).await;
    let (status, body) = answer(&proxied, proxied.request("first")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(proxied.endpoint.counts().rejected, 1);
}

#[tokio::test]
async fn a_host_that_is_not_aws_cannot_change_the_clock_after_its_confirmation() {
    let (proxied, _aws) = proxied(-2 * HOUR).await;
    for text in ["first", "second"] {
        let (status, body) = answer(&proxied, proxied.request(text)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    let offset = proxied.clock.status().offset();
    let elsewhere = proxied.world.clone();
    let other = Endpoint::builder(move || shifted(elsewhere.true_time(), 3 * HOUR));
    let other = other.start().await.expect("loopback can be bound");
    other.feed("q", "first");
    let layer = proxied.clock.layer(credentials());
    let body = format!(r#"{{"QueueUrl":"{}"}}"#, other.queue_url("q"));
    let request = operation(&other.url(), "AmazonSQS.ReceiveMessage", body);
    let request = signed(request, "sqs", &credentials(), proxied.world.machine_wall());
    let answer = layer
        .send(request, |request| client().request(request))
        .await;
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
    assert_eq!(proxied.clock.status().offset(), offset);
    let last = proxied.clock.status().last_event().cloned();
    let last = last.expect("there were events");
    assert!(matches!(last.kind(), EventKind::HostsDisagree), "{last}");
    let other = last.details().other_address.as_ref();
    assert_eq!(other.map(|name| name.to_string()).as_deref(), Some(SQS));
}

/// What is not the credentials' own does not reach AWS at all.
#[tokio::test]
async fn a_request_of_another_key_is_not_signed() {
    for skew in [-2 * HOUR, 0] {
        let (proxied, aws) = proxied(skew).await;
        let wall = proxied.world.machine_wall();
        let body = r#"{"QueueUrl":"q","MessageBody":"x"}"#.to_owned();
        let request = || operation(&proxied.url, "AmazonSQS.SendMessage", body.clone());
        let wrong_secret = Credentials::new(
            crate::ACCESS_KEY_ID,
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEZ",
            None,
            None,
            "test",
        );
        let wrong_key = Credentials::new("AKIAOTHER", crate::SECRET_ACCESS_KEY, None, None, "test");
        let mut others: Vec<_> = [wrong_secret, wrong_key]
            .iter()
            .map(|wrong| signed(request(), "sqs", wrong, wall))
            .collect();
        // And what was changed after it was signed.
        let right = signed(request(), "sqs", &credentials(), wall);
        let mut changed = right.clone();
        *changed.body_mut() = Full::from(r#"{"QueueUrl":"q","MessageBody":"y"}"#);
        others.push(changed);
        let mut changed = right.clone();
        let path = format!("{}/other", proxied.url);
        *changed.uri_mut() = path.parse().expect("a URL");
        others.push(changed);
        let mut changed = right.clone();
        let authorization = right.headers()["authorization"].to_str().expect("text");
        let authorization = authorization.replace("/sqs/", "/sns/");
        let authorization = HeaderValue::from_str(&authorization).expect("a value");
        changed.headers_mut().insert("authorization", authorization);
        others.push(changed);
        for (number, other) in others.into_iter().enumerate() {
            let (status, body) = answer(&proxied, other).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{number}: {body}");
            assert!(
                body.contains("its signature is not one of the credentials that the proxy has"),
                "{number}: {body}"
            );
        }
        assert_eq!(proxied.endpoint.counts().requests, 0);
        assert_eq!(aws.names(), [""; 0]);
        assert_eq!(proxied.gate.len(), 0);
        assert_eq!(proxied.said().len(), 5);
    }
}

#[tokio::test]
async fn a_request_that_was_kept_is_not_signed_for_aws() {
    let (proxied, _aws) = proxied(-2 * HOUR).await;
    let sent = proxied.request("sent");
    assert_eq!(proxied.send(sent.clone()).await, StatusCode::OK);
    // Equal calls of one second have one signature.
    assert_eq!(proxied.send(sent.clone()).await, StatusCode::OK);
    proxied.world.advance(Duration::from_secs(4));
    let requests = proxied.endpoint.counts().requests;
    let wall = proxied.world.machine_wall();
    for (request, reason) in [
        (sent, "its signature came more than two seconds ago"),
        (
            proxied.request_at("old", shifted(wall, -16 * MINUTE)),
            "it was signed more than 15 minutes from the local time",
        ),
        (
            proxied.request_at("early", shifted(wall, 16 * MINUTE)),
            "it was signed more than 15 minutes from the local time",
        ),
    ] {
        let (status, body) = answer(&proxied, request).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(body.contains(reason), "{body}");
    }
    assert_eq!(proxied.endpoint.counts().requests, requests);
}

/// Another server that was sent a request could pass it to the proxy.
#[tokio::test]
async fn a_request_that_was_signed_for_another_host_is_not_signed_for_aws() {
    let (proxied, aws) = proxied(0).await;
    for url in [
        "http://minio.example:9000",
        "http://127.0.0.1:9000",
        "https://sqs.us-east-1.amazonaws.com",
        "http://127.0.0.1",
    ] {
        let body = r#"{"QueueUrl":"q","MessageBody":"x"}"#.to_owned();
        let request = operation(url, "AmazonSQS.SendMessage", body);
        let mut request = signed(request, "sqs", &credentials(), proxied.world.machine_wall());
        let host = request.uri().authority().expect("it has one").to_string();
        let value = HeaderValue::from_str(&host).expect("a value");
        request.headers_mut().insert("host", value);
        *request.uri_mut() = proxied.url.parse().expect("a URL");
        let (status, body) = answer(&proxied, request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let reason = format!("it was signed for `{host}`, which is not this proxy's own address");
        assert!(body.contains(&reason), "{body}");
    }
    assert_eq!(aws.names(), [""; 0]);
}

/// In the form in which each protocol's clients read an error.
#[tokio::test]
async fn what_the_proxy_does_not_serve_is_named_in_a_sentence() {
    let (proxied, aws) = proxied(0).await;
    let wall = proxied.world.machine_wall();
    let plain = || Request::put(format!("{}/b/k", proxied.url));
    let empty = |builder: http::request::Builder| builder.body(Full::default()).expect("a request");
    let unsigned = empty(plain());
    let unknown = signed(empty(plain()), "execute-api", &credentials(), wall);
    let chunked = plain().header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    let chunked = signed(empty(chunked), "s3", &credentials(), wall);
    let json = operation(&proxied.url, "X.Y", "{}".to_owned());
    let json = signed(json, "bedrock", &credentials(), wall);
    for (request, status, sentence) in [
        (
            unsigned,
            StatusCode::FORBIDDEN,
            "<ErrorResponse><Error><Code>SkewProxyError</Code><Message>skew_proxy does not send \
             this request: it has no SigV4 signature in its headers</Message></Error>\
             </ErrorResponse>",
        ),
        (
            unknown,
            StatusCode::BAD_REQUEST,
            "<ErrorResponse><Error><Code>SkewProxyError</Code><Message>skew_proxy does not send \
             this request: the proxy knows no endpoint of the service `execute-api` in \
             us-east-1; --help lists the services</Message></Error></ErrorResponse>",
        ),
        (
            chunked,
            StatusCode::BAD_REQUEST,
            "<Error><Code>SkewProxyError</Code><Message>skew_proxy does not send this request: \
             its body is signed in chunks or events, which only the program itself can do; S3 \
             clients have a setting for that, such as `chunkedEncodingEnabled(false)`</Message>\
             </Error>",
        ),
        (
            json,
            StatusCode::BAD_REQUEST,
            "{\"__type\":\"SkewProxyError\",\"message\":\"skew_proxy does not send this request: \
             the proxy knows no endpoint of the service `bedrock` in us-east-1; --help lists the \
             services\"}",
        ),
    ] {
        assert_eq!(
            answer(&proxied, request).await,
            (status, sentence.to_owned())
        );
    }
    assert_eq!(aws.names(), [""; 0]);
}

/// Another authority, and a certificate of the right one for another name.
#[tokio::test]
async fn a_certificate_that_is_not_the_hosts_own_is_not_accepted() {
    let other = Aws::start(&[(SQS, 9)]).await;
    let world = World::with_skew(0);
    let endpoint = endpoint(&world).await;
    let aws = Aws::start(&[(STS, port(&endpoint.url()))]).await;
    let mut arguments = aws.arguments();
    arguments[2] = other.ca_file.display().to_string();
    let arguments = arguments.each_ref().map(String::as_str);
    let none = ClockOffset::from_millis(0);
    let proxied = Proxied::run(world, endpoint, none, settings(&arguments)).await;
    let (status, wrong_authority) = answer(&proxied, who_am_i(&proxied)).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    let named = format!("no response from https://{STS}/: client error (Connect): ");
    assert!(wrong_authority.starts_with(&named), "{wrong_authority}");
    // The two authorities have one name and different keys.
    let reason = "invalid peer certificate: BadSignature";
    assert!(wrong_authority.contains(reason), "{wrong_authority}");
    assert_eq!(proxied.endpoint.counts().requests, 0);

    let world = World::with_skew(0);
    let endpoint = crate::endpoint(&world).await;
    let proxied = Proxied::run(world, endpoint, none, settings_for(&aws)).await;
    let (status, wrong_name) = answer(&proxied, proxied.request("lost")).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(wrong_name.contains("not valid for name"), "{wrong_name}");
    assert_eq!(aws.names(), [""; 0]);
}

#[test]
fn a_file_without_certificates_is_named_at_the_start() {
    let empty = "Cargo.toml";
    for (file, sentence) in [
        (empty, "`Cargo.toml` has no certificate in PEM"),
        ("no/such/file", "`no/such/file` cannot be read: "),
    ] {
        let settings = settings(&["aws", "--ca-file", file]);
        let clock = SkewClock::new();
        let local = SystemClock::new();
        let proxy = crate::Proxy::new(&clock, local, settings, |_| {});
        let problem = proxy.map(drop).expect_err("it has no certificates");
        assert!(problem.starts_with(sentence), "{problem}");
    }
}

fn host_of(scope: (&str, &str), host: &str, path: &str) -> Result<(String, String), NoHost> {
    let path = path.parse().expect("a path");
    let target = Target::of(scope, host, 8080, &path)?;
    Ok((target.host, target.path.to_string()))
}

#[test]
fn buckets_are_in_the_path_or_before_the_host() {
    for (host, expected) in [
        ("127.0.0.1:8080", (S3, "/bucket/key?x=1")),
        ("localhost:8080", (S3, "/bucket/key?x=1")),
        ("LOCALHOST:8080", (S3, "/bucket/key?x=1")),
        ("[::1]:8080", (S3, "/bucket/key?x=1")),
        (
            "photos.localhost:8080",
            ("photos.s3.us-east-1.amazonaws.com", "/bucket/key?x=1"),
        ),
        // The certificate covers one label.
        (
            "my.photos.localhost:8080",
            (S3, "/my.photos/bucket/key?x=1"),
        ),
    ] {
        let found = host_of(("s3", "us-east-1"), host, "/bucket/key?x=1");
        let (host, path) = expected;
        assert_eq!(found, Ok((host.to_owned(), path.to_owned())));
    }
    for host in ["photos.localhost:8080", "x@127.0.0.1:8080", "localhost", ""] {
        let found = host_of(("sqs", "us-east-1"), host, "/");
        assert_eq!(found, Err(NoHost::SignedFor(host.to_owned())));
    }
}

#[test]
fn a_scope_that_names_no_region_or_no_known_service_has_no_host() {
    for region in [
        "",
        "us",
        "us-east-1.evil.example",
        "us-east-1/",
        "us east-1",
        "US-EAST-1",
        "us-east-12",
        "us-east-x",
        "a-b-c-d-1",
        "aws-global",
        "*",
    ] {
        let found = host_of(("sqs", region), "127.0.0.1:8080", "/");
        assert!(
            matches!(found, Err(NoHost::Region(_))),
            "{region}: {found:?}"
        );
    }
    for service in [
        "",
        "evil.example/",
        "execute-api",
        "iotdata",
        "SQS",
        "sqs acm",
        "s3express",
    ] {
        let found = host_of((service, "us-east-1"), "127.0.0.1:8080", "/");
        assert!(
            matches!(found, Err(NoHost::Service(..))),
            "{service}: {found:?}"
        );
    }
}

/// The endpoint rules of the SDK's own crates are the reference.
#[tokio::test]
async fn hosts_are_those_of_the_sdk_in_every_partition() {
    for region in [
        "us-east-1",
        "eu-west-1",
        "ap-southeast-5",
        "us-gov-west-1",
        "cn-north-1",
        "eusc-de-east-1",
        "us-iso-east-1",
        "us-isob-east-1",
        "eu-isoe-west-1",
        "us-isof-south-1",
    ] {
        macro_rules! of_the_sdk {
            ($service:ident) => {{
                use $service::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
                let params = Params::builder().region(region.to_owned()).build();
                let params = params.expect("a region");
                let resolver = DefaultResolver::new();
                let endpoint = resolver.resolve_endpoint(&params).await;
                endpoint.expect("an endpoint").url().to_owned()
            }};
        }
        for (service, url) in [
            ("sqs", of_the_sdk!(aws_sdk_sqs)),
            ("sts", of_the_sdk!(aws_sdk_sts)),
            ("s3", of_the_sdk!(aws_sdk_s3)),
            ("kms", of_the_sdk!(aws_sdk_kms)),
            ("dynamodb", of_the_sdk!(aws_sdk_dynamodb)),
            ("polly", of_the_sdk!(aws_sdk_polly)),
            ("monitoring", of_the_sdk!(aws_sdk_cloudwatch)),
        ] {
            assert!(SERVICES.split_whitespace().any(|known| known == service));
            let (host, _) = host_of((service, region), "127.0.0.1:8080", "/").expect("a host");
            assert_eq!(format!("https://{host}"), url);
        }
    }
}

/// The SDK as a program that knows nothing of the proxy.
fn s3_client(url: &str, world: &World) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(credentials())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .time_source(world.clone())
        .retry_config(RetryConfig::disabled())
        .force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}

/// A machine in the real time, by which the S3 server goes.
fn real_world(skew: i64) -> World {
    let world = World::with_skew(0);
    let real = SystemClock::new().wall();
    world.machine.set_wall(shifted(real, skew));
    world
}

/// A proxy before an S3 server with a bucket, which has the name of AWS's.
async fn before_s3(skew: i64) -> (Proxied, Server, Aws) {
    let server = Server::start(false).await;
    let client = s3_client(&server.url, &real_world(0));
    let create = client.create_bucket().bucket("bucket").send().await;
    create.expect("the bucket is made");
    let aws = Aws::start(&[(S3, port(&server.url))]).await;
    let world = real_world(skew);
    let endpoint = endpoint(&world).await;
    let none = ClockOffset::from_millis(0);
    let proxied = Proxied::run(world, endpoint, none, settings_for(&aws)).await;
    (proxied, server, aws)
}

#[tokio::test]
async fn s3_rejects_one_request_and_no_call_fails() {
    for skew in [-2 * HOUR, 2 * HOUR] {
        let (proxied, server, aws) = before_s3(skew).await;
        let client = s3_client(&proxied.url, &proxied.world);
        for key in [
            "plain",
            "with space/and + & = ?",
            "äöü/日本語",
            "percent%20%2F",
        ] {
            let put = client.put_object().bucket("bucket").key(key);
            let put = put.body(ByteStream::from_static(b"hello")).send().await;
            put.unwrap_or_else(|error| panic!("{key}: {error:?}"));
            let got = client.get_object().bucket("bucket").key(key).send().await;
            let got = got.expect("it is there").body.collect().await;
            assert_eq!(got.expect("a body").to_vec(), b"hello", "{key}");
        }
        let listed = client.list_objects_v2().bucket("bucket").send().await;
        assert_eq!(listed.expect("a list").contents().len(), 4);
        assert_eq!(server.rejected(), 1, "{skew}");
        assert_eq!(server.requests(), 11, "{skew}");
        assert_eq!(aws.names(), [S3]);
    }
}

/// What is longer than the proxy keeps is passed on as it comes, with a new signature. It is
/// sent once: the first one only shows that the clock is wrong. The SDK then signs by the
/// time of that response, by which the proxy has to go, too.
#[tokio::test]
async fn a_long_body_is_streamed() {
    let (proxied, server, _aws) = before_s3(-2 * HOUR).await;
    let client = s3_client(&proxied.url, &proxied.world);
    let long = vec![7; LARGEST + 1];
    let mut succeeded = Vec::new();
    for _ in 0..2 {
        let put = client.put_object().bucket("bucket").key("long");
        let put = put.body(long.clone().into()).send().await;
        succeeded.push(put.is_ok());
    }
    assert_eq!(succeeded, [false, true]);
    let got = client
        .get_object()
        .bucket("bucket")
        .key("long")
        .send()
        .await;
    let got = got.expect("it is there").body.collect().await;
    assert!(got.expect("a body").to_vec() == long);
    assert_eq!(server.rejected(), 1);
    let said = proxied.said();
    assert!(said[0].starts_with("resend_skipped: "), "{said:?}");
}
