//! A real station lets go of what it carried: the disk gets its room back, the journal is whole,
//! also after it was killed in the middle, and a newcomer catches up from what is left.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, process::Command, time::Duration};

use cbm_integration_tests::processes::{Lab, Node, PATIENCE, poll, words};

/// Letters from AAA to BBB, each with a file inside.
const LETTERS: usize = 24;

/// Says that a test is left out, unless the gate demands it.
fn skip(why: &str) {
    let must = std::env::var_os("CBM_REQUIRE_ROOT_TESTS").is_some_and(|v| v == "1");
    assert!(!must, "CBM_REQUIRE_ROOT_TESTS is set, and {why}");
    println!("skipped: {why}");
}

/// What must be preloaded so that a process has another clock, if that is installed.
fn other_clock() -> Option<String> {
    let run = Command::new("faketime").args(["-f", "+1h", "env"]).output().ok()?;
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    said.lines().find_map(|line| line.strip_prefix("LD_PRELOAD=")).map(str::to_owned)
}

/// Forty days later.
fn in_forty_days(node: &mut Node, preload: &str) {
    let words =
        [("LD_PRELOAD", preload), ("FAKETIME", "+40d"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    node.environment = words.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
}

/// Bytes that the journal takes on the disk.
fn room(lab: &Lab, party: &str) -> u64 {
    let files = fs::read_dir(lab.station(party).join("data/journal")).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().blocks() * 512).sum()
}

fn number(node: &Node, verb: &[&str], path: &[&str]) -> u64 {
    let view = node.json(verb).remove(0);
    path.iter().fold(&view, |value, key| &value[*key]).as_u64().unwrap()
}

/// AAA writes to BBB, CCC carries; then all stop.
fn carried(lab: &Lab) {
    let (mut a, mut b, mut c) = (lab.start("AAA"), lab.start("BBB"), lab.start("CCC"));
    c.await_link("AAA", true);
    let bytes: Vec<u8> =
        (0..150_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let file = Path::new(&lab.file("evidence.bin", "")).to_owned();
    fs::write(&file, bytes).unwrap();
    let attach = file.to_str().unwrap();
    let letter = lab.letter("operator-note", |_| {});
    let send = ["send", "operator-note", "--to", "BBB", "--file", &letter, "--attach", attach];
    for _ in 0..LETTERS {
        let _ = a.text(&send);
    }
    let held = || {
        (number(&c, &["prune", "--dry-run"], &["bodies", "envelopes"]) >= LETTERS as u64)
            .then_some(())
    };
    assert!(poll(PATIENCE, held).is_some(), "{}", c.log());
    assert_eq!(number(&c, &["prune", "--dry-run"], &["let_go_bodies"]), 0);
    for node in [&mut a, &mut b, &mut c] {
        assert_eq!(node.stop().code(), Some(0));
    }
}

fn whole(node: &Node) {
    let found = node.ask(&["journal", "verify"]);
    assert!(found.status.success(), "{}", words(&found));
}

#[test]
fn a_station_lets_go_of_what_it_carried_and_a_newcomer_catches_up_from_it() {
    let Some(preload) = other_clock() else { return skip("faketime is not installed") };
    let lab = Lab::new(4);
    carried(&lab);
    let full = room(&lab, "CCC");
    let mut c = lab.node("CCC");
    in_forty_days(&mut c, &preload);
    c.start();
    assert_eq!(number(&c, &["prune", "--dry-run"], &["let_go_bodies"]), LETTERS as u64);
    assert!(room(&lab, "CCC") >= full, "that was only a look");
    // Killed while it lets go: what is there is whole, and the rest goes the next time.
    let mut prune = Command::new(cbm_integration_tests::processes::cbm())
        .args(["prune", "--config"])
        .arg(c.config())
        .spawn()
        .unwrap();
    let begun = || (room(&lab, "CCC") < full).then_some(());
    let _ = poll(Duration::from_secs(10), begun);
    c.kill();
    let _ = prune.wait();
    c.start();
    let pruned = c.json(&["prune"]).remove(0);
    assert_eq!(pruned["bodies"]["envelopes"], pruned["let_go_bodies"], "{pruned}");
    assert_eq!(number(&c, &["prune", "--dry-run"], &["headers", "envelopes"]), LETTERS as u64);
    let left = room(&lab, "CCC");
    let bodies = LETTERS as u64 * 150_000;
    assert!(left + bodies * 9 / 10 < full, "{full} bytes became {left}");
    whole(&c);
    let doctor = String::from_utf8(c.ask(&["doctor"]).stdout).unwrap();
    assert!(doctor.contains("ok    retention"), "{doctor}");
    let mut d = lab.node("DDD");
    in_forty_days(&mut d, &preload);
    d.start();
    let heads = |node: &Node| {
        let found = node.json(&["journal", "heads", "AAA/mfa"]).remove(0);
        let heads = found["heads"].as_array().unwrap().iter();
        heads.filter(|head| head["missing"] == 0).filter_map(|head| head["seq"].as_u64()).max()
    };
    let caught_up = || (heads(&d) == heads(&c) && heads(&c) > Some(LETTERS as u64)).then_some(());
    assert!(
        poll(PATIENCE, caught_up).is_some(),
        "{}\n{}",
        words(&d.ask(&["journal", "heads", "AAA/mfa"])),
        d.log()
    );
    whole(&d);
    // The addressee has them all.
    let b = lab.start("BBB");
    assert_eq!(b.json(&["inbox"]).len(), LETTERS);
}
