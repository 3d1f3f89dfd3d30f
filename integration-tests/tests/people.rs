//! Who is at the other end, with whole nodes: words over another channel, checks, open suspensions.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use cbm_integration_tests::processes::{Lab, Node, PATIENCE, poll, words};
use serde_json::Value;

fn pair() -> (Lab, Node, Node) {
    let lab = Lab::new(2);
    let (a, b) = (lab.start("AAA"), lab.start("BBB"));
    a.await_link("BBB", true);
    (lab, a, b)
}

/// The newest letter of a type at a station, once it is there.
fn received(node: &Node, type_name: &str) -> String {
    let newest = || {
        let rows = node.json(&["inbox"]);
        let row = rows.into_iter().rev().find(|row| row["type"] == type_name)?;
        Some(row["id"].as_str().unwrap().to_owned())
    };
    poll(PATIENCE, newest).unwrap_or_else(|| panic!("no {type_name}: {}", node.log()))
}

fn directory(node: &Node, party: &str) -> Value {
    node.json(&["directory", party]).remove(0)
}

/// AAA asks BBB's officer to identify himself; what BBB's screen shows.
fn asked(a: &Node, b: &Node) -> Value {
    let asked = a.json(&["directory", "identify", "BBB"]).remove(0);
    let id = received(b, "request");
    assert_eq!(asked["id"], id.as_str());
    let shown = b.json(&["show", &id]).remove(0);
    assert_eq!(shown["identity_check"]["code"], asked["code"]);
    shown["identity_check"].clone()
}

#[test]
fn an_officer_who_reads_the_right_words_is_known_and_hears_the_right_ones_back() {
    let (_lab, a, b) = pair();
    assert_eq!(directory(&a, "BBB")["check"], Value::Null);
    let screen = asked(&a, &b);
    let (say, hear) = (screen["you_say"].as_str().unwrap(), screen["you_hear"].as_str().unwrap());
    let heard = a.json(&["directory", "identify", "BBB", "--heard", say]).remove(0);
    assert_eq!((&heard["agrees"], &heard["say_back"]), (&true.into(), &hear.into()));
    let known = directory(&a, "BBB");
    assert_eq!(
        (&known["check"]["method"], &known["disagreed"]),
        (&"READ_BACK".into(), &false.into())
    );
    assert_eq!(known["trust"], "unverified", "a voice is not a meeting");
    let met = a.text(&["directory", "check", "BBB", "--in-person", "--by", "K. Kask"]);
    assert!(met.contains("agreed, in person by K. Kask"), "{met}");
    assert_eq!(directory(&a, "BBB")["trust"], "checked_in_person");
}

#[test]
fn words_that_do_not_agree_are_said_plainly_kept_and_void_after_three_tries() {
    let (lab, mut a, b) = pair();
    let screen = asked(&a, &b);
    let wrong = ["directory", "identify", "BBB", "--heard", "acorn acorn acorn acorn"];
    for left in ["2", "1", "0"] {
        let refused = a.ask(&wrong);
        assert_eq!(refused.status.code(), Some(3), "{}", words(&refused));
        let said = words(&refused);
        assert!(
            said.contains("DOES NOT AGREE") && said.contains(&format!("{left} tries")),
            "{said}"
        );
    }
    let say = screen["you_say"].as_str().unwrap();
    let void = a.ask(&["directory", "identify", "BBB", "--heard", say]);
    assert!(words(&void).contains("is void after 3 wrong answers"), "{}", words(&void));
    let shown = |a: &Node| {
        assert_eq!(directory(a, "BBB")["disagreed"], true);
        let rows = a.json(&["directory", "--incidents"]);
        let row = rows.iter().find(|row| row["cause"] == "MISMATCH").expect("it is shown");
        assert_eq!((row["about"].as_str(), row["count"].as_u64()), (Some("BBB"), Some(3)));
    };
    shown(&a);
    let file = lab.letter("operator-note", |_| {});
    let _ = b.text(&["send", "operator-note", "--to", "AAA", "--file", &file, "--wait", "L1"]);
    assert_eq!(a.json(&["inbox"])[0]["trust"], "unverified");
    assert_eq!(a.stop().code(), Some(0), "{}", a.log());
    a.start();
    assert_eq!(directory(&a, "BBB")["disagreed"], true, "a restart forgets nothing");
}

#[test]
fn a_node_that_passes_for_a_member_is_refused_and_shown() {
    let lab = Lab::new(2);
    let other = Lab::at(lab.port, 2);
    let (member, stranger) = (lab.start("AAA"), other.start("BBB"));
    let seen = || {
        let rows = member.json(&["directory", "--incidents"]);
        rows.into_iter().find(|row| row["cause"] == "STRANGER")
    };
    let row = poll(PATIENCE, seen).unwrap_or_else(|| panic!("not shown: {}", member.log()));
    assert!(row["count"].as_u64() >= Some(1) && row["about"].is_null(), "{row}");
    let shown = member.text(&["directory", "--incidents"]);
    assert!(shown.contains("a node that no certificate names wanted a link"), "{shown}");
    drop(stranger);
}

#[test]
fn a_check_tells_an_empty_desk_from_an_answer_and_from_a_dead_line() {
    let lab = Lab::new(3);
    let (a, b) = (lab.start("AAA"), lab.start("BBB"));
    a.await_link("BBB", true);
    let sent = a.json(&["check", "--all", "--respond-by", "20m"]).remove(0);
    let id = sent["id"].as_str().unwrap().to_owned();
    let at = |station: &str, verdict: &str| {
        let found = || {
            let view = a.json(&["check", "--result", &id]).remove(0);
            let rows = view["stations"].as_array().unwrap().clone();
            rows.into_iter().find(|r| r["station"] == station && r["verdict"] == verdict)
        };
        poll(PATIENCE, found).unwrap_or_else(|| panic!("{station} is not {verdict}"))
    };
    at("BBB/mfa", "nobody_at_desk");
    assert_eq!(received(&b, "comms-check"), id);
    let shown = b.text(&["show", &id]);
    assert!(shown.starts_with("TEST TEST TEST") && shown.ends_with("TEST"), "{shown}");
    let _ = b.text(&["check", "--answer", &id]);
    let row = at("BBB/mfa", "answered");
    let confirmed =
        || Some(at("BBB/mfa", "answered")).filter(|row| row["contact_data_confirmed"] == true);
    assert!(poll(PATIENCE, confirmed).is_some(), "{row}");
    assert_eq!(row["late"], false);
    at("CCC/mfa", "line_dead");
    assert_eq!(directory(&a, "BBB")["last_check"]["verdict"], "answered");
    let late = a.ask(&["check", "CCC", "--respond-by", "1s", "--wait"]);
    assert_eq!(late.status.code(), Some(4), "{}", words(&late));
    assert!(words(&late).contains("CCC/mfa"), "{}", words(&late));
    let stale = || (directory(&a, "CCC")["freshness"] == "STALE").then_some(());
    assert!(poll(PATIENCE, stale).is_some(), "nobody answered: {}", directory(&a, "CCC"));
    assert_eq!(directory(&a, "BBB")["freshness"], "FRESH");
}

#[test]
fn a_suspension_that_is_said_openly_is_the_cause_of_silence_until_it_ends() {
    let (lab, a, b) = pair();
    let _ = b.text(&["notice", "suspended", "--political", "--reason", "Talks go another way."]);
    received(&a, "service-notice");
    let service = directory(&a, "BBB")["service"].clone();
    assert_eq!(
        (&service["kind"], &service["political"]),
        (&"CHANNEL_SUSPENDED".into(), &true.into())
    );
    let file = lab.letter("operator-note", |_| {});
    let id = a.text(&["send", "operator-note", "--to", "BBB", "--file", &file, "--wait", "L1"]);
    let cause = a.status(&id, "BBB")["cause"].as_str().unwrap_or_default().to_owned();
    assert!(
        cause.starts_with("suspended openly since ") && cause.ends_with(", political"),
        "{cause}"
    );
    let peers = a.text(&["peers"]);
    assert!(peers.contains("BBB/mfa suspended openly since"), "{peers}");
    let _ = b.text(&["notice", "reopened"]);
    let open = || directory(&a, "BBB")["service"].is_null().then_some(());
    assert!(poll(PATIENCE, open).is_some(), "{}", directory(&a, "BBB"));
    assert_eq!(a.status(&id, "BBB")["cause"], Value::Null);
}
