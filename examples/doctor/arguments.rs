//! What the command line says.

use std::time::Duration;

use super::machine::Skew;

/// What is to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    Help,
    /// Compares the local clock with these servers'; with none of them, a demonstration.
    Examine {
        urls: Vec<String>,
        skew: Option<Skew>,
        watch: Option<Duration>,
    },
    /// Says what an error means; the text is on standard input if it is not here.
    Explain(Option<String>),
}

impl Command {
    /// Reads the arguments after the program's name.
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
                    return Ok(Self::Explain((!text.is_empty()).then_some(text)));
                }
                ("--skew", text) => {
                    let parsed = Skew::parse(text);
                    skew = Some(parsed.ok_or("--skew needs an offset: --skew=-9h, --skew=+20m")?);
                }
                ("--watch", text) => {
                    let seconds = text.parse().map_err(|_| {
                        format!(
                            "--watch needs whole seconds: `{text}` is no number; try --watch=600"
                        )
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

/// Returns a URL that can be asked.
fn url(argument: String) -> Result<String, String> {
    let Some((scheme, rest)) = argument.split_once("://") else {
        return Err(format!("`{argument}` is no URL: write https://{argument}"));
    };
    match scheme {
        "http" | "https" if rest.starts_with('/') || rest.is_empty() => Err(format!(
            "`{argument}` names no server: write {scheme}://HOST"
        )),
        "http" | "https" => Ok(argument),
        _ => Err(format!(
            "`{argument}` cannot be asked: only http and https can"
        )),
    }
}

pub(crate) const HELP: &str = "\
Compares the local clock with the clocks of servers, or explains an error.

Usage: doctor [--watch=SECONDS] [--skew=OFFSET] [URL]...
       doctor --explain [TEXT]

  URL               A server to ask, such as https://sts.amazonaws.com. It gets
                    HEAD requests without credentials; its Date headers count.
                    Without a URL, a demonstration with servers on loopback.
  --watch=SECONDS   Asks again after that time, and says how the offset grows.
  --skew=OFFSET     Pretends that the local clock is off: -9h is behind, +20m
                    ahead, in d, h, m or s.
  --explain [TEXT]  Says what the text of an error means. Without TEXT, it reads
                    standard input.

Exit codes: 0 if AWS accepts requests signed with the local clock, or the error
has another cause; 1 if AWS rejects them, or the error is about the time; 2 if
that cannot be determined, or an argument cannot be understood.";
