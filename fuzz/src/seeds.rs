//! Writes the error responses of `tests/corpus` as seeds for the target `evidence`.

use std::path::Path;
use std::{fs, io};

use serde_json::Value;

fn main() -> io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = here.join("corpus/evidence");
    fs::create_dir_all(&folder)?;
    let mut written = 0;
    for corpus in ["dev.jsonl", "reports-2.jsonl"] {
        let corpus = fs::read_to_string(here.join("../tests/corpus").join(corpus))?;
        for line in corpus.lines() {
            let entry: Value = serde_json::from_str(line)?;
            let name = entry["id"].as_str().unwrap_or("unnamed");
            fs::write(folder.join(name), seed(&entry))?;
            written += 1;
        }
    }
    println!("{written} seeds in {}", folder.display());
    Ok(())
}

/// A response as the target reads it: status, headers, an empty line, the body.
fn seed(entry: &Value) -> String {
    let mut seed = format!("{}\n", entry["status"].as_u64().unwrap_or(403));
    for (name, value) in entry["headers"].as_object().into_iter().flatten() {
        seed += &format!(
            "{}: {}\n",
            name.to_lowercase(),
            value.as_str().unwrap_or_default()
        );
    }
    if let Some(code) = entry["code"].as_str() {
        seed += &format!("code: {code}\n");
    }
    let body = entry["body"].as_str().or(entry["message"].as_str());
    seed + "\n" + body.unwrap_or_default()
}
