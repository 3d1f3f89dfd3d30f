//! Real nodes on networks that are not kind: each in a network namespace of its own, with lines that
//! are cut, slow, lossy, or one-way, and routers that let nobody in.
//!
//! A letter arrives through whoever can reach whom, and after healing every feed is whole. Each test
//! prints its seed, the path that each letter took, and the time until its signed L1; none asserts a
//! time. `CBM_SEED` draws the same losses again. Without root or TUN devices each says so in one line
//! and passes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "networks/back.rs"]
mod back;
#[path = "networks/flood.rs"]
mod flood;
#[path = "networks/world.rs"]
mod world;

use std::time::Duration;

use cbm_integration_tests::nets::{Family, Pipe, satellite};
use world::{World, all_pairs};

#[test]
fn in_a_full_mesh_letters_go_straight() {
    let Some(mut world) = World::new("full mesh of 4", Family::V4, 4, 0) else { return };
    world.start();
    world.await_links(&all_pairs(4));
    world.flash_straight(0, 3);
    world.flash(3, 0);
    world.whole();
}

#[test]
fn with_ipv6_alone_letters_go_straight() {
    let Some(mut world) = World::new("IPv6 only", Family::V6, 3, 0) else { return };
    world.start();
    world.await_links(&all_pairs(3));
    world.flash_straight(0, 2);
    world.whole();
}

#[test]
fn along_a_line_letters_pass_through_the_others() {
    let Some(mut world) = World::new("line of 4", Family::V4, 4, 0) else { return };
    let line = [(0, 1), (1, 2), (2, 3)];
    world.start_along(&line);
    assert_ne!(world.flash(0, 3), "direct");
    assert_ne!(world.flash(3, 0), "direct");
    world.heal();
    world.whole();
}

#[test]
fn in_a_star_the_middle_carries() {
    let Some(mut world) = World::new("star of 5", Family::V4, 5, 0) else { return };
    let star = [(0, 1), (0, 2), (0, 3), (0, 4)];
    world.start_along(&star);
    world.flash_straight(0, 4);
    assert_ne!(world.flash(1, 4), "direct");
    assert_ne!(world.flash(3, 2), "direct");
    world.heal();
    world.whole();
}

#[test]
fn two_islands_speak_over_their_one_bridge() {
    let Some(mut world) = World::new("two islands, one bridge", Family::V4, 5, 0) else { return };
    let joined = [(0, 1), (0, 2), (1, 2), (2, 3), (2, 4), (3, 4)];
    world.start_along(&joined);
    assert_ne!(world.flash(0, 4), "direct");
    // The bridge falls: what is sent now waits, on this side of it.
    let islands = [(0, 1), (3, 4)];
    world.net.only(&islands);
    world.await_no_link(3, 2);
    let late = world.send(3, 1);
    world.flash_straight(3, 4);
    assert_eq!(world.node(1).json(&["inbox"]).len(), 0);
    world.net.only(&joined);
    let came = world.await_l1(&late, 3, 1);
    assert_ne!(came, "direct");
    world.heal();
    world.whole();
}

#[test]
fn a_line_that_works_one_way_is_gone_around() {
    let Some(mut world) = World::new("one-way cut", Family::V4, 3, 0) else { return };
    world.start();
    world.await_links(&all_pairs(3));
    // AAA hears BBB, and BBB does not hear AAA. Both still believe in their link.
    world.net.line(0, 1, |line| line.cut = true);
    world.flash(0, 1);
    world.flash(1, 0);
    world.await_no_link(0, 1);
    assert_ne!(world.flash(0, 1), "direct");
    assert_ne!(world.flash(1, 0), "direct");
    world.heal();
    world.whole();
}

#[test]
fn behind_nat_letters_pass_through_the_one_that_can_be_reached() {
    let Some(mut world) = World::new("all but one behind NAT", Family::V4, 4, 3) else { return };
    world.start();
    world.await_links(&[(0, 3), (1, 3), (2, 3)]);
    for (from, to) in [(0, 1), (1, 0), (2, 0)] {
        assert_ne!(world.flash(from, to), "direct");
    }
    world.flash_straight(3, 0);
    assert!(world.net.unreachable() > 0, "nobody ever tried the others' doors");
    world.whole();
}

#[test]
fn a_satellite_line_carries_a_flash() {
    let Some(mut world) = World::new("satellite", Family::V4, 3, 0) else { return };
    let pipe = Pipe::new(64_000, Duration::from_secs(2));
    world.net.access(0, pipe, pipe);
    for other in [1, 2] {
        world.net.line(0, other, |line| *line = satellite());
        world.net.line(other, 0, |line| *line = satellite());
    }
    world.start();
    world.await_links(&[(1, 2)]);
    world.await_links(&[(0, 1), (0, 2)]);
    world.flash(0, 1);
    world.flash(1, 0);
    world.whole();
}
