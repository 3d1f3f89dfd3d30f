//! What people say: drafts, acts, and saying a letter again until it is confirmed (I1, I2).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::accord::{ALL, Group};
use crate::draft::Draft;
use crate::envelope::Envelope;
use crate::event::{Act, Denied, Officer, Signed, Speak, Topic};
use crate::id::{MsgId, PartyCode, StationId};
use crate::letter::{Letter, Origin};
use crate::limits::{DRAFTS_WAITING_MAX, EXPIRE_DEFAULT, RECONCILE_EVERY, STANZAS_MAX};
use crate::outbox::{Outgoing, Owed, Path, Rise};
use crate::receipt::Entry;
use crate::schedule::{Timer, backoff};
use crate::sync::{Ask, Custody};
use crate::terms::{Level, Relation, Status};
use crate::wire::{self, own::What};

use super::meet::Question;
use super::{Fault, Speaks, Station, Turn};

/// Stations that are asked to carry a letter whose addressee cannot be reached.
const CARRIERS: usize = 3;
/// Carriers are asked at the first repetitions, and then at every so many.
const CARRIERS_EVERY: u32 = 4;

impl Station {
    /// A draft becomes a letter, or waits, stored, until we may speak.
    pub(super) fn submit(&mut self, turn: &mut Turn, draft: Draft) -> Result<MsgId, Denied> {
        if !self.carries() {
            return Err(Denied::Role);
        }
        self.may_act()?;
        let owed = self.addressees(&draft)?;
        self.is_timely(turn, &draft)?;
        let msg = MsgId(turn.entropy.bytes());
        let sealable = owed.keys().any(|id| self.can_seal_to(id));
        if self.voice.speaks == Speaks::Yes && sealable {
            self.say_letter(turn, msg, draft, owed)?;
            return Ok(msg);
        }
        if self.waiting.len() >= DRAFTS_WAITING_MAX {
            return Err(Denied::Full);
        }
        let own = wire::OwnTaken {
            msg_id: super::copy(&msg.0),
            draft: draft.to_bytes(),
            at: turn.now.wall.0,
        };
        self.note(turn, Some(msg), What::Taken(own));
        self.wait(msg, draft, owed, turn.now.wall);
        Ok(msg)
    }

    /// Enters a draft that waits: it is owed, and its status can be asked for.
    pub(super) fn wait(
        &mut self,
        msg: MsgId,
        draft: Draft,
        owed: BTreeMap<StationId, Owed>,
        at: crate::time::Timestamp,
    ) {
        let outgoing = Outgoing {
            envelope: None,
            content_root: crate::id::Digest([0; 32]),
            lane: crate::id::LaneId([0; 16]),
            type_name: draft.type_name().to_owned(),
            precedence: draft.header.precedence(),
            status: draft.header.status().unwrap_or(Status::Actual),
            made_at: at,
            expires_at: draft.header.expires_at().unwrap_or(at.plus(EXPIRE_DEFAULT)),
            wants: draft
                .header
                .wants()
                .or_else(|| draft.info().ok().and_then(|info| info.ack_level)),
            reply_by: draft.header.reply_by(),
            owed: owed.into(),
            copies: VecDeque::new(),
        };
        self.outbox.enter(msg, outgoing);
        self.waiting.insert(msg, draft);
    }

    /// We may speak: everything that waited goes out.
    pub(super) fn seal_waiting(&mut self, turn: &mut Turn) {
        for (msg, draft) in std::mem::take(&mut self.waiting) {
            // A draft that was taken was checked when it was; a directory that changed since may
            // leave it without a reader. It waits on, for documents that bring one.
            let said = self
                .addressees(&draft)
                .and_then(|owed| self.say_letter(turn, msg, draft.clone(), owed));
            if said.is_err() {
                self.waiting.insert(msg, draft);
            }
        }
    }

    fn group_of(&self, draft: &Draft) -> Result<&Group, Denied> {
        let name = draft.header.group().unwrap_or(ALL);
        let ours = self.directory.member(&self.me).map(|m| m.name.party().clone());
        self.directory
            .group(name)
            .filter(|group| ours.is_some_and(|party| group.parties.contains(&party)))
            .ok_or_else(|| Denied::NoSuchGroup { name: name.to_owned(), ours: self.our_groups() })
    }

    fn our_groups(&self) -> String {
        let ours = self.directory.member(&self.me).map(|m| m.name.party());
        let mine = |g: &&Group| ours.is_some_and(|party| g.parties.contains(party));
        let names: Vec<&str> =
            self.directory.groups().filter(mine).map(|g| g.name.as_str()).collect();
        names.join(", ")
    }

    /// A letter that asks for an answer by a time that is over, or that is over itself, is a slip: it
    /// would be late, or never repeated, from its first moment. Only a clock in doubt lets it pass.
    fn is_timely(&self, turn: &Turn, draft: &Draft) -> Result<(), Denied> {
        let Some(now) = self.trusted(turn.now) else { return Ok(()) };
        let times =
            [("reply_by", draft.header.reply_by()), ("expires_at", draft.header.expires_at())];
        match times.into_iter().find_map(|(field, at)| Some((field, at.filter(|at| *at <= now)?))) {
            Some((field, at)) => Err(Denied::Past { field, at }),
            None => Ok(()),
        }
    }

    /// Every station that is to get the letter, and whether only for information.
    pub(super) fn addressees(&self, draft: &Draft) -> Result<BTreeMap<StationId, Owed>, Denied> {
        let group = self.group_of(draft)?;
        let action: BTreeSet<PartyCode> = draft.header.to().into_iter().collect();
        let copies = draft.header.info().into_iter();
        let info: BTreeSet<PartyCode> = copies.filter(|p| !action.contains(p)).collect();
        let mut owed = BTreeMap::new();
        for (party, copy) in action.iter().map(|p| (p, false)).chain(info.iter().map(|p| (p, true)))
        {
            if self.directory.party(party).is_none() {
                return Err(Denied::NoSuchParty(party.to_string()));
            }
            if !group.parties.contains(party) {
                let (party, group) = (party.to_string(), group.name.clone());
                return Err(Denied::NotInGroup { party, group });
            }
            let stations = self.directory.stations_of(party).filter(|m| m.id != self.me);
            let most = if self.planted(Fault::SiblingForgotten) { 1 } else { usize::MAX };
            owed.extend(stations.take(most).map(|m| (m.id, Owed::new(copy))));
        }
        match owed.len() {
            0 => Err(Denied::NoRecipient),
            n if n > STANZAS_MAX => Err(Denied::TooManyRecipients(n)),
            _ => Ok(owed),
        }
    }

    /// Seals, signs, books and says one letter.
    fn say_letter(
        &mut self,
        turn: &mut Turn,
        msg: MsgId,
        draft: Draft,
        mut owed: BTreeMap<StationId, Owed>,
    ) -> Result<(), Denied> {
        let lane = self.group_of(&draft)?.lane;
        let me = self.directory.member(&self.me).ok_or(Denied::Role)?;
        let (status, wall) = (draft.header.status().unwrap_or(Status::Actual), turn.now.wall);
        let origin = Origin { id: msg, station: me.name.clone(), at: wall };
        let letter = Letter::compose(draft, &origin);
        let parts = letter.parts(&mut turn.entropy);
        let to: Vec<StationId> = owed.keys().copied().filter(|id| self.can_seal_to(id)).collect();
        if to.is_empty() {
            return Err(Denied::NoRecipient);
        }
        let sealed = self.seal_letter(turn, lane, &to, status, &parts);
        let (envelope, key) = sealed.map_err(|error| Denied::Seal(error.to_string()))?;
        self.keep_own(turn, &envelope);
        for (station, owed) in &mut owed {
            owed.unsealed = !self.can_seal_to(station);
        }
        let outgoing = Outgoing {
            envelope: Some(envelope.id()),
            content_root: envelope.header().root,
            lane,
            type_name: letter.header.type_name().to_owned(),
            precedence: letter.header.precedence(),
            status,
            made_at: wall,
            expires_at: letter.header.expires_at().unwrap_or(wall.plus(EXPIRE_DEFAULT)),
            wants: letter.header.wants(),
            reply_by: letter.header.reply_by(),
            owed: owed.into(),
            copies: VecDeque::new(),
        };
        self.note(turn, Some(msg), What::Sent(own_sent(msg, &outgoing, key.as_bytes())));
        self.spread_letter(turn, msg, &envelope, &outgoing);
        self.outbox.enter(msg, outgoing);
        Ok(())
    }

    /// Into the group's gossip, and at the same moment straight to each addressee that is linked.
    fn spread_letter(&mut self, turn: &mut Turn, msg: MsgId, envelope: &Envelope, o: &Outgoing) {
        let topic = Topic::Lane(o.lane);
        turn.speak(Speak::Publish { topic, bytes: envelope.for_gossip() });
        for station in o.owed.keys() {
            if self.meet.linked.contains(station) {
                let ask = Ask::Push(envelope.bytes().clone());
                self.ask(turn, *station, &ask, Question::Push(msg));
            }
            let wait = backoff(1, |n| turn.entropy.below(n));
            self.schedule.at(turn.now.mono.plus(wait), Timer::Retry(msg, *station));
        }
    }

    /// Says a letter again to one addressee, along another path each time.
    pub(super) fn repeat(&mut self, turn: &mut Turn, msg: MsgId, station: StationId) {
        if self.planted(Fault::RetryDropped) {
            return;
        }
        let wall = self.trusted(turn.now);
        let letter = self.outbox.get(&msg).filter(|letter| letter.is_unconfirmed_by(&station));
        let owed = letter.map(|letter| letter.expires_at);
        let open = owed.is_some_and(|end| wall.is_none_or(|wall| wall < end));
        if owed.is_some() && !open {
            self.note_expired(msg, station);
        }
        match self.voice.speaks {
            Speaks::Yes if open => {}
            Speaks::Asking if open => {
                // Not forgotten: it is still ours to deliver once we may speak.
                let wait = backoff(1, |n| turn.entropy.below(n));
                return self.schedule.at(turn.now.mono.plus(wait), Timer::Retry(msg, station));
            }
            _ => return,
        }
        let Some(owed) = self.outbox.owed_mut(&msg, &station) else { return };
        owed.attempts = owed.attempts.saturating_add(1);
        let attempt = owed.attempts;
        if self.meet.linked.contains(&station) {
            self.push_stored(turn, msg, station);
        } else {
            turn.speak(Speak::Dial { peer: station });
            if attempt <= 2 || attempt.is_multiple_of(CARRIERS_EVERY) {
                self.push_to_carriers(turn, msg, station);
            }
        }
        let wait = backoff(attempt + 1, |n| turn.entropy.below(n)).min(RECONCILE_EVERY * 15);
        self.schedule.at(turn.now.mono.plus(wait), Timer::Retry(msg, station));
    }

    fn push_to_carriers(&mut self, turn: &mut Turn, msg: MsgId, station: StationId) {
        let Some(letter) = self.outbox.get(&msg) else { return };
        let Some(members) = self.directory.lane_members(&letter.lane) else { return };
        let mut carriers: Vec<StationId> =
            members.intersection(&self.meet.linked).copied().filter(|id| *id != station).collect();
        while carriers.len() > CARRIERS {
            let drawn = turn.entropy.below(carriers.len() as u64) as usize;
            carriers.swap_remove(drawn);
        }
        for carrier in carriers {
            self.push_stored(turn, msg, carrier);
        }
    }

    /// Pushes a letter that only the store holds in full.
    fn push_stored(&mut self, turn: &mut Turn, msg: MsgId, peer: StationId) {
        let Some(envelope) = self.outbox.get(&msg).and_then(|letter| letter.envelope) else {
            return;
        };
        let id = self.question(turn, peer, Question::Push(msg));
        turn.speak(Speak::Push { peer, id, envelope });
    }

    /// A peer is linked: what it owes L1 for is pushed at once.
    pub(super) fn push_letters_to(&mut self, turn: &mut Turn, peer: StationId) {
        if self.voice.speaks != Speaks::Yes {
            return;
        }
        let wall = self.trusted(turn.now);
        let open: Vec<MsgId> =
            self.outbox.unconfirmed_by(peer, wall).map(|(msg, _)| *msg).collect();
        for msg in open {
            self.push_stored(turn, msg, peer);
        }
    }

    /// A pushed letter was taken, by its addressee or by a carrier.
    pub(super) fn push_taken(
        &mut self,
        turn: &mut Turn,
        msg: MsgId,
        peer: StationId,
        custody: Custody,
    ) {
        let at = turn.now.wall;
        let Some(letter) = self.outbox.get(&msg) else { return };
        match custody {
            Custody::Stored if letter.owed.contains_key(&peer) => {
                if let Some(envelope) = letter.envelope {
                    self.sender_keys.confirmed(&envelope, &peer);
                }
                if let Some(owed) = self.outbox.owed_mut(&msg, &peer) {
                    owed.path = Some(Path::Direct);
                }
            }
            Custody::Stored => {
                let waiting: Vec<StationId> = letter
                    .owed
                    .iter()
                    .filter(|(_, owed)| owed.level.is_none())
                    .map(|(id, _)| *id)
                    .collect();
                for station in waiting {
                    let path = Some(Path::Via(peer));
                    let rise = Rise { level: Level::L0, outcome: None, at, path, stated: None };
                    self.settle_level(turn, msg, station, rise);
                }
            }
            Custody::Deferred => turn.speak(Speak::Tell(crate::event::Notice::OverRate)),
            Custody::Refused => {}
        }
    }

    /// What an officer does with a letter.
    pub(super) fn act(
        &mut self,
        turn: &mut Turn,
        msg: MsgId,
        act: Act,
        by: &Officer,
        signed: Option<Signed>,
    ) -> Result<MsgId, Denied> {
        self.may_act()?;
        let letter = self.inbox.get(&msg).ok_or(Denied::NoSuchLetter(msg))?.into_owned();
        let at = signed.as_ref().map_or(turn.now.wall, |signed| signed.at);
        let named = letter.named;
        let machine = Entry {
            clock_in_doubt: !self.voice.trusted,
            ..Entry::by_station(msg, named.envelope, named.content_root, Level::L3, at)
        };
        let mut entry = act.entry(machine, at, by);
        if let Some(signed) = signed {
            self.sign_entry(turn.now.wall, &mut entry, signed)?;
        }
        let mut answer = msg;
        if let Act::Reply { mut draft } = act {
            refer(&mut draft, msg, &letter.party);
            answer = self.submit(turn, *draft)?;
            entry.answer = Some(answer);
        }
        if letter.is_news(&entry) {
            self.owe_act(turn, &letter, entry);
        }
        Ok(answer)
    }
}

/// An answer names what it answers, and goes to whoever asked if it names nobody.
fn refer(draft: &mut Draft, msg: MsgId, party: &PartyCode) {
    if draft.header.replies_to() != Some(msg) {
        let relation = Relation::Replies.code().into();
        draft.header.0.refs.push(wire::Reference { id: super::copy(&msg.0), relation });
    }
    if draft.header.0.to_action.is_empty() {
        draft.header.0.to_action.push(party.as_str().to_owned());
    }
}

fn own_sent(msg: MsgId, letter: &Outgoing, key: &[u8; 32]) -> wire::OwnSent {
    let addressee = |(id, owed): (&StationId, &Owed)| wire::Addressee {
        station: super::copy(&id.0),
        info: owed.info,
        unsealed: owed.unsealed,
    };
    wire::OwnSent {
        msg_id: super::copy(&msg.0),
        envelope: letter.envelope.map(|id| super::copy(&id.0)).unwrap_or_default(),
        file_key: super::copy(key),
        status: u32::from(letter.status.code()),
        content_root: super::copy(&letter.content_root.0),
        lane: super::copy(&letter.lane.0),
        r#type: letter.type_name.clone(),
        precedence: u32::from(letter.precedence.code()),
        made_at: letter.made_at.0,
        expires_at: letter.expires_at.0,
        wants: letter.wants.map_or(0, |level| u32::from(level.code())),
        reply_by: letter.reply_by.map_or(0, |at| at.0),
        addressees: letter.owed.iter().map(addressee).collect(),
    }
}
