//! Who is let in: the members of the network, and nobody else.
//!
//! Invariants (I4): a connection is refused as soon as its handshake has named the other side,
//! before any stream opens, when the other side is no member, or the operator holds the link with
//! it. Handshakes under way that others began are bounded in sum and per source, so that strangers
//! cannot starve members. Whatever is refused is counted.
//!
//! The door must be the first field of the swarm's behaviour: what it refuses no other behaviour
//! may have taken note of.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    net::IpAddr,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};

use super::{
    Refusals,
    settings::{PENDING, PENDING_PER_SOURCE},
};

/// Why the door stayed shut.
#[derive(Debug, thiserror::Error)]
pub(super) enum Shut {
    /// Not in the accord.
    #[error("peer {0} is no member of this network")]
    Stranger(PeerId),
    /// The operator holds this link down, or keeps to a list of links.
    #[error("the link with peer {0} is held by the operator")]
    Held(PeerId),
    /// Too many handshakes under way.
    #[error("too many handshakes under way from {0}")]
    Crowded(String),
}

/// A source of handshakes: an IPv4 address or an IPv6 /64; `None` for anything else.
type Source = Option<IpAddr>;

/// See the module.
#[derive(Default)]
pub(super) struct Door {
    members: HashSet<PeerId>,
    held: HashSet<PeerId>,
    known: HashSet<Source>,
    pending: HashMap<ConnectionId, Source>,
    sources: HashMap<Source, usize>,
    refusals: Refusals,
}

impl Door {
    /// Sets who is let in, and returns whom to put out.
    ///
    /// `addresses` are the members'. A handshake from one of them is bounded per source alone: so
    /// many strangers may knock as like to, members still get to the door.
    pub(super) fn set<'a>(
        &mut self,
        members: HashSet<PeerId>,
        held: HashSet<PeerId>,
        addresses: impl Iterator<Item = &'a Multiaddr>,
    ) -> Vec<PeerId> {
        self.known = addresses.map(source).filter(Option::is_some).collect();
        let out = self.members.difference(&members).chain(held.difference(&self.held));
        let out = out.copied().collect();
        self.members = members;
        self.held = held;
        out
    }

    /// Whether a link with the peer is wanted.
    pub(super) fn admits(&self, peer: &PeerId) -> bool {
        self.members.contains(peer) && !self.held.contains(peer)
    }

    /// What was refused since the start.
    pub(super) const fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// For those who refuse on other grounds.
    pub(super) const fn refusals_mut(&mut self) -> &mut Refusals {
        &mut self.refusals
    }

    fn judge(&mut self, peer: PeerId) -> Result<(), ConnectionDenied> {
        if !self.members.contains(&peer) {
            self.refusals.strangers += 1;
            return Err(ConnectionDenied::new(Shut::Stranger(peer)));
        }
        if self.held.contains(&peer) {
            self.refusals.held += 1;
            return Err(ConnectionDenied::new(Shut::Held(peer)));
        }
        Ok(())
    }

    fn settle(&mut self, id: ConnectionId) {
        if let Some(source) = self.pending.remove(&id)
            && let Some(count) = self.sources.get_mut(&source)
        {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&source);
            }
        }
    }
}

/// The source of a handshake, by the address it came from.
fn source(address: &Multiaddr) -> Source {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => {
            let mut octets = ip.octets();
            octets[8..].fill(0);
            Some(IpAddr::V6(octets.into()))
        }
        _ => None,
    })
}

impl NetworkBehaviour for Door {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let source = source(remote);
        let here = self.sources.get(&source).copied().unwrap_or(0);
        let crowd = self.pending.len() >= PENDING && !self.known.contains(&source);
        if crowd || here >= PENDING_PER_SOURCE {
            self.refusals.crowded += 1;
            return Err(ConnectionDenied::new(Shut::Crowded(remote.to_string())));
        }
        self.sources.insert(source, here + 1);
        self.pending.insert(id, source);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.settle(id);
        self.judge(peer)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.judge(peer)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ListenFailure(failure) = event {
            self.settle(failure.connection_id);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use libp2p::swarm::{ListenError, behaviour::ListenFailure};

    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn handshakes_are_bounded_per_source_and_in_sum() {
        let mut door = Door::default();
        let here = address("/ip4/10.0.0.1/udp/1/quic-v1");
        let knock = |door: &mut Door, from: &str| {
            let id = ConnectionId::new_unchecked(door.pending.len() + 1_000);
            door.handle_pending_inbound_connection(id, &here, &address(from)).map(|()| id)
        };
        let mut last = None;
        for port in 0..PENDING_PER_SOURCE {
            last = Some(knock(&mut door, &format!("/ip4/10.9.9.9/tcp/{port}")).unwrap());
        }
        assert!(knock(&mut door, "/ip4/10.9.9.9/tcp/9").is_err());
        assert!(knock(&mut door, "/ip6/2001:db8::1/tcp/9").is_ok(), "others still get in");
        assert_eq!(door.refusals().crowded, 1);
        let failed = address("/ip4/10.9.9.9/tcp/9");
        door.on_swarm_event(FromSwarm::ListenFailure(ListenFailure {
            local_addr: &failed,
            send_back_addr: &failed,
            error: &ListenError::Aborted,
            connection_id: last.unwrap(),
            peer_id: None,
        }));
        assert_eq!(door.sources[&source(&failed)], PENDING_PER_SOURCE - 1);
        for n in door.pending.len()..PENDING {
            let id = ConnectionId::new_unchecked(5_000 + n);
            let from = address(&format!("/ip4/10.1.{}.{}/tcp/1", n / 200, n % 200));
            door.handle_pending_inbound_connection(id, &failed, &from).unwrap();
        }
        let id = ConnectionId::new_unchecked(9_999);
        let from = address("/ip4/10.77.0.1/tcp/1");
        assert!(door.handle_pending_inbound_connection(id, &failed, &from).is_err());
        let contact = address("/ip4/10.77.0.1/udp/4001/quic-v1");
        door.set(HashSet::new(), HashSet::new(), std::iter::once(&contact));
        assert!(door.handle_pending_inbound_connection(id, &failed, &from).is_ok());
    }

    #[test]
    fn an_ipv6_source_is_its_64_bit_prefix() {
        assert_eq!(
            source(&address("/ip6/2001:db8::1/tcp/1")),
            source(&address("/ip6/2001:db8::2:3/udp/5/quic-v1"))
        );
        assert_ne!(
            source(&address("/ip6/2001:db8::1/tcp/1")),
            source(&address("/ip6/2001:db8:0:1::1/tcp/1"))
        );
    }
}
