//! Files too large for a letter, as people send them: real nodes, killed in the middle.
//!
//! `CBM_EVIDENCE_MIB` is the size of the large one (16 when nothing is said).

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use cbm_integration_tests::processes::{Lab, Node, PATIENCE, poll, words};
use cbm_proto::{id::hex, primitives::Sha256Stream};
use serde_json::Value;

const MIB: u64 = 1024 * 1024;

fn sum(path: &Path) -> String {
    let mut file = File::open(path).unwrap();
    let (mut digest, mut run) = (Sha256Stream::default(), vec![0; MIB as usize]);
    loop {
        match file.read(&mut run).unwrap() {
            0 => return hex(&digest.finish()),
            length => digest.push(&run[..length]),
        }
    }
}

/// A file that no other one is like, written without being held whole.
fn file(lab: &Lab, name: &str, size: u64) -> PathBuf {
    let path = PathBuf::from(lab.file(name, ""));
    let mut out = std::io::BufWriter::new(File::create(&path).unwrap());
    let mut state = size | 1;
    for _ in 0..size / 8 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        out.write_all(&state.to_le_bytes()).unwrap();
    }
    out.write_all(&vec![7; (size % 8) as usize]).unwrap();
    out.into_inner().unwrap().sync_all().unwrap();
    path
}

/// A STIX bundle as they are exchanged, of about so many bytes.
fn bundle(lab: &Lab, size: usize) -> PathBuf {
    let mut objects = String::new();
    for n in 0.. {
        objects += &format!(
            "{}{{\"type\":\"indicator\",\"spec_version\":\"2.1\",\"id\":\"indicator--{n:08x}-0000-4000-8000-\
             000000000000\",\"pattern\":\"[ipv4-addr:value = '198.51.100.{}']\",\"pattern_type\":\"stix\"}}",
            if n == 0 { "" } else { "," },
            n % 256
        );
        if objects.len() >= size {
            break;
        }
    }
    let text = format!("{{\"type\":\"bundle\",\"objects\":[{objects}]}}");
    PathBuf::from(lab.file("indicators.stix2.json", &text))
}

/// Bundles and events of others that do not fit into a letter, where they are at hand.
fn samples() -> Vec<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("CBM_SAMPLES").unwrap_or_default());
    let found = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let large = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() > 192 * 1024)
    };
    found.filter(large).collect()
}

fn send(lab: &Lab, node: &Node, to: &str, path: &Path) -> String {
    let letter = lab.letter("incident-alert", |_| {});
    let attach = path.to_str().unwrap();
    let args = ["send", "incident-alert", "--to", to, "--file", &letter, "--attach", attach];
    node.text(&[&args[..], &["--wait", "L1", "--timeout", "45s"]].concat())
}

fn shown(node: &Node, id: &str) -> Value {
    node.json(&["show", id]).remove(0)["attachments"][0].clone()
}

fn await_here(node: &Node, id: &str, time: Duration) -> Value {
    let here = || Some(shown(node, id)).filter(|file| file["state"] == "here");
    poll(time, here).unwrap_or_else(|| panic!("{}\n{}", shown(node, id), node.log()))
}

/// Saves the one attachment of a letter; where it lies then.
fn save(lab: &Lab, node: &Node, party: &str, id: &str) -> PathBuf {
    let folder = lab.station(party).join(format!("saved-{id}"));
    let _ = node.text(&["show", id, "--save", folder.to_str().unwrap()]);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// The most memory that a process ever had, MiB.
fn peak(node: &Node) -> u64 {
    let status = format!("/proc/{}/status", node.process().unwrap());
    let status = fs::read_to_string(status).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn bundles_that_do_not_fit_into_a_letter_arrive_byte_for_byte() {
    let lab = Lab::new(2);
    let (a, b) = (lab.start("AAA"), lab.start("BBB"));
    let mut files = vec![bundle(&lab, 300_000), file(&lab, "two.bin", 2 * MIB + 1)];
    files.extend(samples());
    for path in files {
        let id = send(&lab, &a, "BBB", &path);
        let here = await_here(&b, &id, PATIENCE);
        let size = fs::metadata(&path).unwrap().len();
        assert_eq!((&here["size"], &here["received"]), (&size.into(), &size.into()));
        assert_eq!(here["sha256"], sum(&path).as_str());
        assert!(here["evidence"].is_null(), "what opens it is nobody's to read: {here}");
        assert_eq!(shown(&a, &id)["state"], "here", "its author has it too");
        let saved = save(&lab, &b, "BBB", &id);
        assert_eq!(saved.file_name(), path.file_name());
        assert_eq!(sum(&saved), sum(&path));
        let again = b.ask(&["show", &id, "--save", saved.parent().unwrap().to_str().unwrap()]);
        assert_eq!(again.status.code(), Some(1), "never over a file: {}", words(&again));
    }
}

#[test]
fn a_large_file_arrives_although_both_sides_are_killed_on_the_way() {
    let size = std::env::var("CBM_EVIDENCE_MIB").map_or(16, |size| size.parse().unwrap());
    let lab = Lab::new(2);
    let (mut a, mut b) = (lab.node("AAA"), lab.node("BBB"));
    a.start();
    b.start();
    let path = file(&lab, "disk.img", size * MIB - 12_345);
    // The letter is there before the file can be: that is the moment to kill.
    b.await_link("AAA", true);
    let id = send(&lab, &a, "BBB", &path);
    let on_the_way = |node: &Node, least: u64| {
        let further = || {
            let file = shown(node, &id);
            let received = file["received"].as_u64().unwrap();
            (received >= least || file["state"] == "here").then_some(received)
        };
        poll(PATIENCE, further).unwrap_or_else(|| panic!("{}", node.log()))
    };
    let first = on_the_way(&b, size * MIB / 8);
    let memory = peak(&b);
    b.kill();
    b.start();
    let second = on_the_way(&b, (first + size * MIB / 8).min(size * MIB));
    let most = memory.max(peak(&b));
    let sender = peak(&a);
    a.kill();
    let folder = lab.station("BBB").join("too-early");
    let early = b.ask(&["show", &id, "--save", folder.to_str().unwrap()]);
    if second < size * MIB {
        assert_eq!(early.status.code(), Some(4), "{}", words(&early));
        assert!(words(&early).contains("bytes are here"), "{}", words(&early));
    }
    a.start();
    await_here(&b, &id, PATIENCE + Duration::from_secs(size / 2));
    let saved = save(&lab, &b, "BBB", &id);
    assert_eq!(sum(&saved), sum(&path));
    let (a, b) = (sender.max(peak(&a)), most.max(peak(&b)));
    println!("{size} MiB, killed at {first} and {second}: at most {a} MiB sender, {b} receiver");
}

#[test]
fn whoever_holds_it_gives_it_while_its_author_is_away() {
    let lab = Lab::new(3);
    let (mut a, b) = (lab.start("AAA"), lab.start("BBB"));
    let path = file(&lab, "three.bin", 3 * MIB);
    b.await_link("AAA", true);
    let letter = lab.letter("incident-alert", |_| {});
    let attach = path.to_str().unwrap();
    let args = ["send", "incident-alert", "--to", "BBB,CCC", "--file", &letter];
    let id = a.text(&[&args[..], &["--attach", attach]].concat());
    a.await_status(&id, "BBB", |s| !s["level"].is_null());
    await_here(&b, &id, PATIENCE);
    a.kill();
    let c = lab.start("CCC");
    c.await_link("BBB", true);
    let there = || c.json(&["inbox"]).iter().any(|row| row["id"] == id.as_str()).then_some(());
    assert!(poll(PATIENCE, there).is_some(), "{}", c.log());
    await_here(&c, &id, PATIENCE);
    assert_eq!(sum(&save(&lab, &c, "CCC", &id)), sum(&path));
}

#[test]
fn what_is_above_its_authors_share_comes_when_somebody_asks() {
    let lab = Lab::new(2);
    let a = lab.start("AAA");
    let mut b = lab.node("BBB");
    b.environment.insert("CBM__EVIDENCE__AUTHOR_MIB".into(), "1".into());
    b.start();
    let path = file(&lab, "large.bin", 2 * MIB);
    let id = send(&lab, &a, "BBB", &path);
    let held = || Some(shown(&b, &id)).filter(|file| file["state"] == "held back");
    assert!(poll(PATIENCE, held).is_some(), "{}", shown(&b, &id));
    let folder = lab.station("BBB").join("asked");
    let asked = b.ask(&["show", &id, "--save", folder.to_str().unwrap()]);
    assert_eq!(asked.status.code(), Some(4), "{}", words(&asked));
    assert!(words(&asked).contains("held back"), "{}", words(&asked));
    await_here(&b, &id, PATIENCE);
    assert_eq!(sum(&save(&lab, &b, "BBB", &id)), sum(&path));
}
