//! Walks `docs/spec/vectors`: every file there is checked, and each area has its own checker.
//!
//! A vector is a text file `<area>_<what>.txt`: `expect:` (the outcome as one word, `ok` or why it
//! is refused), `note:`, then named fields in hex (or, where the checker says so, plain words). A
//! line that begins with a space continues the one before. Another implementation runs them by
//! writing the same small checkers. To join: a file `vectors/<area>.rs` with `check` and, if the
//! files are generated, `make`; one line in [`check`], one in [`generated`].
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

#[path = "vectors/document.rs"]
mod document;
#[path = "vectors/envelope.rs"]
mod envelope;
#[path = "vectors/file.rs"]
mod file;
#[path = "vectors/journal.rs"]
mod journal;
#[path = "vectors/letter.rs"]
mod letter;
#[path = "vectors/office.rs"]
mod office;
#[path = "vectors/primitives.rs"]
mod primitives;
#[path = "vectors/receipt.rs"]
mod receipt;
#[path = "vectors/resend.rs"]
mod resend;
#[path = "vectors/seal.rs"]
mod seal;
#[path = "vectors/sender.rs"]
mod sender;
#[path = "vectors/straight.rs"]
mod straight;
#[path = "vectors/sync.rs"]
mod sync;

use file::Vector;

/// Runs one vector; gives the outcome as the word that `expect:` should be. `Err` says what is wrong
/// with the file itself.
fn check(area: &str, vector: &Vector) -> Result<String, String> {
    match area {
        "document" => document::check(vector),
        "envelope" => envelope::check(vector),
        "journal" => journal::check(vector),
        "letter" => letter::check(vector),
        "office" => office::check(vector),
        "primitives" => primitives::check(vector),
        "receipt" => receipt::check(vector),
        "resend" => resend::check(vector),
        "seal" => seal::check(vector),
        "sync" => sync::check(vector),
        other => Err(format!("no checker for area `{other}`: add proto/tests/vectors/{other}.rs")),
    }
}

/// What the generators make: file name without `.txt`, and content.
fn generated() -> Vec<(&'static str, Vector)> {
    [
        document::make(),
        envelope::make(),
        journal::make(),
        letter::make(),
        office::make(),
        primitives::make(),
        receipt::make(),
        resend::make(),
        seal::make(),
        sync::make(),
    ]
    .concat()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/spec/vectors")
}

fn files() -> Vec<(String, Vector)> {
    let mut files: Vec<(String, Vector)> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let stem = name.strip_suffix(".txt").unwrap_or_else(|| panic!("{name}: not a .txt"));
            let text = fs::read_to_string(&path).unwrap();
            let vector = Vector::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            (stem.to_owned(), vector)
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

#[test]
fn every_vector_has_the_outcome_it_expects() {
    let mut wrong = Vec::new();
    let files = files();
    for (name, vector) in &files {
        let area = name.split('_').next().unwrap_or_default();
        match check(area, vector) {
            Ok(outcome) if outcome == vector.expect => {}
            Ok(outcome) => wrong.push(format!("{name}: {outcome}, expected {}", vector.expect)),
            Err(broken) => wrong.push(format!("{name}: {broken}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

#[test]
fn there_are_enough_and_most_are_negative() {
    let files = files();
    let negative = files.iter().filter(|(_, vector)| vector.expect != "ok").count();
    assert!(files.len() >= 60, "{}", files.len());
    assert!(negative * 2 > files.len(), "{negative} of {}", files.len());
}

#[test]
fn committed_files_are_what_the_generators_make() {
    let mut names = BTreeSet::new();
    for (name, vector) in generated() {
        assert!(names.insert(name), "{name} is made twice");
        let path = folder().join(format!("{name}.txt"));
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(kept, vector.to_text(), "{name}: run `{REMAKE}` and look at the difference");
    }
}

const REMAKE: &str = "cargo test -p cbm-proto --test vectors -- --ignored remake";

#[test]
#[ignore = "writes docs/spec/vectors anew; for whoever changes a format on purpose"]
fn remake() {
    for (name, vector) in generated() {
        fs::write(folder().join(format!("{name}.txt")), vector.to_text()).unwrap();
    }
}
