//! What the documents name exists.

use std::fs;
use std::path::Path;

/// `` `tests/sdk/weak.rs: a_stranger_ends_nothing` `` and the like.
#[test]
fn each_test_that_a_document_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut named = 0;
    for page in fs::read_dir(root.join("docs")).unwrap() {
        let page = page.unwrap().path();
        let document = page.display();
        let text = fs::read_to_string(&page).unwrap();
        for span in text.split('`').skip(1).step_by(2) {
            let Some((file, test)) = span.split_once(".rs: ") else {
                continue;
            };
            let file = format!("{file}.rs");
            let code = fs::read_to_string(root.join(&file)).unwrap_or_default();
            assert!(
                code.contains(&format!("fn {test}(")),
                "{document} names {test} of {file}"
            );
            named += 1;
        }
    }
    assert!(named > 40, "found {named} only");
}
