//! TLS on loopback with the names of AWS: an authority of its own, and what arrives goes on
//! to plain servers, byte by byte.

use std::collections::HashMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Ends when it is dropped.
pub(crate) struct Aws {
    pub(crate) address: SocketAddr,
    /// The authority's certificate.
    pub(crate) ca_file: PathBuf,
    asked_for: Arc<Mutex<Vec<String>>>,
    accepting: AbortHandle,
}

impl Aws {
    /// Has these names, each with the port of a plain server behind it.
    pub(crate) async fn start(servers: &[(&str, u16)]) -> Self {
        let names = servers.iter().map(|(name, _)| (*name).to_owned()).collect();
        let (acceptor, authority) = certified(names);
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("authority-{}-{number}.pem", std::process::id());
        let ca_file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&ca_file, authority).expect("the target directory can be written");

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback can be bound");
        let address = listener.local_addr().expect("it is bound");
        let asked_for = Arc::<Mutex<Vec<String>>>::default();
        let servers: HashMap<_, _> = servers
            .iter()
            .map(|(name, port)| ((*name).to_owned(), *port))
            .collect();
        let (servers, names) = (Arc::new(servers), asked_for.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, servers, names) = (acceptor.clone(), servers.clone(), names.clone());
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    let mut stream = acceptor.accept(stream).await.ok()?;
                    let name = stream.get_ref().1.server_name()?.to_owned();
                    names.lock().ok()?.push(name.clone());
                    let server = (Ipv4Addr::LOCALHOST, *servers.get(&name)?);
                    let mut server = TcpStream::connect(server).await.ok()?;
                    server.set_nodelay(true).ok()?;
                    copy_bidirectional(&mut stream, &mut server).await.ok()
                });
            }
        });
        Self {
            address,
            ca_file,
            asked_for,
            accepting: accepting.abort_handle(),
        }
    }

    /// Returns the arguments for a proxy, in the place of name resolution and of the
    /// operating system's certificates.
    pub(crate) fn arguments(&self) -> [String; 5] {
        [
            "aws".to_owned(),
            "--ca-file".to_owned(),
            self.ca_file.display().to_string(),
            "--connect-to".to_owned(),
            format!(":443:{}", self.address),
        ]
    }

    /// Returns for which names connections were made, in their order and each once.
    pub(crate) fn names(&self) -> Vec<String> {
        let asked_for = self
            .asked_for
            .lock()
            .expect("no thread panicked while it held the lock");
        let mut names = Vec::new();
        for name in &*asked_for {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.accepting.abort();
        drop(fs::remove_file(&self.ca_file));
    }
}

/// Returns what accepts connections for these names, and the authority's certificate. Both
/// are valid in any year: the proxy checks that by the local clock.
fn certified(names: Vec<String>) -> (TlsAcceptor, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("a certificate");
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(names).expect("names");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("the key is the certificate's");
    (TlsAcceptor::from(Arc::new(config)), authority.pem())
}
