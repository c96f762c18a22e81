//! S3 servers that others have made, each on ports and files of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use aws_clock_skew_endpoint::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::program::{alone, tools};

/// Which server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Make {
    /// Verifies signature and time, and says `RequestTimeTooSkewed`.
    SeaweedFs,
    /// Verifies the time only, and states its own in the body.
    S3rver,
}

impl Make {
    /// The access key and its secret; s3rver has one of its own.
    pub(crate) const fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::SeaweedFs => (ACCESS_KEY_ID, SECRET_ACCESS_KEY),
            Self::S3rver => ("S3RVER", "S3RVER"),
        }
    }
}

/// A running server, killed when it is dropped, and its files with it.
pub(crate) struct Server {
    pub(crate) port: u16,
    folder: PathBuf,
    _child: Child,
}

impl Server {
    pub(crate) async fn start(make: Make) -> Self {
        let ports: [u16; 4] = std::array::from_fn(|_| free_port());
        let folder = tools().join(format!("{make:?}-{}", ports[0]));
        fs::create_dir_all(&folder).expect("the target directory can be written");
        let mut command = match make {
            Make::SeaweedFs => seaweedfs(&folder, ports),
            Make::S3rver => s3rver(&folder, ports[0]),
        };
        let log = fs::File::create(folder.join("log")).expect("the folder is there");
        let errors = log.try_clone().expect("a file");
        let child = command
            .stdout(log)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{make:?}: {error}"));
        let server = Self {
            port: ports[0],
            folder,
            _child: child,
        };
        server.is_ready().await;
        server
    }

    async fn is_ready(&self) {
        for _ in 0..600 {
            if answers(self.port).await.is_ok() {
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("not ready after two minutes:\n{log}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
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

fn seaweedfs(folder: &PathBuf, [s3, master, volume, filer]: [u16; 4]) -> Command {
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

fn s3rver(folder: &PathBuf, port: u16) -> Command {
    let mut command = alone("node");
    command
        .arg(tools().join("node_modules/s3rver/bin/s3rver.js"))
        .args(["--address", "127.0.0.1", "--port", &port.to_string()])
        .arg("--directory")
        .arg(folder);
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback can be bound");
    listener.local_addr().expect("it is bound").port()
}
