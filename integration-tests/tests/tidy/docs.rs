//! Pages that must agree with the tree: dependencies, links.

use std::collections::BTreeSet;

use crate::tree::{Tree, assert_none};

#[test]
fn every_direct_dependency_is_argued_for() {
    let tree = Tree::here();
    let mut used = BTreeSet::new();
    for member in ["proto", "node", "integration-tests", "fuzz"] {
        used.extend(dependencies(&tree.read(&format!("{member}/Cargo.toml"))));
    }
    used.retain(|name| !name.starts_with("cbm-"));
    let argued: BTreeSet<String> = tree
        .read("docs/dependencies.md")
        .lines()
        .filter_map(|l| l.strip_prefix("- `")?.split_once('`').map(|(name, _)| name.to_owned()))
        .collect();
    let mut broken: Vec<String> = used
        .difference(&argued)
        .map(|n| format!("{n}: write in docs/dependencies.md why this one and not code of our own"))
        .collect();
    broken.extend(argued.difference(&used).map(|n| format!("{n}: argued for, and not used")));
    assert_none("dependencies", &broken);
}

#[test]
fn links_between_pages_lead_somewhere() {
    let tree = Tree::here();
    let mut broken = Vec::new();
    for page in tree.all().into_iter().filter(|s| s.path.ends_with(".md")) {
        let folder = page.path.rsplit_once('/').map_or(String::new(), |(f, _)| format!("{f}/"));
        for (at, _) in page.raw.match_indices("](") {
            let target = page.raw[at + 2..].split([')', '#']).next().unwrap();
            let outside = target.is_empty() || target.contains(':') || target.contains(' ');
            if !outside && !tree.has(&format!("{folder}{target}")) {
                broken.push(format!("{}: {target}", page.path));
            }
        }
    }
    assert_none("a link to nothing", &broken);
}

/// Names under every `[…dependencies]` heading of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut out = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside
            && let Some((name, _)) = line.split_once(['.', ' ', '='])
            && !name.starts_with('#')
        {
            out.push(name.to_owned());
        }
    }
    out
}

#[test]
fn every_invariant_names_tests_that_exist() {
    let tree = Tree::here();
    let code: String = tree.rust().iter().map(|s| s.code()).collect();
    let page = tree.read("docs/architecture.md");
    let mut broken = Vec::new();
    for number in 1..=12 {
        let head = format!("| **I{number}** |");
        let Some(row) = page.lines().find(|l| l.starts_with(&head)) else {
            broken.push(format!("I{number} has no row in docs/architecture.md"));
            continue;
        };
        let tests = quoted(row.split('|').nth(3).unwrap());
        let missing = |t: &&String| !code.contains(&format!("fn {t}("));
        broken.extend(tests.iter().filter(missing).map(|t| format!("I{number}: no test `{t}`")));
    }
    assert_none("invariants and the tests that hold them", &broken);
}

/// Names between backticks, without a path before them.
fn quoted(text: &str) -> Vec<String> {
    let inside = text.split('`').skip(1).step_by(2);
    inside.map(|name| name.rsplit("::").next().unwrap().to_owned()).collect()
}
