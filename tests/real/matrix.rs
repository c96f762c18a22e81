//! Server × case × integration: the table in `docs/interop.md`.
//!
//! Each cell is a process of its own, the program `s3_calls`, on a clock of libfaketime's.

use std::fmt::Write;
use std::time::Duration;

use tokio::time::sleep;

use crate::program::{Clock, Program, example, on_clock};
use crate::relay::{Faults, Relay};
use crate::servers::{Make, Server};

/// As the table names it, and as the program does.
const INTEGRATIONS: [(&str, &str); 5] = [
    ("the SDK alone", "sdk"),
    ("`install!`", "install"),
    ("`configure`", "configure"),
    ("both", "both"),
    ("Tower", "tower"),
];

struct Case {
    name: &'static str,
    /// What the program does, and how many calls that makes.
    calls: (&'static str, usize),
    offset: &'static str,
    faults: Faults,
}

const NO_FAULTS: Faults = Faults {
    hold_until: 0,
    no_date: false,
};

const CASES: [Case; 7] = [
    Case {
        name: "20 minutes behind",
        calls: ("sequence", 20),
        offset: "-20m",
        faults: NO_FAULTS,
    },
    Case {
        name: "9 hours ahead",
        calls: ("sequence", 20),
        offset: "+9h",
        faults: NO_FAULTS,
    },
    Case {
        name: "repaired by a step after 8 calls",
        calls: ("repair", 20),
        offset: "-20m",
        faults: NO_FAULTS,
    },
    Case {
        name: "50 calls in flight",
        calls: ("in flight", 50),
        offset: "-20m",
        faults: Faults {
            hold_until: 50,
            no_date: false,
        },
    },
    Case {
        name: "HEAD first",
        calls: ("head", 21),
        offset: "-20m",
        faults: NO_FAULTS,
    },
    Case {
        name: "upload from a file first",
        calls: ("file", 22),
        offset: "-20m",
        faults: NO_FAULTS,
    },
    Case {
        name: "no `Date` in responses",
        calls: ("sequence", 20),
        offset: "-20m",
        faults: Faults {
            hold_until: 0,
            no_date: true,
        },
    },
];

/// Failed calls, and the requests that the server rejected.
async fn outcome(make: Make, relay: &Relay, clock: &Clock, arguments: [&str; 2]) -> [usize; 2] {
    let (key, secret) = make.keys();
    let mut command = on_clock(example("s3_calls"), clock);
    command
        .args(arguments)
        .arg(std::env::temp_dir().join(format!("{make:?}-upload-{}", std::process::id())))
        .env("AWS_ENDPOINT_URL", &relay.url)
        .env("AWS_ACCESS_KEY_ID", key)
        .env("AWS_SECRET_ACCESS_KEY", secret);
    let said = Program::start(&mut command).ends().await;
    println!("{make:?}, {arguments:?}, {clock:?}: {said}");
    let last = said.lines().last().unwrap_or_default();
    let counts = last
        .strip_prefix("calls ")
        .and_then(|rest| rest.split_once(", failed "));
    let (calls, failed) = counts.expect("it says how many");
    // A process that stops early, or a relay that counts nothing, shows nothing.
    let calls: usize = calls.parse().expect("a count");
    assert!(relay.answers() >= calls, "the relay counts");
    [failed.parse().expect("a count"), relay.rejected()]
}

/// The rows of one server are those in the document.
async fn has_the_rows_of_the_document(make: Make) {
    let server = Server::start(make).await;
    let right = Clock::Fixed("+0");
    let mut tries = 0;
    while {
        let relay = Relay::start(server.port).await;
        outcome(make, &relay, &right, ["sdk", "bucket"]).await[0] > 0
    } {
        // Swift's proxy is there before the servers behind it.
        tries += 1;
        assert!(tries < 20, "{make:?} makes no bucket");
        sleep(Duration::from_secs(1)).await;
    }
    let mut rows = String::new();
    for case in &CASES {
        let (calls, count) = case.calls;
        write!(rows, "| {} | {} | {count} |", make.name(), case.name).expect("memory");
        for (_, integration) in INTEGRATIONS {
            let relay = Relay::with(server.port, case.faults).await;
            let clock = if calls == "repair" {
                let clock = Clock::settable(&format!("matrix-{make:?}"));
                clock.set(case.offset);
                clock
            } else {
                Clock::Fixed(case.offset)
            };
            let [failed, rejected] = outcome(make, &relay, &clock, [integration, calls]).await;
            let failed = match failed {
                0 => "0".to_owned(),
                _ => format!("**{failed}**"),
            };
            write!(rows, " {failed}; {rejected} |").expect("memory");
        }
        rows.push('\n');
    }
    let mut header = String::from("| server | case | calls |");
    for (name, _) in INTEGRATIONS {
        write!(header, " {name} |").expect("memory");
    }
    println!("{header}\n{rows}");
    let page = include_str!("../../docs/interop.md");
    assert!(page.contains(&header), "docs/interop.md has other columns");
    assert!(page.contains(&rows), "docs/interop.md has other rows");
}

#[tokio::test]
#[ignore = "needs libfaketime and SeaweedFS: bash tests/real/install"]
async fn seaweedfs_has_the_rows_of_the_document() {
    has_the_rows_of_the_document(Make::SeaweedFs).await;
}

#[tokio::test]
#[ignore = "needs libfaketime: bash tests/real/install"]
async fn s3s_has_the_rows_of_the_document() {
    has_the_rows_of_the_document(Make::S3s).await;
}

/// Too slow for every change.
mod full {
    use super::*;

    #[tokio::test]
    #[ignore = "needs libfaketime and s3rver: bash tests/real/install full"]
    async fn s3rver_has_the_rows_of_the_document() {
        has_the_rows_of_the_document(Make::S3rver).await;
    }

    #[tokio::test]
    #[ignore = "needs libfaketime and Swift: bash tests/real/install full"]
    async fn swift_has_the_rows_of_the_document() {
        has_the_rows_of_the_document(Make::Swift).await;
    }

    #[tokio::test]
    #[ignore = "needs libfaketime and Ceph: bash tests/real/install full"]
    async fn ceph_has_the_rows_of_the_document() {
        has_the_rows_of_the_document(Make::Ceph).await;
    }
}
