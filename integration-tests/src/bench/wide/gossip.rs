//! One swarm a station: gossip alone, over libp2p's memory transport, with the node's settings.
//!
//! Invariants: nothing is passed on before its verdict; whoever polls a swarm does nothing else, so that
//! neither a disk nor an opening holds it up. Used by `wide`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use libp2p::core::{Transport as _, muxing::StreamMuxerBox, transport, upgrade::Version};
use libp2p::futures::StreamExt as _;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance, MessageId};
use libp2p::multiaddr::{Multiaddr, Protocol};
use libp2p::swarm::{self, SwarmEvent, dial_opts::DialOpts};
use libp2p::{PeerId, Swarm, identity, tls, yamux};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::oneshot;

use super::turn::ToSeat;
use super::{BARE, Failed, GONE, LINKS, Report};

/// The one topic.
const TOPIC: &str = "cbm/bench/v1/all";
/// Thousands of handshakes go on at once here.
const HANDSHAKE: Duration = Duration::from_secs(120);
/// Nobody closes a link for want of talk.
const IDLE: Duration = Duration::from_secs(3_600);

/// What a swarm is told.
pub(super) enum Order {
    /// Say this.
    Publish(Vec<u8>),
    /// What the station thinks of a message that came from this neighbour.
    Verdict(MessageId, PeerId, MessageAcceptance),
    /// How many neighbours are in the mesh?
    Neighbours(oneshot::Sender<usize>),
}

struct Node {
    at: usize,
    swarm: Swarm<gossipsub::Behaviour>,
    topic: IdentTopic,
    seat: Sender<ToSeat>,
    reports: Sender<Report>,
    peers: Arc<BTreeMap<PeerId, usize>>,
}

/// Neighbours that are enough, of the mesh's own settings.
pub(super) fn enough(stations: usize) -> usize {
    let settings = cbm_node::mesh::gossip_settings(stations, LINKS);
    settings.map_or(1, |settings| settings.mesh_n_low()).min(stations - 1)
}

/// How many neighbours a station's mesh has.
///
/// # Errors
/// Its task has ended.
pub(super) async fn neighbours(orders: &Sender<Order>) -> Result<usize, Failed> {
    let (answer, count) = oneshot::channel();
    orders.try_send(Order::Neighbours(answer)).map_err(|_| GONE)?;
    Ok(count.await?)
}

/// Starts everybody's swarm; each dials those of its links that have a higher number.
///
/// # Errors
/// Settings that do not hold, or an address that is taken.
pub(super) fn start(
    links: &Arc<Vec<BTreeSet<usize>>>,
    orders: Vec<Receiver<Order>>,
    seats: &[Sender<ToSeat>],
    reports: &Sender<Report>,
) -> Result<(), Failed> {
    let keys: Vec<_> = (0..links.len()).map(|_| identity::Keypair::generate_ed25519()).collect();
    let ids: Vec<PeerId> = keys.iter().map(|key| key.public().to_peer_id()).collect();
    let peers = Arc::new(ids.iter().enumerate().map(|(at, id)| (*id, at)).collect());
    let mut nodes = Vec::new();
    for (at, key) in keys.into_iter().enumerate() {
        let topic = IdentTopic::new(TOPIC);
        let swarm = swarm(&key, links.len(), at, &topic)?;
        let (seat, reports, peers) = (seats[at].clone(), reports.clone(), Arc::clone(&peers));
        nodes.push(Node { at, swarm, topic, seat, reports, peers });
    }
    for (mut node, orders) in nodes.into_iter().zip(orders) {
        for other in links[node.at].range(node.at + 1..) {
            let dial = DialOpts::peer_id(ids[*other]).addresses(vec![address(*other)]).build();
            node.swarm.dial(dial)?;
        }
        drop(tokio::spawn(node.run(orders)));
    }
    Ok(())
}

fn address(at: usize) -> Multiaddr {
    Multiaddr::empty().with(Protocol::Memory(1 + at as u64))
}

fn swarm(
    key: &identity::Keypair,
    stations: usize,
    at: usize,
    topic: &IdentTopic,
) -> Result<Swarm<gossipsub::Behaviour>, Failed> {
    let settings = cbm_node::mesh::gossip_settings(stations, LINKS)?;
    let mut gossip =
        gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, settings)?;
    gossip.subscribe(topic)?;
    let links: transport::Boxed<(PeerId, StreamMuxerBox)> = transport::MemoryTransport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(tls::Config::new(key)?)
        .multiplex(yamux::Config::default())
        .timeout(HANDSHAKE)
        .boxed();
    let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE);
    let mut swarm = Swarm::new(links, gossip, key.public().to_peer_id(), config);
    swarm.listen_on(address(at))?;
    Ok(swarm)
}

impl Node {
    async fn run(mut self, mut orders: Receiver<Order>) {
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.happened(event),
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Publish(bytes) => {
                let said = self.swarm.behaviour_mut().publish(self.topic.hash(), bytes);
                if let Err(error) = said {
                    let _gone = self.reports.try_send(Err(format!("gossip refuses: {error}")));
                }
            }
            Order::Verdict(id, from, verdict) => self.judge(&id, &from, verdict),
            Order::Neighbours(answer) => {
                let mesh = self.swarm.behaviour().mesh_peers(&self.topic.hash()).count();
                let _gone = answer.send(mesh);
            }
        }
    }

    fn judge(&mut self, id: &MessageId, from: &PeerId, verdict: MessageAcceptance) {
        let gossip = self.swarm.behaviour_mut();
        let _known = gossip.report_message_validation_result(id, from, verdict);
    }

    fn happened(&mut self, event: SwarmEvent<gossipsub::Event>) {
        match event {
            SwarmEvent::Behaviour(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            }) => self.heard(propagation_source, message_id, message.data),
            SwarmEvent::OutgoingConnectionError { error, .. } => {
                let _gone = self.reports.try_send(Err(format!("a link failed: {error}")));
            }
            _ => {}
        }
    }

    fn heard(&mut self, from: PeerId, id: MessageId, data: Vec<u8>) {
        if data.starts_with(BARE) {
            self.judge(&id, &from, MessageAcceptance::Accept);
            let _gone = self.reports.try_send(Ok((self.at, Instant::now())));
        } else if let Some(neighbour) = self.peers.get(&from).copied() {
            let bytes = Bytes::from(data);
            let _gone = self.seat.try_send(ToSeat::Heard { neighbour, from, id, bytes });
        }
    }
}
