//! May this station speak? Incarnations, own heads, clones, beacons, trust in the clock
//! (`docs/spec/sync.md`, invariant I6).
//!
//! A restarted station continues its incarnation only if every other station of the accord has
//! answered and none holds more of its feeds than its journal does. Otherwise it takes a new
//! incarnation, under which nothing can fork. Waiting for some answers and then continuing would
//! not be enough: after a disk went back in time, the one that holds the lost number may be the
//! one that cannot be reached.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::envelope::Envelope;
use crate::event::{Notice, Speak, Topic};
use crate::id::{EnvelopeId, FeedId, Incarnation, StationId};
use crate::limits::{BEACON_EVERY, BEACON_SILENCE, FUTURE_FLAG, HEADS_GRACE, HEADS_WAIT};
use crate::schedule::Timer;
use crate::seal;
use crate::sync::{self, Ask, Entry};
use crate::terms::Cause;
use crate::time::{Mono, Now, SECOND, Timestamp};
use crate::wire::{self, own::What};

use super::{
    Fault, Station, Turn,
    meet::Question,
    twin::{LISTEN, LISTEN_EVERY},
};

/// Whether a station may make statements of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// It asks others for its own heads first; letters wait, stored.
    Asking,
    /// It may.
    Yes,
    /// Another node speaks with its keys: silent for good.
    Clone,
    /// Its party has revoked the key that it signs with: silent until it has another.
    Revoked,
}

/// Beacons kept to recognise our own.
const OWN_BEACONS: usize = 32;
/// Bytes of a beacon's body, always.
const BEACON_LEN: usize = 128;

/// What is known of a peer from its beacons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// When it was heard, by our monotonic clock.
    pub heard: Mono,
    /// Its wall clock.
    pub wall: Timestamp,
    /// Version of the accord that it goes by.
    pub accord: u32,
}

/// The newest time that is held after a loss, and that of the backup, if one was restored.
pub(super) type Lost = (Timestamp, Option<Timestamp>);

/// Everything about our own voice.
#[derive(Debug)]
pub(super) struct Voice {
    pub(super) speaks: Speaks,
    pub(super) incarnation: Option<Incarnation>,
    /// Own incarnations that are known to be ours.
    pub(super) past: BTreeSet<Incarnation>,
    /// Wall time from which on nobody else may make anything in our name.
    pub(super) began: Timestamp,
    pub(super) started: Mono,
    first_answer: Option<Mono>,
    pub(super) answered: BTreeSet<StationId>,
    /// Somebody holds more of our own feeds than we do.
    pub(super) ahead: bool,
    pub(super) beacons: BTreeMap<StationId, Heartbeat>,
    own_beacons: VecDeque<(EnvelopeId, Timestamp)>,
    /// The newest time of an own beacon that is not kept any more.
    forgotten: Timestamp,
    /// The newest wall time in an own record.
    pub(super) newest: Timestamp,
    pub(super) trusted: bool,
    /// Both clocks at the last call.
    pub(super) clocks: Option<Now>,
    hung_up: BTreeMap<StationId, Mono>,
    /// The newest beacons of others, to be shown to them.
    pub(super) echoes: BTreeMap<StationId, VecDeque<(Mono, Bytes)>>,
    /// The incarnation that begins when we have listened long enough.
    drawn: Option<Incarnation>,
    /// The beacon that we made last, and when.
    newest_beacon: Option<(Timestamp, Bytes)>,
    /// What is asked for when that one begins.
    pub(super) lost: Option<Lost>,
    /// It fell silent before it ever spoke.
    pub(super) aside: bool,
    /// When the linked stations are asked again.
    pub(super) listens_again: Mono,
}

impl Default for Voice {
    fn default() -> Self {
        Self {
            speaks: Speaks::Asking,
            incarnation: None,
            past: BTreeSet::new(),
            began: Timestamp::default(),
            started: Mono::default(),
            first_answer: None,
            answered: BTreeSet::new(),
            ahead: false,
            beacons: BTreeMap::new(),
            own_beacons: VecDeque::new(),
            forgotten: Timestamp::default(),
            newest: Timestamp::default(),
            trusted: true,
            clocks: None,
            hung_up: BTreeMap::new(),
            echoes: BTreeMap::new(),
            drawn: None,
            newest_beacon: None,
            lost: None,
            aside: false,
            listens_again: Mono::default(),
        }
    }
}

impl Station {
    /// First steps after `restore`: ask, or speak at once where nothing can fork.
    pub(super) fn find_voice(&mut self, turn: &mut Turn) {
        self.voice.started = turn.now.mono;
        self.schedule.at(turn.now.mono, Timer::Beacon);
        if self.own_key_revoked().is_some() {
            // Whatever it signs is refused; `heed_revocations` says so.
            return;
        }
        match self.voice.speaks {
            Speaks::Asking => self.voice.began = turn.now.wall,
            // Handed over: nobody else can have spoken meanwhile.
            Speaks::Yes => return self.seal_waiting(turn),
            Speaks::Clone | Speaks::Revoked => return,
        }
        let (past, newest) = (self.voice.incarnation.is_some(), self.voice.newest);
        let dealt_with = self.campaign.as_ref().and_then(|campaign| campaign.restored);
        let restored = self.restored.filter(|at| dealt_with != Some(*at));
        let lost = restored.is_some() || (self.moved && past);
        let lost = lost.then_some((restored.unwrap_or(newest), restored));
        let alone = self.stations().all(|id| id == self.me);
        if !past || !self.carries() || (lost.is_some() && alone) {
            return self.begin_after(turn, lost);
        }
        if lost.is_some() {
            self.voice.drawn = Some(Incarnation(turn.entropy.bytes()));
            self.voice.lost = lost;
        }
        self.schedule.at(turn.now.mono.plus(HEADS_WAIT), Timer::Voice);
        self.voice.listens_again = turn.now.mono.plus(LISTEN_EVERY);
        self.schedule.at(self.voice.listens_again, Timer::Voice);
        self.look_for_voice(turn);
    }

    /// Decides, when something changed, whether asking is over.
    pub(super) fn look_for_voice(&mut self, turn: &mut Turn) {
        if self.voice.speaks != Speaks::Asking {
            return;
        }
        let now = turn.now.mono;
        if self.voice.first_answer.is_none() && !self.voice.answered.is_empty() {
            self.voice.first_answer = Some(now);
            self.schedule.at(now.plus(HEADS_GRACE), Timer::Voice);
        }
        let mut others = self.stations().filter(|id| *id != self.me);
        let everybody = others.all(|id| self.voice.answered.contains(&id));
        drop(others);
        // Other roles carry nothing and are not asked.
        let mut linked = self.meet.linked.iter().filter(|id| self.state(id).is_some());
        let all_linked = linked.all(|id| self.voice.answered.contains(id));
        let graced = self.voice.first_answer.is_some_and(|at| now.since(at) >= HEADS_GRACE);
        if self.voice.lost.is_some() {
            // Perhaps a copy, whose original is alive: nothing is said before that would show. It
            // shows over a link that lasts, and the two take the links from each other; without
            // one nobody would hear us either, however long we waited.
            let lasts = |(peer, since): (&StationId, &Mono)| {
                self.voice.answered.contains(peer) && now.since(*since) >= LISTEN
            };
            let listened = self.meet.since.iter().any(lasts);
            let waited = now.since(self.voice.started) >= HEADS_WAIT;
            if listened && (all_linked || waited) {
                let lost = self.voice.lost.take();
                self.begin_after(turn, lost);
            }
        } else if (everybody && !self.voice.ahead) || self.planted(Fault::HeadsNotAsked) {
            self.speak(turn);
        } else if (everybody || (graced && all_linked))
            || now.since(self.voice.started) >= HEADS_WAIT
        {
            let (lost, newest) = (self.voice.ahead, self.voice.newest);
            self.begin_incarnation(turn);
            if lost {
                self.begin_regain(turn, newest, None);
            }
        }
    }

    /// Begins an incarnation, and asks for what was lost before it, if anything was.
    fn begin_after(&mut self, turn: &mut Turn, lost: Option<Lost>) {
        self.begin_incarnation(turn);
        if let Some((newest, restored)) = lost {
            self.begin_regain(turn, newest, restored);
        }
    }

    fn begin_incarnation(&mut self, turn: &mut Turn) {
        let drawn = self.voice.drawn.take();
        let incarnation = drawn.unwrap_or_else(|| Incarnation(turn.entropy.bytes()));
        let predecessor = self.voice.incarnation.replace(incarnation);
        self.voice.past.insert(incarnation);
        // Not earlier than before: a clock that was set back meanwhile would make beacons of the run
        // before this one, which come late, look like a twin's.
        self.voice.began = self.voice.began.max(turn.now.wall);
        let own = wire::OwnIncarnation {
            incarnation: super::copy(&incarnation.0),
            predecessor: predecessor.map(|p| super::copy(&p.0)).unwrap_or_default(),
            at: turn.now.wall.0,
        };
        self.note(turn, None, What::Incarnation(own));
        if self.carries() {
            self.announce_incarnation(turn, predecessor);
        }
        self.speak(turn);
    }

    /// The signed notice that opens an incarnation: number 1 on the accord-wide lane.
    fn announce_incarnation(&mut self, turn: &mut Turn, predecessor: Option<Incarnation>) {
        let Some(lane) = self.main_lane() else { return };
        let entry = |(id, feed): (&FeedId, &crate::feeds::Feed)| Entry::of(*id, feed).to_wire();
        let (own, others): (Vec<_>, Vec<_>) = self
            .feeds
            .iter()
            .filter(|(id, feed)| feed.last() > 0 && id.lane == lane)
            .partition(|(id, _)| id.author == self.me);
        let notice = wire::IncarnationNotice {
            predecessor: predecessor.map(|p| super::copy(&p.0)).unwrap_or_default(),
            own_heads: own.into_iter().map(entry).take(NOTICE_ENTRIES).collect(),
            marks: others.into_iter().map(entry).take(NOTICE_ENTRIES).collect(),
        };
        let frame = self.frame(turn, lane);
        let body = wire::encode(&notice);
        let Ok(envelope) = seal::statement(&frame, &body, &self.keys.sign) else { return };
        self.keep_own(turn, &envelope);
        turn.speak(Speak::Publish { topic: Topic::Lane(lane), bytes: envelope.bytes().clone() });
    }

    fn speak(&mut self, turn: &mut Turn) {
        self.voice.speaks = Speaks::Yes;
        // The one before says that we only listen.
        self.voice.newest_beacon = None;
        if let Some(incarnation) = self.voice.incarnation {
            turn.speak(Speak::Tell(Notice::Speaks(incarnation)));
        }
        self.seal_waiting(turn);
    }

    /// Another node speaks with our keys.
    pub(super) fn fall_silent(&mut self, turn: &mut Turn) {
        if !matches!(self.voice.speaks, Speaks::Clone | Speaks::Revoked) {
            self.voice.aside = self.voice.speaks == Speaks::Asking;
            self.voice.speaks = Speaks::Clone;
            turn.speak(Speak::Membership);
            turn.speak(Speak::Tell(Notice::Clone));
            self.incident_by(turn, Cause::Clone, self.me);
        }
    }

    /// A numbered envelope in our own name came from outside. `known` says whether exactly it is held.
    pub(super) fn hear_oneself(&mut self, turn: &mut Turn, envelope: &Envelope, known: bool) {
        let header = envelope.header();
        if known {
            return;
        }
        let ours_now = Some(header.incarnation) == self.voice.incarnation;
        let after = header.made_at > self.voice.began;
        match self.voice.speaks {
            Speaks::Yes if ours_now => self.fall_silent(turn),
            // A twin that is alive says beacons; a clock that was set makes this out of what a disk
            // that went back forgot.
            Speaks::Yes if after => _ = self.ask_for_twin(turn),
            Speaks::Yes | Speaks::Clone | Speaks::Revoked => {}
            Speaks::Asking => self.fall_behind(turn),
        }
        self.voice.past.insert(header.incarnation);
    }

    /// Others hold more of our own feeds than we do. Kept, because what is fetched of it now would be
    /// held after a restart, and look as if nothing had been lost.
    pub(super) fn fall_behind(&mut self, turn: &mut Turn) {
        if self.voice.speaks == Speaks::Asking && !self.voice.ahead {
            self.voice.ahead = true;
            self.note(turn, None, What::Behind(wire::OwnBehind { at: turn.now.wall.0 }));
        }
    }

    /// One that we said, or so old that it may be one and is only said again by somebody else.
    pub(super) fn may_be_our_beacon(&self, beacon: &Envelope) -> bool {
        beacon.header().made_at <= self.voice.forgotten
            || self.voice.own_beacons.iter().any(|(id, _)| *id == beacon.id())
    }

    /// A peer says what it holds of our own feeds.
    pub(super) fn hear_own_heads(
        &mut self,
        turn: &mut Turn,
        peer: StationId,
        all: &[Entry],
        more: bool,
        recent: bool,
    ) {
        let mut own = all.iter().filter(|entry| entry.feed.author == self.me);
        let longer = own.any(|entry| {
            let held = self.feeds.get(&entry.feed).map_or(0, crate::feeds::Feed::last);
            entry.runs().last().map_or(0, |run| run.1) > held
        });
        // What did not fit the answer may be ahead of us.
        if longer || more {
            self.fall_behind(turn);
        }
        // Who heard a beacon in our name just now is asked again, when the next one would be due.
        if !recent {
            self.voice.answered.insert(peer);
        }
        self.look_for_voice(turn);
    }

    /// The incarnation that our beacons name: the next one already, while we only listen.
    pub(super) fn shown_incarnation(&self) -> Option<Incarnation> {
        self.voice.drawn.or(self.voice.incarnation)
    }

    /// Asks a peer for our own heads, and whom it hears in our name.
    pub(super) fn ask_heads(&mut self, turn: &mut Turn, peer: StationId) {
        if matches!(self.voice.speaks, Speaks::Asking | Speaks::Yes) {
            let beacon = self.make_beacon(turn);
            let ask = beacon.map_or(Ask::Heads(self.me), |b| Ask::HeadsOf(self.me, b));
            self.ask(turn, peer, &ask, Question::Heads);
        }
    }

    /// What a peer gets that asks for its own heads.
    pub(super) fn own_heads_of(&self, author: StationId) -> Vec<Entry> {
        sync::entries(&self.feeds, |feed| feed.author == author)
    }

    /// Says a beacon, judges the clock, and hangs up on neighbours whose gossip went silent.
    pub(super) fn beacon(&mut self, turn: &mut Turn) {
        self.schedule.at(turn.now.mono.plus(BEACON_EVERY), Timer::Beacon);
        self.judge_clock(turn);
        self.look_for_silence(turn);
        if let Some(bytes) = self.make_beacon(turn) {
            turn.speak(Speak::Publish { topic: Topic::Beacon, bytes });
        }
    }

    /// A beacon of now, or the one that was made within the last second.
    fn make_beacon(&mut self, turn: &Turn) -> Option<Bytes> {
        if let Some((at, beacon)) = &self.voice.newest_beacon
            && turn.now.wall.since(*at) < SECOND
            && *at <= turn.now.wall
        {
            return Some(beacon.clone());
        }
        let incarnation = self.shown_incarnation()?;
        let voice = match self.voice.speaks {
            Speaks::Yes => wire::Voice::Speaks,
            Speaks::Asking => wire::Voice::Listens,
            Speaks::Clone => wire::Voice::Clone,
            // Nobody would believe it.
            Speaks::Revoked => return None,
        };
        let mut body = wire::Beacon {
            wall: turn.now.wall.0,
            incarnation: super::copy(&incarnation.0),
            voice: voice as i32,
            ..Default::default()
        };
        let short = BEACON_LEN.saturating_sub(wire::encode(&body).len() + 2);
        body.padding = vec![0; short].into();
        let lane = self.main_lane()?;
        let mut frame = self.frame(turn, lane);
        frame.seq = 0;
        frame.prev = crate::id::Digest([0; 32]);
        let beacon = seal::beacon(&frame, &wire::encode(&body), &self.keys.sign).ok()?;
        self.voice.own_beacons.push_back((beacon.id(), turn.now.wall));
        if self.voice.own_beacons.len() > OWN_BEACONS
            && let Some((_, said)) = self.voice.own_beacons.pop_front()
        {
            self.voice.forgotten = self.voice.forgotten.max(said);
        }
        let bytes = beacon.bytes().clone();
        self.voice.newest_beacon = Some((turn.now.wall, bytes.clone()));
        Some(bytes)
    }

    /// Takes note of a peer's beacon, if it is news; a replayed one, not newer than the last, is not.
    /// After one that lay absurdly far ahead, a clock that was mended is believed again.
    pub(super) fn hear_beacon(&mut self, turn: &mut Turn, envelope: &Envelope) -> bool {
        let made = envelope.header().made_at;
        let author = envelope.header().author;
        let stale = |last: &Heartbeat| {
            let absurd = last.wall.since(turn.now.wall) > FUTURE_FLAG;
            last.wall == made || (last.wall > made && !absurd)
        };
        if self.voice.beacons.get(&author).is_some_and(stale) {
            return false;
        }
        let accord = envelope.header().accord_version;
        let heartbeat = Heartbeat { heard: turn.now.mono, wall: made, accord };
        self.voice.beacons.insert(author, heartbeat);
        self.keep_echo(turn, envelope);
        true
    }

    /// A dead gossip stream leaves the connection up and says nothing; only a beacon that stays
    /// away shows it. Redialling makes a new stream.
    fn look_for_silence(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        let silent = |peer: &StationId, since: &Mono| {
            let heard = self.voice.beacons.get(peer).map(|h| h.heard);
            let last = heard.max(Some(*since)).max(self.voice.hung_up.get(peer).copied());
            last.is_some_and(|last| now.since(last) > BEACON_SILENCE)
        };
        let silent: Vec<StationId> = self
            .meet
            .since
            .iter()
            .filter(|(peer, since)| silent(peer, since))
            .map(|(peer, _)| *peer)
            .collect();
        for peer in silent {
            self.voice.hung_up.insert(peer, now);
            turn.speak(Speak::Hangup { peer });
        }
    }
}

/// Entries of each kind in the notice of an incarnation.
const NOTICE_ENTRIES: usize = 256;
