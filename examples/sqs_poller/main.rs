//! A queue poller as a service would have it, on a machine whose clock is wrong.
//!
//! ```text
//! cargo run --example sqs_poller
//! cargo run --example sqs_poller -- --without=native --no-date
//! cargo run --example sqs_poller -- --help
//! ```
//!
//! The three lines that a service needs are in `client.rs`; `poller.rs` is an
//! ordinary poller and knows nothing of them. `machine.rs` makes the clock wrong,
//! and `queue.rs` is the other side: an endpoint that verifies signatures, with a
//! producer that feeds it, or real AWS.

pub(crate) mod arguments;
mod client;
mod machine;
mod poller;
mod queue;
pub(crate) mod run;

use arguments::{Command, HELP};
use run::run;
use std::{env, error::Error, future, io, io::IsTerminal, process::ExitCode};
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    show_log_events();
    match start().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sqs_poller: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> Result<(), Box<dyn Error>> {
    match Command::parse(env::args().skip(1))? {
        Command::Help => println!("{}", HELP),
        Command::Run(arguments) => {
            let secret = aws_clock_skew_endpoint::SECRET_ACCESS_KEY;
            let summary = run(&arguments, secret, interrupted()).await?;
            println!("\n{summary}");
        }
    }
    Ok(())
}

/// Waits for Ctrl-C, or for ever where it cannot be waited for.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        future::pending().await
    }
}

/// Prints the log events of the crate between the other lines, and leaves its
/// metric events to those who collect metrics.
fn show_log_events() {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stdout)
        .with_ansi(io::stdout().is_terminal())
        // The time of a log line would be the machine's, which is not the one
        // that the example pretends to have.
        .without_time();
    let targets = Targets::new()
        .with_target("aws_clock_skew", Level::DEBUG)
        .with_target("aws_clock_skew::metrics", LevelFilter::OFF);
    tracing_subscriber::registry()
        .with(lines)
        .with(targets)
        .init();
}
