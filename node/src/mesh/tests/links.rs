//! Links: made, lost, held, mended.

use cbm_proto::limits::GOSSIP_MAX;
use tokio::net::{TcpListener, TcpStream};

use super::*;

async fn pair(transport: &str) -> (Node, Node) {
    let a = Node::start(config(1, transport), Membership::default()).await;
    let b = Node::start(config(2, transport), Membership::default()).await;
    join_all(&[&a, &b], &lane(1, &[1, 2])).await;
    (a, b)
}

fn over(event: &MeshEvent, want: Transport) -> bool {
    matches!(event, MeshEvent::Linked { transport, .. } if *transport == want)
}

#[tokio::test]
async fn two_nodes_link_over_quic_and_over_tcp() {
    for (address, transport) in [(QUIC, Transport::Quic), (TCP, Transport::Tcp)] {
        let (a, b) = pair(address).await;
        for node in [&a, &b] {
            assert_eq!(node.count(|e| over(e, transport)), 1);
        }
        let lane = Topic::Lane(LaneId([1; 16]));
        a.publish(lane, "there").await;
        b.hears(1, "there").await;
        b.publish(lane, "and back").await;
        a.hears(1, "and back").await;
    }
}

#[tokio::test]
async fn with_both_offered_quic_is_taken() {
    let both = |n| MeshConfig { listen: vec![TCP.to_owned(), QUIC.to_owned()], ..config(n, QUIC) };
    let a = Node::start(both(1), Membership::default()).await;
    let b = Node::start(both(2), Membership::default()).await;
    assert!(a.listening.len() >= 2);
    join_all(&[&a, &b], &lane(1, &[1, 2])).await;
    assert_eq!(a.count(|e| over(e, Transport::Quic)), 1);
}

#[tokio::test]
async fn a_neighbour_that_stops_is_noticed_and_dialled_again() {
    for transport in [QUIC, TCP] {
        let (a, b) = pair(transport).await;
        let again = MeshConfig { listen: b.listening.clone(), ..config(2, transport) };
        b.stop().await;
        a.unlinked(1, &b).await;
        a.see(1, |e| matches!(e, MeshEvent::Unreachable { .. })).await;
        let membership = Membership { grants: vec![a.grant(true)], lanes: vec![] };
        let b = Node::start(again, membership).await;
        a.linked(2, &b).await;
        b.linked(1, &a).await;
    }
}

#[test]
fn a_neighbour_that_dies_without_a_word_is_noticed() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let (here, there) = (runtime().unwrap(), runtime().unwrap());
    let a = here.block_on(Node::quic(1));
    let b = there.block_on(Node::quic(2));
    here.block_on(a.joins(vec![b.grant(true)], vec![]));
    there.block_on(b.joins(vec![a.grant(true)], vec![]));
    here.block_on(a.linked(1, &b));
    there.shutdown_background();
    here.block_on(a.unlinked(1, &b));
}

#[tokio::test]
async fn a_cut_link_stays_cut_and_mends() {
    let (a, b) = pair(QUIC).await;
    a.tell(MeshCommand::Cut { peer: station(2), on: true }).await;
    a.unlinked(1, &b).await;
    b.unlinked(1, &a).await;
    a.tell(MeshCommand::Dial(station(2))).await;
    for knocks in [2, 4] {
        b.tell(MeshCommand::Dial(station(1))).await;
        a.see(1, |e| matches!(e, MeshEvent::Refused(sums) if sums.held >= knocks)).await;
    }
    for node in [&a, &b] {
        assert_eq!(node.count(|e| matches!(e, MeshEvent::Linked { .. })), 1, "linked while cut");
    }
    a.tell(MeshCommand::Cut { peer: station(2), on: false }).await;
    a.linked(2, &b).await;
    b.linked(2, &a).await;
}

#[tokio::test]
async fn a_link_that_was_hung_up_is_made_again() {
    let (a, b) = pair(TCP).await;
    a.tell(MeshCommand::Hangup(station(2))).await;
    a.unlinked(1, &b).await;
    a.linked(2, &b).await;
    a.publish(Topic::Lane(LaneId([1; 16])), "over the new one").await;
    b.hears(1, "over the new one").await;
}

/// Carries one connection after another to `to`, until it is told to fall silent: then nothing is
/// carried and nothing closed, as on a line that was cut somewhere in the middle. Told that it is
/// broken, a silent one closes at both ends.
async fn carry(listener: TcpListener, to: String, silent: Arc<Notify>, broken: Arc<Notify>) {
    let port = to.rsplit('/').next().unwrap().parse::<u16>().unwrap();
    let mut lines = Vec::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let (silent, broken) = (silent.clone(), broken.clone());
        lines.push(tokio::spawn(async move {
            let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                () = silent.notified() => broken.notified().await,
            }
        }));
    }
}

/// Two nodes linked by a line that can be told to fall silent and to break.
async fn detour(pings: [Duration; 2], lane: &Lane) -> (Node, Node, Arc<Notify>, Arc<Notify>) {
    let tcp = |n, ping| MeshConfig { ping, ..config(n, TCP) };
    let a = Node::start(tcp(1, pings[0]), Membership::default()).await;
    let b = Node::start(tcp(2, pings[1]), Membership::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let line = format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port());
    let (silent, broken) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    tokio::spawn(carry(listener, b.listening[0].clone(), silent.clone(), broken.clone()));
    b.joins(vec![Grant { dial: false, ..a.grant(true) }], vec![lane.clone()]).await;
    a.joins(vec![grant(2, true, &[line])], vec![lane.clone()]).await;
    a.publish(Topic::Lane(lane.id), "over the line").await;
    b.hears(1, "over the line").await;
    (a, b, silent, broken)
}

const QUICK: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_tcp_link_that_falls_silent_is_closed_and_made_again() {
    let lane = lane(1, &[1, 2]);
    let (a, b, silent, _) = detour([QUICK, QUICK], &lane).await;
    silent.notify_waiters();
    // What is under way then is lost; that is the outbox's business.
    for n in 0..8 {
        a.publish(Topic::Lane(lane.id), vec![n; GOSSIP_MAX]).await;
    }
    a.unlinked(1, &b).await;
    b.unlinked(1, &a).await;
    a.linked(2, &b).await;
    b.linked(2, &a).await;
    a.publish(Topic::Lane(lane.id), "over the next").await;
    b.hears(1, "over the next").await;
}

#[tokio::test]
async fn a_link_that_only_one_side_lost_is_made_anew_by_both() {
    let lane = lane(1, &[1, 2]);
    let (a, b, silent, broken) = detour([QUICK, Duration::from_secs(60)], &lane).await;
    silent.notify_waiters();
    // 1 gives the line up and makes a new link, 2 has not noticed: its gossip would not say again
    // on the new one what it has subscribed to.
    a.unlinked(1, &b).await;
    a.linked(2, &b).await;
    assert_eq!(b.count(|e| matches!(e, MeshEvent::Unlinked(_))), 0);
    broken.notify_waiters();
    b.unlinked(1, &a).await;
    a.linked(3, &b).await;
    a.publish(Topic::Lane(lane.id), "over the third").await;
    b.hears(1, "over the third").await;
    b.publish(Topic::Lane(lane.id), "and back").await;
    a.hears(1, "and back").await;
}

#[tokio::test]
async fn dials_that_cross_do_no_harm() {
    let (a, b) = pair(QUIC).await;
    for round in 0..5 {
        a.tell(MeshCommand::Hangup(station(2))).await;
        a.unlinked(round + 1, &b).await;
        b.unlinked(round + 1, &a).await;
        a.tell(MeshCommand::Dial(station(2))).await;
        b.tell(MeshCommand::Dial(station(1))).await;
        a.linked(round + 2, &b).await;
        b.linked(round + 2, &a).await;
    }
    a.publish(Topic::Lane(LaneId([1; 16])), "after all that").await;
    b.hears(1, "after all that").await;
}
