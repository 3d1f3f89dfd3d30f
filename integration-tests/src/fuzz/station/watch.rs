//! What must hold of the effects, whatever went in (invariants I1, I3, I4, I5, I6, I11).

use std::collections::{BTreeMap, BTreeSet};

use cbm_proto::envelope::{Envelope, Kind};
use cbm_proto::event::{Effects, RequestId, Speak, Token};
use cbm_proto::id::{EnvelopeId, FeedId, StationId};
use cbm_proto::journal::{Record, RecordKind};
use cbm_proto::limits::{
    BATCH_COUNT, FRAME_MAX, GOSSIP_MAX, MISSING_MAX, RANGES_MAX, RECORD_MAX, REQUEST_WAIT,
    WANT_WAIT, WANTS_PER_PEER,
};
use cbm_proto::station::Station;
use cbm_proto::sync::{Ask, Say};

use crate::fuzz::world::world;

/// What a batch owes.
#[derive(Default)]
pub(super) struct Expected {
    /// Messages heard.
    pub(super) verdicts: BTreeSet<Token>,
    /// Questions, and whether an observer asked.
    pub(super) answers: BTreeMap<Token, bool>,
    /// Documents handed in, and how many.
    pub(super) documents: BTreeMap<Token, usize>,
    /// Commands.
    pub(super) replies: BTreeSet<Token>,
}

impl Expected {
    /// Each has exactly one answer, and nothing else has one.
    pub(super) fn met(mut self, effects: &Effects) {
        for (token, _) in &effects.verdicts {
            assert!(self.verdicts.remove(token), "I5: a verdict too many");
        }
        for speak in &effects.speaks {
            match speak {
                Speak::Answer { token, bytes } => {
                    let observer = self.answers.remove(token).expect("an answer that is owed");
                    assert!(bytes.len() <= FRAME_MAX);
                    let say = Say::decode(bytes).expect("an answer that peers understand");
                    assert!(!observer || !matches!(say, Say::Envelopes(..)), "I4: to an observer");
                }
                Speak::Serve { token, numbers, envelopes } => {
                    let observer = self.answers.remove(token).expect("an answer that is owed");
                    assert!(!observer, "I4: an observer is served");
                    assert!(
                        numbers.len() <= MISSING_MAX as usize && envelopes.len() <= BATCH_COUNT
                    );
                }
                Speak::Documents { token, results } => {
                    assert_eq!(self.documents.remove(token), Some(results.len()));
                }
                Speak::Reply { token, .. } => {
                    assert!(self.replies.remove(token), "a reply too many");
                }
                _ => {}
            }
        }
        assert!(self.verdicts.is_empty(), "I5: no verdict");
        assert!(self.answers.is_empty() && self.documents.is_empty(), "no answer");
        assert!(self.replies.is_empty(), "no reply");
    }
}

/// What was said and stored so far.
#[derive(Default)]
pub(super) struct Watch {
    /// Every number of an own feed that was said or stored, and for which header.
    own: BTreeMap<(FeedId, u64), EnvelopeId>,
    stored: BTreeSet<EnvelopeId>,
    places: BTreeSet<(FeedId, u64)>,
    /// Peers that were linked at some time of this batch.
    pub(super) linked: BTreeSet<StationId>,
    /// Questions under way: to whom, when, and whether it wants envelopes.
    asked: BTreeMap<RequestId, (StationId, u64, bool)>,
}

impl Watch {
    pub(super) fn appended(&mut self, record: &Record) {
        assert!(record.bytes.len() <= RECORD_MAX, "I11: a record that cannot be written");
        if record.kind == RecordKind::Envelope {
            let envelope = Envelope::decode(record.bytes.clone()).expect("an envelope is stored");
            self.stored.insert(envelope.id());
            self.places.insert((envelope.feed(), envelope.header().seq));
            self.numbered(&envelope);
        }
    }

    /// The disk may have gone back; what was said was said.
    pub(super) fn restarted(&mut self, journal: &[Record]) {
        (self.stored, self.places) = (BTreeSet::new(), BTreeSet::new());
        self.asked.clear();
        self.linked.clear();
        for record in journal {
            self.appended(record);
        }
    }

    pub(super) fn answered(&mut self, id: RequestId) {
        self.asked.remove(&id);
    }

    /// I6: no number of an own feed has two headers.
    fn numbered(&mut self, envelope: &Envelope) {
        if envelope.header().author != world().id(0) || envelope.header().kind == Kind::Beacon {
            return;
        }
        let place = (envelope.feed(), envelope.header().seq);
        let before = *self.own.entry(place).or_insert(envelope.id());
        assert_eq!(before, envelope.id(), "I6: number {} has two headers", place.1);
    }

    pub(super) fn said(&mut self, speak: &Speak, ms: u64) {
        match speak {
            Speak::Publish { bytes, .. } => {
                assert!(bytes.len() <= GOSSIP_MAX, "I11: too large for gossip");
                self.spoken(bytes);
            }
            Speak::Request { peer, id, bytes } => {
                assert!(self.linked.contains(peer), "asks somebody who is not linked");
                assert!(bytes.len() <= FRAME_MAX);
                let ask = Ask::decode(bytes).expect("a question that peers understand");
                if let Ask::Push(bytes) = &ask {
                    self.spoken(bytes);
                }
                self.asks(*peer, *id, ms, matches!(ask, Ask::Want(..)));
            }
            Speak::Push { peer, id, envelope } => {
                assert!(self.linked.contains(peer), "pushes to somebody who is not linked");
                assert!(self.stored.contains(envelope), "I1: pushed before it is stored");
                assert_ne!(*peer, world().id(3), "I4: pushed to an observer");
                self.asks(*peer, *id, ms, false);
            }
            _ => {}
        }
    }

    fn spoken(&mut self, bytes: &bytes::Bytes) {
        let envelope = Envelope::decode(bytes.clone()).expect("an envelope is said");
        if envelope.header().author == world().id(0) {
            envelope.verify(&world().keys(0).sign.public()).expect("signed by us");
        }
        if envelope.header().kind != Kind::Beacon {
            assert!(self.stored.contains(&envelope.id()), "I1: said before it is stored");
            self.numbered(&envelope);
        }
    }

    fn asks(&mut self, peer: StationId, id: RequestId, ms: u64, want: bool) {
        let wait = |want: bool| if want { WANT_WAIT } else { REQUEST_WAIT };
        self.asked.retain(|_, (_, since, want)| *since + wait(*want) >= ms);
        assert!(self.asked.insert(id, (peer, ms, want)).is_none(), "a question of an old number");
        let wants = self.asked.values().filter(|(to, _, want)| *to == peer && *want).count();
        assert!(wants <= WANTS_PER_PEER, "I11: {wants} wants under way");
    }

    /// Up to its mark a feed is held (I2), in bounded memory (I11).
    pub(super) fn feeds(&self, station: &Station) {
        for (feed, state) in station.feeds().iter() {
            assert!(state.above().0.len() <= RANGES_MAX);
            let lacks = (1..=state.mark()).find(|seq| !self.places.contains(&(*feed, *seq)));
            assert_eq!(lacks, None, "believes to hold {feed:?}");
        }
    }
}
