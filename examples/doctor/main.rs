//! Compares this machine's clock with servers', and says what is wrong with it.
//!
//! ```text
//! cargo run --example doctor -- https://sts.amazonaws.com https://sqs.eu-west-1.amazonaws.com
//! cargo run --example doctor -- --watch=600 https://sts.amazonaws.com    # drift as well
//! cargo run --example doctor                 # offline: two servers here, and a clock 9 h behind
//! ```
//!
//! It asks without credentials (`HEAD /`); what counts is the `Date` of the answers.
//! For scripts it ends with 0 if calls to AWS can succeed by this clock, 1 if they
//! cannot, and 2 if that cannot be told.

pub(crate) mod asking;
pub(crate) mod finding;
#[expect(dead_code, reason = "what only the other example needs")]
#[path = "../sqs_poller/machine.rs"]
pub(crate) mod machine;
pub(crate) mod picture;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use aws_clock_skew::LocalClock;
use aws_clock_skew_endpoint::Endpoint;

use asking::{Range, Server, ask};
use finding::Finding;
use machine::{Machine, Skew, true_time};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match start(std::env::args().skip(1)).await {
        Ok(finding) => ExitCode::from(finding.exit_code()),
        Err(error) => {
            eprintln!("doctor: {error}");
            ExitCode::from(2)
        }
    }
}

async fn start(arguments: impl Iterator<Item = String>) -> Result<Finding, Box<dyn Error>> {
    let (mut urls, mut skew, mut watch) = (Vec::new(), None, None);
    for argument in arguments {
        match argument.split_once('=').unwrap_or((&argument, "")) {
            ("--skew", text) => skew = Some(Skew::parse(text).ok_or("--skew wants -9h, +20m, 0s")?),
            ("--watch", seconds) => watch = Some(Duration::from_secs(seconds.parse()?)),
            _ if argument.contains("://") => urls.push(argument),
            _ => return Err(format!("`{argument}` is neither a URL nor --watch=SECONDS").into()),
        }
    }
    // Two servers of our own, and a clock to find something wrong with.
    let mut own = Vec::new();
    if urls.is_empty() {
        for _ in 0..2 {
            own.push(Endpoint::builder(true_time).start().await?);
        }
        urls.extend(own.iter().map(Endpoint::url));
        skew = skew.or(Skew::parse("-9h"));
    }
    let machine = Machine::new(skew.unwrap_or(Skew::NONE));
    Ok(examine(&machine, &urls, watch, PAUSE).await)
}

/// Asks all servers, shows what they say, and returns what is to be made of it.
pub(crate) async fn examine(
    machine: &dyn LocalClock,
    urls: &[String],
    watch: Option<Duration>,
    pause: Duration,
) -> Finding {
    let servers = ask_all(machine, urls, pause).await;
    let mut drift = None;
    if let (Some(watch), Some(before)) = (watch, in_common(&servers)) {
        tokio::time::sleep(watch).await;
        let after = in_common(&ask_all(machine, urls, pause).await);
        drift = after.map(|after| finding::Drift::between(before, after, watch));
    }
    println!("{}", picture::table(&servers));
    println!("{}", picture::picture(&servers));
    let finding = Finding::of(&servers, in_common(&servers), machine.wall());
    for line in finding.in_words(drift) {
        println!("{line}");
    }
    finding
}

async fn ask_all(machine: &dyn LocalClock, urls: &[String], pause: Duration) -> Vec<Server> {
    let mut servers = Vec::new();
    for url in urls {
        servers.push(ask(machine, url, pause).await);
    }
    servers
}

/// Returns the offsets that fit all servers that have answered.
fn in_common(servers: &[Server]) -> Option<Range> {
    let mut ranges = servers.iter().filter_map(|server| server.range);
    let first = ranges.next()?;
    ranges.try_fold(first, Range::intersect)
}

/// Between two questions to a server, so that they fall into other parts of its
/// second.
const PAUSE: Duration = Duration::from_millis(300);
