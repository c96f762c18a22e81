//! A service that polls a queue, on a machine whose clock is wrong.
//!
//! ```text
//! cargo run --example sqs_poller
//! cargo run --example sqs_poller -- --correction=sdk --no-date
//! cargo run --example sqs_poller -- --help
//! ```
//!
//! `client.rs` has the part that you need. `poller.rs` is an ordinary poller, and `machine.rs` makes the
//! clock wrong. `queue.rs` is the server: AWS, or an endpoint that verifies signatures, with a producer
//! of messages.

pub(crate) mod arguments;
mod client;
#[expect(dead_code, reason = "used by other examples")]
#[path = "../shared/command_line.rs"]
mod command_line;
mod machine;
mod poller;
mod queue;
pub(crate) mod run;

use arguments::{Command, HELP};
use run::run;
use std::{env, error::Error, future, io, io::IsTerminal, process::ExitCode};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    command_line::exit_on_failed_output();
    show_log_events();
    match start().await {
        Ok(code) => code,
        Err(error) => command_line::fail(error),
    }
}

async fn start() -> Result<ExitCode, Box<dyn Error>> {
    match Command::parse(env::args().skip(1))? {
        Command::Help => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Command::Run(arguments) => {
            let secret = aws_clock_skew_endpoint::SECRET_ACCESS_KEY;
            let summary = run(&arguments, secret, interrupted()).await?;
            println!("\n{summary}");
            Ok(summary.exit_code())
        }
    }
}

/// Waits for Ctrl-C, or for ever if the system has no such signal.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        future::pending().await
    }
}

/// Prints the log events of the crate, without its metric events.
fn show_log_events() {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stdout)
        .with_ansi(io::stdout().is_terminal())
        // The log would show the real local time, and not that of the example.
        .without_time();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER));
    tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .init();
}

const FILTER: &str = "aws_clock_skew=debug,aws_clock_skew::metrics=off";
