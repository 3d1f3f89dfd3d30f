//! Groups of some of the parties: their charters, and when people hand them in.
//!
//! A charter travels between the stations of its members only. Where these are not linked with one
//! another their people hand it in at each, as they do in life; a machine that lost it gets it again
//! when everything heals. Used by `chaos` and `letters`.

use bytes::Bytes;
use cbm_proto::id::PartyCode;
use cbm_proto::time::{SECOND, Timestamp};

use super::{BEGINNING, Event, World};
use crate::chance::Chance;
use crate::network::Ix;

/// How long people wait to hand in what they could not, milliseconds.
const PAUSE: u64 = 5 * SECOND;

/// A group that was founded.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) members: Vec<PartyCode>,
    charter: Bytes,
}

impl World {
    /// Founds the groups of this world, and says when each machine hears of them.
    pub(super) fn draw_groups(&mut self) {
        let mut chance = Chance::new(self.options.seed, "groups");
        let parties = self.state_parties();
        for number in 0..self.options.swarm.groups {
            let mut order = chance.order(parties.len());
            order.truncate(2 + chance.index(parties.len().saturating_sub(1)));
            let members: Vec<PartyCode> = order.into_iter().map(|at| parties[at].clone()).collect();
            let name = format!("Group {number}");
            let at = Timestamp(BEGINNING);
            if let Ok(charter) = self.founded.practice.charter(&name, &members, None, at) {
                self.groups.push(Group { name, members, charter: charter.bytes().clone() });
            }
        }
        if self.groups.is_empty() {
            return;
        }
        if self.is_crowd() {
            self.link_groups();
        }
        for ix in 0..self.machines.len() {
            // Who is not told here hears it from a linked member, or at the end.
            if chance.happens(800) {
                self.schedule(chance.between(SECOND..=30 * SECOND), Event::Charters(ix));
            }
        }
    }

    /// The mesh of the node sees to it that the members of a lane are linked with one another. Where
    /// stations are few the dials of letters do; where a hub or a row is all there is, nobody would.
    fn link_groups(&mut self) {
        for group in &self.groups {
            let member = |ix: &Ix| group.members.contains(self.machines[*ix].name.party());
            let members: Vec<Ix> = (0..self.machines.len()).filter(member).collect();
            members.windows(2).for_each(|pair| self.network.plan(pair[0], pair[1]));
        }
    }

    /// The STATE parties, in the order of their machines.
    pub(super) fn state_parties(&self) -> Vec<PartyCode> {
        let states = self.machines.iter().filter(|machine| !machine.watches);
        let mut parties: Vec<PartyCode> = states.map(|m| m.name.party().clone()).collect();
        parties.dedup();
        parties
    }

    /// The groups that a party is in.
    pub(super) fn groups_of(&self, party: &PartyCode) -> Vec<Group> {
        self.groups.iter().filter(|group| group.members.contains(party)).cloned().collect()
    }

    /// People of a machine hand in the charters of their groups, later if it is off.
    pub(super) fn hand_in_charters(&mut self, ix: Ix) {
        let groups = self.groups_of(&self.machines[ix].name.party().clone());
        let charters: Vec<Bytes> = groups.into_iter().map(|group| group.charter).collect();
        if charters.is_empty() {
            return;
        }
        if self.machines[ix].run.is_none() {
            self.after(PAUSE, Event::Charters(ix));
            return;
        }
        self.publish(ix, charters);
    }

    /// Everything is whole: who has lost a charter gets it again.
    pub(super) fn hand_in_all_charters(&mut self) {
        if !self.groups.is_empty() {
            (0..self.machines.len()).for_each(|ix| self.after(SECOND, Event::Charters(ix)));
        }
    }
}
