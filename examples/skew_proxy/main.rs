//! A reverse proxy that lets programs in any language work on a wrong clock.
//!
//! ```text
//! AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… \
//!     cargo run --example skew_proxy --features tower -- 8080 http://127.0.0.1:9000
//! ```
//!
//! Programs use `http://127.0.0.1:8080` as their endpoint URL and the same
//! credentials. The proxy keeps the `Host` header, proves their signatures and
//! makes new ones where the clock that signed was wrong.
//!
//! Whoever reaches the proxy could have requests revived that somebody kept, so it
//! listens on loopback only and has one fixed upstream, and `gate.rs` tells which
//! requests it corrects. The others go as they came.

pub(crate) mod gate;
pub(crate) mod proxy;

use std::env;
use std::error::Error;
use std::net::Ipv4Addr;

use aws_clock_skew::{SkewClock, SystemClock};
use aws_credential_types::Credentials;
use proxy::Proxy;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [port, upstream] = &arguments[..] else {
        return Err("usage: skew_proxy PORT http://UPSTREAM".into());
    };
    let credentials = Credentials::new(
        env::var("AWS_ACCESS_KEY_ID")?,
        env::var("AWS_SECRET_ACCESS_KEY")?,
        env::var("AWS_SESSION_TOKEN").ok(),
        None,
        "environment",
    );
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse()?)).await?;
    println!("http://{} -> {upstream}", listener.local_addr()?);
    let machine = SystemClock::new();
    Proxy::new(&SkewClock::new(), machine, credentials, upstream.parse()?)
        .serve(listener)
        .await;
    Ok(())
}
