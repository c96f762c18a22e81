//! A relay before a server, which counts what the server rejects, and can hold requests
//! until so many are in flight, and remove `Date` from responses.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Ends when it is dropped.
pub(crate) struct Relay {
    pub(crate) url: String,
    counts: Arc<Counts>,
    accepting: AbortHandle,
}

/// What a relay does beside counting.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// No request goes on before there have been so many connections, which is to say so
    /// many requests in flight.
    pub(crate) hold_until: usize,
    /// No response has a `Date`.
    pub(crate) no_date: bool,
}

#[derive(Default)]
struct Counts {
    answers: AtomicUsize,
    rejected: AtomicUsize,
}

impl Relay {
    pub(crate) async fn start(port: u16) -> Self {
        Self::with(port, Faults::default()).await
    }

    pub(crate) async fn with(port: u16, faults: Faults) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback can be bound");
        let address = listener.local_addr().expect("it is bound");
        let counts = Arc::<Counts>::default();
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let shared = counts.clone();
        let accepting = tokio::spawn(async move {
            let (connections, _) = watch::channel(0);
            while let Ok((client, _)) = listener.accept().await {
                connections.send_modify(|count| *count += 1);
                let mut connections = connections.subscribe();
                let shared = shared.clone();
                tokio::spawn(async move {
                    let enough = connections.wait_for(|&count| count >= faults.hold_until);
                    if enough.await.is_ok() {
                        relay(client, server, faults.no_date, shared).await;
                    }
                });
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
async fn relay(client: TcpStream, server: SocketAddr, no_date: bool, counts: Arc<Counts>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async { drop(tokio::io::copy(&mut from_client, &mut to_server).await) };
    let down = async {
        let mut bytes = Vec::new();
        while let Ok(1..) = from_server.read_buf(&mut bytes).await {
            let passed_on = pass_on(&mut bytes, no_date, &counts);
            if to_client.write_all(&passed_on).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

/// Takes what can be passed on from what a server has sent. A response begins a segment: a
/// client waits for it before it sends the next request.
fn pass_on(bytes: &mut Vec<u8>, no_date: bool, counts: &Counts) -> Vec<u8> {
    let mut passed_on = Vec::new();
    while bytes.starts_with(b"HTTP/1.1 ") {
        let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else {
            // The rest of the head is still to come.
            return passed_on;
        };
        let head: Vec<u8> = bytes.drain(..end + 4).collect();
        let (status, is_interim) = (&head[9..12], head[9] == b'1');
        for line in head.split_inclusive(|&byte| byte == b'\n') {
            let is_date = line.len() > 5 && line[..5].eq_ignore_ascii_case(b"date:");
            if !(no_date && is_date) {
                passed_on.extend(line);
            }
        }
        // `100 Continue` comes before the response.
        if !is_interim {
            counts.answers.fetch_add(1, Ordering::Relaxed);
            if status == b"403" {
                counts.rejected.fetch_add(1, Ordering::Relaxed);
            }
            break;
        }
    }
    passed_on.append(bytes);
    passed_on
}
