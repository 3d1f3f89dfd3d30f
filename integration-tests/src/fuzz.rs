//! Bodies of the fuzz targets: for each thing that reads what others wrote, one function over bytes.
//!
//! A body never returns a verdict: it panics when something is wrong, by an assertion of its own or
//! because what it calls does. What it asserts stands in its doc. Called by `fuzz/fuzz_targets`
//! (libFuzzer, any bytes), by `tests/fuzz_corpus.rs` (stable: the corpus in the tree, then seeded
//! mutations of it), by nobody else. `docs/testing.md` says how to run both and what was found.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a body fails by panicking")]

mod cards;
mod documents;
mod envelopes;
mod files;
mod input;
mod journals;
mod letters;
pub mod mutate;
mod requests;
pub mod seeds;
pub mod station;
mod streams;
mod texts;
mod world;

use std::sync::OnceLock;

/// One target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: that of its file in `fuzz/fuzz_targets` and of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Its body.
    pub run: fn(&[u8]),
    /// How many mutations are as much work as 100 of the quickest target.
    pub share: u64,
}

const fn target(name: &'static str, share: u64, run: fn(&[u8])) -> Target {
    Target { name, run, share }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("envelope", 100, envelopes::envelope),
    target("header", 100, envelopes::header),
    target("sealed", 50, envelopes::sealed),
    target("letter", 50, letters::letter),
    target("receipt", 100, letters::receipt),
    target("resend", 100, letters::resend),
    target("draft_json", 50, letters::draft_json),
    target("draft_kept", 100, letters::draft_kept),
    target("ask", 100, streams::ask),
    target("say", 100, streams::say),
    target("frame", 100, streams::frame),
    target("evidence", 100, streams::evidence),
    target("document", 100, documents::document),
    target("directory", 5, documents::directory),
    target("journal", 50, journals::journal),
    target("own", 5, journals::own),
    target("key_files", 5, files::key_files),
    target("config", 10, files::config),
    target("backup", 5, files::backup),
    target("cards", 50, cards::cards),
    target("requests", 50, requests::requests),
    target("texts", 100, texts::texts),
    target("station", 5, station::station),
];

/// Runs the target of this name on one input.
///
/// # Panics
/// The input breaks what the target asserts, or there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    (target.run)(data);
}

/// Runs the target that `CBM_TARGET` names: one program instead of one a target.
///
/// # Panics
/// As [`run`].
pub fn run_named(data: &[u8]) {
    static NAME: OnceLock<String> = OnceLock::new();
    let name = NAME.get_or_init(|| std::env::var("CBM_TARGET").expect("CBM_TARGET names a target"));
    run(name, data);
}
