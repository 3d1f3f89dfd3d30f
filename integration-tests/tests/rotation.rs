//! A running station changes its keys and its address while letters go both ways.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use cbm_integration_tests::processes::{Lab, Node, PATIENCE, free_ports, poll, run, words};

/// Sends notes, one after the other, until told to stop; each with the time at which it was sent.
fn write_on(file: &str, from: &Node, to: &'static str, stop: &Arc<AtomicBool>) -> Writer {
    let (file, config) = (file.to_owned(), from.config());
    let stop = stop.clone();
    std::thread::spawn(move || {
        let mut sent = Vec::new();
        let began = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let config = config.to_str().unwrap();
            let note = ["send", "operator-note", "--to", to, "--file", &file, "--config", config];
            let out = run(&note);
            assert!(out.status.success(), "{}", words(&out));
            let id = String::from_utf8(out.stdout).unwrap().trim().to_owned();
            sent.push((id, began.elapsed()));
        }
        sent
    })
}

type Writer = std::thread::JoinHandle<Vec<(String, Duration)>>;

fn step(args: &[&str]) {
    let out = run(args);
    assert!(out.status.success(), "{args:?}: {}", words(&out));
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn reread(node: &Node) {
    let order = format!("kill -HUP {}", node.process().unwrap());
    assert!(Command::new("sh").args(["-c", &order]).status().unwrap().success());
}

fn says(node: &Node, words: &str) {
    let said = || node.log().contains(words).then_some(());
    assert!(poll(PATIENCE, said).is_some(), "never `{words}`: {}", node.log());
}

/// The longest time between two letters that `send` took.
fn longest_gap(sent: &[(String, Duration)]) -> Duration {
    sent.windows(2).map(|two| two[1].1 - two[0].1).max().unwrap_or_default()
}

#[test]
fn a_station_takes_new_keys_and_another_port_while_letters_go_both_ways() {
    let lab = Lab::new(3);
    let mut a = lab.start("AAA");
    let (b, c) = (lab.start("BBB"), lab.start("CCC"));
    for party in ["BBB", "CCC"] {
        a.await_link(party, true);
    }
    let home = lab.station("AAA");
    let (keys, root) = (home.join("keys"), home.parent().unwrap().to_owned());
    let (documents, authority) = (root.join("documents"), root.join("authorities/AAA"));
    let stop = Arc::new(AtomicBool::new(false));
    // Written once: a writer must not find it half made.
    let file = lab.letter("operator-note", |_| {});
    let writers = [write_on(&file, &a, "BBB", &stop), write_on(&file, &b, "AAA", &stop)];

    // New keys: made, certified, read.
    step(&["keygen", "station", "--rotate", "--keys", text(&keys), "--station", "AAA/mfa"]);
    let certify = ["accord", "certify", "--serial", "2", "--accord"];
    let accord = documents.join("0000.cbm");
    let card = keys.join("next/station.toml");
    let to = [text(&accord), "--card", text(&card), "--authority", text(&authority)];
    step(&[&certify[..], &to, &["--out", text(&documents)]].concat());
    reread(&a);
    says(&a, "signs and opens with the keys of its new certificate");
    says(&a, "links by it from now on");
    assert!(!keys.join("next").exists() && keys.join("past/1/sign.key").exists());
    for party in ["BBB", "CCC"] {
        a.await_link(party, true);
    }

    // Another port: configured, announced, read.
    let port = free_ports(1);
    let config = fs::read_to_string(a.config()).unwrap();
    let moved = config.replace(&format!("/{}", lab.port), &format!("/{port}"));
    fs::write(a.config(), moved).unwrap();
    let address = format!("/ip4/127.0.0.1/udp/{port}/quic-v1");
    let announce = ["accord", "announce", "--documents", text(&documents), "--keys", text(&keys)];
    step(&[&announce[..], &["--station", "AAA/mfa", "--address", &address]].concat());
    reread(&a);
    says(&a, "listening elsewhere");
    // Who starts now looks for it there alone.
    drop(c);
    let c = lab.start("CCC");
    c.await_link("AAA", true);

    stop.store(true, Ordering::Relaxed);
    for (writer, (node, party)) in writers.into_iter().zip([(&a, "BBB"), (&b, "AAA")]) {
        let sent = writer.join().unwrap();
        for (id, _) in &sent {
            node.await_status(id, party, |s| s["level"] == "L1" || s["level"] == "L2");
        }
        let gap = longest_gap(&sent).as_millis();
        eprintln!("to {party}: {} letters, all at L1; longest gap of `send` {gap} ms", sent.len());
    }
    assert!(!a.log().contains("CLONE") && !b.log().contains("signed two headers"));
    assert_eq!(a.stop().code(), Some(0));
    a.start();
}

#[test]
fn a_station_whose_certificate_names_keys_that_it_lacks_does_not_start() {
    let lab = Lab::new(1);
    let home = lab.station("AAA");
    let (keys, root) = (home.join("keys"), home.parent().unwrap().to_owned());
    let (documents, authority) = (root.join("documents"), root.join("authorities/AAA"));
    step(&["keygen", "station", "--rotate", "--keys", text(&keys), "--station", "AAA/mfa"]);
    let (accord, next) = (documents.join("0000.cbm"), keys.join("next"));
    let card = next.join("station.toml");
    let args = ["accord", "certify", "--serial", "2", "--accord", text(&accord)];
    let to = ["--card", text(&card), "--authority", text(&authority), "--out", text(&documents)];
    step(&[&args[..], &to].concat());
    let elsewhere = root.join("elsewhere");
    fs::rename(&next, &elsewhere).unwrap();
    let mut node = lab.node("AAA");
    drop(node.launch());
    assert_eq!(node.ended().code(), Some(1));
    assert!(
        node.log().contains("certificate names") && node.log().contains("next"),
        "{}",
        node.log()
    );
    // Back in its place, it is taken at the start.
    fs::rename(&elsewhere, &next).unwrap();
    node.start();
    let moved = || keys.join("past/1/sign.key").exists().then_some(());
    assert!(poll(PATIENCE, moved).is_some(), "{}", node.log());
}
