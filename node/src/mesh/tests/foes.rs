//! Members that abuse the mesh: streams that trickle or are never read, junk and borrowed names in
//! gossip. The foe's swarm is made here, of libp2p alone; what it meets stands in `docs/foes.md`.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use libp2p::{
    PeerId, StreamProtocol, Swarm, SwarmBuilder,
    futures::{AsyncRead, AsyncWrite, AsyncWriteExt, StreamExt},
    gossipsub,
    multiaddr::Multiaddr,
    ping, request_response,
    swarm::{NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
};

use super::{
    super::settings::{ANSWER_WAIT, Names},
    ask::{answered, ask},
    *,
};

/// Streams that the foe opens: as many as an honest member may have under way.
const STREAMS: usize = 64;

/// Answers that fit whole into what libp2p lets a connection hold unread, 15 MB: these cost nobody
/// anything any more.
const UNREAD: usize = 17;

/// The foe's side of a stream of questions: it trickles its question, or never reads the answer.
#[derive(Clone)]
struct Crawl {
    trickles: bool,
    begun: Arc<AtomicUsize>,
}

impl request_response::Codec for Crawl {
    type Protocol = StreamProtocol;
    type Request = Bytes;
    type Response = Bytes;

    async fn read_request<T>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        std::future::pending().await
    }

    /// Reads only when the other side has given up: then there is no whole answer any more.
    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        tokio::time::sleep(ANSWER_WAIT + Duration::from_secs(2)).await;
        super::super::codec::read(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Bytes,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let frame = [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), &bytes[..]].concat();
        if !self.trickles {
            return io.write_all(&frame).await;
        }
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        for byte in frame {
            pace.tick().await;
            io.write_all(&[byte]).await?;
            io.flush().await?;
        }
        Ok(())
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, _: &mut T, _: Bytes) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        std::future::pending().await
    }
}

#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
struct Slow {
    ask: request_response::Behaviour<Crawl>,
    ping: ping::Behaviour,
}

#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
struct Loud {
    gossip: gossipsub::Behaviour,
    ping: ping::Behaviour,
}

fn peer_id(n: u8) -> PeerId {
    let key = identity::ed25519::PublicKey::try_from_bytes(&public(n)).unwrap();
    PeerId::from_public_key(&identity::PublicKey::from(key))
}

/// A swarm under the keys of station `n`, which dials `to`.
fn raw<B: NetworkBehaviour>(n: u8, behaviour: B, to: &Node) -> Swarm<B> {
    let secret = identity::ed25519::SecretKey::try_from_bytes([n; 32]).unwrap();
    let key = identity::Keypair::from(identity::ed25519::Keypair::from(secret));
    let built = SwarmBuilder::with_existing_identity(key).with_tokio().with_quic();
    let Ok(built) = built.with_behaviour(|_| behaviour);
    let mut swarm =
        built.with_swarm_config(|config| config.with_idle_connection_timeout(PATIENCE)).build();
    let address: Multiaddr = to.listening[0].parse().unwrap();
    swarm.dial(DialOpts::peer_id(peer_id(to.n)).addresses(vec![address]).build()).unwrap();
    swarm
}

/// Nodes 1 and 2, linked; node 1 also lets station 3 in, which is the foe.
async fn besieged(lane: &Lane) -> (Node, Node) {
    let (a, b) = (Node::quic(1).await, Node::quic(2).await);
    a.joins(vec![b.grant(true), grant(3, true, &[])], vec![lane.clone()]).await;
    b.joins(vec![a.grant(true)], vec![lane.clone()]).await;
    a.linked(1, &b).await;
    b.linked(1, &a).await;
    (a, b)
}

/// Opens its streams as soon as it is linked; counts those that the other side ended.
async fn crawl(mut swarm: Swarm<Slow>, to: PeerId, question: Bytes, ended: Arc<AtomicUsize>) {
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { .. } => {
                for _ in 0..STREAMS {
                    swarm.behaviour_mut().ask.send_request(&to, question.clone());
                }
            }
            SwarmEvent::Behaviour(SlowEvent::Ask(request_response::Event::OutboundFailure {
                ..
            })) => {
                ended.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

async fn reaches(count: &AtomicUsize, least: usize) {
    let reached = async {
        while count.load(Ordering::Relaxed) < least {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(PATIENCE, reached).await.is_ok(), "{count:?} of {least}");
}

async fn honest_ones_are_served_beside(trickles: bool) {
    let lane = lane(1, &[1, 2, 3]);
    let (a, b) = besieged(&lane).await;
    let begun = Arc::new(AtomicUsize::new(0));
    let ended = Arc::new(AtomicUsize::new(0));
    let name = Names::new(&NetworkId([9; 32])).ask();
    let protocol = StreamProtocol::try_from_owned(name).unwrap();
    let slow = Slow {
        ask: request_response::Behaviour::with_codec(
            Crawl { trickles, begun: begun.clone() },
            [(protocol, request_response::ProtocolSupport::Full)],
            request_response::Config::default()
                .with_request_timeout(Duration::from_secs(3_600))
                .with_max_concurrent_streams(STREAMS),
        ),
        ping: ping::Behaviour::default(),
    };
    // Larger than what a stream holds unread.
    let question = Bytes::from(vec![b'q'; 900_000]);
    let foe = tokio::spawn(crawl(raw(3, slow, &a), peer_id(1), question, ended.clone()));
    reaches(&begun, STREAMS).await;
    for id in 0..50 {
        ask(&b, &a, id, vec![b'q'; 4_000]).await;
    }
    for id in 0..50 {
        b.see(1, |e| answered(e, id).flatten().is_some()).await;
    }
    b.publish(Topic::Lane(lane.id), "beside it").await;
    a.hears(1, "beside it").await;
    // And each of the foe's streams is given up by the side that waits for it.
    reaches(&ended, if trickles { STREAMS } else { STREAMS - UNREAD }).await;
    assert_eq!(a.count(|e| matches!(e, MeshEvent::Unlinked(p) if *p == station(2))), 0);
    foe.abort();
}

#[tokio::test]
async fn questions_that_trickle_are_given_up_and_hold_up_nobody_else() {
    honest_ones_are_served_beside(true).await;
}

#[tokio::test]
async fn answers_that_are_never_read_are_given_up_and_hold_up_nobody_else() {
    honest_ones_are_served_beside(false).await;
}

#[tokio::test]
async fn whoever_forwards_what_is_rejected_is_not_shut_out() {
    let lane = lane(1, &[1, 2, 3]);
    let nodes = line(&lane).await;
    for n in 0..300 {
        nodes[0].publish(Topic::Lane(lane.id), format!("rejected {n}")).await;
    }
    nodes[1].see(300, |e| matches!(e, MeshEvent::Heard { .. })).await;
    nodes[0].publish(Topic::Lane(lane.id), "accepted after all").await;
    nodes[2].hears(1, "accepted after all").await;
    nodes[2].publish(Topic::Lane(lane.id), "and the other way").await;
    nodes[0].hears(1, "and the other way").await;
    let gone =
        nodes.iter().map(|n| n.count(|e| matches!(e, MeshEvent::Unlinked(_)))).sum::<usize>();
    assert_eq!(gone, 0, "no line was closed for it");
}

#[tokio::test]
async fn gossip_under_a_borrowed_name_is_not_heard_and_is_not_held_against_its_owner() {
    let lane = lane(1, &[1, 2, 3]);
    let (a, b) = besieged(&lane).await;
    let settings = gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::Permissive)
        .flood_publish(true)
        .build()
        .unwrap();
    let author = gossipsub::MessageAuthenticity::Author(peer_id(2));
    let mut gossip: gossipsub::Behaviour = gossipsub::Behaviour::new(author, settings).unwrap();
    let topic = Names::new(&NetworkId([9; 32])).topic(Topic::Lane(lane.id));
    gossip.subscribe(&topic).unwrap();
    let mut swarm = raw(3, Loud { gossip, ping: ping::Behaviour::default() }, &a);
    let said = Arc::new(AtomicUsize::new(0));
    let count = said.clone();
    let foe = tokio::spawn(async move {
        let mut pace = tokio::time::interval(Duration::from_millis(5));
        for n in 0_u32.. {
            tokio::select! {
                _ = swarm.select_next_some() => {}
                _ = pace.tick() => {
                    let junk = format!("accepted, by no means {n}");
                    let published = swarm.behaviour_mut().gossip.publish(topic.clone(), junk);
                    count.fetch_add(usize::from(published.is_ok()), Ordering::Relaxed);
                }
            }
        }
    });
    reaches(&said, 200).await;
    b.publish(Topic::Lane(lane.id), "its owner").await;
    a.hears(1, "its owner").await;
    let borrowed =
        a.count(|e| matches!(e, MeshEvent::Heard { bytes, .. } if bytes.starts_with(b"accepted")));
    assert_eq!(borrowed, 0);
    assert_eq!(a.count(|e| matches!(e, MeshEvent::Unlinked(p) if *p == station(2))), 0);
    foe.abort();
}
