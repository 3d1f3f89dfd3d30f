//! What is drawn for few seeds because it is dear, or because chance alone hardly ever brings it
//! about: crowds, days of silence, packets that take hours; scenes.
//!
//! Drawn from a stream of its own, after all else: a seed that draws nothing here stands for the
//! world that it stood for before (`Age`). Used by `Options::drawn`.

use cbm_proto::time::{HOUR, MINUTE};

use super::swarm::{long, number};
use super::{Options, Scene, Shape, Swarm};
use crate::chance::Chance;
use crate::world::CROWD;

/// How long the first phase of a world with a scene is at least, milliseconds.
const SCENE: u64 = 3 * MINUTE;

/// Rare worlds.
pub(super) fn draw(mut world: Options) -> Options {
    let mut chance = Chance::new(world.seed, "rare");
    if chance.happens(100) {
        let all = [(Scene::Doubt, 4), (Scene::Behind, 3), (Scene::Again, 2), (Scene::Theft, 3)];
        let (which, parties) = all[chance.index(all.len())];
        scene(&mut world, which, parties);
    } else {
        match chance.below(1_000) {
            0..20 => crowd(&mut world, &mut chance),
            20..28 => days(&mut world, &mut chance),
            28..36 => hours(&mut world, &mut chance),
            _ => {}
        }
    }
    if world.swarm.late {
        // The defect of `swarm::more`, by another way: an own beacon comes back hours later, and is
        // newer than a clock that was set back since.
        world.swarm.jumps = 0;
    }
    world
}

/// 13 to 60 stations and few letters, over few links. Each beacon goes over each link, and each
/// start reads the documents of all: what stops machines is drawn once at most.
fn crowd(world: &mut Options, chance: &mut Chance) {
    let all = number(chance.between(CROWD as u64..=60));
    world.stations.clear();
    while world.stations.iter().sum::<usize>() < all {
        let left = all - world.stations.iter().sum::<usize>();
        world.stations.push((1 + chance.index(3)).min(left));
    }
    world.shape = [Shape::Ring, Shape::Row, Shape::Star, Shape::Tree][chance.index(4)];
    world.letters = 2 + chance.index(3);
    (world.safety, world.weather.delay) = (MINUTE, world.weather.delay.min(4_000));
    (world.crash, world.storage, world.rotations) = (0, 0, 0);
    (world.rollbacks, world.backups) = (world.rollbacks.min(1), 0);
    (world.cuts, world.partitions) = (world.cuts.min(2), world.partitions.min(1));
    let Swarm { groups, stalls, .. } = world.swarm;
    world.swarm = Swarm { groups: groups.min(1), stalls: stalls.min(1), ..Swarm::default() };
}

/// Two or three stations, of which some hear nothing of the others for up to three days. What was
/// written to end within the hour has ended then, and arrives all the same.
fn days(world: &mut Options, chance: &mut Chance) {
    alone(world);
    let most = [12 * HOUR, 24 * HOUR, 72 * HOUR][chance.index(3)];
    world.swarm.apart = chance.between(most / 2..=most);
    world.partitions = 1;
    long(world, world.swarm.apart);
    world.swarm.hurried = 500;
}

/// The same whose packets take up to eight hours.
fn hours(world: &mut Options, chance: &mut Chance) {
    alone(world);
    world.swarm.late = true;
    world.weather.delay = chance.between(2 * HOUR..=8 * HOUR);
    long(world, 2 * world.weather.delay);
}

/// Parties of one station each, two or three, on disks that stay as they are: one that went back
/// rests until nothing sent before is under way, which is too long here.
fn alone(world: &mut Options) {
    world.stations.truncate(3);
    world.stations.fill(1);
    let Swarm { groups, accords, eager, .. } = world.swarm;
    world.swarm = Swarm { groups, accords, eager, ..Swarm::default() };
    (world.rollbacks, world.backups) = (0, 0);
}

/// A scene, in a world of at least so many parties whose other misfortunes do not stand in its way.
fn scene(world: &mut Options, scene: Scene, parties: usize) {
    let extra = parties.saturating_sub(world.stations.len());
    world.stations.truncate(5);
    world.stations.extend(vec![1; extra]);
    world.shape = Shape::Full;
    (world.crash, world.storage, world.cuts, world.partitions) = (0, 0, 0, 0);
    (world.rollbacks, world.backups, world.rotations) = (0, 0, 0);
    world.safety = world.safety.max(SCENE);
    let Swarm { groups, slow, slowness, hurried, .. } = world.swarm;
    let eager = scene == Scene::Again;
    world.swarm = Swarm { groups, slow, slowness, hurried, eager, ..Swarm::default() };
    world.swarm.scene = Some(scene);
}
