//! The connections that stand: when a peer's are ended, and that they are ended together.
//!
//! Gossip keeps what it knows of a peer until the last connection with it is gone, and says only
//! on the first what it has subscribed to. So if one side has lost its last connection and made a
//! new one, while the other side still holds the old one, that one would never say it again, and
//! gossip between the two would be dead with nothing to be seen.
//!
//! Invariants: a peer's connections end together, on whichever ground one of them ends; a
//! connection that we end is gone for all of our code in that instant, whatever the line does (the
//! swarm may hold it for minutes, and a new one may stand beside it). Two that came about because
//! both sides dialled at once are both kept: they do no harm, and closing one would end both.

use cbm_proto::id::StationId;
use libp2p::{PeerId, core::ConnectedPoint, swarm::ConnectionId};
use tokio::time::Instant;

use super::Task;
use crate::mesh::{
    Transport,
    settings::{CROSSING, SILENT_PINGS},
};

/// A connection that stands.
pub(super) struct Connection {
    pub(super) peer: PeerId,
    pub(super) since: Instant,
    /// When something last came from the peer.
    pub(super) alive: Instant,
    pub(super) transport: Transport,
    pub(super) endpoint: ConnectedPoint,
    /// We have asked for its end, and count it no more.
    pub(super) closing: bool,
}

impl Task {
    /// A connection was made.
    pub(super) fn made(&mut self, id: ConnectionId, connection: Connection) {
        let (peer, now) = (connection.peer, connection.since);
        let oldest = self.standing().filter(|(_, c)| c.peer == peer).map(|(_, c)| c.since).min();
        self.connections.insert(id, connection);
        if self.outranked(peer) {
            return self.hangup(peer);
        }
        if oldest.is_some_and(|oldest| now - oldest >= CROSSING) {
            tracing::debug!("linked anew by a peer that has lost the old link; both start anew");
            self.hangup(peer);
        } else if let Some(station) = self.roster.station(&peer) {
            self.links.up(station, now);
        }
    }

    /// A connection has ended.
    pub(super) fn ended(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(&id)
            && !connection.closing
        {
            if self.connected(connection.peer) {
                self.hangup(connection.peer);
            } else {
                self.gone(connection.peer);
            }
        }
    }

    /// Ends all connections with the peer. For us they are gone from here on; for the swarm when
    /// they have taken leave, which on a dead line may be never.
    pub(super) fn hangup(&mut self, peer: PeerId) {
        let behaviour = self.swarm.behaviour_mut();
        let theirs = self.connections.iter_mut().filter(|(_, c)| c.peer == peer && !c.closing);
        let mut any = false;
        for (id, connection) in theirs {
            any = true;
            connection.closing = true;
            behaviour.messages.bury(peer, *id, &connection.endpoint);
            behaviour.beacons.bury(peer, *id, &connection.endpoint);
            behaviour.ask.bury(peer, *id, &connection.endpoint);
            behaviour.evidence.bury(peer, *id, &connection.endpoint);
        }
        // Also any that we have not been told of yet. The error says that there is none.
        let _ = self.swarm.disconnect_peer_id(peer);
        if any {
            self.gone(peer);
        }
    }

    /// Ends what has been silent too long. After a time in which the swarm was not attended to (no
    /// room for events, or the machine slept) nobody is blamed.
    pub(super) fn hangup_silent(&mut self, now: Instant) {
        let slept = now - self.awake > self.ping;
        if self.backlog.has_room() {
            self.awake = now;
        }
        if slept {
            self.connections.values_mut().for_each(|connection| connection.alive = now);
        }
        let patience = self.ping * SILENT_PINGS;
        let silent = self.standing().filter(|(_, c)| now - c.alive >= patience);
        let silent: Vec<_> = silent.map(|(_, c)| c.peer).collect();
        for peer in silent {
            tracing::debug!("a link fell silent; closed");
            self.hangup(peer);
        }
    }

    pub(super) fn standing(&self) -> impl Iterator<Item = (&ConnectionId, &Connection)> {
        self.connections.iter().filter(|(_, connection)| !connection.closing)
    }

    pub(super) fn connected(&self, peer: PeerId) -> bool {
        self.standing().any(|(_, connection)| connection.peer == peer)
    }

    /// The peer id under which a member is connected, if it is.
    pub(super) fn at(&self, station: StationId) -> Option<PeerId> {
        let known = self.roster.known(&station)?;
        known.peers.iter().copied().find(|peer| self.connected(*peer))
    }

    /// A station speaks under one PEER key at a time, and never goes back to an earlier one. So what
    /// stands under an earlier one ends when a later one comes; and an earlier one, which somebody
    /// else may have got hold of, takes no link away.
    fn outranked(&mut self, peer: PeerId) -> bool {
        let station = self.roster.station(&peer);
        let Some(known) = station.and_then(|s| self.roster.known(&s)) else { return false };
        let mut ranked = known.peers.clone().into_iter();
        let later = ranked.by_ref().take_while(|other| *other != peer);
        if later.collect::<Vec<_>>().into_iter().any(|other| self.connected(other)) {
            return true;
        }
        for earlier in ranked.filter(|other| self.connected(*other)).collect::<Vec<_>>() {
            self.hangup(earlier);
        }
        false
    }
}
