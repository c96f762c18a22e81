//! The command line.

use std::time::Duration;

use http::Uri;
use http::uri::Authority;

use super::machine::Skew;

/// What the program does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    Help,
    /// Compares the local clock with the clocks of these servers. Without a server, a
    /// demonstration.
    Examine {
        urls: Vec<String>,
        skew: Option<Skew>,
        watch: Option<Duration>,
    },
    /// Explains an error. `None` reads its text from standard input.
    Explain(Option<String>),
}

impl Command {
    /// Parses the arguments after the name of the program.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut urls, mut skew, mut watch) = (Vec::new(), None, None);
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.split_once('=').unwrap_or((&argument, "")) {
                ("--help" | "-h", "") => return Ok(Self::Help),
                ("--explain", text) => {
                    let words: Vec<String> =
                        [text.to_owned()].into_iter().chain(arguments).collect();
                    let text = words.join(" ").trim().to_owned();
                    return Ok(match &*text {
                        "" => Self::Explain(None),
                        "--help" | "-h" => Self::Help,
                        _ => Self::Explain(Some(text)),
                    });
                }
                ("--skew", text) => {
                    let parsed = Skew::parse(text);
                    skew = Some(parsed.ok_or(
                        "--skew needs an offset: --skew=-9h or --skew=+20m, up to ten years",
                    )?);
                }
                ("--watch", text) => {
                    let seconds = text.parse().map_err(|_| {
                        format!("--watch needs whole seconds: `{text}` is not one; try --watch=600")
                    })?;
                    watch = Some(Duration::from_secs(seconds));
                }
                _ if argument.starts_with('-') => {
                    return Err(format!("cannot understand `{argument}`; try --help"));
                }
                _ => urls.push(url(argument)?),
            }
        }
        Ok(Self::Examine { urls, skew, watch })
    }
}

/// Returns a URL with a scheme and a server.
fn url(argument: String) -> Result<String, String> {
    let Some((scheme, _)) = argument.split_once("://") else {
        let server = if argument.is_empty() {
            "HOST"
        } else {
            &argument
        };
        return Err(format!("`{argument}` is not a URL: write https://{server}"));
    };
    if !["http", "https"].contains(&scheme) {
        return Err(format!("`{argument}` is neither http nor https"));
    }
    let uri: Option<Uri> = argument.parse().ok();
    match uri.as_ref().and_then(Uri::authority) {
        Some(server) if has_valid_port(server) => Ok(argument),
        _ => Err(format!(
            "`{argument}` names no server: write {scheme}://HOST or {scheme}://HOST:PORT"
        )),
    }
}

/// `http` ignores a port that is no number up to 65535.
fn has_valid_port(server: &Authority) -> bool {
    server.port().is_some() || server.as_str().ends_with(server.host())
}

pub(crate) const HELP: &str = "\
Compares the local clock with the clocks of servers, or explains an error.

Usage: doctor [--watch=SECONDS] [--skew=OFFSET] [URL]...
       doctor --explain [TEXT]

  URL               A server to ask, such as https://sts.amazonaws.com. It gets
                    HEAD requests without credentials; its Date headers count.
                    Without a URL, a demonstration with servers on loopback.
  --watch=SECONDS   Asks again after that time, and reports the drift.
  --skew=OFFSET     Shifts the local clock for this run: -9h is behind, +20m is
                    ahead; d, h, m or s.
  --explain [TEXT]  Explains the text of an error. Without TEXT, it reads standard
                    input.

Exit codes: 0 if AWS accepts requests signed with the local clock, or the error
has another cause; 1 if AWS rejects them, or the error is about the time; 2 if
that cannot be determined, or an argument cannot be understood.";
