//! Cables and links between stations, by index of the machine: who believes to be linked to whom.
//!
//! A *cable* is what a bulldozer cuts; a *link* is what two running stations made over it. Each
//! side believes in a link on its own and may do so for a while after the other is gone, as with
//! real connections. A packet arrives only if its receiver still believes in the link that it was
//! sent over. Holds no packets: `world` has them in its queue of events.

use std::collections::{BTreeMap, BTreeSet};

use crate::options::Shape;

/// A machine's index in the world.
pub type Ix = usize;

/// One making of a link; a later one between the same two has a larger number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// Who is wired and linked.
#[derive(Debug, Default)]
pub struct Network {
    planned: BTreeSet<(Ix, Ix)>,
    cut: BTreeSet<(Ix, Ix)>,
    beliefs: BTreeMap<(Ix, Ix), LinkId>,
    made: u64,
}

const fn pair(a: Ix, b: Ix) -> (Ix, Ix) {
    if a < b { (a, b) } else { (b, a) }
}

impl Network {
    /// The links that stations make of their own accord among the first `states` machines; every
    /// further one watches and is linked to two of them.
    #[must_use]
    pub fn new(shape: Shape, states: usize, all: usize) -> Self {
        let mut out = Self::default();
        for a in 0..states {
            match shape {
                Shape::Full => (0..a).for_each(|b| out.plan(a, b)),
                Shape::Ring => out.plan(a, (a + 1) % states),
                Shape::Row if a > 0 => out.plan(a, a - 1),
                Shape::Star if a > 0 => out.plan(a, 0),
                Shape::Tree if a > 0 => out.plan(a, (a - 1) / 2),
                Shape::Row | Shape::Star | Shape::Tree => {}
            }
        }
        for watching in states..all {
            out.plan(watching, 0);
            out.plan(watching, states - 1);
        }
        out
    }

    /// From now on these two link of their own accord.
    pub fn plan(&mut self, a: Ix, b: Ix) {
        if a != b {
            self.planned.insert(pair(a, b));
        }
    }

    /// Pairs that link of their own accord.
    #[must_use]
    pub fn planned(&self) -> Vec<(Ix, Ix)> {
        self.planned.iter().copied().collect()
    }

    /// Cuts the cable between two; links over it die when their ends notice.
    pub fn cut(&mut self, a: Ix, b: Ix) {
        self.cut.insert(pair(a, b));
    }

    /// Mends it.
    pub fn mend(&mut self, a: Ix, b: Ix) {
        self.cut.remove(&pair(a, b));
    }

    /// Mends every cable.
    pub fn mend_all(&mut self) {
        self.cut.clear();
    }

    /// Whether packets can pass between two.
    #[must_use]
    pub fn passes(&self, a: Ix, b: Ix) -> bool {
        a != b && !self.cut.contains(&pair(a, b))
    }

    /// The link to `peer` that `me` believes in.
    #[must_use]
    pub fn believes(&self, me: Ix, peer: Ix) -> Option<LinkId> {
        self.beliefs.get(&(me, peer)).copied()
    }

    /// Whether both believe in one and the same link.
    #[must_use]
    pub fn linked(&self, a: Ix, b: Ix) -> bool {
        self.believes(a, b).is_some() && self.believes(a, b) == self.believes(b, a)
    }

    /// Everyone that `me` believes to be linked to.
    #[must_use]
    pub fn neighbours(&self, me: Ix) -> Vec<(Ix, LinkId)> {
        let range = (me, 0)..=(me, Ix::MAX);
        self.beliefs.range(range).map(|((_, peer), link)| (*peer, *link)).collect()
    }

    /// Makes a link; returns it and what each side believed before.
    pub fn link(&mut self, a: Ix, b: Ix) -> (LinkId, [Option<LinkId>; 2]) {
        self.made += 1;
        let link = LinkId(self.made);
        (link, [self.beliefs.insert((a, b), link), self.beliefs.insert((b, a), link)])
    }

    /// `me` no longer believes in this link; false if it did not anyway.
    pub fn forget(&mut self, me: Ix, peer: Ix, link: LinkId) -> bool {
        let believed = self.believes(me, peer) == Some(link);
        if believed {
            self.beliefs.remove(&(me, peer));
        }
        believed
    }

    /// A machine is off: it believes nothing. Returns who still believes in a link to it.
    pub fn off(&mut self, me: Ix) -> Vec<(Ix, LinkId)> {
        self.beliefs.retain(|(at, _), _| *at != me);
        self.beliefs.iter().filter(|((_, to), _)| *to == me).map(|((at, _), l)| (*at, *l)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_connects_everyone() {
        for shape in [Shape::Full, Shape::Ring, Shape::Row, Shape::Star, Shape::Tree] {
            for states in 2..8 {
                let network = Network::new(shape, states, states + 1);
                let mut reached = BTreeSet::from([0]);
                for _ in 0..=states {
                    for (a, b) in network.planned() {
                        if reached.contains(&a) || reached.contains(&b) {
                            reached.extend([a, b]);
                        }
                    }
                }
                assert_eq!(reached.len(), states + 1, "{shape:?} of {states}");
            }
        }
    }

    #[test]
    fn each_side_believes_on_its_own() {
        let mut network = Network::new(Shape::Full, 3, 3);
        let (link, before) = network.link(0, 1);
        assert_eq!(before, [None, None]);
        assert_eq!(network.off(0), vec![(1, link)]);
        assert!(!network.linked(0, 1) && network.believes(1, 0) == Some(link));
        let (again, before) = network.link(1, 0);
        assert_eq!(before, [Some(link), None]);
        assert!(!network.forget(1, 0, link) && network.forget(1, 0, again));
    }
}
