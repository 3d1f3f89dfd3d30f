//! Tests of whole meshes over real sockets on loopback: the harness, and the tests by subject.
//!
//! Each node's events are taken by a task that answers every question with its own bytes, gives
//! each heard message the verdict that its first byte asks for, and keeps a log that the tests
//! wait on with a deadline.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ask;
mod evidence;
mod foes;
mod gossip;
mod limits;
mod links;
mod members;
mod moving;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use libp2p::identity;
use tokio::{sync::Notify, time::timeout};

use zeroize::Zeroizing;

use super::*;

/// A test fails rather than wait longer than this for one thing.
const PATIENCE: Duration = Duration::from_secs(90);

fn station(n: u8) -> StationId {
    StationId([n; 16])
}

fn lane(n: u8, members: &[u8]) -> Lane {
    Lane { id: LaneId([n; 16]), members: members.iter().map(|m| station(*m)).collect() }
}

fn public(n: u8) -> [u8; 32] {
    let secret = identity::ed25519::SecretKey::try_from_bytes([n; 32]).unwrap();
    identity::ed25519::Keypair::from(secret).public().to_bytes()
}

fn grant(n: u8, message: bool, addresses: &[String]) -> Grant {
    let addresses = addresses.to_vec();
    Grant { station: station(n), peers: vec![public(n)], message, addresses, dial: true }
}

fn config(n: u8, listen: &str) -> MeshConfig {
    MeshConfig {
        listen: vec![listen.to_owned()],
        members_expected: 3,
        redial: (Duration::from_millis(50), Duration::from_millis(500)),
        ..MeshConfig::new(Zeroizing::new([n; 32]), NetworkId([9; 32]), station(n))
    }
}

const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
const TCP: &str = "/ip4/127.0.0.1/tcp/0";

/// A running mesh with the log of what it told.
struct Node {
    n: u8,
    handle: MeshHandle,
    listening: Vec<String>,
    log: Arc<Mutex<Vec<MeshEvent>>>,
    news: Arc<Notify>,
}

impl Node {
    async fn start(config: MeshConfig, membership: Membership) -> Self {
        let n = config.me.0[0];
        let Mesh { handle, mut events, listening } = start(config, membership).await.unwrap();
        let (log, news) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let node = Self { n, handle: handle.clone(), listening, log, news };
        let (log, news) = (node.log.clone(), node.news.clone());
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let reaction = match &event {
                    MeshEvent::Heard { token, bytes, .. } => {
                        Some(MeshCommand::Verdict(*token, verdict(bytes)))
                    }
                    MeshEvent::Asked { token, bytes, .. } if !bytes.starts_with(b"silence") => {
                        Some(MeshCommand::Answer { token: *token, bytes: bytes.clone() })
                    }
                    _ => None,
                };
                log.lock().unwrap().push(event);
                news.notify_waiters();
                if let Some(reaction) = reaction {
                    // The node may be stopping.
                    let _ = handle.send(reaction).await;
                }
            }
        });
        node
    }

    async fn quic(n: u8) -> Self {
        Self::start(config(n, QUIC), Membership::default()).await
    }

    async fn tell(&self, command: MeshCommand) {
        self.handle.send(command).await.unwrap();
    }

    async fn publish(&self, topic: Topic, bytes: impl Into<Vec<u8>>) {
        let bytes = Bytes::from(bytes.into());
        self.tell(MeshCommand::Publish { topic, bytes }).await;
    }

    fn count(&self, what: impl Fn(&MeshEvent) -> bool) -> usize {
        self.log.lock().unwrap().iter().filter(|event| what(event)).count()
    }

    /// Waits until so many such events were told since the start.
    async fn see(&self, times: usize, what: impl Fn(&MeshEvent) -> bool) {
        let seen = async {
            loop {
                let news = self.news.notified();
                if self.count(&what) >= times {
                    return;
                }
                news.await;
            }
        };
        let seen = timeout(PATIENCE, seen).await;
        assert!(seen.is_ok(), "node {} told only {:#?}", self.n, self.log.lock().unwrap());
    }

    async fn linked(&self, times: usize, with: &Self) {
        let peer = station(with.n);
        self.see(times, |e| matches!(e, MeshEvent::Linked { peer: p, .. } if *p == peer)).await;
    }

    async fn unlinked(&self, times: usize, with: &Self) {
        let peer = station(with.n);
        self.see(times, |e| matches!(e, MeshEvent::Unlinked(p) if *p == peer)).await;
    }

    async fn hears(&self, times: usize, text: impl AsRef<[u8]>) {
        self.see(times, |e| heard(e, text.as_ref())).await;
    }

    fn grant(&self, message: bool) -> Grant {
        grant(self.n, message, &self.listening)
    }

    async fn joins(&self, grants: Vec<Grant>, lanes: Vec<Lane>) {
        self.tell(MeshCommand::Membership(Membership { grants, lanes })).await;
    }

    async fn stop(&self) {
        self.tell(MeshCommand::Stop).await;
        timeout(PATIENCE, self.handle.commands.closed()).await.unwrap();
    }
}

fn heard(event: &MeshEvent, text: &[u8]) -> bool {
    matches!(event, MeshEvent::Heard { bytes, .. } if bytes == text)
}

fn verdict(bytes: &[u8]) -> Verdict {
    match bytes.first() {
        Some(b'i') => Verdict::Ignore,
        Some(b'r') => Verdict::Reject,
        _ => Verdict::Accept,
    }
}

/// Makes all of them members of the message mesh and of one lane, and waits for their links.
async fn join_all(nodes: &[&Node], lane: &Lane) {
    for node in nodes {
        let others = nodes.iter().filter(|other| other.n != node.n);
        node.joins(others.map(|other| other.grant(true)).collect(), vec![lane.clone()]).await;
    }
    for node in nodes {
        for other in nodes.iter().filter(|other| other.n != node.n) {
            node.linked(1, other).await;
        }
    }
}

/// Three nodes, 1 – 2 – 3, where 1 and 3 never link directly.
async fn line(lane: &Lane) -> [Node; 3] {
    let only = |n, m: &[u8]| MeshConfig {
        only_links: Some(m.iter().map(|m| station(*m)).collect()),
        ..config(n, QUIC)
    };
    let nodes = [
        Node::start(only(1, &[2]), Membership::default()).await,
        Node::start(only(2, &[1, 3]), Membership::default()).await,
        Node::start(only(3, &[2]), Membership::default()).await,
    ];
    for node in &nodes {
        let others = nodes.iter().filter(|other| other.n != node.n);
        node.joins(others.map(|other| other.grant(true)).collect(), vec![lane.clone()]).await;
    }
    for (a, b) in [(0, 1), (1, 0), (1, 2), (2, 1)] {
        nodes[a].linked(1, &nodes[b]).await;
    }
    nodes
}
