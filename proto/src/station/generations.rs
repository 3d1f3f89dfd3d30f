//! Generations of keys: what is shared with each member, whichever of their keys and of ours is
//! meant (`docs/spec/seal.md`, generations of keys).
//!
//! A station changes its keys by a new certificate of its own party, and nobody waits for it: what
//! is new is sealed from and to the newest epoch keys known, and what others sealed before they heard
//! of the change still opens. So there is one secret for each of a member's epoch keys with each of
//! ours, and a pair lane of an earlier pair of keys is heard as before.
//!
//! The station itself changes by being restored from its journal with the new keys, in the same
//! process: [`Station::hand_over`] keeps its voice, so that it neither asks nor waits before it
//! speaks. What was sealed to the new keys before it had them is in the journal and opens then.

use std::collections::{BTreeMap, BTreeSet};

use crate::accord::{Directory, Member, Role};
use crate::envelope::Envelope;
use crate::id::{Digest, FeedId, KeyId, StationId};
use crate::keys::StationKeys;
use crate::limits::{EPOCHS_PEER_MAX, PEER_OVERLAP};
use crate::primitives::{EpochPublic, EpochSecret};
use crate::seal::{PairSecret, find_stanza};
use crate::time::Now;

use super::voice::Voice;
use super::{Speaks, Station, Turn};

/// Secrets with members, by their epoch key and ours.
#[derive(Debug, Default)]
pub(super) struct Secrets(BTreeMap<StationId, BTreeMap<(KeyId, KeyId), PairSecret>>);

impl Secrets {
    /// Adds what is missing; what is held is not computed again.
    fn refresh(&mut self, me: StationId, keys: &StationKeys, directory: &Directory) {
        let network = directory.network();
        let others = directory.members().filter(|m| m.role == Role::State && m.id != me);
        for member in others {
            let held = self.0.entry(member.id).or_default();
            for theirs in epochs_of(member) {
                for mine in keys.epochs() {
                    held.entry((theirs.id(), mine.id()))
                        .or_insert_with(|| PairSecret::new(mine, theirs, &network));
                }
            }
        }
    }

    fn between(&self, peer: &StationId, theirs: KeyId, mine: KeyId) -> Option<&PairSecret> {
        self.0.get(peer)?.get(&(theirs, mine))
    }

    /// Whether the feed's lane is one between this member and us, of any pair of keys.
    pub(super) fn names(&self, peer: &StationId, feed: &FeedId) -> bool {
        let mut all = self.0.get(peer).into_iter().flat_map(BTreeMap::values);
        all.any(|secret| secret.pair_lane(&feed.incarnation) == feed.lane)
    }

    /// Members that we share a secret with.
    pub(super) fn peers(&self) -> impl Iterator<Item = &StationId> {
        self.0.keys()
    }
}

/// The epoch keys of a member that are counted, its newest first.
fn epochs_of(member: &Member) -> impl Iterator<Item = &EpochPublic> {
    let others = member.epochs.values().filter(|epoch| epoch.id() != member.epoch_id);
    std::iter::once(&member.epoch).chain(others).take(EPOCHS_PEER_MAX)
}

/// What a station leaves to the one that is restored in its place within the same process, by the
/// same journal: its voice, and with it what it knows of beacons and of the clock, and who has heard
/// of its certificate.
pub struct Handover {
    voice: Box<Voice>,
    heard: BTreeMap<StationId, Digest>,
}

impl Station {
    /// Ends this station; everything that it appended must be in the store.
    #[must_use]
    pub fn hand_over(self) -> Handover {
        Handover { voice: Box::new(self.voice), heard: self.meet.heard }
    }

    /// Takes the place of one that handed over: after the last [`Station::restore`], before
    /// [`Station::start`]. One that might speak goes on in its incarnation, one that fell silent as a
    /// clone stays so, any other asks first.
    pub fn resume(&mut self, before: Handover) {
        self.meet.heard = before.heard;
        // After a revoked key somebody else may have spoken with it.
        if matches!(before.voice.speaks, Speaks::Yes | Speaks::Clone) {
            self.voice = *before.voice;
        }
    }

    /// A peer says which documents it holds: whether our certificate in force is among them.
    pub(super) fn hear_holdings(&mut self, peer: StationId, held: &[Digest]) {
        if let Some(own) = self.directory.certificate_of(&self.me)
            && held.contains(&own)
        {
            self.meet.heard.insert(peer, own);
        }
    }

    /// A peer holds every document that we hold and it may.
    pub(super) fn hear_same(&mut self, peer: StationId) {
        if let Some(own) = self.directory.certificate_of(&self.me) {
            self.meet.heard.insert(peer, own);
        }
    }

    /// A peer is linked: while our PEER key before is let in still, whether it knows the new one.
    pub(super) fn find_out_whether_heard(&mut self, turn: &mut Turn, peer: StationId) {
        let both = self.directory.member(&self.me).is_some_and(|me| me.peers.len() > 1);
        if both && self.is_unaware(&peer) {
            self.compare_with(turn, peer);
        }
    }

    /// Whether this station is not known to hold our certificate in force.
    pub(super) fn is_unaware(&self, id: &StationId) -> bool {
        self.meet.heard.get(id).copied() != self.directory.certificate_of(&self.me)
    }

    /// Stations that may link with us and are not known to hold our certificate in force.
    pub fn unaware(&self) -> impl Iterator<Item = StationId> + '_ {
        let members = self.directory.members().map(|member| member.id);
        members.filter(|id| *id != self.me && self.is_unaware(id))
    }

    /// Whether everybody who is linked is known to hold our certificate in force.
    #[must_use]
    pub fn linked_have_heard(&self) -> bool {
        !self.meet.linked.iter().any(|peer| self.is_unaware(peer))
    }

    /// Whether the PEER key of our certificate in force may take the place of the one before it:
    /// everybody knows it; or everybody who is linked, who are at least two, and it has been in use
    /// for [`PEER_OVERLAP`], so that whoever comes back later hears of it from one of them.
    #[must_use]
    pub fn peer_key_may_change(&self, now: Now) -> bool {
        let unaware: BTreeSet<StationId> = self.unaware().collect();
        let old = now.mono.since(self.meet.started) >= PEER_OVERLAP;
        let known = self.meet.linked.len() >= 2 && self.meet.linked.is_disjoint(&unaware);
        unaware.is_empty() || (old && known)
    }

    /// Computes what is shared with keys that are new here.
    pub(super) fn refresh_secrets(&mut self) {
        self.secrets.refresh(self.me, &self.keys, &self.directory);
    }

    /// The secret that new letters to this member are sealed with.
    pub(super) fn secret_with(&self, member: &Member) -> Option<&PairSecret> {
        self.secrets.between(&member.id, member.epoch_id, self.keys.epoch.id())
    }

    /// Our key that one of the envelope's stanzas is for, with the secret that found it.
    pub(super) fn key_to(&self, envelope: &Envelope) -> Option<(&EpochSecret, &PairSecret)> {
        let header = envelope.header();
        self.keys.epochs().find_map(|mine| {
            let secret = self.secrets.between(&header.author, header.epoch, mine.id())?;
            find_stanza(envelope, secret).map(|_| (mine, secret))
        })
    }
}
