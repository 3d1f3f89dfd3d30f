//! Questions for evidence: between members of role STATE, behind those about letters.

use cbm_proto::{event::RequestId, evidence::Answer};

use super::*;

/// Asks for evidence; gives it whatever waits at the other end.
async fn fetch(from: &Node, to: &Node) -> oneshot::Receiver<Option<Bytes>> {
    let (reply, answer) = oneshot::channel();
    let (peer, bytes) = (station(to.n), Bytes::from_static(b"which"));
    from.tell(MeshCommand::Fetch { peer, bytes, reply }).await;
    answer
}

async fn give(node: &Node, times: usize) {
    node.see(times, |e| matches!(e, MeshEvent::Wanted { .. })).await;
    let tokens: Vec<Token> = {
        let log = node.log.lock().unwrap();
        let wanted = |e: &MeshEvent| match e {
            MeshEvent::Wanted { token, bytes } if bytes == "which" => Some(*token),
            _ => None,
        };
        log.iter().filter_map(wanted).collect()
    };
    for token in tokens {
        node.tell(MeshCommand::Give { token, bytes: Bytes::from_static(b"this") }).await;
    }
}

async fn came(answer: oneshot::Receiver<Option<Bytes>>) -> Option<Bytes> {
    timeout(PATIENCE, answer).await.unwrap().unwrap_or(None)
}

#[tokio::test]
async fn evidence_is_asked_for_and_given_and_a_lost_link_ends_it() {
    let (a, b) = (Node::quic(1).await, Node::quic(2).await);
    assert_eq!(came(fetch(&a, &b).await).await, None, "nobody is linked");
    join_all(&[&a, &b], &lane(1, &[1, 2])).await;
    let answer = fetch(&a, &b).await;
    give(&b, 1).await;
    assert_eq!(came(answer).await.unwrap(), "this");
    let answer = fetch(&a, &b).await;
    b.see(2, |e| matches!(e, MeshEvent::Wanted { .. })).await;
    b.stop().await;
    assert_eq!(came(answer).await, None);
}

#[tokio::test]
async fn while_something_is_asked_about_letters_evidence_waits() {
    let (a, b) = (Node::quic(1).await, Node::quic(2).await);
    join_all(&[&a, &b], &lane(1, &[1, 2])).await;
    let (peer, bytes) = (station(2), Bytes::from_static(b"silence"));
    a.tell(MeshCommand::Request { peer, id: RequestId(1), bytes }).await;
    b.see(1, |e| matches!(e, MeshEvent::Asked { .. })).await;
    let waits = fetch(&a, &b).await;
    // Of whoever waits for an answer about letters nothing is had either.
    let later = came(fetch(&b, &a).await).await.unwrap();
    assert_eq!(Answer::decode(&later, 1), Some(Answer::Later));
    assert_eq!(b.count(|e| matches!(e, MeshEvent::Wanted { .. })), 0);
    // The question about letters ends without an answer, in its own time.
    a.see(1, |e| matches!(e, MeshEvent::Answered { answer: None, .. })).await;
    give(&b, 1).await;
    assert_eq!(came(waits).await.unwrap(), "this");
}

#[tokio::test]
async fn an_observer_has_no_stream_of_evidence() {
    let (a, b) = (Node::quic(1).await, Node::quic(2).await);
    for (node, other) in [(&a, &b), (&b, &a)] {
        let grants = vec![grant(other.n, false, &other.listening)];
        node.tell(MeshCommand::Membership(Membership { grants, lanes: Vec::new() })).await;
    }
    a.linked(1, &b).await;
    b.linked(1, &a).await;
    assert_eq!(came(fetch(&a, &b).await).await, None);
    assert_eq!(came(fetch(&b, &a).await).await, None);
    assert_eq!(a.count(|e| matches!(e, MeshEvent::Wanted { .. })), 0);
    assert_eq!(b.count(|e| matches!(e, MeshEvent::Wanted { .. })), 0);
}
