//! The command line.

use super::machine::Skew;
use std::{error, fmt};

/// What the program does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    Run(Arguments),
    Help,
}

impl Command {
    /// Parses the arguments after the name of the program.
    pub(crate) fn parse(
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<Self, ArgumentError> {
        let mut skew = None;
        let mut correction = Correction::Crate;
        let mut no_date = false;
        let mut queue_url = None;
        for argument in arguments {
            match argument.split_once('=').unwrap_or((&argument, "")) {
                ("--help" | "-h", "") => return Ok(Self::Help),
                ("--no-date", "") => no_date = true,
                ("--skew", text) => match Skew::parse(text) {
                    Some(parsed) => skew = Some(parsed),
                    None => return Err(ArgumentError::NotASkew(text.to_owned())),
                },
                ("--correction", "crate") => correction = Correction::Crate,
                ("--correction", "sdk") => correction = Correction::Sdk,
                ("--correction", "none") => correction = Correction::None,
                ("--correction", name) => {
                    return Err(ArgumentError::NotACorrection(name.to_owned()));
                }
                ("--queue-url", url) if is_queue_url(url) => queue_url = Some(url.to_owned()),
                ("--queue-url", url) => return Err(ArgumentError::NotAQueue(url.to_owned())),
                _ => return Err(ArgumentError::Unknown(argument)),
            }
        }
        if no_date && queue_url.is_some() {
            return Err(ArgumentError::DateOfAws);
        }
        let default_skew = if queue_url.is_some() {
            Skew::NONE
        } else {
            Skew::TWO_DAYS_BEHIND
        };
        Ok(Self::Run(Arguments {
            skew: skew.unwrap_or(default_skew),
            correction,
            no_date,
            queue_url,
        }))
    }
}

/// Returns whether a text is a URL with a host and a path.
fn is_queue_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or(text.strip_prefix("http://"));
    let parts = rest.and_then(|rest| rest.split_once('/'));
    parts.is_some_and(|(host, path)| !host.is_empty() && !path.is_empty())
}

/// The options of a run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Arguments {
    /// How far the local clock is off.
    pub(crate) skew: Skew,
    pub(crate) correction: Correction,
    /// The embedded endpoint sends no `Date` header.
    pub(crate) no_date: bool,
    /// A queue at AWS, instead of the embedded endpoint.
    pub(crate) queue_url: Option<String>,
}

/// What corrects clock skew.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Correction {
    /// This crate.
    Crate,
    /// The SDK's own correction.
    Sdk,
    /// Nothing: the SDK's own correction is disabled.
    None,
}

/// An argument that cannot be understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ArgumentError {
    Unknown(String),
    NotASkew(String),
    NotACorrection(String),
    NotAQueue(String),
    DateOfAws,
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(argument) => write!(f, "cannot understand `{argument}`; try --help"),
            Self::NotASkew(text) => write!(
                f,
                "cannot understand the offset `{text}`: write --skew=-2d, --skew=-20m, --skew=+20m, \
                 --skew=9h or --skew=30s, and no more than ten years"
            ),
            Self::NotACorrection(name) => write!(
                f,
                "`{name}` is not a correction: write --correction=crate, --correction=sdk or \
                 --correction=none"
            ),
            Self::NotAQueue(url) => write!(
                f,
                "`{url}` is not a queue URL: write \
                 --queue-url=https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"
            ),
            Self::DateOfAws => {
                f.write_str("--no-date is only for the endpoint on loopback, not for --queue-url")
            }
        }
    }
}

impl error::Error for ArgumentError {}

pub(crate) const HELP: &str = "\
Polls an SQS queue on a machine whose clock is wrong.

Usage: sqs_poller [--skew=OFFSET] [--correction=crate|sdk|none] [--no-date]
       sqs_poller [--skew=OFFSET] [--correction=crate|sdk|none] --queue-url=URL

The queue has 20 messages, at an endpoint on loopback that verifies signatures.

  --skew=OFFSET      Shifts the local clock for this run: -2d is behind, +20m is
                     ahead; d, h, m or s. Default: -2d, or 0s with --queue-url.
  --correction=NAME  What corrects clock skew: this crate (default), the SDK's own
                     correction, or none.
  --no-date          The endpoint sends no Date header.
  --queue-url=URL    Polls a queue at AWS until Ctrl-C; the environment has the
                     region and credentials. Messages are DELETED.

RUST_LOG filters the log. The last line counts the calls, the requests that the
endpoint rejected, and the calls that failed.

Exit codes: 0 if the poller received all messages or was stopped; 1 if it gave up
after 5 calls that failed; 2 if an argument cannot be understood.";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, ArgumentError> {
        Command::parse(arguments.iter().map(|&argument| argument.to_owned()))
    }

    #[test]
    fn the_clock_is_two_days_behind_unless_told_otherwise() {
        let arguments = Arguments {
            skew: Skew::parse("-2d").unwrap(),
            correction: Correction::Crate,
            no_date: false,
            queue_url: None,
        };
        assert_eq!(parse(&[]), Ok(Command::Run(arguments.clone())));
        let ahead = Arguments {
            skew: Skew::parse("+20m").unwrap(),
            ..arguments.clone()
        };
        assert_eq!(parse(&["--skew=+20m"]), Ok(Command::Run(ahead)));
        let without_date = Arguments {
            correction: Correction::Sdk,
            no_date: true,
            ..arguments
        };
        assert_eq!(
            parse(&["--correction=sdk", "--no-date"]),
            Ok(Command::Run(without_date))
        );
    }

    #[test]
    fn a_queue_at_aws_is_polled_with_the_local_clock() {
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders?a=b";
        let arguments = Arguments {
            skew: Skew::parse("0s").unwrap(),
            correction: Correction::Crate,
            no_date: false,
            queue_url: Some(url.to_owned()),
        };
        assert_eq!(
            parse(&[&format!("--queue-url={url}")]),
            Ok(Command::Run(arguments))
        );
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (arguments, message) in [
            (
                &["--verbose"][..],
                "cannot understand `--verbose`; try --help",
            ),
            (
                &["--correction=sleep"],
                "`sleep` is not a correction: write --correction=crate, --correction=sdk or \
                 --correction=none",
            ),
            (
                &["--queue-url=foo"],
                "`foo` is not a queue URL: write \
                 --queue-url=https://sqs.REGION.amazonaws.com/ACCOUNT/NAME",
            ),
            (
                &["--skew", "-2d"],
                "cannot understand the offset ``: write --skew=-2d, --skew=-20m, --skew=+20m, \
                 --skew=9h or --skew=30s, and no more than ten years",
            ),
            (
                &["--no-date=1"],
                "cannot understand `--no-date=1`; try --help",
            ),
            (
                &["--skew=yesterday"],
                "cannot understand the offset `yesterday`: write --skew=-2d, --skew=-20m, \
                 --skew=+20m, --skew=9h or --skew=30s, and no more than ten years",
            ),
            (
                &["--no-date", "--queue-url=https://sqs/1/q"],
                "--no-date is only for the endpoint on loopback, not for --queue-url",
            ),
        ] {
            assert_eq!(parse(arguments).unwrap_err().to_string(), message);
        }
        assert_eq!(parse(&["--verbose", "--help"]), parse(&["--verbose"]));
        assert_eq!(parse(&["--help", "--verbose"]), Ok(Command::Help));
    }
}
