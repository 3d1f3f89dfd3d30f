//! Tests of drafts: reading, rules of release, keeping.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    id::PartyCode,
    terms::{Precedence, Status},
};

fn to(code: &str) -> SendOptions {
    SendOptions { to: vec![PartyCode::new(code).unwrap()], ..SendOptions::default() }
}

fn template(name: &str) -> Json {
    catalogue().template(catalogue().find(name).unwrap())
}

fn two_persons() -> SendOptions {
    let named = |name: &str| Some(name.to_owned());
    SendOptions { drafted_by: named("A. Tamm"), released_by: named("B. Kask"), ..to("BBB") }
}

fn refused(name: &str, options: SendOptions, change: impl FnOnce(&mut Json)) -> String {
    let mut json = template(name);
    change(&mut json);
    let read = Draft::from_json(name, &json.to_string(), options);
    read.and_then(|draft| draft.check()).expect_err("it should be refused").to_string()
}

#[test]
fn every_template_is_read_checked_kept_and_read_back() {
    for info in catalogue().types().iter().filter(|info| !info.made_by_node) {
        let draft =
            Draft::from_json(&info.name, &template(&info.name).to_string(), two_persons()).unwrap();
        assert_eq!(draft.check(), Ok(()), "{}", info.name);
        assert_eq!(draft.header.precedence(), info.default_precedence);
        assert_eq!(Draft::from_bytes(&draft.to_bytes()).unwrap(), draft);
    }
}

#[test]
fn what_the_node_makes_is_not_taken() {
    let draft = Draft::from_json("ack", &template("ack").to_string(), to("BBB")).unwrap();
    assert_eq!(draft.check(), Err(DraftError::MadeByNode("ack".into())));
}

#[test]
fn two_persons_release_a_red_flag_and_anything_at_flash() {
    let name = |name: &str| Some(name.to_owned());
    for (drafted_by, released_by, cause) in [
        (None, None, "neither is named"),
        (name("A. Tamm"), None, "who released it is not named"),
        (None, name("B. Kask"), "who drafted it is not named"),
        (name("A. Tamm"), name("a.  TAMM "), "both names are the same"),
    ] {
        let options = SendOptions { drafted_by, released_by, ..to("BBB") };
        let draft =
            Draft::from_json("red-flag", &template("red-flag").to_string(), options).unwrap();
        let refusal = draft.check().unwrap_err();
        assert!(refusal.is_policy());
        assert!(refusal.to_string().contains(cause), "{refusal}");
        assert!(refusal.to_string().contains("--released-by"), "{refusal}");
    }
    let flash = SendOptions { precedence: Some(Precedence::Flash), ..to("BBB") };
    let found = refused("operator-note", flash, |_| ());
    assert!(found.starts_with("A letter at FLASH is drafted by one person"), "{found}");
    let routine = SendOptions { precedence: Some(Precedence::Routine), ..to("BBB") };
    let found = refused("red-flag", routine, |_| ());
    assert!(found.starts_with("A letter of type `red-flag`"), "{found}");
}

#[test]
fn an_emergency_is_released_alone_and_says_why() {
    let options = SendOptions { emergency: Some("night, one officer".into()), ..to("BBB") };
    let draft = Draft::from_json("red-flag", &template("red-flag").to_string(), options).unwrap();
    assert_eq!(draft.check(), Ok(()));
    let blank = SendOptions { emergency: Some("  ".into()), ..to("BBB") };
    assert!(refused("red-flag", blank, |_| ()).contains("blank"));
}

#[test]
fn what_was_misread_before_is_not_sent() {
    let say = |text: &str| json!([{"bcp47": "en", "text": text, "kind": "ORIGINAL"}]);
    let found = refused("operator-note", to("BBB"), |json| {
        json["body"]["text"] = say("This is NOT a\ndrill.");
    });
    assert!(found.contains("not a drill"), "{found}");
    let found = refused("operator-note", to("BBB"), |json| json["exercise_id"] = json!("EX-1"));
    assert!(found.contains("exercise_id: a letter of status SYSTEM refers"), "{found}");
    let exercise = || SendOptions { status: Some(Status::Exercise), ..to("BBB") };
    let found = refused("operator-note", exercise(), |_| ());
    assert!(found.contains("names no exercise") && found.contains("no banner"), "{found}");
    let found = refused("operator-note", to("BBB"), |json| {
        json["subject"] = say("EXERCISE EXERCISE EXERCISE Shift change EXERCISE");
    });
    assert!(found.contains("the subject says EXERCISE"), "{found}");
    let mut good = template("operator-note");
    good["exercise_id"] = json!("EX-1");
    good["subject"] = say("EXERCISE EXERCISE EXERCISE Shift change EXERCISE");
    let draft = Draft::from_json("operator-note", &good.to_string(), exercise()).unwrap();
    assert_eq!(draft.check(), Ok(()));
}

#[test]
fn urgent_texts_are_short() {
    let long = |json: &mut Json| json["body"]["what_we_see"][0]["text"] = json!("a ".repeat(201));
    let found = refused("red-flag", two_persons(), long);
    assert!(found.contains("words of text at FLASH, at most 200"), "{found}");
    let mut json = template("red-flag");
    long(&mut json);
    let calm = SendOptions { precedence: Some(Precedence::Priority), ..two_persons() };
    let draft = Draft::from_json("red-flag", &json.to_string(), calm).unwrap();
    assert_eq!(draft.check(), Ok(()));
}

#[test]
fn recipients_status_and_references_are_checked() {
    assert!(
        refused("operator-note", SendOptions::default(), |_| ()).contains("nobody is addressed")
    );
    let twice = SendOptions { info: vec![PartyCode::new("BBB").unwrap()], ..to("BBB") };
    assert!(refused("operator-note", twice, |_| ()).contains("to_info: BBB is named twice"));
    let system = SendOptions { status: Some(Status::System), ..to("BBB") };
    let found = refused("incident-alert", system, |_| ());
    assert!(found.contains("cannot be SYSTEM: it may be ACTUAL, EXERCISE, TEST"), "{found}");
    let found = refused("incident-alert", to("BBB"), |json| json["action"] = json!("CANCEL"));
    assert!(found.contains("refs: CANCEL refers to no letter"), "{found}");
}

#[test]
fn files_are_bounded_and_plainly_named() {
    let file = |name: &str, len: usize| Attachment::new(name, vec![7; len].into());
    let with = |attachments| SendOptions { attachments, ..to("BBB") };
    let good = with(vec![file("a.stix2.json", ATTACHMENTS_MAX - 1), file("b.bin", 1)]);
    let json = template("incident-alert").to_string();
    assert_eq!(Draft::from_json("incident-alert", &json, good).unwrap().check(), Ok(()));
    for (attachments, cause) in [
        (vec![file("a", ATTACHMENTS_MAX), file("b", 1)], "196609 bytes in sum, at most 196608"),
        ((0..17).map(|i| file(&i.to_string(), 1)).collect(), "17 files, at most 16"),
        (vec![file("a.json", 1), file("A.JSON", 1)], "another file has this name"),
        (vec![file("../a.json", 1)], "not a plain file name"),
        (vec![file(".bashrc", 1)], "not a plain file name"),
    ] {
        let found = refused("incident-alert", with(attachments), |_| ());
        assert!(found.contains(cause), "{found}");
    }
    let found = refused("incident-alert", to("BBB"), |json| {
        json["body"]["indicators"] = json!([{"attachment": "x.json", "scheme": "STIX_2_1"}]);
    });
    assert!(found.contains("body.indicators[0].attachment: no file `x.json`"), "{found}");
}

#[test]
fn all_that_is_wrong_comes_at_once_with_its_place() {
    let found = refused("incident-alert", to("BBB"), |json| {
        json["severity"] = json!("SEVERE");
        json["urgence"] = json!("NOW");
        json["body"]["stage"] = json!("EARLY");
        json["body"].as_object_mut().unwrap().remove("sectors");
    });
    assert!(found.contains("severity: it is a field of the body: move it into"), "{found}");
    assert!(found.contains("urgence: there is no such field"), "{found}");
    assert!(found.contains("body.stage: `EARLY` is not one of its values"), "{found}");
    let found = Draft::from_json("incident-alert", "{", to("BBB")).unwrap_err().to_string();
    assert!(found.contains("not JSON") && found.contains("line 1"), "{found}");
    let found = Draft::from_json("incident-alert", "[]", to("BBB")).unwrap_err().to_string();
    assert!(found.contains("not an object"), "{found}");
    let found = Draft::from_json("incident-alert", "{}", to("BBB")).unwrap_err().to_string();
    assert!(found.contains("body: it is required and missing: see `cbm template"), "{found}");
    let found = Draft::from_json("red-flagg", "{}", to("BBB")).unwrap_err().to_string();
    assert!(found.contains("did you mean `red-flag`?"), "{found}");
}

#[test]
fn a_damaged_store_is_an_error_and_not_a_draft() {
    assert_eq!(Draft::from_bytes(b"\xff\xff"), Err(DraftError::Stored));
    assert_eq!(Draft::from_bytes(b""), Err(DraftError::Stored));
}
