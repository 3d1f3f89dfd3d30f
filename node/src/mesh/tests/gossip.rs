//! Gossip: verdicts, forwarding, sizes, repeats, and the crossing of beacons.

use cbm_proto::limits::GOSSIP_MAX;

use super::*;

#[tokio::test]
async fn what_is_accepted_goes_on_and_nothing_else_does() {
    let lane = lane(1, &[1, 2, 3]);
    let nodes = line(&lane).await;
    for text in ["ignored", "rejected", "accepted"] {
        nodes[0].publish(Topic::Lane(lane.id), text).await;
        nodes[1].hears(1, text).await;
    }
    nodes[2].hears(1, "accepted").await;
    nodes[0].publish(Topic::Lane(lane.id), "also accepted").await;
    nodes[2].hears(1, "also accepted").await;
    let stopped = nodes[2].count(|e| heard(e, b"ignored") || heard(e, b"rejected"));
    assert_eq!(stopped, 0, "a message went on without being accepted");
    assert_eq!(nodes[0].count(|e| matches!(e, MeshEvent::Heard { .. })), 0, "heard oneself");
}

#[tokio::test]
async fn frames_near_the_limit_all_arrive() {
    for transport in [QUIC, TCP] {
        let lane = lane(1, &[1, 2]);
        let a = Node::start(config(1, transport), Membership::default()).await;
        let b = Node::start(config(2, transport), Membership::default()).await;
        join_all(&[&a, &b], &lane).await;
        for n in 0..24 {
            a.publish(Topic::Lane(lane.id), vec![b'A' + n; GOSSIP_MAX]).await;
            a.publish(Topic::Lane(lane.id), vec![b'A' + n; 9_000]).await;
        }
        b.see(48, |e| matches!(e, MeshEvent::Heard { .. })).await;
        b.publish(Topic::Lane(lane.id), "and back").await;
        a.hears(1, "and back").await;
    }
}

#[tokio::test]
async fn too_long_for_gossip_is_not_published_and_harms_nothing() {
    let lane = lane(1, &[1, 2]);
    let (a, b) = (Node::quic(1).await, Node::quic(2).await);
    join_all(&[&a, &b], &lane).await;
    a.publish(Topic::Lane(lane.id), vec![b'x'; GOSSIP_MAX + 1]).await;
    a.publish(Topic::Lane(lane.id), "after").await;
    b.hears(1, "after").await;
    assert_eq!(b.count(|e| matches!(e, MeshEvent::Heard { .. })), 1);
}

#[tokio::test]
async fn a_repeated_publish_is_heard_once() {
    let lane = lane(1, &[1, 2]);
    let (a, b) = (Node::quic(1).await, Node::quic(2).await);
    join_all(&[&a, &b], &lane).await;
    for _ in 0..3 {
        a.publish(Topic::Lane(lane.id), "said three times").await;
    }
    a.publish(Topic::Lane(lane.id), "last").await;
    b.hears(1, "last").await;
    assert_eq!(b.count(|e| heard(e, b"said three times")), 1);
}

#[tokio::test]
async fn junk_that_begins_like_a_message_does_not_silence_it() {
    let lane = lane(1, &[1, 2, 3]);
    let nodes = line(&lane).await;
    nodes[0].publish(Topic::Lane(lane.id), "header, junk").await;
    nodes[1].hears(1, "header, junk").await;
    nodes[0].publish(Topic::Lane(lane.id), "header, true body").await;
    nodes[2].hears(1, "header, true body").await;
}

#[tokio::test]
async fn what_nobody_could_hear_is_said_again_to_the_first_who_can() {
    let lane = lane(1, &[1, 2]);
    let (a, b) = (Node::quic(1).await, Node::quic(2).await);
    a.joins(vec![b.grant(true)], vec![lane.clone()]).await;
    a.publish(Topic::Lane(lane.id), "said into the void").await;
    b.joins(vec![a.grant(true)], vec![lane]).await;
    b.hears(1, "said into the void").await;
}

#[tokio::test]
async fn a_lane_joined_later_works_both_ways() {
    let first = lane(1, &[1, 2]);
    let second = lane(2, &[1, 2]);
    let (a, b) = (Node::quic(1).await, Node::quic(2).await);
    join_all(&[&a, &b], &first).await;
    a.joins(vec![b.grant(true)], vec![first.clone(), second.clone()]).await;
    b.joins(vec![a.grant(true)], vec![second.clone()]).await;
    a.publish(Topic::Lane(second.id), "from a").await;
    b.hears(1, "from a").await;
    b.publish(Topic::Lane(second.id), "from b").await;
    a.hears(1, "from b").await;
}

/// 1 and 2 are states; 3 is an observer, linked with 2 only.
async fn two_states_and_an_observer() -> [Node; 3] {
    let only = |n, m: &[u8]| MeshConfig {
        only_links: Some(m.iter().map(|m| station(*m)).collect()),
        ..config(n, QUIC)
    };
    let a = Node::start(only(1, &[2]), Membership::default()).await;
    let b = Node::start(only(2, &[1, 3]), Membership::default()).await;
    let o = Node::start(only(3, &[2]), Membership::default()).await;
    a.joins(vec![b.grant(true), o.grant(false)], vec![lane(1, &[1, 2])]).await;
    b.joins(vec![a.grant(true), o.grant(false)], vec![lane(1, &[1, 2])]).await;
    o.joins(vec![a.grant(false), b.grant(false)], vec![]).await;
    for (one, other) in [(&a, &b), (&b, &a), (&b, &o), (&o, &b)] {
        one.linked(1, other).await;
    }
    [a, b, o]
}

#[tokio::test]
async fn beacons_cross_between_the_meshes_once() {
    let [a, b, o] = two_states_and_an_observer().await;
    // Beacons are not kept for later subscribers, so they are said until they are heard.
    for round in 0..100 {
        let (from_a, from_o) = (format!("beacon of a {round}"), format!("beacon of o {round}"));
        a.publish(Topic::Beacon, from_a.clone()).await;
        o.publish(Topic::Beacon, from_o.clone()).await;
        let both = async {
            while o.count(|e| heard(e, from_a.as_bytes())) == 0
                || a.count(|e| heard(e, from_o.as_bytes())) == 0
            {
                tokio::task::yield_now().await;
            }
        };
        if timeout(Duration::from_millis(500), both).await.is_ok() {
            for node in [&a, &b, &o] {
                assert!(node.count(|e| heard(e, from_a.as_bytes())) <= 1);
                assert!(node.count(|e| heard(e, from_o.as_bytes())) <= 1);
            }
            return;
        }
    }
    panic!("no beacon crossed");
}

#[tokio::test]
async fn a_letter_reaches_all_over_few_links_each() {
    const COUNT: u8 = 16;
    let lane = lane(1, &(1..=COUNT).collect::<Vec<_>>());
    let mut nodes = Vec::new();
    for n in 1..=COUNT {
        let few = MeshConfig { links_target: 4, ..config(n, QUIC) };
        nodes.push(Node::start(few, Membership::default()).await);
    }
    for node in &nodes {
        let others = nodes.iter().filter(|other| other.n != node.n);
        node.joins(others.map(|o| o.grant(true)).collect(), vec![lane.clone()]).await;
    }
    for node in &nodes {
        node.see(3, |e| matches!(e, MeshEvent::Linked { .. })).await;
    }
    // Gossip promises nothing, on a busy machine least of all: one letter of some must reach all.
    for round in 0..60 {
        let text = format!("letter {round}");
        nodes[0].publish(Topic::Lane(lane.id), text.clone()).await;
        let all = async {
            for node in &nodes[1..] {
                node.hears(1, &text).await;
            }
        };
        if timeout(Duration::from_secs(1), all).await.is_ok() {
            let links = |node: &Node| node.count(|e| matches!(e, MeshEvent::Linked { .. }));
            assert!(links(&nodes[0]) < usize::from(COUNT) - 1, "linked with all of them");
            return;
        }
    }
    panic!("no letter reached all");
}
