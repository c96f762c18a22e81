//! A relay before a server, which counts what the server rejects.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Ends when it is dropped.
pub(crate) struct Relay {
    pub(crate) url: String,
    counts: Arc<Counts>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct Counts {
    answers: AtomicUsize,
    rejected: AtomicUsize,
}

impl Relay {
    pub(crate) async fn start(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback can be bound");
        let address = listener.local_addr().expect("it is bound");
        let counts = Arc::<Counts>::default();
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let shared = counts.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server, shared.clone()));
            }
        });
        Self {
            url: format!("http://{address}"),
            counts,
            accepting: accepting.abort_handle(),
        }
    }

    pub(crate) fn answers(&self) -> usize {
        self.counts.answers.load(Ordering::Relaxed)
    }

    /// How many answers were 403.
    pub(crate) fn rejected(&self) -> usize {
        self.counts.rejected.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Both ways, until one side hangs up.
async fn relay(client: TcpStream, server: SocketAddr, counts: Arc<Counts>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async { drop(tokio::io::copy(&mut from_client, &mut to_server).await) };
    let down = async {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
            // A head begins a segment: a client waits for its answer before it
            // sends the next request.
            if let Some(rest) = bytes[..count].strip_prefix(b"HTTP/1.1 ") {
                counts.answers.fetch_add(1, Ordering::Relaxed);
                if rest.starts_with(b"403") {
                    counts.rejected.fetch_add(1, Ordering::Relaxed);
                }
            }
            if to_client.write_all(&bytes[..count]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}
