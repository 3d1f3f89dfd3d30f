//! The tour of the README, typed: each of its commands runs, in order, in one shell.
//!
//! Takes the `sh` blocks of the section as they stand there; only the ports are exchanged for free
//! ones. A README that tells something which does not work fails here.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    net::UdpSocket,
    path::Path,
    process::{Command, Stdio},
};

/// The section, and the mark of a block that is not for this test (the build).
const HEADING: &str = "## A tour by hand";

/// What the shell is told before the first command: a failure ends it, and what it started ends
/// with it.
const BEFORE: &str = "set -euo pipefail\ntrap 'kill $(jobs -p) 2> /dev/null; wait' EXIT\n";

#[test]
fn the_tour_of_the_readme_works_as_typed() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let mut script = BEFORE.to_owned() + &blocks(&text).join("\n");
    for port in ["4100", "4101"] {
        assert!(script.contains(port), "the tour listens on {port}");
        script = script.replace(port, &free_port().to_string());
    }
    let folder = tempfile::tempdir().unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_cbm")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let run = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{script}\n---\n{said}\n---\n{errors}");
}

/// The `sh` blocks of the tour. The first one builds and is left out.
fn blocks(readme: &str) -> Vec<String> {
    let tour = readme.split_once(HEADING).expect("README.md has its tour").1;
    let tour = tour.split("\n## ").next().unwrap();
    let all: Vec<_> = tour.split("```sh\n").skip(1).collect();
    assert!(all.len() >= 5, "the tour has its blocks");
    all[1..].iter().map(|b| b.split("```").next().unwrap().to_owned()).collect()
}

/// A port that nobody uses now, for UDP; the same number is asked of TCP by the node.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
