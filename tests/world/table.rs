//! The first table, as `docs/verification.md` has it.

use std::fmt::Write;

use crate::arm::Arm;
use crate::differential::rows;
use crate::row::{End, ROWS};

type Players = (&'static str, &'static [Arm]);

/// The two layers differ in nothing that the table has.
const PLAYERS: [Players; 6] = [
    ("`install!`", &[Arm::Install]),
    ("`configure`", &[Arm::Configure]),
    ("both", &[Arm::Both]),
    ("Tower", &[Arm::Signing, Arm::Below]),
    ("the SDK's own", &[Arm::SdkAlone]),
    ("none", &[Arm::Nobody]),
];

#[test]
fn the_table_in_the_docs_states_the_measured_results() {
    let mut table = String::from("| scenario | calls |");
    for (name, _) in PLAYERS {
        write!(table, " {name} |").expect("memory");
    }
    table.push_str("\n|---|---|");
    table.push_str(&"---|".repeat(PLAYERS.len()));
    table.push('\n');
    for row in &ROWS {
        write_row(&mut table, row.name, |arm| row.played_by(arm));
    }
    for row in &rows::ROWS {
        write_row(&mut table, row.0, |arm| row.played_by(arm));
    }
    let page = include_str!("../../docs/verification.md");
    assert!(
        page.contains(&table),
        "docs/verification.md has another table"
    );
}

fn write_row(table: &mut String, name: &str, played_by: impl Fn(Arm) -> End) {
    let ends = PLAYERS.map(|(_, arms)| {
        let mut ends = arms.iter().map(|arm| played_by(*arm));
        let end = ends.next().expect("there is one at least");
        ends.for_each(|other| assert_eq!(cell(&other), cell(&end), "{name}"));
        end
    });
    let cells = ends.iter().map(cell).collect::<Vec<_>>().join(" | ");
    let row = format!("| {name} | {} | {cells} |\n", ends[0].calls);
    print!("{row}");
    table.push_str(&row);
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
