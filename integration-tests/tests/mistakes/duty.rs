//! Mistakes of the officer on duty, and of whoever asks a node.

use cbm_integration_tests::processes::Lab;

use crate::page::Page;

/// The id of no letter.
const NONE: &str = "00000000000000000000000000000000";

#[test]
fn letters_that_are_not_there() {
    let lab = Lab::new(2);
    let node = lab.start("AAA");
    let file = lab.letter("operator-note", |_| {});
    let mut page = Page::new("no-such-letter", "A letter that is not there", &lab);
    for verb in ["status", "show", "ack"] {
        assert_eq!(page.ask(&node, &[verb, NONE]), 1);
    }
    assert_eq!(page.ask(&node, &["reply", NONE, "--file", &file]), 1);
    assert_eq!(page.ask(&node, &["status", "12"]), 2);
    assert_eq!(page.ask(&node, &["show", "../health"]), 2);
    page.done();

    let mut page = Page::new("no-such-station", "A link with nobody", &lab);
    assert_eq!(page.ask(&node, &["peers", "--cut", "ZZZ/mfa"]), 1);
    assert_eq!(page.ask(&node, &["peers", "--cut", "ZZZ"]), 2);
    page.done();
}

#[test]
fn acts_that_are_none() {
    let lab = Lab::new(2);
    let (a, b) = (lab.start("AAA"), lab.start("BBB"));
    let file = lab.letter("operator-note", |_| {});
    let attached = lab.file("note.txt", "attached");
    let send = ["send", "operator-note", "--to", "BBB", "--file", &file, "--attach", &attached];
    let id = a.text(&[&send[..], &["--wait", "L1", "--timeout", "45s"]].concat());

    let mut page = Page::new("acts", "Acts that are none", &lab);
    assert_eq!(page.ask(&b, &["ack", &id, "--outcome", "MAYBE"]), 2);
    assert_eq!(page.ask(&b, &["ack", &id, "--outcome", "DECLINED"]), 2);
    assert_eq!(page.ask(&b, &["decline", &id, "--reason", "BORED"]), 2);
    page.done();

    let mut page = Page::new("save-over", "A file that would be written over", &lab);
    let folder = lab.station("BBB").display().to_string();
    std::fs::write(lab.station("BBB").join("note.txt"), "mine").unwrap();
    let config = b.config().display().to_string();
    let shown = page_of_failure(&["show", &id, "--save", &folder, "--config", &config]);
    assert_eq!(page.show("cbm show ID --save LAB/lab/BBB-mfa --config FILE", &shown), 1);
    page.done();
}

/// Its words without the letter, which `show` prints first.
fn page_of_failure(args: &[&str]) -> std::process::Output {
    let mut output = cbm_integration_tests::processes::run(args);
    assert!(!output.stdout.is_empty());
    output.stdout.clear();
    output
}

#[test]
fn somebody_who_is_no_officer() {
    let lab = Lab::new(2);
    let config = lab.station("BBB").join("cbm.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let cut = text.find("[officers").expect("the lab lists its caller");
    std::fs::write(&config, &text[..cut]).unwrap();
    let (a, b) = (lab.start("AAA"), lab.start("BBB"));
    let file = lab.letter("operator-note", |_| {});
    let send = ["send", "operator-note", "--to", "BBB", "--file", &file];
    let id = a.text(&[&send[..], &["--wait", "L1", "--timeout", "45s"]].concat());
    let mut page = Page::new("no-officer", "Somebody who is no listed officer", &lab);
    page.mask(&format!("user {}", rustix_user()), "user NUMBER");
    for verb in [&["ack", &id][..], &["decline", &id, "--reason", "OTHER"]] {
        assert_eq!(page.ask(&b, verb), 3);
    }
    page.done();
}

fn rustix_user() -> String {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").unwrap().uid().to_string()
}

#[test]
fn a_node_that_does_not_answer() {
    let lab = Lab::new(2);
    let node = lab.node("AAA");
    let mut page = Page::new("no-node", "A node that does not run", &lab);
    assert_eq!(page.ask(&node, &["inbox"]), 1);
    // As after a kill: the file is there, nobody answers.
    drop(std::os::unix::net::UnixListener::bind(lab.station("AAA").join("cbm.sock")).unwrap());
    assert_eq!(page.ask(&node, &["peers", "--json"]), 1);
    page.done();

    let mut page = Page::new("usage", "Verbs and flags that do not exist", &lab);
    assert_eq!(page.cbm(&["sned"]), 2);
    assert_eq!(page.cbm(&["inbox"]), 2);
    assert_eq!(page.cbm(&["inbox", "--fallow"]), 2);
    assert_eq!(page.cbm(&["completions", "tcsh"]), 2);
    page.done();
}

/// A lab in which BBB certified the keys of two offices, and one key that nobody certified.
fn offices() -> (Lab, impl Fn(&str) -> String) {
    let lab = Lab::new(2);
    let folder = lab.station("AAA").parent().unwrap().parent().unwrap().to_owned();
    let at = move |name: &str| folder.join(name).display().to_string();
    for office in ["duty", "cyber", "stranger"] {
        done(&["keygen", "office", "--out", &at(office)]);
    }
    let card = |office: &str| format!("{office}={}", at(&format!("{office}/office.toml")));
    let (documents, authority) = (at("lab/documents"), at("lab/authorities/BBB"));
    let certify = ["accord", "certify", "--documents", &documents, "--station", "BBB/mfa"];
    let with = ["--authority", &authority, "--office", &card("duty"), "--office", &card("cyber")];
    done(&[&certify[..], &with[..]].concat());
    (lab, at)
}

fn done(args: &[&str]) {
    let output = cbm_integration_tests::processes::run(args);
    assert!(output.status.success(), "{}", cbm_integration_tests::processes::words(&output));
}

#[test]
fn an_office_that_cannot_sign() {
    let (lab, at) = offices();
    let (a, b) = (lab.start("AAA"), lab.start("BBB"));
    let file = lab.letter("operator-note", |_| {});
    let send = ["send", "operator-note", "--to", "BBB", "--file", &file];
    let id = a.text(&[&send[..], &["--wait", "L1", "--timeout", "45s"]].concat());
    let mut page = Page::new("office-key", "An office that cannot sign", &lab);
    let ack = |page: &mut Page, says: &str, key: &str| {
        page.say(says);
        page.ask(&b, &["ack", &id, "--office-key", &at(key)])
    };
    assert_eq!(ack(&mut page, "With a key that nobody certified:", "stranger"), 3);
    assert_eq!(ack(&mut page, "With the key of another office:", "cyber"), 3);
    assert_eq!(ack(&mut page, "With what is no office's key:", "lab/BBB-mfa/keys"), 1);
    page.say("A letter that is not there is told before anybody types a PIN:");
    assert_eq!(page.ask(&b, &["ack", NONE, "--office-key", &at("duty")]), 1);
    page.say("A passphrase without a key:");
    assert_eq!(page.ask(&b, &["decline", &id, "--passphrase-file", &at("note")]), 2);
    assert_ne!(a.status(&id, "BBB")["level"], "L4", "the letter is untouched");
    page.say("A certificate that does not say whose key it is, or names another card:");
    let (documents, authority) = (at("lab/documents"), at("lab/authorities/BBB"));
    let certify = ["accord", "certify", "--documents", &documents, "--station", "BBB/mfa"];
    let certify = [&certify[..], &["--authority", &authority]].concat();
    assert_eq!(page.cbm(&[&certify[..], &["--office", "duty"]].concat()), 2);
    let none = format!("duty={}", at("lab/AAA-mfa/cbm.toml"));
    assert_eq!(page.cbm(&[&certify[..], &["--office", &none]].concat()), 1);
    assert_eq!(page.cbm(&[&certify[..], &["--drop-office", "night"]].concat()), 1);
    page.done();
}
