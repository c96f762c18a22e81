//! Fails if a count of instructions exceeds that of `benches/figures.txt`, or misses the goal
//! stated there.
//!
//! Reads the output of `cargo bench --bench instructions -- --output-format=json`.

#![expect(
    clippy::float_arithmetic,
    reason = "ratios of counts, and no time among them"
)]

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::process::ExitCode;
use std::{error, fs};

use serde_json::Value;

type Counts = BTreeMap<String, f64>;

fn main() -> Result<ExitCode, Box<dyn error::Error>> {
    let counts = counts(io::stdin().lock())?;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../figures.txt");
    let mut has_failed = false;
    println!("{:42} {:>11} {:>11}", "", "measured", "committed");
    for line in fs::read_to_string(path)?.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (figure_of, goal) = match line.split_once(" <= ") {
            Some((figure_of, goal)) => (figure_of, goal.trim().parse()?),
            None => (line, f64::INFINITY),
        };
        let (name, committed) = figure_of
            .trim_end()
            .rsplit_once(' ')
            .ok_or("a figure has a name")?;
        let committed: f64 = committed.parse()?;
        let name = name.trim();
        let Some(measured) = figure(name, &counts) else {
            println!("{name:42} {:>11} {committed:11.2}  not measured", "");
            // `heap` is measured only before a release: it takes minutes.
            has_failed |= !name.ends_with(IN_USE);
            continue;
        };
        let verdict = if name.ends_with(IN_USE) {
            // It differs by a tenth between machines and C libraries.
            "  not compared"
        } else if measured > goal {
            has_failed = true;
            "  misses its goal"
        } else if measured > committed * TOLERANCE {
            has_failed = true;
            "  costs more"
        } else if measured * TOLERANCE < committed {
            "  costs less: commit it"
        } else {
            ""
        };
        println!("{name:42} {measured:11.2} {committed:11.2}{verdict}");
    }
    let growths = growths(&counts)?;
    if growths.is_empty() {
        return Err("the growth with the length of a text was not measured".into());
    }
    for (name, growth) in growths {
        let is_linear = growth <= MOST_GROWTH;
        has_failed |= !is_linear;
        let verdict = if is_linear {
            ""
        } else {
            "  grows faster than the text"
        };
        println!("{name:42} {growth:11.2} {MOST_GROWTH:11.2}{verdict}");
    }
    Ok(if has_failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The growth of the instructions for a text that is four times as long.
fn growths(counts: &Counts) -> Result<Vec<(String, f64)>, String> {
    let wholes = counts
        .iter()
        .filter_map(|(name, whole)| Some((name.strip_prefix("evidence_of_64_kib.")?, whole)));
    wholes
        .map(|(text, whole)| {
            let quarter = counts.get(&format!("evidence_of_16_kib.{text}"));
            let quarter = quarter.ok_or(format!("16 KiB of {text} were not measured"))?;
            Ok((format!("64 KiB / 16 KiB of {text}"), whole / quarter))
        })
        .collect()
}

/// `integration / sdk`: what an integration adds to an accepted call, relative to what the SDK's
/// own correction adds. `integration / sdk, heap in use`: the same under glibc's allocator, in a
/// program that also allocates. `a - b`: the difference in instructions. `a`: the instructions.
fn figure(name: &str, counts: &Counts) -> Option<f64> {
    let (of_call, call) = match name.strip_suffix(IN_USE) {
        Some(name) => (name, "in_use"),
        None => (name, "accepted"),
    };
    if let Some(integration) = of_call.strip_suffix(" / sdk") {
        let count = |who: &str| counts.get(&format!("{call}.{who}"));
        let none = count("none")?;
        let adds = |integration: &str| Some(count(integration)? - none);
        return Some(adds(integration)? / adds("sdk")?);
    }
    match name.split_once(" - ") {
        Some((one, other)) => Some(counts.get(one)? - counts.get(other)?),
        None => counts.get(name).copied(),
    }
}

/// Returns the instructions of each benchmark, for one of its repetitions.
fn counts(input: impl BufRead) -> Result<Counts, Box<dyn error::Error>> {
    let mut counts = Counts::new();
    for line in input.lines() {
        let line = line?;
        // Cargo may have printed lines before.
        if !line.starts_with('{') {
            continue;
        }
        let summary: Value = serde_json::from_str(&line)?;
        let name = summary["function_name"].as_str().ok_or("no name")?;
        let name = match summary["id"].as_str() {
            Some(id) => format!("{name}.{id}"),
            None => name.to_owned(),
        };
        let count = &summary["profiles"][0]["data"]["total"]["metrics"]["Ir"]["values"]["new"];
        let count = count.as_f64().ok_or("no instructions")?;
        let times = if name.contains("_kib.") {
            1.0
        } else if name.starts_with("in_use") {
            MANY_TIMES
        } else {
            TIMES
        };
        counts.insert(name, count / times);
    }
    Ok(counts)
}

const IN_USE: &str = ", heap in use";
/// Linear parsing takes four times the instructions, and quadratic parsing sixteen times.
const MOST_GROWTH: f64 = 4.5;
/// The repetitions in `instructions.rs`, except for reading a long text.
const TIMES: f64 = 50.0;
/// The calls in `heap.rs`.
const MANY_TIMES: f64 = 4_000.0;
/// The counts differ by a thousandth from run to run, and the C library chooses other paths on
/// other processors.
const TOLERANCE: f64 = 1.05;
