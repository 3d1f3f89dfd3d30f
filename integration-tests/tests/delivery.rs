//! Letters arrive: how far they came is told as it is, and nobody gets what is not theirs.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use cbm_integration_tests::options::Options;
use cbm_integration_tests::world::vocabulary::party;
use cbm_integration_tests::world::{World, Written};
use cbm_proto::event::Act;
use cbm_proto::receipt::State;
use cbm_proto::terms::{Level, Outcome, Precedence};
use cbm_proto::time::SECOND;

#[test]
fn a_letter_rises_level_by_level_as_the_officer_works() {
    let mut world = World::calm(3);
    let msg = world.send("AAA", &["BBB"]);
    world.expect_level("AAA", msg, "BBB", Level::L2);
    assert_eq!(world.state("AAA", msg, "BBB"), State::ReachedUnattended);
    world.act(world.at("BBB"), msg, Act::Show);
    world.expect_level("AAA", msg, "BBB", Level::L3);
    world.acknowledge("BBB", msg, None);
    world.expect_level("AAA", msg, "BBB", Level::L4);
    world.acknowledge("BBB", msg, Some(Outcome::Accepted));
    world.expect_level("AAA", msg, "BBB", Level::L5);
    assert_eq!(world.state("AAA", msg, "BBB"), State::Answered);
    world.check();
}

#[test]
fn a_letter_reaches_every_addressee_and_nobody_else() {
    let mut world = World::calm(4);
    let msg = world.send("AAA", &["BBB", "CCC"]);
    world.expect_level("AAA", msg, "BBB", Level::L1);
    world.expect_level("AAA", msg, "CCC", Level::L1);
    world.pass(30 * SECOND);
    assert_eq!((world.copies("BBB", msg), world.copies("CCC", msg)), (1, 1));
    assert_eq!((world.copies("DDD", msg), world.copies("AAA", msg)), (0, 0));
    world.check();
}

#[test]
fn a_letter_reaches_both_stations_of_a_party() {
    let mut world = World::begun(Options { stations: vec![1, 2], ..Options::calm(3, 2, 0) });
    let msg = world.send("AAA", &["BBB"]);
    world.expect_level("AAA", msg, "BBB/mfa", Level::L1);
    world.expect_level("AAA", msg, "BBB/cert", Level::L1);
    world.check();
}

#[test]
fn a_copy_owes_nothing_above_the_inbox() {
    let mut world = World::calm(3);
    let written = Written { info: vec![party("CCC")], ..Written::note(vec![party("BBB")]) };
    let msg = world.send_letter("AAA", written);
    world.expect_level("AAA", msg, "CCC", Level::L2);
    let copy = world.progress("AAA", msg, "CCC");
    assert!(copy.info && copy.due_at.is_none() && !copy.overdue);
}

#[test]
fn decline_is_never_merged_with_silence() {
    let mut world = World::calm(3);
    let msg = world.send("AAA", &["BBB", "CCC"]);
    world.expect_level("AAA", msg, "BBB", Level::L2);
    world.expect_level("AAA", msg, "CCC", Level::L2);
    world.decline("BBB", msg);
    world.until("the sender knows", |w| w.state("AAA", msg, "BBB") == State::Declined);
    world.pass(60 * SECOND);
    assert_eq!(world.state("AAA", msg, "CCC"), State::ReachedUnattended);
    assert_eq!(world.state("AAA", msg, "BBB"), State::Declined);
}

#[test]
fn a_letter_with_a_large_file_arrives_whole() {
    let mut world = World::calm(3);
    let written = Written { file: 150_000, ..Written::note(vec![party("BBB")]) };
    let msg = world.send_letter("AAA", written);
    world.expect_level("AAA", msg, "BBB", Level::L1);
    assert_eq!(world.copies("BBB", msg), 1);
    world.check();
}

#[test]
fn letters_in_a_burst_arrive_once_each() {
    let mut world = World::calm(3);
    let all: Vec<_> = (0..25).map(|_| world.send("AAA", &["BBB", "CCC"])).collect();
    for msg in &all {
        world.expect_level("AAA", *msg, "BBB", Level::L1);
        world.expect_level("AAA", *msg, "CCC", Level::L1);
    }
    world.pass(60 * SECOND);
    assert!(all.iter().all(|m| world.copies("BBB", *m) == 1 && world.copies("CCC", *m) == 1));
    world.check();
}

#[test]
fn an_observer_holds_nothing() {
    let mut world = World::begun(Options::calm(5, 3, 1));
    for precedence in [Precedence::Routine, Precedence::Flash] {
        let written = Written { precedence, ..Written::note(vec![party("BBB"), party("CCC")]) };
        let msg = world.send_letter("AAA", written);
        world.expect_level("AAA", msg, "CCC", Level::L1);
    }
    world.pass(120 * SECOND);
    let observer = world.machines.iter().find(|machine| machine.watches).unwrap();
    assert!(!observer.station().unwrap().linked().is_empty());
    assert!(observer.station().unwrap().beacons().len() >= 3);
    assert_eq!(observer.disk.sealed(), 0);
    assert_eq!(observer.station().unwrap().inbox().count(), 0);
}
