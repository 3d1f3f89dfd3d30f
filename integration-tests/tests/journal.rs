//! `cbm journal`: a sound journal is said to be sound, a damaged one is not, and no text of a
//! letter is ever shown.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use cbm_integration_tests::processes::{Lab, run, words};

/// A mark that must never be printed.
const SECRET: &str = "a subject that nobody prints";

/// Two stations, one letter from AAA that BBB has stored; both still run.
fn letter(
    lab: &Lab,
) -> (cbm_integration_tests::processes::Node, cbm_integration_tests::processes::Node) {
    let (a, b) = (lab.start("AAA"), lab.start("BBB"));
    let file = lab.letter("operator-note", |letter| letter["subject"][0]["text"] = SECRET.into());
    let wait = ["--wait", "L1", "--timeout", "45s"];
    let _ =
        a.text(&[&["send", "operator-note", "--to", "BBB", "--file", &file], &wait[..]].concat());
    (a, b)
}

/// Turns one bit in the middle of a record's content.
fn spoil(data: &Path, place: &str) {
    let (segment, offset) = place.split_once(':').unwrap();
    let path = data.join("journal").join(format!("{:0>8}.seg", segment));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[offset.parse::<usize>().unwrap() + 64 + 300] ^= 1;
    std::fs::write(&path, bytes).unwrap();
}

#[test]
fn a_journal_is_verified_beside_its_node_and_without_it() {
    let lab = Lab::new(2);
    let (mut a, b) = letter(&lab);
    let found = b.json(&["journal", "verify"]).remove(0);
    assert_eq!(found["sound"], true, "{found}");
    assert!(found["envelopes"]["signed"].as_u64() >= Some(3), "{found}");
    assert!(found["own"]["open"].as_u64() >= Some(2), "{found}");
    assert_eq!(found["envelopes"]["own_forks"], 0);
    let data = lab.station("BBB").join("data");
    let alone = run(&["journal", "verify", "--data", data.to_str().unwrap()]);
    let text = String::from_utf8(alone.stdout).unwrap();
    assert!(alone.status.success() && text.contains("not checked"), "{text}");
    assert_eq!(a.stop().code(), Some(0));
    let text = a.text(&["journal", "verify"]);
    assert!(text.ends_with("the journal is whole"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for verb in [&["journal", "verify"][..], &["journal", "list"], &["journal", "list", "--json"]] {
        assert!(!a.text(verb).contains(SECRET));
    }
}

#[test]
fn a_turned_bit_is_found_and_its_place_is_named() {
    let lab = Lab::new(2);
    let (mut a, _b) = letter(&lab);
    assert_eq!(a.stop().code(), Some(0));
    let rows = a.json(&["journal", "list", "--kind", "envelope"]);
    let own = rows.iter().find(|row| row["author"] == "AAA/mfa" && row["seq"] == 2).unwrap();
    let place = own["place"].as_str().unwrap();
    spoil(&lab.station("AAA").join("data"), place);
    let found = a.ask(&["journal", "verify"]);
    assert_eq!(found.status.code(), Some(1), "{}", words(&found));
    let text = String::from_utf8(found.stdout).unwrap();
    assert!(text.contains(place) && text.contains("the journal is NOT whole"), "{text}");
    assert!(String::from_utf8(found.stderr).unwrap().contains("restore the newest backup"));
    let gone = a.ask(&["journal", "show", place]);
    assert_eq!(gone.status.code(), Some(1), "a spoiled record is not shown: {}", words(&gone));
}

#[test]
fn the_heads_of_a_station_name_its_newest_headers() {
    let lab = Lab::new(2);
    let (a, b) = letter(&lab);
    let heads = b.json(&["journal", "heads", "AAA/mfa"]).remove(0);
    let own = a.json(&["journal", "list", "--kind", "envelope"]);
    let newest = own.iter().rfind(|row| row["author"] == "AAA/mfa" && row["seq"] == 2).unwrap();
    let all = heads["heads"].as_array().unwrap();
    let head = all.iter().find(|head| head["lane"] == newest["lane"]).unwrap();
    assert_eq!((&head["seq"], &head["header"]), (&newest["seq"], &newest["id"]));
    let early = b.json(&["journal", "heads", "AAA/mfa", "--before", "2020-01-01T00:00:00Z"]);
    assert_eq!(early[0]["heads"], serde_json::json!([]), "nothing was made then");
    let wrong = b.ask(&["journal", "heads", "AAA"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", words(&wrong));
}
