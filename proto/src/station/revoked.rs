//! Keys that were taken back take effect (`docs/spec/sync.md`).
//!
//! Nothing is noted when a revocation comes: what is refused, marked or silent follows from the
//! documents that are held, each time it is asked. So it does not matter whether a letter or the
//! revocation of its key came first, nor whether either came before a restart.

use crate::accord::Revoked;
use crate::envelope::{Envelope, Kind, Refusal};
use crate::event::{Denied, Notice, Speak};
use crate::id::{Digest, KeyId, StationId};
use crate::inbox::{Place, Received};

use super::{Fault, Speaks, Station, Turn};

impl Station {
    /// Whether a station may be linked with: a PEER key of it is certified and not revoked.
    #[must_use]
    pub fn admits(&self, peer: &StationId) -> bool {
        self.directory.member(peer).is_some_and(|member| !member.peers.is_empty())
    }

    /// Whether the key under which a letter came was revoked and its party does not stand by it.
    #[must_use]
    pub fn key_revoked(&self, letter: &Received) -> bool {
        letter.place.is_some_and(|place| {
            let revoked = self.directory.revoked(&letter.author, &place.key);
            let header = Digest(letter.envelope.0);
            revoked.is_some_and(|r| !r.stands_by(&place.feed, place.seq, &header))
        })
    }

    /// The revocation of the key that we sign with, if our party has taken it back.
    #[must_use]
    pub fn own_key_revoked(&self) -> Option<&Revoked> {
        self.directory.revoked(&self.me, &self.signs_with)
    }

    /// Where an envelope stands, and the key of its author that signed it.
    pub(super) fn place_of(&self, envelope: &Envelope) -> Option<Place> {
        let header = envelope.header();
        let author = self.directory.member(&header.author)?;
        let key = envelope.signed_by().find(|id| author.sign_key(id).is_some())?;
        Some(Place { feed: envelope.feed(), seq: header.seq, key })
    }

    /// Refuses what a revoked key signed, unless its party stands by it. A beacon has no place among
    /// what anybody stands by.
    pub(super) fn still_counts(&self, envelope: &Envelope, key: KeyId) -> Result<(), Refusal> {
        let header = envelope.header();
        let revoked = self.directory.revoked(&header.author, &key);
        let Some(revoked) = revoked.filter(|_| !self.planted(Fault::RevokedAccepted)) else {
            return Ok(());
        };
        let stands = header.kind != Kind::Beacon
            && revoked.stands_by(&envelope.feed(), header.seq, &Digest(envelope.id().0));
        if stands { Ok(()) } else { Err(Refusal::RevokedKey(key)) }
    }

    /// Whether anything can be sealed to a station.
    pub(super) fn can_seal_to(&self, station: &StationId) -> bool {
        self.directory.member(station).is_some_and(|member| !member.silenced)
    }

    /// New documents may have taken back keys: ours, or those of peers that are linked.
    pub(super) fn heed_revocations(&mut self, turn: &mut Turn) {
        let gone: Vec<StationId> =
            self.meet.linked.iter().copied().filter(|peer| !self.admits(peer)).collect();
        for peer in gone {
            turn.speak(Speak::Hangup { peer });
        }
        match (self.own_key_revoked().is_some(), self.voice.speaks) {
            (true, Speaks::Asking | Speaks::Yes) => {
                self.voice.speaks = Speaks::Revoked;
                turn.speak(Speak::Tell(Notice::Revoked));
            }
            // A later revocation of the same key cannot take back the first, but one whose authority
            // key was revoked itself is void.
            (false, Speaks::Revoked) => {
                self.voice.speaks = Speaks::Asking;
                self.find_voice(turn);
            }
            _ => {}
        }
    }

    /// Why a station that fell silent does not do what its people ask.
    pub(super) fn may_act(&self) -> Result<(), Denied> {
        match (self.voice.speaks, self.own_key_revoked()) {
            (Speaks::Clone, _) => Err(Denied::Clone),
            (Speaks::Revoked, Some(revoked)) => Err(Denied::Revoked {
                at: revoked.made_at.to_string(),
                reason: revoked.reason.clone(),
            }),
            _ => Ok(()),
        }
    }
}
