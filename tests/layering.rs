//! The layers of `src/`: a file imports only from the layers above it.

use std::fs;
use std::path::{Path, PathBuf};

/// Files and folders of `src/`, from the top down. Those of one layer do not import each other.
const LAYERS: [&[&str]; 11] = [
    &["sync", "offset"],
    &[
        "interval",
        "local_clock",
        "timestamp",
        "host",
        "recent",
        "buffered",
        "lifetime",
    ],
    &["evidence"],
    &["event", "judge"],
    &["diagnosis", "trust", "throttle"],
    &["correction", "report"],
    &["decide"],
    &["clock", "resign"],
    &["attempt", "resend", "synchronize"],
    &["sdk"],
    &["tower"],
];

#[test]
fn a_file_imports_only_what_is_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut checked = 0;
    for (depth, layer) in LAYERS.iter().enumerate() {
        for module in *layer {
            let allowed: Vec<&str> = LAYERS[..depth]
                .iter()
                .flat_map(|above| above.iter().copied())
                .collect();
            for file in files_of(&src, module) {
                let text = fs::read_to_string(&file).unwrap();
                for import in imports(&text) {
                    let is_own = import == *module;
                    assert!(
                        is_own || allowed.contains(&import),
                        "{} imports crate::{import}, which is not above it",
                        file.display()
                    );
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 50, "found {checked} imports only");
}

#[test]
fn every_file_has_a_layer() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(src).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_known = LAYERS.iter().any(|layer| layer.contains(&name.as_str()));
        assert!(
            is_known || ["guide", "lib"].contains(&name.as_str()),
            "{name} has no layer"
        );
    }
}

#[test]
fn one_file_uses_tracing_and_one_reads_the_clock() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for layer in LAYERS {
        for module in layer {
            for file in files_of(&src, module) {
                let code = code_of(&fs::read_to_string(&file).unwrap());
                let name = file.strip_prefix(&src).unwrap().to_str().unwrap();
                // The second is a test that subscribes.
                let may_speak = ["report.rs", "clock/interleavings.rs"].contains(&name);
                assert_eq!(code.contains("tracing::"), may_speak, "{name}");
                let reads = code.contains("SystemTime::now()") || code.contains("Instant::now");
                assert_eq!(reads, name == "local_clock.rs", "{name}");
            }
        }
    }
}

fn files_of(src: &Path, module: &str) -> Vec<PathBuf> {
    let mut files = vec![src.join(format!("{module}.rs"))];
    let mut folders = vec![src.join(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

/// Returns the modules that follow `crate::` in code. The expansions of macros and the unit tests
/// of a file do not count.
fn imports(text: &str) -> Vec<&str> {
    let code = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//") && !line.contains("$crate"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|path| {
            path.split(|c: char| !c.is_ascii_lowercase() && c != '_')
                .next()
                .unwrap_or_default()
        })
        .filter(|module| !module.is_empty())
        .collect()
}

fn code_of(text: &str) -> String {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(is_code).collect::<Vec<_>>().join("\n")
}
