//! Signed documents: believed, kept, and spread to whoever may hold them (`docs/spec/sync.md`).
//!
//! Whatever brings a document, it ends in [`Station::believe`], which admits once, keeps what is
//! new, and offers it at once to every other linked peer that may hold it: so news crosses the
//! network hop by hop, as fast as links are. Nothing is offered before it is durable (I1): the offer
//! is spoken in the batch that appends it. What an offer does not bring, the comparison at the
//! meeting and from time to time does.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::accord::{Admitted, Class, DocumentError, News};
use crate::event::{Notice, Speak};
use crate::id::{Digest, StationId};
use crate::journal::{Record, RecordKind};
use crate::limits::{
    BATCH_BYTES, BATCH_COUNT, OFFER_DOCUMENT_MAX, OFFERED_MAX, OFFERS_BURST, OFFERS_PER_MINUTE,
};
use crate::primitives::digest;
use crate::sync::{self, Ask, Custody, Offer, Say};

use super::hear::Rates;
use super::meet::Question;
use super::{Speaks, Station, Turn};

/// Refused documents of which people were told; after so many it begins anew.
const TOLD_MAX: usize = 256;

/// Everything about documents on their way.
#[derive(Debug, Default)]
pub(super) struct Spread {
    /// Larger documents that somebody named, and who is asked for them.
    named: BTreeMap<Digest, StationId>,
    /// What each peer offers, counted.
    rates: Rates,
    /// Refused documents of which people were told.
    told: BTreeSet<Digest>,
}

impl Station {
    /// Our own people bring documents: each one's fate, in their order.
    pub(super) fn publish_documents(
        &mut self,
        turn: &mut Turn,
        documents: &[Bytes],
    ) -> Vec<Result<Admitted, String>> {
        let (new, _) = self.believe(turn, documents, None);
        let new: BTreeSet<Digest> = new.iter().map(|admitted| admitted.digest).collect();
        // Asked again one by one: the first pass knew only which were new.
        let mut fate = |bytes: &Bytes| match self.directory.admit(bytes) {
            Ok(admitted) if new.contains(&admitted.digest) => {
                Ok(Admitted { news: News::New, ..admitted })
            }
            Ok(admitted) => Ok(admitted),
            Err(error) => Err(error.to_string()),
        };
        documents.iter().map(&mut fate).collect()
    }

    /// Asks a peer for every document that we lack.
    pub(super) fn ask_documents(&mut self, turn: &mut Turn, peer: StationId) {
        if self.meet.documents_under_way(peer) || !self.meet.linked.contains(&peer) {
            return;
        }
        let digests = self.directory.copies().into_iter().collect();
        self.ask(turn, peer, &Ask::Documents(digests), Question::Documents);
    }

    /// What a peer gets that says what it holds.
    pub(super) fn give_documents(&self, peer: StationId, have: &[Digest]) -> Say {
        if self.directory.member(&peer).is_none() {
            return Say::Refused;
        }
        let have: BTreeSet<_> = have.iter().collect();
        let mut room = BATCH_BYTES;
        let mut documents = Vec::new();
        for (digest, bytes) in self.directory.documents_for(&peer) {
            let copy = self.directory.copy_of(&digest);
            // The first one goes whatever its size: an accord may be larger than a batch.
            if copy.is_some_and(|copy| have.contains(&copy))
                || (bytes.len() > room && !documents.is_empty())
            {
                continue;
            }
            room = room.saturating_sub(bytes.len());
            documents.push(bytes);
        }
        Say::Documents(documents)
    }

    /// A peer gave documents that we asked for, or did not.
    pub(super) fn documents_given(&mut self, turn: &mut Turn, peer: StationId, say: Option<Say>) {
        let named = self.spread.named.iter().filter(|(_, asked)| **asked == peer);
        let named: Vec<Digest> = named.map(|(digest, _)| *digest).collect();
        self.spread.named.retain(|_, asked| *asked != peer);
        let Some(Say::Documents(documents)) = say else { return };
        let (new, refused) = self.believe(turn, &documents, Some(peer));
        self.tell_refused(turn, peer, &refused);
        // One answer holds a batch; what did not fit is asked for until nothing new comes. One that
        // was named after the question had left is asked for once more.
        if !new.is_empty() || named.iter().any(|d| self.directory.document(d).is_none()) {
            self.ask_documents(turn, peer);
        }
    }

    /// A peer offers documents. It is told nothing of what we think of them.
    pub(super) fn hear_offer(&mut self, turn: &mut Turn, peer: StationId, offer: &Offer) -> Say {
        if self.directory.member(&peer).is_none() {
            return Say::Refused;
        }
        let now = turn.now.mono;
        if !self.spread.rates.take(peer, now, OFFERS_PER_MINUTE, OFFERS_BURST) {
            return Say::Taken(Custody::Deferred);
        }
        let (_, refused) = self.believe(turn, &offer.documents, Some(peer));
        self.tell_refused(turn, peer, &refused);
        let mut ask = refused.iter().any(|(_, error)| error.class() == Class::Missing);
        for digest in &offer.digests {
            let unknown = self.directory.document(digest).is_none();
            let room = self.spread.named.len() < OFFERED_MAX;
            if unknown && room && !self.spread.named.contains_key(digest) {
                self.spread.named.insert(*digest, peer);
                ask = true;
            }
        }
        let differs = offer.all.is_some_and(|all| all != self.documents_in_common(peer));
        if ask || differs {
            self.ask_documents(turn, peer);
        }
        if offer.all.is_some() && !differs {
            self.hear_same(peer);
        }
        if offer.all.is_some() && !differs { Say::Same } else { Say::Taken(Custody::Stored) }
    }

    /// What became of an offer or of a comparison.
    pub(super) fn offer_answered(
        &mut self,
        turn: &mut Turn,
        peer: StationId,
        question: &Question,
        say: Option<&Say>,
    ) {
        match (question, say) {
            // Lost on the way, or too much at once: the comparison brings what it did not.
            (Question::Offer, None | Some(Say::Taken(Custody::Deferred))) => {
                self.compare_with(turn, peer);
            }
            (Question::Compare, Some(Say::Same)) => self.hear_same(peer),
            (Question::Offer, Some(_)) if self.is_unaware(&peer) => self.compare_with(turn, peer),
            (Question::Compare, Some(Say::Taken(_))) => self.ask_documents(turn, peer),
            _ => {}
        }
    }

    /// Compares documents with a random linked peer, whatever its role.
    pub(super) fn compare_documents(&mut self, turn: &mut Turn) {
        let drawn = turn.entropy.below(self.meet.linked.len() as u64) as usize;
        if let Some(peer) = self.meet.linked.iter().nth(drawn).copied() {
            self.compare_with(turn, peer);
        }
    }

    pub(super) fn compare_with(&mut self, turn: &mut Turn, peer: StationId) {
        if self.meet.linked.contains(&peer) {
            let all = Some(self.documents_in_common(peer));
            let ask = Ask::Offer(Offer { all, ..Offer::default() });
            self.ask(turn, peer, &ask, Question::Compare);
        }
    }

    /// Digest over the documents held here that both a peer and we may hold.
    fn documents_in_common(&self, peer: StationId) -> Digest {
        let ours: BTreeSet<Digest> =
            self.directory.documents_for(&self.me).into_iter().map(|(digest, _)| digest).collect();
        let theirs = self.directory.documents_for(&peer).into_iter().map(|(digest, _)| digest);
        let common = theirs.filter(|digest| ours.contains(digest));
        let copies = common.filter_map(|digest| self.directory.copy_of(&digest));
        sync::documents_digest(&copies.collect())
    }

    /// Admits what can be, keeps what is new, passes it on, and looks at everything again that rests
    /// on it. Returns what was new, and what was refused.
    fn believe<'a>(
        &mut self,
        turn: &mut Turn,
        documents: &'a [Bytes],
        from: Option<StationId>,
    ) -> (Vec<Admitted>, Vec<(&'a [u8], DocumentError)>) {
        let (new, refused) = self.directory.admit_all(documents.iter().map(|bytes| &bytes[..]));
        for admitted in &new {
            let Some(bytes) = self.directory.document(&admitted.digest).cloned() else { continue };
            let salt = turn.entropy.bytes();
            turn.effects.appends.push(Record { kind: RecordKind::Document, salt, bytes });
        }
        if !new.is_empty() {
            self.refresh_secrets();
            self.offer_news(turn, &new, from);
            turn.speak(Speak::Membership);
            self.heed_revocations(turn);
            self.reseal_owed(turn);
            if self.voice.speaks == Speaks::Yes {
                self.seal_waiting(turn);
            }
        }
        (new, refused)
    }

    /// Offers news to every linked peer that may hold it, except the one it came from.
    fn offer_news(&mut self, turn: &mut Turn, new: &[Admitted], from: Option<StationId>) {
        let new: BTreeSet<Digest> = new.iter().map(|admitted| admitted.digest).collect();
        let others: Vec<StationId> =
            self.meet.linked.iter().copied().filter(|peer| Some(*peer) != from).collect();
        for peer in others {
            let all = self.directory.documents_for(&peer).into_iter();
            for offer in batches(all.filter(|(digest, _)| new.contains(digest))) {
                self.ask(turn, peer, &Ask::Offer(offer), Question::Offer);
            }
        }
    }

    /// Tells our people why documents are not believed, once for each. What only lacks another
    /// document is no attempt of anybody to pass for somebody else.
    fn tell_refused(
        &mut self,
        turn: &mut Turn,
        from: StationId,
        refused: &[(&[u8], DocumentError)],
    ) {
        for (bytes, error) in refused {
            if error.class() == Class::Refused {
                self.doubt(turn, from, bytes);
            }
            if self.spread.told.len() >= TOLD_MAX {
                self.spread.told.clear();
            }
            if self.spread.told.insert(digest("document-told", &[bytes])) {
                turn.speak(Speak::Tell(Notice::Document(error.to_string())));
            }
        }
    }
}

/// Documents in as few offers as their bounds allow, large ones by digest.
fn batches(documents: impl Iterator<Item = (Digest, Bytes)>) -> Vec<Offer> {
    let (mut offers, mut room) = (Vec::new(), 0);
    for (digest, bytes) in documents {
        let large = bytes.len() > OFFER_DOCUMENT_MAX;
        let len = if large { Digest::LEN } else { bytes.len() };
        let full = |offer: &Offer| offer.documents.len().max(offer.digests.len()) >= BATCH_COUNT;
        if len > room || offers.last().is_none_or(full) {
            offers.push(Offer::default());
            room = BATCH_BYTES;
        }
        room -= len;
        let Some(offer) = offers.last_mut() else { continue };
        if large {
            offer.digests.push(digest);
        } else {
            offer.documents.push(bytes);
        }
    }
    offers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_keep_their_bounds_and_leave_nothing_out() {
        let document = |n: u16, len: usize| (Digest([1; 32]), Bytes::from(vec![n as u8; len]));
        let small = (0..600).map(|n| document(n, 100));
        let all = small.chain((0..70).map(|n| document(n, OFFER_DOCUMENT_MAX)));
        let offers = batches(all.chain((0..300).map(|n| document(n, OFFER_DOCUMENT_MAX + 1))));
        let sum = |count: fn(&Offer) -> usize| offers.iter().map(count).sum::<usize>();
        assert_eq!((sum(|o| o.documents.len()), sum(|o| o.digests.len())), (670, 300));
        for offer in &offers {
            assert!(offer.documents.iter().map(Bytes::len).sum::<usize>() <= BATCH_BYTES);
            let ask = Ask::Offer(offer.clone());
            assert_eq!(Ask::decode(&ask.encode()), Ok(ask));
        }
    }
}
