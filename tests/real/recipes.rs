//! The programs of the README and the cookbook, each built in a package that has the dependencies which
//! the page names, and run on a clock that is two hours behind.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, fs};

use aws_clock_skew::{LocalClock, SystemClock};
use aws_clock_skew_endpoint::Endpoint;
use tokio::process::Command;

use crate::program::{Clock, Program, cargo, on_clock};

const BEHIND: Clock = Clock::Fixed("-2h");

/// What a new user writes into `Cargo.toml`, besides the dependencies that the page names.
const MANIFEST: &str = r#"
[package]
name = "recipes"
version = "0.0.0"
edition = "2024"

[workspace]

"#;

/// The pages with programs, and the features of this crate that their text asks for.
const PAGES: [(&str, &str, &str); 2] = [
    ("readme", include_str!("../../README.md"), ""),
    (
        "cookbook",
        include_str!("../../docs/cookbook.md"),
        r#", features = ["serde", "test-util"]"#,
    ),
];

#[tokio::test]
#[ignore = "builds a package, and needs libfaketime: bash tests/real/install"]
async fn whole_process_one_client_and_edge_device() {
    for (name, rejected) in [("whole-process", 1), ("one-client", 1), ("edge-device", 0)] {
        let endpoint = endpoint().await;
        endpoint.feed("orders", "order 1");
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
    // Otherwise the SDK's own correction saves the call.
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
    assert!(recipes().len() >= 9, "{}", recipes().len());
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

/// The names and programs of all pages.
fn recipes() -> Vec<(String, String)> {
    PAGES
        .iter()
        .flat_map(|(_, page, _)| programs(page))
        .collect()
}

fn programs(page: &str) -> Vec<(String, String)> {
    let programs = page.split("<!-- recipe: ").skip(1).map(|rest| {
        let (name, rest) = rest.split_once(" -->\n```rust").expect("a program follows");
        let (_, rest) = rest.split_once('\n').expect("has a first line");
        let (program, _) = rest.split_once("\n```").expect("ends");
        (name.replace(' ', "-"), program.to_owned())
    });
    programs.collect()
}

/// The `[dependencies]` of a page, with this crate as it is here.
fn dependencies(page: &str, features: &str) -> String {
    let (_, rest) = page
        .split_once("```toml\n")
        .expect("names its dependencies");
    let (block, _) = rest.split_once("```").expect("ends");
    let lines = block.lines().map(|line| {
        if line.starts_with("aws-clock-skew = { git = ") {
            let root = env!("CARGO_MANIFEST_DIR");
            format!("aws-clock-skew = {{ path = {root:?}{features} }}\n")
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}

/// Where the programs are, built from one package for each page.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recipes");
        let target = folder.join("target");
        for (name, page, features) in PAGES {
            let package = folder.join(name);
            let sources = package.join("src/bin");
            fs::create_dir_all(&sources).expect("the target directory can be written");
            let put = |file: PathBuf, text: &str| {
                fs::write(file, text).expect("the target directory can be written");
            };
            let manifest = format!("{MANIFEST}{}", dependencies(page, features));
            put(package.join("Cargo.toml"), &manifest);
            // The versions that the tests have.
            let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
            let lock = fs::read_to_string(lock).expect("is committed");
            put(package.join("Cargo.lock"), &lock);
            for (name, program) in programs(page) {
                put(sources.join(name).with_extension("rs"), &program);
            }
            let built = cargo()
                .args(["build", "--quiet", "--manifest-path"])
                .arg(package.join("Cargo.toml"))
                .env("CARGO_TARGET_DIR", &target)
                .env("CARGO_PROFILE_DEV_DEBUG", "false")
                .status();
            assert!(built.is_ok_and(|status| status.success()), "{name}");
        }
        target.join("debug")
    })
}
