//! What makes some worlds stranger than those of every day: machines that stall, clocks that jump,
//! accords that change while letters are under way.
//!
//! Drawn from a stream of its own, after all else: a seed that draws nothing here stands for the
//! world that it stood for before. Used by `Options::draw`.

use cbm_proto::time::{DAY, HOUR, MINUTE};

use super::Options;
use crate::chance::Chance;

/// The world with what its seed draws here.
pub(super) fn draw(mut world: Options) -> Options {
    let mut chance = Chance::new(world.seed, "swarm");
    let number = |n| usize::try_from(n).unwrap_or(0);
    if chance.happens(300) {
        world.swarm.stalls = number(chance.between(1..=4));
    }
    if chance.happens(250) {
        world.swarm.jumps = number(chance.between(1..=3));
        let far = [3 * MINUTE, 20 * MINUTE, 6 * HOUR, 40 * DAY];
        world.swarm.jump = far[chance.index(far.len())];
    }
    if chance.happens(250) {
        world.swarm.accords = number(chance.between(1..=2));
    }
    world
}
