//! Lines are cut: letters go round, wait, and arrive when they can.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use cbm_integration_tests::options::{Options, Shape, Weather};
use cbm_integration_tests::world::World;
use cbm_proto::receipt::State;
use cbm_proto::terms::Level;
use cbm_proto::time::{MINUTE, SECOND};

#[test]
fn a_letter_goes_round_a_cut_link() {
    let mut world = World::calm(3);
    world.cut("AAA", "BBB");
    let msg = world.send("AAA", &["BBB"]);
    world.expect_level("AAA", msg, "BBB", Level::L1);
    assert_eq!(world.copies("BBB", msg), 1);
    world.check();
}

#[test]
fn a_letter_passes_stations_that_only_know_their_neighbours() {
    let options = Options { shape: Shape::Row, ..Options::calm(4, 5, 0) };
    let mut world = World::begun(options);
    let msg = world.send("AAA", &["EEE"]);
    world.expect_level("AAA", msg, "EEE", Level::L2);
    world.acknowledge("EEE", msg, None);
    world.expect_level("AAA", msg, "EEE", Level::L4);
}

#[test]
fn a_letter_between_two_halves_waits_and_arrives() {
    let mut world = World::calm(4);
    world.partition(&["AAA", "BBB"], &["CCC", "DDD"]);
    let across = world.send("AAA", &["DDD"]);
    let within = world.send("AAA", &["BBB"]);
    world.expect_level("AAA", within, "BBB", Level::L1);
    world.pass(2 * MINUTE);
    assert_eq!(world.state("AAA", across, "DDD"), State::NotReached);
    assert_eq!(world.copies("DDD", across), 0);
    world.mend();
    world.expect_level("AAA", across, "DDD", Level::L1);
    assert_eq!(world.copies("DDD", across), 1);
    world.check();
}

#[test]
fn feeds_are_whole_everywhere_after_the_halves_meet_again() {
    let mut world = World::calm(4);
    world.partition(&["AAA", "BBB"], &["CCC", "DDD"]);
    for from in ["AAA", "BBB", "CCC", "DDD"] {
        for to in ["AAA", "BBB", "CCC", "DDD"].iter().filter(|to| **to != from) {
            world.send(from, &[to]);
        }
    }
    world.pass(MINUTE);
    world.mend();
    world.until("every feed is whole and the same everywhere", |world| {
        cbm_integration_tests::invariants::uneven(world).is_none()
    });
    world.check();
}

#[test]
fn a_line_that_loses_every_third_message_still_delivers() {
    let mut options = Options::calm(9, 3, 0);
    options.weather = Weather { loss: 330, twice: 200, unanswered: 330, delay: 300 };
    let mut world = World::begun(options);
    let all: Vec<_> = (0..10).map(|_| world.send("AAA", &["BBB", "CCC"])).collect();
    for msg in all {
        world.expect_level("AAA", msg, "BBB", Level::L1);
        world.expect_level("AAA", msg, "CCC", Level::L1);
        assert_eq!((world.copies("BBB", msg), world.copies("CCC", msg)), (1, 1));
    }
    world.check();
}

#[test]
fn a_receipt_finds_its_way_when_the_addressee_cannot_be_dialled_back() {
    let mut world = World::calm(3);
    let msg = world.send("AAA", &["BBB"]);
    world.cut("AAA", "BBB");
    world.expect_level("AAA", msg, "BBB", Level::L2);
    world.acknowledge("BBB", msg, None);
    world.expect_level("AAA", msg, "BBB", Level::L4);
    world.pass(5 * SECOND);
    world.check();
}
