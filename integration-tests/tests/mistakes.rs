//! Every mistake that a person can make at the command line, pinned: what it says on both ways out,
//! and the exit code (`docs/cli.md`).
//!
//! The pages are in `integration-tests/mistakes/`, one a mistake, to be read as such. Written anew by
//! `CBM_WRITE=1 cargo test -p cbm-integration-tests --test mistakes`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "mistakes/between.rs"]
mod between;
#[path = "mistakes/duty.rs"]
mod duty;
#[path = "mistakes/machine.rs"]
mod machine;
#[path = "mistakes/page.rs"]
mod page;
#[path = "mistakes/sending.rs"]
mod sending;
#[path = "mistakes/signing.rs"]
mod signing;
#[path = "mistakes/starting.rs"]
mod starting;

/// What each page's name must stand in, so that none is left behind by a test that is gone.
const SOURCES: [&str; 6] = [
    include_str!("mistakes/between.rs"),
    include_str!("mistakes/duty.rs"),
    include_str!("mistakes/machine.rs"),
    include_str!("mistakes/sending.rs"),
    include_str!("mistakes/signing.rs"),
    include_str!("mistakes/starting.rs"),
];

#[test]
fn every_page_belongs_to_a_test() {
    for path in page::kept() {
        let name = format!("\"{}\"", path.file_stem().unwrap().to_str().unwrap());
        let made = SOURCES.iter().any(|source| source.contains(&name));
        assert!(made, "{} belongs to no test: remove it", path.display());
    }
}
