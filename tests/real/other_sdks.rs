//! Botocore and the JavaScript SDK on a clock that is two hours wrong, with nothing
//! but the proxy example before the service.
//!
//! The proxy runs on the same clock: it is one machine.

use aws_clock_skew::{LocalClock, SystemClock};
use aws_clock_skew_endpoint::Endpoint;
use std::path::PathBuf;

use crate::program::{Clock, Program, example, on_clock, tools};
use crate::relay::Relay;
use crate::servers::{Make, Server};

#[derive(Clone, Copy, Debug)]
enum Sdk {
    Botocore,
    JavaScript,
}

impl Sdk {
    const BOTH: [Self; 2] = [Self::Botocore, Self::JavaScript];

    /// The program that makes calls of a service and says how many failed.
    fn command(self, clock: &Clock) -> tokio::process::Command {
        let script = |name: &str| {
            let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "real"]
                .iter()
                .collect();
            folder.join(name)
        };
        match self {
            Self::Botocore => {
                let mut command = on_clock(tools().join("python/bin/python"), clock);
                command.arg(script("calls.py"));
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

/// Runs an SDK's calls of a service, through a proxy on the same clock.
async fn calls(sdk: Sdk, service: &str, upstream: &str, offset: &'static str) {
    let clock = Clock::Fixed(offset);
    let mut proxy = on_clock(example("skew_proxy"), &clock);
    let mut proxy = Program::start(proxy.args(["0", upstream]));
    let line = proxy.until(" -> ").await;
    let url = line.split(" -> ").next().expect("before it");
    let said = Program::start(sdk.command(&clock).args([service, url]))
        .ends()
        .await;
    println!("{sdk:?}, {service}, {offset}: {said}");
    let last = said.lines().last().unwrap_or_default();
    let calls = last
        .strip_prefix("calls ")
        .and_then(|rest| rest.strip_suffix(", failed 0"));
    let calls: usize = calls
        .and_then(|count| count.parse().ok())
        .unwrap_or_default();
    assert!(calls >= 20, "{said}");
}

#[tokio::test]
#[ignore = "needs libfaketime, botocore and node: bash tests/real/install"]
async fn sqs_rejects_one_request_of_a_program_and_no_call_fails() {
    for sdk in Sdk::BOTH {
        for offset in ["-2h", "+2h"] {
            let endpoint = Endpoint::builder(|| SystemClock::new().wall())
                .start()
                .await;
            let endpoint = endpoint.expect("loopback can be bound");
            calls(sdk, "sqs", &endpoint.url(), offset).await;
            assert_eq!(endpoint.counts().rejected, 1, "{sdk:?} {offset}");
        }
    }
}

#[tokio::test]
#[ignore = "needs libfaketime, botocore, node and SeaweedFS: bash tests/real/install"]
async fn s3_rejects_one_request_of_a_program_and_no_call_fails() {
    let server = Server::start(Make::SeaweedFs).await;
    for sdk in Sdk::BOTH {
        for offset in ["-2h", "+2h"] {
            let relay = Relay::start(server.port).await;
            calls(sdk, "s3", &relay.url, offset).await;
            assert_eq!(relay.rejected(), 1, "{sdk:?} {offset}");
            assert!(relay.answers() > 20, "the relay counts");
        }
    }
}
