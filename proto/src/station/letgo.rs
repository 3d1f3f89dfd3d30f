//! What may be let go of what is held, and what becomes of envelopes that come without their body
//! (`docs/spec/retention.md`).
//!
//! The station judges, the shell asks it about one envelope after another and carries it out.
//! Invariants: what is addressed to us, made by us, or between us and another is kept whole;
//! nothing is judged by a clock in doubt; a header counts as held without its body only when no
//! letter is repeated any more that it could belong to.

use std::collections::{BTreeMap, BTreeSet};

use crate::envelope::{Envelope, Kind};
use crate::feeds::Run;
use crate::id::{EnvelopeId, FeedId, LaneId, StationId};
use crate::limits::{
    BODILESS_AGAIN, BODILESS_MAX, EXPIRE_DEFAULT, FOREIGN_JUDGED, LET_GO_NOTED, REFILLED_MAX,
};
use crate::retention::{Holding, Keep, Retention};
use crate::time::{Mono, Now, Timestamp};

use super::hear::{Lane, Way};
use super::pair::carried_no_more;
use super::{Station, Turn};

/// What is remembered of bodies that were let go, here or elsewhere. None of it outlives a restart:
/// then something is asked for once more, or kept once more.
#[derive(Debug, Default)]
pub(super) struct LetGo {
    retention: Retention,
    /// Numbers of which a peer gave the header alone: from, to, and until when it is not asked again.
    bodiless: BTreeMap<(StationId, FeedId), (u64, u64, Mono)>,
    /// Envelopes whose body was let go in this run.
    thin: BTreeSet<EnvelopeId>,
    /// Envelopes that somebody brought again after that.
    refilled: BTreeSet<EnvelopeId>,
}

impl LetGo {
    /// A peer gave no more of this number than its header.
    fn note_bodiless(&mut self, now: Mono, peer: StationId, feed: FeedId, seq: u64) {
        if self.bodiless.len() >= BODILESS_MAX {
            self.bodiless.retain(|_, (.., until)| *until > now);
        }
        if self.bodiless.len() < BODILESS_MAX {
            let until = now.plus(BODILESS_AGAIN);
            let run = self.bodiless.entry((peer, feed)).or_insert((seq, seq, until));
            *run = (run.0.min(seq), run.1.max(seq), until);
        }
    }

    /// What of a peer's claim it may be asked for now.
    pub(super) fn open_runs(
        &self,
        now: Mono,
        peer: StationId,
        feed: &FeedId,
        runs: &[Run],
    ) -> Vec<Run> {
        let Some((first, last, _)) =
            self.bodiless.get(&(peer, *feed)).filter(|(.., until)| now < *until)
        else {
            return runs.to_vec();
        };
        let around = |&(from, to): &Run| {
            [(from, to.min(first.saturating_sub(1))), (from.max(last.saturating_add(1)), to)]
        };
        runs.iter().flat_map(around).filter(|(from, to)| from <= to).collect()
    }
}

impl Station {
    /// How long bodies are carried from now on.
    pub fn set_retention(&mut self, retention: Retention) {
        self.let_go.retention = retention;
    }

    /// The bodies of these are let go of from now on: what a peer brings again is not held.
    pub fn note_let_go(&mut self, bodies: &[EnvelopeId]) {
        self.let_go.thin.extend(bodies);
        while self.let_go.thin.len() > LET_GO_NOTED {
            self.let_go.thin.pop_first();
        }
    }

    /// What an envelope that the store holds is to us, and what is to be kept of it. `pressed`: the
    /// journal takes more room than it may, so that bodies go before their time.
    #[must_use]
    pub fn judge_kept(&self, envelope: &Envelope, now: Now, pressed: bool) -> (Holding, Keep) {
        let header = envelope.header();
        let holding = self.holding(envelope);
        let Some(wall) = self.trusted(now) else { return (holding, Keep::All) };
        let over = || pressed || self.is_over(header.lane, header.made_at, wall);
        let keep = match holding {
            Holding::Business | Holding::Header => Keep::All,
            // After a long time what no key recognises may be ours, under keys that are gone.
            Holding::Pair if header.made_at.plus(FOREIGN_JUDGED) <= wall => Keep::All,
            Holding::Pair if carried_no_more(header.made_at, wall) => Keep::Nothing,
            Holding::Body if over() && !self.let_go.refilled.contains(&envelope.id()) => {
                Keep::Header
            }
            Holding::Pair | Holding::Body => Keep::All,
        };
        (holding, keep)
    }

    fn holding(&self, envelope: &Envelope) -> Holding {
        let header = envelope.header();
        if header.author == self.me || header.kind != Kind::Sealed {
            return Holding::Business;
        }
        match self.lane_of(&envelope.feed()) {
            Lane::Foreign => Holding::Pair,
            Lane::Group if self.is_business(envelope) => Holding::Business,
            Lane::Group if envelope.has_body() => Holding::Body,
            Lane::Group => Holding::Header,
            // What was ours in a group that we left is still ours.
            Lane::Closed | Lane::Pair(_) => Holding::Business,
        }
    }

    /// Whether bodies of this age are let go on this lane.
    fn is_over(&self, lane: LaneId, made_at: Timestamp, wall: Timestamp) -> bool {
        let group = self.directory.groups().find(|group| group.lane == lane);
        group.is_some_and(|group| self.let_go.retention.is_over(&group.name, made_at, wall))
    }

    /// Whether it is a letter to us: by its stanzas, or because it was opened, with whatever key.
    fn is_business(&self, envelope: &Envelope) -> bool {
        self.addressed(envelope) || self.inbox.by_envelope(&envelope.id()).is_some()
    }

    /// An envelope came without its body. By gossip, whoever forwarded it is asked for all of it. By
    /// a stream, that is all that this peer has: it is enough when no letter is repeated that long,
    /// and it is not for us; otherwise others are asked, and this one not for a while.
    pub(super) fn is_enough(
        &mut self,
        turn: &Turn,
        from: StationId,
        envelope: &Envelope,
        way: Way,
    ) -> bool {
        let header = envelope.header();
        let sealed = envelope.has_stanzas() && header.kind == Kind::Sealed;
        if way == Way::Gossip || !sealed || self.addressed(envelope) {
            return false;
        }
        let old = |wall: Timestamp| header.made_at.plus(EXPIRE_DEFAULT) <= wall;
        let enough = self.trusted(turn.now).is_some_and(old);
        if !enough {
            self.let_go.note_bodiless(turn.now.mono, from, envelope.feed(), header.seq);
        }
        enough
    }

    /// All of an envelope came whose header is held. Where its body was let go, it is kept once more:
    /// its author still looks for somebody who carries it. Gives whether all of it is held.
    pub(super) fn refill(&mut self, turn: &mut Turn, envelope: &Envelope, way: Way) -> bool {
        let header = envelope.header();
        let whole = envelope.has_body() && envelope.has_stanzas();
        let over = |wall| self.is_over(header.lane, header.made_at, wall);
        if way == Way::Gossip || !whole || header.kind != Kind::Sealed || header.author == self.me {
            return true;
        }
        let thin = self.let_go.thin.contains(&envelope.id());
        if !thin && !self.trusted(turn.now).is_some_and(over) {
            return true;
        }
        if self.is_business(envelope) || self.let_go.refilled.contains(&envelope.id()) {
            return true;
        }
        if self.let_go.refilled.len() >= REFILLED_MAX {
            return false;
        }
        self.let_go.refilled.insert(envelope.id());
        self.keep(turn, envelope);
        true
    }
}
