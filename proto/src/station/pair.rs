//! Pair lanes: receipts on their way, and what is carried for others (`docs/spec/sync.md`).
//!
//! A receipt goes straight to the author when it is linked; else after one dial at a random moment;
//! and if nobody confirmed it in time, the same bytes go into gossip, where any member carries them
//! for 72 hours and only the addressee recognises its tag. What was lost on the way even so is said
//! again when the author repeats the letter.

mod dumped;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::envelope::Envelope;
use crate::event::{Speak, Topic};
use crate::id::{EnvelopeId, LaneId, MsgId, StationId};
use crate::inbox::Received;
use crate::letter::Origin;
use crate::limits::{
    CARRIED_MAX, CARRIED_PER_AUTHOR, CARRY_PAIR, FUTURE_FLAG, PUSH_CONFIRM, RECEIPT_ENTRIES_MAX,
};
use crate::part::Part;
use crate::receipt::{Entry, Receipt};
use crate::schedule::Timer;
use crate::sync::{Ask, DaySets};
use crate::terms::{Level, Status};
use crate::time::{DAY, Mono, SECOND, Timestamp};
use crate::wire::{self, own::What};

use super::hear::Way;
use super::meet::Question;
use super::{Fault, Speaks, Station, Turn};

/// A letter's copies arrive by several ways at once; a receipt is said again only after this.
const SAY_AGAIN: u64 = 5 * SECOND;
/// From so many on, what was said longer ago than that is forgotten.
const SAID_LOOK: usize = 4_096;
/// L2 is told together for all letters of this time.
const L2_DELAY: u64 = SECOND / 2;

/// A pair-lane envelope is confirmed, or in gossip, this long after it was made if its station
/// still runs: the wait for confirmation, the pause before a dial, and a second for the batch.
const UNSURE: u64 = PUSH_CONFIRM + 3 * SECOND;

/// One level that an author is to be told.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) author: StationId,
    pub(super) status: Status,
    pub(super) msg: MsgId,
    pub(super) entry: Entry,
}

/// Pair-lane envelopes of ours that nobody confirmed yet.
#[derive(Debug)]
struct Pending {
    peer: StationId,
    envelope: Envelope,
}

/// Everything about pair lanes.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    /// The other end of each pair lane that is ours.
    ends: BTreeMap<LaneId, StationId>,
    /// By day of `made_at`: what is, or was, in gossip, and who made it.
    spread: BTreeMap<u64, BTreeMap<EnvelopeId, StationId>>,
    /// How many of them each author has.
    shares: BTreeMap<StationId, usize>,
    /// First and last day that were kept when it was last looked at.
    kept: (u64, u64),
    /// Ours, known by id, in case a peer names them among what it carries.
    ours: BTreeMap<EnvelopeId, (Timestamp, StationId)>,
    pending: BTreeMap<EnvelopeId, Pending>,
    /// While restoring: what officers stated while we might not speak.
    stated: Vec<(MsgId, Entry)>,
    /// While restoring: the newest of ours, of which it is not known whether they were said.
    unsure: VecDeque<Pending>,
    due: Vec<Due>,
    later: Vec<Due>,
    said: BTreeMap<(StationId, MsgId), Mono>,
}

impl Due {
    fn to_wire(&self) -> wire::OwnReceipted {
        wire::OwnReceipted {
            msg_id: super::copy(&self.msg.0),
            author: super::copy(&self.author.0),
            level: u32::from(self.entry.level.code()),
            entry: self.entry.to_bytes(),
        }
    }
}

impl Pairs {
    pub(super) fn end_of(&self, lane: &LaneId) -> Option<StationId> {
        self.ends.get(lane).copied()
    }

    pub(super) fn learn(&mut self, lane: LaneId, other: StationId) {
        self.ends.insert(lane, other);
    }

    /// Whether this envelope is among those that are carried.
    pub(super) fn carries(&self, made_at: Timestamp, id: &EnvelopeId) -> bool {
        self.spread.get(&day(made_at)).is_some_and(|set| set.contains_key(id))
    }

    /// Whether this envelope is held, as carried or as ours.
    pub(super) fn holds(&self, id: &EnvelopeId) -> bool {
        self.ours.contains_key(id) || self.spread.values().any(|set| set.contains_key(id))
    }

    /// Takes an envelope into custody; not one that is too old, too far ahead, or one too many of
    /// all or of its author. By a clock in doubt (`None`) nothing is too old.
    pub(super) fn take(&mut self, wall: Option<Timestamp>, envelope: &Envelope) -> bool {
        self.forget(wall);
        let (made_at, author) = (envelope.header().made_at, envelope.header().author);
        let in_time = wall
            .is_none_or(|wall| day(made_at) >= oldest(wall) && made_at.since(wall) < FUTURE_FLAG);
        let room = self.shares.values().sum::<usize>() < CARRIED_MAX
            && self.shares.get(&author).is_none_or(|share| *share < CARRIED_PER_AUTHOR);
        if in_time && room {
            self.enter(made_at, envelope.id(), author);
        }
        in_time && room
    }

    /// What is carried between two others.
    pub(super) fn carried(&self) -> impl Iterator<Item = &EnvelopeId> {
        let all = self.spread.values().flat_map(BTreeMap::keys);
        all.filter(|id| !self.ours.contains_key(id))
    }

    /// Takes up what was carried before a restart. There is no clock then, and the newest of it may
    /// have been made by one that ran ahead: what is too old goes at the first look by a clock, and
    /// until then the oldest day, of all or of its author, when there is no more room.
    pub(super) fn restore_carried(&mut self, envelope: &Envelope) {
        let (made_at, author) = (envelope.header().made_at, envelope.header().author);
        let full = self.shares.values().sum::<usize>() >= CARRIED_MAX;
        if full || self.shares.get(&author).is_some_and(|share| *share >= CARRIED_PER_AUTHOR) {
            self.drop_oldest(|by| full || *by == author);
        }
        self.enter(made_at, envelope.id(), author);
    }

    fn drop_oldest(&mut self, which: impl Fn(&StationId) -> bool) {
        let (spread, shares) = (&mut self.spread, &mut self.shares);
        if let Some(set) = spread.values_mut().find(|set| set.values().any(&which)) {
            for author in set.values().filter(|by| which(by)) {
                shares.entry(*author).and_modify(|share| *share = share.saturating_sub(1));
            }
            set.retain(|_, by| !which(by));
        }
        spread.retain(|_, set| !set.is_empty());
    }

    fn enter(&mut self, made_at: Timestamp, id: EnvelopeId, author: StationId) {
        if self.spread.entry(day(made_at)).or_default().insert(id, author).is_none() {
            *self.shares.entry(author).or_default() += 1;
        }
    }

    /// Ours, by id. It joins the day's set when it is seen in gossip.
    pub(super) fn seen_on_gossip(&mut self, envelope: &Envelope, way: Way) {
        let (made_at, author) = (envelope.header().made_at, envelope.header().author);
        self.ours.insert(envelope.id(), (made_at, author));
        while self.ours.len() > CARRIED_MAX {
            self.ours.pop_first();
        }
        if way == Way::Gossip {
            self.enter(made_at, envelope.id(), author);
        }
    }

    /// A peer carries this one of ours: the sets are to agree.
    pub(super) fn note_spread(&mut self, id: &EnvelopeId) {
        if let Some(&(made_at, author)) = self.ours.get(id) {
            self.enter(made_at, *id, author);
        }
    }

    /// The sets as peers compare them.
    pub(super) fn day_sets(&mut self, wall: Option<Timestamp>) -> DaySets {
        self.forget(wall);
        self.spread.iter().map(|(day, set)| (*day, set.keys().copied().collect())).collect()
    }

    /// What one author put into gossip, and we carry.
    pub(super) fn carried_of(&self, author: &StationId) -> DaySets {
        let of = |(day, set): (&u64, &BTreeMap<EnvelopeId, StationId>)| {
            let ids: Vec<_> =
                set.iter().filter(|(_, by)| *by == author).map(|(id, _)| *id).collect();
            (!ids.is_empty()).then_some((*day, ids))
        };
        self.spread.iter().filter_map(of).collect()
    }

    /// Drops whole days, when the day has changed; never by a clock in doubt.
    fn forget(&mut self, wall: Option<Timestamp>) {
        let Some(wall) = wall else { return };
        let days = (oldest(wall), day(wall.plus(FUTURE_FLAG)));
        if self.kept == days {
            return;
        }
        self.kept = days;
        self.spread.retain(|day, _| (days.0..=days.1).contains(day));
        self.ours.retain(|_, (made_at, _)| day(*made_at) >= days.0);
        self.count_shares();
    }

    fn count_shares(&mut self) {
        self.shares.clear();
        for author in self.spread.values().flat_map(BTreeMap::values) {
            *self.shares.entry(*author).or_default() += 1;
        }
    }

    /// One of ours from the journal. What is older than the newest by more than [`UNSURE`] was
    /// confirmed or went into gossip; what is not may never have left.
    pub(super) fn restore(&mut self, peer: StationId, envelope: &Envelope) {
        let newest = envelope.header().made_at;
        self.unsure.push_back(Pending { peer, envelope: envelope.clone() });
        let old = |p: &Pending| newest.since(p.envelope.header().made_at) > UNSURE;
        while self.unsure.front().is_some_and(old) {
            self.unsure.pop_front();
        }
    }

    /// What an officer stated, from the journal.
    pub(super) fn restore_stated(&mut self, msg: MsgId, entry: Entry) {
        self.stated.push((msg, entry));
    }

    pub(super) fn owe(&mut self, due: Due) {
        self.due.push(due);
    }

    /// L2 entries have waited long enough.
    pub(super) fn ripen(&mut self) {
        self.due.append(&mut self.later);
    }

    /// The addressee confirmed: nothing more to do for this one.
    pub(super) fn confirmed(&mut self, id: &EnvelopeId) {
        self.pending.remove(id);
    }

    fn waiting_for(&self, peer: StationId) -> Vec<(EnvelopeId, Bytes)> {
        self.pending
            .iter()
            .filter(|(_, pending)| pending.peer == peer)
            .map(|(id, pending)| (*id, pending.envelope.bytes().clone()))
            .collect()
    }
}

fn day(at: Timestamp) -> u64 {
    at.0 / DAY
}

/// The first day of which anything is kept.
fn oldest(wall: Timestamp) -> u64 {
    day(Timestamp(wall.0.saturating_sub(CARRY_PAIR)))
}

/// Whether an envelope between two others is carried no more.
pub(super) fn carried_no_more(made_at: Timestamp, wall: Timestamp) -> bool {
    day(made_at) < oldest(wall)
}

impl Station {
    /// L1 now, and L2 a moment later, together with others of the same moment.
    pub(super) fn owe_machine_levels(&mut self, turn: &mut Turn, msg: MsgId, author: StationId) {
        // By party and id: another party may have used the same id, and the letter that came first
        // must not stand in the receipt of the other.
        let Some(member) = self.directory.member(&author) else { return };
        let Some(letter) = self.inbox.of_party(member.name.party(), &msg) else { return };
        let letter = letter.into_owned();
        let at = turn.now.wall;
        let named = letter.named;
        let doubt = !self.voice.trusted;
        let entry = |level, at| Entry {
            clock_in_doubt: doubt,
            ..Entry::by_station(letter.msg, named.envelope, named.content_root, level, at)
        };
        let status = letter.status;
        self.pairs.owe(Due { author, status, msg, entry: entry(Level::L1, at) });
        if self.pairs.later.is_empty() {
            self.schedule.at(turn.now.mono.plus(L2_DELAY), Timer::Receipts);
        }
        let entry = entry(Level::L2, at.plus(1));
        self.pairs.later.push(Due { author, status, msg, entry });
    }

    /// Says everything that is due, one letter to each author and status.
    pub(super) fn say_receipts(&mut self, turn: &mut Turn) {
        if self.voice.speaks != Speaks::Yes || self.pairs.due.is_empty() {
            return;
        }
        let mut by_author: BTreeMap<(StationId, Status), Vec<Due>> = BTreeMap::new();
        for due in std::mem::take(&mut self.pairs.due) {
            by_author.entry((due.author, due.status)).or_default().push(due);
        }
        for ((author, status), dues) in by_author {
            if !self.can_seal_to(&author) {
                // Kept until it has keys again.
                self.pairs.due.extend(dues);
                continue;
            }
            for chunk in dues.chunks(RECEIPT_ENTRIES_MAX) {
                self.say_receipt(turn, author, status, chunk);
            }
        }
    }

    fn say_receipt(&mut self, turn: &mut Turn, author: StationId, status: Status, dues: &[Due]) {
        let mut entries: Vec<Entry> = dues.iter().map(|due| due.entry.clone()).collect();
        if self.planted(Fault::Liar) {
            entries.iter_mut().for_each(|entry| entry.content_root.0[0] ^= 1);
        }
        let Some(me) = self.directory.member(&self.me) else { return };
        let Some(to) = self.directory.member(&author) else { return };
        let origin =
            Origin { id: MsgId(turn.entropy.bytes()), station: me.name.clone(), at: turn.now.wall };
        let letter = Receipt::new(entries).letter(&origin, to.name.party(), status);
        let parts = letter.parts(&mut turn.entropy);
        if !self.say_pair(turn, author, &parts, status) {
            return;
        }
        for due in dues {
            self.note_receipted(turn, due);
        }
    }

    fn note_receipted(&mut self, turn: &mut Turn, due: &Due) {
        let own = due.to_wire();
        if self.pairs.said.len() >= SAID_LOOK {
            self.pairs.said.retain(|_, at| turn.now.mono.since(*at) < SAY_AGAIN);
        }
        self.pairs.said.insert((due.author, due.msg), turn.now.mono);
        self.apply_receipted(due.author, due.msg, &due.entry);
        self.note(turn, Some(due.msg), What::Receipted(own));
    }

    /// Enters what was told; also when restoring.
    pub(super) fn apply_receipted(&mut self, author: StationId, msg: MsgId, entry: &Entry) {
        let shown = || self.inbox.get(&msg).filter(|letter| letter.author == author);
        let Some(party) = self.party_of(&author).or_else(|| shown().map(|l| l.party.clone()))
        else {
            return;
        };
        let (level, outcome) = (entry.level, entry.outcome);
        if let Some(letter) = self.inbox.get_mut(&party, &msg)
            && letter.is_news(entry)
        {
            letter.level = Some(level);
            letter.outcome = outcome.or(letter.outcome);
            letter.entry = entry.to_bytes();
        }
    }

    /// A copy of a letter came: its author may have missed our receipt.
    pub(super) fn say_again(&mut self, turn: &mut Turn, envelope: &Envelope) {
        let Some(letter) = self.inbox.by_envelope(&envelope.id()) else { return };
        let fresh = |at: &Mono| turn.now.mono.since(*at) < SAY_AGAIN;
        if !self.pairs.said.get(&(letter.author, letter.msg)).is_some_and(fresh) {
            self.say_of_copy(turn, envelope);
        }
    }

    /// A letter came in another envelope: its author may know no other, however fresh our receipt is.
    pub(super) fn say_of_copy(&mut self, turn: &mut Turn, envelope: &Envelope) {
        let Some(letter) = self.inbox.by_envelope(&envelope.id()) else { return };
        let (author, msg, status) = (letter.author, letter.msg, letter.status);
        let Some(entry) = Entry::from_bytes(&letter.entry) else { return };
        // It names the envelope that came: its author may know no other. What an office signed names
        // another one then, and is the station's word again until the office signs anew.
        let (digest, content_root) = (envelope.id(), envelope.header().root);
        let signature = entry.signature.clone().filter(|_| entry.digest == digest);
        let entry = match self.planted(Fault::CopyUnnamed) {
            true => entry,
            false => Entry { digest, content_root, signature, ..entry },
        };
        self.pairs.said.insert((author, msg), turn.now.mono);
        self.pairs.owe(Due { author, status, msg, entry });
    }

    /// Seals parts to one station on the lane of the pair, and sends it on its way.
    pub(super) fn say_pair(
        &mut self,
        turn: &mut Turn,
        peer: StationId,
        parts: &[Part],
        status: Status,
    ) -> bool {
        let Some(envelope) = self.seal_pair(turn, peer, parts, status) else { return false };
        self.post_pair(turn, peer, envelope);
        true
    }

    /// The envelope alone, neither booked nor said.
    pub(super) fn seal_pair(
        &mut self,
        turn: &mut Turn,
        peer: StationId,
        parts: &[Part],
        status: Status,
    ) -> Option<Envelope> {
        let incarnation = self.voice.incarnation?;
        let member = self.directory.member(&peer).filter(|member| !member.silenced)?;
        let secret = self.secret_with(member)?;
        let lane = secret.pair_lane(&incarnation);
        let (envelope, _) = self.seal_letter(turn, lane, &[peer], status, parts).ok()?;
        self.pairs.learn(lane, peer);
        Some(envelope)
    }

    /// Books it and sends it on its way.
    pub(super) fn post_pair(&mut self, turn: &mut Turn, peer: StationId, envelope: Envelope) {
        self.keep_own(turn, &envelope);
        self.pairs.seen_on_gossip(&envelope, Way::Stream);
        self.send_pair(turn, peer, envelope);
    }

    fn send_pair(&mut self, turn: &mut Turn, peer: StationId, envelope: Envelope) {
        let (id, bytes) = (envelope.id(), envelope.bytes().clone());
        self.pairs.pending.insert(id, Pending { peer, envelope });
        let mut wait = PUSH_CONFIRM;
        if self.meet.linked.contains(&peer) {
            self.push_pair(turn, peer, id, bytes);
        } else {
            let pause = turn.entropy.below(2 * SECOND);
            self.schedule.at(turn.now.mono.plus(pause), Timer::PairDial(id));
            wait += pause;
        }
        self.schedule.at(turn.now.mono.plus(wait), Timer::PairSpread(id));
    }

    fn push_pair(&mut self, turn: &mut Turn, peer: StationId, id: EnvelopeId, bytes: Bytes) {
        let question = Question::PairPush(id);
        self.ask(turn, peer, &Ask::Push(bytes), question);
    }

    pub(super) fn dial_for_pair(&mut self, turn: &mut Turn, id: EnvelopeId) {
        if let Some(pending) = self.pairs.pending.get(&id) {
            turn.speak(Speak::Dial { peer: pending.peer });
        }
    }

    /// Nobody confirmed: into gossip, where any member carries it.
    pub(super) fn spread_pair(&mut self, turn: &mut Turn, id: EnvelopeId) {
        let Some(lane) = self.main_lane() else { return };
        let Some(pending) = self.pairs.pending.remove(&id) else { return };
        self.pairs.note_spread(&id);
        self.note(turn, None, What::Spread(wire::OwnSpread { envelope: super::copy(&id.0) }));
        let bytes = pending.envelope.for_gossip();
        turn.speak(Speak::Publish { topic: Topic::Lane(lane), bytes });
    }

    /// What the last run may not have said any more is said again, the same bytes.
    pub(super) fn take_up_pairs(&mut self, turn: &mut Turn) {
        for Pending { peer, envelope } in std::mem::take(&mut self.pairs.unsure) {
            self.send_pair(turn, peer, envelope);
        }
        for (msg, entry) in std::mem::take(&mut self.pairs.stated) {
            if let Some(letter) = self.inbox.get(&msg).filter(|letter| letter.is_news(&entry)) {
                let (author, status) = (letter.author, letter.status);
                self.pairs.owe(Due { author, status, msg, entry });
            }
        }
    }

    /// What waits for a peer that is linked now.
    pub(super) fn push_pairs_to(&mut self, turn: &mut Turn, peer: StationId) {
        for (id, bytes) in self.pairs.waiting_for(peer) {
            self.push_pair(turn, peer, id, bytes);
        }
    }

    /// The outcome that an act states.
    pub(super) fn owe_act(&mut self, turn: &mut Turn, letter: &Received, entry: Entry) {
        let due = Due { author: letter.author, status: letter.status, msg: letter.msg, entry };
        if self.voice.speaks != Speaks::Yes || !self.can_seal_to(&due.author) {
            // The officer is told that it is done, so it must outlive a crash.
            self.note(turn, Some(due.msg), What::Due(due.to_wire()));
        }
        self.pairs.owe(due);
        self.say_receipts(turn);
    }
}
