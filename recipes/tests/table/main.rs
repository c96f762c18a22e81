//! The table of `docs/recipes.md`: each recipe on a local clock that is 2 hours behind and on one
//! that is 9 hours ahead, with servers that verify every signature.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod s3_programs;
mod s3_server;
mod sqs_programs;

use std::fs;
use std::path::Path;

/// The cost of a program that makes about ten calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Cost {
    rejected: u64,
    failed: usize,
}

/// How far the local clock is ahead, in seconds: the columns of the table.
const SKEWS: [i64; 2] = [-2 * 3_600, 9 * 3_600];

/// Compares a row of the page with the cost of its program and the length of its recipe.
#[track_caller]
fn is_row(program: &str, recipe: &str, costs: [Cost; 2]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code = fs::read_to_string(root.join("src").join(recipe)).expect("the recipe is there");
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let lines = code.lines().filter(is_code).count();
    for cost in costs {
        assert!(
            cost.rejected <= 1 && cost.failed == 0,
            "{program}: {cost:?}"
        );
    }
    let [behind, ahead] = costs.map(|cost| format!("{}/{}", cost.rejected, cost.failed));
    let row = format!("| {program} | `recipes/src/{recipe}` | {lines} | {behind} | {ahead} |");
    let page = fs::read_to_string(root.join("../docs/recipes.md")).expect("the page is there");
    assert!(
        page.lines().any(|line| line == row),
        "docs/recipes.md lacks:\n{row}"
    );
}

#[test]
fn the_page_has_a_row_for_each_recipe() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../docs/recipes.md")).expect("the page is there");
    for recipe in fs::read_dir(root.join("src")).expect("there are recipes") {
        let name = recipe.expect("a file").file_name();
        let name = name.to_str().expect("a plain name");
        assert!(
            name == "lib.rs" || page.contains(&format!("src/{name}` |")),
            "{name}"
        );
    }
}
