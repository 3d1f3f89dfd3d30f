//! Every fuzz target on stable Rust: the corpus in the tree, then seeded mutations of it.
//!
//! `CBM_FUZZ` says how many mutations the quickest target gets (300 without it), the others their
//! share; `CBM_SEED` where they begin, `CBM_TARGET` which target alone. A mutation that fails is printed with its target and written to
//! the temporary folder, from where it goes into the corpus. `CBM_WRITE=1` writes the seeds anew.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use cbm_integration_tests::chance::Chance;
use cbm_integration_tests::fuzz::station::{Reach, play};
use cbm_integration_tests::fuzz::{TARGETS, Target, mutate, seeds};
use cbm_proto::station::Fault;

/// What all of the corpus may have together, bytes.
const CORPUS_MAX: u64 = 1024 * 1024;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |n| n.parse().expect("a number"))
}

/// The inputs of a target, in order of their names.
fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = root().join("fuzz/corpus").join(target.name);
    let Ok(files) = fs::read_dir(&folder) else { panic!("{} is missing", folder.display()) };
    let mut out: Vec<_> = files
        .map(|file| file.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect();
    out.sort();
    out
}

/// What the input breaks; the panic itself is on standard error.
fn broken(target: &Target, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err()
}

#[test]
fn nothing_in_the_corpus_breaks_its_target() {
    let mut failed = Vec::new();
    for target in TARGETS {
        let inputs = corpus(target);
        assert!(inputs.len() > 1, "{} has seeds", target.name);
        for (name, input) in inputs {
            if broken(target, &input) {
                failed.push(format!("{}/{name}", target.name));
            }
        }
    }
    assert!(failed.is_empty(), "broken by: {failed:#?}");
}

#[test]
fn no_mutation_of_the_corpus_breaks_its_target() {
    let (rounds, seed) = (number("CBM_FUZZ", 300), number("CBM_SEED", 1));
    let mut failed = Vec::new();
    let only = std::env::var("CBM_TARGET").ok();
    for target in TARGETS.iter().filter(|t| only.as_deref().is_none_or(|only| only == t.name)) {
        let inputs = corpus(target);
        let mut chance = Chance::new(seed, target.name);
        for round in 0..(rounds * target.share).div_ceil(100) {
            let pick = |chance: &mut Chance| &inputs[chance.index(inputs.len())].1;
            let (one, other) = (pick(&mut chance), pick(&mut chance));
            let input = mutate::child(&mut chance, one, other);
            if broken(target, &input) {
                let prefix = format!("{}-{seed}-{round}-", target.name);
                let file = tempfile::Builder::new().prefix(&prefix).tempfile().unwrap();
                let (_, path) = file.keep().unwrap();
                fs::write(&path, &input).unwrap();
                failed.push(path.display().to_string());
                break;
            }
        }
    }
    assert!(failed.is_empty(), "seed {seed}, broken by: {failed:#?}");
}

#[test]
fn the_corpus_is_small_and_holds_its_seeds() {
    let seeds = seeds::all(&root().join("docs/spec/vectors"));
    let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    let mut missing = Vec::new();
    for seed in &seeds {
        assert!(names.contains(seed.target), "{} is no target", seed.target);
        let path = root().join("fuzz/corpus").join(seed.target).join(&seed.name);
        if std::env::var("CBM_WRITE").is_ok() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &seed.bytes).unwrap();
        }
        if !path.is_file() {
            missing.push(format!("{}/{}", seed.target, seed.name));
        }
    }
    assert!(missing.is_empty(), "write them with CBM_WRITE=1: {missing:#?}");
    let sizes = TARGETS.iter().flat_map(corpus).map(|(_, input)| input.len() as u64);
    let all: u64 = sizes.sum();
    assert!(all <= CORPUS_MAX, "the corpus has {all} bytes of at most {CORPUS_MAX}");
}

#[test]
fn each_target_is_one_of_cargo_fuzz() {
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    for target in TARGETS {
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "{}", target.name);
        let file = root().join(format!("fuzz/fuzz_targets/{}.rs", target.name));
        let text = fs::read_to_string(&file).unwrap_or_default();
        assert!(text.contains(&format!("\"{}\"", target.name)), "{}", file.display());
    }
}

fn programs() -> Vec<Vec<u8>> {
    let station = TARGETS.iter().find(|target| target.name == "station").unwrap();
    corpus(station).into_iter().map(|(_, input)| input).collect()
}

#[test]
fn the_programs_of_the_station_reach_what_it_does() {
    let mut all = Reach::default();
    for program in programs() {
        let reach = play(&program, None);
        all.shown += reach.shown;
        all.sent += reach.sent;
        all.feeds += reach.feeds;
        all.incidents += reach.incidents;
        all.documents += reach.documents;
    }
    let least = [all.shown, all.sent, all.feeds, all.incidents, all.documents].into_iter().min();
    assert!(least >= Some(3), "{all:?}");
}

#[test]
fn a_mark_that_jumps_over_holes_breaks_the_target_of_the_station() {
    let fault = Some(Fault::MarkPastHole);
    let found = |program: &Vec<u8>| catch_unwind(|| play(program, fault)).is_err();
    assert!(programs().iter().any(found), "no program shows the planted fault");
}
