//! What we said and who owes what for it.
//!
//! Level 4, owned by `Station`. A letter stands here from the moment `send` returns its id. Levels
//! only rise and skipped ones are implied (`docs/spec/letter.md`); what an addressee's receipt claims is
//! believed of that addressee alone, and only if it names the header and content that we sent.

mod addressees;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::dump::{Dump, Source, dumped, dumped_as_bytes};
use crate::id::{Digest, EnvelopeId, LaneId, MsgId, StationId};
use crate::limits::{COPIES_MAX, OWN_NEWEST_KEPT};
use crate::receipt::Stated;
use crate::terms::{Level, Outcome, Precedence, Status};
use crate::time::Timestamp;

pub use self::addressees::Addressees;

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
    /// Apart from the tree, whose nodes are never full.
    letters: BTreeMap<MsgId, Box<Outgoing>>,
    /// Of the types whose fate people ask for by party: the newest ones, oldest first.
    watched: BTreeMap<&'static str, VecDeque<MsgId>>,
}

/// Types of own letters that are found without a search.
pub const WATCHED: [&str; 2] = ["comms-check", "request"];

dumped!(Owed { info, level, outcome, stated, at, stored_at, path, attempts, unsealed, unmatched });
dumped!(Outgoing {
    envelope,
    content_root,
    lane,
    type_name,
    precedence,
    status,
    made_at,
    expires_at,
    wants,
    reply_by,
    owed,
    copies
});
dumped!(Copy { station, envelope, content_root });
dumped_as_bytes!(Path, |path| path.to_string().into(), |bytes| {
    Self::parse(std::str::from_utf8(&bytes).ok()?)
});

impl Dump for Outbox {
    fn put(&self, out: &mut Vec<u8>) {
        let Self { letters, watched } = self;
        letters.put(out);
        WATCHED.iter().for_each(|kind| watched.get(kind).cloned().unwrap_or_default().put(out));
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let (letters, mut watched) = (Dump::take(from)?, BTreeMap::new());
        for kind in WATCHED {
            let newest = VecDeque::take(from)?;
            if !newest.is_empty() {
                watched.insert(kind, newest);
            }
        }
        Some(Self { letters, watched })
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
        self.letters.insert(msg, Box::new(letter));
    }

    /// The newest own letters of one of the [`WATCHED`] types, the last one first.
    pub fn newest(&self, kind: &'static str) -> impl Iterator<Item = (MsgId, &Outgoing)> {
        let ids = self.watched.get(kind).into_iter().flatten().rev();
        ids.filter_map(|msg| Some((*msg, self.get(msg)?)))
    }

    /// One letter.
    #[must_use]
    pub fn get(&self, msg: &MsgId) -> Option<&Outgoing> {
        self.letters.get(msg).map(|letter| &**letter)
    }

    /// One addressee of one letter.
    pub fn owed_mut(&mut self, msg: &MsgId, station: &StationId) -> Option<&mut Owed> {
        self.letters.get_mut(msg)?.owed.get_mut(station)
    }

    /// Every letter.
    pub fn iter(&self) -> impl Iterator<Item = (&MsgId, &Outgoing)> {
        self.letters.iter().map(|(msg, letter)| (msg, &**letter))
    }

    /// The letter was sealed again for a station.
    pub fn note_copy(&mut self, msg: &MsgId, copy: Copy) {
        let Some(letter) = self.letters.get_mut(msg) else { return };
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
        self.get(msg).and_then(|l| l.owed.get(station)).is_some_and(|owed| owed.rises(rise))
    }

    /// Notes a level. Does nothing where it would not rise.
    pub fn settle(&mut self, msg: &MsgId, station: &StationId, rise: &Rise) {
        if let Some(owed) = self.owed_mut(msg, station).filter(|owed| owed.rises(rise)) {
            owed.rise(rise);
        }
    }

    /// Letters that this station owes L1 for and that have not expired.
    pub fn unconfirmed_by(
        &self,
        station: StationId,
        wall: Option<Timestamp>,
    ) -> impl Iterator<Item = (&MsgId, &Outgoing)> {
        self.iter().filter(move |(_, letter)| {
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MSG: MsgId = MsgId([1; 16]);
    const AT: StationId = StationId([2; 16]);

    fn outbox() -> Outbox {
        let mut outbox = Outbox::default();
        outbox.enter(
            MSG,
            Outgoing {
                copies: VecDeque::new(),
                envelope: Some(EnvelopeId([3; 32])),
                content_root: Digest([4; 32]),
                lane: LaneId([5; 16]),
                type_name: "red-flag".into(),
                precedence: Precedence::Flash,
                status: Status::Actual,
                made_at: Timestamp(1_000),
                expires_at: Timestamp(9_000),
                wants: Some(Level::L5),
                reply_by: None,
                owed: BTreeMap::from([(AT, Owed::new(false))]).into(),
            },
        );
        outbox
    }

    fn rise(level: Level, outcome: Option<Outcome>, at: u64) -> Rise {
        Rise { level, outcome, at: Timestamp(at), path: None, stated: None }
    }

    #[test]
    fn levels_only_rise() {
        let mut outbox = outbox();
        outbox.settle(&MSG, &AT, &rise(Level::L4, None, 2_000));
        assert!(!outbox.rises(&MSG, &AT, &rise(Level::L1, None, 3_000)));
        outbox.settle(&MSG, &AT, &rise(Level::L1, None, 3_000));
        let owed = &outbox.get(&MSG).unwrap().owed[&AT];
        assert_eq!((owed.level, owed.at), (Some(Level::L4), Some(Timestamp(2_000))));
        assert_eq!(owed.stored_at, Some(Timestamp(2_000)), "a skipped level is implied");
    }

    #[test]
    fn an_outcome_may_change_within_its_level() {
        let mut outbox = outbox();
        outbox.settle(&MSG, &AT, &rise(Level::L5, Some(Outcome::NeedInfo), 2_000));
        outbox.settle(&MSG, &AT, &rise(Level::L5, Some(Outcome::Declined), 3_000));
        let owed = &outbox.get(&MSG).unwrap().owed[&AT];
        assert_eq!((owed.outcome, owed.at), (Some(Outcome::Declined), Some(Timestamp(3_000))));
        let overtaken = rise(Level::L5, Some(Outcome::Accepted), 2_500);
        assert!(!outbox.rises(&MSG, &AT, &overtaken), "receipts overtake one another");
    }

    #[test]
    fn a_letter_that_must_be_sealed_again_is_until_it_was() {
        let mut outbox = outbox();
        // It said L5 of an envelope that is lost; then its L1 of before comes, of one that is known.
        outbox.owed_mut(&MSG, &AT).unwrap().unmatched = true;
        outbox.settle(&MSG, &AT, &rise(Level::L1, None, 2_000));
        assert!(outbox.get(&MSG).unwrap().owed[&AT].unmatched, "its L5 was not counted yet");
        let (envelope, content_root) = (EnvelopeId([6; 32]), Digest([7; 32]));
        outbox.note_copy(&MSG, Copy { station: AT, envelope, content_root });
        assert!(!outbox.get(&MSG).unwrap().owed[&AT].unmatched);
    }

    #[test]
    fn a_stranger_to_the_letter_settles_nothing() {
        let outbox = outbox();
        assert!(!outbox.rises(&MSG, &StationId([9; 16]), &rise(Level::L1, None, 1)));
        assert!(!outbox.rises(&MsgId([9; 16]), &AT, &rise(Level::L1, None, 1)));
    }

    #[test]
    fn custody_does_not_end_what_is_owed_and_expiry_needs_a_trusted_clock() {
        let mut outbox = outbox();
        outbox.settle(&MSG, &AT, &rise(Level::L0, None, 2_000));
        let late = Some(Timestamp(9_000));
        assert_eq!(outbox.unconfirmed_by(AT, Some(Timestamp(2_000))).count(), 1);
        assert_eq!(outbox.unconfirmed_by(AT, late).count(), 0);
        assert_eq!(outbox.unconfirmed_by(AT, None).count(), 1);
    }

    #[test]
    fn paths_read_what_they_wrote() {
        for path in [Path::Direct, Path::Gossip, Path::Via(AT)] {
            assert_eq!(Path::parse(&path.to_string()), Some(path));
        }
    }
}
