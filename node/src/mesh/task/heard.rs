//! What the swarm tells, in the words of the protocol.
//!
//! Invariants: a station is announced as linked only once something came from it over a connection
//! that stands (its first pong at the latest), because the side that dials takes a connection for
//! made before the other side has let it in; a peer that is not in the roster is never named; a
//! message on a lane from a station that is not in it never leaves this module.

use bytes::Bytes;
use cbm_proto::event::Topic;
use libp2p::{
    PeerId, connection_limits, gossipsub, memory_connection_limits,
    multiaddr::Protocol,
    ping, request_response,
    swarm::{DialError, ListenError, SwarmEvent},
};
use tokio::time::Instant;

use super::{Connection, Side, Task, Waiting};
use crate::mesh::{
    MeshEvent, Transport,
    settings::{ANSWERS_WAITING, UNHEARD_FOR, VERDICTS_WAITING},
    swarm::BehaviourEvent,
};

impl Task {
    /// Takes one event of the swarm.
    pub(super) fn translate(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let now = Instant::now();
                let quic = endpoint.get_remote_address().iter().any(|p| p == Protocol::QuicV1);
                let connection = Connection {
                    peer: peer_id,
                    since: now,
                    alive: now,
                    transport: if quic { Transport::Quic } else { Transport::Tcp },
                    endpoint,
                    closing: false,
                };
                self.made(connection_id, connection);
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.ended(connection_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                self.undialled(peer, &error);
            }
            SwarmEvent::IncomingConnectionError {
                error: ListenError::Denied { cause }, ..
            } => {
                let over = cause.downcast_ref::<connection_limits::Exceeded>().is_some()
                    || cause
                        .downcast_ref::<memory_connection_limits::MemoryUsageLimitExceeded>()
                        .is_some();
                if over {
                    self.swarm.behaviour_mut().door.refusals_mut().limits += 1;
                }
                tracing::debug!(%cause, "a connection was refused");
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                self.tell(MeshEvent::Listening(address.to_string()));
            }
            SwarmEvent::ListenerClosed { reason: Err(error), .. }
            | SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener failed");
            }
            _ => {}
        }
    }

    fn behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Messages(event) => self.gossiped(Side::Messages, event),
            BehaviourEvent::Beacons(event) => self.gossiped(Side::Beacons, event),
            BehaviourEvent::Ask(event) => self.streamed(event),
            BehaviourEvent::Evidence(event) => self.evidence(event),
            BehaviourEvent::Ping(event) => self.pinged(&event),
            BehaviourEvent::Door(never)
            | BehaviourEvent::Limits(never)
            | BehaviourEvent::Memory(never) => match never {},
        }
    }

    /// Something came from the peer: it is alive, and the link stands on both sides.
    pub(super) fn confirm(&mut self, peer: PeerId) {
        let now = Instant::now();
        let theirs = self.connections.values_mut().filter(|c| c.peer == peer && !c.closing);
        let oldest = theirs
            .map(|connection| {
                connection.alive = now;
                (connection.since, connection.transport)
            })
            .min_by_key(|(since, _)| *since);
        let (Some(station), Some((_, transport))) = (self.roster.station(&peer), oldest) else {
            return;
        };
        if self.linked.insert(station, peer).is_none() {
            self.tell(MeshEvent::Linked { peer: station, transport });
        }
    }

    /// The link with the peer is gone.
    pub(super) fn gone(&mut self, peer: PeerId) {
        if let Some(station) = self.roster.station(&peer)
            && self.at(station).is_none()
        {
            self.links.down(station, Instant::now());
        }
        // A station that has just lost its grant, or changed its key, is no longer in the roster
        // under this peer id.
        let linked = self.linked.iter().find(|(_, of)| **of == peer).map(|(station, _)| *station);
        if let Some(station) = linked {
            self.linked.remove(&station);
            self.fetches.gone(station);
            for id in self.asks.gone(station) {
                self.tell(MeshEvent::Answered { peer: station, id, answer: None });
            }
            self.tell(MeshEvent::Unlinked(station));
        }
    }

    fn undialled(&mut self, peer: PeerId, error: &DialError) {
        let Some(station) = self.roster.station(&peer) else { return };
        if matches!(error, DialError::DialPeerConditionFalse(_)) || self.at(station).is_some() {
            return;
        }
        if let DialError::WrongPeerId { obtained, .. } = error
            && *obtained != peer
            && self.roster.station(obtained) == Some(station)
        {
            // The same station under another of its keys.
            self.answers_as.insert(station, *obtained);
            return self.dial(station, Instant::now());
        }
        self.links.down(station, Instant::now());
        let cause = match error {
            DialError::WrongPeerId { obtained, .. } => {
                format!("another peer answers at its address: {obtained}")
            }
            DialError::Transport(tried) => {
                let each = tried.iter().map(|(at, why)| {
                    let at = at.to_string();
                    let at = at.split("/p2p/").next().unwrap_or(&at).to_owned();
                    format!("{at}: {}", deepest(why))
                });
                each.collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        self.tell(MeshEvent::Unreachable { peer: station, cause });
    }

    fn pinged(&mut self, event: &ping::Event) {
        match &event.result {
            Ok(_) if self.connections.get(&event.connection).is_some_and(|c| !c.closing) => {
                self.confirm(event.peer);
            }
            Ok(_) | Err(ping::Failure::Unsupported) => {}
            // Its second failure in a row; it does not tell the first.
            Err(_) => self.hangup(event.peer),
        }
    }

    fn gossiped(&mut self, side: Side, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.confirm(propagation_source);
                self.heard(side, propagation_source, message_id, message);
            }
            gossipsub::Event::Subscribed { peer_id, topic, .. } => {
                self.confirm(peer_id);
                let Some(topic) = self.names.parse(&topic) else { return };
                if self.trespasses(&peer_id, topic) {
                    self.evict(peer_id);
                } else {
                    self.say_again(topic);
                }
            }
            gossipsub::Event::SlowPeer { peer_id, .. } => {
                if let Some(station) = self.roster.station(&peer_id) {
                    self.tell(MeshEvent::SlowPeer(station));
                }
            }
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                tracing::warn!(station = ?self.roster.station(&peer_id), "speaks no gossip");
            }
            gossipsub::Event::Unsubscribed { .. } => {}
        }
    }

    fn heard(
        &mut self,
        side: Side,
        from: PeerId,
        id: gossipsub::MessageId,
        message: gossipsub::Message,
    ) {
        let topic = self.names.parse(&message.topic);
        let (Some(station), Some(topic)) = (self.roster.station(&from), topic) else {
            self.ignore(side, &id, &from);
            return;
        };
        if self.trespasses(&from, topic) {
            self.ignore(side, &id, &from);
            self.evict(from);
            return;
        }
        if topic == Topic::Beacon {
            self.cross(side, id.clone());
        }
        if self.verdicts.len() >= VERDICTS_WAITING
            && let Some((_, late)) = self.verdicts.pop_first()
        {
            self.ignore(late.side, &late.id, &late.from);
        }
        let bytes = Bytes::from(message.data);
        let token = self.token();
        let beacon = (topic == Topic::Beacon).then(|| bytes.clone());
        self.verdicts.insert(token, Waiting { side, id, from, beacon });
        self.tell(MeshEvent::Heard { from: station, token, topic, bytes });
    }

    fn ignore(&mut self, side: Side, id: &gossipsub::MessageId, from: &PeerId) {
        let ignore = gossipsub::MessageAcceptance::Ignore;
        self.gossip(side).report_message_validation_result(id, from, ignore);
    }

    fn trespasses(&self, peer: &PeerId, topic: Topic) -> bool {
        match (self.roster.station(peer), topic) {
            (Some(station), Topic::Lane(lane)) => !self.roster.allows(&station, &lane),
            (Some(_), Topic::Beacon) => false,
            (None, _) => true,
        }
    }

    fn evict(&mut self, peer: PeerId) {
        self.swarm.behaviour_mut().door.refusals_mut().trespass += 1;
        if let Some(station) = self.roster.station(&peer) {
            tracing::warn!(?station, "in a lane it is no member of; put out");
            self.tell(MeshEvent::Trespassed(station));
        }
        self.hangup(peer);
    }

    /// Looks again at who is in which lane, after the lanes changed.
    pub(super) fn evict_trespassers(&mut self) {
        let subscribed: Vec<(PeerId, Vec<Topic>)> = self
            .gossip(Side::Messages)
            .all_peers()
            .map(|(peer, topics)| (*peer, topics.into_iter().cloned().collect::<Vec<_>>()))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(peer, topics)| {
                (peer, topics.iter().filter_map(|t| self.names.parse(t)).collect())
            })
            .collect();
        for (peer, topics) in subscribed {
            if topics.into_iter().any(|topic| self.trespasses(&peer, topic)) {
                self.evict(peer);
            }
        }
    }

    /// Publishes again what nobody heard on a topic, now that somebody is there.
    fn say_again(&mut self, topic: Topic) {
        let now = Instant::now();
        self.unheard.retain(|(at, ..)| now - *at < UNHEARD_FOR);
        let (again, kept) =
            std::mem::take(&mut self.unheard).into_iter().partition(|(_, of, _)| *of == topic);
        self.unheard = kept;
        let again: std::collections::VecDeque<(Instant, Topic, Bytes)> = again;
        for (at, topic, bytes) in again {
            self.publish_on_lane(topic, &bytes, at);
        }
    }

    fn streamed(&mut self, event: request_response::Event<Bytes, Bytes>) {
        use request_response::{Event, Message};
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                self.confirm(peer);
                let Some(station) = self.roster.station(&peer) else { return };
                if self.answers.len() >= ANSWERS_WAITING {
                    self.answers.retain(|_, channel| channel.is_open());
                    if self.answers.len() >= ANSWERS_WAITING {
                        self.answers.pop_first();
                    }
                }
                let token = self.token();
                self.answers.insert(token, channel);
                self.tell(MeshEvent::Asked { peer: station, token, bytes: request });
            }
            Event::Message {
                peer, message: Message::Response { request_id, response }, ..
            } => {
                self.confirm(peer);
                self.answered(request_id, Some(response));
            }
            Event::OutboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%error, "a question was not answered");
                // The names of the protocols hold the network's id.
                if matches!(error, request_response::OutboundFailure::UnsupportedProtocols)
                    && let Some(station) = self.roster.station(&peer)
                {
                    self.tell(MeshEvent::OtherNetwork(station));
                }
                self.answered(request_id, None);
            }
            Event::InboundFailure { error, .. } => {
                tracing::debug!(%error, "an answer was not taken");
            }
            Event::ResponseSent { .. } => {}
        }
    }

    fn answered(&mut self, request: request_response::OutboundRequestId, answer: Option<Bytes>) {
        if let Some((peer, id)) = self.asks.ended(&request) {
            self.tell(MeshEvent::Answered { peer, id, answer });
            self.ask(peer);
            self.fetch(peer);
        }
    }
}

/// What went wrong at the bottom of it: the layers above say less, or nothing.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut words = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !text.is_empty() {
            words = text;
        }
        next = error.source();
    }
    if words.is_empty() { "no answer".to_owned() } else { words }
}
