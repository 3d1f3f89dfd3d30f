//! Restore: a station is what its journal says (invariants I1, I2).
//!
//! Records are given in order. Nothing is verified again but what the journal itself verifies; own
//! records open under the archive key. What a crash left half-done is taken up at the start: an
//! envelope to us that was stored but not opened, a letter that was opened but not receipted, a
//! draft that was taken but not sealed, a receipt that was stored but perhaps not said.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::draft::Draft;
use crate::envelope::{Envelope, Kind};
use crate::feeds::{Feed, Novelty};
use crate::id::{Digest, EnvelopeId, Incarnation, LaneId, MsgId, PartyCode, StationId};
use crate::inbox::{Named, Received};
use crate::journal::{Record, RecordKind};
use crate::limits::RECONCILE_EVERY;
use crate::outbox::{Outgoing, Owed, Path, Rise};
use crate::own::{self, OwnError};
use crate::receipt::{Entry, Stated};
use crate::schedule::{Timer, backoff};
use crate::terms::{Level, Outcome, Precedence, Status};
use crate::time::Timestamp;
use crate::wire::{self, Opening, own::What};

use super::hear::{Lane, Way};
use super::{Fault, Station, Turn, id16};

/// Why a journal cannot be taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// An own record does not open.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// A record does not have the form that it should have.
    #[error(
        "a record of the journal has a form that this version does not know; it was written by a \
         newer one, so start that one"
    )]
    Form,
}

impl Station {
    /// Takes one record of the journal, in order, before [`Station::start`].
    ///
    /// # Errors
    /// [`RestoreError`]; the station is of no use then.
    pub fn restore(&mut self, record: &Record) -> Result<(), RestoreError> {
        match record.kind {
            RecordKind::Envelope => self.restore_envelope(&record.bytes),
            RecordKind::Document => {
                // It was believed when it was written; one that is not now says nothing new.
                let _ = self.directory.admit(&record.bytes);
                self.refresh_secrets();
                Ok(())
            }
            RecordKind::Sent
            | RecordKind::Opened
            | RecordKind::Taken
            | RecordKind::Event
            | RecordKind::Incarnation => {
                let what = own::open(&self.keys.archive, record)?;
                self.restore_own(what)
            }
            RecordKind::Proof => {
                self.restore_proof(&record.bytes);
                Ok(())
            }
            RecordKind::Note | RecordKind::Unknown(_) => Ok(()),
        }
    }

    fn restore_envelope(&mut self, bytes: &Bytes) -> Result<(), RestoreError> {
        let envelope = Envelope::decode(bytes.clone()).map_err(|_| RestoreError::Form)?;
        let header = *envelope.header();
        match self.lane_of(&envelope.feed()) {
            Lane::Closed => return Ok(()),
            Lane::Foreign if self.planted(Fault::CarriedDropped) => return Ok(()),
            Lane::Foreign => {
                self.pairs.restore_carried(&envelope);
                return Ok(());
            }
            Lane::Group => {}
            Lane::Pair(peer) => {
                self.pairs.learn(header.lane, peer);
                self.pairs.seen_on_gossip(&envelope, Way::Stream);
                if header.author == self.me {
                    self.pairs.restore(peer, &envelope);
                    if self.planted(Fault::NumberReused) {
                        return Ok(());
                    }
                }
            }
        }
        self.accuse_restored(&envelope);
        let held = self.feeds.get(&envelope.feed());
        let novelty = held.map_or(Novelty::New, |f| f.judge(header.seq, envelope.id()));
        if let Novelty::Fork(held) = novelty {
            self.inbox.mark_forked(&held);
        }
        // A header may stand beside the whole that it was to replace.
        if novelty != Novelty::Copy {
            self.feeds.at(envelope.feed()).take(header.seq, envelope.id(), header.prev);
        }
        if header.author == self.me {
            self.voice.newest = self.voice.newest.max(header.made_at);
            self.voice.past.insert(header.incarnation);
            let group = self.directory.lane_members(&header.lane).is_some();
            if group && header.kind == Kind::Sealed {
                // Until the note that it was sent.
                self.own_but_unknown(envelope.id());
            }
        } else if envelope.has_body() && self.addressed(&envelope) {
            self.unopened.push_back(envelope);
        }
        Ok(())
    }

    fn restore_own(&mut self, what: What) -> Result<(), RestoreError> {
        match what {
            What::Sent(own) => self.restore_sent(&own),
            What::Opened(own) => self.restore_opened(own),
            What::Settled(own) => self.restore_settled(&own),
            What::Receipted(own) => {
                let msg = id16(&own.msg_id, MsgId::from_slice)?;
                let author = id16(&own.author, StationId::from_slice)?;
                if let Some(entry) = Entry::from_bytes(&own.entry) {
                    self.apply_receipted(author, msg, &entry);
                }
                Ok(())
            }
            What::Taken(own) => self.restore_taken(&own),
            What::Due(own) => {
                let msg = id16(&own.msg_id, MsgId::from_slice)?;
                let entry = Entry::from_bytes(&own.entry);
                if let Some(entry) = entry.filter(|_| !self.planted(Fault::StatementDropped)) {
                    self.pairs.restore_stated(msg, entry);
                }
                Ok(())
            }
            What::Handed(own) => self.restore_handed(&own),
            What::Regain(own) => {
                self.restore_regain(&own);
                Ok(())
            }
            What::Listed(own) => self.restore_listed(&own),
            What::Resent(own) => self.restore_resent(&own),
            What::Unmatched(own) => self.restore_unmatched(&own),
            What::Behind(_) => {
                self.voice.ahead = !self.planted(Fault::BehindForgotten);
                Ok(())
            }
            What::Checked(own) => {
                self.restore_checked(&own);
                Ok(())
            }
            What::Incident(own) => {
                self.restore_incident(&own);
                Ok(())
            }
            What::Spread(own) => {
                self.pairs.note_spread(&id16(&own.envelope, EnvelopeId::from_slice)?);
                Ok(())
            }
            What::Incarnation(own) => {
                let incarnation = id16(&own.incarnation, Incarnation::from_slice)?;
                self.voice.incarnation = Some(incarnation);
                // What was lost was lost before it.
                self.voice.ahead = false;
                self.voice.past.insert(incarnation);
                self.voice.newest = self.voice.newest.max(Timestamp(own.at));
                Ok(())
            }
        }
    }

    fn restore_settled(&mut self, own: &wire::OwnSettled) -> Result<(), RestoreError> {
        let msg = id16(&own.msg_id, MsgId::from_slice)?;
        let station = id16(&own.station, StationId::from_slice)?;
        let level = Level::from_code(own.level).ok_or(RestoreError::Form)?;
        let (outcome, path) = (Outcome::from_code(own.outcome), Path::parse(&own.path));
        let stated = own.stated.as_ref().and_then(Stated::from_wire);
        let rise = Rise { level, outcome, at: Timestamp(own.at), path, stated };
        self.outbox.settle(&msg, &station, &rise);
        Ok(())
    }

    fn restore_unmatched(&mut self, own: &wire::OwnUnmatched) -> Result<(), RestoreError> {
        let msg = id16(&own.msg_id, MsgId::from_slice)?;
        let station = id16(&own.station, StationId::from_slice)?;
        if let Some(owed) = self.outbox.owed_mut(&msg, &station) {
            owed.unmatched = true;
        }
        Ok(())
    }

    fn restore_sent(&mut self, own: &wire::OwnSent) -> Result<(), RestoreError> {
        let msg = id16(&own.msg_id, MsgId::from_slice)?;
        let mut owed = BTreeMap::new();
        for addressee in &own.addressees {
            let station = id16(&addressee.station, StationId::from_slice)?;
            let unsealed = addressee.unsealed;
            owed.insert(station, Owed { unsealed, ..Owed::new(addressee.info) });
        }
        let letter = Outgoing {
            envelope: Some(id16(&own.envelope, EnvelopeId::from_slice)?),
            content_root: id16(&own.content_root, Digest::from_slice)?,
            lane: id16(&own.lane, LaneId::from_slice)?,
            type_name: own.r#type.clone(),
            precedence: Precedence::from_code(own.precedence).ok_or(RestoreError::Form)?,
            status: Status::from_code(own.status).ok_or(RestoreError::Form)?,
            made_at: Timestamp(own.made_at),
            expires_at: Timestamp(own.expires_at),
            wants: Level::from_code(own.wants),
            reply_by: (own.reply_by > 0).then_some(Timestamp(own.reply_by)),
            owed: owed.into(),
            copies: VecDeque::new(),
        };
        letter.envelope.map(|envelope| self.unclaimed.remove(&envelope));
        self.waiting.remove(&msg);
        self.outbox.enter(msg, letter);
        Ok(())
    }

    fn restore_taken(&mut self, own: &wire::OwnTaken) -> Result<(), RestoreError> {
        let msg = id16(&own.msg_id, MsgId::from_slice)?;
        let draft = Draft::from_bytes(&own.draft).map_err(|_| RestoreError::Form)?;
        if self.planted(Fault::DraftDropped) {
            return Ok(());
        }
        let owed = self.addressees(&draft).unwrap_or_default();
        self.wait(msg, draft, owed, Timestamp(own.at));
        Ok(())
    }

    fn restore_opened(&mut self, own: wire::OwnOpened) -> Result<(), RestoreError> {
        let envelope = id16(&own.envelope, EnvelopeId::from_slice)?;
        let author = id16(&own.author, StationId::from_slice)?;
        let at = self.unopened.iter().position(|e| e.id() == envelope);
        let opened = at.and_then(|at| self.unopened.remove(at));
        let place = opened.as_ref().and_then(|envelope| self.place_of(envelope));
        let feed = opened.map(|envelope| envelope.feed());
        let forked = feed.and_then(|feed| self.feeds.get(&feed)).is_some_and(Feed::broken);
        self.voice.newest = self.voice.newest.max(Timestamp(own.received_at));
        // Records of before say no party.
        let named = PartyCode::new(&own.party).ok();
        let Some(party) = named.or_else(|| self.party_of(&author)) else {
            return Ok(());
        };
        if own.opening() == Opening::Repeated {
            let msg = id16(&own.msg_id, MsgId::from_slice)?;
            let content_root = id16(&own.content_root, Digest::from_slice)?;
            let made_at = Timestamp(own.made_at);
            self.inbox.note_copy(&party, &msg, Named { envelope, content_root, made_at });
        }
        if own.opening() != Opening::Letter {
            return Ok(());
        }
        self.inbox.enter(Received {
            msg: id16(&own.msg_id, MsgId::from_slice)?,
            author,
            party,
            envelope,
            place,
            named: Named {
                envelope,
                content_root: id16(&own.content_root, Digest::from_slice)?,
                made_at: Timestamp(own.made_at),
            },
            precedence: Precedence::from_code(own.precedence).ok_or(RestoreError::Form)?,
            status: Status::from_code(own.status).ok_or(RestoreError::Form)?,
            type_name: own.r#type,
            made_at: Timestamp(own.made_at),
            received_at: Timestamp(own.received_at),
            expires_at: (own.expires_at > 0).then_some(Timestamp(own.expires_at)),
            info: own.info,
            newer: own.newer,
            ahead: own.ahead,
            forked,
            level: None,
            outcome: None,
            entry: Bytes::new(),
            number: 0,
        });
        Ok(())
    }

    /// What the last run left half-done.
    pub(super) fn take_up_business(&mut self, turn: &mut Turn) {
        self.take_up_pairs(turn);
        self.reseal_owed(turn);
        self.schedule.at(turn.now.mono, Timer::Regain);
        let unreceipted: BTreeSet<(MsgId, StationId)> = self
            .inbox
            .untold()
            .filter(|letter| letter.level.is_none_or(|level| level < Level::L2))
            .map(|letter| (letter.msg, letter.author))
            .collect();
        for (msg, author) in unreceipted {
            self.owe_machine_levels(turn, msg, author);
        }
        let open: Vec<(MsgId, StationId)> = self
            .outbox
            .unsettled()
            .flat_map(|(msg, letter)| {
                let unsure = letter.owed.iter().filter(|(_, owed)| !owed.stored());
                unsure.map(|(station, _)| (*msg, *station))
            })
            .collect();
        for (msg, station) in open {
            let pause = backoff(1, |n| turn.entropy.below(n));
            self.schedule.at(turn.now.mono.plus(pause), Timer::Retry(msg, station));
        }
        let pause = turn.entropy.below(RECONCILE_EVERY);
        self.schedule.at(turn.now.mono.plus(pause), Timer::Reconcile);
    }
}
