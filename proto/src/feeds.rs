//! What is held of each feed: everything up to a mark, and ranges above it (`docs/spec/sync.md`).
//!
//! Level 4, called by `Station` for every envelope that is verified and for every claim that a
//! peer makes in a summary. Invariants: the mark never passes a hole; a number once held is never
//! held as something else without a [`Novelty::Fork`]; no claim of a peer, however large, makes
//! this structure grow beyond its bounds (I11).

use std::collections::{BTreeMap, BTreeSet};

use crate::dump::{dumped, dumped_inside};
use crate::id::{Digest, EnvelopeId, FeedId, StationId};
use crate::limits::{DIGESTS_PER_FEED, FORKS_PER_FEED, MISSING_MAX, RANGES_MAX};

/// A run of numbers, both ends included.
pub type Run = (u64, u64);

/// What one more envelope means for its feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// The number was not held.
    New,
    /// The same header is held.
    Copy,
    /// Another header of the same number is held: its author equivocated.
    Fork(EnvelopeId),
}

/// One feed as it is held here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feed {
    mark: u64,
    head: Option<EnvelopeId>,
    above: Ranges,
    recent: BTreeMap<u64, (EnvelopeId, Digest)>,
    forks: BTreeSet<EnvelopeId>,
    broken: bool,
}

/// Disjoint, merged runs of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(BTreeMap<u64, u64>);

dumped!(Feed { mark, head, above, recent, forks, broken });

dumped_inside!(Ranges Feeds);

impl Ranges {
    /// Adds one number, merging with its neighbours.
    pub fn insert(&mut self, n: u64) {
        if self.contains(n) {
            return;
        }
        let from = match self.0.range(..n).next_back() {
            Some((&from, &to)) if to + 1 == n => from,
            _ => n,
        };
        let to = self.0.remove(&n.saturating_add(1)).unwrap_or(n);
        self.0.insert(from, to);
    }

    /// Whether the number is in one of the runs.
    #[must_use]
    pub fn contains(&self, n: u64) -> bool {
        self.0.range(..=n).next_back().is_some_and(|(_, &to)| n <= to)
    }

    /// The runs in order.
    pub fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        self.0.iter().map(|(&from, &to)| (from, to))
    }

    /// The largest number held.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.0.values().next_back().copied()
    }

    fn take_from(&mut self, n: u64) -> Option<u64> {
        self.0.remove(&n)
    }
}

impl Feed {
    /// Everything up to and including this number is held.
    #[must_use]
    pub const fn mark(&self) -> u64 {
        self.mark
    }

    /// Digest of the header at the mark; `None` while the mark is 0, and where so much is held above
    /// it that the digest is not remembered.
    #[must_use]
    pub const fn head(&self) -> Option<EnvelopeId> {
        self.head
    }

    /// The runs held above the mark, at most [`RANGES_MAX`], and whether there are more.
    #[must_use]
    pub fn above(&self) -> (Vec<Run>, bool) {
        let runs: Vec<Run> = self.above.runs().take(RANGES_MAX).collect();
        let more = self.above.runs().nth(RANGES_MAX).is_some();
        (runs, more)
    }

    /// The largest number held.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.above.last().unwrap_or(self.mark)
    }

    /// Whether a header named a predecessor that is not the one held, or a number was used twice.
    #[must_use]
    pub const fn broken(&self) -> bool {
        self.broken
    }

    /// Whether this number is held.
    #[must_use]
    pub fn holds(&self, seq: u64) -> bool {
        seq <= self.mark || self.above.contains(seq)
    }

    /// Whether this header is remembered, as the first of its number or as another one.
    #[must_use]
    pub fn knows(&self, seq: u64, id: &EnvelopeId) -> bool {
        self.forks.contains(id) || self.recent.get(&seq).is_some_and(|(held, _)| held == id)
    }

    /// What an envelope would mean, without taking it.
    #[must_use]
    pub fn judge(&self, seq: u64, id: EnvelopeId) -> Novelty {
        match self.recent.get(&seq) {
            Some(_) if self.knows(seq, &id) || self.forks.len() >= FORKS_PER_FEED => Novelty::Copy,
            Some((held, _)) => Novelty::Fork(*held),
            None if self.holds(seq) => Novelty::Copy,
            None => Novelty::New,
        }
    }

    /// The header held that cannot stand beside this one: another of the same number, the one before
    /// it that it denies, or the one after it that denies it.
    #[must_use]
    pub fn contradicts(&self, seq: u64, id: EnvelopeId, prev: Digest) -> Option<EnvelopeId> {
        let held = |n: Option<u64>| n.and_then(|n| self.recent.get(&n));
        if let Some((same, _)) = held(Some(seq)) {
            return (*same != id && !self.forks.contains(&id)).then_some(*same);
        }
        let before = held(seq.checked_sub(1)).filter(|(before, _)| before.0 != prev.0);
        let after = held(seq.checked_add(1)).filter(|(_, denies)| denies.0 != id.0);
        before.or(after).map(|(other, _)| *other)
    }

    /// It is proven elsewhere that the author wrote it twice.
    pub const fn mark_broken(&mut self) {
        self.broken = true;
    }

    /// Digest of this number's header, where it is remembered.
    #[must_use]
    pub fn remembers(&self, seq: u64) -> Option<EnvelopeId> {
        self.recent.get(&seq).map(|(id, _)| *id)
    }

    /// Takes an envelope that [`Feed::judge`] called new or a fork.
    pub fn take(&mut self, seq: u64, id: EnvelopeId, prev: Digest) {
        if matches!(self.judge(seq, id), Novelty::Fork(_)) {
            self.broken = true;
            self.forks.insert(id);
            return;
        }
        let before = self.recent.get(&seq.wrapping_sub(1)).map(|(id, _)| id.0);
        let after = self
            .recent
            .get(&seq.saturating_add(1))
            .filter(|_| seq < u64::MAX)
            .map(|(_, prev)| prev.0);
        if before.is_some_and(|b| b != prev.0) || after.is_some_and(|a| a != id.0) {
            self.broken = true;
        }
        self.recent.insert(seq, (id, prev));
        self.above.insert(seq);
        self.advance();
        while self.recent.len() > DIGESTS_PER_FEED {
            self.recent.pop_first();
        }
    }

    /// Moves the mark over everything that follows it without a hole.
    fn advance(&mut self) {
        if let Some(to) = self.above.take_from(self.mark.saturating_add(1)) {
            self.mark = to;
            // Never the digest of another number: peers would take it for a second header.
            self.head = self.recent.get(&to).map(|(id, _)| *id);
        }
    }

    /// The planted fault "mark past a hole": never called in a product.
    pub(crate) fn jump(&mut self) {
        if let Some(last) = self.above.last() {
            self.above = Ranges::default();
            self.mark = last;
            self.head = self.recent.get(&last).map(|(id, _)| *id).or(self.head);
        }
    }

    /// Holes within what a peer claims to hold, nearest first, at most [`MISSING_MAX`] numbers.
    #[must_use]
    pub fn missing(&self, claim: &[Run]) -> Vec<Run> {
        let mut budget = MISSING_MAX;
        let mut out = Vec::new();
        for &(from, to) in claim {
            let mut next = Some(from.max(self.mark.saturating_add(1)));
            while let Some(at) = next.filter(|at| *at <= to && budget > 0) {
                let held = self.above.runs().find(|run| run.1 >= at);
                let end = match held {
                    Some((from, held_to)) if from <= at => {
                        next = held_to.checked_add(1);
                        continue;
                    }
                    Some((from, _)) => to.min(from - 1),
                    None => to,
                };
                let end = end.min(at.saturating_add(budget - 1));
                budget -= end - at + 1;
                out.push((at, end));
                next = end.checked_add(1);
            }
        }
        out
    }
}

/// Brings runs into order, joins those that overlap or touch, and drops what lies below the mark.
/// At most [`RANGES_MAX`] and one more are left.
pub fn tidy(runs: &mut Vec<Run>, mark: u64) {
    runs.retain(|run| run.1 > mark && run.0 <= run.1);
    runs.sort_unstable();
    runs.dedup_by(|next, last| {
        let joins = next.0 <= last.1.saturating_add(1);
        if joins {
            last.1 = last.1.max(next.1);
        }
        joins
    });
    runs.truncate(RANGES_MAX + 1);
}

/// All feeds that a station knows of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feeds(BTreeMap<FeedId, Feed>);

impl Feeds {
    /// The feed, if anything of it is held.
    #[must_use]
    pub fn get(&self, id: &FeedId) -> Option<&Feed> {
        self.0.get(id)
    }

    /// The feed, begun if it was not known.
    pub fn at(&mut self, id: FeedId) -> &mut Feed {
        self.0.entry(id).or_default()
    }

    /// All feeds in order.
    pub fn iter(&self) -> impl Iterator<Item = (&FeedId, &Feed)> {
        self.0.iter()
    }

    /// The feeds of one author in order.
    pub fn of(&self, author: StationId) -> impl Iterator<Item = (&FeedId, &Feed)> {
        self.0.iter().filter(move |(id, _)| id.author == author)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> EnvelopeId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        EnvelopeId(bytes)
    }

    fn take(feed: &mut Feed, seq: u64) {
        let prev = if seq == 1 { [0; 32] } else { id(seq - 1).0 };
        feed.take(seq, id(seq), Digest(prev));
    }

    #[test]
    fn the_mark_waits_at_a_hole_and_jumps_when_it_is_filled() {
        let mut feed = Feed::default();
        for seq in [1, 2, 4, 5, 7] {
            take(&mut feed, seq);
        }
        assert_eq!((feed.mark(), feed.head()), (2, Some(id(2))));
        assert_eq!(feed.above(), (vec![(4, 5), (7, 7)], false));
        take(&mut feed, 3);
        assert_eq!((feed.mark(), feed.head()), (5, Some(id(5))));
        assert!(!feed.broken());
    }

    #[test]
    fn a_second_header_of_one_number_is_a_fork_and_the_first_stays() {
        let mut feed = Feed::default();
        take(&mut feed, 1);
        assert_eq!(feed.judge(1, id(1)), Novelty::Copy);
        assert_eq!(feed.judge(1, id(9)), Novelty::Fork(id(1)));
        feed.take(1, id(9), Digest([0; 32]));
        assert!(feed.broken());
        assert_eq!(feed.judge(1, id(1)), Novelty::Copy);
        assert_eq!(feed.judge(1, id(9)), Novelty::Copy, "kept, and no news a second time");
        for n in 10..100 {
            feed.take(1, id(n), Digest([0; 32]));
        }
        assert_eq!(feed.judge(1, id(1_000)), Novelty::Copy, "proof enough");
    }

    #[test]
    fn the_head_is_the_digest_at_the_mark_or_nothing() {
        let mut feed = Feed::default();
        let above = DIGESTS_PER_FEED as u64;
        for seq in [3].into_iter().chain(10..10 + above).chain([1, 2]) {
            take(&mut feed, seq);
        }
        assert_eq!((feed.mark(), feed.head()), (3, None));
        for seq in 4..10 {
            take(&mut feed, seq);
        }
        assert_eq!((feed.mark(), feed.head()), (9 + above, Some(id(9 + above))));
    }

    #[test]
    fn a_wrong_predecessor_is_seen_from_either_side() {
        for order in [[1, 2], [2, 1]] {
            let mut feed = Feed::default();
            for seq in order {
                let prev = if seq == 2 { [7; 32] } else { [0; 32] };
                feed.take(seq, id(seq), Digest(prev));
            }
            assert!(feed.broken(), "{order:?}");
        }
    }

    #[test]
    fn missing_lists_only_holes_that_the_peer_holds() {
        let mut feed = Feed::default();
        for seq in [1, 2, 5, 6, 9] {
            take(&mut feed, seq);
        }
        assert_eq!(feed.missing(&[(1, 12)]), vec![(3, 4), (7, 8), (10, 12)]);
        assert_eq!(feed.missing(&[(1, 3), (8, 8)]), vec![(3, 3), (8, 8)]);
        assert_eq!(feed.missing(&[(1, 2)]), vec![]);
    }

    #[test]
    fn claims_are_joined_and_forgotten_below_the_mark() {
        let mut runs = vec![(9, 9), (u64::MAX, u64::MAX), (1, 3), (4, 6), (u64::MAX, u64::MAX)];
        tidy(&mut runs, 5);
        assert_eq!(runs, [(4, 6), (9, 9), (u64::MAX, u64::MAX)]);
        tidy(&mut runs, 9);
        assert_eq!(runs, [(u64::MAX, u64::MAX)]);
    }

    #[test]
    fn a_claim_without_measure_asks_for_a_bounded_number() {
        let feed = Feed::default();
        let asked = feed.missing(&[(1, 1_000_000_000_000_000), (u64::MAX - 1, u64::MAX)]);
        assert_eq!(asked, vec![(1, MISSING_MAX)]);
        assert_eq!(feed.missing(&[(u64::MAX, u64::MAX)]), vec![(u64::MAX, u64::MAX)]);
    }
}
