//! What is drawn for few seeds because it is dear, or because chance alone hardly ever brings it
//! about: scenes.
//!
//! Drawn from a stream of its own, after all else: a seed that draws nothing here stands for the
//! world that it stood for before (`Age`). Used by `Options::drawn`.

use cbm_proto::time::MINUTE;

use super::{Options, Scene, Shape, Swarm};
use crate::chance::Chance;

/// How long the first phase of a world with a scene is at least, milliseconds.
const SCENE: u64 = 3 * MINUTE;

/// Rare worlds.
pub(super) fn draw(mut world: Options) -> Options {
    let mut chance = Chance::new(world.seed, "rare");
    if chance.happens(100) {
        let all = [(Scene::Doubt, 4), (Scene::Behind, 3), (Scene::Again, 2), (Scene::Theft, 3)];
        let (which, parties) = all[chance.index(all.len())];
        scene(&mut world, which, parties);
    }
    world
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
