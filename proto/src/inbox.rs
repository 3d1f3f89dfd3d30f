//! What was said to us, each letter exactly once (invariant I2).
//!
//! Level 4, owned by `Station`. A letter is known by its author's party and its `msg_id`, whatever
//! envelope brought it, so that a letter sealed again after a loss, or said by a sibling station,
//! is not shown twice. The level is the highest that we told its author.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::dump::{Dump, Source, dumped, put_all};
use crate::id::{Digest, EnvelopeId, FeedId, KeyId, MsgId, PartyCode, StationId};
use crate::limits::NEWEST_KEPT;
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
    /// Apart from the tree, whose nodes are never full.
    letters: BTreeMap<(MsgId, PartyCode), Box<Received>>,
    /// By number, from 1.
    arrival: Vec<(MsgId, PartyCode)>,
    /// Numbers of the letters that they brought.
    envelopes: BTreeMap<EnvelopeId, u64>,
    /// Of the types that the directory rests on: the newest ones of each party, oldest first.
    watched: BTreeMap<(PartyCode, &'static str), VecDeque<MsgId>>,
}

dumped!(Named { envelope, content_root, made_at });
dumped!(Place { feed, seq, key });
dumped!(Received {
    msg,
    author,
    party,
    envelope,
    place,
    named,
    type_name,
    precedence,
    status,
    made_at,
    received_at,
    expires_at,
    info,
    newer,
    ahead,
    forked,
    level,
    outcome,
    entry,
    number
});

impl Dump for Inbox {
    fn put(&self, out: &mut Vec<u8>) {
        let all: Vec<&Received> = self.iter().collect();
        put_all(all.into_iter(), out);
        // Each letter names its own envelope.
        let own = |id, number: u64| {
            let letter = self.key_of(number).and_then(|(msg, party)| self.of_party(party, msg));
            letter.is_some_and(|letter| letter.envelope == id)
        };
        let copies = self.envelopes.iter().filter(|(id, number)| !own(**id, **number));
        copies.map(|(id, number)| (*id, *number)).collect::<Vec<_>>().put(out);
        for kind in WATCHED {
            let of_kind = self.watched.iter().filter(|((_, k), _)| *k == kind);
            let of_kind = of_kind.map(|((party, _), ids)| (party.clone(), ids.clone()));
            of_kind.collect::<Vec<_>>().put(out);
        }
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let letters = Vec::<Box<Received>>::take(from)?;
        let dense = (1..).zip(&letters).all(|(number, letter)| letter.number == number);
        let mut envelopes = BTreeMap::<EnvelopeId, u64>::take(from)?;
        let mut watched = BTreeMap::new();
        for kind in WATCHED {
            let of_kind = BTreeMap::<PartyCode, VecDeque<MsgId>>::take(from)?;
            watched.extend(of_kind.into_iter().map(|(party, ids)| ((party, kind), ids)));
        }
        let key = |letter: &Received| (letter.msg, letter.party.clone());
        let arrival: Vec<_> = letters.iter().map(|letter| key(letter)).collect();
        envelopes.extend(letters.iter().map(|letter| (letter.envelope, letter.number)));
        let letters: BTreeMap<_, _> = letters.into_iter().map(|l| (key(&l), l)).collect();
        let whole = dense && letters.len() == arrival.len();
        whole.then_some(Self { letters, arrival, envelopes, watched })
    }
}

impl Inbox {
    /// Whether this letter is here.
    #[must_use]
    pub fn holds(&self, party: &PartyCode, msg: &MsgId) -> bool {
        self.letters.contains_key(&(*msg, party.clone()))
    }

    /// Enters a letter that is not here yet; its number is given here.
    pub fn enter(&mut self, mut letter: Received) {
        let key = (letter.msg, letter.party.clone());
        if self.letters.contains_key(&key) {
            return;
        }
        letter.number = self.last() + 1;
        self.arrival.push(key.clone());
        self.envelopes.insert(letter.envelope, letter.number);
        self.watch(&letter);
        self.letters.insert(key, Box::new(letter));
    }

    /// The letter of this id. Two parties may have drawn the same id only by breaking the rules;
    /// the one that came first is meant.
    #[must_use]
    pub fn get(&self, msg: &MsgId) -> Option<&Received> {
        self.of(msg).min_by_key(|letter| letter.number)
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
    pub fn newest(&self, party: &PartyCode, kind: &'static str) -> impl Iterator<Item = &Received> {
        let ids = self.watched.get(&(party.clone(), kind)).into_iter().flatten().rev();
        ids.filter_map(|msg| self.of_party(party, msg))
    }

    /// The letter of this id from this party.
    #[must_use]
    pub fn of_party(&self, party: &PartyCode, msg: &MsgId) -> Option<&Received> {
        self.letters.get(&(*msg, party.clone())).map(|letter| &**letter)
    }

    /// The letter of this id from this party, to be changed.
    pub fn get_mut(&mut self, party: &PartyCode, msg: &MsgId) -> Option<&mut Received> {
        self.letters.get_mut(&(*msg, party.clone())).map(|letter| &mut **letter)
    }

    /// Another envelope brought a letter that is here.
    pub fn note_copy(&mut self, party: &PartyCode, msg: &MsgId, copy: Named) {
        let Some(letter) = self.get_mut(party, msg) else { return };
        if copy.made_at > letter.named.made_at {
            letter.named = copy;
        }
        let number = letter.number;
        self.envelopes.insert(copy.envelope, number);
    }

    /// The author of this envelope signed another one under the same number.
    pub fn mark_forked(&mut self, envelope: &EnvelopeId) {
        let key = self.envelopes.get(envelope).and_then(|number| self.key_of(*number)).cloned();
        if let Some(letter) = key.and_then(|(msg, party)| self.get_mut(&party, &msg)) {
            letter.forked = true;
        }
    }

    fn key_of(&self, number: u64) -> Option<&(MsgId, PartyCode)> {
        self.arrival.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    /// The letter that this envelope brought.
    #[must_use]
    pub fn by_envelope(&self, envelope: &EnvelopeId) -> Option<&Received> {
        let (msg, party) = self.key_of(*self.envelopes.get(envelope)?)?;
        self.of_party(party, msg)
    }

    /// Number of the last letter that came; 0 when none did.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.arrival.len() as u64
    }

    /// All letters in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &Received> {
        self.after(0)
    }

    /// The letters behind the one numbered `after`, in the order in which they came.
    pub fn after(&self, after: u64) -> impl Iterator<Item = &Received> {
        let behind = self.arrival.iter().skip(usize::try_from(after).unwrap_or(usize::MAX));
        behind.filter_map(|(msg, party)| self.of_party(party, msg))
    }

    fn of(&self, msg: &MsgId) -> impl Iterator<Item = &Received> {
        let wanted = *msg;
        self.letters
            .range((wanted, first_party())..)
            .map(|(_, letter)| &**letter)
            .take_while(move |letter| letter.msg == wanted)
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

/// Sorts before every other party code.
fn first_party() -> PartyCode {
    // "A0" obeys the rule and no code sorts before it.
    #[allow(clippy::expect_used, reason = "a constant that obeys the rule of party codes")]
    PartyCode::new("A0").expect("a valid code")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
