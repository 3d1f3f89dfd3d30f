//! Real nodes on disks that fail while they store: a sender is told cause and remedy, nothing is said that
//! is not kept, and whatever was acknowledged is there again afterwards (I1, I5).
//!
//! A file system that turns read-only is ext4 on a loop device (root); one that fails writes or syncs is
//! ours, by FUSE. Where there is neither, each test says so in one line and passes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{path::Path, process::Output};

use cbm_integration_tests::{
    powerloss::{Drive, Mount, loopdisk::LoopDisk, loopdisk::signal, unavailable},
    processes::{Lab, Node, PATIENCE, poll, words},
};

/// Says that a test is left out, unless the gate demands it.
fn skipped(why: &str) {
    let must = std::env::var_os("CBM_REQUIRE_ROOT_TESTS").is_some_and(|v| v == "1");
    assert!(!must, "CBM_REQUIRE_ROOT_TESTS is set, and {why}");
    eprintln!("skipped: {why}; run as root");
}

/// Two nodes; the data of the first one is on the disk at `at`.
fn pair(lab: &Lab, at: &Path) -> (Node, Node) {
    let mut a = lab.node("AAA");
    on(&mut a, at);
    a.start();
    let b = lab.start("BBB");
    a.await_link("BBB", true);
    (a, b)
}

fn on(node: &mut Node, at: &Path) {
    let data = at.join("data").to_str().unwrap().to_owned();
    node.environment.insert("CBM__PATHS__DATA".into(), data);
}

fn send(lab: &Lab, from: &Node, subject: &str) -> Output {
    let file = lab.letter("operator-note", |letter| letter["subject"][0]["text"] = subject.into());
    from.ask(&["send", "operator-note", "--to", "BBB", "--file", &file])
}

/// A letter that is taken and arrives.
fn arrives(lab: &Lab, a: &Node, subject: &str) -> String {
    let sent = send(lab, a, subject);
    assert!(sent.status.success(), "{}{}", words(&sent), a.log());
    let id = String::from_utf8(sent.stdout).unwrap().trim().to_owned();
    a.await_status(&id, "BBB", |status| status["level"] == "L2");
    id
}

fn inbox(node: &Node) -> Vec<String> {
    let rows = node.json(&["inbox"]);
    rows.iter().map(|row| row["subject"].as_str().unwrap().to_owned()).collect()
}

fn assert_refused(output: &Output, cause: &str, remedy: &str) {
    let said = words(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line = |name: &str| said.lines().find(|l| l.trim_start().starts_with(name)).unwrap_or("");
    assert!(line("cause:").contains(cause) && line("remedy:").contains(remedy), "{said}");
    assert!(!said.contains("make room"), "no room would help: {said}");
}

#[test]
fn a_disk_that_turns_read_only_is_told_and_what_was_taken_is_there_after_the_repair() {
    let Ok(disk) = LoopDisk::new(160) else { return skipped("no file system on a loop device") };
    let lab = Lab::new(2);
    let (mut a, b) = pair(&lab, disk.path());
    let first = arrives(&lab, &a, "before");
    if disk.fails().is_err() {
        return skipped("this kernel breaks no file system on demand");
    }
    let refused = send(&lab, &a, "refused");
    if a.ask(&["peers"]).status.success() {
        assert_refused(&refused, "can be read only", "mounted for writing");
        assert_refused(&send(&lab, &a, "refused again"), "can be read only", "mounted for writing");
        let here = a.ask(&["status", &first]);
        assert!(here.status.success(), "what it knows is still told: {}", words(&here));
        assert_eq!(a.stop().code(), Some(0), "{}", a.log());
    } else {
        assert_ne!(refused.status.code(), Some(0), "{}", words(&refused));
        assert_eq!(a.ended().code(), Some(1), "{}", a.log());
        assert!(a.log().contains("could not confirm a write"), "{}", a.log());
    }
    let begun = a.launch().recv_timeout(PATIENCE);
    assert!(begun.is_err(), "it starts on a disk that takes nothing: {begun:?}");
    assert_eq!(a.ended().code(), Some(1));
    assert!(
        a.log().contains("can be read only: the system lets nobody write there"),
        "{}",
        a.log()
    );
    let disk = disk.mend().unwrap();
    on(&mut a, disk.path());
    a.start();
    assert!(a.ask(&["status", &first]).status.success(), "{}", a.log());
    a.await_link("BBB", true);
    arrives(&lab, &a, "after");
    assert_eq!(inbox(&b), ["before", "after"], "what was refused was not said");
    a.kill();
}

#[test]
fn a_write_that_fails_is_told_and_the_node_goes_on_when_it_works_again() {
    if let Some(why) = unavailable() {
        return skipped(&why);
    }
    let mount = Mount::new(Drive::default()).unwrap();
    let lab = Lab::new(2);
    let (mut a, b) = pair(&lab, mount.path());
    arrives(&lab, &a, "before");
    mount.drive().fail_writes(true);
    let cause = "Input/output error";
    assert_refused(&send(&lab, &a, "refused"), cause, "nothing was written; look at the disk");
    mount.drive().fail_writes(false);
    let again = || Some(send(&lab, &a, "after")).filter(|sent| sent.status.success());
    assert!(poll(PATIENCE, again).is_some(), "{}", a.log());
    assert!(poll(PATIENCE, || (inbox(&b).len() == 2).then_some(())).is_some(), "{:?}", inbox(&b));
    assert_eq!(inbox(&b), ["before", "after"]);
    a.kill();
}

#[test]
fn a_sync_that_fails_ends_the_node_and_what_was_taken_is_there_at_the_next_start() {
    if let Some(why) = unavailable() {
        return skipped(&why);
    }
    let mount = Mount::new(Drive::default()).unwrap();
    let lab = Lab::new(2);
    let (mut a, b) = pair(&lab, mount.path());
    let first = arrives(&lab, &a, "before");
    mount.drive().fail_sync(1);
    let refused = send(&lab, &a, "perhaps");
    assert_ne!(refused.status.code(), Some(0), "an id must not be given: {}", words(&refused));
    assert_eq!(a.ended().code(), Some(1), "{}", a.log());
    assert!(a.log().contains("the disk could not confirm a write"), "{}", a.log());
    mount.drive().fail_sync(0);
    a.start();
    assert!(a.ask(&["status", &first]).status.success(), "{}", a.log());
    a.await_link("BBB", true);
    arrives(&lab, &a, "after");
    let there = inbox(&b);
    // It may have been kept; then it goes, once. It was never promised.
    assert!(there == ["before", "after"] || there == ["before", "perhaps", "after"], "{there:?}");
    a.kill();
}

/// A process that stands still for a while: its peers notice, letters for it wait.
#[test]
fn a_node_that_was_stopped_for_a_while_gets_everything_once() {
    let lab = Lab::new(2);
    let (a, b) = (lab.start("AAA"), lab.start("BBB"));
    a.await_link("BBB", true);
    arrives(&lab, &a, "before");
    let process = b.process().unwrap();
    signal(process, "STOP").unwrap();
    let waits: Vec<String> = (0..5)
        .map(|n| {
            let sent = send(&lab, &a, &format!("while {n}"));
            assert!(sent.status.success(), "{}", words(&sent));
            String::from_utf8(sent.stdout).unwrap().trim().to_owned()
        })
        .collect();
    a.await_link("BBB", false);
    for id in &waits {
        assert!(a.status(id, "BBB")["level"].is_null(), "a receipt of one that stands still");
    }
    signal(process, "CONT").unwrap();
    for id in &waits {
        a.await_status(id, "BBB", |status| status["level"] == "L2");
    }
    let mut there = inbox(&b);
    there.sort();
    assert_eq!(there, ["before", "while 0", "while 1", "while 2", "while 3", "while 4"]);
    assert!(!b.log().contains("CLONE") && !b.log().contains("panicked"), "{}", b.log());
    let file = lab.letter("operator-note", |_| {});
    let back = b.text(&["send", "operator-note", "--to", "AAA", "--file", &file]);
    b.await_status(&back, "AAA", |status| status["level"] == "L2");
}
