//! The connections that stand: which are one too many, which fell silent, and their end.
//!
//! Invariant: a connection that we close is gone for all of our code in that instant, whatever the
//! line does; the swarm may still hold it for minutes, and a new one may stand beside it.

use std::collections::HashMap;

use libp2p::{PeerId, core::ConnectedPoint, swarm::ConnectionId};
use tokio::time::Instant;

use super::Task;
use crate::mesh::{
    Transport,
    settings::{self, SILENT_PINGS},
};

/// A connection that stands.
pub(super) struct Connection {
    pub(super) peer: PeerId,
    pub(super) dialled: bool,
    pub(super) since: Instant,
    /// When something last came over it.
    pub(super) alive: Instant,
    pub(super) transport: Transport,
    pub(super) endpoint: ConnectedPoint,
    /// We have asked for its end, and count it no more.
    pub(super) closing: bool,
}

impl Task {
    /// Called when a connection comes or goes.
    pub(super) fn recount(&mut self) {
        self.doubled = one_too_many(*self.swarm.local_peer_id(), &self.connections);
    }

    /// Closes all connections with the peer.
    pub(super) fn hangup(&mut self, peer: PeerId) {
        let ids: Vec<_> = self.standing().filter(|(_, c)| c.peer == peer).map(|c| *c.0).collect();
        for id in ids {
            self.close(id);
        }
        // Any that we have not been told of yet. The error says that there is none.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    /// Ends a connection. For us it is gone from here on; for the swarm when it has taken leave,
    /// which on a dead line may be never.
    pub(super) fn close(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id).filter(|c| !c.closing) else { return };
        connection.closing = true;
        let (peer, endpoint) = (connection.peer, connection.endpoint.clone());
        self.swarm.close_connection(id);
        let behaviour = self.swarm.behaviour_mut();
        behaviour.messages.bury(peer, id, &endpoint);
        behaviour.beacons.bury(peer, id, &endpoint);
        behaviour.ask.bury(peer, id, &endpoint);
        self.gone(peer);
    }

    /// Closes the connections that have been silent too long. After a time in which the swarm was
    /// not attended to (no room for events, or the machine slept) nobody is blamed.
    pub(super) fn close_silent(&mut self, now: Instant) {
        let slept = now - self.awake > self.ping;
        if self.backlog.is_empty() {
            self.awake = now;
        }
        if slept {
            self.connections.values_mut().for_each(|connection| connection.alive = now);
        }
        let patience = self.ping * SILENT_PINGS;
        let silent = self.standing().filter(|(_, c)| now - c.alive >= patience);
        let silent: Vec<_> = silent.map(|(id, _)| *id).collect();
        for id in silent {
            tracing::debug!("a connection fell silent; closed");
            self.close(id);
        }
    }

    pub(super) fn standing(&self) -> impl Iterator<Item = (&ConnectionId, &Connection)> {
        self.connections.iter().filter(|(_, connection)| !connection.closing)
    }

    pub(super) fn connected(&self, peer: PeerId) -> bool {
        self.standing().any(|(_, connection)| connection.peer == peer)
    }
}

/// The connections that are one too many, the last to go first. Of two sides only the one with the
/// lower peer id decides, or each could close the one that the other keeps: it keeps its oldest own
/// dial, else the oldest.
fn one_too_many(
    me: PeerId,
    connections: &HashMap<ConnectionId, Connection>,
) -> Vec<(ConnectionId, Instant)> {
    let mut ranked: Vec<_> = connections
        .iter()
        .filter(|(_, connection)| me < connection.peer && !connection.closing)
        .map(|(id, c)| (c.peer, !c.dialled, c.since, *id))
        .collect();
    ranked.sort_unstable();
    let extra = ranked.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| &pair[1]);
    let mut extra: Vec<_> =
        extra.map(|(_, _, since, id)| (*id, *since + settings::DEDUPE_AFTER)).collect();
    extra.sort_unstable_by_key(|(_, at)| std::cmp::Reverse(*at));
    extra
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use libp2p::Multiaddr;

    use super::*;

    #[test]
    fn of_two_connections_one_side_closes_one() {
        let (one, other) = (PeerId::random(), PeerId::random());
        let (low, high) = if one < other { (one, other) } else { (other, one) };
        let start = Instant::now();
        let connection = |peer, dialled, ms| Connection {
            peer,
            dialled,
            since: start + Duration::from_millis(ms),
            alive: start,
            transport: Transport::Quic,
            endpoint: ConnectedPoint::Listener {
                local_addr: Multiaddr::empty(),
                send_back_addr: Multiaddr::empty(),
            },
            closing: false,
        };
        let id = ConnectionId::new_unchecked;
        let of_low = HashMap::from([
            (id(1), connection(high, false, 0)),
            (id(2), connection(high, true, 5)),
            (id(3), connection(high, true, 9)),
        ]);
        let of_high =
            HashMap::from([(id(1), connection(low, true, 0)), (id(2), connection(low, false, 5))]);
        assert_eq!(one_too_many(high, &of_high), []);
        let extra = one_too_many(low, &of_low);
        let at = |ms| start + Duration::from_millis(ms) + settings::DEDUPE_AFTER;
        assert_eq!(extra, [(id(3), at(9)), (id(1), at(0))], "its own oldest dial stays");
        let single = HashMap::from([(id(1), connection(high, false, 0))]);
        assert_eq!(one_too_many(low, &single), []);
    }
}
