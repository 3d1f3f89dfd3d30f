//! Authors that wrote twice: found, proven, kept, passed on (`docs/spec/sync.md`, proofs; I6).
//!
//! One proof is kept of each author and lane: a second one says nothing new. Nothing is refused
//! because of it and no line is closed (I9): people are told, and letters of that feed are marked.
//! A proof against an author on a group's lane goes at once to every linked member of the group, so
//! it crosses the network hop by hop; one on a pair's lane stays with its two ends, because passing
//! it on would name the other one (I12).

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::dump::{Dump, Source, put_all};
use crate::envelope::{Envelope, Refusal, Verdict};
use crate::event::{Notice, Speak};
use crate::id::{EnvelopeId, FeedId, LaneId, StationId};
use crate::journal::{Record, RecordKind};
use crate::limits::{OFFERS_BURST, OFFERS_PER_MINUTE, PROOFS_MAX, PROOFS_PENDING_MAX};
use crate::proof::{Proof, ProofError};
use crate::sync::{Ask, Custody, Entry};
use crate::terms::Cause;

use super::hear::Rates;
use super::meet::Question;
use super::{Station, Turn};

/// What is held against authors.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    held: BTreeMap<(StationId, LaneId), Proof>,
    /// Headers that contradict one that is in the store, by the id of that one: it is being read.
    pending: BTreeMap<EnvelopeId, Envelope>,
    rates: Rates,
}

impl Dump for Proofs {
    fn put(&self, out: &mut Vec<u8>) {
        put_all(self.held.values(), out);
        self.pending
            .iter()
            .map(|(id, bare)| (*id, bare.bytes().clone()))
            .collect::<Vec<_>>()
            .put(out);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let held = Vec::<Proof>::take(from)?.into_iter();
        let held = held.map(|proof| ((proof.feed().author, proof.feed().lane), proof)).collect();
        let pending = Vec::<(EnvelopeId, Bytes)>::take(from)?.into_iter();
        let bare = |(id, bytes)| Some((id, Envelope::decode(bytes).ok()?));
        let pending = pending.map(bare).collect::<Option<_>>()?;
        Some(Self { held, pending, ..Self::default() })
    }
}

impl Proofs {
    fn about(&self, feed: &FeedId) -> Option<&Proof> {
        self.held.get(&(feed.author, feed.lane))
    }
}

impl Station {
    /// Every proof that is held, one for each author and lane.
    pub fn proofs(&self) -> impl Iterator<Item = &Proof> {
        self.proofs.held.values()
    }

    /// A verified header contradicts what is held of its feed: the other one is read from the store.
    /// It needs neither body nor stanzas, and no room within the author's rate.
    pub(super) fn accuse(&mut self, turn: &mut Turn, envelope: &Envelope) {
        if let Some(held) = self.contradicted(envelope)
            && self.suspend(held, envelope)
        {
            turn.speak(Speak::Recall { msg: None, envelope: held });
        }
    }

    /// The header that is held and cannot stand beside this one.
    fn contradicted(&self, envelope: &Envelope) -> Option<EnvelopeId> {
        let (header, feed) = (envelope.header(), envelope.feed());
        let held = self.feeds.get(&feed)?;
        held.contradicts(header.seq, envelope.id(), header.prev)
    }

    /// Notes what waits for a header from the store; false if nothing is gained by reading it.
    fn suspend(&mut self, held: EnvelopeId, envelope: &Envelope) -> bool {
        if self.proofs.about(&envelope.feed()).is_some() {
            return false;
        }
        let Some(bare) = self.bare(envelope) else { return false };
        // What is still in the store is found again at the next start.
        if self.proofs.pending.len() >= PROOFS_PENDING_MAX {
            self.proofs.pending.clear();
        }
        self.proofs.pending.insert(held, bare);
        true
    }

    /// Header and the one signature by a key that is known as the author's: others may stand beside
    /// it to spoil the proof.
    fn bare(&self, envelope: &Envelope) -> Option<Envelope> {
        envelope.bare(&self.place_of(envelope)?.key).ok()
    }

    /// While the journal is read: the same, to be looked up at the start.
    pub(super) fn accuse_restored(&mut self, envelope: &Envelope) {
        if let Some(held) = self.contradicted(envelope) {
            self.suspend(held, envelope);
        }
    }

    /// What a crash left half-done.
    pub(super) fn take_up_accusations(&self, turn: &mut Turn) {
        for held in self.proofs.pending.keys() {
            turn.speak(Speak::Recall { msg: None, envelope: *held });
        }
    }

    /// The store gave the other header.
    pub(super) fn accusation_recalled(&mut self, turn: &mut Turn, envelope: Option<Bytes>) {
        let Some(held) = envelope.and_then(|bytes| Envelope::decode(bytes).ok()) else { return };
        let Some(other) = self.proofs.pending.remove(&held.id()) else { return };
        let proof = self.bare(&held).and_then(|held| Proof::of(held, other).ok());
        if let Some(proof) = proof.filter(|proof| self.counts(proof).is_ok()) {
            self.hold(turn, proof, None);
        }
    }

    /// Whether a proof is one by the documents that are held.
    fn counts(&self, proof: &Proof) -> Result<(), ProofError> {
        proof.check(&self.directory)?;
        self.stands(proof).map_err(ProofError::from)
    }

    /// What a revoked key signed and its party does not stand by accuses nobody.
    fn stands(&self, proof: &Proof) -> Result<(), Refusal> {
        for envelope in proof.headers() {
            let key = envelope.signed_by().next().unwrap_or(envelope.header().epoch);
            self.still_counts(envelope, key)?;
        }
        Ok(())
    }

    /// Keeps a good proof and passes it on; the first about its author and lane only.
    fn hold(&mut self, turn: &mut Turn, proof: Proof, from: Option<StationId>) {
        let feed = proof.feed();
        if self.proofs.about(&feed).is_some() || self.proofs.held.len() >= PROOFS_MAX {
            return;
        }
        let salt = turn.entropy.bytes();
        let bytes = proof.encode();
        turn.effects.appends.push(Record { kind: RecordKind::Proof, salt, bytes });
        self.mark_by(&proof);
        turn.speak(Speak::Tell(Notice::Forked(feed.author)));
        self.incident_by(turn, Cause::Fork, feed.author);
        let linked: Vec<StationId> = self.meet.linked.iter().copied().collect();
        for peer in linked.into_iter().filter(|peer| Some(*peer) != from) {
            self.offer_proof(turn, peer, &proof);
        }
        self.proofs.held.insert((feed.author, feed.lane), proof);
    }

    /// Letters in either header's envelope, and later ones of the feed, are shown as marked.
    fn mark_by(&mut self, proof: &Proof) {
        for id in proof.ids() {
            self.inbox.mark_forked(&id);
        }
        self.feeds.at(proof.feed()).mark_broken();
    }

    /// A proof from the journal.
    pub(super) fn restore_proof(&mut self, bytes: &[u8]) {
        let Ok(proof) = Proof::decode(bytes) else { return };
        self.mark_by(&proof);
        let feed = proof.feed();
        let other = |waits: &Envelope| {
            (waits.header().author, waits.header().lane) != (feed.author, feed.lane)
        };
        self.proofs.pending.retain(|_, waits| other(waits));
        self.proofs.held.insert((feed.author, feed.lane), proof);
    }

    /// Whether a proof may go to a peer: of a group's lane to its members, of a pair's to nobody.
    fn may_have_proof(&self, peer: &StationId, feed: &FeedId) -> bool {
        let members = self.directory.lane_members(&feed.lane);
        members.is_some_and(|members| {
            [peer, &self.me, &feed.author].iter().all(|id| members.contains(id))
        })
    }

    fn offer_proof(&mut self, turn: &mut Turn, peer: StationId, proof: &Proof) {
        if self.state(&peer).is_some() && self.may_have_proof(&peer, &proof.feed()) {
            self.ask(turn, peer, &Ask::Proof(Box::new(proof.clone())), Question::Proof);
        }
    }

    /// Says in a summary of which authors a proof is held.
    pub(super) fn show_proofs(&self, entries: &mut [Entry]) {
        if self.proofs.held.is_empty() {
            return;
        }
        for entry in entries {
            entry.proven = self.proven(&entry.feed).is_some();
        }
    }

    fn proven(&self, feed: &FeedId) -> Option<&Proof> {
        let group = self.directory.lane_members(&feed.lane).is_some();
        self.proofs.about(feed).filter(|proof| group && self.stands(proof).is_ok())
    }

    /// A peer's summary shows of which authors it holds no proof.
    pub(super) fn compare_proofs(&mut self, turn: &mut Turn, peer: StationId, entries: &[Entry]) {
        let lacking = entries.iter().filter(|entry| !entry.proven);
        let lanes: BTreeMap<_, Proof> = lacking
            .filter_map(|entry| self.proven(&entry.feed))
            .map(|proof| ((proof.feed().author, proof.feed().lane), proof.clone()))
            .collect();
        for proof in lanes.values() {
            self.offer_proof(turn, peer, proof);
        }
    }

    /// A peer passes a proof on.
    pub(super) fn hear_proof(&mut self, turn: &mut Turn, peer: StationId, proof: Proof) -> Custody {
        let now = turn.now.mono;
        let may = self.may_have_proof(&peer, &proof.feed());
        if !may || !self.proofs.rates.take(peer, now, OFFERS_PER_MINUTE, OFFERS_BURST) {
            return Custody::Deferred;
        }
        if self.proofs.about(&proof.feed()).is_some() {
            return Custody::Stored;
        }
        match self.counts(&proof) {
            Ok(()) => {
                self.hold(turn, proof, Some(peer));
                Custody::Stored
            }
            Err(ProofError::Header(refusal)) => self.doubt_proof(turn, peer, refusal),
            Err(_) => Custody::Refused,
        }
    }

    fn doubt_proof(&mut self, turn: &mut Turn, peer: StationId, refusal: Refusal) -> Custody {
        if refusal.wants_documents() {
            self.ask_documents(turn, peer);
        }
        match refusal.verdict() {
            Verdict::Reject => Custody::Refused,
            Verdict::Accept | Verdict::Ignore => Custody::Deferred,
        }
    }
}
