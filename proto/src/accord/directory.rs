//! Admission: each document is believed on the signatures that it needs, and on nothing else.
//!
//! Invariants: version 1 of the accord is given by the station's own people, every later version
//! carries m of n STATE signatures of the version before; a certificate needs its own party's
//! authority alone, so nobody else can add or remove a station; what is refused changes nothing;
//! admitting twice changes nothing. The expiry of a document never refuses it (the caller marks
//! it). The resulting view of stations and groups is kept by `accord/roster.rs`.

use super::{
    attestation::Grade,
    conflict::Conflict,
    document::{Document, DocumentKind},
    error::DocumentError,
    member::{CarryLimits, Clocks, Group, Member, Party},
    read::{
        AccordText, AttestationText, CertificateText, CharterText, ContactText, RevocationText,
    },
    revocation::Revoked,
    roster::Roster,
};
use crate::{
    id::{Digest, KeyId, LaneId, NetworkId, PartyCode, StationId, StationName},
    limits::{DOCUMENTS_MAX, DOCUMENTS_PER_PARTY_MAX},
    primitives::digest,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// What admitting a document changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is new: keep it, pass it on, look at the members again.
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
    fn complete(&self) -> Result<(), DocumentError> {
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

/// What a station believes: verified documents and the view that follows from them.
#[derive(Clone, Debug)]
pub struct Directory {
    network: NetworkId,
    accords: Vec<(Digest, AccordText)>,
    /// By charter name: version and digest of the one in force.
    charters: BTreeMap<String, (u32, Digest)>,
    /// By identity of a charter: the parties that may be given it.
    readers: BTreeMap<Digest, BTreeSet<PartyCode>>,
    /// By station: serial and digest of the contact in force.
    contacts: BTreeMap<StationId, (u64, Digest)>,
    documents: BTreeMap<Digest, Bytes>,
    per_party: BTreeMap<PartyCode, usize>,
    roster: Roster,
}

impl Directory {
    /// A directory that trusts this version 1 of an accord, as its own people gave it.
    ///
    /// # Errors
    /// It is not version 1, breaks a rule, or lacks the signature of one of its STATE parties.
    pub fn new(accord_v1: &[u8]) -> Result<Self, DocumentError> {
        let document = Document::decode(accord_v1)?;
        let text = AccordText::read(&document)?;
        if text.version != 1 {
            return Err(DocumentError::PredecessorUnknown { version: text.version, have: 0 });
        }
        count_signatures(&document, &text, None)?.complete()?;
        let network = NetworkId(document.digest().0);
        let mut roster = Roster::new(network);
        roster.accord(&text);
        Ok(Self {
            network,
            accords: vec![(document.digest(), text)],
            charters: BTreeMap::new(),
            readers: BTreeMap::new(),
            contacts: BTreeMap::new(),
            documents: BTreeMap::from([(document.digest(), document.bytes().clone())]),
            per_party: BTreeMap::new(),
            roster,
        })
    }

    /// Believes a document, or says why not. Order matters only where one builds on another
    /// ([`DocumentError::class`] is then `Missing`: offer it again later).
    ///
    /// # Errors
    /// Each [`DocumentError`]; nothing is changed then.
    pub fn admit(&mut self, doc: &[u8]) -> Result<Admitted, DocumentError> {
        let document = Document::decode(doc)?;
        let (kind, digest) = (document.kind(), document.digest());
        let admitted = |news| Admitted { kind, digest, news };
        if self.documents.contains_key(&digest) {
            return Ok(admitted(News::Known));
        }
        if self.documents.len() >= DOCUMENTS_MAX {
            return Err(DocumentError::Full("documents"));
        }
        let news = match kind {
            DocumentKind::Accord => self.admit_accord(&document)?,
            DocumentKind::Certificate => self.admit_certificate(&document)?,
            DocumentKind::Contact => self.admit_contact(&document)?,
            DocumentKind::Charter => self.admit_charter(&document)?,
            DocumentKind::Revocation => self.admit_revocation(&document)?,
            DocumentKind::Attestation => self.admit_attestation(&document)?,
        };
        if news == News::New {
            self.documents.insert(digest, document.bytes().clone());
        }
        Ok(admitted(news))
    }

    /// Believes what it can of a set, whatever its order: those that build on others of the set
    /// are tried again until nothing changes. Returns what was new, and what was not believed.
    pub fn admit_all<'a>(
        &mut self,
        docs: impl IntoIterator<Item = &'a [u8]>,
    ) -> (Vec<Admitted>, Vec<(&'a [u8], DocumentError)>) {
        let mut waiting: Vec<&[u8]> = docs.into_iter().collect();
        let mut admitted = Vec::new();
        loop {
            let (before, mut left) = (admitted.len(), Vec::new());
            for doc in waiting {
                match self.admit(doc) {
                    Ok(new) if new.news == News::New => admitted.push(new),
                    Ok(_) => {}
                    Err(error) => left.push((doc, error)),
                }
            }
            if admitted.len() == before {
                return (admitted, left);
            }
            waiting = left.into_iter().map(|(doc, _)| doc).collect();
        }
    }

    fn admit_accord(&mut self, document: &Document) -> Result<News, DocumentError> {
        let text = AccordText::read(document)?;
        let version = text.version;
        if text.network != Some(self.network) {
            return Err(DocumentError::ForeignNetwork);
        }
        let (digest, current) = self.current();
        let have = current.version;
        if version <= have {
            return Err(DocumentError::Conflict { version });
        }
        if version != have.saturating_add(1) {
            return Err(DocumentError::PredecessorUnknown { version, have });
        }
        if text.previous != Some(digest) {
            return Err(DocumentError::WrongPredecessor { version });
        }
        count_signatures(document, &text, Some(current))?.complete()?;
        self.roster.accord(&text);
        self.accords.push((document.digest(), text));
        Ok(News::New)
    }

    fn admit_certificate(&mut self, document: &Document) -> Result<News, DocumentError> {
        let text = CertificateText::read(document)?;
        self.own_network(&text.network)?;
        let party = text.station.party().clone();
        self.signed_by_party(document, &party)?;
        self.room_for(&party)?;
        self.roster.certificate(text, document.digest())?;
        *self.per_party.entry(party).or_default() += 1;
        Ok(News::New)
    }

    fn admit_contact(&mut self, document: &Document) -> Result<News, DocumentError> {
        let text = ContactText::read(document)?;
        self.own_network(&text.network)?;
        let id = station_id(&self.network, &text.station);
        let name = || text.station.to_string();
        let member =
            self.roster.member(&id).ok_or_else(|| DocumentError::UnknownStation(name()))?;
        let signed = document.check(|key| Some((*member.sign_key(key)?, ())));
        match signed {
            Ok(signers) if signers.is_empty() => return Err(too_few(&name())),
            // A key of a certificate that is not here yet: one may be on its way.
            Err(DocumentError::NotEntitled { .. }) => {
                return Err(DocumentError::UnknownStation(name()));
            }
            checked => checked?,
        };
        let rank = (text.serial, document.digest());
        match self.contacts.get(&id) {
            Some(held) if !newer(rank, *held) => return Ok(News::Superseded),
            Some((_, old)) => {
                self.documents.remove(old);
            }
            None => {}
        }
        self.contacts.insert(id, rank);
        self.roster.contact(&id, text);
        Ok(News::New)
    }

    fn admit_charter(&mut self, document: &Document) -> Result<News, DocumentError> {
        let text = CharterText::read(document)?;
        self.own_network(&text.network)?;
        let version = text.version;
        for code in &text.members {
            let party = self.roster.party(code);
            party.ok_or_else(|| DocumentError::UnknownParty(code.to_string()))?;
        }
        let held = self.charters.get(&text.name).copied();
        match (held, text.previous) {
            (None, None) => {}
            (None, Some(_)) => return Err(DocumentError::PredecessorUnknown { version, have: 0 }),
            (Some(_), None) => return Err(DocumentError::NameTaken(text.name)),
            (Some((have, _)), _) if version <= have => {
                return Err(DocumentError::Conflict { version });
            }
            (Some((have, _)), _) if version != have.saturating_add(1) => {
                return Err(DocumentError::PredecessorUnknown { version, have });
            }
            (Some((_, digest)), previous) if previous != Some(digest) => {
                return Err(DocumentError::WrongPredecessor { version });
            }
            _ => {}
        }
        let roster = &self.roster;
        let signed: BTreeSet<PartyCode> = document
            .check(|key| {
                text.members
                    .iter()
                    .find_map(|code| Some((*roster.party(code)?.authority.get(key)?, code.clone())))
            })?
            .into_iter()
            .collect();
        let missing: BTreeSet<_> = text.members.difference(&signed).cloned().collect();
        SignatureCount { need: text.members.len(), have: signed, missing }.complete()?;
        self.roster.charter(&text, document.digest())?;
        self.readers.insert(document.digest(), text.members);
        self.charters.insert(text.name, (version, document.digest()));
        Ok(News::New)
    }

    /// Checked and kept; what it takes back is decided by a later version.
    fn admit_revocation(&mut self, document: &Document) -> Result<News, DocumentError> {
        let text = RevocationText::read(document)?;
        self.own_network(&text.network)?;
        self.signed_by_party(document, &text.party)?;
        self.room_for(&text.party)?;
        *self.per_party.entry(text.party).or_default() += 1;
        Ok(News::New)
    }

    fn admit_attestation(&mut self, document: &Document) -> Result<News, DocumentError> {
        let text = AttestationText::read(document)?;
        self.own_network(&text.network)?;
        self.signed_by_party(document, &text.by)?;
        self.room_for(&text.by)?;
        *self.per_party.entry(text.by).or_default() += 1;
        Ok(News::New)
    }

    fn own_network(&self, network: &NetworkId) -> Result<(), DocumentError> {
        if *network == self.network { Ok(()) } else { Err(DocumentError::ForeignNetwork) }
    }

    fn signed_by_party(&self, document: &Document, code: &PartyCode) -> Result<(), DocumentError> {
        let unknown = || DocumentError::UnknownParty(code.to_string());
        let party = self.roster.party(code).ok_or_else(unknown)?;
        let signers = document.check(|key| Some((*party.authority.get(key)?, ())))?;
        if signers.is_empty() { Err(too_few(code.as_str())) } else { Ok(()) }
    }

    fn room_for(&self, party: &PartyCode) -> Result<(), DocumentError> {
        let held = self.per_party.get(party).copied().unwrap_or_default();
        if held < DOCUMENTS_PER_PARTY_MAX {
            Ok(())
        } else {
            Err(DocumentError::Full("documents of one party (64)"))
        }
    }

    #[allow(clippy::expect_used, reason = "`new` puts version 1 in, nothing takes versions out")]
    fn current(&self) -> (Digest, &AccordText) {
        let (digest, text) = self.accords.last().expect("version 1 is always there");
        (*digest, text)
    }
}

/// The higher serial is in force; of two with one serial, the one with the lower digest, so that
/// all stations agree whatever came first.
pub(super) fn newer(a: (u64, Digest), b: (u64, Digest)) -> bool {
    a.0 > b.0 || (a.0 == b.0 && a.1 < b.1)
}

fn too_few(who: &str) -> DocumentError {
    DocumentError::TooFewSignatures { have: 0, need: 1, missing: who.to_owned() }
}

/// Questions.
impl Directory {
    /// The network, for good.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// The newest version of the accord.
    #[must_use]
    pub fn accord_version(&self) -> u32 {
        self.current().1.version
    }

    /// The newest version of the accord.
    #[must_use]
    pub fn accord(&self) -> &AccordText {
        self.current().1
    }

    /// Digest of the newest version of the accord.
    #[must_use]
    pub fn accord_digest(&self) -> Digest {
        self.current().0
    }

    /// Whether this version of the accord is known here.
    #[must_use]
    pub fn knows_accord(&self, version: u32) -> bool {
        (1..=self.accord_version()).contains(&version)
    }

    /// One station.
    #[must_use]
    pub fn member(&self, id: &StationId) -> Option<&Member> {
        self.roster.member(id)
    }

    /// Digest of a station's certificate in force.
    #[must_use]
    pub fn certificate_of(&self, id: &StationId) -> Option<Digest> {
        self.roster.certificate_of(id)
    }

    /// All stations, by id.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.roster.members()
    }

    /// One station by its name.
    #[must_use]
    pub fn by_name(&self, name: &StationName) -> Option<&Member> {
        self.roster.member(&station_id(&self.network, name))
    }

    /// The station whose current libp2p key this is.
    #[must_use]
    pub fn by_peer(&self, peer: &[u8; 32]) -> Option<&Member> {
        self.roster.by_peer(peer)
    }

    /// A party's stations, by id.
    pub fn stations_of(&self, party: &PartyCode) -> impl Iterator<Item = &Member> {
        self.roster.stations_of(party)
    }

    /// One party, also one that a later accord no longer lists.
    #[must_use]
    pub fn party(&self, code: &PartyCode) -> Option<&Party> {
        self.roster.party(code)
    }

    /// All parties, by code.
    pub fn parties(&self) -> impl Iterator<Item = &Party> {
        self.roster.parties()
    }

    /// A group by name; `all` are the STATE parties of the current accord.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.roster.group(name)
    }

    /// All groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.roster.groups()
    }

    /// The stations on a group's lane; `None` for a lane that is no group's.
    #[must_use]
    pub fn lane_members(&self, lane: &LaneId) -> Option<&BTreeSet<StationId>> {
        self.roster.lane_members(lane)
    }

    /// The documents that a station may be given: all but the charters that its party is not in.
    pub fn documents_for(&self, station: &StationId) -> Vec<(Digest, Bytes)> {
        let party = self.member(station).map(|member| member.name.party());
        let may = |digest: &Digest| match self.readers.get(digest) {
            Some(members) => party.is_some_and(|party| members.contains(party)),
            None => true,
        };
        let given = self.documents.iter().filter(|(digest, _)| may(digest));
        given.map(|(digest, bytes)| (*digest, bytes.clone())).collect()
    }

    /// Every document held, as it travels, by its digest. Charters are among them: they go to
    /// members of their group only.
    #[must_use]
    pub fn documents(&self) -> BTreeMap<Digest, Bytes> {
        self.documents.clone()
    }

    /// One document as it travels.
    #[must_use]
    pub fn document(&self, digest: &Digest) -> Option<&Bytes> {
        self.documents.get(digest)
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
        let _ = (station, key);
        None
    }

    /// The revocation in force of a party's authority key.
    #[must_use]
    pub fn revoked_authority(&self, party: &PartyCode, key: &KeyId) -> Option<&Revoked> {
        let _ = (party, key);
        None
    }

    /// Every revocation in force.
    pub fn revocations(&self) -> impl Iterator<Item = &Revoked> {
        std::iter::empty()
    }

    /// How far `party`'s current authority keys were checked, seen from `me`.
    #[must_use]
    pub fn grade(&self, me: &PartyCode, party: &PartyCode) -> Grade {
        if me == party { Grade::InPerson } else { Grade::Unverified }
    }

    /// Every attestation in force: the newest of each party about each other one.
    pub fn attestations(&self) -> impl Iterator<Item = &AttestationText> {
        std::iter::empty()
    }

    /// What documents contradict, for people to settle.
    #[must_use]
    pub fn conflicts(&self) -> &[Conflict] {
        &[]
    }

    /// Digest over everything that is believed: two stations that hold the same documents have
    /// the same one.
    #[must_use]
    pub fn view_digest(&self) -> Digest {
        let ids: Vec<u8> = self.documents.keys().flat_map(|id| id.0).collect();
        digest("directory-view", &[&ids])
    }
}
