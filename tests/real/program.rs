//! Other processes, and the clocks that they see.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, fs};

use aws_clock_skew_endpoint::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// A running program, and what it has said so far. It is killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().expect("it is piped");
        Self {
            child,
            lines: BufReader::new(stdout).lines(),
            said: Vec::new(),
        }
    }

    /// Waits for a line with these words in it, for a minute at most.
    pub(crate) async fn until(&mut self, words: &str) -> String {
        loop {
            let next = timeout(PATIENCE, self.lines.next_line()).await;
            let Ok(Ok(Some(line))) = next else {
                panic!("no \"{words}\" after:\n{}", self.said.join("\n"));
            };
            self.said.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Sends a signal: `STOP`, `CONT` or `INT`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "{name}");
    }

    /// Waits for its end, which has to be a success, and returns all it has said.
    pub(crate) async fn ends(mut self) -> String {
        while let Ok(Ok(Some(line))) = timeout(PATIENCE, self.lines.next_line()).await {
            self.said.push(line);
        }
        let said = self.said.join("\n");
        let status = timeout(PATIENCE, self.child.wait()).await;
        assert!(
            status.is_ok_and(|status| status.is_ok_and(|status| status.success())),
            "{said}"
        );
        said
    }
}

/// A program that sees the local clock as libfaketime is told to show it; its
/// other clocks run true.
pub(crate) fn on_clock(program: impl AsRef<Path>, clock: &Clock) -> Command {
    let mut command = alone(program);
    command
        .env("LD_PRELOAD", libfaketime())
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    match clock {
        Clock::Fixed(text) => command.env("FAKETIME", text),
        Clock::File(file) => command
            .env("FAKETIME_TIMESTAMP_FILE", file)
            .env("FAKETIME_NO_CACHE", "1"),
    };
    command
}

/// A program that finds the endpoint's credentials, and no others.
pub(crate) fn alone(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env_remove("AWS_SESSION_TOKEN")
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1");
    command
}

/// What the wall clock shows.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// `-20m`: always off by so much; `+0 x60`: correct at the start, and fast.
    Fixed(&'static str),
    /// Off by what stands in a file at that moment.
    File(PathBuf),
}

impl Clock {
    /// A clock that can be set while the program runs, correct for now.
    pub(crate) fn settable(name: &str) -> Self {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let clock = Self::File(file);
        clock.set("+0");
        clock
    }

    pub(crate) fn set(&self, offset: &str) {
        let Self::File(file) = self else {
            panic!("{self:?} cannot be set");
        };
        // Whoever reads it sees the old file or the new one.
        let new = file.with_extension("new");
        fs::write(&new, format!("{offset}\n")).expect("the target directory can be written");
        fs::rename(&new, file).expect("the target directory can be written");
    }
}

/// One of this package's examples, built as it stands.
pub(crate) fn example(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let built = cargo()
            .args(["build", "--quiet", "--all-features"])
            .args(["--example", "sqs_poller", "--example", "skew_proxy"])
            .args(["--example", "s3_calls"])
            .status();
        assert!(built.is_ok_and(|status| status.success()));
        let tests = env::current_exe().expect("it runs");
        let profile = tests.ancestors().nth(2).expect("target/debug/deps/real");
        profile.join("examples")
    });
    folder.join(name)
}

/// Cargo, as the one that runs these tests was started.
///
/// What that one says of this package in the environment would make the build scripts that
/// look at it, and everything built with them, differ: each of the two would build most of
/// the SDK again after the other.
pub(crate) fn cargo() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO"));
    let of_this_package = ["CARGO_MANIFEST_", "CARGO_PKG_"];
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if of_this_package.iter().any(|start| text.starts_with(start)) {
            command.env_remove(&name);
        }
    }
    command
}

/// A file of this folder.
pub(crate) fn beside(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "real", name]
        .iter()
        .collect()
}

/// Where `tests/real/install` has put its tools.
pub(crate) fn tools() -> PathBuf {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real");
    assert!(tools.is_dir(), "run `bash tests/real/install` first");
    tools
}

fn libfaketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("a Unix");
    let found = folders
        .flatten()
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.is_file());
    found.expect("run `bash tests/real/install` first")
}

const PATIENCE: Duration = Duration::from_secs(60);
