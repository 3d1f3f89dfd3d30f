//! What makes some worlds stranger, larger and slower than those of every day.
//!
//! Drawn from streams of their own, after all else: a seed that draws nothing here stands for the
//! world that it stood for before. Large worlds and long ones are rare, and poor in letters, so that
//! many seeds stay affordable. Used by `Options::draw`.

use cbm_proto::time::{DAY, HOUR, MINUTE, SECOND};

use super::{Options, Shape};
use crate::chance::Chance;

pub(super) fn number(n: u64) -> usize {
    usize::try_from(n).unwrap_or(0)
}

/// Machines that stall, clocks that jump, accords that change while letters are under way.
pub(super) fn draw(mut world: Options) -> Options {
    let mut chance = Chance::new(world.seed, "swarm");
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

/// Groups, slow machines, folders that vanish; many stations, hours of delay, days of silence.
pub(super) fn more(mut world: Options) -> Options {
    let mut chance = Chance::new(world.seed, "swarm more");
    if chance.happens(350) {
        world.swarm.groups = number(chance.between(1..=3));
    }
    if chance.happens(200) {
        world.swarm.slow = number(chance.between(1..=2));
        world.swarm.slowness = chance.between(SECOND..=20 * SECOND);
    }
    if chance.happens(150) {
        world.swarm.vanished = number(chance.between(1..=2));
    }
    if chance.happens(300) {
        world.swarm.torn = chance.between(5..=40);
    }
    world.swarm.eager = chance.happens(400);
    if chance.happens(300) {
        world.swarm.hurried = 500;
    }
    world.swarm.liar = chance.happens(60);
    // A beacon that lay for more than 20 s at a machine that did nothing, and was made by a clock that
    // was set back since, makes a clone out of its author: not mended, so not drawn together.
    if world.swarm.jumps > 0 {
        world.swarm.stalls = 0;
    }
    match chance.below(1_000) {
        0..20 => large(&mut world, &mut chance),
        40..60 => late(&mut world, &mut chance),
        60..75 => apart(&mut world, &mut chance),
        _ => {}
    }
    world
}

/// 8 to 12 stations, few letters. Its price grows with the square of the stations, and each start of
/// one reads the documents of all: what stops machines is drawn seldom.
fn large(world: &mut Options, chance: &mut Chance) {
    let all = number(chance.between(8..=10));
    world.stations.clear();
    while world.stations.iter().sum::<usize>() < all {
        world.stations.push(1 + chance.index(3));
    }
    world.shape = [Shape::Ring, Shape::Row, Shape::Star][chance.index(3)];
    world.letters = 2 + chance.index(3);
    world.safety = MINUTE;
    (world.crash, world.storage) = (world.crash.min(1), world.storage.min(1));
    (world.rotations, world.swarm.accords) = (world.rotations.min(1), world.swarm.accords.min(1));
}

/// Two or three parties, whose packets take up to hours.
fn late(world: &mut Options, chance: &mut Chance) {
    world.stations.truncate(3);
    world.swarm.late = true;
    world.weather.delay = chance.between(20 * SECOND..=2 * HOUR);
    long(world, 2 * world.weather.delay);
    // A disk that went back rests until nothing sent before is under way: too long here.
    (world.rollbacks, world.backups) = (0, 0);
}

/// Two or three parties, of which some hear nothing of the others for up to six hours.
fn apart(world: &mut Options, chance: &mut Chance) {
    world.stations.truncate(3);
    let most = [2 * HOUR, 4 * HOUR, 6 * HOUR][chance.index(3)];
    world.swarm.apart = chance.between(HOUR..=most);
    world.partitions = 1;
    long(world, world.swarm.apart);
}

/// Longer by so much; what is drawn for each batch happens as often in all.
pub(super) fn long(world: &mut Options, longer: u64) {
    world.safety += longer;
    (world.crash, world.storage) = (world.crash.min(1), 0);
    world.letters = world.letters.min(8);
    (world.swarm.hurried, world.swarm.torn) = (0, 0);
}
