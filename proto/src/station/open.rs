//! Letters and receipts, opened (invariants I1, I2, I7).
//!
//! What is opened is noted before anything is said about it: the note stands in the same batch as
//! the envelope, and a crash between the two is mended at the next start, when an envelope to us
//! without a note is opened again.

use crate::envelope::{Envelope, Recipients};
use crate::event::{Notice, Speak};
use crate::id::{MsgId, StationId};
use crate::inbox::{Named, Received};
use crate::letter::Letter;
use crate::limits::FUTURE_FLAG;
use crate::outbox::{Owed, Path, Rise};
use crate::receipt::{Entry, RESEND, Receipt, ReceiptError, Resend, Stated};
use crate::schedule::Timer;
use crate::seal::{self, Opened};
use crate::terms::{Cause, Level, Relation};
use crate::time::Timestamp;
use crate::wire::{self, Opening, own::What};

use super::{Fault, Station, Turn};

/// What came of opening an envelope that is addressed to us.
enum Tried {
    Opened(Box<Opened>),
    /// Its sender key is not here.
    Locked,
    Not,
}

impl Station {
    /// Opens one envelope that is addressed to us.
    pub(super) fn open(&mut self, turn: &mut Turn, envelope: &Envelope) {
        let place = self.place_of(envelope);
        if place.is_some_and(|place| self.still_counts(envelope, place.key).is_err()) {
            // The revocation came between the envelope and now.
            return self.refuse(turn, envelope);
        }
        let opened = match self.try_open(turn, envelope) {
            Tried::Opened(opened) => Some(*opened),
            Tried::Locked => return self.lock_away(turn, envelope),
            Tried::Not => None,
        };
        let read = opened.and_then(|opened| {
            let letter = Letter::from_parts(&opened.parts).ok()?;
            Some((opened, letter))
        });
        let Some((opened, letter)) = read else {
            return self.refuse(turn, envelope);
        };
        if let Err(cause) = self.may_say(envelope.header().author, &opened, &letter) {
            self.pretended(turn, envelope.header().author, cause, &letter);
            return self.refuse(turn, envelope);
        }
        if letter.header.0.type_number == RESEND {
            return self.take_resend(turn, envelope, &letter);
        }
        match Receipt::read(&letter) {
            Ok(receipt) => self.take_receipt(turn, envelope, &receipt),
            Err(ReceiptError::Type) => self.take_letter(turn, envelope, &opened, &letter),
            Err(ReceiptError::Body) => self.refuse(turn, envelope),
        }
    }

    fn refuse(&mut self, turn: &mut Turn, envelope: &Envelope) {
        self.note_opened(turn, envelope, wire::OwnOpened::default(), Opening::Refused);
        turn.speak(Speak::Tell(Notice::Refused(envelope.id())));
    }

    fn try_open(&mut self, turn: &mut Turn, envelope: &Envelope) -> Tried {
        if let Recipients::SenderKey(id) = envelope.header().recipients {
            return match self.open_by_key(envelope, id) {
                None => Tried::Locked,
                Some(opened) => opened.map_or(Tried::Not, |o| Tried::Opened(Box::new(o))),
            };
        }
        let Some(opened) = self.open_stanza(envelope) else { return Tried::Not };
        if opened.hands_out {
            self.take_sender_key(turn, envelope, &opened.key);
        }
        Tried::Opened(Box::new(opened))
    }

    fn open_stanza(&self, envelope: &Envelope) -> Option<Opened> {
        let header = envelope.header();
        let member = self.state(&header.author)?;
        let epoch = member.epochs.get(&header.epoch)?;
        let (mine, secret) = self.key_to(envelope)?;
        seal::open(envelope, mine, epoch, secret).ok()?
    }

    /// Whether this author's key reaches what the letter says: the status it was sealed with, the
    /// type, and the party in whose name it speaks.
    fn may_say(&self, author: StationId, opened: &Opened, letter: &Letter) -> Result<(), Cause> {
        let member = self.state(&author).ok_or(Cause::Scope)?;
        if letter.header.originator().as_ref() != Some(&member.name) {
            return Err(Cause::OtherName);
        }
        let within = letter.has_status(opened.status)
            && member.scopes.allows_status(opened.status.code())
            && member.scopes.allows_type(letter.header.type_name());
        if within { Ok(()) } else { Err(Cause::Scope) }
    }

    fn take_letter(
        &mut self,
        turn: &mut Turn,
        envelope: &Envelope,
        opened: &Opened,
        letter: &Letter,
    ) {
        let Some(received) = self.as_received(turn.now.wall, envelope, opened, letter) else {
            return;
        };
        let (msg, author) = (received.msg, received.author);
        if self.is_copy(&received) {
            let own = wire::OwnOpened {
                msg_id: super::copy(&msg.0),
                content_root: super::copy(&received.named.content_root.0),
                made_at: received.made_at.0,
                party: received.party.as_str().to_owned(),
                ..Default::default()
            };
            self.note_opened(turn, envelope, own, Opening::Repeated);
            self.inbox.note_copy(&received.party, &msg, received.named);
            self.say_of_copy(turn, envelope);
            return;
        }
        let own = wire::OwnOpened {
            msg_id: super::copy(&msg.0),
            file_key: super::copy(opened.key.as_bytes()),
            status: u32::from(received.status.code()),
            content_root: super::copy(&received.named.content_root.0),
            r#type: received.type_name.clone(),
            precedence: u32::from(received.precedence.code()),
            received_at: received.received_at.0,
            info: received.info,
            newer: received.newer,
            ahead: received.ahead,
            made_at: received.made_at.0,
            expires_at: received.expires_at.map_or(0, |at| at.0),
            party: received.party.as_str().to_owned(),
            ..Default::default()
        };
        // Before the note that it was opened, for the same reason as with receipts.
        self.answered_by_reference(turn, author, letter);
        self.note_opened(turn, envelope, own, Opening::Letter);
        self.inbox.enter(received);
        self.owe_machine_levels(turn, msg, author);
        turn.speak(Speak::Tell(Notice::Letter(msg)));
    }

    /// Whether the letter is here already, whatever brought it.
    fn is_copy(&self, received: &Received) -> bool {
        if self.planted(Fault::ShownTwice) {
            return false;
        }
        let party = &received.party;
        let near = |last: &Received| {
            last.party == *party && received.received_at.since(last.received_at) < 2_000
        };
        self.inbox.holds(party, &received.msg)
            || self.planted(Fault::DedupByTime) && self.inbox.iter().any(|last| near(&last))
    }

    fn as_received(
        &self,
        wall: Timestamp,
        envelope: &Envelope,
        opened: &Opened,
        letter: &Letter,
    ) -> Option<Received> {
        let header = envelope.header();
        let member = self.directory.member(&header.author)?;
        let mine = self.directory.member(&self.me)?.name.party().clone();
        Some(Received {
            msg: letter.id(),
            author: header.author,
            party: member.name.party().clone(),
            envelope: envelope.id(),
            place: self.place_of(envelope),
            named: Named {
                envelope: envelope.id(),
                content_root: header.root,
                made_at: header.made_at,
            },
            type_name: letter.header.type_name().to_owned(),
            precedence: letter.header.precedence(),
            status: opened.status,
            made_at: header.made_at,
            received_at: wall,
            expires_at: letter.header.expires_at(),
            info: !letter.header.to().contains(&mine),
            newer: letter.newer,
            ahead: header.made_at.since(wall) > FUTURE_FLAG,
            forked: self.feeds.get(&envelope.feed()).is_some_and(crate::feeds::Feed::broken),
            level: None,
            outcome: None,
            entry: bytes::Bytes::new(),
            number: 0,
        })
    }

    pub(super) fn note_opened(
        &mut self,
        turn: &mut Turn,
        envelope: &Envelope,
        mut own: wire::OwnOpened,
        opening: Opening,
    ) {
        own.envelope = super::copy(&envelope.id().0);
        own.author = super::copy(&envelope.header().author.0);
        own.opening = opening as i32;
        let msg = MsgId::from_slice(&own.msg_id);
        self.voice.newest = self.voice.newest.max(turn.now.wall);
        self.note(turn, msg, What::Opened(own));
    }

    /// What an addressee says of our letters.
    fn take_receipt(&mut self, turn: &mut Turn, envelope: &Envelope, receipt: &Receipt) {
        let author = envelope.header().author;
        if self.planted(Fault::NotedFirst) {
            self.note_opened(turn, envelope, wire::OwnOpened::default(), Opening::Receipt);
        }
        for entry in &receipt.entries {
            match self.rise_of(envelope, entry) {
                Some((msg, rise)) => self.settle_level(turn, msg, author, rise),
                None => self.unmatched(turn, author, entry),
            }
        }
        // Last: a crash may leave any prefix of the batch, and what is noted as opened is not
        // opened again.
        self.note_opened(turn, envelope, wire::OwnOpened::default(), Opening::Receipt);
    }

    /// What a station that lost something asks, or an author answers.
    fn take_resend(&mut self, turn: &mut Turn, envelope: &Envelope, letter: &Letter) {
        let Ok(resend) = Resend::read(letter) else { return self.refuse(turn, envelope) };
        self.hear_resend(turn, envelope.header().author, resend);
        // Last, for the same reason as with receipts.
        self.note_opened(turn, envelope, wire::OwnOpened::default(), Opening::Receipt);
    }

    /// The level that an entry states, if it names exactly what we sent.
    fn rise_of(&self, receipt: &Envelope, entry: &Entry) -> Option<(MsgId, Rise)> {
        let letter = self.outbox.get(&entry.of)?;
        let names_ours = letter.is_named_by(&entry.digest, &entry.content_root)
            || self.planted(Fault::ContentUnchecked);
        let ((level, outcome), at) = (entry.said(), entry.at);
        let stated = Stated::of(entry, receipt);
        let rise = Rise { level, outcome, at, path: Some(Path::Gossip), stated };
        names_ours.then_some((entry.of, rise))
    }

    /// A statement about a letter of ours names an envelope in which we do not know it: one that was
    /// sealed again before our disk went back. It proves nothing, so the addressee gets one that we
    /// know, and its next receipt names that.
    fn unmatched(&mut self, turn: &mut Turn, author: StationId, entry: &Entry) {
        let Entry { of: msg, at, .. } = *entry;
        let (level, outcome) = entry.said();
        let rise = Rise { level, outcome, at, path: None, stated: None };
        if !self.outbox.rises(&msg, &author, &rise) {
            return;
        }
        if !self.mark_unmatched(turn, msg, author) {
            return;
        }
        if let Some(later) = self.jobs.mend(author, msg, turn.now.mono) {
            self.schedule.at(later, Timer::Mend);
        }
        self.start_resealing(turn);
    }

    /// This addressee does not have the letter in an envelope that serves both: it is sealed again,
    /// also after a restart. False where that is known.
    pub(super) fn mark_unmatched(&mut self, turn: &mut Turn, msg: MsgId, by: StationId) -> bool {
        let Some(owed) = self.outbox.owed_mut(&msg, &by).filter(|owed| !owed.unmatched) else {
            return false;
        };
        owed.unmatched = true;
        let (msg_id, station) = (super::copy(&msg.0), super::copy(&by.0));
        self.note(turn, Some(msg), What::Unmatched(wire::OwnUnmatched { msg_id, station }));
        true
    }

    /// A letter that replies to one of ours answers it.
    fn answered_by_reference(&mut self, turn: &mut Turn, author: StationId, letter: &Letter) {
        let replies: Vec<MsgId> = letter
            .header
            .refs()
            .into_iter()
            .filter(|(_, relation)| *relation == Some(Relation::Replies))
            .map(|(msg, _)| msg)
            .collect();
        for msg in replies {
            let at = turn.now.wall;
            let path = Some(Path::Gossip);
            let rise = Rise { level: Level::L6, outcome: None, at, path, stated: None };
            self.settle_level(turn, msg, author, rise);
        }
    }

    /// Books and tells a level, where it rises.
    pub(super) fn settle_level(&mut self, turn: &mut Turn, msg: MsgId, by: StationId, rise: Rise) {
        if self.planted(Fault::LevelLowered)
            && let Some(owed) = self.outbox.owed_mut(&msg, &by)
            && owed.level > Some(rise.level)
        {
            (owed.level, owed.outcome) = (None, None);
        }
        if !self.outbox.rises(&msg, &by, &rise) {
            return;
        }
        let other = |owed: &Owed| {
            owed.level != Some(rise.level) || rise.outcome.is_some_and(|o| owed.outcome != Some(o))
        };
        let letter = self.outbox.get(&msg);
        let further = letter.and_then(|letter| letter.owed.get(&by).map(other)).unwrap_or(true);
        self.outbox.settle(&msg, &by, &rise);
        let own = wire::OwnSettled {
            msg_id: super::copy(&msg.0),
            station: super::copy(&by.0),
            level: u32::from(rise.level.code()),
            outcome: rise.outcome.map_or(0, |outcome| u32::from(outcome.code())),
            at: rise.at.0,
            path: rise.path.map(|path| path.to_string()).unwrap_or_default(),
            stated: rise.stated.as_ref().map(Stated::to_wire),
        };
        self.note(turn, Some(msg), What::Settled(own));
        if further {
            turn.speak(Speak::Tell(Notice::Settled { msg, station: by, level: rise.level }));
        }
    }
}
