//! How long what is carried for others is kept (`docs/spec/retention.md`).
//!
//! Level 4: the rule and its numbers; `Station` applies it to what it holds, the shell carries it
//! out. Invariants: own business is never touched by it, nor anything while the clock is in doubt;
//! a header outlives its body; what one group sets says nothing about another.

use std::collections::BTreeMap;

use crate::limits::KEEP_BODIES;
use crate::time::Timestamp;

/// What is kept of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// Nothing: nobody asks for it any more.
    Nothing,
    /// Header, signatures and stanzas.
    Header,
    /// All of it.
    All,
}

/// What an envelope is to the station that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holding {
    /// Sent or received by us, or a statement that stations need.
    Business,
    /// A letter between others, whole.
    Body,
    /// A letter between others, without its body.
    Header,
    /// Between two others on their pair's lane: receipts, letters sealed again.
    Pair,
}

/// How long bodies are carried for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Milliseconds from the time in the header, where a group says nothing else.
    pub bodies: u64,
    /// Groups that say something else, by name.
    pub groups: BTreeMap<String, u64>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { bodies: KEEP_BODIES, groups: BTreeMap::new() }
    }
}

impl Retention {
    /// Whether a body in this group may be let go now.
    #[must_use]
    pub fn is_over(&self, group: &str, made_at: Timestamp, wall: Timestamp) -> bool {
        let bodies = self.groups.get(group).copied().unwrap_or(self.bodies);
        made_at.plus(bodies) <= wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_may_keep_longer_or_shorter_than_the_others() {
        let retention = Retention { bodies: 100, groups: [("one".to_owned(), 300)].into() };
        let over = |group: &str, wall| retention.is_over(group, Timestamp(1_000), Timestamp(wall));
        assert!(!over("other", 1_099) && over("other", 1_100));
        assert!(!over("one", 1_299) && over("one", 1_300));
        let future = Timestamp(u64::MAX - 50);
        assert!(!retention.is_over("one", future, Timestamp(1_000)), "made in the future");
    }
}
