//! README and crate docs: what both say, they say alike, and what is linked is there.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

/// The sections that both have.
const SHARED: [&str; 3] = ["How it decides", "What it does not do", "Features"];

#[test]
fn what_both_say_they_say_alike() {
    let readme = read("README.md");
    let docs = docs_of("src/lib.rs");
    for heading in SHARED {
        let readme = words(section(&readme, &format!("## {heading}\n")));
        let docs = words(section(&docs, &format!("# {heading}\n")));
        assert_eq!(readme, docs, "{heading:?}");
    }
}

#[test]
fn what_is_linked_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut checked = 0;
    for page in pages() {
        let folder = page.parent().unwrap();
        for target in read(&page).split("](").skip(1) {
            let target = target.split([')', '#', ' ']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.contains("::") {
                continue;
            }
            let is_there = root.join(folder).join(target).exists();
            assert!(is_there, "{} links {target}", page.display());
            checked += 1;
        }
    }
    assert!(checked > 15, "found {checked} links only");
}

/// The pages for people at the top and in `docs`.
fn pages() -> Vec<std::path::PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["", "docs"]
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap().flatten())
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| path.strip_prefix(root).unwrap().to_owned())
        .collect()
}

#[track_caller]
fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = fs::read_to_string(&path);
    text.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text of a file's `//!` lines.
fn docs_of(path: &str) -> String {
    let mut docs = String::new();
    for line in read(path)
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
    {
        docs.push_str(line.strip_prefix(' ').unwrap_or(line));
        docs.push('\n');
    }
    docs
}

/// What stands below a heading, up to the next one of its kind.
#[track_caller]
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(&format!("\n{heading}")).expect("has the heading");
    let rest = &text[start + 1 + heading.len()..];
    let level = heading.split(' ').next().unwrap();
    let end = rest.find(&format!("\n{level} ")).unwrap_or(rest.len());
    rest[..end].trim()
}

/// The words alone: lines are broken and names are linked differently.
fn words(text: &str) -> String {
    let plain = text.replace("[`", "`").replace("`]", "`");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}
