//! The example `sqs_poller`, with the arguments of `examples/README.md`.
#![cfg(feature = "sdk")]

use aws_clock_skew_endpoint::SECRET_ACCESS_KEY;
use sqs_poller::{
    arguments::{Arguments, Command},
    run::{Summary, run},
};
use std::{future, process::ExitCode};

#[expect(dead_code, reason = "used by the example's `main`")]
#[path = "../examples/sqs_poller/main.rs"]
mod sqs_poller;

#[tokio::test]
async fn a_machine_two_days_behind_receives_everything_after_one_rejection() {
    one_rejection_and_no_failure(&[]).await;
}

#[tokio::test]
async fn the_error_message_is_enough_if_the_server_sends_no_date() {
    one_rejection_and_no_failure(&["--no-date"]).await;
}

#[tokio::test]
async fn a_machine_twenty_minutes_behind_receives_everything_after_one_rejection() {
    one_rejection_and_no_failure(&["--skew=-20m"]).await;
}

#[tokio::test]
async fn a_machine_twenty_minutes_ahead_receives_everything_after_one_rejection() {
    one_rejection_and_no_failure(&["--skew=+20m"]).await;
}

#[tokio::test]
async fn a_machine_nine_years_behind_receives_everything_after_one_rejection() {
    one_rejection_and_no_failure(&["--skew=-3285d"]).await;
}

#[tokio::test]
async fn a_machine_nine_hours_ahead_receives_everything_after_one_rejection() {
    one_rejection_and_no_failure(&["--skew=+9h"]).await;
}

#[tokio::test]
async fn a_machine_whose_clock_is_correct_is_never_rejected() {
    let summary = poll(&["--skew=0s"], SECRET_ACCESS_KEY).await;
    assert_eq!(
        (summary.rejected, summary.tally.failed),
        (Some(0), 0),
        "{summary}"
    );
    assert_eq!(summary.tally.messages, 20);
}

#[tokio::test]
async fn the_sdks_own_correction_fails_every_call_without_a_date() {
    every_call_fails(&["--correction=sdk", "--no-date"], SECRET_ACCESS_KEY).await;
}

#[tokio::test]
async fn a_client_without_any_correction_fails_every_call() {
    every_call_fails(&["--correction=none"], SECRET_ACCESS_KEY).await;
}

#[tokio::test]
async fn a_secret_that_is_wrong_by_one_byte_fails_every_call() {
    let (last, rest) = SECRET_ACCESS_KEY.as_bytes().split_last().unwrap();
    let wrong = [rest, &[last ^ 1]].concat();
    let summary = every_call_fails(&[], str::from_utf8(&wrong).unwrap()).await;
    // The first request is rejected for its time, and its resend for its signature.
    assert_eq!(summary.rejected, Some(summary.tally.calls + 1), "{summary}");
}

#[tokio::test]
async fn a_poller_that_is_told_to_stop_ends_between_two_polls() {
    let arguments = arguments(&[]);
    let summary = run(&arguments, SECRET_ACCESS_KEY, future::ready(()));
    let summary = summary.await.unwrap();
    assert_eq!(
        summary.to_string(),
        "calls 0, rejected by the server 0, failed 0"
    );
}

#[track_caller]
fn assert_rejected_once(summary: Summary) {
    assert_eq!(
        (summary.rejected, summary.tally.failed),
        (Some(1), 0),
        "{summary}"
    );
    assert_eq!(summary.tally.messages, 20);
    assert_eq!(summary.exit_code(), ExitCode::SUCCESS);
}

async fn one_rejection_and_no_failure(command_line: &[&str]) {
    assert_rejected_once(poll(command_line, SECRET_ACCESS_KEY).await);
}

async fn every_call_fails(command_line: &[&str], secret: &str) -> Summary {
    let summary = poll(command_line, secret).await;
    assert!(summary.tally.calls > 0, "{summary}");
    assert_eq!(summary.tally.failed, summary.tally.calls, "{summary}");
    assert_eq!(summary.exit_code(), ExitCode::FAILURE);
    summary
}

async fn poll(command_line: &[&str], secret: &str) -> Summary {
    let arguments = arguments(command_line);
    let summary = run(&arguments, secret, future::pending());
    #[expect(
        clippy::unwrap_used,
        reason = "a helper of tests: no endpoint, no test"
    )]
    summary.await.unwrap()
}

fn arguments(command_line: &[&str]) -> Arguments {
    let command_line = command_line.iter().map(|&argument| argument.to_owned());
    match Command::parse(command_line) {
        Ok(Command::Run(arguments)) => arguments,
        other => panic!("no run: {other:?}"),
    }
}
