//! The check of the house: directions of imports, one owner for each dependency, sizes, docs.
//!
//! Reads the tree as text and needs nothing but the standard library. Each test names the rule, the
//! place that breaks it and what to do. The rules themselves are explained in `docs/STYLE.md` and
//! `docs/architecture.md`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "tidy/docs.rs"]
mod docs;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/text.rs"]
mod text;
#[path = "tidy/tree.rs"]
mod tree;

use text::{Source, longest_functions};
use tree::{Tree, assert_none, version_at_least};

/// Longest file, lines. Past it a file wants a second room.
const FILE_LINES: usize = 500;
/// Longest function, lines from its name to its closing brace.
const FUNCTION_LINES: usize = 60;

#[test]
fn files_and_functions_stay_small() {
    let mut broken = Vec::new();
    for source in Tree::here().rust() {
        let lines = source.raw.lines().count();
        if lines > FILE_LINES {
            broken.push(format!("{}: {lines} lines of at most {FILE_LINES}", source.path));
        }
        for (name, line, length) in longest_functions(&source) {
            if length > FUNCTION_LINES {
                broken.push(format!(
                    "{}:{line}: fn {name} has {length} lines of at most {FUNCTION_LINES}",
                    source.path
                ));
            }
        }
    }
    assert_none("too long: split by what it does", &broken);
}

#[test]
fn every_module_says_what_it_is() {
    let broken: Vec<_> = Tree::here()
        .rust()
        .into_iter()
        .filter(|s| !s.raw.starts_with("//! "))
        .map(|s| s.path)
        .collect();
    assert_none("does not open with `//! ` and what it is, keeps and who calls it", &broken);
}

#[test]
fn nothing_half_done_is_left() {
    // Put together here, so that this file does not find itself.
    let words = [
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("XX", "X:"),
        concat!("db", "g!("),
    ];
    let broken = found(Tree::here().all(), &words);
    assert_none("left over: finish it or leave it out", &broken);
}

#[test]
fn no_path_of_one_machine_is_committed() {
    let words = [
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("../sha", "red"),
    ];
    let broken = found(Tree::here().all(), &words);
    assert_none("a path of somebody's machine", &broken);
}

#[test]
fn every_crate_takes_the_lints_of_the_house() {
    let tree = Tree::here();
    let mut broken = Vec::new();
    for member in ["proto", "node", "integration-tests"] {
        let manifest = tree.read(&format!("{member}/Cargo.toml"));
        if !manifest.contains("[lints]\nworkspace = true") {
            broken.push(format!("{member}/Cargo.toml: no `[lints] workspace = true`"));
        }
    }
    let root = tree.read("Cargo.toml");
    for lint in ["unsafe_code = \"forbid\"", "missing_docs = \"deny\"", "unwrap_used = \"deny\""] {
        if !root.contains(lint) {
            broken.push(format!("Cargo.toml: the lint `{lint}` is gone"));
        }
    }
    assert_none("lints", &broken);
}

#[test]
fn the_lock_has_one_yamux_and_none_with_the_known_hole() {
    let lock = Tree::here().read("Cargo.lock");
    let versions: Vec<&str> = lock
        .split("[[package]]")
        .filter(|p| p.lines().any(|l| l == "name = \"yamux\""))
        .filter_map(|p| p.lines().find_map(|l| l.strip_prefix("version = ")))
        .map(|v| v.trim_matches('"'))
        .collect();
    assert_eq!(versions.len(), 1, "one yamux and no second: {versions:?}");
    assert!(version_at_least(versions[0], [0, 13, 10]), "CVE-2026-32314: yamux {}", versions[0]);
}

fn found(sources: Vec<Source>, words: &[&str]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources {
        for (number, line) in source.raw.lines().enumerate() {
            if let Some(word) = words.iter().find(|w| line.contains(**w)) {
                broken.push(format!("{}:{}: {word}", source.path, number + 1));
            }
        }
    }
    broken
}
