//! Documents name existing tests and files, their links work, and they use the terms of the project.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

/// `` `tests/sdk/weak.rs: wrong_dates_on_errors_leave_a_correct_clock_and_cost_one_resend` ``
#[test]
fn each_test_that_a_document_names_exists() {
    let mut named = 0;
    for page in pages() {
        let text = read(&page);
        for (file, test) in spans(&text).filter_map(|span| span.split_once(".rs: ")) {
            let file = format!("{file}.rs");
            let code = fs::read_to_string(root().join(&file)).unwrap_or_default();
            let place = format!("{} names {test} of {file}", page.display());
            let attributes = attributes_of(&code, test);
            assert!(is_compiled(Path::new(&file)), "{place}: it is in no target");
            let attributes = attributes.unwrap_or_else(|| panic!("{place}: there is no such test"));
            // These pages say that their tests need an installation.
            let may_be_ignored = ["docs/interop.md", "docs/cookbook.md"].map(PathBuf::from);
            assert!(
                may_be_ignored.contains(&page) || !attributes.contains("#[ignore"),
                "{place}: this test is ignored"
            );
            named += 1;
        }
    }
    assert!(named > 80, "found {named} only");
}

#[test]
fn a_comment_is_no_test() {
    let test = "\n\n#[test]\n// Why.\nfn it_works() {}";
    assert!(attributes_of(test, "it_works").is_some());
    for other in [
        "\n\n// #[test]\n// fn it_works() {}",
        "\n\n//#[test]\nfn it_works() {}",
        "\n\n#[test]\n//fn it_works() {}",
        "\n\n#[test]\nfn it_works_not() {}",
    ] {
        assert_eq!(attributes_of(other, "it_works"), None, "{other}");
    }
}

#[test]
fn each_file_bench_and_example_that_a_document_names_exists() {
    let mut named = 0;
    for page in pages() {
        let text = read(&page);
        let mut files: Vec<String> = spans(&text)
            .map(|span| span.split([':', '#', ' ']).next().unwrap_or_default())
            // The published package lacks some of the folders.
            .filter(|span| {
                let mut folders = FOLDERS.iter().filter(|folder| root().join(folder).exists());
                folders.any(|folder| span.starts_with(folder))
            })
            .map(|span| span.trim_end_matches('/').to_owned())
            .collect();
        let words: Vec<&str> = text.split([' ', '\n', '`']).collect();
        for pair in words.windows(2) {
            let name = pair[1].trim_end_matches(['.', ',', ':', ';', ')']);
            match pair[0] {
                "--bench" if !name.starts_with('<') => files.push(format!("benches/{name}.rs")),
                "--example" => files.push(format!("examples/{name}")),
                _ => {}
            }
        }
        for file in files {
            let is_there = ["", ".rs"]
                .iter()
                .any(|end| root().join(format!("{file}{end}")).exists());
            assert!(is_there, "{} names {file}", page.display());
            named += 1;
        }
    }
    assert!(named > 100, "found {named} only");
}

#[test]
fn each_link_leads_to_a_file_and_a_heading() {
    let mut checked = 0;
    for page in pages() {
        let text = read(&page);
        for link in text.split("](").skip(1) {
            let link = link.split([')', ' ']).next().unwrap_or_default();
            if link.contains("://") || link.contains("::") {
                continue;
            }
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = match target {
                "" => page.clone(),
                _ => page.parent().unwrap().join(target),
            };
            assert!(
                root().join(&file).exists(),
                "{} links {link}",
                page.display()
            );
            let is_there = anchor.is_empty() || headings(&read(&file)).any(|h| slug(h) == anchor);
            assert!(is_there, "{} links {link}", page.display());
            checked += 1;
        }
    }
    assert!(checked > 15, "found {checked} only");
}

#[test]
fn each_page_has_one_title_and_noun_phrases_for_headings() {
    for page in pages() {
        let text = read(&page);
        let titles = headings(&text).filter(|heading| heading.starts_with("# "));
        assert_eq!(titles.count(), 1, "{}", page.display());
        assert!(text.starts_with("# "), "{}", page.display());
        // The README has the questions of its readers.
        if page != Path::new("README.md") {
            let riddle = headings(&text).find(|heading| heading.ends_with('?'));
            assert_eq!(riddle, None, "{}", page.display());
        }
    }
}

#[test]
fn the_readme_is_short() {
    let text = read(Path::new("README.md"));
    let (lines, words) = (text.lines().count(), text.split_whitespace().count());
    assert!(lines <= 130, "{lines} lines");
    assert!(words <= 950, "{words} words");
}

/// The words that the terms of CONTRIBUTING.md replace.
#[test]
fn the_performance_page_states_the_committed_shares() {
    let page = read(Path::new("docs/performance.md"));
    let figures = read(Path::new("benches/figures.txt"));
    let off = "`configure`, the SDK's own correction switched off by the user";
    let corrected = "Accepted calls while the clock is corrected";
    for (section, row, name) in [
        ("Accepted calls", "`install!`", "install"),
        ("Accepted calls", "`configure`", "configure"),
        ("Accepted calls", off, "configure_sdk_off"),
        ("Accepted calls", "`configure` and `install!`", "both"),
        (corrected, "`install!`", "install_corrected"),
        (corrected, "`configure`", "configure_corrected"),
        (corrected, "`configure` and `install!`", "both_corrected"),
    ] {
        let (_, table) = page.split_once(&format!("## {section}\n")).unwrap();
        let (_, cells) = table.split_once(&format!("\n| {row} | ")).unwrap();
        let (stated, _) = cells.split_once(' ').unwrap();
        let (_, line) = figures.split_once(&format!("\n{name} / sdk ")).unwrap();
        assert_eq!(
            Some(stated),
            line.split_whitespace().next(),
            "{section}, {row}"
        );
    }
}

#[test]
fn no_replaced_word_is_used() {
    let mut found = Vec::new();
    for file in files() {
        // The name of a test is checked in the file of the test.
        let text = read(&file).replace(QUOTED, "");
        let parts = text.split('`').filter(|part| !part.contains(".rs: "));
        let text: String = parts.collect::<Vec<_>>().join(" ");
        let text = words(&format!("{} {text}", file.display()));
        for (word, instead) in REPLACED {
            for at in places(&text, word) {
                let around: String = text[at..].chars().take(60).collect();
                found.push(format!("{}: \"{around}\": {instead}", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_replaced_word_is_found_in_prose_and_in_names() {
    for (text, word) in [
        ("Two doors.", "door"),
        ("fn the_clock_is_not_taught()", "taught"),
        ("/// the machine's\n    /// clock", "machine's clock"),
        ("fn by_the_machines_clock()", "machines clock"),
        ("AWS vouches; it vouched", "vouch"),
    ] {
        assert!(!places(&words(text), word).is_empty(), "{text}");
    }
    for (text, word) in [("an indoor clock, a mutex", "door"), ("a mutex", "mute")] {
        assert_eq!(places(&words(text), word), [], "{text}");
    }
}

/// Words that are replaced, and their replacements. A word is found with the usual endings, and as a
/// part of a name.
const REPLACED: [(&str, &str); 27] = [
    ("door", "integration"),
    ("vouch", "confirm, confirmation"),
    ("lesson", "sample; correction"),
    ("teach", "update the clock"),
    ("taught", "updated the clock"),
    ("in words", "in the error message"),
    ("by words", "in the error message"),
    ("suspect", "possible clock skew error"),
    ("refusal", "error response; limit exceeded"),
    ("let through", "passed the timestamp check"),
    ("in dispute", "conflicting host"),
    ("disputed", "conflicting host"),
    ("provisional", "trial"),
    ("healed", "cleared"),
    ("taken back", "reverted"),
    ("withdrawn", "reverted"),
    ("grew old", "expired in transit"),
    ("grown old", "expired in transit"),
    ("stale", "expired in transit; outdated"),
    ("mute", "back-off"),
    ("anew", "again; re-sign"),
    ("native", "the SDK's own correction"),
    ("machine's clock", "local clock"),
    ("machines clock", "local clock"),
    ("story", "scenario"),
    ("stories", "scenarios"),
    ("right now", "correct; now"),
];

/// The name of a test case of AWS, which `tests/sdk/conformance.rs` quotes.
const QUOTED: &str = "Stale ClientSkew is silently corrected by a successful response";

/// Files that are not prose of this project: responses of servers, test cases of AWS, and this list.
const FOREIGN: [&str; 5] = [
    "CHANGELOG.md",
    "tests/corpus",
    "tests/documents.rs",
    "tests/sdk/conformance",
    "examples/axum_service/dashboard.json",
];

/// Returns a text in lower case, with names as their words and without line breaks.
fn words(text: &str) -> String {
    let text = text.to_lowercase().replace(['_', '/', '!', '#'], " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the places of a word, with or without an ending.
fn places(text: &str, word: &str) -> Vec<usize> {
    let is_word = |at: usize| {
        let rest = &text[at + word.len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphabetic());
        let ending = &rest[..end.unwrap_or(rest.len())];
        let starts = text[..at].chars().next_back();
        starts.is_none_or(|c| !c.is_ascii_alphabetic())
            && ["", "s", "es", "ed", "ly", "ing", "ingly"].contains(&ending)
    };
    let all = text.match_indices(word).map(|(at, _)| at);
    all.filter(|at| is_word(*at)).collect()
}

/// The pages of documentation.
fn pages() -> Vec<PathBuf> {
    let markdown = files()
        .into_iter()
        .filter(|file| file.extension().is_some_and(|e| e == "md"));
    markdown
        .filter(|file| file != Path::new("CHANGELOG.md"))
        .collect()
}

/// All files with text of this project.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap().flatten() {
            let path = folder.join(entry.file_name());
            let name = path.to_string_lossy().into_owned();
            let is_source = ["md", "rs", "toml", "yml", "json"]
                .iter()
                .any(|extension| name.ends_with(&format!(".{extension}")));
            if FOREIGN.contains(&name.as_str()) || name.contains("target") {
                continue;
            }
            match entry.file_type().unwrap() {
                kind if kind.is_dir() && (name == ".ci" || !name.starts_with('.')) => {
                    folders.push(path);
                }
                kind if kind.is_file() && (is_source || name.starts_with(".ci/")) => {
                    files.push(path);
                }
                _ => {}
            }
        }
    }
    assert!(files.len() > 200, "found {} only", files.len());
    files.sort();
    files
}

const FOLDERS: [&str; 7] = [
    "tests/",
    "src/",
    "benches/",
    "docs/",
    "examples/",
    ".ci/",
    "fuzz/",
];

/// Returns the attributes of a test, or nothing if there is no such test. A comment is no test.
fn attributes_of(code: &str, test: &str) -> Option<String> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: Vec<_> = code.lines().filter(is_code).collect();
    let code = code.join("\n");
    let (before, _) = code.split_once(&format!("fn {test}("))?;
    let start = before.rfind("\n\n").unwrap_or(0);
    let attributes = &before[start..];
    let is_test = attributes.contains("#[test]") || attributes.contains("#[tokio::test");
    is_test.then(|| attributes.to_owned())
}

/// Whether a file is the root of a test, or a module of the file above it.
fn is_compiled(file: &Path) -> bool {
    let (Some(folder), Some(name)) = (file.parent(), file.file_stem()) else {
        return false;
    };
    let above = ["main.rs", "lib.rs"].map(|root| folder.join(root));
    let mut above = above.into_iter().chain([folder.with_extension("rs")]);
    folder == Path::new("tests")
        || above.any(|above| {
            let code = fs::read_to_string(root().join(above)).unwrap_or_default();
            let module = format!("{};", name.to_string_lossy());
            let mut lines = code.lines().filter(|line| !line.starts_with("//"));
            lines.any(|line| line.split_once("mod ").is_some_and(|(_, it)| it == module))
        })
}

/// Returns the texts in backticks, except in blocks of code.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2))
}

fn headings(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    prose
        .flat_map(str::lines)
        .filter(|line| line.starts_with('#'))
}

/// Returns the anchor of a heading.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches(['#', ' ']).to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn read(page: &Path) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
