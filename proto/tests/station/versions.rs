//! Stations that believe different versions of the accord, and parties that come and go.

use std::sync::Arc;

use cbm_proto::accord::{Role, station_id};
use cbm_proto::envelope::{Envelope, Verdict};
use cbm_proto::event::{Denied, Input};
use cbm_proto::id::{MsgId, StationName};
use cbm_proto::keys::{AuthorityKeys, StationKeys};
use cbm_proto::terms::Level;

use super::hall::Hall;
use super::papers::party;

const ALERT: &str = "incident-alert";

fn states<'a>(codes: &[&'a str]) -> Vec<(&'a str, Role)> {
    codes.iter().map(|code| (*code, Role::State)).collect()
}

fn envelope(hall: &Hall, from: &str, msg: MsgId) -> Envelope {
    let id = hall.station(from).envelope_of(&msg).unwrap();
    hall.envelopes(from).into_iter().find(|e| e.id() == id).unwrap()
}

#[test]
fn stations_on_versions_one_two_and_three_exchange_an_alert() {
    let all = ["AAA", "BBB", "CCC"];
    let mut hall = Hall::new(&all);
    for (a, b) in [("AAA", "BBB"), ("AAA", "CCC"), ("BBB", "CCC")] {
        hall.cut(&format!("{a}/mfa"), &format!("{b}/mfa"));
    }
    let two = hall.next_accord("AAA/mfa", &states(&all));
    hall.publish("AAA/mfa", std::slice::from_ref(&two));
    hall.publish("BBB/mfa", &[two]);
    let three = hall.next_accord("AAA/mfa", &states(&all));
    hall.publish("AAA/mfa", &[three]);
    let mut sent = Vec::new();
    for (from, version) in [("AAA", 3), ("BBB", 2), ("CCC", 1)] {
        let others: Vec<&str> = all.iter().filter(|code| **code != from).copied().collect();
        let msg = hall.send(&format!("{from}/mfa"), ALERT, &others);
        let made = envelope(&hall, &format!("{from}/mfa"), msg);
        assert_eq!(made.header().accord_version, version);
        sent.push((msg, made.bytes().clone()));
    }
    // An older one is read at once; a newer one when its accord is known, and nobody is blamed.
    assert_eq!(hall.hear("AAA/mfa", "BBB/mfa", sent[2].1.clone()), Verdict::Accept);
    assert_eq!(hall.inbox("AAA/mfa"), [sent[2].0]);
    assert_eq!(hall.hear("CCC/mfa", "BBB/mfa", sent[0].1.clone()), Verdict::Ignore);
    hall.mend();
    hall.run(60_000);
    for (at, code) in all.iter().enumerate() {
        let name = format!("{code}/mfa");
        assert_eq!(hall.station(&name).directory().accord_version(), 3, "{name}");
        assert_eq!(hall.inbox(&name).len(), 2, "{name}");
        let status = hall.station(&name).status(hall.now(), &sent[at].0).unwrap();
        assert!(status.addressees.iter().all(|a| a.level >= Some(Level::L2)), "{name}");
    }
}

/// A station of a party that is not in the accord yet.
fn newcomer(hall: &mut Hall, code: &str) -> StationName {
    let name = StationName::parse(&format!("{code}/mfa")).unwrap();
    let authority = AuthorityKeys::generate(hall.entropy());
    let keys = StationKeys::generate(hall.entropy());
    hall.authorities.insert(party(code), authority);
    hall.keys.insert(name.clone(), Arc::new(keys));
    let id = station_id(&hall.network(), &name);
    hall.names.insert(name.clone(), id);
    name
}

#[test]
fn a_party_admitted_while_letters_are_in_flight_gets_and_sends_letters() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    hall.cut("AAA/mfa", "BBB/mfa");
    hall.cut("CCC/mfa", "BBB/mfa");
    let in_flight = hall.send("AAA/mfa", ALERT, &["BBB"]);
    let name = newcomer(&mut hall, "DDD");
    let accord = hall.next_accord("AAA/mfa", &states(&["AAA", "BBB", "CCC", "DDD"]));
    let certificate = hall.certificate("DDD/mfa", 1, &hall.keys("DDD/mfa"));
    let papers = [accord, certificate];
    let fates = hall.publish("AAA/mfa", &papers);
    assert!(fates.iter().all(Result::is_ok), "{fates:?}");
    let documents = [hall.documents(), papers.to_vec()].concat();
    hall.begin_with(&name.to_string(), Vec::new(), &documents);
    hall.link_all();
    let first = hall.send("AAA/mfa", ALERT, &["DDD", "BBB"]);
    let answer = hall.send("DDD/mfa", ALERT, &["AAA", "BBB"]);
    hall.mend();
    hall.run(120_000);
    assert_eq!(hall.inbox("DDD/mfa"), [first]);
    assert_eq!(hall.inbox("AAA/mfa"), [answer]);
    let mut inbox = hall.inbox("BBB/mfa");
    inbox.sort();
    let mut wanted = [in_flight, first, answer];
    wanted.sort();
    assert_eq!(inbox, wanted);
    for (from, msg) in [("AAA/mfa", in_flight), ("AAA/mfa", first), ("DDD/mfa", answer)] {
        assert!(hall.level(from, msg).0 >= Some(Level::L2), "{from} {msg:?}");
    }
}

#[test]
fn removal_from_the_accord_ends_the_common_group_and_leaves_a_charters_line_standing() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let charter = hall.charter("pact", &["AAA", "CCC"]);
    hall.publish("AAA/mfa", &[charter]);
    let accord = hall.next_accord("AAA/mfa", &states(&["AAA", "BBB"]));
    hall.publish("AAA/mfa", &[accord]);
    assert_eq!(hall.station("CCC/mfa").directory().accord_version(), 2, "it is told");
    for (from, to) in [("AAA/mfa", "CCC"), ("CCC/mfa", "AAA")] {
        let draft = Box::new(Hall::draft(ALERT, &[to]));
        let denied = hall.command(from, |token| Input::Submit { token, draft }).unwrap_err();
        let ended = matches!(denied, Denied::NotInGroup { .. } | Denied::NoSuchGroup { .. });
        assert!(ended, "{denied}");
        let mut draft = Hall::draft(ALERT, &[to]);
        draft.header.0.group = "pact".into();
        let draft = Box::new(draft);
        let msg = hall.command(from, |token| Input::Submit { token, draft }).unwrap();
        hall.run(2_000);
        assert_eq!(hall.level(from, msg).0, Some(Level::L2), "{from}");
    }
    assert_eq!(hall.inbox("BBB/mfa"), []);
    assert!(hall.station("AAA/mfa").admits(&hall.id("CCC/mfa")));
}
