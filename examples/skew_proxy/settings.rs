//! What the command line and the environment say.

use aws_credential_types::Credentials;
use http::Uri;
use http::uri::Scheme;

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
    pub(crate) upstream: Uri,
    pub(crate) credentials: Credentials,
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
        let [port, upstream] = &arguments[..] else {
            return Err("two arguments are needed: PORT and http://UPSTREAM; try --help".into());
        };
        let port = port
            .parse()
            .map_err(|_| format!("`{port}` is not a port: write a number up to 65535"))?;
        let upstream = upstream_of(upstream, port)?;
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
            "`{text}` is https, and this proxy speaks plain HTTP only: it is for MinIO, \
             LocalStack and the like, and cannot reach AWS"
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

pub(crate) const HELP: &str = "\
Re-signs requests of programs in any language on a machine whose clock is wrong.

Usage: skew_proxy PORT http://UPSTREAM

  PORT      The port on 127.0.0.1 to listen on; 0 for a free one.
  UPSTREAM  The one service that requests are for: MinIO, LocalStack or another
            over plain HTTP. The proxy cannot reach AWS itself.

  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
            The credentials that the programs sign with.

Programs use http://127.0.0.1:PORT as their endpoint URL. The first line on
standard output is `http://127.0.0.1:PORT -> UPSTREAM`. Standard error says when
the local clock is found wrong or repaired, and which requests are passed on as
they came, and why.

Exit codes: 1 if it cannot start, 2 if an argument or the environment is wrong.";
