//! `s3s-fs` on loopback, with or without TLS.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tower::Service;

pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A server with a directory. Both end when it is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    /// The certificate that clients have to trust, in PEM.
    pub(crate) certificate: Option<String>,
    counts: Arc<Counts>,
    root: PathBuf,
    accepting: AbortHandle,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicUsize,
    rejected: AtomicUsize,
}

impl Server {
    pub(crate) async fn start(is_tls: bool) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("s3-{}-{number}", std::process::id());
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&root).expect("the target directory can be written");
        let files = FileSystem::new(&root).expect("the directory is there");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = service.build();

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback can be bound");
        let address = listener.local_addr().expect("it is bound");
        let (acceptor, certificate) = if is_tls {
            let (acceptor, certificate) = tls();
            (Some(acceptor), Some(certificate))
        } else {
            (None, None)
        };
        let counts = Arc::<Counts>::default();
        let accepting = tokio::spawn(accept(listener, acceptor, service, counts.clone()));
        Self {
            url: format!("http{}://{address}", if is_tls { "s" } else { "" }),
            certificate,
            counts,
            root,
            accepting: accepting.abort_handle(),
        }
    }

    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::Relaxed)
    }

    /// How many responses had the status 403.
    pub(crate) fn rejected(&self) -> usize {
        self.counts.rejected.load(Ordering::Relaxed)
    }

    /// A path for a file of the test.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.with_extension(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        drop(std::fs::remove_dir_all(&self.root));
        drop(std::fs::remove_file(self.file("bin")));
    }
}

/// A body whose remainder is still available after its reader is dropped.
#[derive(Clone)]
struct Lent(Arc<Mutex<Incoming>>);

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut body = self.0.lock().expect("is not poisoned");
        Pin::new(&mut *body).poll_frame(cx)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().expect("is not poisoned").size_hint()
    }
}

fn tls() -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string()]);
    let made = made.expect("a certificate for an address");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
        .expect("the key is the certificate's");
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    service: S3Service,
    counts: Arc<Counts>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, service, counts) = (acceptor.clone(), service.clone(), counts.clone());
        tokio::spawn(async move {
            match acceptor {
                None => serve(stream, service, counts).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, service, counts).await;
                    }
                }
            }
        });
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: S3Service,
    counts: Arc<Counts>,
) {
    let service = service_fn(|request: http::Request<Incoming>| {
        counts.requests.fetch_add(1, Ordering::Relaxed);
        let mut service = service.clone();
        let (head, body) = request.into_parts();
        let body = Lent(Arc::new(Mutex::new(body)));
        let request = http::Request::from_parts(head, body.clone());
        let counts = &counts;
        async move {
            let mut answer = Service::call(&mut service, request).await?;
            // Closing the connection while the client still writes would lose the response.
            let mut rest = body;
            while let Some(Ok(_)) = rest.frame().await {}
            if answer.status() == StatusCode::FORBIDDEN {
                counts.rejected.fetch_add(1, Ordering::Relaxed);
            }
            // S3 and compatible servers send this header. Without it, a bare 403 to a HEAD is no
            // evidence.
            let headers = answer.headers_mut();
            headers.insert(
                "x-amz-request-id",
                HeaderValue::from_static("4442587FB7D0A2F9"),
            );
            Ok::<_, s3s::HttpError>(answer)
        }
    });
    // A connection that the client closes needs no handling.
    drop(
        http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}
