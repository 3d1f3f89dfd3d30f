//! Scenes: misfortunes in an order that chance alone hardly ever draws.
//!
//! Each is a script over machines that are drawn; the lines, the people and the clocks around it are
//! those of any world. Called by `chaos` when fate is drawn, and by `campaign` at the end.

use cbm_proto::id::{KeyId, MsgId};
use cbm_proto::time::{DAY, MINUTE, SECOND, Timestamp};

use super::chaos::Misfortune;
use super::{BEGINNING, Event, Machine, World};
use crate::invariants::{Failure, Held};
use crate::network::Ix;
use crate::options::Scene;

/// A station's key that was stolen and taken back.
#[derive(Clone, Copy, Debug)]
pub struct Theft {
    victim: Ix,
    key: KeyId,
}

impl World {
    /// Says when what happens in this world's scene.
    pub(super) fn draw_scene(&mut self) {
        let Some(scene) = self.options.swarm.scene else { return };
        let states: usize = self.options.stations.iter().sum();
        let order = self.chance.misfortune.order(states);
        let (hero, other) = (order[0], order[1]);
        let at = self.chance.misfortune.between(40 * SECOND..=50 * SECOND);
        match scene {
            Scene::Doubt => self.draw_doubt(hero, other, at),
            Scene::Behind => self.draw_behind(hero, other, at),
            Scene::Again => {
                self.plan(at, Misfortune::Rest(hero, SECOND));
                self.schedule(at + SECOND + 30, Event::WriteAt(hero));
                self.plan(at + 25 * SECOND, Misfortune::RollBack(hero));
            }
            Scene::Theft => {}
        }
    }

    fn plan(&mut self, at: u64, misfortune: Misfortune) {
        self.schedule(at, Event::Misfortune(misfortune));
    }

    /// Nobody confirms what was written while the clock is wrong.
    fn draw_doubt(&mut self, hero: Ix, other: Ix, at: u64) {
        self.plan(at, Misfortune::Rest(other, MINUTE));
        for _ in 0..6 {
            let pause = self.chance.misfortune.between(SECOND..=6 * SECOND);
            self.schedule(at + pause, Event::WriteAt(hero));
        }
        let far = i64::try_from(40 * DAY).unwrap_or(0);
        self.plan(at + 8 * SECOND, Misfortune::Jump(hero, far));
        self.plan(at + 65 * SECOND, Misfortune::Jump(hero, -far));
    }

    /// While `other` is off, not everybody can have answered: there is time to lose the power.
    fn draw_behind(&mut self, hero: Ix, other: Ix, at: u64) {
        self.plan(at, Misfortune::Rest(other, 2 * MINUTE));
        self.schedule(at + 2 * SECOND, Event::WriteAt(hero));
        self.schedule(at + 4 * SECOND, Event::WriteAt(hero));
        self.plan(at + 14 * SECOND, Misfortune::GoBack(hero, at));
    }

    /// The machine's disk goes back to what it was at this time; soon after its start it loses its
    /// power once more.
    pub(super) fn go_back_to(&mut self, ix: Ix, time: u64) {
        let images = self.machines[ix].disk.images();
        let Some(image) = images.iter().rfind(|image| image.at < time).copied() else { return };
        self.roll_back(ix, image, false);
        let pause = self.chance.misfortune.between(500..=3 * SECOND);
        self.plan(self.machines[ix].rests_until + pause, Misfortune::PowerCut(ix));
    }

    /// The machine is off for exactly so long.
    pub(super) fn rest_for(&mut self, ix: Ix, lasts: u64) {
        self.power_off(ix);
        let back = self.now + lasts;
        self.machines[ix].rests_until = back;
        self.schedule(back, Event::Start(ix));
    }

    /// A whole world, in which a key is stolen, if that is its scene: everybody learns that it was
    /// taken back, and its station has another. What is left to do: [`World::thief_writes`].
    ///
    /// # Errors
    /// The documents cannot be made: the simulator itself is wrong.
    pub fn take_back_a_key(&mut self) -> Result<Option<Theft>, Failure> {
        if self.options.swarm.scene != Some(Scene::Theft) {
            return Ok(None);
        }
        let states: usize = self.options.stations.iter().sum();
        let victim = self.chance.misfortune.index(states);
        let (name, station) = (self.machines[victim].name.clone(), self.machines[victim].station);
        let keys = self.founded.keys(station);
        let keys = keys.ok_or_else(|| Failure::crash(format!("{name} has no keys")))?;
        let key = keys.sign.public().id();
        let at = Timestamp(BEGINNING + self.now);
        let document = self.founded.practice.revoke(&name, key, Vec::new(), at);
        let document = document.map_err(|error| Failure::crash(error.to_string()))?;
        self.note(victim, "its key is taken back", &[]);
        let publisher = self.chance.misfortune.index(states);
        self.publish(publisher, vec![document.bytes().clone()]);
        self.certify_new_keys(victim);
        Ok(Some(Theft { victim, key }))
    }

    /// Whether everybody knows that the key is taken back.
    #[must_use]
    pub fn all_know(&self, theft: &Theft) -> bool {
        let id = self.machines[theft.victim].station;
        let mut stations = self.machines.iter().map(Machine::station);
        stations.all(|s| s.is_some_and(|s| s.directory().revoked(&id, &theft.key).is_some()))
    }

    /// The thief writes to everybody under the key that was taken back, by gossip and by push; and
    /// the victim's people write under the new one.
    ///
    /// # Errors
    /// The catalogue refused the victim's draft: the simulator itself is wrong.
    pub fn thief_writes(&mut self, theft: &Theft) -> Held {
        let foe = self.foe(theft.victim);
        let at = Timestamp(BEGINNING + self.now);
        let others = |w: &Self| (0..w.machines.len()).filter(|ix| *ix != theft.victim);
        for to in others(self).filter(|ix| !self.machines[*ix].watches).collect::<Vec<_>>() {
            let mut msg = [to.to_le_bytes()[0]; 16];
            msg[0] = 0xee;
            let party = self.machines[to].name.party().to_string();
            let Some(keys) = self.founded.keys(self.machines[to].station) else { continue };
            let letter = foe.note(&[&party], MsgId(msg), at);
            let foe = foe.under(msg);
            let envelope = foe.sealed(&foe.frame(at), &[&keys], &letter);
            let from = others(self).find(|ix| *ix != to).unwrap_or(theft.victim);
            self.whisper(from, to, envelope.bytes().clone());
            self.push_as(theft.victim, to, envelope.bytes().clone());
        }
        self.write_at(theft.victim)
    }
}
