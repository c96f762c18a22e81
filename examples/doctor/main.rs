//! Compares the local clock with the clocks of servers, or explains the text of an error.
//!
//! ```text
//! cargo run --example doctor -- --help
//! cargo run --example doctor -- https://sts.amazonaws.com https://sqs.eu-west-1.amazonaws.com
//! cargo run --example doctor -- --explain "Signature expired: 20160619T100249Z is now earlier than …"
//! cargo run --example doctor       # a demonstration: two servers here, and a clock 9 h behind
//! ```

pub(crate) mod arguments;
pub(crate) mod asking;
#[expect(dead_code, reason = "used by other examples")]
#[path = "../shared/command_line.rs"]
pub(crate) mod command_line;
pub(crate) mod explanation;
pub(crate) mod finding;
#[expect(dead_code, reason = "used by another example")]
#[path = "../sqs_poller/machine.rs"]
pub(crate) mod machine;
pub(crate) mod picture;

use std::error::Error;
use std::io::{IsTerminal, Read};
use std::process::ExitCode;
use std::time::Duration;

use aws_clock_skew::{LocalClock, SystemClock};
use aws_clock_skew_endpoint::Endpoint;

use arguments::{Command, HELP};
use asking::{Range, Server, ask};
use explanation::Explanation;
use finding::Finding;
use machine::{Machine, Skew, true_time};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    command_line::exit_on_failed_output();
    match start(std::env::args().skip(1)).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => command_line::fail(error),
    }
}

async fn start(arguments: impl Iterator<Item = String>) -> Result<u8, Box<dyn Error>> {
    match Command::parse(arguments)? {
        Command::Help => {
            println!("{HELP}");
            Ok(0)
        }
        Command::Explain(text) => {
            let text = text.map_or_else(read_standard_input, Ok)?;
            let explanation = Explanation::of(&text, &SystemClock::new());
            for line in explanation.lines() {
                println!("{line}");
            }
            Ok(explanation.exit_code())
        }
        Command::Examine {
            mut urls,
            mut skew,
            watch,
        } => {
            let mut servers = Vec::new();
            if urls.is_empty() {
                let simulated = skew.or(Skew::parse("-9h")).unwrap_or(Skew::NONE);
                println!("{}\n", demonstration(simulated));
                for _ in 0..2 {
                    servers.push(Endpoint::builder(true_time).start().await?);
                }
                urls.extend(servers.iter().map(Endpoint::url));
                skew = Some(simulated);
            }
            let machine = Machine::new(skew.unwrap_or(Skew::NONE));
            Ok(examine(&machine, &urls, watch, PAUSE).await.exit_code())
        }
    }
}

/// The introduction to a result that is not about the local clock.
fn demonstration(skew: Skew) -> String {
    let simulated = match skew {
        Skew::NONE => "correct".to_owned(),
        _ => skew.to_string(),
    };
    format!(
        "This is a demonstration, since there is no URL: two servers on loopback, and a simulated \
         clock that is {simulated}.\nIt does not check your clock. Try: doctor \
         https://sts.amazonaws.com"
    )
}

fn read_standard_input() -> std::io::Result<String> {
    if std::io::stdin().is_terminal() {
        eprintln!("Paste the error, and end with Ctrl-D.");
    }
    let mut text = Vec::new();
    std::io::stdin().take(TEXT).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Asks all servers, prints the results, and returns the finding.
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
    if servers.iter().any(|server| server.range.is_some()) {
        println!("{}", picture::picture(&servers));
    }
    let finding = Finding::of(&servers, in_common(&servers), machine.wall());
    for line in finding.lines(drift) {
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

/// Returns the range of offsets that fits all servers with an answer.
fn in_common(servers: &[Server]) -> Option<Range> {
    let mut ranges = servers.iter().filter_map(|server| server.range);
    let first = ranges.next()?;
    ranges.try_fold(first, Range::intersect)
}

/// The crate reads no more of an error.
const TEXT: u64 = 64 * 1024;

/// The pause between two requests to a server: they arrive in different parts of its second.
const PAUSE: Duration = Duration::from_millis(300);
