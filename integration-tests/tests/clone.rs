//! One station, two nodes: a copied folder, a backup restored twice, a machine that was rolled back.
//! No feed forks, and the words are clear.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path, path::PathBuf, process::Command};

use cbm_integration_tests::processes::{Lab, Node, PATIENCE, poll, run, words};

/// The station that lends its port to a second node; it never runs itself.
const SPARE: u16 = 3;

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
    // The socket of a running node.
    let _ = fs::remove_file(to.join("cbm.sock"));
}

/// The node whose folder is `folder` listens where the spare station would.
fn elsewhere(lab: &Lab, folder: &Path, seat: u16) {
    let config = folder.join("cbm.toml");
    let text = fs::read_to_string(&config).unwrap();
    let (own, spare) = ((lab.port + seat).to_string(), (lab.port + SPARE).to_string());
    assert!(text.contains(&own));
    fs::write(config, text.replace(&own, &spare)).unwrap();
}

fn send(node: &Node, to: &str, file: &str) -> String {
    // Whoever lives may have to wait until the others, who dial the address of the silent one at
    // growing intervals, let a link with it last.
    let wait = ["--file", file, "--wait", "L1", "--timeout", "120s"];
    node.text(&[&["send", "operator-note", "--to", to], &wait[..]].concat())
}

fn await_log(node: &Node, words: &str) {
    let said = poll(PATIENCE, || node.log().contains(words).then_some(()));
    assert!(said.is_some(), "{words}: {}", node.log());
}

/// No node noticed a second header of one number, and none has one.
fn assert_no_fork(nodes: &[&Node]) {
    for node in nodes {
        let found = node.json(&["journal", "verify"]).remove(0);
        assert_eq!(found["envelopes"]["own_forks"], 0, "{found}");
        assert!(!node.log().contains("signed two headers"), "{}", node.log());
    }
}

#[test]
fn a_copied_folder_beside_the_original_says_clone_and_stays_silent() {
    let lab = Lab::new(SPARE + 1);
    let (a, b, c) = (lab.start("AAA"), lab.start("BBB"), lab.start("CCC"));
    let file = lab.letter("operator-note", |_| {});
    let _ = send(&a, "BBB", &file);
    let folder = lab.station("AAA").with_file_name("copy");
    copy(&lab.station("AAA"), &folder);
    let _ = fs::remove_file(folder.join("log"));
    elsewhere(&lab, &folder, 0);
    let mut twin = Node::at(folder);
    twin.start();
    await_log(&twin, "CLONE: another node speaks with this station's keys, so this one is silent");
    assert!(!twin.log().contains("the station speaks"), "{}", twin.log());
    let refused = twin.ask(&["send", "operator-note", "--to", "BBB", "--file", &file]);
    assert_eq!(refused.status.code(), Some(3), "{}", words(&refused));
    assert!(words(&refused).contains("stop one of the two nodes for good"), "{}", words(&refused));
    let _ = send(&a, "BBB", &file);
    assert!(!a.log().contains("CLONE"), "the original goes on: {}", a.log());
    assert_eq!(b.json(&["inbox"]).len(), 2);
    assert_no_fork(&[&a, &b, &c, &twin]);
}

#[test]
fn of_one_backup_restored_twice_at_most_one_speaks() {
    let lab = Lab::new(SPARE + 1);
    let (a, mut b, c) = (lab.start("AAA"), lab.start("BBB"), lab.start("CCC"));
    let file = lab.letter("operator-note", |_| {});
    let _ = send(&b, "AAA", &file);
    let at = |name: &str| lab.station("BBB").with_file_name(name).to_str().unwrap().to_owned();
    assert!(run(&["keygen", "backup", "--out", &at("vault")]).status.success());
    let to = at("vault/backup.recipient");
    let _ = b.text(&["backup", "--out", &at("b.age"), "--recipient-file", &to]);
    b.kill();
    let keys = lab.station("BBB").join("keys");
    let restored = |name: &str| {
        let identity = at("vault/backup.identity");
        let args = ["restore", &at("b.age"), "--identity", &identity, "--into", &at(name)];
        let put = run(&[&args[..], &["--keys", keys.to_str().unwrap()]].concat());
        assert!(put.status.success(), "{}", words(&put));
        Node::at(PathBuf::from(at(name)))
    };
    let (mut first, mut second) = (restored("first"), restored("second"));
    elsewhere(&lab, Path::new(&at("second")), 1);
    first.start();
    second.start();
    let silent = |node: &Node| node.log().contains("CLONE");
    let decided = || (silent(&first) || silent(&second)).then_some(());
    assert!(poll(PATIENCE, decided).is_some(), "{}\n{}", first.log(), second.log());
    let (lives, other) = if silent(&first) { (&second, &first) } else { (&first, &second) };
    if !silent(lives) {
        let _ = send(lives, "AAA", &file);
    }
    let refused = other.ask(&["send", "operator-note", "--to", "AAA", "--file", &file]);
    assert_eq!(refused.status.code(), Some(3), "{}", words(&refused));
    assert_no_fork(&[&a, &c, &first, &second]);
}

#[test]
fn a_machine_that_was_rolled_back_takes_a_new_incarnation() {
    let lab = Lab::new(3);
    let (mut a, b, c) = (lab.start("AAA"), lab.start("BBB"), lab.start("CCC"));
    let file = lab.letter("operator-note", |_| {});
    let first = send(&a, "BBB", &file);
    assert_eq!(a.stop().code(), Some(0));
    let (data, older) = (lab.station("AAA").join("data"), lab.station("AAA").join("older"));
    copy(&data, &older);
    a.start();
    let second = send(&a, "BBB", &file);
    assert_eq!(a.stop().code(), Some(0));
    // The marker stays the file that it is, as on a disk that went back as a whole.
    for part in ["journal", "index"] {
        fs::remove_dir_all(data.join(part)).unwrap();
        copy(&older.join(part), &data.join(part));
    }
    let before = a.log().matches("the station speaks").count();
    a.start();
    let speaks = || (a.log().matches("the station speaks").count() > before).then_some(());
    assert!(poll(PATIENCE, speaks).is_some(), "{}", a.log());
    let third = send(&a, "BBB", &file);
    let inbox = b.json(&["inbox"]);
    let ids: Vec<&str> = inbox.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&first, &second, &third], "each once");
    assert!(!a.log().contains("CLONE"), "{}", a.log());
    assert_no_fork(&[&a, &b, &c]);
}
