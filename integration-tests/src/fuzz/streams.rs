//! What stations ask one another: questions, answers, and the frame around both.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use cbm_node::mesh::codec;
use cbm_proto::evidence::{Answer, List, PIECE, Question};
use cbm_proto::id::Digest;
use cbm_proto::limits::{
    BATCH_COUNT, ECHOES, EVIDENCE_ANSWER_MAX, FRAME_MAX, MISSING_MAX, RANGES_MAX, SUMMARY_MAX,
};
use cbm_proto::sync::{Ask, Say};

/// A question that decodes is within its bounds, and says the same when it is written again.
pub(super) fn ask(data: &[u8]) {
    let Ok(ask) = Ask::decode(&Bytes::copy_from_slice(data)) else { return };
    match &ask {
        Ask::Want(numbers, envelopes) => {
            assert!(numbers.len() <= MISSING_MAX as usize && envelopes.len() <= BATCH_COUNT);
            assert!(numbers.iter().all(|run| 0 < run.from && run.from <= run.to));
        }
        Ask::Offer(offer) => {
            assert!(offer.documents.len().max(offer.digests.len()) <= BATCH_COUNT);
        }
        _ => {}
    }
    assert_eq!(Ask::decode(&ask.encode()), Ok(ask));
}

/// An answer likewise.
pub(super) fn say(data: &[u8]) {
    let Ok(say) = Say::decode(&Bytes::copy_from_slice(data)) else { return };
    if let Say::Entries { entries, echoes, .. } = &say {
        assert!(entries.len() <= SUMMARY_MAX && echoes.len() <= ECHOES);
        for entry in entries {
            assert!(entry.above.len() <= RANGES_MAX);
            assert!(entry.runs().windows(2).all(|pair| pair[0].1 < pair[1].0), "runs in order");
        }
    }
    assert_eq!(Say::decode(&say.encode()), Ok(say));
}

/// A question for evidence, an answer to one, a list for some root: what is read is within its bounds
/// and says the same when it is written again; a list that somebody made up is never the root's.
pub(super) fn evidence(data: &[u8]) {
    if let Some(question) = Question::decode(data) {
        assert!((1..=EVIDENCE_ANSWER_MAX).contains(&(question.length as usize)));
        assert_eq!(question.encode(), data);
    }
    let bytes = Bytes::copy_from_slice(data);
    if let Some(answer) = Answer::decode(&bytes, 64) {
        assert!(!matches!(&answer, Answer::Bytes(given) if given.is_empty() || given.len() > 64));
        assert_eq!(answer.encode(), bytes);
    }
    let (root, list) = data.split_at(data.len().min(Digest::LEN));
    if let Some(root) = Digest::from_slice(root) {
        for sealed in [0, 528, (list.len() / Digest::LEN * PIECE) as u64] {
            assert!(List::read(&root, sealed, list.to_vec()).is_err(), "a root was guessed");
        }
    }
}

/// A frame off a stream holds what was announced and no more than is allowed.
pub(super) fn frame(data: &[u8]) {
    let mut stream = data;
    let read = {
        let mut read = pin!(codec::read(&mut stream));
        match read.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(read) => read,
            Poll::Pending => panic!("all bytes are there"),
        }
    };
    let Ok(bytes) = read else { return };
    assert!(bytes.len() <= FRAME_MAX);
    assert_eq!(data[..4], u32::try_from(bytes.len()).expect("bounded").to_be_bytes());
    assert_eq!(data[4..4 + bytes.len()], bytes);
}
