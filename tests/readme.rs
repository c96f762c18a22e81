//! The programs of the README and the cookbook need exactly the dependencies that the page names.
//! They are compiled as doctests with this package's dependencies; `tests/real/recipes.rs` builds
//! them with their own.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const PAGES: [&str; 2] = ["README.md", "docs/cookbook.md"];

#[test]
fn the_programs_of_a_page_use_the_dependencies_that_it_names() {
    for page in PAGES {
        let text = read(page);
        let named: BTreeSet<_> = dependencies(&text).into_keys().collect();
        let used: BTreeSet<_> = blocks(&text, "rust")
            .iter()
            .flat_map(|code| crates(code))
            .collect();
        assert_eq!(named, used, "{page}");
    }
}

#[test]
fn the_versions_and_features_that_a_page_names_are_those_of_the_tests() {
    let manifest = read("Cargo.toml");
    let (_, tested) = manifest.split_once("[dev-dependencies]").unwrap();
    let tested = table(tested);
    for page in PAGES {
        let named = dependencies(&read(page));
        assert!(named.len() > 3, "{page}");
        for (name, dependency) in named {
            if name == "aws_clock_skew" {
                let url = value(&manifest, "repository").unwrap();
                assert_eq!(value(&dependency, "git"), Some(url), "{page}");
                continue;
            }
            let is_in =
                |of: &str, version: &str| format!("{of}.").starts_with(&format!("{version}."));
            let test = tested
                .get(&name)
                .unwrap_or_else(|| panic!("{page}: {name} is not tested"));
            let (named, test_has) = (version(&dependency).unwrap(), version(test).unwrap());
            assert!(
                is_in(test_has, named),
                "{page}: {name} {named}, tested with {test_has}"
            );
            for feature in features(&dependency) {
                assert!(
                    features(test).contains(feature),
                    "{page}: {name} with {feature}"
                );
            }
        }
    }
}

#[test]
fn the_readme_and_the_crates_documentation_name_every_feature() {
    let manifest = read("Cargo.toml");
    let (_, all) = manifest.split_once("\n[features]\n").unwrap();
    let (all, _) = all.split_once("\n[dependencies]\n").unwrap();
    let names = all
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name);
    let docs = read("src/lib.rs");
    let mut found = 0;
    for feature in names.filter(|name| *name != "default") {
        let readme = read("README.md");
        let (_, features) = readme.split_once("\n## Features").unwrap();
        assert!(
            features.contains(&format!("`{feature}`")),
            "the README lacks {feature}"
        );
        assert!(
            docs.contains(&format!("//! * `{feature}`")),
            "src/lib.rs lacks {feature}"
        );
        found += 1;
    }
    assert_eq!(found, 6);
}

#[test]
fn the_pages_name_the_versions_of_the_manifest() {
    let manifest = read("Cargo.toml");
    let rust = value(&manifest, "rust-version").unwrap();
    let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
    let config = dependencies
        .lines()
        .find(|line| line.starts_with("aws-config = "));
    let config = version(config.unwrap().split_once(" = ").unwrap().1).unwrap();
    let config: Vec<_> = config.split('.').take(2).collect();
    let config = config.join(".");
    for (page, text) in [
        (
            "README.md",
            format!("Minimum supported Rust version: {rust}. SDK: aws-config {config},"),
        ),
        ("src/lib.rs", format!("//! {rust}, the same as the AWS SDK")),
        ("CONTRIBUTING.md", format!("cargo +{rust} check")),
        (
            "docs/migration.md",
            format!("`aws-config` {config}, the first"),
        ),
    ] {
        let words = read(page);
        let words: Vec<_> = words.split_whitespace().collect();
        assert!(words.join(" ").contains(&text), "{page} lacks: {text}");
    }
}

/// The entries of a page's `[dependencies]`.
fn dependencies(page: &str) -> BTreeMap<String, String> {
    let blocks = blocks(page, "toml");
    let mut tables = blocks
        .iter()
        .filter_map(|block| block.split_once("[dependencies]"));
    table(tables.next().unwrap().1)
}

/// Returns the lines `name = value` up to the next header.
fn table(text: &str) -> BTreeMap<String, String> {
    let lines = text
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    let entries = lines.filter_map(|line| line.split_once(" = "));
    let entries = entries.filter(|(name, _)| !name.contains(['#', ' ']));
    entries
        .map(|(name, value)| (name.replace('-', "_"), value.to_owned()))
        .collect()
}

fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let blocks = page.split("```").skip(1).step_by(2);
    blocks.filter(|block| block.starts_with(language)).collect()
}

/// The crates that a program names in paths.
fn crates(code: &str) -> BTreeSet<String> {
    let is_in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut crates = BTreeSet::new();
    for (at, _) in code.match_indices("::") {
        let start = code[..at]
            .rfind(|c| !is_in_name(c))
            .map_or(0, |before| before + 1);
        let name = &code[start..at];
        let is_first = !code[..start].ends_with(':');
        if is_first && name.starts_with(|c: char| c.is_ascii_lowercase()) && name != "std" {
            crates.insert(name.to_owned());
        }
    }
    crates
}

fn version(dependency: &str) -> Option<&str> {
    match dependency.strip_prefix('"') {
        Some(rest) => rest.split('"').next(),
        None => value(dependency, "version"),
    }
}

fn features(dependency: &str) -> BTreeSet<&str> {
    let list = dependency
        .split_once("features = [")
        .map_or("", |(_, rest)| rest);
    let list = list.split(']').next().unwrap_or_default();
    list.split('"').skip(1).step_by(2).collect()
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("{key} = \""))?;
    rest.split('"').next()
}

#[track_caller]
fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}
