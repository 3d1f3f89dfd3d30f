//! The table of foes (`docs/foes.md`) and the tests behind it are the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rows of the table: cells without their margins.
fn rows() -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join("docs/foes.md")).unwrap();
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    page.lines().filter(|line| line.starts_with("| ") && line.contains("`")).map(cells).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|end| end == "rs") {
            out.push(path);
        }
    }
}

/// Names of the functions that are tests, in files under a folder or in one file.
fn tests_in(places: &[&str]) -> BTreeSet<String> {
    let mut files = Vec::new();
    for place in places {
        let path = root().join(place);
        if path.is_dir() { sources(&path, &mut files) } else { files.push(path) }
    }
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                let head = lines[at + 1..].iter().find_map(|l| l.split_once("fn ")).unwrap().1;
                names.insert(head.split('(').next().unwrap().to_owned());
            }
        }
    }
    names
}

#[test]
fn every_row_names_tests_that_exist_and_every_test_of_a_foe_has_its_row() {
    let all = tests_in(&["proto", "node/src", "node/tests", "integration-tests"]);
    let mut named = BTreeSet::new();
    let rows = rows();
    assert!(rows.len() >= 40, "{} rows", rows.len());
    for row in &rows {
        let [tries, holds, invariants, tests] = &row[..] else { panic!("four cells: {row:?}") };
        assert!(!tries.is_empty() && !holds.is_empty(), "{row:?}");
        let known = |name: &str| {
            name.strip_prefix('I')
                .and_then(|n| n.parse().ok())
                .is_some_and(|n| (1..=12).contains(&n))
        };
        assert!(invariants.split(", ").all(known), "invariants I1 to I12: {row:?}");
        let of_row: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!of_row.is_empty(), "{row:?}");
        for test in of_row {
            assert!(all.contains(test), "no test `{test}`: {tries}");
            named.insert(test.to_owned());
        }
    }
    let ours = tests_in(&["integration-tests/tests/foes.rs", "integration-tests/tests/foes"]);
    let this = "every_row_names_tests_that_exist_and_every_test_of_a_foe_has_its_row";
    let missing: Vec<_> =
        ours.iter().filter(|name| !named.contains(*name) && *name != this).collect();
    assert!(missing.is_empty(), "no row in docs/foes.md: {missing:?}");
}
