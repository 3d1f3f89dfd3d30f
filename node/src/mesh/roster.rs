//! Who is who: stations, their peer ids and addresses, and the members of each lane.
//!
//! Invariant: a station has one peer id and a peer id one station. The roster is replaced as a
//! whole by each membership that the shell hands in. Called by `task` only.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use cbm_proto::id::{LaneId, StationId};
use libp2p::{Multiaddr, PeerId, identity};

use super::{Grant, Membership};

/// A member as the swarm knows it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) peer: PeerId,
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

fn known(grant: &Grant) -> Option<Known> {
    let addresses = grant.addresses.iter().filter_map(|text| match text.parse() {
        Ok(address) => Some(address),
        Err(error) => {
            tracing::warn!(station = ?grant.station, %error, "an address cannot be read; skipped");
            None
        }
    });
    Some(Known {
        peer: peer_id(&grant.peer)?,
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
            match known(grant) {
                Some(known) if !roster.names.contains_key(&known.peer) => {
                    roster.names.insert(known.peer, grant.station);
                    roster.members.insert(grant.station, known);
                }
                _ => tracing::warn!(station = ?grant.station,
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
        self.members.values().filter(|k| k.message == message).map(|k| k.peer).collect()
    }
}
