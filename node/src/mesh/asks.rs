//! Our questions to other stations: those under way and those that wait their turn. Pure.
//!
//! libp2p drops streams without a word, of either direction, when a connection has more than its
//! share; so no more than [`ASKED_PER_PEER`] questions to one peer are ever under way, and there
//! is room for as many of its own.
//!
//! Invariant: each question taken is in exactly one place, waiting or under way, until it ends;
//! all of them together are at most [`REQUESTS_WAITING`]. Called by `task` only.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::Hash,
};

use bytes::Bytes;
use cbm_proto::{event::RequestId, id::StationId};

use super::settings::{ASKED_PER_PEER, REQUESTS_WAITING};

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<(RequestId, Bytes)>,
    under_way: usize,
}

/// See the module. `K` is libp2p's name of a question under way.
#[derive(Debug)]
pub(super) struct Asks<K> {
    lines: BTreeMap<StationId, Line>,
    under_way: HashMap<K, (StationId, RequestId)>,
    waiting: usize,
}

impl<K> Default for Asks<K> {
    fn default() -> Self {
        Self { lines: BTreeMap::new(), under_way: HashMap::new(), waiting: 0 }
    }
}

impl<K: Eq + Hash> Asks<K> {
    /// Takes a question; false if there are too many already.
    pub(super) fn take(&mut self, peer: StationId, id: RequestId, bytes: Bytes) -> bool {
        let room = self.waiting + self.under_way.len() < REQUESTS_WAITING;
        if room {
            self.lines.entry(peer).or_default().waiting.push_back((id, bytes));
            self.waiting += 1;
        }
        room
    }

    /// The next question to this peer, if its turn has come; `begun` must follow.
    pub(super) fn next(&mut self, peer: StationId) -> Option<(RequestId, Bytes)> {
        let line = self.lines.get_mut(&peer).filter(|line| line.under_way < ASKED_PER_PEER)?;
        let next = line.waiting.pop_front()?;
        self.waiting -= 1;
        Some(next)
    }

    /// A question from `next` is under way as `key`.
    pub(super) fn begun(&mut self, key: K, peer: StationId, id: RequestId) {
        self.lines.entry(peer).or_default().under_way += 1;
        self.under_way.insert(key, (peer, id));
    }

    /// A question under way has ended, either way.
    pub(super) fn ended(&mut self, key: &K) -> Option<(StationId, RequestId)> {
        let (peer, id) = self.under_way.remove(key)?;
        if let Some(line) = self.lines.get_mut(&peer) {
            line.under_way -= 1;
        }
        self.tidy(peer);
        Some((peer, id))
    }

    /// Whether anything is asked of this peer, or waits to be.
    pub(super) fn busy(&self, peer: StationId) -> bool {
        self.lines.contains_key(&peer)
    }

    /// The peer is gone: what waits for it ends here, what is under way ends by itself.
    pub(super) fn gone(&mut self, peer: StationId) -> Vec<RequestId> {
        let waiting = self.lines.get_mut(&peer).map(|line| std::mem::take(&mut line.waiting));
        let ended: Vec<_> = waiting.into_iter().flatten().map(|(id, _)| id).collect();
        self.waiting -= ended.len();
        self.tidy(peer);
        ended
    }

    fn tidy(&mut self, peer: StationId) {
        if self.lines.get(&peer).is_some_and(|l| l.under_way == 0 && l.waiting.is_empty()) {
            self.lines.remove(&peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: StationId = StationId([1; 16]);

    #[test]
    fn turns_come_as_answers_do() {
        let mut asks = Asks::default();
        let count = ASKED_PER_PEER as u64 + 3;
        for id in 0..count {
            assert!(asks.take(PEER, RequestId(id), Bytes::new()));
        }
        let mut begun = 0;
        while let Some((id, _)) = asks.next(PEER) {
            assert_eq!(id.0, begun, "in the order taken");
            asks.begun(begun, PEER, id);
            begun += 1;
        }
        assert_eq!(begun, ASKED_PER_PEER as u64);
        assert_eq!(asks.ended(&5), Some((PEER, RequestId(5))));
        assert_eq!(asks.ended(&5), None);
        assert_eq!(asks.next(PEER).map(|(id, _)| id.0), Some(begun));
        asks.begun(begun, PEER, RequestId(begun));
        assert_eq!(asks.gone(PEER).len(), 2);
        for key in (0..=begun).filter(|key| *key != 5) {
            assert!(asks.ended(&key).is_some());
        }
        assert!(asks.lines.is_empty() && asks.under_way.is_empty() && asks.waiting == 0);
    }

    #[test]
    fn above_the_bound_nothing_is_taken() {
        let mut asks: Asks<u64> = Asks::default();
        for id in 0..REQUESTS_WAITING as u64 {
            assert!(asks.take(PEER, RequestId(id), Bytes::new()));
        }
        assert!(!asks.take(StationId([2; 16]), RequestId(0), Bytes::new()));
        asks.gone(PEER);
        assert!(asks.take(PEER, RequestId(0), Bytes::new()));
    }
}
