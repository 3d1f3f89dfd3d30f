//! Our questions for evidence: those under way and those that wait for their turn. Pure.
//!
//! Evidence comes after letters: no question for it goes to a peer while a question about letters
//! waits there or is under way, and never more than [`EVIDENCE_ASKED_PER_PEER`] are. Invariant: each
//! question taken ends in one answer or in its sender's end. Called by `task` only.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

use bytes::Bytes;
use cbm_proto::{id::StationId, limits::EVIDENCE_ASKED_PER_PEER};
use tokio::sync::oneshot;

use super::settings::FETCHES_WAITING;

/// Where the answer goes; `None` when there is none.
pub(super) type Reply = oneshot::Sender<Option<Bytes>>;

/// See the module. `K` is libp2p's name of a question under way.
#[derive(Debug)]
pub(super) struct Fetches<K> {
    waiting: VecDeque<(StationId, Bytes, Reply)>,
    under_way: HashMap<K, (StationId, Reply)>,
}

impl<K> Default for Fetches<K> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), under_way: HashMap::new() }
    }
}

impl<K: Eq + Hash> Fetches<K> {
    /// Takes a question. Above the bound it ends at once.
    pub(super) fn take(&mut self, peer: StationId, bytes: Bytes, reply: Reply) {
        if self.waiting.len() < FETCHES_WAITING {
            self.waiting.push_back((peer, bytes, reply));
        } else {
            // Whoever asked may be gone.
            let _ = reply.send(None);
        }
    }

    /// The next question to this peer that somebody still waits for; `begun` must follow.
    pub(super) fn next(&mut self, peer: StationId) -> Option<(Bytes, Reply)> {
        let under_way = self.under_way.values().filter(|(of, _)| *of == peer).count();
        if under_way >= EVIDENCE_ASKED_PER_PEER {
            return None;
        }
        self.waiting.retain(|(_, _, reply)| !reply.is_closed());
        let at = self.waiting.iter().position(|(of, ..)| *of == peer)?;
        self.waiting.remove(at).map(|(_, bytes, reply)| (bytes, reply))
    }

    /// A question from `next` is under way as `key`.
    pub(super) fn begun(&mut self, key: K, peer: StationId, reply: Reply) {
        self.under_way.insert(key, (peer, reply));
    }

    /// A question under way has ended, either way.
    pub(super) fn ended(&mut self, key: &K, answer: Option<Bytes>) -> Option<StationId> {
        let (peer, reply) = self.under_way.remove(key)?;
        // Whoever asked may be gone.
        let _ = reply.send(answer);
        Some(peer)
    }

    /// The peer is gone: what waits for it ends here, what is under way ends by itself.
    pub(super) fn gone(&mut self, peer: StationId) {
        self.waiting.retain(|(of, ..)| *of != peer);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PEER: StationId = StationId([1; 16]);

    #[test]
    fn few_are_under_way_and_each_one_ends() {
        let mut fetches: Fetches<u64> = Fetches::default();
        let mut answers = Vec::new();
        for n in 0..4_u8 {
            let (reply, answer) = oneshot::channel();
            fetches.take(PEER, Bytes::from(vec![n]), reply);
            answers.push(answer);
        }
        drop(answers.remove(1));
        for key in 0..EVIDENCE_ASKED_PER_PEER as u64 {
            let (bytes, reply) = fetches.next(PEER).unwrap();
            assert_ne!(bytes[0], 1, "nobody waits for that one any more");
            fetches.begun(key, PEER, reply);
        }
        assert!(fetches.next(PEER).is_none());
        assert_eq!(fetches.ended(&0, Some(Bytes::from_static(b"x"))), Some(PEER));
        assert_eq!(answers[0].try_recv().unwrap().unwrap(), "x");
        assert!(fetches.next(StationId([2; 16])).is_none(), "of another peer");
        fetches.gone(PEER);
        assert!(fetches.next(PEER).is_none());
        assert!(answers[2].try_recv().is_err());
    }

    #[test]
    fn above_the_bound_a_question_ends_at_once() {
        let mut fetches: Fetches<u64> = Fetches::default();
        let mut last = None;
        for _ in 0..=FETCHES_WAITING {
            let (reply, answer) = oneshot::channel();
            fetches.take(PEER, Bytes::new(), reply);
            last = Some(answer);
        }
        assert_eq!(last.unwrap().try_recv().unwrap(), None);
    }
}
