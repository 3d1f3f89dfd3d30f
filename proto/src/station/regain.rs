//! After a loss: asking the authors of letters for what they said, and what came of it
//! (`docs/spec/sync.md`, after a loss).
//!
//! A station that finds that its disk went back asks every other one for the letters that were made,
//! or stored here, since then. Each author lists them and seals them again (`reseal`); they come
//! under new envelopes with their old ids, so the inbox shows each once (I2), whatever else brings
//! it. Who was asked and what was listed stands in the journal: a restart goes on asking.

use crate::id::{EnvelopeId, MsgId, PartyCode, StationId};
use crate::letter::Origin;
use crate::limits::{RESEND_ENTRIES_MAX, RESEND_MARGIN};
use crate::receipt::{Listed, Resend};
use crate::regain::Campaign;
use crate::schedule::Timer;
use crate::terms::Status;
use crate::time::{SECOND, Timestamp};
use crate::wire::{self, own::What};

use super::{RestoreError, Speaks, Station, Turn, id16};

/// Between two looks at who is still to be asked.
const LOOK_EVERY: u64 = 15 * SECOND;
/// A station that is not linked is asked so often through others; further questions wait for a link.
const ASKS_UNLINKED: u32 = 3;

/// What was lost with a disk, and what of it came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Letters made or stored here since then were asked for; `None`: nothing was ever lost.
    pub since: Option<Timestamp>,
    /// Stations that were asked, or will be.
    pub asked: usize,
    /// Stations that have answered.
    pub answered: usize,
    /// Letters that were not on the disk.
    pub lost: usize,
    /// Of them, those that are in the inbox again.
    pub back: usize,
    /// Of them, those that their authors do not have any more.
    pub not_available: usize,
    /// Envelopes of our own that others hold and of which this disk knows nothing.
    pub own_unknown: usize,
    /// Each station that was asked, by id.
    pub correspondents: Vec<Correspondent>,
}

/// What one station said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correspondent {
    /// Who.
    pub station: StationId,
    /// Whether it answered.
    pub answered: bool,
    /// Letters of it that were not on the disk.
    pub lost: usize,
    /// Of them, those that are in the inbox again.
    pub back: usize,
    /// Of them, those that it does not have any more.
    pub not_available: usize,
}

impl Station {
    /// What came of asking after a loss.
    #[must_use]
    pub fn regained(&self) -> Report {
        let own_unknown = self.unclaimed.len();
        let Some(campaign) = &self.campaign else {
            return Report { own_unknown, ..Report::default() };
        };
        let one = |id: StationId| self.correspondent(campaign, id);
        let correspondents: Vec<Correspondent> = self.authors().into_iter().map(one).collect();
        let sum = |part: fn(&Correspondent) -> usize| correspondents.iter().map(part).sum();
        Report {
            since: Some(campaign.since),
            asked: correspondents.len(),
            answered: sum(|c| usize::from(c.answered)),
            lost: sum(|c| c.lost),
            back: sum(|c| c.back),
            not_available: sum(|c| c.not_available),
            own_unknown,
            correspondents,
        }
    }

    fn correspondent(&self, campaign: &Campaign, station: StationId) -> Correspondent {
        let mut out =
            Correspondent { station, answered: false, lost: 0, back: 0, not_available: 0 };
        let Some((_, said)) = campaign.authors().find(|(id, _)| **id == station) else {
            return out;
        };
        out.answered = said.answered;
        let Some(party) = self.party_of(&station) else { return out };
        for (msg, available) in &said.listed {
            match self.inbox.of_party(&party, msg).map(|letter| letter.number) {
                Some(number) if number <= campaign.held => continue,
                Some(_) => out.back += 1,
                None if !available => out.not_available += 1,
                None => {}
            }
            out.lost += 1;
        }
        out
    }

    /// Every station that may have written to us.
    fn authors(&self) -> Vec<StationId> {
        self.stations().filter(|id| *id != self.me).collect()
    }

    pub(super) fn party_of(&self, station: &StationId) -> Option<PartyCode> {
        self.directory.member(station).map(|member| member.name.party().clone())
    }

    /// The disk went back to about this time: everyone is asked for what came after.
    pub(super) fn begin_regain(
        &mut self,
        turn: &mut Turn,
        newest: Timestamp,
        restored: Option<Timestamp>,
    ) {
        if !self.carries() {
            return;
        }
        let mut since = Timestamp(newest.0.saturating_sub(RESEND_MARGIN));
        let mut held = self.held_at_start;
        // What an earlier loss lacked when we started is asked for, and counted, with this one; some
        // of it may have come while we listened.
        if let Some(before) = self.campaign.as_ref().filter(|_| self.lacked_at_start) {
            (since, held) = (since.min(before.since), held.min(before.held));
        }
        let own = wire::OwnRegain {
            since: since.0,
            restored: restored.map_or(0, |at| at.0),
            at: turn.now.wall.0,
            held,
        };
        self.note(turn, None, What::Regain(own));
        self.campaign = Some(Campaign::new(since, restored, held));
        self.schedule.at(turn.now.mono, Timer::Regain);
    }

    /// Whether a loss is known of which not all has come back.
    pub(super) fn lacks_something(&self) -> bool {
        self.campaign.as_ref().is_some_and(|campaign| !self.all_is_back(campaign))
    }

    fn all_is_back(&self, campaign: &Campaign) -> bool {
        self.authors().iter().all(|author| {
            let party = self.party_of(author);
            let back = |msg: &MsgId| party.as_ref().is_some_and(|p| self.inbox.holds(p, msg));
            campaign.is_done(author, back)
        })
    }

    /// Asks whoever is still to be asked, and comes back to it.
    pub(super) fn ask_again(&mut self, turn: &mut Turn) {
        if self.campaign.as_ref().is_none_or(|campaign| self.all_is_back(campaign)) {
            return;
        }
        self.schedule.at(turn.now.mono.plus(LOOK_EVERY), Timer::Regain);
        if self.voice.speaks != Speaks::Yes {
            return;
        }
        for author in self.authors() {
            let Some(party) = self.party_of(&author) else { continue };
            let Some(campaign) = self.campaign.as_mut() else { return };
            let far = !self.meet.linked.contains(&author);
            if far && campaign.attempts(&author) >= ASKS_UNLINKED {
                continue;
            }
            let back = |msg: &MsgId| self.inbox.holds(&party, msg);
            let Some(only) = campaign.question(author, turn.now.mono, back) else { continue };
            let ask = Resend::Ask { since: campaign.since, only };
            self.say_resend(turn, author, &ask);
        }
    }

    /// A peer is linked: what it still owes us of a loss is asked for soon.
    pub(super) fn hurry_regain(&mut self, peer: &StationId) {
        if let Some(campaign) = self.campaign.as_mut() {
            campaign.hurry(peer);
        }
    }

    /// A letter of type `resend` was opened.
    pub(super) fn hear_resend(&mut self, turn: &mut Turn, from: StationId, resend: Resend) {
        match resend {
            Resend::Ask { since, only } => self.list_letters(turn, from, since, &only),
            Resend::Locked { since } => self.hear_locked(turn, from, since),
            Resend::Unlocked => self.give_up_locked(turn, from),
            Resend::List { entries, more } => {
                let Some(campaign) = self.campaign.as_mut() else { return };
                campaign.hear(from, &entries, more);
                let ids = |available: bool| {
                    let those = entries.iter().filter(move |entry| entry.available == available);
                    those.map(|entry| super::copy(&entry.msg.0)).collect()
                };
                let own = wire::OwnListed {
                    station: super::copy(&from.0),
                    available: ids(true),
                    gone: ids(false),
                    more,
                };
                self.note(turn, None, What::Listed(own));
            }
        }
    }

    /// Says a letter of type `resend` on the lane of the pair.
    pub(super) fn say_resend(&mut self, turn: &mut Turn, to: StationId, resend: &Resend) -> bool {
        let Some(me) = self.directory.member(&self.me) else { return false };
        let Some(party) = self.party_of(&to) else { return false };
        // A key that may not say SYSTEM says it with the status that it has.
        let allowed = |status: &Status| me.scopes.allows_status(status.code());
        let all = [Status::System, Status::Actual, Status::Exercise, Status::Test];
        let Some(status) = all.into_iter().find(allowed) else { return false };
        let id = MsgId(turn.entropy.bytes());
        let origin = Origin { id, station: me.name.clone(), at: turn.now.wall };
        let letter = resend.letter(&origin, &party, status);
        let parts = letter.parts(&mut turn.entropy);
        self.say_pair(turn, to, &parts, status)
    }

    pub(super) fn restore_regain(&mut self, own: &wire::OwnRegain) {
        let restored = (own.restored > 0).then_some(Timestamp(own.restored));
        self.campaign = Some(Campaign::new(Timestamp(own.since), restored, own.held));
    }

    pub(super) fn restore_listed(&mut self, own: &wire::OwnListed) -> Result<(), RestoreError> {
        let station = id16(&own.station, StationId::from_slice)?;
        let Some(campaign) = self.campaign.as_mut() else { return Ok(()) };
        let mut entries = Vec::new();
        for (ids, available) in [(&own.available, true), (&own.gone, false)] {
            for id in ids.iter().take(RESEND_ENTRIES_MAX) {
                let msg = id16(id, MsgId::from_slice)?;
                entries.push(Listed { msg, made_at: Timestamp::default(), available });
            }
        }
        campaign.hear(station, &entries, own.more);
        Ok(())
    }

    /// A letter of our own that this disk knows nothing of.
    pub(super) fn own_but_unknown(&mut self, envelope: EnvelopeId) {
        self.unclaimed.insert(envelope);
    }
}
