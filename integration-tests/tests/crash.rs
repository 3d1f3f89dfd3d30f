//! Stations stop, disks forget, machines are copied: nothing is lost, nothing comes twice.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use cbm_integration_tests::world::World;
use cbm_proto::station::Speaks;
use cbm_proto::terms::Level;
use cbm_proto::time::{MINUTE, SECOND};

#[test]
fn a_letter_sent_while_the_addressee_is_down_arrives_after_restart() {
    let mut world = World::calm(3);
    world.stop("BBB");
    let msg = world.send("AAA", &["BBB"]);
    world.pass(MINUTE);
    assert!(world.progress("AAA", msg, "BBB").level < Some(Level::L1));
    world.restart("BBB");
    world.expect_level("AAA", msg, "BBB", Level::L1);
    assert_eq!(world.copies("BBB", msg), 1);
    world.check();
}

#[test]
fn a_letter_arrives_though_its_sender_is_down_by_then() {
    let mut world = World::calm(3);
    world.stop("BBB");
    let msg = world.send("AAA", &["BBB"]);
    world.pass(MINUTE);
    world.stop("AAA");
    world.restart("BBB");
    world.until("BBB has it from a carrier", |w| w.copies("BBB", msg) == 1);
    world.restart("AAA");
    world.expect_level("AAA", msg, "BBB", Level::L2);
    world.check();
}

#[test]
fn what_send_promised_survives_the_next_instant() {
    let mut world = World::calm(2);
    world.stop("BBB");
    let msg = world.send("AAA", &["BBB"]);
    world.stop("AAA");
    world.restart("AAA");
    world.restart("BBB");
    world.expect_level("AAA", msg, "BBB", Level::L1);
    assert_eq!(world.copies("BBB", msg), 1);
}

#[test]
fn an_inbox_is_the_same_after_a_restart() {
    let mut world = World::calm(2);
    let msg = world.send("AAA", &["BBB"]);
    world.expect_level("AAA", msg, "BBB", Level::L2);
    world.decline("BBB", msg);
    world.expect_level("AAA", msg, "BBB", Level::L5);
    for name in ["AAA", "BBB"] {
        world.stop(name);
        world.restart(name);
    }
    world.pass(30 * SECOND);
    assert_eq!(world.copies("BBB", msg), 1);
    assert!(world.progress("AAA", msg, "BBB").level >= Some(Level::L5));
    world.check();
}

#[test]
fn a_disk_that_went_back_in_time_gets_its_letters_again() {
    let mut world = World::calm(3);
    let before = world.now();
    let first = world.send("AAA", &["BBB"]);
    world.expect_level("AAA", first, "BBB", Level::L1);
    world.go_back("BBB", before);
    world.until("BBB has it again", |w| w.copies("BBB", first) == 1);
    let second = world.send("AAA", &["BBB"]);
    world.expect_level("AAA", second, "BBB", Level::L2);
    world.check();
}

#[test]
fn a_machine_restored_twice_from_one_old_backup_asks_for_its_letters_and_counts_them() {
    let mut world = World::calm(3);
    let before = world.now();
    let letters = [world.send("AAA", &["BBB"]), world.send("CCC", &["BBB"])];
    for msg in letters {
        world.until("it has arrived", |w| w.copies("BBB", msg) == 1);
    }
    let mut incarnations = Vec::new();
    for _ in 0..2 {
        world.restore_backup("BBB", before);
        world.until("everything is back", |w| w.station("BBB").regained().back == 2);
        let report = world.station("BBB").regained();
        assert_eq!((report.lost, report.not_available), (2, 0), "{report:?}");
        world.until("all have answered", |w| w.station("BBB").regained().answered == 2);
        incarnations.push(world.station("BBB").incarnation());
        world.pass(MINUTE);
        assert!(letters.iter().all(|msg| world.copies("BBB", *msg) == 1));
    }
    assert_ne!(incarnations[0], incarnations[1]);
    world.check();
}

#[test]
fn a_sender_that_went_back_in_time_takes_a_new_incarnation() {
    let mut world = World::calm(3);
    let before = world.now();
    let incarnation = world.station("AAA").incarnation();
    let first = world.send("AAA", &["BBB"]);
    world.expect_level("AAA", first, "BBB", Level::L1);
    world.go_back("AAA", before);
    world.until("AAA speaks", |w| w.station("AAA").speaks() == Speaks::Yes);
    assert_ne!(world.station("AAA").incarnation(), incarnation);
    let second = world.send("AAA", &["BBB"]);
    world.expect_level("AAA", second, "BBB", Level::L1);
    assert_eq!((world.copies("BBB", first), world.copies("BBB", second)), (1, 1));
    world.check();
}

#[test]
fn a_restart_that_lost_nothing_keeps_its_incarnation() {
    let mut world = World::calm(3);
    let incarnation = world.station("AAA").incarnation();
    world.stop("AAA");
    world.pass(20 * SECOND);
    world.restart("AAA");
    world.until("AAA speaks", |w| w.station("AAA").speaks() == Speaks::Yes);
    assert_eq!(world.station("AAA").incarnation(), incarnation);
}

#[test]
fn a_letter_taken_before_the_station_may_speak_is_sent_later() {
    let mut world = World::calm(3);
    for name in ["AAA", "BBB", "CCC"] {
        world.stop(name);
    }
    world.restart("AAA");
    let msg = world.send("AAA", &["BBB"]);
    assert_eq!(world.station("AAA").speaks(), Speaks::Asking);
    world.restart("BBB");
    world.restart("CCC");
    world.expect_level("AAA", msg, "BBB", Level::L1);
    world.check();
}

#[test]
fn what_an_officer_said_before_the_station_may_speak_survives_a_crash() {
    let mut world = World::calm(3);
    let msg = world.send("AAA", &["BBB"]);
    world.expect_level("AAA", msg, "BBB", Level::L2);
    for name in ["AAA", "BBB", "CCC"] {
        world.stop(name);
    }
    world.restart("BBB");
    world.acknowledge("BBB", msg, None);
    world.pass(SECOND);
    assert_eq!(world.station("BBB").speaks(), Speaks::Asking);
    world.stop("BBB");
    for name in ["AAA", "BBB", "CCC"] {
        world.restart(name);
    }
    world.expect_level("AAA", msg, "BBB", Level::L4);
    world.check();
}

#[test]
fn a_cloned_station_stops_speaking() {
    let mut world = World::calm(3);
    let copy = world.clone_machine("BBB");
    let silent = |w: &World, ix: usize| {
        w.machines[ix].station().is_some_and(|station| station.speaks() == Speaks::Clone)
    };
    let original = world.at("BBB");
    world.until("one of the two falls silent", |w| silent(w, original) || silent(w, copy));
    world.pass(MINUTE);
    world.check();
}
