//! What was said to us, each letter exactly once (invariant I2).
//!
//! Level 4, owned by `Station`. A letter is known by its author's party and its `msg_id`, whatever
//! envelope brought it, so that a letter sealed again after a loss, or said by a sibling station,
//! is not shown twice. The level is the highest that we told its author. Letters stay for good, so
//! they are held packed; who asks for one gets a copy.

mod packing;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::dump::{Dump, Source, dumped};
use crate::id::{Digest, EnvelopeId, FeedId, KeyId, MsgId, PartyCode, StationId};
use crate::limits::NEWEST_KEPT;
use crate::packed::{Held, Order, Packed};
use crate::receipt::Entry;
use crate::terms::{Level, Outcome, Precedence, Status};
use crate::time::Timestamp;

/// Types of letters that say something about the line or the office itself, found without a search.
pub const WATCHED: [&str; 3] = ["contact-entry", "service-notice", "comms-check-result"];

/// The envelope that receipts of a letter name. A sender that lost its disk seals a letter again and
/// knows only the newer envelope; so the one that was sealed last is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its id, the digest of its header.
    pub envelope: EnvelopeId,
    /// Root over its content, as it was opened.
    pub content_root: Digest,
    /// When its author made it.
    pub made_at: Timestamp,
}

/// Where an envelope stands in its author's feed, and the key that signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The feed.
    pub feed: FeedId,
    /// Its number there.
    pub seq: u64,
    /// Which of the author's keys.
    pub key: KeyId,
}

/// A letter that was opened here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its id.
    pub msg: MsgId,
    /// The station that signed it.
    pub author: StationId,
    /// That station's party.
    pub party: PartyCode,
    /// The envelope that brought it first.
    pub envelope: EnvelopeId,
    /// Where that envelope stands; `None` where the journal does not hold it any more.
    pub place: Option<Place>,
    /// What receipts name.
    pub named: Named,
    /// Name of its type.
    pub type_name: String,
    /// Its precedence.
    pub precedence: Precedence,
    /// Its status, as sealed.
    pub status: Status,
    /// When its author made it, by the author's clock.
    pub made_at: Timestamp,
    /// When it was opened here.
    pub received_at: Timestamp,
    /// When it stops to matter; shown grey after that.
    pub expires_at: Option<Timestamp>,
    /// We are among those who get a copy.
    pub info: bool,
    /// Made by a newer version: not all of it could be read.
    pub newer: bool,
    /// `made_at` lay too far ahead of our clock.
    pub ahead: bool,
    /// Its author also signed another header under the same number.
    pub forked: bool,
    /// The highest level that its author was told.
    pub level: Option<Level>,
    /// The outcome that was stated.
    pub outcome: Option<Outcome>,
    /// The receipt's latest entry, as sent, to be said again on a duplicate.
    pub entry: Bytes,
    /// Order of arrival.
    pub number: u64,
}

/// Every letter that was opened here.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    /// By number, from 1.
    letters: Packed<Received>,
    /// The numbers of all letters, by the envelopes that brought them first.
    by_envelope: Order,
    /// Further envelopes, and the numbers of the letters that they brought.
    copies: BTreeMap<EnvelopeId, u64>,
    /// Of the types that the directory rests on: the newest ones of each party, oldest first.
    watched: BTreeMap<(PartyCode, &'static str), VecDeque<MsgId>>,
}

dumped!(Named { envelope, content_root, made_at });
dumped!(Place { feed, seq, key });

impl Dump for Inbox {
    fn put(&self, out: &mut Vec<u8>) {
        self.letters.put_in(1..=self.last(), out);
        self.copies.put(out);
        for kind in WATCHED {
            let of_kind = self.watched.iter().filter(|((_, k), _)| *k == kind);
            let of_kind = of_kind.map(|((party, _), ids)| (party.clone(), ids.clone()));
            of_kind.collect::<Vec<_>>().put(out);
        }
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let mut envelopes = Vec::new();
        let letters =
            Packed::take_all(from, |_, letter: &Received| envelopes.push(letter.envelope))?;
        let mut numbered: Vec<_> = envelopes.iter().zip(1_u32..).collect();
        numbered.sort_unstable();
        let by_envelope = Order::of(numbered.into_iter().map(|(_, number)| number));
        let copies = BTreeMap::take(from)?;
        let mut watched = BTreeMap::new();
        for kind in WATCHED {
            let of_kind = BTreeMap::<PartyCode, VecDeque<MsgId>>::take(from)?;
            watched.extend(of_kind.into_iter().map(|(party, ids)| ((party, kind), ids)));
        }
        Some(Self { letters, by_envelope, copies, watched })
    }
}

impl Inbox {
    /// Whether this letter is here.
    #[must_use]
    pub fn holds(&self, party: &PartyCode, msg: &MsgId) -> bool {
        self.number_of(party, msg).is_some()
    }

    /// Enters a letter that is not here yet; its number is given here.
    pub fn enter(&mut self, mut letter: Received) {
        if self.holds(&letter.party, &letter.msg) {
            return;
        }
        letter.number = self.last() + 1;
        self.watch(&letter);
        let envelope = letter.envelope;
        let number = self.letters.push(letter);
        let mut by_envelope = std::mem::take(&mut self.by_envelope);
        by_envelope.insert(number, |other| self.compare(other, &envelope));
        self.by_envelope = by_envelope;
    }

    /// The letter of this id. Two parties may have drawn the same id only by breaking the rules;
    /// the one that came first is meant.
    #[must_use]
    pub fn get(&self, msg: &MsgId) -> Option<Cow<'_, Received>> {
        self.letters.get(self.letters.with_key(msg.0).next()?)
    }

    fn watch(&mut self, letter: &Received) {
        if let Some(kind) = WATCHED.into_iter().find(|kind| *kind == letter.type_name) {
            let newest = self.watched.entry((letter.party.clone(), kind)).or_default();
            newest.push_back(letter.msg);
            if newest.len() > NEWEST_KEPT {
                newest.pop_front();
            }
        }
    }

    /// A party's newest letters of one of the [`WATCHED`] types, the last to come first.
    pub fn newest(
        &self,
        party: &PartyCode,
        kind: &'static str,
    ) -> impl Iterator<Item = Cow<'_, Received>> {
        let ids = self.watched.get(&(party.clone(), kind)).into_iter().flatten().rev();
        ids.filter_map(|msg| self.of_party(party, msg))
    }

    /// The letter of this id from this party.
    #[must_use]
    pub fn of_party(&self, party: &PartyCode, msg: &MsgId) -> Option<Cow<'_, Received>> {
        let mut all = self.letters.with_key(msg.0).filter_map(|number| self.letters.get(number));
        all.find(|letter| letter.party == *party)
    }

    /// The letter of this id from this party, to be changed.
    pub fn get_mut(&mut self, party: &PartyCode, msg: &MsgId) -> Option<&mut Received> {
        self.letters.get_mut(self.number_of(party, msg)?)
    }

    /// Another envelope brought a letter that is here.
    pub fn note_copy(&mut self, party: &PartyCode, msg: &MsgId, copy: Named) {
        let Some(number) = self.number_of(party, msg) else { return };
        if self.number_by(&copy.envelope).is_none() {
            self.copies.insert(copy.envelope, number);
        }
        if let Some(letter) = self.letters.get_mut(number)
            && copy.made_at > letter.named.made_at
        {
            letter.named = copy;
        }
    }

    /// The author of this envelope signed another one under the same number.
    pub fn mark_forked(&mut self, envelope: &EnvelopeId) {
        let number = self.number_by(envelope);
        if let Some(letter) = number.and_then(|number| self.letters.get_mut(number)) {
            letter.forked = true;
        }
    }

    /// The letter that this envelope brought.
    #[must_use]
    pub fn by_envelope(&self, envelope: &EnvelopeId) -> Option<Cow<'_, Received>> {
        self.letters.get(self.number_by(envelope)?)
    }

    /// Number of the last letter that came; 0 when none did.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.letters.len()
    }

    /// All letters in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = Cow<'_, Received>> {
        self.after(0)
    }

    /// The letters behind the one numbered `after`, in the order in which they came.
    pub fn after(&self, after: u64) -> impl Iterator<Item = Cow<'_, Received>> {
        let behind = after.saturating_add(1)..=self.last();
        behind.filter_map(|number| self.letters.get(number))
    }

    /// Letters of which the author was not told that they are in the inbox, and perhaps others.
    pub fn untold(&self) -> impl Iterator<Item = &Received> {
        self.letters.open()
    }

    fn number_of(&self, party: &PartyCode, msg: &MsgId) -> Option<u64> {
        self.of_party(party, msg).map(|letter| letter.number)
    }

    fn number_by(&self, envelope: &EnvelopeId) -> Option<u64> {
        let first = self.by_envelope.from(|other| self.compare(other, envelope)).next();
        let first = first.filter(|number| self.compare(*number, envelope) == Ordering::Equal);
        first.or_else(|| self.copies.get(envelope).copied())
    }

    fn compare(&self, number: u64, envelope: &EnvelopeId) -> Ordering {
        let other = match self.letters.held(number) {
            Some(Held::Packed(bytes)) => packing::envelope_in(bytes),
            Some(Held::Open(letter)) => Some(letter.envelope),
            None => None,
        };
        other.cmp(&Some(*envelope))
    }
}

impl Received {
    /// Whether telling this entry to the author would say anything new: a higher level, another
    /// outcome, or the same by the office's own signature where the author has none.
    #[must_use]
    pub fn is_news(&self, entry: &Entry) -> bool {
        let same = self.level == Some(entry.level)
            && (entry.outcome.is_none() || entry.outcome == self.outcome);
        let told = || Entry::from_bytes(&self.entry);
        let signed = || told().is_some_and(|t| t.signature.is_some() && t.digest == entry.digest);
        self.rises(entry.level, entry.outcome) || (same && entry.signature.is_some() && !signed())
    }

    /// Whether saying this to the author would say anything new.
    #[must_use]
    pub fn rises(&self, level: Level, outcome: Option<Outcome>) -> bool {
        self.level.is_none_or(|told| level > told)
            || (self.level == Some(level) && outcome.is_some() && outcome != self.outcome)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::packed::{Names, Pack};
    use crate::receipt::Officer;

    fn letter(msg: u8, party: &str) -> Received {
        Received {
            msg: MsgId([msg; 16]),
            author: StationId([7; 16]),
            party: PartyCode::new(party).unwrap(),
            envelope: EnvelopeId([8; 32]),
            place: None,
            named: Named {
                envelope: EnvelopeId([8; 32]),
                content_root: Digest([9; 32]),
                made_at: Timestamp(1),
            },
            type_name: "operator-note".into(),
            precedence: Precedence::Routine,
            status: Status::Actual,
            made_at: Timestamp(1),
            received_at: Timestamp(2),
            expires_at: None,
            info: false,
            newer: false,
            ahead: false,
            forked: false,
            level: None,
            outcome: None,
            entry: Bytes::new(),
            number: 0,
        }
    }

    fn packed(letter: &Received) -> Received {
        let (mut names, mut bytes) = (Names::default(), Vec::new());
        letter.pack(&mut names, &mut bytes);
        let mut from = Source::new(&bytes);
        let again = Received::unpack(letter.number, &names, &mut from).unwrap();
        assert!(from.is_empty());
        again
    }

    #[test]
    fn a_letter_that_was_packed_is_what_it_was() {
        let plain = letter(1, "EST");
        assert_eq!(packed(&plain), plain);
        let Named { envelope, content_root, .. } = plain.named;
        let at = Timestamp(7);
        let desk = Officer { name: "O. Officer".into(), office: "Duty desk".into() };
        let told = Entry::by_station(plain.msg, envelope, content_root, Level::L2, at);
        let feed = FeedId {
            author: plain.author,
            incarnation: crate::id::Incarnation([3; 16]),
            lane: crate::id::LaneId([4; 16]),
        };
        let rich = Received {
            place: Some(Place { feed, seq: 1 << 40, key: KeyId([5; 16]) }),
            expires_at: Some(Timestamp(0)),
            received_at: Timestamp(0),
            level: Some(Level::L5),
            outcome: Some(Outcome::Declined),
            entry: told.clone().by_officer(Level::L5, at, &desk).to_bytes(),
            number: 9,
            ..plain.clone()
        };
        let named = Named { envelope: EnvelopeId([1; 32]), ..plain.named };
        let newer = Named { made_at: Timestamp(0), ..plain.named };
        let flags =
            [(true, false, false, false), (false, true, false, true), (false, false, true, true)];
        let flagged = flags.map(|(info, newer, ahead, forked)| Received {
            info,
            newer,
            ahead,
            forked,
            ..rich.clone()
        });
        let entry = told.to_bytes();
        let odd = [
            Received { entry: entry.clone(), ..plain.clone() },
            Received { entry, named, ..plain.clone() },
            Received { entry: Bytes::from_static(b"no entry"), named: newer, ..plain },
            rich,
        ];
        for letter in odd.iter().chain(&flagged) {
            assert_eq!(packed(letter), *letter);
        }
    }

    #[test]
    fn an_envelope_finds_its_letter_and_so_does_a_later_one() {
        let mut inbox = Inbox::default();
        for msg in 1..=200_u8 {
            let (envelope, level) = (EnvelopeId([msg.wrapping_mul(77); 32]), Some(Level::L3));
            inbox.enter(Received { envelope, level, ..letter(msg, "EST") });
        }
        let party = PartyCode::new("EST").unwrap();
        let later = |envelope, made_at| Named { envelope, made_at, content_root: Digest([1; 32]) };
        inbox.note_copy(&party, &MsgId([5; 16]), later(EnvelopeId([0; 32]), Timestamp(5)));
        inbox.mark_forked(&EnvelopeId([0; 32]));
        let mut bytes = Vec::new();
        inbox.put(&mut bytes);
        let again = Inbox::take(&mut Source::new(&bytes)).unwrap();
        for inbox in [&inbox, &again] {
            for msg in 1..=200_u8 {
                let by = inbox.by_envelope(&EnvelopeId([msg.wrapping_mul(77); 32])).unwrap();
                assert_eq!((by.msg, by.number), (MsgId([msg; 16]), u64::from(msg)));
                assert_eq!(by.forked, msg == 5);
            }
            let named = inbox.by_envelope(&EnvelopeId([0; 32])).unwrap().named;
            assert_eq!(named.envelope, EnvelopeId([0; 32]));
            assert!(inbox.by_envelope(&EnvelopeId([201_u8.wrapping_mul(77); 32])).is_none());
            assert_eq!(inbox.untold().filter(|l| l.level.is_none()).count(), 0);
        }
    }

    #[test]
    fn a_letter_is_known_by_party_and_id_whatever_brought_it() {
        let mut inbox = Inbox::default();
        inbox.enter(letter(1, "EST"));
        let mut again = letter(1, "EST");
        again.envelope = EnvelopeId([1; 32]);
        inbox.enter(again);
        inbox.enter(letter(1, "FIN"));
        assert_eq!(inbox.iter().count(), 2);
        assert_eq!(inbox.get(&MsgId([1; 16])).unwrap().party.as_str(), "EST");
    }

    #[test]
    fn the_newest_of_a_watched_type_are_found_by_party() {
        let mut inbox = Inbox::default();
        for msg in 0..40 {
            let party = if msg % 2 == 0 { "EST" } else { "FIN" };
            let kind = if msg % 4 == 0 { "service-notice" } else { "operator-note" };
            inbox.enter(Received { type_name: kind.into(), ..letter(msg, party) });
        }
        let est = PartyCode::new("EST").unwrap();
        let newest: Vec<u8> =
            inbox.newest(&est, "service-notice").map(|l| l.msg.0[0]).take(3).collect();
        assert_eq!(newest, [36, 32, 28]);
        assert_eq!(inbox.newest(&est, "contact-entry").count(), 0);
        for msg in 40..80 {
            inbox.enter(Received { type_name: "service-notice".into(), ..letter(msg, "EST") });
        }
        assert_eq!(inbox.newest(&est, "service-notice").count(), NEWEST_KEPT);
    }

    #[test]
    fn letters_come_out_in_the_order_in_which_they_came_in() {
        let mut inbox = Inbox::default();
        for msg in [5, 1, 3] {
            inbox.enter(letter(msg, "EST"));
        }
        let order: Vec<u8> = inbox.iter().map(|l| l.msg.0[0]).collect();
        assert_eq!(order, [5, 1, 3]);
        let behind: Vec<u8> = inbox.after(1).map(|l| l.msg.0[0]).collect();
        assert_eq!(behind, [1, 3]);
        assert_eq!(inbox.after(3).count(), 0);
        assert!(inbox.get(&MsgId([2; 16])).is_none());
    }
}
