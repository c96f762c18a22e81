//! S3 servers that others have made, each on ports and files of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use std::{fs, io};

use aws_clock_skew_endpoint::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::program::{alone, beside, tools};

#[expect(dead_code, reason = "of the other tests")]
#[path = "../s3/server.rs"]
mod s3s_server;

/// Which server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Make {
    /// Verifies signature and time, and says `RequestTimeTooSkewed`.
    SeaweedFs,
    /// Verifies the time only, and states its own in the body.
    S3rver,
    /// In this process; verifies signature and time.
    S3s,
    /// OpenStack Swift with its S3 interface; verifies signature and time.
    Swift,
    /// The object gateway of Ceph; verifies signature and time.
    Ceph,
}

impl Make {
    /// As documents name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SeaweedFs => "SeaweedFS",
            Self::S3rver => "s3rver",
            Self::S3s => "s3s-fs",
            Self::Swift => "Swift",
            Self::Ceph => "Ceph RGW",
        }
    }

    /// The access key and its secret; some have names of their own.
    pub(crate) const fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::SeaweedFs | Self::Ceph => (ACCESS_KEY_ID, SECRET_ACCESS_KEY),
            Self::S3s => (s3s_server::ACCESS_KEY, s3s_server::SECRET_KEY),
            Self::Swift => ("test:tester", "testing"),
            Self::S3rver => ("S3RVER", "S3RVER"),
        }
    }
}

/// A running server, stopped when it is dropped, and its files with it.
pub(crate) struct Server {
    pub(crate) port: u16,
    _running: Running,
}

enum Running {
    InThisProcess { _server: s3s_server::Server },
    Process { child: Child, folder: PathBuf },
}

impl Server {
    pub(crate) async fn start(make: Make) -> Self {
        if make == Make::S3s {
            return Self::in_this_process().await;
        }
        let ports: [u16; 6] = std::array::from_fn(|_| free_port());
        let folder = tools().join(format!("{make:?}-{}", ports[0]));
        fs::create_dir_all(&folder).expect("the target directory can be written");
        let mut command = match make {
            Make::SeaweedFs => seaweedfs(&folder, ports),
            Make::S3rver => s3rver(&folder, ports[0]),
            Make::Swift => script("swift", &folder, make, ports),
            Make::Ceph => script("ceph", &folder, make, ports),
            Make::S3s => unreachable!("see above"),
        };
        let log = fs::File::create(folder.join("log")).expect("the folder is there");
        let errors = log.try_clone().expect("a file");
        // The scripts stop when it ends, which it does however this process ends.
        command.stdin(Stdio::piped());
        let child = command.stdout(log).stderr(errors).spawn();
        let child = child.unwrap_or_else(|error| panic!("{make:?}: {error}"));
        let server = Self {
            port: ports[0],
            _running: Running::Process {
                child,
                folder: folder.clone(),
            },
        };
        for _ in 0..600 {
            if answers(server.port).await.is_ok() {
                return server;
            }
            sleep(Duration::from_millis(200)).await;
        }
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        panic!("not ready after two minutes:\n{log}");
    }

    async fn in_this_process() -> Self {
        let server = s3s_server::Server::start(false).await;
        let (_, port) = server.url.rsplit_once(':').expect("http://address:port");
        Self {
            port: port.parse().expect("a port"),
            _running: Running::InThisProcess { _server: server },
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Process { child, folder } = self {
            drop(child.start_kill());
            drop(fs::remove_dir_all(folder));
        }
    }
}

/// Whether a server answers a request, whatever it says.
async fn answers(port: u16) -> io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        .await?;
    let mut first = [0; 4];
    stream.read_exact(&mut first).await?;
    Ok(())
}

fn seaweedfs(folder: &Path, [s3, master, volume, filer, ..]: [u16; 6]) -> Command {
    let users = format!(
        r#"{{"identities":[{{"name":"test","credentials":[{{"accessKey":"{ACCESS_KEY_ID}",
        "secretKey":"{SECRET_ACCESS_KEY}"}}],"actions":["Admin"]}}]}}"#
    );
    fs::write(folder.join("users.json"), users).expect("the folder is there");
    let mut command = alone(tools().join("python/bin/weed"));
    // It would take them for an administrator's.
    command.env_remove("AWS_ACCESS_KEY_ID");
    command.current_dir(folder).args([
        "server",
        "-dir=.",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.volumeSizeLimitMB=64",
        "-filer",
        "-s3",
        "-s3.config=users.json",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]);
    // Each has a second port for itself, where it is told.
    for (name, port) in [
        ("s3", s3),
        ("master", master),
        ("volume", volume),
        ("filer", filer),
    ] {
        command.arg(format!("-{name}.port={port}"));
        command.arg(format!("-{name}.port.grpc={}", free_port()));
    }
    command
}

fn s3rver(folder: &Path, port: u16) -> Command {
    let mut command = alone("node");
    command
        .arg(tools().join("node_modules/s3rver/bin/s3rver.js"))
        .args(["--address", "127.0.0.1", "--port", &port.to_string()])
        .arg("--directory")
        .arg(folder);
    command
}

/// One of the scripts beside this file.
fn script(name: &str, folder: &Path, make: Make, ports: [u16; 6]) -> Command {
    let mut command = alone("bash");
    let (key, secret) = make.keys();
    command
        .arg(beside(name))
        .arg(folder)
        .args(ports.map(|port| port.to_string()))
        .env("ACCESS_KEY", key)
        .env("SECRET_KEY", secret);
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback can be bound");
    listener.local_addr().expect("it is bound").port()
}
