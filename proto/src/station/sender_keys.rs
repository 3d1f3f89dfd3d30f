//! Sender keys: whom ours may serve, which of others open what, and asking for those that are not
//! here (`docs/spec/seal.md`, sender key).
//!
//! A letter to exactly the readers of its lane, all members of a group or the other end of a pair,
//! hands them a key in its stanzas. Once each of them has confirmed that letter, one sealed piece
//! stands in place of stanzas, until the key has served its numbers or its day, until a reader or
//! anybody's epoch key changes, or until one of them says that it lacks it. Ours live in memory
//! only: after a restart another one is handed out. Those of others stand in the journal, under the archive key.
//! A link belongs to one number of one feed, and numbers are never used twice (I1), so no two
//! letters meet under one link.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use zeroize::Zeroizing;

use crate::envelope::{Envelope, Recipients};
use crate::id::{Digest, EnvelopeId, FeedId, Incarnation, KeyId, LaneId, MsgId, StationId};
use crate::limits::{
    CARRY_PAIR, LOCKED_ASKS, LOCKED_MAX, LOCKED_PER_AUTHOR, LOCKED_WAIT, PUSH_CONFIRM,
    RESEND_AGAIN, RESEND_ANSWER_EVERY, RESEND_LETTERS_MAX, SENDER_KEY_FEEDS, SENDER_KEY_LIFE,
    SENDER_KEYS_PER_FEED,
};
use crate::part::Part;
use crate::receipt::{Entry, Resend};
use crate::schedule::Timer;
use crate::seal::{self, FileKey, Frame, Opened, Recipient, SealError, SenderKey};
use crate::terms::Status;
use crate::time::{Mono, Timestamp};
use crate::wire::{self, Opening, own::What};

use super::pair::Due;
use super::{RestoreError, Speaks, Station, Turn, id16};

/// Everything about sender keys.
#[derive(Debug, Default)]
pub(super) struct SenderKeys {
    /// Ours: one a lane, for exactly its readers.
    ours: BTreeMap<LaneId, Ours>,
    /// What was handed to us, by feed, the newest last.
    theirs: BTreeMap<FeedId, VecDeque<SenderKey>>,
    /// Feeds whose links may be forgotten up to their mark.
    touched: BTreeSet<FeedId>,
    /// Letters whose key is not here.
    locked: BTreeMap<EnvelopeId, Envelope>,
    /// Their authors.
    lacking: BTreeMap<StationId, Lacking>,
    /// Who said when that it lacks ours.
    heard: BTreeMap<StationId, Mono>,
}

/// A key of ours, and who has it.
#[derive(Debug)]
struct Ours {
    key: SenderKey,
    hand_out: EnvelopeId,
    incarnation: Incarnation,
    epoch: KeyId,
    readers: Readers,
    unconfirmed: BTreeSet<StationId>,
    at: Mono,
}

/// An author whose key is not here.
#[derive(Clone, Copy, Debug)]
struct Lacking {
    since: Timestamp,
    attempts: u32,
    next: Mono,
}

/// Stations and the epoch keys that a letter is sealed to.
type Readers = BTreeMap<StationId, KeyId>;

/// Keys of one feed as they were handed out: id, number of the letter that did, first link.
type Handed = (FeedId, Vec<(KeyId, (u64, Digest))>);

/// How the next letter of a lane is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    UnderKey,
    HandOut,
    Stanzas,
}

impl SenderKeys {
    fn form(&self, frame: &Frame, epoch: KeyId, readers: &Readers, now: Mono) -> Form {
        let Some(ours) = self.ours.get(&frame.lane) else { return Form::HandOut };
        let same = ours.incarnation == frame.incarnation
            && ours.epoch == epoch
            && ours.readers == *readers
            && ours.key.serves(frame.seq)
            && now.since(ours.at) < SENDER_KEY_LIFE;
        match (same, ours.unconfirmed.is_empty()) {
            (true, true) => Form::UnderKey,
            (true, false) if now.since(ours.at) < PUSH_CONFIRM => Form::Stanzas,
            _ => Form::HandOut,
        }
    }

    /// A reader has stored, or read, the letter that handed out a key.
    pub(super) fn confirmed(&mut self, envelope: &EnvelopeId, by: &StationId) {
        for ours in self.ours.values_mut().filter(|ours| ours.hand_out == *envelope) {
            ours.unconfirmed.remove(by);
        }
    }

    /// Nothing is sealed any more under a key that this station should have.
    fn drop_for(&mut self, reader: &StationId) {
        self.ours.retain(|_, ours| !ours.readers.contains_key(reader));
    }

    fn learn(&mut self, feed: FeedId, key: SenderKey) {
        let keys = self.theirs.entry(feed).or_default();
        if keys.iter().any(|held| held.id() == key.id()) {
            return;
        }
        let at = keys.partition_point(|held| held.number() < key.number());
        keys.insert(at, key);
        if keys.len() > SENDER_KEYS_PER_FEED {
            keys.pop_front();
        }
        while self.theirs.len() > SENDER_KEY_FEEDS {
            self.theirs.pop_first();
        }
    }

    /// What was handed to us, as it was then: for a snapshot, which is made before anything is opened.
    pub(super) fn handed(&self) -> Vec<Handed> {
        let one = |key: &SenderKey| (key.id(), (key.number(), Digest(*key.link())));
        self.theirs.iter().map(|(feed, keys)| (*feed, keys.iter().map(one).collect())).collect()
    }

    pub(super) fn take_handed(&mut self, all: Vec<Handed>) {
        for (feed, keys) in all {
            for (id, (number, link)) in keys {
                self.learn(feed, SenderKey::from_parts(id, number, Zeroizing::new(link.0)));
            }
        }
    }

    fn key(&mut self, envelope: &Envelope, id: KeyId) -> Option<&mut SenderKey> {
        self.theirs.get_mut(&envelope.feed())?.iter_mut().find(|key| key.id() == id)
    }

    fn has_room_for(&self, author: &StationId) -> bool {
        let theirs = self.locked.values().filter(|e| e.header().author == *author).count();
        self.locked.len() < LOCKED_MAX && theirs < LOCKED_PER_AUTHOR
    }

    fn take_locked(&mut self, which: impl Fn(&Envelope) -> bool) -> Vec<Envelope> {
        let ids: Vec<EnvelopeId> =
            self.locked.iter().filter(|(_, e)| which(e)).map(|(id, _)| *id).collect();
        ids.iter().filter_map(|id| self.locked.remove(id)).collect()
    }
}

impl Station {
    /// Seals a letter to these stations; under a sender key where they are exactly the readers of
    /// the lane and have one. Neither booked nor said.
    pub(super) fn seal_letter(
        &mut self,
        turn: &mut Turn,
        lane: LaneId,
        to: &[StationId],
        status: Status,
        parts: &[Part],
    ) -> Result<(Envelope, FileKey), SealError> {
        let frame = self.frame(turn, lane);
        let readers: Readers = to.iter().filter_map(|id| self.reader(id)).collect();
        let epoch = self.keys.epoch.id();
        let form = match self.are_all_readers(&frame.lane, &readers) {
            true => self.sender_keys.form(&frame, epoch, &readers, turn.now.mono),
            false => Form::Stanzas,
        };
        if form == Form::UnderKey
            && let Some(ours) = self.sender_keys.ours.get_mut(&lane)
        {
            let (key, sign) = (&mut ours.key, &self.keys.sign);
            return seal::seal_under(&frame, status, parts, epoch, key, sign, &mut turn.entropy);
        }
        let recipients: Vec<Recipient<'_>> =
            readers.keys().filter_map(|id| self.recipient(id)).collect();
        let (from, sign) = (&self.keys.epoch, &self.keys.sign);
        if form != Form::HandOut {
            let entropy = &mut turn.entropy;
            return seal::seal(&frame, status, parts, from, &recipients, sign, entropy);
        }
        let entropy = &mut turn.entropy;
        let sealed =
            seal::seal_and_hand_out(&frame, status, parts, from, &recipients, sign, entropy)?;
        self.hand_out(turn, &sealed, readers);
        Ok(sealed)
    }

    fn hand_out(&mut self, turn: &Turn, sealed: &(Envelope, FileKey), readers: Readers) {
        let (envelope, key) = sealed;
        let header = envelope.header();
        let ours = Ours {
            key: SenderKey::handed_out(header, key),
            hand_out: envelope.id(),
            incarnation: header.incarnation,
            epoch: header.epoch,
            unconfirmed: readers.keys().copied().collect(),
            readers,
            at: turn.now.mono,
        };
        self.sender_keys.ours.insert(header.lane, ours);
    }

    fn reader(&self, id: &StationId) -> Option<(StationId, KeyId)> {
        let member = self.directory.member(id).filter(|member| !member.silenced)?;
        self.secret_with(member).map(|_| (*id, member.epoch_id))
    }

    fn recipient(&self, id: &StationId) -> Option<Recipient<'_>> {
        let member = self.directory.member(id).filter(|member| !member.silenced)?;
        Some(Recipient { epoch: &member.epoch, pair: self.secret_with(member)? })
    }

    /// Whether these are exactly the stations that read a lane: by a sender key a carrier sees
    /// nothing then that it does not see by the lane.
    fn are_all_readers(&self, lane: &LaneId, readers: &Readers) -> bool {
        match self.directory.lane_members(lane) {
            Some(members) => {
                let others = members.iter().filter(|id| **id != self.me);
                others.eq(readers.keys())
            }
            None => readers.len() == 1,
        }
    }

    /// Opens a letter under a sender key: `None` if that key is not here, `Some(None)` if it does
    /// not open.
    pub(super) fn open_by_key(&mut self, envelope: &Envelope, id: KeyId) -> Option<Option<Opened>> {
        let key = self.sender_keys.key(envelope, id)?;
        let opened = seal::open_under(envelope, key).ok().flatten();
        self.sender_keys.touched.insert(envelope.feed());
        Some(opened)
    }

    /// A letter that was opened hands us a key: kept, and what waited for it is opened now.
    pub(super) fn take_sender_key(&mut self, turn: &mut Turn, envelope: &Envelope, key: &FileKey) {
        let key = SenderKey::handed_out(envelope.header(), key);
        let header = envelope.header();
        let own = wire::OwnHanded {
            author: super::copy(&header.author.0),
            incarnation: super::copy(&header.incarnation.0),
            lane: super::copy(&header.lane.0),
            seq: header.seq,
            id: super::copy(&key.id().0),
            link: super::copy(key.link()),
        };
        // Before the letter is noted as opened: without that note it is opened, and this noted, again.
        self.note(turn, None, What::Handed(own));
        let (feed, named) = (envelope.feed(), Recipients::SenderKey(key.id()));
        self.sender_keys.learn(feed, key);
        let opens = |e: &Envelope| e.feed() == feed && e.header().recipients == named;
        self.unopened.extend(self.sender_keys.take_locked(opens));
    }

    pub(super) fn restore_handed(&mut self, own: &wire::OwnHanded) -> Result<(), RestoreError> {
        let feed = FeedId {
            author: id16(&own.author, StationId::from_slice)?,
            incarnation: id16(&own.incarnation, Incarnation::from_slice)?,
            lane: id16(&own.lane, LaneId::from_slice)?,
        };
        let id = id16(&own.id, KeyId::from_slice)?;
        let link: [u8; 32] = own.link.as_ref().try_into().map_err(|_| RestoreError::Form)?;
        self.sender_keys.learn(feed, SenderKey::from_parts(id, own.seq, Zeroizing::new(link)));
        Ok(())
    }

    /// Links up to a feed's mark are not needed any more once everything that came was opened.
    pub(super) fn forget_links(&mut self) {
        for feed in std::mem::take(&mut self.sender_keys.touched) {
            let mark = self.feeds.get(&feed).map_or(0, crate::feeds::Feed::mark);
            let keys = self.sender_keys.theirs.get_mut(&feed).into_iter().flatten();
            keys.for_each(|key| key.forget(mark));
        }
    }

    /// A letter whose key is not here waits for it. Where there is no room it is not waited for: its
    /// author is asked to say again whatever is not opened, with this one in the time that is named.
    pub(super) fn lock_away(&mut self, turn: &mut Turn, envelope: &Envelope) {
        let (author, made_at) = (envelope.header().author, envelope.header().made_at);
        let next = turn.now.mono.plus(LOCKED_WAIT);
        let new = Lacking { since: made_at, attempts: 0, next };
        if !self.sender_keys.lacking.contains_key(&author) {
            self.schedule.at(next, Timer::Locked);
        }
        let lacking = self.sender_keys.lacking.entry(author).or_insert(new);
        lacking.since = lacking.since.min(made_at);
        if self.sender_keys.has_room_for(&author) {
            self.sender_keys.locked.insert(envelope.id(), envelope.clone());
        } else {
            self.forgo(turn, envelope);
        }
    }

    /// Nothing is wrong with it, so nobody is told.
    fn forgo(&mut self, turn: &mut Turn, envelope: &Envelope) {
        self.note_opened(turn, envelope, wire::OwnOpened::default(), Opening::Refused);
    }

    /// Asks the authors of letters that are still locked to seal by stanzas what they said.
    pub(super) fn ask_for_locked(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        let due: Vec<(StationId, Lacking)> = self
            .sender_keys
            .lacking
            .iter()
            .filter(|(_, lacking)| lacking.next <= now)
            .map(|(author, lacking)| (*author, *lacking))
            .collect();
        for (author, lacking) in due {
            let waits = |e: &Envelope| e.header().author == author;
            let open = self.sender_keys.locked.values().any(waits);
            if lacking.attempts >= LOCKED_ASKS || (lacking.attempts > 0 && !open) {
                self.give_up_locked(turn, author);
                continue;
            }
            let mut attempts = lacking.attempts;
            if self.voice.speaks == Speaks::Yes {
                // By stanzas: the other side may lack our key just as well.
                self.sender_keys.drop_for(&author);
                self.say_resend(turn, author, &Resend::Locked { since: lacking.since });
                attempts += 1;
            }
            let next = now.plus(RESEND_AGAIN << attempts.min(LOCKED_ASKS));
            self.sender_keys.lacking.insert(author, Lacking { attempts, next, ..lacking });
            self.schedule.at(next, Timer::Locked);
        }
    }

    /// Its author said it again, or never will: what is locked is not waited for any more.
    pub(super) fn give_up_locked(&mut self, turn: &mut Turn, author: StationId) {
        self.sender_keys.lacking.remove(&author);
        for envelope in self.sender_keys.take_locked(|e| e.header().author == author) {
            self.forgo(turn, &envelope);
        }
    }

    /// Letters that a reader who lacks a key has not receipted, all of them, and the newest of those made
    /// since then: what it receipted may be among them, and gone with its disk.
    fn unread_by(&self, reader: StationId, since: Timestamp) -> Vec<MsgId> {
        let recent = self.outbox.iter().filter(|(_, letter)| {
            letter.envelope.is_some()
                && letter.made_at >= since
                && letter.owed.get(&reader).is_some()
        });
        let mut all: BTreeSet<(Timestamp, MsgId)> =
            recent.map(|(msg, letter)| (letter.made_at, msg)).collect();
        while all.len() > RESEND_LETTERS_MAX {
            all.pop_first();
        }
        let unread = self.outbox.unconfirmed_by(reader, None);
        all.extend(unread.map(|(msg, letter)| (letter.made_at, *msg)));
        all.into_iter().map(|(_, msg)| msg).collect()
    }

    /// A reader lacks a key of ours: no more letters under it; those that it has not receipted, and those
    /// made since then, are sealed again, and what we said of its letters is said again.
    pub(super) fn hear_locked(&mut self, turn: &mut Turn, reader: StationId, since: Timestamp) {
        self.sender_keys.drop_for(&reader);
        let fresh = |at: &Mono| turn.now.mono.since(*at) < RESEND_ANSWER_EVERY;
        // Who is not answered asks again.
        if self.voice.speaks != Speaks::Yes
            || self.sender_keys.heard.get(&reader).is_some_and(fresh)
        {
            return;
        }
        self.sender_keys.heard.insert(reader, turn.now.mono);
        let unread = self.unread_by(reader, since);
        for msg in &unread {
            self.mark_unmatched(turn, *msg, reader);
        }
        self.jobs.enter(reader, unread);
        self.start_resealing(turn);
        // What a receipt says may be as much older than it as one lives on its way.
        let since = Timestamp(since.0.saturating_sub(CARRY_PAIR));
        let said = self.inbox.iter().filter(|letter| letter.author == reader);
        let again: Vec<Due> = said
            .filter_map(|letter| {
                let entry = Entry::from_bytes(&letter.entry)?;
                let (author, status, msg) = (letter.author, letter.status, letter.msg);
                (entry.at >= since).then_some(Due { author, status, msg, entry })
            })
            .collect();
        again.into_iter().for_each(|due| self.pairs.owe(due));
        self.say_receipts(turn);
        self.say_resend(turn, reader, &Resend::Unlocked);
    }
}
