//! The table of `docs/sdk-features.md`: features of the SDK on a local clock that is 2 hours behind
//! and on one that is 9 hours ahead, with the integrations and with the SDK alone.

mod programs;
mod server;

use std::fmt::Write as _;
use std::pin::Pin;

use crate::clients::Integration;
use crate::world::HOUR;

/// What five calls of a program cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Cost {
    rejected: usize,
    failed: usize,
}

/// Who runs a program, and how far the local clock is ahead, in seconds.
#[derive(Clone, Copy)]
struct Setup {
    /// The SDK alone, if there is none.
    integration: Option<Integration>,
    skew: i64,
}

/// A row of the table.
struct Feature {
    name: &'static str,
    run: fn(Setup) -> Pin<Box<dyn Future<Output = Cost>>>,
}

const SKEWS: [i64; 2] = [-2 * HOUR, 9 * HOUR];

/// The columns of the table.
const COLUMNS: [(&str, Option<Integration>); 4] = [
    ("`install!`", Some(Integration::Interceptor)),
    ("`configure`", Some(Integration::HttpClient)),
    ("both", Some(Integration::Both)),
    ("the SDK alone", None),
];

impl Feature {
    fn costs(&self, integration: Option<Integration>) -> [Cost; 2] {
        SKEWS.map(|skew| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let setup = Setup { integration, skew };
            runtime
                .expect("loopback can be bound")
                .block_on((self.run)(setup))
        })
    }
}

#[test]
fn the_page_states_what_each_feature_costs() {
    let mut table = String::from("| feature |");
    for (name, _) in COLUMNS {
        write!(table, " {name} |").expect("memory");
    }
    table.push_str("\n|---|---|---|---|---|\n");
    let mut worse = Vec::new();
    for feature in programs::FEATURES {
        let costs = COLUMNS.map(|(_, integration)| feature.costs(integration));
        let [.., alone] = costs;
        write!(table, "| {} |", feature.name).expect("memory");
        for ((column, _), costs) in COLUMNS.iter().zip(costs) {
            let [behind, ahead] = costs.map(cell);
            write!(table, " {behind}, {ahead} |").expect("memory");
            for (ours, alone) in costs.iter().zip(alone) {
                if ours.failed > alone.failed || ours.rejected > alone.rejected {
                    worse.push((feature.name, *column));
                }
            }
        }
        table.push('\n');
    }
    println!("{table}");
    assert_eq!(worse, [], "worse than the SDK alone");
    let page = include_str!("../../docs/sdk-features.md");
    assert!(
        page.contains(&table),
        "docs/sdk-features.md has another table than\n{table}"
    );
}

fn cell(cost: Cost) -> String {
    let Cost { rejected, failed } = cost;
    match failed {
        0 => format!("{rejected}/0"),
        _ => format!("**{rejected}/{failed}**"),
    }
}
