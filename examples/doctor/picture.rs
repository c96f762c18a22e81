//! A table and a picture of the servers' clocks against the local clock.

use std::fmt::Write as _;

use aws_clock_skew::ClockOffset;

use super::asking::Server;

pub(crate) fn table(servers: &[Server]) -> String {
    let mut table = format!(
        "{:<32} {:>7} {:>10}  server − local clock\n",
        "server", "answers", "fastest"
    );
    for server in servers {
        let fastest = server
            .round_trip
            .map_or("-".to_owned(), |time| format!("{} ms", time.as_millis()));
        let says = match (server.range, &server.trouble) {
            (Some(range), _) => format!("{} ± {} ms", signed(range.middle()), range.margin()),
            (None, Some(trouble)) => trouble.clone(),
            (None, None) => "-".to_owned(),
        };
        let name: String = server.name.chars().take(32).collect();
        // Writing to a string does not fail.
        let _ = writeln!(
            table,
            "{name:<32} {:>7} {fastest:>10}  {says}",
            server.answers
        );
    }
    table
}

/// One line for each server: `|` is the local clock, and `├──┤` is the range of the server's clock,
/// or `●` if it is narrower than a column.
pub(crate) fn picture(servers: &[Server]) -> String {
    let ranges = servers.iter().filter_map(|server| server.range);
    let (mut least, mut most) = (0, 0);
    for range in ranges {
        least = least.min(range.low);
        most = most.max(range.high);
    }
    // A margin at both ends, and at least four seconds in all.
    let margin = ((most - least) / 8).max(2_000);
    let (least, most) = (least - margin, most + margin);
    let column = |offset: i64| {
        let at = i128::from(offset - least) * (COLUMNS - 1) / i128::from(most - least);
        usize::try_from(at).unwrap_or(0)
    };
    let mut picture = String::new();
    let (left, right) = (signed(least), signed(most));
    let gap = columns().saturating_sub(left.chars().count());
    let _ = writeln!(picture, "{:<24} {left}{right:>gap$}", "");
    for server in servers {
        let Some(range) = server.range else {
            continue;
        };
        let mut line = vec!['·'; columns()];
        line[column(0)] = '|';
        let (from, to) = (column(range.low), column(range.high));
        if to - from < 2 {
            line[from] = '●';
        } else {
            line[from..=to].fill('─');
            line[from] = '├';
            line[to] = '┤';
            if (from..=to).contains(&column(0)) {
                line[column(0)] = '┼';
            }
        }
        let name: String = server.name.chars().take(24).collect();
        let line: String = line.into_iter().collect();
        let _ = writeln!(picture, "{name:<24} {line}");
    }
    let _ = writeln!(picture, "{:<24} | local clock", "");
    picture
}

fn signed(millis: i64) -> String {
    format!("{:+}", ClockOffset::from_millis(millis))
}

fn columns() -> usize {
    usize::try_from(COLUMNS).unwrap_or(0)
}

const COLUMNS: i128 = 53;
