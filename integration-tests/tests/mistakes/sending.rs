//! Mistakes of a person who sends.

use std::{
    fs::File,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

use cbm_integration_tests::processes::{Lab, Node, PATIENCE, cbm, poll};
use serde_json::{Value, json};

use crate::page::Page;

/// Sends an operator note with this change made to it.
fn note(page: &mut Page, lab: &Lab, node: &Node, change: impl FnOnce(&mut Value)) -> i32 {
    let file = lab.letter("operator-note", change);
    page.ask(node, &["send", "operator-note", "--to", "BBB", "--file", &file])
}

#[test]
fn words_that_the_letter_must_not_hold() {
    let lab = Lab::new(2);
    let node = lab.start("AAA");
    let file = lab.letter("operator-note", |_| {});

    let mut page = Page::new("unknown-type", "A type that does not exist", &lab);
    assert_eq!(page.ask(&node, &["send", "redflag", "--to", "BBB", "--file", &file]), 2);
    assert_eq!(page.cbm(&["template", "redflag"]), 2);
    page.done();

    let mut page = Page::new("unknown-field", "A field that does not exist", &lab);
    assert_eq!(note(&mut page, &lab, &node, |l| l["urgent"] = true.into()), 2);
    assert_eq!(note(&mut page, &lab, &node, |l| l["body"]["texts"] = "x".into()), 2);
    page.done();

    let mut page = Page::new("unknown-word", "A word that is not of the list", &lab);
    assert_eq!(note(&mut page, &lab, &node, |l| l["tlp"] = "PURPLE".into()), 2);
    for (flag, word) in [("--precedence", "LOUD"), ("--status", "REAL"), ("--wait", "L9")] {
        let args = ["send", "operator-note", "--to", "BBB", "--file", &file, flag, word];
        assert_eq!(page.ask(&node, &args), 2);
    }
    page.done();

    let mut page = Page::new("too-long", "A text over its bound", &lab);
    let long = |l: &mut Value| l["subject"][0]["text"] = "x".repeat(400).into();
    assert_eq!(note(&mut page, &lab, &node, long), 2);
    let huge = lab.file("huge.json", &format!("{{\"x\": \"{}\"}}", "x".repeat(49_152)));
    assert_eq!(page.ask(&node, &["send", "operator-note", "--to", "BBB", "--file", &huge]), 2);
    let wordy = lab.letter("red-flag", |l| {
        l["remarks"] = l["subject"].clone();
        l["remarks"][0]["text"] = "word ".repeat(201).trim().into();
    });
    let persons = ["--drafted-by", "A. Clerk", "--released-by", "B. Head"];
    let args = [&["send", "red-flag", "--to", "BBB", "--file", &wordy], &persons[..]].concat();
    assert_eq!(page.ask(&node, &args), 2);
    page.done();

    let mut page = Page::new("several-at-once", "Several mistakes in one letter", &lab);
    assert_eq!(
        note(&mut page, &lab, &node, |l| {
            l["status"] = "EXERCISE".into();
            l["body"]["text"] = Value::Null;
            l["refs"] = json!([{"id": "not base64 at all!", "relation": "REPLIES"}]);
        }),
        2
    );
    page.done();
}

#[test]
fn bytes_that_are_no_letter() {
    let lab = Lab::new(2);
    let node = lab.node("AAA");
    let send = |page: &mut Page, file: &str| {
        page.ask(&node, &["send", "operator-note", "--to", "BBB", "--file", file])
    };

    let mut page = Page::new("not-utf8", "A letter that is not UTF-8", &lab);
    let latin = lab.file("latin1.json", "");
    std::fs::write(&latin, b"{\"subject\": \"T\xfcr\"}").unwrap();
    assert_eq!(send(&mut page, &latin), 2);
    page.done();

    let mut page = Page::new("not-json", "A letter that is not JSON", &lab);
    assert_eq!(send(&mut page, &lab.file("letter.txt", "Dear colleagues")), 2);
    assert_eq!(send(&mut page, &lab.file("cut.json", "{\"subject\": [")), 2);
    assert_eq!(send(&mut page, &lab.file("empty.json", "")), 2);
    page.done();

    let mut page = Page::new("two-letters", "Two letters with one --file", &lab);
    assert_eq!(send(&mut page, &lab.file("two.json", "{}\n{}\n")), 2);
    let file = lab.letter("operator-note", |_| {});
    let twice = ["send", "operator-note", "--to", "BBB", "--file", &file, "--file", &file];
    assert_eq!(page.ask(&node, &twice), 2);
    page.done();

    let mut page = Page::new("stdin", "A letter from standard input that cannot be read", &lab);
    let config = node.config();
    let args = ["send", "operator-note", "--to", "BBB", "--file", "-", "--config"];
    let mut folder = Command::new(cbm());
    folder.args(args).arg(&config).stdin(File::open("/").unwrap());
    assert_eq!(page.run("< / ", &mut folder), 1);
    let mut nothing = Command::new(cbm());
    nothing.args(args).arg(&config).stdin(Stdio::null());
    assert_eq!(page.run("< /dev/null ", &mut nothing), 2);
    page.done();
}

#[test]
fn a_bytes_field_that_is_no_base64() {
    let lab = Lab::new(2);
    let node = lab.start("AAA");
    let mut page = Page::new("not-base64", "Bytes that are not base64", &lab);
    let bad = json!([{"id": "not base64 at all!", "relation": "REPLIES"}]);
    assert_eq!(note(&mut page, &lab, &node, |l| l["refs"] = bad), 2);
    page.say("A program that asks the node itself:");
    let file = json!([{"name": "a.txt", "base64": "not base64 at all!"}]);
    let letter = json!({"type": "operator-note", "to": ["BBB"], "letter": {}, "attachments": file});
    page.post(&node, "/v1/send", &letter.to_string());
    page.post(&node, "/v1/send", "{\"type\": \"operator-note\", \"urgent\": true}");
    page.post(&node, "/v1/send", "Dear colleagues");
    page.done();
}

#[test]
fn attachments_that_cannot_go_with_it() {
    let lab = Lab::new(2);
    let node = lab.node("AAA");
    let file = lab.letter("operator-note", |_| {});
    let start = ["send", "operator-note", "--to", "BBB", "--file", &file];

    let mut page = Page::new("attachment-missing", "An attachment that is not there", &lab);
    assert_eq!(page.ask(&node, &[&start[..], &["--attach", "nowhere.json"]].concat()), 1);
    let folder = lab.station("AAA").display().to_string();
    assert_eq!(page.ask(&node, &[&start[..], &["--attach", &folder]].concat()), 2);
    page.done();

    let mut page = Page::new("attachment-too-large", "Attachments that are too large", &lab);
    let big = lab.file("big.bin", "");
    File::options().write(true).open(&big).unwrap().set_len((1 << 30) + 1).unwrap();
    assert_eq!(page.ask(&node, &[&start[..], &["--attach", &big]].concat()), 2);
    page.say("Where `evidence.total_mib` is 1:");
    let mut small_disk = lab.node("AAA");
    let room = [("TOTAL", "1"), ("AUTHOR", "1")];
    let room = room.map(|(of, mib)| (format!("CBM__EVIDENCE__{of}_MIB"), mib.to_owned()));
    small_disk.environment.extend(room);
    small_disk.start();
    let two = lab.file("two.bin", &"x".repeat(2 * 1024 * 1024));
    assert_eq!(page.ask(&small_disk, &[&start[..], &["--attach", &two]].concat()), 1);
    drop(small_disk);
    let small = lab.file("small.txt", "x");
    let many = ["--attach", &small].repeat(17);
    assert_eq!(page.ask(&node, &[&start[..], &many].concat()), 2);
    page.done();

    let mut page = Page::new("attachment-name", "An attachment whose name cannot travel", &lab);
    let named = lab.file("a:b?.txt", "x");
    let node = lab.start("AAA");
    assert_eq!(page.ask(&node, &[&start[..], &["--attach", &named]].concat()), 2);
    page.done();
}

#[test]
fn an_attachment_that_changes_while_it_is_read() {
    let lab = Lab::new(2);
    let node = lab.node("AAA");
    let file = lab.letter("operator-note", |_| {});
    let growing = lab.file("growing.log", "");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let log = File::options().write(true).open(&growing).unwrap();
            for size in (0..).map(|n: u64| 50_000 + n % 100_000) {
                log.set_len(size).unwrap();
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let args = ["send", "operator-note", "--to", "BBB", "--file", &file, "--attach", &growing];
        // Most tries meet the writer in the middle; the others find that no node runs.
        let met = poll(PATIENCE, || {
            let output = node.ask(&args);
            String::from_utf8_lossy(&output.stderr).contains("changed").then_some(output)
        });
        stop.store(true, Ordering::Relaxed);
        let mut page = Page::new("attachment-changes", "An attachment that changes", &lab);
        let typed = format!("cbm {} --config {}", args.join(" "), node.config().display());
        assert_eq!(page.show(&typed, &met.expect("a file that changed")), 1);
        page.done();
    });
}

#[test]
fn recipients_who_would_not_get_it() {
    let lab = Lab::new(2);
    let node = lab.start("AAA");
    let file = lab.letter("operator-note", |_| {});
    let send = |page: &mut Page, more: &[&str]| {
        page.ask(&node, &[&["send", "operator-note", "--file", &file], more].concat())
    };

    let mut page = Page::new("recipient-unknown", "A recipient that is not there", &lab);
    assert_eq!(send(&mut page, &["--to", "ZZZ"]), 2);
    assert_eq!(send(&mut page, &["--to", "zzz"]), 2);
    assert_eq!(send(&mut page, &["--to", "BBB", "--group", "nordic"]), 2);
    page.done();

    let mut page = Page::new("time-over", "A letter that is over before it is sent", &lab);
    for (field, at) in
        [("reply_by", "2020-02-29T12:00:00Z"), ("expires_at", "2021-01-01T00:00:00Z")]
    {
        let file = lab.letter("operator-note", |letter| letter[field] = at.into());
        let args = ["send", "operator-note", "--to", "BBB", "--file", &file];
        assert_eq!(page.ask(&node, &args), 2);
    }
    page.done();

    let mut page = Page::new("recipient-none", "No recipient", &lab);
    assert_eq!(send(&mut page, &[]), 2);
    assert_eq!(send(&mut page, &["--to", ""]), 2);
    assert_eq!(send(&mut page, &["--to", "AAA"]), 2);
    page.done();

    let mut page = Page::new("recipient-twice", "A recipient named twice", &lab);
    assert_eq!(send(&mut page, &["--to", "BBB,BBB"]), 2);
    assert_eq!(send(&mut page, &["--to", "BBB", "--info", "BBB"]), 2);
    page.done();
}

#[test]
fn what_one_person_alone_may_not_send() {
    let lab = Lab::new(2);
    let node = lab.start("AAA");
    let mut page = Page::new("one-person", "A red flag, or FLASH, by one person", &lab);
    let flag = lab.letter("red-flag", |_| {});
    let alert = lab.letter("incident-alert", |_| {});
    let red = ["send", "red-flag", "--to", "BBB", "--file", &flag];
    assert_eq!(page.ask(&node, &red), 3);
    let same = ["--drafted-by", "A. Clerk", "--released-by", "A. Clerk"];
    assert_eq!(page.ask(&node, &[&red[..], &same].concat()), 3);
    let flash = ["send", "incident-alert", "--to", "BBB", "--file", &alert];
    assert_eq!(page.ask(&node, &[&flash[..], &["--precedence", "FLASH"]].concat()), 3);
    let both = ["--released-by", "B. Head", "--emergency", "alone"];
    assert_eq!(page.ask(&node, &[&red[..], &both].concat()), 2);
    page.done();
}

#[test]
fn a_status_that_does_not_fit_and_an_answer_that_does_not_come() {
    let lab = Lab::new(2);
    let node = lab.start("AAA");
    let file = lab.letter("operator-note", |_| {});
    let send = ["send", "operator-note", "--to", "BBB", "--file", &file];

    let mut page = Page::new("exercise-unnamed", "An exercise without a name", &lab);
    assert_eq!(page.ask(&node, &[&send[..], &["--status", "EXERCISE"]].concat()), 2);
    assert_eq!(note(&mut page, &lab, &node, |l| l["exercise_id"] = "EX-1".into()), 2);
    page.done();

    let file = lab.letter("operator-note", |_| {});
    let send = ["send", "operator-note", "--to", "BBB", "--file", &file];
    let mut page = Page::new("not-in-time", "A level that is not reached in time", &lab);
    let wait = ["--wait", "L1", "--timeout", "200ms"];
    assert_eq!(page.ask(&node, &[&send[..], &wait].concat()), 4);
    assert_eq!(page.ask(&node, &[&send[..], &["--wait", "L1", "--timeout", "soon"]].concat()), 2);
    page.done();
}
