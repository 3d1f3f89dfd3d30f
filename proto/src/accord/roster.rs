//! The view: parties, stations, groups and lanes as the admitted documents show them.
//!
//! Invariants: only `accord/directory.rs` changes it, after the signatures were checked; whatever
//! the order in which certificates came, the one with the highest serial is in force and the keys
//! of all of them are known; a lane's set of stations is always that of its group's parties, and
//! no station without a role that carries is in it.

use super::{
    directory::{newer, station_id},
    error::DocumentError,
    member::{Group, Member, Party, Role},
    read::{AccordText, CertificateText, CharterText, ContactText},
};
use crate::{
    id::{Digest, LaneId, NetworkId, PartyCode, StationId},
    limits::{GROUPS_MAX, STATIONS_PER_PARTY_MAX},
    primitives::digest,
};
use std::collections::{BTreeMap, BTreeSet};

/// Name of the group of all STATE parties.
/// Name of the accord-wide group: every party of role STATE.
pub const ALL: &str = "all";

#[derive(Clone, Debug)]
pub(super) struct Roster {
    network: NetworkId,
    parties: BTreeMap<PartyCode, Party>,
    members: BTreeMap<StationId, Member>,
    /// Serial and digest of the certificate in force.
    certificates: BTreeMap<StationId, (u64, Digest)>,
    peers: BTreeMap<[u8; 32], StationId>,
    of_party: BTreeMap<PartyCode, BTreeSet<StationId>>,
    groups: BTreeMap<String, Group>,
    lanes: BTreeMap<LaneId, BTreeSet<StationId>>,
}

impl Roster {
    pub(super) fn new(network: NetworkId) -> Self {
        Self {
            network,
            parties: BTreeMap::new(),
            members: BTreeMap::new(),
            certificates: BTreeMap::new(),
            peers: BTreeMap::new(),
            of_party: BTreeMap::new(),
            groups: BTreeMap::new(),
            lanes: BTreeMap::new(),
        }
    }

    /// A new version of the accord is in force.
    pub(super) fn accord(&mut self, text: &AccordText) {
        for (code, listed) in &text.parties {
            let party = self.parties.entry(code.clone()).or_insert_with(|| Party {
                code: code.clone(),
                name: String::new(),
                role: Role::Unknown(0),
                charter_role: Role::Unknown(0),
                authority: BTreeMap::new(),
                current: BTreeSet::new(),
                contested: false,
            });
            party.name.clone_from(&listed.name);
            party.charter_role = listed.role;
            // Keys of earlier versions stay: what they certified stays certified.
            party.authority.extend(&listed.authority);
            party.current = listed.authority.keys().copied().collect();
        }
        for (code, party) in &mut self.parties {
            party.role = text.parties.get(code).map_or(Role::Unknown(0), |listed| listed.role);
        }
        let all = Group {
            name: ALL.to_owned(),
            anchor: None,
            charter: None,
            lane: group_lane(&self.network, ALL.as_bytes()),
            parties: text.states().cloned().collect(),
        };
        self.groups.insert(ALL.to_owned(), all);
        self.refresh();
    }

    /// A station's certificate, signed by its party.
    pub(super) fn certificate(
        &mut self,
        text: CertificateText,
        digest: Digest,
    ) -> Result<(), DocumentError> {
        let id = station_id(&self.network, &text.station);
        let party = text.station.party().clone();
        let siblings = self.of_party.get(&party).map_or(0, BTreeSet::len);
        if !self.members.contains_key(&id) && siblings >= STATIONS_PER_PARTY_MAX {
            return Err(DocumentError::Full("stations of one party (16)"));
        }
        let station = text.station.to_string();
        let mut fresh = member(id, text).ok_or(DocumentError::UnknownStation(station))?;
        let rank = (fresh.serial, digest);
        let in_force = self.certificates.get(&id).is_none_or(|held| newer(rank, *held));
        if in_force && self.peers.get(&fresh.peer).is_some_and(|holder| *holder != id) {
            let station = fresh.name.to_string();
            return Err(DocumentError::KeyInUse { station, role: "PEER" });
        }
        match self.members.remove(&id) {
            Some(mut old) if !in_force => {
                old.sign_keys.append(&mut fresh.sign_keys);
                old.epochs.append(&mut fresh.epochs);
                self.members.insert(id, old);
                return Ok(());
            }
            Some(mut old) => {
                self.peers.remove(&old.peer);
                fresh.sign_keys.append(&mut old.sign_keys);
                fresh.epochs.append(&mut old.epochs);
                (fresh.addresses, fresh.offices) = (old.addresses, old.offices);
                fresh.contact_at = old.contact_at;
            }
            None => {}
        }
        self.peers.insert(fresh.peer, id);
        self.certificates.insert(id, rank);
        self.of_party.entry(party.clone()).or_default().insert(id);
        fresh.role = self.role_of(&party);
        if fresh.role.carries() {
            self.join_lanes(&party, id);
        }
        self.members.insert(id, fresh);
        Ok(())
    }

    /// A station's contact record, signed by it.
    pub(super) fn contact(&mut self, id: &StationId, text: ContactText) {
        if let Some(member) = self.members.get_mut(id) {
            (member.addresses, member.offices) = (text.addresses, text.offices);
            member.contact_at = Some(text.made_at);
        }
    }

    /// A charter, signed by all its members.
    pub(super) fn charter(
        &mut self,
        text: &CharterText,
        digest: Digest,
    ) -> Result<(), DocumentError> {
        if !self.groups.contains_key(&text.name) && self.groups.len() >= GROUPS_MAX {
            return Err(DocumentError::Full("groups (256)"));
        }
        let state = |code: &PartyCode| {
            self.parties.get(code).is_some_and(|party| party.charter_role == Role::State)
        };
        if !text.members.iter().all(state) {
            return Err(DocumentError::field("members", "only STATE parties form a group"));
        }
        // Later versions keep the lane of the first.
        let held = self.groups.get(&text.name).map(|group| group.lane);
        let lane = held.unwrap_or_else(|| group_lane(&self.network, digest.as_bytes()));
        let group = Group {
            name: text.name.clone(),
            anchor: Some(digest),
            charter: Some((text.version, digest)),
            lane,
            parties: text.members.clone(),
        };
        self.groups.insert(text.name.clone(), group);
        self.refresh();
        Ok(())
    }

    /// A party's role now: that of the accord; for one that a later accord no longer lists, that
    /// of its last version, as long as a charter that it signed stands.
    fn role_of(&self, code: &PartyCode) -> Role {
        match self.parties.get(code) {
            Some(party) if party.role != Role::Unknown(0) => party.role,
            Some(party) if self.groups.values().any(|group| group.parties.contains(code)) => {
                party.charter_role
            }
            _ => Role::Unknown(0),
        }
    }

    fn join_lanes(&mut self, party: &PartyCode, id: StationId) {
        for group in self.groups.values().filter(|group| group.parties.contains(party)) {
            self.lanes.entry(group.lane).or_default().insert(id);
        }
    }

    /// Roles and lanes anew, after parties or groups changed.
    fn refresh(&mut self) {
        let roles: BTreeMap<_, _> =
            self.parties.keys().map(|code| (code.clone(), self.role_of(code))).collect();
        for member in self.members.values_mut() {
            member.role = roles.get(member.name.party()).copied().unwrap_or(Role::Unknown(0));
        }
        let carries = |code: &&PartyCode| roles.get(*code).is_some_and(|role| role.carries());
        let stations = |group: &Group| -> BTreeSet<StationId> {
            let parties = group.parties.iter().filter(carries);
            parties.filter_map(|code| self.of_party.get(code)).flatten().copied().collect()
        };
        self.lanes = self.groups.values().map(|group| (group.lane, stations(group))).collect();
    }
}

/// Lane of a group: of `all` by its name, of a charter by the digest of its first version.
fn group_lane(network: &NetworkId, anchor: &[u8]) -> LaneId {
    let full = digest("group-lane", &[network.as_bytes(), anchor]);
    let mut lane = [0; LaneId::LEN];
    lane.copy_from_slice(&full.0[..LaneId::LEN]);
    LaneId(lane)
}

/// A member as its certificate shows it; `None` without the keys that reading made sure of.
fn member(id: StationId, text: CertificateText) -> Option<Member> {
    let sign = *text.keys.sign.last()?;
    let epoch = text.keys.seal.last()?.clone();
    Some(Member {
        id,
        role: Role::Unknown(0),
        sign,
        sign_key_id: sign.id(),
        sign_keys: text.keys.sign.iter().map(|key| (key.id(), *key)).collect(),
        peer: *text.keys.peer.first()?,
        peers: text.keys.peer.clone(),
        silenced: false,
        epoch_id: epoch.id(),
        epoch,
        epochs: text.keys.seal.iter().map(|key| (key.id(), key.clone())).collect(),
        scopes: text.scopes,
        addresses: Vec::new(),
        offices: Vec::new(),
        contact_at: None,
        serial: text.serial,
        not_after: text.not_after,
        name: text.station,
    })
}

/// Questions; documented where `Directory` passes them on.
impl Roster {
    pub(super) fn member(&self, id: &StationId) -> Option<&Member> {
        self.members.get(id)
    }

    pub(super) fn certificate_of(&self, id: &StationId) -> Option<Digest> {
        self.certificates.get(id).map(|(_, digest)| *digest)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(super) fn by_peer(&self, peer: &[u8; 32]) -> Option<&Member> {
        self.peers.get(peer).and_then(|id| self.members.get(id))
    }

    pub(super) fn stations_of(&self, party: &PartyCode) -> impl Iterator<Item = &Member> {
        let ids = self.of_party.get(party).into_iter().flatten();
        ids.filter_map(|id| self.members.get(id))
    }

    pub(super) fn party(&self, code: &PartyCode) -> Option<&Party> {
        self.parties.get(code)
    }

    pub(super) fn parties(&self) -> impl Iterator<Item = &Party> {
        self.parties.values()
    }

    pub(super) fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    pub(super) fn lane_members(&self, lane: &LaneId) -> Option<&BTreeSet<StationId>> {
        self.lanes.get(lane)
    }
}
