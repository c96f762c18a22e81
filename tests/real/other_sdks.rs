//! Botocore, the AWS CLI and the JavaScript SDK on a clock that is two hours wrong, with
//! nothing but the proxy example before the service.
//!
//! The proxy runs on the same clock: it is one machine.

use std::fmt::Display;
use std::path::PathBuf;
use std::{env, fs};

use aws_clock_skew::{LocalClock, SystemClock};
use aws_clock_skew_endpoint::Endpoint;

use crate::aws::Aws;
use crate::aws_host::{ONE_HOST, OTHER_LABELS, SERVICES, Target};
use crate::program::{Clock, Program, alone, example, on_clock, tools};
use crate::relay::Relay;
use crate::servers::{Make, Server};

#[derive(Clone, Copy, Debug)]
enum Sdk {
    Botocore,
    Cli,
    JavaScript,
}

/// Where the proxy sends to.
#[derive(Clone, Copy, Debug)]
enum Upstream {
    /// Over plain HTTP.
    One,
    /// To the names of AWS.
    Aws,
}

impl Sdk {
    const ALL: [Self; 3] = [Self::Botocore, Self::Cli, Self::JavaScript];

    /// As the page names it.
    const fn name(self) -> &'static str {
        match self {
            Self::Botocore => "botocore",
            Self::Cli => "AWS CLI",
            Self::JavaScript => "JavaScript",
        }
    }

    /// The program that makes calls of a service and says how many failed.
    fn command(self, clock: &Clock) -> tokio::process::Command {
        let script = |name: &str| -> PathBuf {
            [env!("CARGO_MANIFEST_DIR"), "tests", "real", name]
                .iter()
                .collect()
        };
        let python = tools().join("python/bin");
        match self {
            Self::Botocore => {
                let mut command = on_clock(python.join("python"), clock);
                command.arg(script("calls.py"));
                command
            }
            Self::Cli => {
                let mut command = on_clock("bash", clock);
                let others = env::var_os("PATH").unwrap_or_default();
                let path = [python].into_iter().chain(env::split_paths(&others));
                command
                    .arg(script("calls.sh"))
                    .env("PATH", env::join_paths(path).expect("a path"));
                command
            }
            Self::JavaScript => {
                let mut command = on_clock("node", clock);
                command
                    .arg(script("calls.cjs"))
                    .env("NODE_PATH", tools().join("node_modules"));
                command
            }
        }
    }
}

impl Upstream {
    /// As the page names it.
    const fn name(self) -> &'static str {
        match self {
            Self::One => "one, plain HTTP",
            Self::Aws => "AWS's names, TLS",
        }
    }

    /// Runs an SDK's calls of a service through a proxy on the same clock, before a plain
    /// server on loopback. Returns how many calls it made; none failed.
    async fn calls(self, sdk: Sdk, service: &str, port: u16, offset: &'static str) -> usize {
        let clock = Clock::Fixed(offset);
        let host = format!("{service}.us-east-1.amazonaws.com");
        let aws = Aws::start(&[(&host, port)]).await;
        let mut proxy = on_clock(example("skew_proxy"), &clock);
        proxy.arg("0");
        match self {
            Self::One => proxy.arg(format!("http://127.0.0.1:{port}")),
            Self::Aws => proxy.args(aws.arguments()),
        };
        let mut proxy = Program::start(&mut proxy);
        let line = proxy.until(" -> ").await;
        let url = line.split(" -> ").next().expect("before it");
        let queues = match self {
            Self::One => url.to_owned(),
            Self::Aws => format!("https://{host}"),
        };
        let said = Program::start(sdk.command(&clock).args([service, url, &queues]))
            .ends()
            .await;
        println!("{sdk:?}, {service}, {self:?}, {offset}: {said}");
        let last = said.lines().last().unwrap_or_default();
        let calls = last
            .strip_prefix("calls ")
            .and_then(|rest| rest.strip_suffix(", failed 0"));
        let calls = calls.and_then(|count| count.parse().ok());
        match self {
            Self::One => assert!(aws.names().is_empty()),
            Self::Aws => assert_eq!(aws.names(), [host]),
        }
        calls.unwrap_or_else(|| panic!("{said}"))
    }
}

#[track_caller]
fn is_as_on_the_page(
    sdk: Sdk,
    service: &str,
    upstream: Upstream,
    calls: usize,
    rejected: impl Display,
) {
    let (name, upstream) = (sdk.name(), upstream.name());
    let row = format!("| {name} | {service} | {upstream} | {calls} | {rejected} | 0 |");
    let page = [env!("CARGO_MANIFEST_DIR"), "docs", "interop.md"];
    let page = fs::read_to_string(page.iter().collect::<PathBuf>()).expect("the page");
    assert!(page.contains(&row), "{row}");
}

async fn endpoint() -> (Endpoint, u16) {
    let endpoint = Endpoint::builder(|| SystemClock::new().wall())
        .start()
        .await;
    let endpoint = endpoint.expect("loopback can be bound");
    let url = endpoint.url();
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
    (endpoint, port.expect("it has one"))
}

/// SQS and STS.
async fn the_endpoint_rejects_one_request(service: &str, upstream: Upstream) {
    for sdk in Sdk::ALL {
        for offset in ["-2h", "+2h"] {
            let (endpoint, port) = endpoint().await;
            let calls = upstream.calls(sdk, service, port, offset).await;
            let counts = endpoint.counts();
            assert_eq!(endpoint.requests_log().len(), calls + 1, "{counts:?}");
            let name = service.to_uppercase();
            is_as_on_the_page(sdk, &name, upstream, calls, counts.rejected);
        }
    }
}

async fn the_s3_server_rejects_one_request(upstream: Upstream) {
    let server = Server::start(Make::SeaweedFs).await;
    for sdk in Sdk::ALL {
        for offset in ["-2h", "+2h"] {
            let relay = Relay::start(server.port).await;
            let port = relay
                .url
                .rsplit(':')
                .next()
                .and_then(|port| port.parse().ok());
            let calls = upstream
                .calls(sdk, "s3", port.expect("a port"), offset)
                .await;
            assert!(relay.answers() >= calls, "the relay counts");
            is_as_on_the_page(sdk, "S3 (SeaweedFS)", upstream, calls, relay.rejected());
        }
    }
}

#[tokio::test]
#[ignore = "needs libfaketime, botocore, the AWS CLI and node: bash tests/real/install"]
async fn sqs_rejects_one_request_of_a_program_and_no_call_fails() {
    the_endpoint_rejects_one_request("sqs", Upstream::One).await;
}

#[tokio::test]
#[ignore = "needs libfaketime, botocore, the AWS CLI and node: bash tests/real/install"]
async fn sts_rejects_one_request_of_a_program_and_no_call_fails() {
    the_endpoint_rejects_one_request("sts", Upstream::One).await;
}

#[tokio::test]
#[ignore = "needs libfaketime, botocore, the AWS CLI, node and SeaweedFS: bash tests/real/install"]
async fn s3_rejects_one_request_of_a_program_and_no_call_fails() {
    the_s3_server_rejects_one_request(Upstream::One).await;
}

#[tokio::test]
#[ignore = "needs libfaketime, botocore, the AWS CLI and node: bash tests/real/install"]
async fn sqs_with_the_names_of_aws_rejects_one_request_and_no_call_fails() {
    the_endpoint_rejects_one_request("sqs", Upstream::Aws).await;
}

#[tokio::test]
#[ignore = "needs libfaketime, botocore, the AWS CLI and node: bash tests/real/install"]
async fn sts_with_the_names_of_aws_rejects_one_request_and_no_call_fails() {
    the_endpoint_rejects_one_request("sts", Upstream::Aws).await;
}

#[tokio::test]
#[ignore = "needs libfaketime, botocore, the AWS CLI, node and SeaweedFS: bash tests/real/install"]
async fn s3_with_the_names_of_aws_rejects_one_request_and_no_call_fails() {
    the_s3_server_rejects_one_request(Upstream::Aws).await;
}

/// Botocore's own endpoint rules are the reference, for every service that the proxy knows.
#[tokio::test]
#[ignore = "needs botocore: bash tests/real/install"]
async fn the_hosts_of_services_are_those_of_botocore() {
    let everywhere = [
        "us-east-1",
        "eu-west-1",
        "us-gov-west-1",
        "cn-north-1",
        "eusc-de-east-1",
    ];
    let root = "/".parse().expect("a path");
    let host_of = |service, region| {
        let target = Target::of((service, region), "127.0.0.1:1", 1, &root);
        let host = target.expect("it is known").host;
        format!("{service}/{region}={host}")
    };
    let others = OTHER_LABELS.map(|(service, _)| service);
    let mut hosts: Vec<_> = SERVICES
        .split_whitespace()
        .chain(others)
        .flat_map(|service| everywhere.map(|region| host_of(service, region)))
        .collect();
    hosts.extend(ONE_HOST.map(|(service, region, _)| host_of(service, region)));
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "real", "hosts.py"]
        .iter()
        .collect();
    let mut python = alone(tools().join("python/bin/python"));
    let said = Program::start(python.arg(script).args(hosts)).ends().await;
    println!("{said}");
    assert!(said.ends_with(", different 0"), "{said}");
}
