//! Letters of our own, sealed again for one station: after its loss, or when it has keys again
//! (`docs/spec/sync.md`, after a loss).
//!
//! The letter is read back from the archive, gets fresh salts and a new envelope on the lane of the
//! pair, and keeps its id. The addressee's receipts may name either envelope. One letter at a time is
//! read, at a pace that leaves the line to new ones.

use bytes::Bytes;

use crate::event::Speak;
use crate::id::{Digest, EnvelopeId, MsgId, StationId};
use crate::journal::Record;
use crate::letter::Letter;
use crate::limits::{RESEND_ENTRIES_MAX, RESEND_EVERY, RESEND_LETTERS_MAX};
use crate::outbox::{Copy, Outgoing};
use crate::receipt::{Listed, Resend};
use crate::schedule::Timer;
use crate::time::Timestamp;
use crate::wire::{self, own::What};

use super::{RestoreError, Speaks, Station, Turn, id16};

impl Station {
    /// Answers a question after a loss: the list now, the letters after it, oldest first.
    pub(super) fn list_letters(
        &mut self,
        turn: &mut Turn,
        asker: StationId,
        since: Timestamp,
        only: &[MsgId],
    ) {
        // Who is not answered asks again.
        let speaks = self.voice.speaks == Speaks::Yes;
        if !speaks || !self.jobs.may_list(asker, turn.now.mono) {
            return;
        }
        let mut found: Vec<Listed> = self
            .outbox
            .iter()
            .filter(|(msg, letter)| {
                (only.is_empty() || only.contains(msg)) && self.wants_again(letter, asker, since)
            })
            .map(|(msg, letter)| Listed { msg, made_at: letter.made_at, available: true })
            .collect();
        found.sort_by_key(|listed| (listed.made_at, listed.msg));
        let found = found.split_off(found.len().saturating_sub(RESEND_LETTERS_MAX));
        let mut rest = &found[..];
        loop {
            let (page, after) = rest.split_at(rest.len().min(RESEND_ENTRIES_MAX));
            let (entries, more) = (page.to_vec(), !after.is_empty());
            self.say_resend(turn, asker, &Resend::List { entries, more });
            rest = after;
            if !more {
                break;
            }
        }
        self.jobs.enter(asker, found.iter().map(|listed| listed.msg));
        self.start_resealing(turn);
    }

    /// Whether a letter is among what an asker lost: addressed to its party, and made since then or
    /// stored there since then, by its own clock, or not known to be stored there at all.
    fn wants_again(&self, letter: &Outgoing, asker: StationId, since: Timestamp) -> bool {
        let party = |id: &StationId| self.directory.member(id).map(|m| m.name.party());
        let theirs = letter.owed.keys().any(|id| party(id) == party(&asker));
        let stored = letter.owed.get(&asker).and_then(|owed| owed.stored_at);
        let recent = letter.made_at >= since || stored.is_none_or(|at| at >= since);
        letter.envelope.is_some() && theirs && recent
    }

    /// Letters that could not be sealed to a station, or were sealed to a key that was revoked before
    /// they were confirmed, are sealed again as soon as it has keys; and those of which its receipt
    /// names an envelope that is not known here.
    pub(super) fn reseal_owed(&mut self, turn: &mut Turn) {
        let mut due: Vec<(StationId, MsgId)> = Vec::new();
        for (msg, letter) in self.outbox.unsettled().filter(|(_, letter)| letter.envelope.is_some())
        {
            for (station, owed) in letter.owed.iter() {
                let closed = || self.lost_a_key(station) && !letter.is_copied_to(station);
                let again = owed.unmatched || (!owed.stored() && (owed.unsealed || closed()));
                if again && self.can_seal_to(station) {
                    due.push((*station, *msg));
                }
            }
        }
        for (station, msg) in due {
            self.jobs.enter(station, [msg]);
        }
        self.start_resealing(turn);
    }

    fn lost_a_key(&self, station: &StationId) -> bool {
        let member = self.directory.member(station);
        let mut keys = member.into_iter().flat_map(|member| member.epochs.keys());
        keys.any(|key| self.directory.revoked(station, key).is_some())
    }

    pub(super) fn start_resealing(&mut self, turn: &mut Turn) {
        if !self.resealing && !self.jobs.is_empty() {
            self.resealing = true;
            self.schedule.at(turn.now.mono, Timer::Reseal);
        }
    }

    /// Letters that could not be sealed again at once are due.
    pub(super) fn mend_later(&mut self, turn: &mut Turn) {
        self.jobs.due(turn.now.mono);
        self.start_resealing(turn);
    }

    /// The next letter is read from the store.
    pub(super) fn reseal_next(&mut self, turn: &mut Turn) {
        self.resealing = false;
        if self.jobs.is_empty() {
            return;
        }
        self.resealing = true;
        self.schedule.at(turn.now.mono.plus(RESEND_EVERY), Timer::Reseal);
        if self.voice.speaks != Speaks::Yes {
            return;
        }
        let Some((_, msg)) = self.jobs.next(turn.now.mono) else { return };
        match self.outbox.get(&msg).and_then(|letter| letter.envelope) {
            Some(envelope) => {
                turn.speak(Speak::Recall { msg: Some(msg), envelope });
            }
            None => drop(self.jobs.recalled(msg)),
        }
    }

    /// The store gave a letter of ours, or has it no more.
    pub(super) fn recalled(
        &mut self,
        turn: &mut Turn,
        msg: MsgId,
        about: &[Record],
        envelope: Option<Bytes>,
    ) {
        let Some(asker) = self.jobs.recalled(msg) else { return };
        let Some(made_at) = self.outbox.get(&msg).map(|letter| letter.made_at) else { return };
        match envelope.and_then(|bytes| self.reopen(about, bytes).ok()) {
            Some(letter) => self.seal_again(turn, asker, msg, &letter),
            None => {
                let gone = Listed { msg, made_at, available: false };
                // The list itself may still be on its way: this is not its end.
                self.say_resend(turn, asker, &Resend::List { entries: vec![gone], more: true });
            }
        }
    }

    fn seal_again(&mut self, turn: &mut Turn, to: StationId, msg: MsgId, letter: &Letter) {
        let Some(status) = letter.header.status() else { return };
        let parts = letter.parts(&mut turn.entropy);
        let Some(envelope) = self.seal_pair(turn, to, &parts, status) else { return };
        let (id, root) = (envelope.id(), envelope.header().root);
        // Before the envelope: a receipt that names it must be understood after a crash.
        let own = wire::OwnResent {
            msg_id: super::copy(&msg.0),
            station: super::copy(&to.0),
            envelope: super::copy(&id.0),
            content_root: super::copy(&root.0),
        };
        self.note(turn, Some(msg), What::Resent(own));
        self.outbox.note_copy(&msg, Copy { station: to, envelope: id, content_root: root });
        self.post_pair(turn, to, envelope);
    }

    pub(super) fn restore_resent(&mut self, own: &wire::OwnResent) -> Result<(), RestoreError> {
        let msg = id16(&own.msg_id, MsgId::from_slice)?;
        let copy = Copy {
            station: id16(&own.station, StationId::from_slice)?,
            envelope: id16(&own.envelope, EnvelopeId::from_slice)?,
            content_root: id16(&own.content_root, Digest::from_slice)?,
        };
        self.outbox.note_copy(&msg, copy);
        Ok(())
    }
}
