//! Who may what: strangers, observers, lanes, changes of membership.

use libp2p::{
    Multiaddr, SwarmBuilder, futures::StreamExt, ping, swarm::SwarmEvent, tcp, tls, yamux,
};

use super::*;

/// Dials with a key that nobody knows. True if anything was exchanged before the end.
async fn stranger_gets_a_stream(address: Multiaddr) -> bool {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), tls::Config::new, yamux::Config::default)
        .unwrap()
        .with_quic()
        .with_behaviour(|_| ping::Behaviour::default())
        .unwrap()
        .build();
    swarm.dial(address).unwrap();
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(ping::Event { result: Ok(_), .. }) => return true,
            SwarmEvent::ConnectionClosed { .. } | SwarmEvent::OutgoingConnectionError { .. } => {
                return false;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_stranger_is_refused_before_any_stream() {
    for transport in [QUIC, TCP] {
        let a = Node::start(config(1, transport), Membership::default()).await;
        let address = a.listening[0].parse().unwrap();
        let got = timeout(PATIENCE, stranger_gets_a_stream(address)).await.unwrap();
        assert!(!got, "a stranger had its ping answered over {transport}");
        a.see(1, |e| matches!(e, MeshEvent::Refused(sums) if sums.strangers == 1)).await;
        assert_eq!(a.count(|e| matches!(e, MeshEvent::Linked { .. })), 0);
    }
}

#[tokio::test]
async fn whoever_loses_its_grant_is_put_out_and_stays_out() {
    let (a, b) = (Node::quic(1).await, Node::quic(2).await);
    join_all(&[&a, &b], &lane(1, &[1, 2])).await;
    a.joins(vec![], vec![lane(1, &[1])]).await;
    a.unlinked(1, &b).await;
    b.unlinked(1, &a).await;
    a.see(1, |e| matches!(e, MeshEvent::Refused(sums) if sums.strangers >= 2)).await;
    assert_eq!(b.count(|e| matches!(e, MeshEvent::Linked { .. })), 1, "let in again");
}

#[tokio::test]
async fn an_observer_neither_hears_a_lane_nor_speaks_on_it() {
    let lane = lane(1, &[1, 2, 3]);
    let (a, b, o) = (Node::quic(1).await, Node::quic(2).await, Node::quic(3).await);
    a.joins(vec![b.grant(true), o.grant(false)], vec![lane.clone()]).await;
    b.joins(vec![a.grant(true), o.grant(false)], vec![lane.clone()]).await;
    // The observer behaves as if it were a state, and joins the lane.
    o.joins(vec![a.grant(true), b.grant(true)], vec![lane.clone()]).await;
    for (one, other) in [(&a, &b), (&a, &o), (&b, &o), (&o, &a), (&o, &b)] {
        one.linked(1, other).await;
    }
    for round in 0..20 {
        let (secret, forged) = (format!("for states {round}"), format!("from observer {round}"));
        a.publish(Topic::Lane(lane.id), secret.clone()).await;
        o.publish(Topic::Lane(lane.id), forged).await;
        b.hears(1, &secret).await;
    }
    let on_lane = |e: &MeshEvent| matches!(e, MeshEvent::Heard { topic: Topic::Lane(_), .. });
    assert_eq!(o.count(on_lane), 0, "an observer heard a lane");
    assert_eq!(b.count(on_lane), 20, "an observer spoke on a lane");
    assert_eq!(a.count(on_lane), 0, "an observer spoke on a lane");
}

#[tokio::test]
async fn a_state_in_a_lane_it_is_no_member_of_is_put_out() {
    let (theirs, ours) = (lane(1, &[1, 2]), lane(1, &[1]));
    let (a, b) = (Node::quic(1).await, Node::quic(2).await);
    a.joins(vec![b.grant(true)], vec![ours.clone()]).await;
    b.joins(vec![a.grant(true)], vec![theirs]).await;
    a.see(1, |e| matches!(e, MeshEvent::Refused(sums) if sums.trespass >= 1)).await;
    b.publish(Topic::Lane(ours.id), "trespass").await;
    a.see(1, |e| matches!(e, MeshEvent::Refused(sums) if sums.trespass >= 2)).await;
    a.see(2, |e| matches!(e, MeshEvent::Trespassed(who) if *who == station(2))).await;
    assert_eq!(a.count(|e| matches!(e, MeshEvent::Heard { .. })), 0);
}

#[tokio::test]
async fn a_lane_that_loses_a_member_puts_it_out() {
    let (a, b) = (Node::quic(1).await, Node::quic(2).await);
    join_all(&[&a, &b], &lane(1, &[1, 2])).await;
    a.publish(Topic::Lane(LaneId([1; 16])), "while a member").await;
    b.hears(1, "while a member").await;
    a.joins(vec![b.grant(true)], vec![lane(1, &[1])]).await;
    a.see(1, |e| matches!(e, MeshEvent::Refused(sums) if sums.trespass >= 1)).await;
    a.unlinked(1, &b).await;
}

#[tokio::test]
async fn an_observer_that_becomes_a_state_changes_meshes() {
    let lane = lane(1, &[1, 2]);
    let (a, b) = (Node::quic(1).await, Node::quic(2).await);
    a.joins(vec![b.grant(false)], vec![lane.clone()]).await;
    b.joins(vec![a.grant(false)], vec![]).await;
    a.linked(1, &b).await;
    b.linked(1, &a).await;
    a.joins(vec![b.grant(true)], vec![lane.clone()]).await;
    b.joins(vec![a.grant(true)], vec![lane.clone()]).await;
    a.unlinked(1, &b).await;
    a.linked(2, &b).await;
    a.publish(Topic::Lane(lane.id), "welcome").await;
    b.hears(1, "welcome").await;
}
