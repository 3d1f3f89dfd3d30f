//! A store that comes back from an old backup, its keys lost with the machine.

use std::sync::Arc;

use cbm_proto::event::Act;
use cbm_proto::id::{MsgId, StationName};
use cbm_proto::journal::Record;
use cbm_proto::keys::StationKeys;
use cbm_proto::station::Report;
use cbm_proto::terms::Level;
use cbm_proto::time::DAY;

use super::hall::Hall;

const NOTE: &str = "operator-note";

/// AAA's machine burns after a backup. It comes back with the journal of the backup and new keys, of
/// which the archive key alone is the old one: nothing that was sealed before opens any more.
fn comes_back(hall: &mut Hall, backup: &[Record], serial: u64) {
    let name = StationName::parse("AAA/mfa").unwrap();
    let archive = hall.keys("AAA/mfa").archive.clone();
    let keys = StationKeys { archive, ..StationKeys::generate(hall.entropy()) };
    let certificate = hall.certificate("AAA/mfa", serial, &keys);
    hall.publish("BBB/mfa", std::slice::from_ref(&certificate));
    hall.keys.insert(name.clone(), Arc::new(keys));
    // By default of just now.
    hall.restored = hall.restored.or(Some(hall.now().wall));
    let documents = [hall.documents(), vec![certificate]].concat();
    hall.begin_with("AAA/mfa", backup.to_vec(), &documents);
    hall.link_all();
    // It listens for a twin before it begins its incarnation.
    hall.run(40_000);
}

fn report(hall: &Hall) -> (usize, usize, usize, usize) {
    let Report { lost, back, not_available, own_unknown, .. } = hall.station("AAA/mfa").regained();
    (lost, back, not_available, own_unknown)
}

/// One letter before the backup, two after it, one of them acknowledged by an officer; and one of
/// AAA's own after it.
fn story() -> (Hall, Vec<Record>, [MsgId; 3]) {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let early = hall.send("BBB/mfa", NOTE, &["AAA"]);
    hall.run(2_000);
    let backup = hall.station_journal("AAA/mfa");
    hall.run(3_600_000);
    let seen = hall.send("BBB/mfa", NOTE, &["AAA"]);
    let late = hall.send("CCC/mfa", "red-flag", &["AAA"]);
    hall.send("AAA/mfa", NOTE, &["CCC"]);
    hall.run(2_000);
    hall.act("AAA/mfa", seen, Act::Ack { outcome: None, text: String::new() });
    assert_eq!(hall.level("BBB/mfa", seen).0, Some(Level::L4));
    hall.stop("AAA/mfa");
    (hall, backup, [early, seen, late])
}

#[test]
fn what_a_lost_machine_held_is_sealed_again_to_its_new_keys_and_counted() {
    let (mut hall, backup, [early, seen, late]) = story();
    hall.restored = None;
    comes_back(&mut hall, &backup, 2);
    let mut inbox = hall.inbox("AAA/mfa");
    assert_eq!(inbox.remove(0), early);
    inbox.sort();
    let mut wanted = [seen, late];
    wanted.sort();
    assert_eq!(inbox, wanted, "each once");
    assert_eq!(report(&hall), (2, 2, 0, 1));
    let whole = hall.station("AAA/mfa").regained();
    assert_eq!((whole.asked, whole.answered), (2, 2));
    hall.act("AAA/mfa", late, Act::Ack { outcome: None, text: String::new() });
    hall.run(1_000);
    assert_eq!(
        hall.level("CCC/mfa", late).0,
        Some(Level::L4),
        "a receipt may name the new envelope"
    );
    hall.restart("CCC/mfa");
    hall.link_all();
    hall.act(
        "AAA/mfa",
        late,
        Act::Decline { reason: cbm_proto::terms::Reason::Political, text: String::new() },
    );
    hall.run(60_000);
    assert_eq!(hall.level("CCC/mfa", late).1, "declined", "also after a restart of its author");
}

#[test]
fn the_same_backup_restored_twice_brings_the_same_letters_and_a_third_incarnation() {
    let (mut hall, backup, _) = story();
    let mut incarnations = Vec::new();
    for serial in [2, 3] {
        comes_back(&mut hall, &backup, serial);
        hall.run(120_000);
        assert_eq!(hall.inbox("AAA/mfa").len(), 3);
        assert_eq!(report(&hall).0, 2);
        assert_eq!(report(&hall).1, 2);
        incarnations.push(hall.station("AAA/mfa").incarnation());
        hall.stop("AAA/mfa");
    }
    assert_ne!(incarnations[0], incarnations[1]);
}

#[test]
fn a_letter_that_its_author_lost_too_is_reported_and_not_waited_for() {
    let (mut hall, backup, [_, seen, _]) = story();
    let envelope = hall.station("BBB/mfa").envelope_of(&seen).unwrap();
    hall.lose_envelope("BBB/mfa", envelope);
    comes_back(&mut hall, &backup, 2);
    assert_eq!(report(&hall), (2, 1, 1, 1));
    assert_eq!(hall.inbox("AAA/mfa").len(), 2);
}

#[test]
fn an_author_that_was_away_is_asked_when_it_comes_and_a_restart_goes_on_asking() {
    let (mut hall, backup, _) = story();
    let away = hall.stop("CCC/mfa");
    comes_back(&mut hall, &backup, 2);
    assert_eq!(report(&hall).0, 1, "BBB alone answered");
    let certificate =
        hall.station("AAA/mfa").directory().documents().into_values().collect::<Vec<_>>();
    let journal = hall.stop("AAA/mfa");
    hall.begin_with("AAA/mfa", journal, &certificate);
    hall.begin(&StationName::parse("CCC/mfa").unwrap(), away);
    hall.link_all();
    hall.run(120_000);
    assert_eq!(report(&hall), (2, 2, 0, 1));
}

#[test]
fn what_an_officer_stated_comes_again_to_an_author_that_lost_the_envelope_it_names() {
    let (mut hall, backup, [_, _, late]) = story();
    let before = hall.station_journal("CCC/mfa");
    comes_back(&mut hall, &backup, 2);
    hall.act("AAA/mfa", late, Act::Ack { outcome: None, text: String::new() });
    hall.run(1_000);
    assert_eq!(hall.level("CCC/mfa", late).0, Some(Level::L4));
    // It seals the letter again in a run that its disk forgets.
    hall.stop("CCC/mfa");
    hall.begin(&StationName::parse("CCC/mfa").unwrap(), before);
    hall.link_all();
    hall.run(60_000);
    assert_eq!(hall.level("CCC/mfa", late).0, Some(Level::L4));
    hall.restart("CCC/mfa");
    assert_eq!(hall.level("CCC/mfa", late).0, Some(Level::L4));
}

#[test]
fn that_a_disk_went_back_is_known_after_a_restart_though_what_was_lost_is_held_again() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let name = |text: &str| StationName::parse(text).unwrap();
    let backup = hall.station_journal("BBB/mfa");
    let first = hall.station("BBB/mfa").incarnation();
    hall.send("AAA/mfa", NOTE, &["BBB"]);
    hall.run(60_000);
    let said: Vec<_> = hall
        .envelopes("BBB/mfa")
        .into_iter()
        .filter(|e| e.header().author == hall.id("BBB/mfa"))
        .filter(|e| hall.station("BBB/mfa").directory().lane_members(&e.header().lane).is_none())
        .collect();
    assert!(said.len() > 1, "a receipt and another");
    // The addressee's disk lost them, too; a carrier holds one, which reaches their author.
    for envelope in &said {
        hall.lose_envelope("AAA/mfa", envelope.id());
    }
    let other = hall.stop("AAA/mfa");
    hall.stop("BBB/mfa");
    hall.begin(&name("BBB/mfa"), backup);
    hall.hear("BBB/mfa", "CCC/mfa", said[1].bytes().clone());
    let journal = hall.stop("BBB/mfa");
    for (who, journal) in [("BBB/mfa", journal), ("AAA/mfa", other)] {
        hall.begin(&name(who), journal);
    }
    hall.link_all();
    hall.run(60_000);
    assert_ne!(hall.station("BBB/mfa").incarnation(), first, "the number before it was used");
}

#[test]
fn a_month_old_backup_gets_back_the_month_and_says_what_it_lacks() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let early = hall.send("BBB/mfa", NOTE, &["AAA"]);
    hall.run(2_000);
    let (backup, made) = (hall.station_journal("AAA/mfa"), hall.now().wall);
    let mut month = Vec::new();
    for day in 0..30 {
        let from = if day % 2 == 0 { "BBB/mfa" } else { "CCC/mfa" };
        month.push(hall.send(from, NOTE, &["AAA"]));
        hall.run(2_000);
        // Nothing happens but what is due at its end.
        hall.ms += DAY;
    }
    let gone = hall.station("CCC/mfa").envelope_of(&month[1]).unwrap();
    hall.lose_envelope("CCC/mfa", gone);
    hall.stop("AAA/mfa");
    hall.restored = Some(made);
    comes_back(&mut hall, &backup, 2);
    hall.run(120_000);
    assert_eq!(report(&hall), (30, 29, 1, 0), "lost, back, not available, own unknown");
    let inbox = hall.inbox("AAA/mfa");
    assert_eq!((inbox.len(), inbox[0]), (30, early));
    assert!(month.iter().all(|msg| *msg == month[1] || inbox.contains(msg)), "each once");
    let whole = hall.station("AAA/mfa").regained();
    assert_eq!((whole.asked, whole.answered), (2, 2));
}
