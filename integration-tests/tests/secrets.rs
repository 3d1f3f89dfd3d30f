//! Secrets of real processes: what opens them, where they are, who can read the memory.
//!
//! Reading the memory of a closed process needs root; without it one line says so and that part is
//! skipped, except where `CBM_REQUIRE_ROOT_TESTS=1`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{
        fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use cbm_integration_tests::processes::{Lab, Node, cbm, poll, run, words};

const WORDS: &str = "granite lantern seven willow harbour";
/// The user that is nobody.
const NOBODY: u32 = 65_534;

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A file for its owner alone.
fn secret(lab: &Lab, name: &str, text: &str) -> String {
    let path = lab.station("AAA").join(name);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    path.display().to_string()
}

/// The secret in a key file, as its hex digits.
fn digits(file: &Path) -> String {
    let line = fs::read_to_string(file).unwrap();
    line.trim_end().rsplit(' ').next().unwrap().to_owned()
}

fn raw(digits: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// Seals the keys of AAA and says in its configuration what opens them.
fn seal(lab: &Lab, opened_by: &str) -> Node {
    let keys = lab.station("AAA").join("keys").display().to_string();
    let right = secret(lab, "right", &format!("{WORDS}\n"));
    let sealed = run(&["keys", "seal", &keys, "--passphrase-file", &right]);
    assert!(sealed.status.success(), "{}", words(&sealed));
    let node = lab.node("AAA");
    let mut config = OpenOptions::new().append(true).open(node.config()).unwrap();
    writeln!(config, "\n[keys]\n{opened_by}").unwrap();
    node
}

fn refused(mut node: Node) -> String {
    let lines = node.launch();
    assert_eq!(node.ended().code(), Some(1), "{}", node.log());
    assert!(lines.recv().is_err(), "it never said that it was ready");
    node.log()
}

#[test]
fn a_node_whose_keys_are_sealed_starts_with_their_passphrase_alone() {
    let lab = Lab::new(2);
    let keys = lab.station("AAA").join("keys").display().to_string();
    let shown = |lab: &Lab| {
        let keys = lab.station("AAA").join("keys").display().to_string();
        let output = run(&["keys", "show", &keys, "--json"]);
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    assert_eq!(shown(&lab)["sealed"], serde_json::json!([]));
    // Nobody to ask, nothing named.
    let text = refused(seal(&lab, ""));
    assert!(text.contains("sealed") && text.contains("keys.passphrase_file"), "{text}");
    assert_eq!(shown(&lab)["plain"], serde_json::json!([]));
    assert_eq!(shown(&lab)["opens_by"], "passphrase");
    // A wrong one.
    let wrong = secret(&lab, "wrong", "granite lantern seven willow harbor\n");
    let mut node = lab.node("AAA");
    node.environment.insert("CBM__KEYS__PASSPHRASE_FILE".into(), wrong.clone());
    let text = refused(node);
    assert!(text.contains("not the passphrase") && !text.contains("willow"), "{text}");
    let tried = run(&["keys", "unseal", &keys, "--passphrase-file", &wrong]);
    assert_eq!(tried.status.code(), Some(1), "{}", words(&tried));
    assert_eq!(shown(&lab)["plain"], serde_json::json!([]));
    // The right one, and the log says which kind of keys it runs with.
    let mut node = lab.node("AAA");
    let right = lab.station("AAA").join("right").display().to_string();
    node.environment.insert("CBM__KEYS__PASSPHRASE_FILE".into(), right);
    node.start();
    assert!(node.log().contains("sealed files"), "{}", node.log());
    assert!(lab.start("BBB").log().contains("plain files"));
}

/// Every place in the writable memory of a process where one of the patterns stands.
fn search(process: u32, patterns: &[(&str, Vec<u8>)]) -> Vec<String> {
    let memory = File::open(format!("/proc/{process}/mem")).expect("root reads any memory");
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        // Parts of it may not be there at all.
        let Ok(read) = memory.read_at(&mut bytes, from) else { continue };
        for (name, pattern) in patterns {
            if bytes[..read].windows(pattern.len()).any(|window| window == pattern) {
                found.push((*name).to_owned());
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn the_memory_of_a_running_node_holds_no_key_of_an_authority_and_no_passphrase() {
    if !is_root() {
        let must = std::env::var_os("CBM_REQUIRE_ROOT_TESTS").is_some_and(|v| v == "1");
        assert!(!must, "CBM_REQUIRE_ROOT_TESTS is set, and this is not root");
        eprintln!("SKIPPED: only root reads the memory of a closed process");
        return;
    }
    let lab = Lab::new(2);
    let authorities = lab.station("AAA").parent().unwrap().join("authorities");
    let archive = digits(&lab.station("AAA").join("keys/archive.key"));
    let path = lab.station("AAA").join("right").display().to_string();
    let mut a = seal(&lab, &format!("passphrase_file = \"{path}\""));
    a.start();
    let b = lab.start("BBB");
    let file = lab.letter("operator-note", |_| {});
    let sent = ["send", "operator-note", "--to", "AAA", "--file", &file, "--wait", "L1"];
    let id = b.text(&[&sent[..], &["--timeout", "45s"]].concat());
    assert!(a.text(&["show", &id]).contains("operator"));

    let mut wanted = vec![
        ("passphrase", WORDS.as_bytes().to_vec()),
        ("identity", b"AGE-SECRET-KEY-1".to_vec()),
        // What it does hold: proof that the search can find something.
        ("archive", raw(&archive)),
    ];
    for (party, file) in [("AAA", "authority"), ("AAA", "authority-dsa"), ("BBB", "authority")] {
        let digits = digits(&authorities.join(party).join(format!("{file}.key")));
        wanted.push(("authority, raw", raw(&digits)));
        wanted.push(("authority, hex", digits.into_bytes()));
    }
    let process = a.process().unwrap();
    assert_eq!(fs::metadata(format!("/proc/{process}/mem")).unwrap().uid(), 0);
    assert_eq!(search(process, &wanted), ["archive"]);
}

/// Runs as nobody, if we are root; as ourselves otherwise.
fn as_other(command: &mut Command) -> &mut Command {
    if is_root() { command.uid(NOBODY).gid(NOBODY) } else { command }
}

fn give(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path()));
    }
}

/// Ends with its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn reads(process: u32, what: &str) -> Output {
    let path = format!("/proc/{process}/{what}");
    as_other(Command::new("head").args(["-c", "16", &path])).output().unwrap()
}

#[test]
fn nobody_of_the_same_user_reads_the_memory_of_a_node_and_no_core_is_written() {
    let lab = Lab::new(1);
    let home = lab.station("AAA").parent().unwrap().parent().unwrap().to_owned();
    // The user needs the program and the folder; the place where it was built may be closed.
    let program = home.join("cbm");
    fs::copy(cbm(), &program).unwrap();
    if is_root() {
        give(&home);
    }
    let config = lab.station("AAA").join("cbm.toml");
    let mut node = Command::new(&program);
    node.arg("run").arg("--config").arg(&config).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut node = Ended(as_other(&mut node).stderr(Stdio::null()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(node.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("ready"), "{line}");
    let process = node.0.id();

    // An ordinary process of the same user can be read: the look itself works.
    let other = Ended(as_other(Command::new("sleep").arg("60")).spawn().unwrap());
    let name = |id: u32| fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
    let runs = poll(std::time::Duration::from_secs(10), || {
        (name(other.0.id()).trim() == "sleep").then_some(())
    });
    assert!(runs.is_some());
    assert_eq!(reads(other.0.id(), "maps").stdout.len(), 16);
    for what in ["maps", "mem", "environ"] {
        let refused = reads(process, what);
        assert!(!refused.status.success() && refused.stdout.is_empty(), "{what}");
        assert!(words(&refused).contains("Permission denied"), "{}", words(&refused));
    }
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let core: Vec<&str> = core.split_whitespace().skip(4).collect();
    assert_eq!(core, ["0", "0", "bytes"]);
}

#[test]
fn a_secret_in_the_environment_is_refused_by_every_verb_that_may_use_keys() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("keys").display().to_string();
    let with = |name: &str, args: &[&str]| {
        Command::new(cbm()).args(args).env(name, "hunter2").output().unwrap()
    };
    let verbs: [&[&str]; 5] = [
        &["keygen", "authority", "--party", "EST", "--out", &out],
        &["keys", "show", &out],
        &["lab", &out],
        &["accord", "verify", &out],
        &["run", "--config", &out],
    ];
    for args in verbs {
        for name in ["CBM__KEYS__PASSPHRASE", "SSLKEYLOGFILE", "CBM_PIN"] {
            let refused = with(name, args);
            assert_eq!(refused.status.code(), Some(1), "{args:?}: {}", words(&refused));
            assert!(words(&refused).contains(name), "{}", words(&refused));
            assert!(!words(&refused).contains("hunter2"), "{}", words(&refused));
        }
    }
    assert!(!PathBuf::from(&out).exists(), "nothing was made");
    assert!(with("SSLKEYLOGFILE", &["types"]).status.success());
}
