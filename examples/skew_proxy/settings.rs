//! What the command line and the environment say.

use std::fmt;

use aws_credential_types::Credentials;
use http::Uri;
use http::uri::Scheme;

use super::aws_host::{ONE_HOST, OTHER_LABELS, SERVICES};
use super::connect::{ConnectTo, Roots};

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Command {
    Run(Settings),
    Help,
}

/// Where to listen, where to send, and whose signatures are replaced.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) port: u16,
    pub(crate) upstream: Upstream,
    pub(crate) credentials: Credentials,
    pub(crate) roots: Roots,
    pub(crate) connect_to: Vec<ConnectTo>,
}

/// Where requests go.
#[derive(Clone, Debug)]
pub(crate) enum Upstream {
    /// All of them, with their `Host` header as it came.
    One(Uri),
    /// To the host of AWS that the scope of the signature says.
    Aws,
}

impl Command {
    /// Reads the arguments after the program's name, and variables of the environment.
    pub(crate) fn parse(
        arguments: impl IntoIterator<Item = String>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        if arguments.iter().any(|a| a == "--help" || a == "-h") {
            return Ok(Self::Help);
        }
        let mut places = Vec::new();
        let (mut roots, mut connect_to) = (None, Vec::new());
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("`{argument}` needs a value; try --help"))
            };
            match &*argument {
                "--ca-file" => roots = Some(Roots::File(value()?.into())),
                "--connect-to" => connect_to.push(value()?.parse()?),
                option if option.starts_with('-') => {
                    return Err(format!("`{option}` is no option; try --help"));
                }
                _ => places.push(argument),
            }
        }
        let [port, upstream] = &places[..] else {
            return Err(
                "two arguments are needed: PORT, and http://UPSTREAM or `aws`; try --help".into(),
            );
        };
        let port = port.parse().map_err(|_| {
            format!("`{port}` is not a port of 127.0.0.1: write a number up to 65535")
        })?;
        let upstream = if upstream == "aws" {
            Upstream::Aws
        } else if roots.is_some() || !connect_to.is_empty() {
            return Err("`--ca-file` and `--connect-to` are for the upstream `aws`".into());
        } else {
            roots = Some(Roots::Nobody);
            Upstream::One(upstream_of(upstream, port)?)
        };
        let needed = |name| {
            let value = variable(name).filter(|value| !value.is_empty());
            value.ok_or(format!("the environment variable {name} is not set"))
        };
        let token = variable("AWS_SESSION_TOKEN").filter(|token| !token.is_empty());
        Ok(Self::Run(Settings {
            port,
            upstream,
            credentials: Credentials::new(
                needed("AWS_ACCESS_KEY_ID")?,
                needed("AWS_SECRET_ACCESS_KEY")?,
                token,
                None,
                "environment",
            ),
            roots: roots.unwrap_or_default(),
            connect_to,
        }))
    }
}

/// Reads the upstream's URL, and says why this proxy cannot serve it.
fn upstream_of(text: &str, port: u16) -> Result<Uri, String> {
    let uri: Uri = text
        .parse()
        .map_err(|_| format!("`{text}` is not a URL: write http://127.0.0.1:9000"))?;
    if uri.scheme() == Some(&Scheme::HTTPS) {
        return Err(format!(
            "`{text}` is https, and one upstream is reached by plain HTTP only: write `aws` for \
             the hosts of AWS"
        ));
    }
    let (Some(authority), true) = (uri.authority(), uri.scheme() == Some(&Scheme::HTTP)) else {
        return Err(format!(
            "`{text}` has no scheme: write http://127.0.0.1:9000"
        ));
    };
    if uri
        .path_and_query()
        .is_some_and(|path| path.as_str() != "/")
    {
        return Err(format!(
            "`{text}` has a path, and a request keeps the path that was signed: write \
             http://{authority}"
        ));
    }
    let is_loopback = ["127.0.0.1", "localhost", "[::1]"].contains(&authority.host());
    if port != 0 && is_loopback && authority.port_u16() == Some(port) {
        return Err(format!("`{text}` is this proxy itself"));
    }
    Ok(uri)
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(upstream) => upstream.fmt(f),
            Self::Aws => f.write_str("AWS"),
        }
    }
}

/// What `--help` prints.
pub(crate) fn help() -> String {
    let others = ONE_HOST.map(|(name, ..)| name).into_iter();
    let others: Vec<_> = others.chain(OTHER_LABELS.map(|(name, _)| name)).collect();
    format!("{HELP}{SERVICES}\n{}", others.join(" "))
}

const HELP: &str = "\
Re-signs requests of programs in any language on a machine whose clock is wrong.

Usage: skew_proxy PORT http://UPSTREAM
       skew_proxy PORT aws [--ca-file FILE] [--connect-to HOST:PORT:ADDRESS:PORT]...

  PORT      The port on 127.0.0.1 to listen on; 0 for a free one. No other address
            is possible: who reaches the proxy uses it.
  UPSTREAM  The one service that requests are for: MinIO, LocalStack or another
            over plain HTTP. Requests that need no other signature are passed on
            as they came.
  aws       The hosts of AWS. The scope of a signature says which one: `sqs` and
            `eu-west-1` are sqs.eu-west-1.amazonaws.com. A request is signed for it
            if its own signature, which is for the proxy, can be reproduced; others
            are answered with an error that says why. TLS with the certificate
            verified.

  --ca-file FILE
            The authorities whose certificates are accepted, in PEM; without it,
            those of the operating system.
  --connect-to HOST:PORT:ADDRESS:PORT
            As curl has it: connects to ADDRESS:PORT for requests to HOST:PORT, such
            as a tunnel or an interface endpoint. HOST and PORT may be empty, for any.
            The certificate has to be that of HOST.

  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
            The credentials that the programs sign with.

Programs use http://127.0.0.1:PORT as their endpoint URL (AWS_ENDPOINT_URL). The
first line on standard output is `http://127.0.0.1:PORT -> UPSTREAM`, or `-> AWS`.
Standard error says when the local clock is found wrong or repaired, and which
requests are passed on as they came or not sent, and why.

Not for AWS: presigned URLs, SigV4a, bodies that are signed in chunks or events,
S3 Express, FIPS and dual-stack endpoints, and services other than those below. A
body of more than 16 MiB is sent once: if it is the first that shows the clock
wrong, the program has to send it again.

Exit codes: 1 if it cannot start, 2 if an argument or the environment is wrong.

Services of `aws`:
";
