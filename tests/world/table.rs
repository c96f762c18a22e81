//! The first table, as `docs/verification.md` has it.

use std::fmt::Write;

use crate::arm::Arm;
use crate::row::{End, ROWS};

const ARMS: [(&str, Arm); 4] = [
    ("`install!`", Arm::Install),
    ("`configure`", Arm::Configure),
    ("the SDK's own", Arm::SdkAlone),
    ("none", Arm::Nobody),
];

#[test]
fn the_table_in_the_docs_states_the_measured_results() {
    let mut table = String::from("| scenario | calls |");
    for (name, _) in ARMS {
        write!(table, " {name} |").expect("memory");
    }
    table.push_str("\n|---|---|");
    table.push_str(&"---|".repeat(ARMS.len()));
    table.push('\n');
    for row in ROWS {
        let ends = ARMS.map(|(_, arm)| row.played_by(arm));
        write!(table, "| {} | {} |", row.name, ends[0].calls).expect("memory");
        for end in &ends {
            write!(table, " {} |", cell(end)).expect("memory");
        }
        table.push('\n');
    }
    println!("{table}");
    let page = include_str!("../../docs/verification.md");
    assert!(
        page.contains(&table),
        "docs/verification.md has another table"
    );
}

fn cell(end: &End) -> String {
    let failed = if end.failed == 0 {
        "0".to_owned()
    } else {
        format!("**{}**", end.failed)
    };
    // How far off those that were accepted were, to ten seconds.
    let worst = (end.worst.as_secs() + 5) / 10 * 10;
    let worst = if worst == 0 || end.failed > 0 || end.rejected == end.calls {
        String::new()
    } else {
        format!(", {worst} s off")
    };
    format!("{failed}; {} of {}{worst}", end.rejected, end.sent)
}
