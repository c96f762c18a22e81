//! What the command line says.

use super::machine::Skew;
use std::{error, fmt};

/// What is to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    Run(Arguments),
    Help,
}

impl Command {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<Self, ArgumentError> {
        let mut skew = None;
        let mut correction = Correction::AwsClockSkew;
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
                ("--without", "native") => correction = Correction::Native,
                ("--without", "nothing") => correction = Correction::Nothing,
                ("--queue-url", url) if !url.is_empty() => queue_url = Some(url.to_owned()),
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

/// What the run is to show.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Arguments {
    /// How far the machine's clock is off.
    pub(crate) skew: Skew,
    /// What helps the client.
    pub(crate) correction: Correction,
    /// The embedded endpoint sends no `Date` header.
    pub(crate) no_date: bool,
    /// A queue at AWS, in place of the embedded endpoint.
    pub(crate) queue_url: Option<String>,
}

/// What helps a client whose clock is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Correction {
    /// This crate.
    AwsClockSkew,
    /// The SDK's own correction.
    Native,
    /// Nothing: the SDK's own correction is switched off.
    Nothing,
}

/// The command line cannot be understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ArgumentError {
    Unknown(String),
    NotASkew(String),
    DateOfAws,
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(argument) => write!(f, "cannot understand `{argument}`; try --help"),
            Self::NotASkew(text) => write!(
                f,
                "cannot understand the skew `{text}`: write -2d, -20m, +20m, 9h or 30s, \
                 and no more than ten years"
            ),
            Self::DateOfAws => {
                f.write_str("--no-date is for the embedded endpoint: AWS sends what it likes")
            }
        }
    }
}

impl error::Error for ArgumentError {}

pub(crate) const HELP: &str = "\
Polls a queue on a machine whose clock is wrong.

By default an endpoint that verifies signatures is started on loopback and fed
with 20 messages, and the poller ends after it has received them.

  --skew=-2d          How far the machine's clock is off: behind (-) or ahead,
                      in d, h, m or s. Default: -2d, or 0s with --queue-url.
  --without=native    The same with the SDK's own clock skew correction
                      in place of this crate.
  --without=nothing   The same with neither.
  --no-date           The endpoint sends no Date header.
  --queue-url=URL     Polls a queue at AWS until Ctrl-C; region and credentials
                      are taken from the environment. Messages are DELETED.

The last line counts the calls, the requests that the endpoint rejected, and the
calls that failed.";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, ArgumentError> {
        Command::parse(arguments.iter().map(|&argument| argument.to_owned()))
    }

    #[test]
    fn the_machine_is_two_days_behind_unless_told_otherwise() {
        let arguments = Arguments {
            skew: Skew::parse("-2d").unwrap(),
            correction: Correction::AwsClockSkew,
            no_date: false,
            queue_url: None,
        };
        assert_eq!(parse(&[]), Ok(Command::Run(arguments.clone())));
        let ahead = Arguments {
            skew: Skew::parse("+20m").unwrap(),
            ..arguments.clone()
        };
        assert_eq!(parse(&["--skew=+20m"]), Ok(Command::Run(ahead)));
        let native = Arguments {
            correction: Correction::Native,
            no_date: true,
            ..arguments
        };
        assert_eq!(
            parse(&["--without=native", "--no-date"]),
            Ok(Command::Run(native))
        );
    }

    #[test]
    fn a_queue_at_aws_is_polled_by_the_machines_own_clock() {
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders?a=b";
        let arguments = Arguments {
            skew: Skew::parse("0s").unwrap(),
            correction: Correction::AwsClockSkew,
            no_date: false,
            queue_url: Some(url.to_owned()),
        };
        assert_eq!(
            parse(&[&format!("--queue-url={url}")]),
            Ok(Command::Run(arguments))
        );
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        for (arguments, message) in [
            (
                &["--verbose"][..],
                "cannot understand `--verbose`; try --help",
            ),
            (
                &["--without=sleep"],
                "cannot understand `--without=sleep`; try --help",
            ),
            (
                &["--queue-url="],
                "cannot understand `--queue-url=`; try --help",
            ),
            (
                &["--no-date=1"],
                "cannot understand `--no-date=1`; try --help",
            ),
            (
                &["--skew=yesterday"],
                "cannot understand the skew `yesterday`: write -2d, -20m, +20m, 9h or 30s, \
                 and no more than ten years",
            ),
            (
                &["--no-date", "--queue-url=https://sqs"],
                "--no-date is for the embedded endpoint: AWS sends what it likes",
            ),
        ] {
            assert_eq!(parse(arguments).unwrap_err().to_string(), message);
        }
        assert_eq!(parse(&["--verbose", "--help"]), parse(&["--verbose"]));
        assert_eq!(parse(&["--help", "--verbose"]), Ok(Command::Help));
    }
}
