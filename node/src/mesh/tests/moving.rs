//! Stations that change their key or their address.

use super::*;

/// Station 2 as others know it: newest key 12, and 2, the one before.
fn two_keys(addresses: &[String]) -> Grant {
    Grant { peers: vec![public(12), public(2)], ..grant(2, true, addresses) }
}

fn own(n: u8, seed: u8, listen: &str) -> MeshConfig {
    MeshConfig { peer_seed: [seed; 32].into(), ..config(n, listen) }
}

#[tokio::test]
async fn a_station_is_linked_by_its_key_before_and_then_by_its_new_one() {
    for listen in [QUIC, TCP] {
        let one = Node::start(config(1, listen), Membership::default()).await;
        let before = Node::start(own(2, 2, listen), Membership::default()).await;
        // Only node 1 dials: the newest key first, then the one that answers.
        one.joins(vec![two_keys(&before.listening)], vec![]).await;
        before.joins(vec![Grant { dial: false, ..one.grant(true) }], vec![]).await;
        one.linked(1, &before).await;
        let after = Node::start(own(2, 12, listen), Membership::default()).await;
        after.joins(vec![one.grant(true)], vec![]).await;
        one.linked(2, &after).await;
        one.unlinked(1, &before).await;
        before.unlinked(1, &one).await;
        one.tell(MeshCommand::Request { peer: station(2), id: RequestId(7), bytes: "q".into() })
            .await;
        one.see(1, |e| matches!(e, MeshEvent::Answered { answer: Some(a), .. } if a == "q")).await;
        one.stop().await;
        before.stop().await;
        after.stop().await;
    }
}

#[tokio::test]
async fn a_key_before_takes_no_link_away_from_the_new_one() {
    let one = Node::quic(1).await;
    let thief = Node::start(own(2, 2, QUIC), Membership::default()).await;
    let after = Node::start(own(2, 12, QUIC), Membership::default()).await;
    one.joins(vec![two_keys(&after.listening)], vec![]).await;
    thief.joins(vec![one.grant(true)], vec![]).await;
    one.linked(1, &after).await;
    after.joins(vec![one.grant(true)], vec![]).await;
    after.linked(1, &one).await;
    // It dials again and again, at most half a second apart.
    let changed = one.see(3, |e| matches!(e, MeshEvent::Linked { .. }));
    assert!(timeout(Duration::from_secs(2), changed).await.is_err(), "the link was taken");
    assert_eq!(after.count(|e| matches!(e, MeshEvent::Unlinked(_))), 0);
}

#[tokio::test]
async fn a_station_that_listens_elsewhere_too_keeps_its_links_and_is_found_there() {
    let one = Node::quic(1).await;
    let two = Node::quic(2).await;
    one.joins(vec![two.grant(true)], vec![]).await;
    two.joins(vec![Grant { dial: false, ..one.grant(true) }], vec![]).await;
    one.linked(1, &two).await;
    let (here, there) = (QUIC.to_owned(), free_udp());
    assert!(two.listens(vec![here.clone(), there.clone()]).await.is_ok());
    let nowhere = vec![here, "/ip4/203.0.113.77/tcp/1".to_owned()];
    let text = two.listens(nowhere).await.unwrap_err().to_string();
    assert!(text.contains("203.0.113.77"), "{text}");
    one.joins(vec![grant(2, true, std::slice::from_ref(&there))], vec![]).await;
    assert_eq!(one.count(|e| matches!(e, MeshEvent::Unlinked(_))), 0, "the link stands");
    // A link over an address that is given up ends; it is made anew where the station is now.
    assert!(two.listens(vec![there]).await.is_ok());
    one.linked(2, &two).await;
}

#[tokio::test]
async fn a_new_address_is_dialled_at_once() {
    let slow = (Duration::from_secs(600), Duration::from_secs(600));
    let settings = MeshConfig { redial: slow, ..config(1, QUIC) };
    let one = Node::start(settings, Membership::default()).await;
    let two = Node::quic(2).await;
    two.joins(vec![Grant { dial: false, ..one.grant(true) }], vec![]).await;
    one.joins(vec![grant(2, true, &["/ip4/127.0.0.1/tcp/1".to_owned()])], vec![]).await;
    one.see(1, |e| matches!(e, MeshEvent::Unreachable { .. })).await;
    one.joins(vec![two.grant(true)], vec![]).await;
    one.linked(1, &two).await;
}

impl Node {
    async fn listens(&self, addresses: Vec<String>) -> Result<(), MeshError> {
        let (reply, heard) = oneshot::channel();
        self.tell(MeshCommand::Listen { addresses, reply }).await;
        heard.await.unwrap()
    }
}

fn free_udp() -> String {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    format!("/ip4/127.0.0.1/udp/{}/quic-v1", socket.local_addr().unwrap().port())
}
