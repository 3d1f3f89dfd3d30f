//! A behaviour behind a gate: a connection gets either the real handler or an empty one.
//!
//! Two gossip behaviours run side by side, the message mesh and the beacon mesh, and a peer has
//! exactly one of them (`docs/spec/sync.md`); questions are behind a gate that is open to all. Which one is decided by the list of peers that stands
//! when a connection is established, and holds for that connection's life: when a peer's grant
//! changes, its connections are closed by the caller and made anew.
//!
//! Invariant: the inner behaviour sees a consistent world that consists only of the connections
//! it has a real handler on. It hears of no other connection, its counts of connections with a
//! peer leave the others out, and nothing it says reaches an empty handler (which would panic).

use std::{
    collections::{HashMap, HashSet},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{ConnectedPoint, Endpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        behaviour::ConnectionEstablished, derive_prelude::Either, dummy,
    },
};

/// `inner`, for some peers only.
pub(super) struct Gate<B> {
    inner: B,
    open_to: HashSet<PeerId>,
    live: HashMap<ConnectionId, PeerId>,
}

impl<B> Gate<B> {
    /// A gate that is closed to all.
    pub(super) fn new(inner: B) -> Self {
        Self { inner, open_to: HashSet::new(), live: HashMap::new() }
    }

    /// From now on new connections with exactly these peers get the real handler.
    pub(super) fn open_to(&mut self, peers: HashSet<PeerId>) {
        self.open_to = peers;
    }

    /// The behaviour inside.
    pub(super) const fn inner_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    fn real(&self, connection: ConnectionId) -> bool {
        self.live.contains_key(&connection)
    }

    fn others(&self, peer: PeerId, but: ConnectionId) -> usize {
        self.live.iter().filter(|(id, of)| **of == peer && **id != but).count()
    }

    /// Keeps what the inner behaviour says to handlers away from those that are not its own.
    fn guard<T, I>(&self, said: ToSwarm<T, I>) -> Option<ToSwarm<T, I>> {
        match said {
            ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::Any, event } => {
                let id = self.live.iter().find(|(_, of)| **of == peer_id).map(|(id, _)| *id)?;
                Some(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::One(id), event })
            }
            ToSwarm::NotifyHandler { handler: NotifyHandler::One(id), .. } if !self.real(id) => {
                None
            }
            ToSwarm::CloseConnection { connection: CloseConnection::One(id), .. }
                if !self.real(id) =>
            {
                None
            }
            other => Some(other),
        }
    }
}

impl<B: NetworkBehaviour> Gate<B> {
    /// Takes a connection from the inner behaviour at once, though the swarm has yet to close it:
    /// on a dead line that can take minutes, in which a new connection with the same peer must be
    /// the first one again. The connection must have been announced as established.
    pub(super) fn bury(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        if self.live.remove(&id).is_some() {
            self.inner.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id: peer,
                connection_id: id,
                endpoint,
                cause: None,
                remaining_established: self.others(peer, id),
            }));
        }
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Gate<B> {
    type ConnectionHandler = Either<THandler<B>, dummy::ConnectionHandler>;
    type ToSwarm = B::ToSwarm;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.open_to.contains(&peer) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let handler = self.inner.handle_established_inbound_connection(id, peer, local, remote)?;
        self.live.insert(id, peer);
        Ok(Either::Left(handler))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        addr: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.open_to.contains(&peer) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let handler =
            self.inner.handle_established_outbound_connection(id, peer, addr, role, port)?;
        self.live.insert(id, peer);
        Ok(Either::Left(handler))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(made) => {
                if self.real(made.connection_id) {
                    let other_established = self.others(made.peer_id, made.connection_id);
                    self.inner.on_swarm_event(FromSwarm::ConnectionEstablished(
                        ConnectionEstablished { other_established, ..made },
                    ));
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                if self.live.remove(&closed.connection_id).is_some() {
                    let remaining_established = self.others(closed.peer_id, closed.connection_id);
                    self.inner.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                        remaining_established,
                        ..closed
                    }));
                }
            }
            FromSwarm::AddressChange(change) if !self.real(change.connection_id) => {}
            FromSwarm::DialFailure(failure)
                if failure.peer_id.is_some_and(|peer| !self.open_to.contains(&peer)) => {}
            other => self.inner.on_swarm_event(other),
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        // The right side is an empty handler, which has no events.
        if let Either::Left(event) = event
            && self.real(id)
        {
            self.inner.on_connection_handler_event(peer, id, event);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            match self.inner.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(said) => {
                    if let Some(said) = self.guard(said) {
                        return Poll::Ready(said.map_in(Either::Left));
                    }
                }
            }
        }
    }
}
