//! The recipes of the README and the cookbook, each copied into a program of its own, which a new
//! user's package builds and which runs on a clock two hours behind.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, fs};

use aws_clock_skew::{LocalClock, SystemClock};
use aws_clock_skew_endpoint::Endpoint;
use tokio::process::Command;

use crate::program::{Clock, Program, on_clock};

const BEHIND: Clock = Clock::Fixed("-2h");

/// What a new user writes into `Cargo.toml`.
const MANIFEST: &str = r#"
[package]
name = "recipes"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
aws-clock-skew = { path = "@", features = ["serde", "test-util"] }
aws-config = "1"
aws-sdk-s3 = "1"
aws-sdk-sqs = "1"
axum = "0.8"
bytes = "1"
http = "1"
http-body-util = "0.1"
hyper-util = { version = "0.1", features = ["client-legacy", "http1", "tokio"] }
tokio = { version = "1", features = ["full"] }
tower = { version = "0.5", features = ["util"] }
"#;

#[tokio::test]
#[ignore = "builds a package, and needs libfaketime: bash tests/real/install"]
async fn whole_process_one_client_and_edge_device() {
    for (name, rejected) in [("whole-process", 1), ("one-client", 1), ("edge-device", 0)] {
        let endpoint = endpoint().await;
        let mut program = recipe(name, &endpoint);
        program.until("/orders").await;
        program.ends().await;
        assert_eq!(endpoint.counts().rejected_for_time, rejected, "{name}");
    }
}

#[tokio::test]
#[ignore = "builds a package, and needs libfaketime: bash tests/real/install"]
async fn poller() {
    let endpoint = endpoint().await;
    endpoint.feed("orders", "order 1");
    let mut program = recipe("poller", &endpoint);
    program.until("order 1").await;
    endpoint.feed("orders", "order 2");
    program.until("order 2").await;
    program.signal("INT").await;
    let said = program.ends().await;
    assert!(said.contains("the local clock is 2 h behind"), "{said}");
    assert_eq!(endpoint.counts().rejected_for_time, 1);
}

#[tokio::test]
#[ignore = "builds a package, and needs libfaketime: bash tests/real/install"]
async fn tower() {
    let endpoint = endpoint().await;
    let said = recipe("tower", &endpoint).ends().await;
    assert_eq!(said, "200 OK");
    assert_eq!(endpoint.counts().rejected_for_time, 1);
}

#[tokio::test]
#[ignore = "builds a package, and needs libfaketime: bash tests/real/install"]
async fn presigned_url() {
    let endpoint = endpoint().await;
    let url = recipe("presigned-URL", &endpoint).ends().await;
    let dated = url.split("X-Amz-Date=").nth(1);
    let dated = dated.and_then(|rest| rest.get(..11)).unwrap_or_default();
    let day_and_hour = |seconds: u64| {
        let time = SystemClock::new().wall() - Duration::from_secs(seconds);
        let time = aws_smithy_types::DateTime::from(time);
        let text = time.fmt(aws_smithy_types::date_time::Format::DateTime);
        text.unwrap_or_default().replace(['-', ':'], "")[..11].to_owned()
    };
    // The hour may have ended since.
    assert!(
        [0, 60].map(day_and_hour).contains(&dated.to_owned()),
        "{url}"
    );
}

#[tokio::test]
#[ignore = "builds a package, and needs libfaketime: bash tests/real/install"]
async fn health() {
    let endpoint = endpoint().await;
    let mut program = recipe("health", &endpoint);
    let url = program.until("/healthz").await;
    let answer = reqwest::get(url).await.expect("it serves");
    let answer = answer.text().await.expect("it answers");
    assert!(
        answer.starts_with(
            r#"{"correcting":false,"mode":"correct","clock":"default","offset":"0 ms","#
        ),
        "{answer}"
    );
}

#[tokio::test]
#[ignore = "builds a package, and needs libfaketime: bash tests/real/install"]
async fn diagnosis() {
    let endpoint = endpoint().await;
    // Which only who has no correction of his own gets to see.
    let mut command = command("diagnosis", &endpoint);
    command.env("AWS_DISABLE_CLOCK_SKEW_CORRECTION", "true");
    let said = Program::start(&mut command).ends().await;
    assert!(said.starts_with("the local clock is 2 h behind"), "{said}");
    assert!(said.contains("chronyc makestep"), "{said}");
}

#[tokio::test]
#[ignore = "builds a package, and needs libfaketime: bash tests/real/install"]
async fn tests_of_your_own() {
    let endpoint = endpoint().await;
    recipe("test", &endpoint).ends().await;
}

#[test]
fn every_recipe_is_tried() {
    let tests = include_str!("recipes.rs");
    for (name, _) in recipes() {
        assert!(tests.contains(&format!("{name:?}")), "{name} is not tried");
    }
}

async fn endpoint() -> Endpoint {
    let true_time = || SystemClock::new().wall();
    let endpoint = Endpoint::builder(true_time).start().await;
    endpoint.expect("loopback can be bound")
}

fn recipe(name: &str, endpoint: &Endpoint) -> Program {
    Program::start(&mut command(name, endpoint))
}

fn command(name: &str, endpoint: &Endpoint) -> Command {
    let mut command = on_clock(built().join(name), &BEHIND);
    command
        .env("AWS_ENDPOINT_URL", endpoint.url())
        .env("SERVICE_URL", endpoint.url())
        .env("QUEUE_URL", endpoint.queue_url("orders"));
    command
}

/// Names and programs, as they stand in the README and the cookbook.
fn recipes() -> Vec<(String, String)> {
    let pages = [
        include_str!("../../README.md"),
        include_str!("../../docs/cookbook.md"),
    ];
    pages
        .iter()
        .flat_map(|page| page.split("<!-- recipe: ").skip(1))
        .map(|rest| {
            let (name, rest) = rest.split_once(" -->\n```rust").expect("a program follows");
            let (_, rest) = rest.split_once('\n').expect("has a first line");
            let (program, _) = rest.split_once("\n```").expect("ends");
            (name.replace(' ', "-"), program.to_owned())
        })
        .collect()
}

/// Where the programs are, built from a package of their own.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recipes");
        let programs = package.join("src/bin");
        fs::create_dir_all(&programs).expect("the target directory can be written");
        let put = |file: PathBuf, text: &str| {
            fs::write(file, text).expect("the target directory can be written");
        };
        let root = env!("CARGO_MANIFEST_DIR");
        put(package.join("Cargo.toml"), &MANIFEST.replace('@', root));
        let lock = fs::read_to_string(Path::new(root).join("Cargo.lock"));
        // The versions that the tests have.
        put(package.join("Cargo.lock"), &lock.expect("is committed"));
        let recipes = recipes();
        assert!(recipes.len() >= 9, "{}", recipes.len());
        for (name, program) in recipes {
            put(programs.join(name).with_extension("rs"), &program);
        }
        let target = package.join("target");
        let built = std::process::Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--manifest-path"])
            .arg(package.join("Cargo.toml"))
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_PROFILE_DEV_DEBUG", "false")
            .status();
        assert!(built.is_ok_and(|status| status.success()));
        target.join("debug")
    })
}
