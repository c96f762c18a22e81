//! A reverse proxy that lets programs in any language work on a wrong clock.
//!
//! ```text
//! AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… \
//!     cargo run --example skew_proxy --features tower -- 8080 aws
//! aws --endpoint-url http://127.0.0.1:8080 sqs list-queues
//! ```
//!
//! Programs use `http://127.0.0.1:8080` as their endpoint URL and the same
//! credentials. The proxy proves their signatures, and signs for the host of AWS that
//! the scope of a signature names, at the correct time. With `http://127.0.0.1:9000` in
//! the place of `aws` there is one upstream (MinIO, LocalStack), and a request is
//! re-signed only if the clock that signed was wrong.
//!
//! Whoever reaches the proxy could have it re-sign requests that somebody kept, so it
//! listens on loopback only, and `gate.rs` tells which requests it re-signs. Others are
//! passed on to the one upstream as they came, and not sent to AWS.

#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic when nobody reads any more, such as `| head`"
)]

pub(crate) mod aws_host;
pub(crate) mod body;
pub(crate) mod connect;
pub(crate) mod gate;
pub(crate) mod proxy;
pub(crate) mod rejection;
pub(crate) mod settings;
pub(crate) mod signature;

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::ExitCode;

use aws_clock_skew::event::{EventKind, SkipReason};
use aws_clock_skew::{SkewClock, SkewEvent, SystemClock};
use proxy::Proxy;
use settings::{Command, Settings};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let settings = match Command::parse(env::args().skip(1), |name| env::var(name).ok()) {
        Ok(Command::Run(settings)) => settings,
        Ok(Command::Help) => {
            print(settings::help());
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            complain(problem);
            return ExitCode::from(2);
        }
    };
    match start(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            complain(problem);
            ExitCode::FAILURE
        }
    }
}

/// Listens on loopback, or says why that is not possible.
pub(crate) async fn listen(port: u16) -> Result<TcpListener, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    listener.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {port} of 127.0.0.1 is in use; choose another one, or 0 for any")
        }
        _ => format!("cannot listen on port {port} of 127.0.0.1: {error}"),
    })
}

async fn start(settings: Settings) -> Result<(), String> {
    let clock = SkewClock::builder()
        .on_event(|event| {
            if let Some(sentence) = sentence(event) {
                complain(sentence);
            }
        })
        .build();
    let listener = listen(settings.port).await?;
    let upstream = settings.upstream.clone();
    let proxy = Proxy::new(&clock, SystemClock::new(), settings, |line| complain(line))?;
    if let Ok(address) = listener.local_addr() {
        print(format_args!("http://{address} -> {upstream}"));
    }
    proxy.serve(listener).await;
    Ok(())
}

/// Says what an operator has to know of an event.
pub(crate) fn sentence(event: &SkewEvent) -> Option<String> {
    match event.kind() {
        // It is in the response, and no work for the proxy.
        EventKind::NotClockSkew { .. } => None,
        EventKind::ResendSkipped {
            reason: SkipReason::Proof,
            ..
        } => Some(format!(
            "{event}: it was signed with other credentials than the proxy has"
        )),
        EventKind::ResendSkipped { reason, .. } => Some(format!("{event}: {reason}")),
        _ => Some(event.to_string()),
    }
}

/// Whoever has read enough, such as `head`, is no reason to end.
fn print(line: impl Display) {
    drop(writeln!(io::stdout(), "{line}"));
}

fn complain(line: impl Display) {
    drop(writeln!(io::stderr(), "skew_proxy: {line}"));
}
