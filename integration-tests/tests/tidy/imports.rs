//! Directions of imports: which module may know which, and who owns each foreign crate.
//!
//! Reads `crate::…` paths and crate names out of product code; tests inside files are free. The
//! levels are those of `docs/architecture.md`.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    text::{Source, is_name},
    tree::{Tree, assert_none},
};

/// Modules of the protocol by level. A module imports lower levels; on its own level what does not
/// lead back to it.
const LEVELS: [&[&str]; 6] = [
    &["limits", "time", "id"],
    &["part", "terms", "wire", "primitives", "keys", "dump", "packed"],
    &["accord", "draft", "catalogue", "letter"],
    &["seal", "envelope", "receipt", "journal"],
    &[
        "event",
        "evidence",
        "outbox",
        "inbox",
        "schedule",
        "sync",
        "feeds",
        "own",
        "proof",
        "regain",
        "retention",
        "people",
    ],
    &["station"],
];

/// What each module of the node may know of the others.
const NODE: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("guard", &[]),
    ("logs", &[]),
    ("shutdown", &[]),
    ("keystore", &[]),
    ("documents", &[]),
    ("store", &[]),
    ("evidence", &[]),
    ("mesh", &[]),
    ("config", &["logs"]),
    ("perform", &["clock", "mesh", "store"]),
    ("api", &["clock", "config", "evidence", "store"]),
    ("backup", &["clock", "config", "documents", "keystore", "store"]),
    (
        "runtime",
        &[
            "api",
            "backup",
            "clock",
            "config",
            "documents",
            "evidence",
            "keystore",
            "mesh",
            "perform",
            "shutdown",
            "store",
        ],
    ),
    ("ceremony", &["clock", "documents", "keystore"]),
    ("lab", &["ceremony", "clock", "config", "documents", "keystore"]),
    (
        "cli",
        &["api", "backup", "ceremony", "clock", "config", "documents", "keystore", "lab", "store"],
    ),
    (
        "demo",
        &[
            "api",
            "cli",
            "clock",
            "config",
            "documents",
            "keystore",
            "lab",
            "mesh",
            "shutdown",
            "store",
        ],
    ),
    (
        "main",
        &["demo", "api", "cli", "clock", "config", "guard", "lab", "logs", "runtime", "shutdown"],
    ),
];

/// Who may name a foreign crate: path prefixes.
const OWNERS: &[(&str, &[&str])] = &[
    ("prost", &["proto/src/wire", "proto/src/catalogue"]),
    ("prost_reflect", &["proto/src/wire", "proto/src/catalogue"]),
    ("chacha20poly1305", &["proto/src/primitives", "proto/src/keys"]),
    ("ed25519_dalek", &["proto/src/primitives", "proto/src/keys"]),
    ("hkdf", &["proto/src/primitives", "proto/src/keys"]),
    ("hmac", &["proto/src/primitives", "proto/src/keys"]),
    ("ml_dsa", &["proto/src/primitives", "proto/src/keys"]),
    ("ml_kem", &["proto/src/primitives", "proto/src/keys"]),
    ("rand_chacha", &["proto/src/primitives", "integration-tests/"]),
    ("rand_core", &["proto/src/primitives", "integration-tests/"]),
    ("sha2", &["proto/src/primitives", "proto/src/keys"]),
    ("snow", &["proto/src/primitives", "proto/src/keys"]),
    ("x25519_dalek", &["proto/src/primitives", "proto/src/keys"]),
    ("libp2p", &["node/src/mesh", "integration-tests/src/bench/wide"]),
    ("sled", &["node/src/store/index.rs", "integration-tests/"]),
    ("crc32c", &["proto/src/journal", "node/src/store"]),
    ("age", &["node/src/backup", "node/src/keystore"]),
    ("cryptoki", &["node/src/keystore"]),
    ("axum", &["node/src/api"]),
    ("hyper", &["node/src/api"]),
    ("hyper_util", &["node/src/api"]),
    ("clap", &["node/src/cli", "node/src/main.rs"]),
    ("clap_complete", &["node/src/cli/completions.rs"]),
    ("clap_mangen", &["node/src/cli/man.rs"]),
];

/// What the protocol must not touch: it has no clock, no chance, no disk, no network, no threads.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time",
    "getrandom::",
    "tokio::",
    "OsRng",
    "SysRng",
];

#[test]
fn the_protocol_imports_downwards_only() {
    let mut broken = Vec::new();
    let mut peers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (source, module) in modules("proto/src/") {
        let Some(own) = level(&module) else {
            broken.push(format!("{}: give `{module}` a level in tidy/imports.rs", source.path));
            continue;
        };
        for (line, other) in references(&source) {
            match level(&other) {
                Some(l) if l < own || other == module => {}
                Some(l) if l == own => {
                    peers.entry(module.clone()).or_default().insert(other);
                }
                _ => broken.push(format!("{}:{line}: {module} imports {other}", source.path)),
            }
        }
    }
    broken.extend(cycles(&peers));
    assert_none("imports go to lower levels, and never in a circle", &broken);
}

#[test]
fn the_parts_of_the_node_know_only_what_they_may() {
    let mut broken = Vec::new();
    for (source, module) in modules("node/src/") {
        let Some((_, allowed)) = NODE.iter().find(|(name, _)| *name == module) else {
            broken
                .push(format!("{}: say in tidy/imports.rs what `{module}` may know", source.path));
            continue;
        };
        for (line, other) in references(&source) {
            if other != module && !allowed.contains(&other.as_str()) {
                broken.push(format!("{}:{line}: {module} imports {other}", source.path));
            }
        }
    }
    assert_none("a part of the node knows one that it must not", &broken);
}

#[test]
fn every_foreign_crate_has_one_owner() {
    let mut broken = Vec::new();
    for source in Tree::here().rust() {
        let in_src = ["proto/src/", "node/src/"].iter().any(|p| source.path.starts_with(p));
        let code = source.product_code();
        for &(name, homes) in OWNERS {
            if in_src && !homes.iter().any(|h| source.path.starts_with(h)) && names(&code, name) {
                broken.push(format!("{}: {name} belongs to {}", source.path, homes.join(", ")));
            }
        }
    }
    assert_none("a foreign crate outside its owner", &broken);
}

#[test]
fn the_protocol_touches_nothing_outside() {
    let mut broken = Vec::new();
    for (source, _) in modules("proto/src/") {
        for (number, line) in source.product_code().lines().enumerate() {
            if let Some(word) = IMPURE.iter().find(|w| line.contains(**w)) {
                broken.push(format!("{}:{}: {word}", source.path, number + 1));
            }
            if line.contains("async ") || line.contains(".await") {
                broken.push(format!("{}:{}: async", source.path, number + 1));
            }
        }
    }
    assert_none("the protocol is pure: hand it in", &broken);
}

/// Every file under `root` with its top module; the crate's root file is left out.
fn modules(root: &str) -> Vec<(Source, String)> {
    let name = |path: &str| {
        let rest = path.strip_prefix(root)?;
        let module = rest.split(['/', '.']).next()?.to_owned();
        (module != "lib" && module != "bin").then_some(module)
    };
    let all = Tree::here().rust().into_iter();
    all.filter_map(|s| name(&s.path).map(|module| (s, module))).collect()
}

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|l| l.contains(&module))
}

/// Line and top module of each `crate::…` (or, from the binary, `cbm_node::…`) path.
fn references(source: &Source) -> Vec<(usize, String)> {
    let code = source.product_code();
    let mut out = Vec::new();
    for root in ["crate::", "cbm_node::"] {
        for (at, _) in code.match_indices(root) {
            if at > 0 && is_name(code.as_bytes()[at - 1]) {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            out.extend(first_names(&code[at + root.len()..]).into_iter().map(|n| (line, n)));
        }
    }
    out
}

/// `a::b` gives `a`; `{a::b, c::{d}}` gives `a` and `c`.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| is_name(*c as u8)).collect()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let mut out = vec![name(group)];
    let mut depth = 0_u32;
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b',' if depth == 0 => out.push(name(&group[at + 1..])),
            _ => {}
        }
    }
    out.retain(|n| !n.is_empty() && n != "self");
    out
}

/// Whether the code names the crate at the head of a path.
fn names(code: &str, krate: &str) -> bool {
    code.match_indices(krate).any(|(at, _)| {
        let before = code[..at].bytes().next_back();
        let free = before.is_none_or(|b| !is_name(b) && b != b':' && b != b'.');
        free && code[at + krate.len()..].starts_with("::")
    })
}

/// Circles among modules of one level.
fn cycles(peers: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let reaches = |from: &str, to: &str| {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(module) = open.pop() {
            for next in peers.get(module).into_iter().flatten() {
                if next == to {
                    return true;
                }
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        false
    };
    peers.keys().filter(|m| reaches(m, m)).map(|m| format!("{m} leads back to itself")).collect()
}

#[test]
fn paths_and_groups_are_read() {
    assert_eq!(first_names("id::MsgId;"), ["id"]);
    assert_eq!(first_names("{\n    id::{A, B},\n    time::Now,\n};"), ["id", "time"]);
    let circle =
        [("a", "b"), ("b", "a")].map(|(x, y)| (x.to_owned(), BTreeSet::from([y.to_owned()])));
    assert_eq!(cycles(&BTreeMap::from(circle)).len(), 2);
}
