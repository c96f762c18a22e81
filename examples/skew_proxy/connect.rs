//! Connections to the upstream: plain, or TLS with the certificate verified.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;
use http::uri::{Authority, Scheme};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};

use super::body::Outgoing;

pub(crate) type Connections = Client<HttpsConnector<Tcp>, Outgoing>;
type Tcp = BoxCloneSyncService<Uri, TokioIo<TcpStream>, BoxError>;

/// Whose certificates are accepted.
#[derive(Debug, Default)]
pub(crate) enum Roots {
    /// Those of the operating system.
    #[default]
    System,
    /// Those in a PEM file.
    File(PathBuf),
    /// No TLS.
    Nobody,
}

/// Connects to another address in the place of one. The certificate has to be that of the
/// host which the request is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ConnectTo {
    host: String,
    port: String,
    to: Authority,
}

/// Returns a client that connects so.
pub(crate) fn client(roots: &Roots, connect_to: Vec<ConnectTo>) -> Result<Connections, String> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    let tcp = ServiceBuilder::new()
        .map_request(move |uri| diverted(&connect_to, uri))
        .service(http)
        .map_err(BoxError::from);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(roots)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(BoxCloneSyncService::new(tcp));
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(32)
        .build(connector))
}

fn tls(roots: &Roots) -> Result<ClientConfig, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = match roots {
        Roots::System => config.with_platform_verifier().map_err(|error| {
            format!("no certificates of the operating system: {error}; name some with --ca-file")
        })?,
        Roots::File(path) => config.with_root_certificates(certificates(path)?),
        Roots::Nobody => config.with_root_certificates(RootCertStore::empty()),
    };
    Ok(config.with_no_client_auth())
}

fn certificates(path: &Path) -> Result<RootCertStore, String> {
    let shown = path.display();
    let mut roots = RootCertStore::empty();
    let all = CertificateDer::pem_file_iter(path);
    let all = all.and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let all = all.map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
    for certificate in all {
        let added = roots.add(certificate);
        added.map_err(|error| format!("`{shown}` has a certificate that is none: {error}"))?;
    }
    if roots.is_empty() {
        return Err(format!("`{shown}` has no certificate in PEM"));
    }
    Ok(roots)
}

/// Returns where the first that matches leads, or the URI as it is.
fn diverted(connect_to: &[ConnectTo], uri: Uri) -> Uri {
    let default = if uri.scheme() == Some(&Scheme::HTTPS) {
        443
    } else {
        80
    };
    let host = uri.host().unwrap_or_default();
    let port = uri.port_u16().unwrap_or(default).to_string();
    let Some(to) = connect_to
        .iter()
        .find(|known| ["", host].contains(&&*known.host) && ["", &*port].contains(&&*known.port))
    else {
        return uri;
    };
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(to.to.clone());
    Uri::from_parts(parts).unwrap_or(uri)
}

impl FromStr for ConnectTo {
    type Err = String;

    /// As `curl --connect-to`: HOST:PORT:ADDRESS:PORT, of which the first two may be empty.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let mut part = || parts.next();
        let parsed = (part(), part(), part());
        let (Some(host), Some(port), Some(to)) = parsed else {
            return Err(unreadable(text));
        };
        let is_port = port.is_empty() || port.parse::<u16>().is_ok();
        let to: Authority = to.parse().map_err(|_| unreadable(text))?;
        if !is_port || to.port_u16().is_none() || to.host().is_empty() {
            return Err(unreadable(text));
        }
        Ok(Self {
            host: host.to_ascii_lowercase(),
            port: port.to_owned(),
            to,
        })
    }
}

fn unreadable(text: &str) -> String {
    format!(
        "`{text}` is not HOST:PORT:ADDRESS:PORT: write \
         --connect-to sqs.us-east-1.amazonaws.com:443:127.0.0.1:8443"
    )
}
