//! Mistakes that people make at the command line, each with its words and its exit code.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Output;

use cbm_integration_tests::processes::{Lab, run, words};

/// Exit code and standard error, with the lab's folder as `LAB`.
fn told(lab: &Lab, output: &Output) -> (i32, String) {
    let lab = lab.station("AAA").parent().unwrap().parent().unwrap().display().to_string();
    let text = String::from_utf8(output.stderr.clone()).unwrap().replace(&lab, "LAB");
    assert!(output.stdout.is_empty(), "{}", words(output));
    (output.status.code().unwrap(), text.trim_end().to_owned())
}

fn assert_told(lab: &Lab, output: &Output, code: i32, said: [&str; 3]) {
    let [error, cause, remedy] = said;
    let text = format!("cbm: {error}\n  cause:  {cause}\n  remedy: {remedy}");
    assert_eq!(told(lab, output), (code, text));
}

/// The id of no letter.
const NONE: &str = "00000000000000000000000000000000";

const TWO_PERSONS: [&str; 3] = [
    "nothing was sent",
    "A letter of type `red-flag` needs two persons, and neither is named",
    "name two different persons with --drafted-by and --released-by, or give the reason \
     of an emergency with --emergency (marked in the letter, reviewed later)",
];
const NO_SUCH_PARTY: [&str; 3] = [
    "nothing was sent",
    "`ZZZ` is not a party of this accord",
    "`cbm peers` lists the stations it knows",
];
const NO_CODE: [&str; 3] = [
    "nothing was done",
    "`zzz` is not a party code: 2 to 16 characters A-Z and 0-9, the first a letter",
    "`cbm peers` lists the stations and their parties",
];
const NO_RECIPIENT: [&str; 3] = [
    "nothing was sent",
    "the letter names no recipient but this station's own party",
    "name another party with --to",
];
const LOUD: [&str; 3] = [
    "nothing was done",
    "`LOUD` is not understood here",
    "use one of ROUTINE, PRIORITY, IMMEDIATE, FLASH",
];
const NO_FILE: [&str; 3] = [
    "nothing was sent",
    "/nowhere.json: No such file or directory (os error 2)",
    "name a file that you may read",
];
const TOO_LARGE: [&str; 3] = [
    "nothing was sent",
    "LAB/big.bin has 1073741825 bytes; an attachment has at most 1073741824",
    "cut it into several files",
];
const NO_SUCH_TYPE: [&str; 3] =
    ["nothing was sent", "`redflag` is not a message type", "did you mean `red-flag`?"];
const NO_NODE: [&str; 3] = [
    "no node answers",
    "LAB/lab/AAA-mfa/cbm.sock: No such file or directory (os error 2)",
    "start it with `cbm run --config FILE`, and name the same FILE here",
];
const NO_STATUS: [&str; 3] = [
    "there is no status",
    "this station sent no letter 00000000000000000000000000000000",
    "use the id that `cbm send` printed, and the configuration of the sender",
];
const NO_LETTER: [&str; 3] = [
    "there is no such letter",
    "this station neither received nor sent 00000000000000000000000000000000",
    "`cbm inbox` lists what was received",
];
const NO_ACK: [&str; 3] = [
    "the letter is untouched",
    "no letter 00000000000000000000000000000000 was received here",
    "`cbm inbox` lists those that were",
];
const NO_ID: [&str; 3] = [
    "nothing was done",
    "`12` is not the id of a letter",
    "an id is 32 hex digits, as `cbm send` and `cbm inbox` print it",
];
const NO_PEER: [&str; 3] = [
    "no link was changed",
    "no other station ZZZ/mfa stands in the accord",
    "`cbm peers` lists the stations",
];

#[test]
fn a_letter_that_cannot_be_sent_is_refused_with_words() {
    let lab = Lab::new(2);
    let node = lab.start("AAA");
    let file = lab.letter("red-flag", |_| {});
    let send = |more: &[&str]| node.ask(&[&["send", "red-flag", "--file", &file], more].concat());
    assert_told(&lab, &send(&["--to", "BBB"]), 3, TWO_PERSONS);
    let one = ["--to", "BBB", "--drafted-by", "A", "--released-by", "A"];
    assert_eq!(told(&lab, &send(&one)).0, 3);
    let persons = ["--drafted-by", "A", "--released-by", "B"];
    let to = |party: &str| send(&[&["--to", party], &persons[..]].concat());
    assert_told(&lab, &to("ZZZ"), 2, NO_SUCH_PARTY);
    assert_told(&lab, &to("zzz"), 2, NO_CODE);
    assert_told(&lab, &to("AAA"), 2, NO_RECIPIENT);
    let loud = send(&["--to", "BBB", "--precedence", "LOUD"]);
    assert_told(&lab, &loud, 2, LOUD);
    let emergency = send(&["--to", "BBB", "--emergency", "alone on night duty"]);
    assert!(emergency.status.success(), "{}", words(&emergency));
}

#[test]
fn a_file_that_cannot_be_sent_is_refused_with_words() {
    let lab = Lab::new(2);
    let node = lab.start("AAA");
    let send =
        |more: &[&str]| node.ask(&[&["send", "operator-note", "--to", "BBB"], more].concat());
    assert_told(&lab, &send(&["--file", "/nowhere.json"]), 1, NO_FILE);
    let text = lab.file("letter.txt", "Dear colleagues");
    assert_eq!(told(&lab, &send(&["--file", &text])).0, 2);
    let wrong = lab.letter("operator-note", |letter| letter["urgent"] = true.into());
    let (code, text) = told(&lab, &send(&["--file", &wrong]));
    assert_eq!(code, 2);
    assert!(text.contains("cause:  urgent: there is no such field: known are status,"), "{text}");
    let good = lab.letter("operator-note", |_| {});
    let big = lab.file("big.bin", "");
    std::fs::File::options().write(true).open(&big).unwrap().set_len((1 << 30) + 1).unwrap();
    assert_told(&lab, &send(&["--file", &good, "--attach", &big]), 2, TOO_LARGE);
    let unknown = node.ask(&["send", "redflag", "--to", "BBB", "--file", &good]);
    assert_told(&lab, &unknown, 2, NO_SUCH_TYPE);
}

#[test]
fn what_is_not_there_is_said_not_to_be() {
    let lab = Lab::new(2);
    let node = lab.node("AAA");
    assert_told(&lab, &node.ask(&["inbox"]), 1, NO_NODE);
    let node = lab.start("AAA");
    assert_told(&lab, &node.ask(&["status", NONE]), 1, NO_STATUS);
    assert_told(&lab, &node.ask(&["show", NONE]), 1, NO_LETTER);
    assert_told(&lab, &node.ask(&["ack", NONE]), 1, NO_ACK);
    assert_told(&lab, &node.ask(&["status", "12"]), 2, NO_ID);
    assert_told(&lab, &node.ask(&["peers", "--cut", "ZZZ/mfa"]), 1, NO_PEER);
    let config = lab.file("broken.toml", "[station]\nname = \"AAA/mfa\"\nnick = \"a\"\n");
    assert_eq!(told(&lab, &run(&["run", "--config", &config])).0, 2);
}

#[test]
fn only_a_listed_officer_acts() {
    let lab = Lab::new(2);
    let config = lab.station("BBB").join("cbm.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let cut = text.find("[officers").expect("the lab lists its caller");
    let rest = text[cut..].find("\n[").filter(|end| !text[cut + end..].starts_with("\n[officers"));
    let after = rest.map_or("", |end| &text[cut + end..]);
    std::fs::write(&config, format!("{}{after}", &text[..cut])).unwrap();
    let (a, b) = (lab.start("AAA"), lab.start("BBB"));
    let file = lab.letter("operator-note", |_| {});
    let wait = ["--wait", "L1", "--timeout", "45s"];
    let id =
        a.text(&[&["send", "operator-note", "--to", "BBB", "--file", &file], &wait[..]].concat());
    let shown = b.ask(&["show", &id]);
    assert!(shown.status.success(), "anybody with the socket may read: {}", words(&shown));
    let note = String::from_utf8(shown.stderr).unwrap();
    assert!(note.contains("not told that it was seen"), "{note}");
    let (code, text) = told(&lab, &b.ask(&["ack", &id]));
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("[officers]"), "{text}");
    assert_ne!(a.status(&id, "BBB")["level"], "L3");
}

#[test]
fn a_node_that_must_not_start_says_why() {
    let lab = Lab::new(2);
    let _first = lab.start("AAA");
    let second = lab.node("AAA").ask(&["run"]);
    assert_eq!(second.status.code(), Some(1), "{}", words(&second));
    assert!(words(&second).contains("in use by another process"), "{}", words(&second));
    let mut spied = lab.node("BBB");
    spied.environment.insert("SSLKEYLOGFILE".into(), "/dev/null".into());
    let lines = spied.launch();
    assert_eq!(spied.ended().code(), Some(1));
    assert!(spied.log().contains("SSLKEYLOGFILE"), "{}", spied.log());
    assert!(lines.recv().is_err(), "it never said that it was ready");
}

#[test]
fn every_type_has_an_example_that_is_taken() {
    let lab = Lab::new(2);
    let (a, b) = (lab.start("AAA"), lab.start("BBB"));
    let listed = run(&["types", "--json"]);
    let names: Vec<String> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|row| row["type"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.contains(&"red-flag".to_owned()), "{names:?}");
    for name in &names {
        let file = lab.letter(name, |_| {});
        let persons =
            ["--drafted-by", "A", "--released-by", "B", "--wait", "L1", "--timeout", "45s"];
        let id = a.text(&[&["send", name, "--to", "BBB", "--file", &file], &persons[..]].concat());
        let sent: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let shown = b.json(&["show", &id]).remove(0);
        assert_eq!(shown["subject"], sent["subject"], "{name}");
        assert_eq!(shown["type"], name.as_str());
    }
    let text = run(&["types"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn an_exercise_is_framed_by_the_word() {
    let lab = Lab::new(2);
    let (a, b) = (lab.start("AAA"), lab.start("BBB"));
    let file = lab.letter("operator-note", |letter| {
        letter["exercise_id"] = "EX-1".into();
        letter["subject"][0]["text"] = "EXERCISE EXERCISE EXERCISE a drill EXERCISE".into();
    });
    let args = ["send", "operator-note", "--to", "BBB", "--file", &file, "--status", "EXERCISE"];
    let sent = a.ask(&[&args[..], &["--wait", "L1", "--timeout", "45s"]].concat());
    assert!(sent.status.success(), "{}", words(&sent));
    let id = String::from_utf8(sent.stdout).unwrap();
    let shown = b.text(&["show", id.trim()]);
    assert!(shown.starts_with("EXERCISE EXERCISE EXERCISE\n"), "{shown}");
    assert!(shown.ends_with("\nEXERCISE"), "{shown}");
}
