//! What we said and who owes what for it.
//!
//! Level 4, owned by `Station`. A letter stands here from the moment `send` returns its id. Levels
//! only rise and skipped ones are implied (`docs/spec/letter.md`); what an addressee's receipt claims is
//! believed of that addressee alone, and only if it names the header and content that we sent. Letters
//! stay for good, so those that everybody has are held packed; who asks for one gets a copy.

mod addressees;
mod packing;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use crate::dump::{Dump, Source, dumped, dumped_as_bytes};
use crate::id::{Digest, EnvelopeId, LaneId, MsgId, StationId};
use crate::limits::{COPIES_MAX, OWN_NEWEST_KEPT};
use crate::packed::Packed;
use crate::receipt::Stated;
use crate::terms::{Level, Outcome, Precedence, Status};
use crate::time::{DAY, Timestamp};

pub use self::addressees::Addressees;
use self::packing::Sent;

/// The way a letter went, as far as we can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// The addressee confirmed a direct push.
    Direct,
    /// Through gossip: we did not push it, or nobody confirmed the push.
    Gossip,
    /// This station took custody for the addressee.
    Via(StationId),
}

/// What one addressee owes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// A copy for information: owes nothing above L2.
    pub info: bool,
    /// How far it came.
    pub level: Option<Level>,
    /// The outcome stated with L5.
    pub outcome: Option<Outcome>,
    /// What an office stated with that level; `None` where the station speaks by itself.
    pub stated: Option<Box<Stated>>,
    /// When the level was reached, as the addressee's statement says.
    pub at: Option<Timestamp>,
    /// When L1 was reached; the clocks of the people run from here.
    pub stored_at: Option<Timestamp>,
    /// The way it went.
    pub path: Option<Path>,
    /// Repetitions so far.
    pub attempts: u32,
    /// Its keys were revoked when the letter was sealed: it cannot open it.
    pub unsealed: bool,
    /// Its receipt named an envelope that this disk lost: the letter is sealed again for it. Over
    /// when it was, and not when another statement counts: that may be one of before.
    pub unmatched: bool,
}

/// A letter of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The envelope that carries it; `None` while it waits to be sealed.
    pub envelope: Option<EnvelopeId>,
    /// Root over its content: what receipts must name.
    pub content_root: Digest,
    /// The group's lane that it went on.
    pub lane: LaneId,
    /// Name of its type.
    pub type_name: String,
    /// Its precedence.
    pub precedence: Precedence,
    /// Its status.
    pub status: Status,
    /// When it was taken from the sender.
    pub made_at: Timestamp,
    /// When it is no longer repeated.
    pub expires_at: Timestamp,
    /// The level that it wants of those who act on it.
    pub wants: Option<Level>,
    /// When an answer is wanted.
    pub reply_by: Option<Timestamp>,
    /// Each addressee station.
    pub owed: Addressees,
    /// Envelopes in which it was sealed again, oldest first, at most [`COPIES_MAX`].
    pub copies: VecDeque<Copy>,
}

/// A letter sealed again for one station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// For whom.
    pub station: StationId,
    /// The new envelope.
    pub envelope: EnvelopeId,
    /// Root over its content: its salts are new.
    pub content_root: Digest,
}

/// A level that an addressee reached, by its receipt or by custody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rise {
    /// The level.
    pub level: Level,
    /// With L5.
    pub outcome: Option<Outcome>,
    /// When, by whoever states it.
    pub at: Timestamp,
    /// The way it went, where this shows it.
    pub path: Option<Path>,
    /// What an office states.
    pub stated: Option<Stated>,
}

/// All letters of ours that are known here.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// In no order that means anything.
    letters: Packed<Sent>,
    /// How many letters a station owes something for, by the day on which they expire.
    debts: BTreeMap<(StationId, u64), u64>,
    /// Of the types whose fate people ask for by party: the newest ones, oldest first.
    watched: BTreeMap<&'static str, VecDeque<MsgId>>,
}

/// Types of own letters that are found without a search.
pub const WATCHED: [&str; 2] = ["comms-check", "request"];

dumped!(Copy { station, envelope, content_root });
dumped_as_bytes!(Path, |path| path.to_string().into(), |bytes| {
    Self::parse(std::str::from_utf8(&bytes).ok()?)
});

impl Dump for Outbox {
    fn put(&self, out: &mut Vec<u8>) {
        let Self { letters, debts: _, watched } = self;
        letters.put_in(letters.by_key(), out);
        WATCHED.iter().for_each(|kind| watched.get(kind).cloned().unwrap_or_default().put(out));
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let (mut debts, mut watched) = (BTreeMap::new(), BTreeMap::new());
        let letters = Packed::take_all(from, |_, sent: &Sent| owe(&mut debts, &sent.letter))?;
        for kind in WATCHED {
            let newest = VecDeque::take(from)?;
            if !newest.is_empty() {
                watched.insert(kind, newest);
            }
        }
        Some(Self { letters, debts, watched })
    }
}

impl Owed {
    /// An addressee that has confirmed nothing.
    #[must_use]
    pub const fn new(info: bool) -> Self {
        Self {
            info,
            level: None,
            outcome: None,
            stated: None,
            at: None,
            stored_at: None,
            path: None,
            attempts: 0,
            unsealed: false,
            unmatched: false,
        }
    }

    /// Whether the addressee itself has confirmed that it stored the letter.
    #[must_use]
    pub fn stored(&self) -> bool {
        self.level.is_some_and(|level| level >= Level::L1)
    }

    /// Whether more is to come: not all that the letter wants, and no outcome. Copies owe L2.
    #[must_use]
    pub fn is_open(&self, wants: Option<Level>) -> bool {
        let wanted = if self.info { Level::L2 } else { wants.unwrap_or(Level::L4) };
        self.outcome.is_none() && self.level.is_none_or(|level| level < wanted)
    }

    /// Whether this would say anything that is not known.
    #[must_use]
    pub fn rises(&self, rise: &Rise) -> bool {
        let higher = self.level.is_none_or(|level| rise.level > level);
        let other_outcome = self.level == Some(rise.level)
            && rise.outcome.is_some()
            && rise.outcome != self.outcome
            && self.at.is_none_or(|at| rise.at >= at);
        higher || other_outcome || self.is_shown_by(rise)
    }

    /// Whether it says what is known, and says more of who stands behind it: an office where only
    /// the station spoke, or an office's signature where there was none.
    fn is_shown_by(&self, rise: &Rise) -> bool {
        let same = self.level == Some(rise.level)
            && (rise.outcome.is_none() || rise.outcome == self.outcome);
        same && weight(rise.stated.as_ref()) > weight(self.stated.as_deref())
    }

    fn rise(&mut self, rise: &Rise) {
        self.level = Some(rise.level);
        self.at = Some(rise.at);
        self.stated = rise.stated.clone().map(Box::new);
        if rise.outcome.is_some() {
            self.outcome = rise.outcome;
        }
        if rise.level >= Level::L1 {
            self.stored_at = self.stored_at.or(Some(rise.at));
        }
        self.path = self.path.or(rise.path);
    }
}

fn owe(debts: &mut BTreeMap<(StationId, u64), u64>, letter: &Outgoing) {
    letter.debts().for_each(|debt| *debts.entry(debt).or_default() += 1);
}

/// Who stands behind a statement: nobody but the machine, an office by its name, or by a signature.
fn weight(stated: Option<&Stated>) -> u8 {
    stated.map_or(0, |stated| 1 + u8::from(stated.signature.is_some()))
}

impl Outgoing {
    /// Whether a receipt that names this envelope and this content is about the letter.
    #[must_use]
    pub fn is_named_by(&self, envelope: &EnvelopeId, root: &Digest) -> bool {
        let first = self.envelope == Some(*envelope) && self.content_root == *root;
        let again = |copy: &Copy| copy.envelope == *envelope && copy.content_root == *root;
        first || self.copies.iter().any(again)
    }

    /// Whether it was sealed, and this station owes L1 for it.
    #[must_use]
    pub fn is_unconfirmed_by(&self, station: &StationId) -> bool {
        self.envelope.is_some() && self.owed.get(station).is_some_and(|owed| !owed.stored())
    }

    /// Who owes something for it, and the day on which it expires.
    fn debts(&self) -> impl Iterator<Item = (StationId, u64)> {
        let day = self.expires_at.0 / DAY;
        let open = self.owed.iter().filter(|(_, owed)| owed.is_open(self.wants));
        open.map(move |(station, _)| (*station, day))
    }

    /// Whether it was sealed again for this station.
    #[must_use]
    pub fn is_copied_to(&self, station: &StationId) -> bool {
        self.copies.iter().any(|copy| copy.station == *station)
    }
}

impl Outbox {
    /// Enters a letter, or replaces the one that waited under this id.
    pub fn enter(&mut self, msg: MsgId, letter: Outgoing) {
        if let Some(kind) = WATCHED.into_iter().find(|kind| *kind == letter.type_name) {
            let newest = self.watched.entry(kind).or_default();
            // One that waited is entered again under the same id.
            if !newest.contains(&msg) {
                newest.push_back(msg);
            }
            if newest.len() > OWN_NEWEST_KEPT {
                newest.pop_front();
            }
        }
        self.forgive(&msg);
        owe(&mut self.debts, &letter);
        match self.letter_mut(&msg) {
            Some(waiting) => *waiting = letter,
            None => drop(self.letters.push(Sent { msg, letter })),
        }
    }

    /// The newest own letters of one of the [`WATCHED`] types, the last one first.
    pub fn newest(&self, kind: &'static str) -> impl Iterator<Item = (MsgId, Cow<'_, Outgoing>)> {
        let ids = self.watched.get(kind).into_iter().flatten().rev();
        ids.filter_map(|msg| Some((*msg, self.get(msg)?)))
    }

    /// One letter.
    #[must_use]
    pub fn get(&self, msg: &MsgId) -> Option<Cow<'_, Outgoing>> {
        self.letter(self.number_of(msg)?).map(|(_, letter)| letter)
    }

    /// One addressee of one letter.
    pub fn owed_mut(&mut self, msg: &MsgId, station: &StationId) -> Option<&mut Owed> {
        self.letter_mut(msg)?.owed.get_mut(station)
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.letters.len()
    }

    /// Every letter, in the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = (MsgId, Cow<'_, Outgoing>)> {
        self.letters.by_key().filter_map(|number| self.letter(number))
    }

    /// At least all letters that somebody has to be given yet, in the order of the ids.
    pub fn unsettled(&self) -> impl Iterator<Item = (&MsgId, &Outgoing)> {
        let open: BTreeMap<_, _> =
            self.letters.open().map(|sent| (&sent.msg, &sent.letter)).collect();
        open.into_iter()
    }

    /// The stations that owe something for letters that have not expired, or did so within a day.
    pub fn debtors(&self, wall: Option<Timestamp>) -> BTreeSet<StationId> {
        let today = wall.map(|wall| wall.0 / DAY);
        let late = |day: u64| today.is_none_or(|today| today <= day);
        let owing = self.debts.keys().filter(|(_, day)| late(*day));
        owing.map(|(station, _)| *station).collect()
    }

    fn number_of(&self, msg: &MsgId) -> Option<u64> {
        self.letters.with_key(msg.0).next()
    }

    fn letter(&self, number: u64) -> Option<(MsgId, Cow<'_, Outgoing>)> {
        Some(match self.letters.get(number)? {
            Cow::Borrowed(sent) => (sent.msg, Cow::Borrowed(&sent.letter)),
            Cow::Owned(sent) => (sent.msg, Cow::Owned(sent.letter)),
        })
    }

    fn letter_mut(&mut self, msg: &MsgId) -> Option<&mut Outgoing> {
        let number = self.number_of(msg)?;
        self.letters.get_mut(number).map(|sent| &mut sent.letter)
    }

    /// What is owed for a letter is not counted any more.
    fn forgive(&mut self, msg: &MsgId) {
        let owed = self.get(msg).map(|letter| letter.debts().collect::<Vec<_>>());
        for debt in owed.unwrap_or_default() {
            if let Some(count) = self.debts.get_mut(&debt) {
                *count -= 1;
                if *count == 0 {
                    self.debts.remove(&debt);
                }
            }
        }
    }

    /// The letter was sealed again for a station.
    pub fn note_copy(&mut self, msg: &MsgId, copy: Copy) {
        let Some(letter) = self.letter_mut(msg) else { return };
        letter.copies.push_back(copy);
        if letter.copies.len() > COPIES_MAX {
            letter.copies.pop_front();
        }
        if let Some(owed) = letter.owed.get_mut(&copy.station) {
            owed.unsealed = false;
            owed.unmatched = false;
        }
    }

    /// Whether a statement of this station about this letter says anything new.
    #[must_use]
    pub fn rises(&self, msg: &MsgId, station: &StationId, rise: &Rise) -> bool {
        let letter = self.get(msg);
        letter.and_then(|l| l.owed.get(station).map(|owed| owed.rises(rise))).unwrap_or(false)
    }

    /// Notes a level. Does nothing where it would not rise.
    pub fn settle(&mut self, msg: &MsgId, station: &StationId, rise: &Rise) {
        if !self.rises(msg, station, rise) {
            return;
        }
        self.forgive(msg);
        let Some(letter) = self.letter_mut(msg) else { return };
        if let Some(owed) = letter.owed.get_mut(station) {
            owed.rise(rise);
        }
        let debts: Vec<_> = letter.debts().collect();
        debts.into_iter().for_each(|debt| *self.debts.entry(debt).or_default() += 1);
    }

    /// Letters that this station owes L1 for and that have not expired.
    pub fn unconfirmed_by(
        &self,
        station: StationId,
        wall: Option<Timestamp>,
    ) -> impl Iterator<Item = (&MsgId, &Outgoing)> {
        self.unsettled().filter(move |(_, letter)| {
            letter.is_unconfirmed_by(&station) && wall.is_none_or(|wall| wall < letter.expires_at)
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("direct"),
            Self::Gossip => f.write_str("gossip"),
            Self::Via(station) => write!(f, "via {station}"),
        }
    }
}

impl Path {
    /// Reads what `Display` wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "direct" => Some(Self::Direct),
            "gossip" => Some(Self::Gossip),
            _ => text.strip_prefix("via ").and_then(StationId::from_hex).map(Self::Via),
        }
    }
}

#[cfg(test)]
mod tests;
