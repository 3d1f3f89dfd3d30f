//! The documents that a station holds, and what it believes because of them.
//!
//! Invariants: version 1 of the accord is given by the station's own people, every later version
//! carries m of n STATE signatures of the version before; a certificate needs its own party's
//! authority alone, so nobody else can add or remove a station; what is refused changes nothing;
//! admitting twice changes nothing. What is believed is a function of the set of documents, never
//! of their order: `accord/shelf.rs` keeps the set, `accord/view.rs` says what it means. The expiry
//! of a document never refuses it (the caller marks it).

use super::{
    attestation::{AttestationText, Grade},
    conflict::Conflict,
    document::{Document, DocumentKind},
    error::DocumentError,
    member::{CarryLimits, Clocks, Group, Member, Party},
    read::AccordText,
    revocation::Revoked,
    shelf::Shelf,
    view::View,
};
use crate::{
    id::{Digest, KeyId, LaneId, NetworkId, PartyCode, StationId, StationName},
    primitives::digest,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What admitting a document changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is new, or somebody else signed it too: keep it, pass it on, look at the members again.
    New,
    /// The very document is held already.
    Known,
    /// Good, but a newer one of its kind is held; it is not kept.
    Superseded,
}

/// A document that was believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// What it is.
    pub kind: DocumentKind,
    /// Its identity.
    pub digest: Digest,
    /// What it changed.
    pub news: News,
}

/// The name of a station for good: digest of network and `PARTY/station`, first 16 bytes.
#[must_use]
pub fn station_id(network: &NetworkId, name: &StationName) -> StationId {
    let full = digest("station", &[network.as_bytes(), name.to_string().as_bytes()]);
    let mut id = [0; StationId::LEN];
    id.copy_from_slice(&full.0[..StationId::LEN]);
    StationId(id)
}

/// Who signed an accord so far, and who still has to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureCount {
    /// STATE parties whose signature counts and is there.
    pub have: BTreeSet<PartyCode>,
    /// STATE parties that could still sign.
    pub missing: BTreeSet<PartyCode>,
    /// How many signatures are needed: all for version 1, the threshold afterwards.
    pub need: usize,
}

impl SignatureCount {
    pub(super) fn complete(&self) -> Result<(), DocumentError> {
        if self.have.len() >= self.need {
            return Ok(());
        }
        let missing = self.missing.iter().map(PartyCode::as_str).collect::<Vec<_>>().join(", ");
        Err(DocumentError::TooFewSignatures { have: self.have.len(), need: self.need, missing })
    }
}

/// Checks the signatures that an accord carries, without asking that they be enough. `before` is
/// the version before it; `None` for version 1, which all its own STATE parties sign.
///
/// # Errors
/// A signature by somebody else, or one that does not hold.
pub fn count_signatures(
    document: &Document,
    text: &AccordText,
    before: Option<&AccordText>,
) -> Result<SignatureCount, DocumentError> {
    let signers = before.unwrap_or(text);
    let keys = signers.state_keys();
    let have: BTreeSet<PartyCode> =
        document.check(|id| keys.get(id).cloned())?.into_iter().collect();
    let missing: BTreeSet<_> = signers.states().filter(|s| !have.contains(*s)).cloned().collect();
    let need = before.map_or(have.len() + missing.len(), |before| before.threshold);
    Ok(SignatureCount { have, missing, need })
}

/// What a station believes: the documents that it holds and the view that follows from them. A copy
/// shares both with what it was copied from until one of the two takes a document.
#[derive(Clone, Debug)]
pub struct Directory {
    shelf: Arc<Shelf>,
    view: Arc<View>,
}

impl Directory {
    /// A directory that trusts this version 1 of an accord, as its own people gave it.
    ///
    /// # Errors
    /// It is not version 1, breaks a rule, or lacks the signature of one of its STATE parties.
    pub fn new(accord_v1: &[u8]) -> Result<Self, DocumentError> {
        let shelf = Shelf::new(Document::decode(accord_v1)?)?;
        let first = DocumentError::PredecessorUnknown { version: 1, have: 0 };
        let view = View::of(&shelf).ok_or(first)?;
        Ok(Self { shelf: Arc::new(shelf), view: Arc::new(view) })
    }

    /// Takes a document, or says why not. Order matters only where one builds on another
    /// ([`DocumentError::class`] is then `Missing`: offer it again later).
    ///
    /// # Errors
    /// Each [`DocumentError`]; nothing is changed then.
    pub fn admit(&mut self, doc: &[u8]) -> Result<Admitted, DocumentError> {
        let admitted = self.take(doc)?;
        if admitted.news == News::New {
            self.look();
        }
        Ok(admitted)
    }

    fn take(&mut self, doc: &[u8]) -> Result<Admitted, DocumentError> {
        let document = Document::decode(doc)?;
        let (kind, digest) = (document.kind(), document.digest());
        let news = Arc::make_mut(&mut self.shelf).admit(document)?;
        Ok(Admitted { kind, digest, news })
    }

    fn look(&mut self) {
        if let Some(view) = View::of(&self.shelf) {
            self.view = Arc::new(view);
        }
    }

    /// Takes what it can of a set, whatever its order: those that build on others of the set are
    /// tried again until nothing changes. Returns what was new, and what was not taken.
    pub fn admit_all<'a>(
        &mut self,
        docs: impl IntoIterator<Item = &'a [u8]>,
    ) -> (Vec<Admitted>, Vec<(&'a [u8], DocumentError)>) {
        let mut waiting: Vec<&[u8]> = docs.into_iter().collect();
        let mut admitted = Vec::new();
        loop {
            let (before, mut left) = (admitted.len(), Vec::new());
            for doc in waiting {
                match self.take(doc) {
                    Ok(new) if new.news == News::New => admitted.push(new),
                    Ok(_) => {}
                    Err(error) => left.push((doc, error)),
                }
            }
            if admitted.len() == before {
                if before > 0 {
                    self.look();
                }
                return (admitted, left);
            }
            waiting = left.into_iter().map(|(doc, _)| doc).collect();
        }
    }
}

/// Questions.
impl Directory {
    /// The network, for good.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.shelf.network
    }

    /// The version of the accord in force.
    #[must_use]
    pub fn accord_version(&self) -> u32 {
        self.view.accord.version
    }

    /// The version of the accord in force; of contested ones that with the lowest identity.
    #[must_use]
    pub fn accord(&self) -> &AccordText {
        &self.view.accord
    }

    /// Identity of [`Directory::accord`].
    #[must_use]
    pub fn accord_digest(&self) -> Digest {
        self.view.heads.first().copied().unwrap_or(Digest(self.shelf.network.0))
    }

    /// Whether a version of the accord with this number is known here.
    #[must_use]
    pub fn knows_accord(&self, version: u32) -> bool {
        (1..=self.accord_version()).contains(&version)
    }

    /// One station.
    #[must_use]
    pub fn member(&self, id: &StationId) -> Option<&Member> {
        self.view.stations.members.get(id)
    }

    /// Digest of a station's certificate in force.
    #[must_use]
    pub fn certificate_of(&self, id: &StationId) -> Option<Digest> {
        self.view.stations.in_force.get(id).copied()
    }

    /// All stations, by id.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.view.stations.members.values()
    }

    /// One station by its name.
    #[must_use]
    pub fn by_name(&self, name: &StationName) -> Option<&Member> {
        self.member(&station_id(&self.shelf.network, name))
    }

    /// The station that this libp2p key is let in for: one of [`Member::peers`].
    #[must_use]
    pub fn by_peer(&self, peer: &[u8; 32]) -> Option<&Member> {
        self.view.stations.peers.get(peer).and_then(|id| self.member(id))
    }

    /// A party's stations, by id.
    pub fn stations_of(&self, party: &PartyCode) -> impl Iterator<Item = &Member> {
        let ids = self.view.stations.of_party.get(party).into_iter().flatten();
        ids.filter_map(|id| self.member(id))
    }

    /// One party, also one that a later accord no longer lists.
    #[must_use]
    pub fn party(&self, code: &PartyCode) -> Option<&Party> {
        self.view.parties.get(code)
    }

    /// All parties, by code.
    pub fn parties(&self) -> impl Iterator<Item = &Party> {
        self.view.parties.values()
    }

    /// A group by name; `all` are the STATE parties of the current accord.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.view.groups.get(name)
    }

    /// All groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.view.groups.values()
    }

    /// The stations on a group's lane; `None` for a lane that is no group's.
    #[must_use]
    pub fn lane_members(&self, lane: &LaneId) -> Option<&BTreeSet<StationId>> {
        self.view.lanes.get(lane)
    }

    /// The documents that a station may be given: all but the charters of others. A charter goes to
    /// its members, to those of the version before, and to those of all that follow.
    pub fn documents_for(&self, station: &StationId) -> Vec<(Digest, Bytes)> {
        let party = self.member(station).map(|member| member.name.party());
        let may = |digest: &Digest| match self.view.readers.get(digest) {
            Some(members) => party.is_some_and(|party| members.contains(party)),
            None => true,
        };
        let given = self.shelf.iter().filter(|(digest, _)| may(digest));
        given.map(|(digest, held)| (*digest, held.document.bytes().clone())).collect()
    }

    /// Every document held, as it travels, by its digest. Charters are among them: they go to
    /// members of their group only.
    #[must_use]
    pub fn documents(&self) -> BTreeMap<Digest, Bytes> {
        let all = self.shelf.iter();
        all.map(|(digest, held)| (*digest, held.document.bytes().clone())).collect()
    }

    /// One document as it travels.
    #[must_use]
    pub fn document(&self, digest: &Digest) -> Option<&Bytes> {
        self.shelf.get(digest).map(|held| held.document.bytes())
    }

    /// The accord's clocks.
    #[must_use]
    pub fn clocks(&self) -> &Clocks {
        &self.accord().clocks
    }

    /// The accord's bounds for carriers.
    #[must_use]
    pub fn limits(&self) -> &CarryLimits {
        &self.accord().limits
    }

    /// Whether a key with this id signed or signs for the station.
    #[must_use]
    pub fn knows_key(&self, station: &StationId, key: &KeyId) -> bool {
        self.member(station).is_some_and(|member| member.sign_key(key).is_some())
    }

    /// The revocation in force of a station's SIGN, SEAL or PEER key. Key ids are of the station:
    /// nobody takes back another one's key by certifying it too.
    #[must_use]
    pub fn revoked(&self, station: &StationId, key: &KeyId) -> Option<&Revoked> {
        self.view.station_keys.get(&(*station, *key))
    }

    /// The revocation in force of a party's authority key.
    #[must_use]
    pub fn revoked_authority(&self, party: &PartyCode, key: &KeyId) -> Option<&Revoked> {
        self.view.authority_keys.get(&(party.clone(), *key))
    }

    /// Every revocation in force.
    pub fn revocations(&self) -> impl Iterator<Item = &Revoked> {
        self.view.authority_keys.values().chain(self.view.station_keys.values())
    }

    /// How far `party`'s current authority keys were checked, seen from `me`.
    #[must_use]
    pub fn grade(&self, me: &PartyCode, party: &PartyCode) -> Grade {
        self.view.grade(me, party)
    }

    /// Every attestation in force: the newest of each party about each other one.
    pub fn attestations(&self) -> impl Iterator<Item = &AttestationText> {
        self.view.attestations.values()
    }

    /// What documents contradict, for people to settle.
    #[must_use]
    pub fn conflicts(&self) -> &[Conflict] {
        &self.view.conflicts
    }

    /// What is held, as peers compare it: of each document its identity together with who signed
    /// it, because two who hold one document with different signatures have something to tell.
    #[must_use]
    pub fn copies(&self) -> BTreeSet<Digest> {
        self.shelf.iter().map(|(_, held)| held.document.copy()).collect()
    }

    /// The copy that is held of a document, as [`Directory::copies`] names it.
    #[must_use]
    pub fn copy_of(&self, identity: &Digest) -> Option<Digest> {
        self.shelf.get(identity).map(|held| held.document.copy())
    }

    /// Everything that is believed, in lines that people and tests can compare.
    #[must_use]
    pub fn view_text(&self) -> String {
        self.view.text()
    }

    /// Digest of [`Directory::view_text`]: equal where the same documents are held.
    #[must_use]
    pub fn view_digest(&self) -> Digest {
        digest("directory-view", &[self.view_text().as_bytes()])
    }
}
