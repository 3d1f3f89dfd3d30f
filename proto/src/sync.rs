//! What stations ask one another over streams, in domain terms (`docs/spec/sync.md`).
//!
//! Level 4. [`Ask`] and [`Say`] are parsed from bounded bytes: every identifier has its length,
//! every count its limit. Nothing here is signed; envelopes and documents inside are checked as if
//! they had come by gossip. Called by `Station`, and by the shell for [`serve`].

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::feeds::{Feed, Feeds, Run};
use crate::id::{Digest, EnvelopeId, FeedId, Incarnation, LaneId, StationId};
use crate::limits::{
    BATCH_BYTES, BATCH_COUNT, CARRIED_BYTES, DOCUMENTS_MAX, ECHOES, FRAME_MAX, MISSING_MAX,
    RANGES_MAX, SUMMARY_MAX,
};
use crate::primitives::digest;
use crate::proof::Proof;
use crate::wire::{self, answer, request};

/// How far a pushed envelope came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Custody {
    /// Durable there.
    Stored,
    /// Not taken now.
    Deferred,
    /// Never to be taken.
    Refused,
}

/// A run of one feed, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Numbers {
    /// Which feed.
    pub feed: FeedId,
    /// First number.
    pub from: u64,
    /// Last number.
    pub to: u64,
}

/// One feed as a station holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which feed.
    pub feed: FeedId,
    /// Everything up to here.
    pub mark: u64,
    /// Digest of the header at the mark.
    pub head: Option<EnvelopeId>,
    /// Runs above the mark.
    pub above: Vec<Run>,
    /// More runs exist.
    pub more: bool,
    /// A proof is held that the author wrote twice on this lane.
    pub proven: bool,
}

/// Carried pair-lane envelopes by day of `made_at` (days since 1970-01-01).
pub type DaySets = BTreeMap<u64, Vec<EnvelopeId>>;

/// A question between stations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Take this envelope.
    Push(Bytes),
    /// What do you hold of this author's feeds? Asked by the author itself.
    Heads(StationId),
    /// The same, with the asker's newest beacon.
    HeadsOf(StationId, Bytes),
    /// Do we hold the same of what both may see?
    Summary(Digest),
    /// Give these numbers, and these carried envelopes.
    Want(Vec<Numbers>, Vec<EnvelopeId>),
    /// These are the documents I hold: give me what I lack.
    Documents(Vec<Digest>),
    /// Documents that are news to the asker, and a comparison.
    Offer(Offer),
    /// An author wrote twice: keep it, and pass it on.
    Proof(Box<Proof>),
}

/// Documents that one station offers another of its own accord.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// As they travel.
    pub documents: Vec<Bytes>,
    /// Larger ones, to be asked for by whoever lacks them.
    pub digests: Vec<Digest>,
    /// Digest over all that both may hold, by [`documents_digest`]; `None`: not compared.
    pub all: Option<Digest>,
}

/// A beacon that is shown to its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    /// The envelope as it came.
    pub beacon: Bytes,
    /// Milliseconds since it was heard.
    pub age: u64,
}

/// An answer between stations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// To a push.
    Taken(Custody),
    /// To heads, or to a summary that differs.
    Entries {
        /// Feeds.
        entries: Vec<Entry>,
        /// Carried pair-lane envelopes.
        carried: DaySets,
        /// More entries exist than fit.
        more: bool,
        /// To heads: beacons in the asker's own name.
        echoes: Vec<Echo>,
    },
    /// To a summary that agrees.
    Same,
    /// To a want: whole envelopes, and whether more of what was asked is held.
    Envelopes(Vec<Bytes>, bool),
    /// To documents.
    Documents(Vec<Bytes>),
    /// The asker's role or membership does not reach this.
    Refused,
}

/// What is wrong with a question or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a peer sent a stream message that breaks the format: {0}")]
pub struct BadStream(&'static str);

impl Entry {
    /// The entry of one feed.
    #[must_use]
    pub fn of(feed: FeedId, state: &Feed) -> Self {
        let (above, more) = state.above();
        Self { feed, mark: state.mark(), head: state.head(), above, more, proven: false }
    }

    /// All runs held, the one up to the mark first.
    #[must_use]
    pub fn runs(&self) -> Vec<Run> {
        let first = (self.mark > 0).then_some((1, self.mark));
        first.into_iter().chain(self.above.iter().copied()).collect()
    }

    /// As it stands on the wire and in the notice of an incarnation.
    #[must_use]
    pub fn to_wire(&self) -> wire::Entry {
        let range = |&(from, to): &Run| wire::Range { from, to };
        wire::Entry {
            author: copy(&self.feed.author.0),
            incarnation: copy(&self.feed.incarnation.0),
            lane: copy(&self.feed.lane.0),
            mark: self.mark,
            head: self.head.map(|h| copy(&h.0)).unwrap_or_default(),
            above: self.above.iter().map(range).collect(),
            more: self.more,
            proven: self.proven,
        }
    }

    /// Reads one entry.
    ///
    /// # Errors
    /// A length, an order or a bound that is broken.
    pub fn from_wire(entry: &wire::Entry) -> Result<Self, BadStream> {
        let above: Vec<Run> = entry.above.iter().map(|r| (r.from, r.to)).collect();
        let mut last = entry.mark;
        for &(from, to) in &above {
            if from <= last || to < from {
                return Err(BadStream("ranges out of order"));
            }
            last = to;
        }
        if above.len() > RANGES_MAX {
            return Err(BadStream("too many ranges"));
        }
        let head = match entry.head.len() {
            0 => None,
            _ => Some(take(&entry.head, EnvelopeId::from_slice)?),
        };
        let feed = feed(&entry.author, &entry.incarnation, &entry.lane)?;
        let wire::Entry { mark, more, proven, .. } = *entry;
        Ok(Self { feed, mark, head, above, more, proven })
    }
}

/// Digest over entries and day sets, in order: equal exactly when both hold the same.
#[must_use]
pub fn summary_digest(entries: &[Entry], carried: &DaySets) -> Digest {
    let bytes = wire::encode(&entries_to_wire(entries, carried, false));
    digest("summary", &[&bytes])
}

/// Digest over documents by their identities: equal exactly when both hold the same.
#[must_use]
pub fn documents_digest(all: &BTreeSet<Digest>) -> Digest {
    let parts: Vec<&[u8]> = all.iter().map(|digest| &digest.0[..]).collect();
    digest("documents", &parts)
}

/// The entries of the feeds that `visible` admits, in order.
pub fn entries(feeds: &Feeds, mut visible: impl FnMut(&FeedId) -> bool) -> Vec<Entry> {
    let all = feeds.iter().filter(|(id, feed)| feed.last() > 0 && visible(id));
    all.map(|(id, feed)| Entry::of(*id, feed)).collect()
}

/// What of entries and day sets fits one answer. Where that is not all of it, it begins at a place
/// that `draw` (a number below the one given) chooses, so that each feed's turn comes, however many
/// feeds somebody made up.
#[must_use]
pub fn excerpt(entries: Vec<Entry>, carried: DaySets, mut draw: impl FnMut(u64) -> u64) -> Say {
    let entry_len = |entry: &Entry| 120 + 24 * entry.above.len();
    let (entries, more) = piece(entries, SUMMARY_MAX, BATCH_BYTES, entry_len, &mut draw);
    let ids = carried.into_iter().flat_map(|(day, ids)| ids.into_iter().map(move |id| (day, id)));
    let (ids, left) = piece(ids.collect(), usize::MAX, CARRIED_BYTES, |_| 36, &mut draw);
    let mut carried = DaySets::new();
    for (day, id) in ids {
        carried.entry(day).or_default().push(id);
    }
    Say::Entries { entries, carried, more: more || left, echoes: Vec::new() }
}

fn piece<T>(
    mut all: Vec<T>,
    most: usize,
    mut room: usize,
    len: impl Fn(&T) -> usize,
    draw: &mut impl FnMut(u64) -> u64,
) -> (Vec<T>, bool) {
    if all.len() <= most && all.iter().map(&len).sum::<usize>() <= room {
        return (all, false);
    }
    let last = all.len().saturating_sub(1);
    let start = usize::try_from(draw(all.len() as u64)).unwrap_or(0).min(last);
    all.rotate_left(start);
    let fits = |item: &&T| {
        let fits = len(item) <= room;
        room = room.saturating_sub(len(item));
        fits
    };
    let count = all.iter().take(most).take_while(fits).count();
    all.truncate(count);
    (all, true)
}

/// The answer to a want, made by the shell from what it read in the store.
#[must_use]
pub fn serve(envelopes: Vec<Bytes>, more: bool) -> Bytes {
    Say::Envelopes(envelopes, more).encode()
}

impl Ask {
    /// As it goes into a stream.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let ask = match self {
            Self::Push(envelope) => request::Ask::Push(envelope.clone()),
            Self::Heads(author) => {
                request::Ask::Heads(wire::Heads { author: copy(&author.0), beacon: Bytes::new() })
            }
            Self::HeadsOf(author, beacon) => {
                request::Ask::Heads(wire::Heads { author: copy(&author.0), beacon: beacon.clone() })
            }
            Self::Summary(digest) => {
                request::Ask::Summary(wire::Summary { digest: copy(&digest.0) })
            }
            Self::Want(numbers, envelopes) => request::Ask::Want(wire::Want {
                numbers: numbers.iter().map(numbers_to_wire).collect(),
                envelopes: envelopes.iter().map(|id| copy(&id.0)).collect(),
            }),
            Self::Documents(digests) => request::Ask::Documents(wire::Documents {
                digests: digests.iter().map(|d| copy(&d.0)).collect(),
            }),
            Self::Offer(offer) => request::Ask::Offer(wire::Offer {
                documents: offer.documents.clone(),
                digests: offer.digests.iter().map(|d| copy(&d.0)).collect(),
                all: offer.all.map(|d| copy(&d.0)).unwrap_or_default(),
            }),
            Self::Proof(proof) => request::Ask::Proof(proof.to_wire()),
        };
        wire::encode(&wire::Request { ask: Some(ask) }).into()
    }

    /// Reads a question.
    ///
    /// # Errors
    /// A format, a length or a bound that is broken.
    pub fn decode(bytes: &Bytes) -> Result<Self, BadStream> {
        let request: wire::Request =
            wire::decode(bytes, FRAME_MAX).map_err(|_| BadStream("not a request"))?;
        match request.ask.ok_or(BadStream("an empty request"))? {
            request::Ask::Push(envelope) => Ok(Self::Push(envelope)),
            request::Ask::Heads(heads) if !heads.beacon.is_empty() => {
                take(&heads.author, StationId::from_slice).map(|id| Self::HeadsOf(id, heads.beacon))
            }
            request::Ask::Heads(heads) => {
                take(&heads.author, StationId::from_slice).map(Self::Heads)
            }
            request::Ask::Summary(s) => take(&s.digest, Digest::from_slice).map(Self::Summary),
            request::Ask::Want(want) => {
                if want.numbers.len() > MISSING_MAX as usize || want.envelopes.len() > BATCH_COUNT {
                    return Err(BadStream("wants too much at once"));
                }
                let numbers =
                    want.numbers.iter().map(numbers_from_wire).collect::<Result<_, _>>()?;
                Ok(Self::Want(numbers, ids(&want.envelopes, EnvelopeId::from_slice)?))
            }
            request::Ask::Documents(documents) => {
                if documents.digests.len() > DOCUMENTS_MAX {
                    return Err(BadStream("names too many documents"));
                }
                ids(&documents.digests, Digest::from_slice).map(Self::Documents)
            }
            request::Ask::Offer(offer) => offer_from_wire(offer).map(Self::Offer),
            request::Ask::Proof(two) => Proof::from_wire(&two)
                .map(Box::new)
                .map(Self::Proof)
                .map_err(|_| BadStream("proves nothing")),
        }
    }
}

impl Say {
    /// As it goes into a stream.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let say = match self {
            Self::Taken(custody) => {
                answer::Say::Taken(wire::Taken { custody: custody_to_wire(*custody) as i32 })
            }
            Self::Entries { entries, carried, more, echoes } => {
                let echo = |e: &Echo| wire::Echo { beacon: e.beacon.clone(), age: e.age };
                answer::Say::Entries(wire::Entries {
                    echoes: echoes.iter().map(echo).collect(),
                    ..entries_to_wire(entries, carried, *more)
                })
            }
            Self::Same => answer::Say::Same(wire::Same {}),
            Self::Envelopes(envelopes, more) => answer::Say::Envelopes(wire::Envelopes {
                envelopes: envelopes.clone(),
                more: *more,
            }),
            Self::Documents(documents) => {
                answer::Say::Documents(wire::DocumentSet { documents: documents.clone() })
            }
            Self::Refused => answer::Say::Refused(wire::Refused {}),
        };
        wire::encode(&wire::Answer { say: Some(say) }).into()
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// A format, a length or a bound that is broken.
    pub fn decode(bytes: &Bytes) -> Result<Self, BadStream> {
        let answer: wire::Answer =
            wire::decode(bytes, FRAME_MAX).map_err(|_| BadStream("not an answer"))?;
        match answer.say.ok_or(BadStream("an empty answer"))? {
            answer::Say::Taken(taken) => Ok(Self::Taken(match taken.custody() {
                wire::Custody::Stored => Custody::Stored,
                wire::Custody::Refused => Custody::Refused,
                wire::Custody::Deferred | wire::Custody::Unspecified => Custody::Deferred,
            })),
            answer::Say::Entries(all) => entries_from_wire(&all),
            answer::Say::Same(_) => Ok(Self::Same),
            answer::Say::Envelopes(e) if e.envelopes.len() > BATCH_COUNT => {
                Err(BadStream("too many envelopes in one answer"))
            }
            answer::Say::Envelopes(e) => Ok(Self::Envelopes(e.envelopes, e.more)),
            answer::Say::Documents(d) if d.documents.len() > DOCUMENTS_MAX => {
                Err(BadStream("too many documents in one answer"))
            }
            answer::Say::Documents(d) => Ok(Self::Documents(d.documents)),
            answer::Say::Refused(_) => Ok(Self::Refused),
        }
    }
}

const fn custody_to_wire(custody: Custody) -> wire::Custody {
    match custody {
        Custody::Stored => wire::Custody::Stored,
        Custody::Deferred => wire::Custody::Deferred,
        Custody::Refused => wire::Custody::Refused,
    }
}

fn entries_to_wire(entries: &[Entry], carried: &DaySets, more: bool) -> wire::Entries {
    let day = |(day, ids): (&u64, &Vec<EnvelopeId>)| wire::DaySet {
        day: *day,
        envelopes: ids.iter().map(|id| copy(&id.0)).collect(),
    };
    wire::Entries {
        entries: entries.iter().map(Entry::to_wire).collect(),
        carried: carried.iter().map(day).collect(),
        more,
        echoes: Vec::new(),
    }
}

fn entries_from_wire(all: &wire::Entries) -> Result<Say, BadStream> {
    if all.entries.len() > SUMMARY_MAX {
        return Err(BadStream("too many entries"));
    }
    if all.echoes.len() > ECHOES {
        return Err(BadStream("too many beacons"));
    }
    let echo = |e: &wire::Echo| Echo { beacon: e.beacon.clone(), age: e.age };
    let echoes = all.echoes.iter().map(echo).collect();
    let entries = all.entries.iter().map(Entry::from_wire).collect::<Result<_, _>>()?;
    let mut carried = DaySets::new();
    for set in &all.carried {
        carried.insert(set.day, ids(&set.envelopes, EnvelopeId::from_slice)?);
    }
    Ok(Say::Entries { entries, carried, more: all.more, echoes })
}

fn numbers_to_wire(numbers: &Numbers) -> wire::Numbers {
    wire::Numbers {
        author: copy(&numbers.feed.author.0),
        incarnation: copy(&numbers.feed.incarnation.0),
        lane: copy(&numbers.feed.lane.0),
        from: numbers.from,
        to: numbers.to,
    }
}

fn numbers_from_wire(numbers: &wire::Numbers) -> Result<Numbers, BadStream> {
    if numbers.from == 0 || numbers.to < numbers.from {
        return Err(BadStream("an empty run of numbers"));
    }
    let feed = feed(&numbers.author, &numbers.incarnation, &numbers.lane)?;
    Ok(Numbers { feed, from: numbers.from, to: numbers.to })
}

fn offer_from_wire(offer: wire::Offer) -> Result<Offer, BadStream> {
    if offer.documents.len() > BATCH_COUNT || offer.digests.len() > BATCH_COUNT {
        return Err(BadStream("offers too much at once"));
    }
    let all = match offer.all.len() {
        0 => None,
        _ => Some(take(&offer.all, Digest::from_slice)?),
    };
    let digests = ids(&offer.digests, Digest::from_slice)?;
    Ok(Offer { documents: offer.documents, digests, all })
}

fn feed(author: &[u8], incarnation: &[u8], lane: &[u8]) -> Result<FeedId, BadStream> {
    Ok(FeedId {
        author: take(author, StationId::from_slice)?,
        incarnation: take(incarnation, Incarnation::from_slice)?,
        lane: take(lane, LaneId::from_slice)?,
    })
}

fn take<T>(bytes: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Result<T, BadStream> {
    read(bytes).ok_or(BadStream("an identifier of the wrong length"))
}

fn ids<T>(all: &[Bytes], read: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, BadStream> {
    all.iter().map(|bytes| take(bytes, &read)).collect()
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
