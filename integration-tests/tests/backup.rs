//! `cbm backup` and `cbm restore`: made beside a running node, whole or not there, without keys;
//! and what a station does that was restored.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use cbm_integration_tests::processes::{Lab, Node, PATIENCE, cbm, poll, run, words};
use serde_json::Value;

/// A lab with a pair of keys for backups.
struct Vault {
    lab: Lab,
    folder: PathBuf,
}

impl Vault {
    fn new(parties: u16) -> Self {
        let lab = Lab::new(parties);
        let folder = lab.station("AAA").with_file_name("vault");
        let made = run(&["keygen", "backup", "--out", folder.to_str().unwrap()]);
        assert!(made.status.success(), "{}", words(&made));
        Self { lab, folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// Backs up a station; `name` is the file's.
    fn back_up(&self, node: &Node, name: &str) -> Value {
        let (out, to) = (self.path(name), self.path("backup.recipient"));
        node.json(&["backup", "--out", &out, "--recipient-file", &to]).remove(0)
    }

    /// Restores a backup of `party` into a new folder, with the keys of the old one.
    fn restore(&self, name: &str, party: &str, into: &str) -> Output {
        let keys = self.lab.station(party).join("keys");
        self.restore_with(name, into, keys.to_str().unwrap())
    }

    fn restore_with(&self, name: &str, into: &str, keys: &str) -> Output {
        let (file, identity) = (self.path(name), self.path("backup.identity"));
        let into = self.path(into);
        run(&["restore", &file, "--identity", &identity, "--into", &into, "--keys", keys])
    }

    fn verify(&self, name: &str) -> Output {
        let (file, identity) = (self.path(name), self.path("backup.identity"));
        run(&["backup", "verify", &file, "--identity", &identity, "--json"])
    }
}

fn send(node: &Node, to: &str, file: &str) -> String {
    let wait = ["--file", file, "--wait", "L1", "--timeout", "45s"];
    node.text(&[&["send", "operator-note", "--to", to], &wait[..]].concat())
}

fn inbox(node: &Node) -> Vec<String> {
    let rows = node.json(&["inbox"]);
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn assert_no_fork(nodes: &[&Node]) {
    for node in nodes {
        let found = node.json(&["journal", "verify"]).remove(0);
        assert_eq!(found["envelopes"]["own_forks"], 0, "{found}");
        assert_eq!(found["sound"], true, "{found}");
        assert!(!node.log().contains("signed two headers"), "{}", node.log());
    }
}

fn assert_told(output: &Output, code: i32, part: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", words(output));
    assert!(words(output).contains(part), "{part}: {}", words(output));
}

#[test]
fn a_restored_station_gets_back_what_came_after_the_backup() {
    let vault = Vault::new(3);
    let lab = &vault.lab;
    let (a, mut b, c) = (lab.start("AAA"), lab.start("BBB"), lab.start("CCC"));
    let file = lab.letter("operator-note", |_| {});
    let before = send(&a, "BBB", &file);
    let made = vault.back_up(&b, "b.age");
    assert_eq!((&made["received"], &made["journal"]["sound"]), (&1.into(), &true.into()));
    let after = [send(&a, "BBB", &file), send(&c, "BBB", &file)];
    let own = send(&b, "AAA", &file);
    b.kill();
    let put = vault.restore("b.age", "BBB", "bbb");
    assert!(put.status.success(), "{}", words(&put));
    let mut again = Node::at(vault.folder.join("bbb"));
    again.start();
    let all = || {
        let here = inbox(&again);
        after.iter().chain([&before]).all(|id| here.contains(id)).then_some(())
    };
    assert!(poll(PATIENCE, all).is_some(), "{:?}\n{}", inbox(&again), again.log());
    assert_eq!(inbox(&again).len(), 3, "nothing comes twice");
    let next = send(&again, "AAA", &file);
    assert_eq!(inbox(&a), [own, next], "what the lost disk had sent stays sent, once");
    let report = again.json(&["restore", "report"]).remove(0);
    assert_eq!(report["backup"]["received"], 1, "{report}");
    assert_no_fork(&[&a, &again, &c]);
    assert_eq!(again.stop().code(), Some(0));
    again.start();
    assert_eq!(inbox(&again).len(), 3);
}

#[test]
fn a_backup_holds_no_keys_and_is_never_written_over() {
    let vault = Vault::new(2);
    let node = vault.lab.node("AAA");
    let none = node.ask(&["backup", "--out", "/nowhere", "--to", "age1"]);
    assert_told(&none, 2, "is no recipient");
    let mut node = vault.lab.start("AAA");
    let made = vault.back_up(&node, "a.age");
    let names = made["files"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap());
    let known = |n: &str| {
        n.starts_with("journal/") || n.starts_with("documents/") || n == "config/cbm.toml"
    };
    assert!(names.clone().count() > 3 && names.clone().all(known), "{made}");
    let to = vault.path("backup.recipient");
    let again = node.ask(&["backup", "--out", &vault.path("a.age"), "--recipient-file", &to]);
    assert_told(&again, 2, "is there already");
    assert_eq!(node.stop().code(), Some(0));
    let stopped = vault.back_up(&node, "stopped.age");
    assert_eq!(stopped["received"], Value::Null, "nobody counts without a node");
    for name in ["a.age", "stopped.age"] {
        assert!(vault.verify(name).status.success());
    }
    let sealed = fs::read(vault.path("a.age")).unwrap();
    assert!(!sealed.windows(8).any(|w| w == b"cbmback\n" || w == b"cbmjrnl\n"));
}

#[test]
fn a_backup_that_is_not_whole_is_refused_and_nothing_is_written() {
    let vault = Vault::new(2);
    let node = vault.lab.start("AAA");
    let wrote = || {
        let found = node.json(&["journal", "verify"]).remove(0);
        found["own"]["open"].as_u64().filter(|open| *open > 0)
    };
    assert!(poll(PATIENCE, wrote).is_some(), "{}", node.log());
    vault.back_up(&node, "a.age");
    drop(node);
    let good = fs::read(vault.path("a.age")).unwrap();
    let mut turned = good.clone();
    let middle = good.len() / 2;
    turned[middle] ^= 1;
    for (name, bytes) in [
        ("turned.age", &turned[..]),
        ("cut.age", &good[..good.len() - 9]),
        ("short.age", &good[..middle]),
        ("other.age", b"not sealed at all"),
    ] {
        fs::write(vault.path(name), bytes).unwrap();
        assert_told(&vault.verify(name), 1, "is not a whole backup");
        assert_told(&vault.restore(name, "AAA", "new"), 1, "nothing was restored");
        assert!(!vault.folder.join("new").exists());
    }
    let other = vault.path("other");
    assert!(run(&["keygen", "backup", "--out", &other]).status.success());
    let wrong = ["backup", "verify", &vault.path("a.age"), "--identity"];
    let wrong = run(&[&wrong[..], &[&format!("{other}/backup.identity")]].concat());
    assert_told(&wrong, 2, "is not sealed to this identity");
    fs::create_dir(vault.folder.join("full")).unwrap();
    fs::write(vault.folder.join("full/mine"), "x").unwrap();
    assert_told(&vault.restore("a.age", "AAA", "full"), 2, "is not empty");
    let foreign = vault.lab.station("BBB").join("keys");
    let foreign = vault.restore_with("a.age", "new", foreign.to_str().unwrap());
    assert_told(&foreign, 1, "archive key does not open");
    assert!(!vault.folder.join("new").exists());
    let names = fs::read_dir(&vault.folder).unwrap().map(|e| e.unwrap().file_name());
    assert!(names.into_iter().all(|n| !n.to_str().unwrap().starts_with('.')), "nothing is left");
}

/// Starts `cbm` and kills it after so long; whether it had ended by itself before.
fn killed(args: &[&str], after: Duration) -> bool {
    let mut child = Command::new(cbm());
    let mut child = child.args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ended = poll(after, || child.try_wait().unwrap()).is_some();
    let _ = child.kill();
    let _ = child.wait();
    ended
}

/// Kills a work after longer and longer times, until it ends by itself; `whole` looks after each.
fn kill_ever_later(work: impl Fn(usize) -> Vec<String>, whole: impl Fn(usize, bool)) {
    for round in 0..200 {
        let args = work(round);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ended = killed(&args, Duration::from_millis(15 * round as u64));
        whole(round, ended);
        if ended {
            println!("{round} kills, then it ended by itself");
            return;
        }
    }
    panic!("it never ended by itself");
}

#[test]
fn a_backup_that_was_killed_is_whole_or_not_there() {
    let vault = Vault::new(2);
    drop(vault.lab.start("AAA"));
    let config = vault.lab.station("AAA").join("cbm.toml");
    let (config, to) = (config.to_str().unwrap(), vault.path("backup.recipient"));
    let work = |round: usize| {
        let out = vault.path(&format!("{round}.age"));
        let args = ["backup", "--config", config, "--out", &out, "--recipient-file", &to];
        args.map(str::to_owned).to_vec()
    };
    let whole = |round: usize, ended: bool| {
        let name = format!("{round}.age");
        let there = Path::new(&vault.path(&name)).exists();
        assert!(there || !ended);
        assert!(!there || vault.verify(&name).status.success(), "{name} is there and not whole");
    };
    kill_ever_later(work, whole);
}

#[test]
fn a_restore_that_was_killed_is_whole_or_not_there() {
    let vault = Vault::new(2);
    drop(vault.lab.start("AAA"));
    vault.back_up(&vault.lab.node("AAA"), "a.age");
    let (file, identity) = (vault.path("a.age"), vault.path("backup.identity"));
    let work = |round: usize| {
        let into = vault.path(&format!("restored-{round}"));
        let args = ["restore", &file, "--identity", &identity, "--into", &into];
        args.map(str::to_owned).to_vec()
    };
    let whole = |round: usize, ended: bool| {
        let folder = vault.folder.join(format!("restored-{round}"));
        assert!(folder.exists() || !ended);
        if folder.exists() {
            let data = folder.join("data");
            let found = run(&["journal", "verify", "--data", data.to_str().unwrap()]);
            assert!(found.status.success(), "{}", words(&found));
            assert!(folder.join("cbm.toml").exists() && data.join("restored").exists());
        }
    };
    kill_ever_later(work, whole);
    let unfinished = fs::read_dir(&vault.folder).unwrap().map(|e| e.unwrap().path());
    for folder in unfinished.filter(|p| p.to_str().unwrap().contains(".unfinished-")) {
        assert!(!folder.join("cbm.toml").exists() || folder.join("data/restored").exists());
    }
}
