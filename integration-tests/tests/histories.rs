//! Histories of membership drawn from seeds: one state everywhere, revocations in time.
//!
//! `CBM_HISTORIES` says how many (24 without it; the gate runs 300 and the long run 10,000 of them
//! through `cbm-sim --histories`). A failing one is replayed with
//! `cbm-sim --histories 1 --from SEED --verbose`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use cbm_integration_tests::{campaign, histories};

/// Histories that once failed, each with what was wrong. They run every time.
const ONCE_FAILED: &[(u64, &str)] =
    &[(202, "the readers of a charter were not linked with one another")];

fn failures(seeds: impl Iterator<Item = u64>) -> (Vec<String>, usize) {
    let (mut failed, mut conflicts) = (Vec::new(), 0);
    campaign::spread(
        seeds,
        |seed| histories::run(*seed, false),
        |outcome| {
            conflicts += outcome.conflicts;
            let told = |failure| format!("history {}: {failure}\n{}", outcome.seed, outcome.story);
            failed.extend(outcome.failure.as_ref().map(told));
            true
        },
    );
    (failed, conflicts)
}

#[test]
fn every_history_ends_in_one_state_and_revocations_come_in_time() {
    let count = std::env::var("CBM_HISTORIES").map_or(24, |n| n.parse().expect("a number"));
    let (failed, conflicts) = failures(0..count);
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    assert!(conflicts > 0, "nobody contradicted anybody: the histories show nothing");
}

#[test]
fn histories_that_once_failed_end_in_one_state() {
    let (failed, _) = failures(ONCE_FAILED.iter().map(|(seed, _)| *seed));
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn the_same_seed_is_the_same_history() {
    let (once, again) = (histories::run(1, false), histories::run(1, false));
    assert_eq!((once.story, once.healed_in), (again.story, again.healed_in));
}
