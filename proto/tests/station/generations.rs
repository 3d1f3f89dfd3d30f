//! Stations that change their keys while letters are under way (`docs/spec/seal.md`).

use bytes::Bytes;
use cbm_proto::event::{Input, Verdict};
use cbm_proto::keys::StationKeys;
use cbm_proto::primitives::{Entropy, EpochSecret};
use cbm_proto::station::Speaks;
use cbm_proto::terms::Level;

use super::hall::Hall;

const NOTE: &str = "operator-note";

/// The next keys of a station, which still open what was sealed to those before.
fn next(hall: &Hall, name: &str, seed: u8) -> StationKeys {
    let before = hall.keys(name);
    let older = before.epochs().map(|epoch| EpochSecret::from_seed(epoch.seed())).collect();
    let fresh = StationKeys::generate(&mut Entropy::new(&[seed; 32]));
    StationKeys { older, archive: before.archive.clone(), ..fresh }
}

/// Certified, published at the station alone, taken: what its party does.
fn rotate(hall: &mut Hall, name: &str, serial: u64) -> Bytes {
    let keys = next(hall, name, 100 + serial as u8);
    let certificate = hall.certificate(name, serial, &keys);
    assert!(hall.publish(name, std::slice::from_ref(&certificate))[0].is_ok());
    hall.change_keys(name, keys);
    certificate
}

fn arrived(hall: &Hall, from: &str, letters: &[cbm_proto::id::MsgId]) {
    for msg in letters {
        assert_eq!(hall.level(from, *msg).0, Some(Level::L2), "{from} {msg:?}");
    }
}

#[test]
fn a_station_changes_its_keys_between_two_letters_and_speaks_on() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let before = hall.station("AAA/mfa").incarnation();
    let one = hall.send("AAA/mfa", NOTE, &["BBB"]);
    rotate(&mut hall, "AAA/mfa", 2);
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Yes, "it neither asks nor waits");
    assert_eq!(hall.station("AAA/mfa").incarnation(), before);
    let two = hall.send("AAA/mfa", NOTE, &["BBB"]);
    let back = hall.send("BBB/mfa", NOTE, &["AAA"]);
    hall.run(2_000);
    arrived(&hall, "AAA/mfa", &[one, two]);
    arrived(&hall, "BBB/mfa", &[back]);
    let signed = hall.envelopes("BBB/mfa").iter().any(|envelope| {
        envelope.signed_by().any(|key| key == hall.keys("AAA/mfa").sign.public().id())
    });
    assert!(signed, "by the new key");
    assert!(hall.station("AAA/mfa").peer_key_may_change(hall.now()));
}

#[test]
fn whoever_has_not_heard_of_the_change_is_written_to_and_writes_all_the_same() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    for other in ["AAA/mfa", "CCC/mfa"] {
        hall.cut("BBB/mfa", other);
    }
    let early = hall.send("BBB/mfa", NOTE, &["AAA"]);
    rotate(&mut hall, "AAA/mfa", 2);
    let late = hall.send("BBB/mfa", NOTE, &["AAA"]);
    let out = hall.send("AAA/mfa", NOTE, &["BBB"]);
    assert!(!hall.station("AAA/mfa").peer_key_may_change(hall.now()), "one has not heard");
    // By gossip from afar, before its documents: ignored, not held against whoever forwards it.
    let envelopes = hall.envelopes("AAA/mfa");
    let unknown = envelopes.last().unwrap().bytes().clone();
    let newest = hall.hear("BBB/mfa", "CCC/mfa", unknown);
    assert_eq!(newest, Verdict::Ignore);
    hall.mend();
    // Who holds what is compared with one peer at a time.
    hall.run(180_000);
    arrived(&hall, "BBB/mfa", &[early, late]);
    arrived(&hall, "AAA/mfa", &[out]);
    assert!(hall.station("AAA/mfa").peer_key_may_change(hall.now()));
}

#[test]
fn both_ends_change_at_once_and_neither_has_heard() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    for (a, b) in [("AAA/mfa", "BBB/mfa"), ("BBB/mfa", "CCC/mfa"), ("AAA/mfa", "CCC/mfa")] {
        hall.cut(a, b);
    }
    let mut letters = [Vec::new(), Vec::new()];
    for serial in [2, 3] {
        letters[0].push(hall.send("AAA/mfa", NOTE, &["BBB"]));
        letters[1].push(hall.send("BBB/mfa", NOTE, &["AAA"]));
        rotate(&mut hall, "AAA/mfa", serial);
        rotate(&mut hall, "BBB/mfa", serial + 10);
        letters[0].push(hall.send("AAA/mfa", NOTE, &["BBB"]));
        letters[1].push(hall.send("BBB/mfa", NOTE, &["AAA"]));
    }
    hall.mend();
    hall.run(60_000);
    arrived(&hall, "AAA/mfa", &letters[0]);
    arrived(&hall, "BBB/mfa", &letters[1]);
    assert_eq!(hall.inbox("AAA/mfa").len(), 4, "each once");
}

#[test]
fn what_came_sealed_to_keys_not_yet_taken_opens_when_they_are() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let sent = hall.send("AAA/mfa", NOTE, &["BBB"]);
    let keys = next(&hall, "AAA/mfa", 7);
    let certificate = hall.certificate("AAA/mfa", 2, &keys);
    // Everybody has the certificate before the station has taken the keys that it names.
    hall.publish("BBB/mfa", &[certificate]);
    let letter = hall.send("BBB/mfa", NOTE, &["AAA"]);
    hall.run(1_000);
    assert_eq!(hall.inbox("AAA/mfa"), [], "it cannot be opened");
    hall.change_keys("AAA/mfa", keys);
    hall.run(30_000);
    assert_eq!(hall.inbox("AAA/mfa"), [letter]);
    arrived(&hall, "BBB/mfa", &[letter]);
    arrived(&hall, "AAA/mfa", &[sent]);
}

#[test]
fn a_station_that_still_asked_asks_on_and_a_silent_one_stays_silent() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    hall.restart("AAA/mfa");
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Asking);
    rotate(&mut hall, "AAA/mfa", 2);
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Asking);
    let waits = hall.send("AAA/mfa", NOTE, &["BBB"]);
    hall.link_all();
    hall.run(10_000);
    arrived(&hall, "AAA/mfa", &[waits]);
}

#[test]
fn beacons_and_letters_of_before_are_known_for_its_own_after_the_change() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    hall.run(6_000);
    hall.send("AAA/mfa", NOTE, &["BBB"]);
    rotate(&mut hall, "AAA/mfa", 2);
    let envelopes = hall.envelopes("AAA/mfa").into_iter().map(|e| e.bytes().clone());
    for bytes in envelopes.chain(hall.beacons_of("AAA/mfa")).collect::<Vec<_>>() {
        let from = hall.id("BBB/mfa");
        hall.give("AAA/mfa", |token| Input::Heard { from, token, bytes });
    }
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Yes, "no clone");
}
