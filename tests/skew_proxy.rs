//! The example `skew_proxy`: programs that we did not write, on a wrong clock.

#![expect(clippy::expect_used, reason = "a test may panic")]

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use skew_proxy::proxy::Proxy;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::AbortHandle;

use crate::stack::{client, credentials, operation, signed};
use crate::world::{DAY, World};

#[expect(dead_code, reason = "what only the example's own `main` needs")]
#[path = "../examples/skew_proxy/main.rs"]
mod skew_proxy;
#[expect(dead_code, reason = "what the tests of the layers need")]
#[path = "tower/stack.rs"]
mod stack;
#[expect(dead_code, reason = "what other tests need")]
#[path = "sdk/world.rs"]
mod world;

/// An endpoint, a proxy before it on a machine two days behind, and its URL.
struct Proxied {
    world: World,
    endpoint: Endpoint,
    url: String,
    proxy: AbortHandle,
}

impl Proxied {
    async fn start() -> Self {
        let world = World::with_skew(-2 * DAY);
        let endpoint = Endpoint::builder(world.clock())
            .start()
            .await
            .expect("loopback can be bound");
        endpoint.feed("q", "first");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback can be bound");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let upstream = endpoint.url().parse().expect("a URL");
        let proxy = Proxy::new(
            &world.skew_clock(),
            world.machine.clone(),
            credentials(),
            upstream,
        );
        let proxy = tokio::spawn(proxy.serve(listener)).abort_handle();
        Self {
            world,
            endpoint,
            url,
            proxy,
        }
    }

    /// A request as a program on this machine signs it.
    fn request(&self, text: &str) -> Request<Full<Bytes>> {
        let queue = self.endpoint.queue_url("q");
        let body = format!(r#"{{"QueueUrl":"{queue}","MessageBody":"{text}"}}"#);
        let request = operation(&self.url, "AmazonSQS.SendMessage", body);
        signed(request, "sqs", &credentials(), self.world.machine_wall())
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> StatusCode {
        let answer = client().request(request).await;
        answer.expect("the proxy answers").status()
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        self.proxy.abort();
    }
}

#[tokio::test]
async fn programs_on_a_wrong_clock_work() {
    let proxied = Proxied::start().await;
    for number in 0..20 {
        let request = proxied.request(&number.to_string());
        assert_eq!(proxied.send(request).await, StatusCode::OK);
        proxied.world.advance(Duration::from_mins(5));
    }
    assert_eq!(proxied.endpoint.counts().rejected, 1);
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
async fn what_nobody_can_prove_passes_as_it_is() {
    let proxied = Proxied::start().await;
    assert_eq!(proxied.send(proxied.request("right")).await, StatusCode::OK);
    let mut wrong = proxied.request("wrong");
    *wrong.body_mut() = Full::from("{}");
    assert_eq!(proxied.send(wrong).await, StatusCode::FORBIDDEN);
    let mut unsigned = proxied.request("unsigned");
    unsigned.headers_mut().remove("authorization");
    assert!(proxied.send(unsigned).await.is_client_error());
    assert_eq!(proxied.endpoint.counts().accepted, 1);
}

const SCRIPT: &str = r#"
import sys, botocore.session
from botocore.config import Config
url, queue, key, secret = sys.argv[1:]
sqs = botocore.session.get_session().create_client(
    "sqs", region_name="us-east-1", endpoint_url=url,
    aws_access_key_id=key, aws_secret_access_key=secret,
    config=Config(retries={"max_attempts": 0}))
for number in range(10):
    sqs.send_message(QueueUrl=queue, MessageBody="message %d" % number)
got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
print("sent 10, received", len(got["Messages"]))
"#;

/// botocore corrects nothing by itself. Its clock is the real one, which is years
/// from the endpoint's.
#[tokio::test]
async fn botocore_works() {
    let python = std::env::var("AWS_CLOCK_SKEW_PYTHON").unwrap_or("python3".to_owned());
    let has_botocore = Command::new(&python)
        .args(["-c", "import botocore"])
        .stderr(Stdio::null())
        .status()
        .await;
    if !has_botocore.is_ok_and(|status| status.success()) {
        eprintln!("skipped: {python} has no botocore (pip install botocore)");
        return;
    }
    let proxied = Proxied::start().await;
    let queue = format!("{}/123456789012/q", proxied.url);
    let output = Command::new(&python)
        .args([
            "-c",
            SCRIPT,
            &proxied.url,
            &queue,
            ACCESS_KEY_ID,
            SECRET_ACCESS_KEY,
        ])
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .await
        .expect("python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complained}");
    assert!(said.starts_with("sent 10, received"), "{said}");
    assert_eq!(proxied.endpoint.counts().rejected, 1);
}
