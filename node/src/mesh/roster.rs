//! Who is who: stations, their peer ids and addresses, and the members of each lane.
//!
//! Invariant: a peer id has one station, and a station at least one peer id: after a change of keys
//! also the one before, for those who have not heard of it. The roster is replaced as a
//! whole by each membership that the shell hands in. Called by `task` only.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use cbm_proto::id::{LaneId, StationId};
use libp2p::{Multiaddr, PeerId, identity};

use super::{Grant, Membership};

/// A member as the swarm knows it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Newest first, never empty.
    pub(super) peers: Vec<PeerId>,
    pub(super) message: bool,
    pub(super) dial: bool,
    pub(super) addresses: Vec<Multiaddr>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: BTreeMap<StationId, Known>,
    names: HashMap<PeerId, StationId>,
    lanes: BTreeMap<LaneId, BTreeSet<StationId>>,
}

fn peer_id(key: &[u8; 32]) -> Option<PeerId> {
    let key = identity::ed25519::PublicKey::try_from_bytes(key).ok()?;
    Some(identity::PublicKey::from(key).to_peer_id())
}

fn known(grant: &Grant, taken: &HashMap<PeerId, StationId>) -> Option<Known> {
    let peers = grant.peers.iter().filter_map(peer_id);
    let peers: Vec<PeerId> = peers.filter(|peer| !taken.contains_key(peer)).collect();
    let addresses = grant.addresses.iter().filter_map(|text| match text.parse() {
        Ok(address) => Some(address),
        Err(error) => {
            tracing::warn!(station = ?grant.station, %error, "an address cannot be read; skipped");
            None
        }
    });
    (!peers.is_empty()).then(|| Known {
        peers,
        message: grant.message,
        dial: grant.dial,
        addresses: addresses.collect(),
    })
}

impl Roster {
    /// Reads a membership. A grant whose key is no key is left out, with a warning.
    pub(super) fn new(membership: &Membership) -> Self {
        let mut roster = Self::default();
        for grant in &membership.grants {
            match known(grant, &roster.names) {
                Some(known) => {
                    let names = known.peers.iter().map(|peer| (*peer, grant.station));
                    roster.names.extend(names);
                    roster.members.insert(grant.station, known);
                }
                None => tracing::warn!(station = ?grant.station,
                    "its peer key is no Ed25519 key or is another station's; it is left out"),
            }
        }
        for lane in &membership.lanes {
            roster.lanes.insert(lane.id, lane.members.clone());
        }
        roster
    }

    pub(super) fn station(&self, peer: &PeerId) -> Option<StationId> {
        self.names.get(peer).copied()
    }

    pub(super) fn known(&self, station: &StationId) -> Option<&Known> {
        self.members.get(station)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&StationId, &Known)> {
        self.members.iter()
    }

    pub(super) fn lanes(&self) -> &BTreeMap<LaneId, BTreeSet<StationId>> {
        &self.lanes
    }

    /// Whether the station may take part in a lane. Lanes that are not ours are none of our
    /// business, and allowed.
    pub(super) fn allows(&self, station: &StationId, lane: &LaneId) -> bool {
        self.lanes.get(lane).is_none_or(|members| members.contains(station))
    }

    /// Peers of the message mesh (`true`) or of the beacon mesh.
    pub(super) fn peers(&self, message: bool) -> HashSet<PeerId> {
        let side = self.members.values().filter(|known| known.message == message);
        side.flat_map(|known| known.peers.iter().copied()).collect()
    }

    /// Every peer that stands for a member.
    pub(super) fn all_peers(&self) -> HashSet<PeerId> {
        self.names.keys().copied().collect()
    }
}
