//! Questions and answers.

use cbm_proto::{event::RequestId, limits::FRAME_MAX};

use super::*;

pub(super) fn answered(event: &MeshEvent, want: u64) -> Option<Option<&Bytes>> {
    match event {
        MeshEvent::Answered { id, answer, .. } if id.0 == want => Some(answer.as_ref()),
        _ => None,
    }
}

pub(super) async fn ask(from: &Node, to: &Node, id: u64, bytes: impl Into<Vec<u8>>) {
    let (peer, bytes) = (station(to.n), Bytes::from(bytes.into()));
    from.tell(MeshCommand::Request { peer, id: RequestId(id), bytes }).await;
}

#[tokio::test]
async fn questions_up_to_the_largest_are_answered() {
    let (a, b) = (Node::quic(1).await, Node::quic(2).await);
    join_all(&[&a, &b], &lane(1, &[1, 2])).await;
    for (id, length) in [(1, 0), (2, 7), (3, FRAME_MAX)] {
        ask(&a, &b, id, vec![b'q'; length]).await;
        a.see(1, |e| answered(e, id).flatten().is_some_and(|a| a.len() == length)).await;
    }
    ask(&a, &b, 4, vec![b'q'; FRAME_MAX + 1]).await;
    a.see(1, |e| answered(e, 4) == Some(None)).await;
    ask(&b, &a, 5, "the other way").await;
    b.see(1, |e| answered(e, 5).flatten().is_some()).await;
}

#[tokio::test]
async fn many_questions_at_once_are_all_answered() {
    let (a, b) = (Node::quic(1).await, Node::quic(2).await);
    join_all(&[&a, &b], &lane(1, &[1, 2])).await;
    // Far above what a connection carries at once, and in both directions.
    for id in 0..600 {
        ask(&a, &b, id, vec![b'q'; 4_000]).await;
        ask(&b, &a, id, vec![b'q'; 4_000]).await;
    }
    for node in [&a, &b] {
        node.see(600, |e| matches!(e, MeshEvent::Answered { answer: Some(_), .. })).await;
    }
}

#[tokio::test]
async fn a_question_without_a_link_or_without_an_answer_ends() {
    let (a, b) = (Node::quic(1).await, Node::quic(2).await);
    ask(&a, &b, 1, "nobody there").await;
    a.see(1, |e| answered(e, 1) == Some(None)).await;
    join_all(&[&a, &b], &lane(1, &[1, 2])).await;
    ask(&a, &b, 2, "silence").await;
    b.see(1, |e| matches!(e, MeshEvent::Asked { .. })).await;
    b.stop().await;
    a.see(1, |e| answered(e, 2) == Some(None)).await;
}
