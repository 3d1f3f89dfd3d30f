//! The set of documents that are held: what is well signed stays, whatever came before it.
//!
//! Invariants: whether a document is taken depends on documents that never leave again, so that
//! every order of arrival ends with the same set; what exceeds a bound is chosen by a fixed order
//! over the documents themselves; a document signed by several keys is one document with all their
//! signatures. What the set means is `accord/view.rs`'s to say: a document that is held may well
//! have no effect. Caller: `accord/directory.rs`.

use super::{
    directory::{News, count_signatures, station_id},
    document::{Document, DocumentKind},
    error::DocumentError,
    member::Role,
    read::{
        AccordText, AttestationText, CertificateText, CharterText, ContactText, RevocationText,
    },
};
use crate::{
    id::{Digest, KeyId, NetworkId, PartyCode, StationId},
    limits::{
        ACCORDS_MAX, CERTIFICATES_PER_KEY_MAX, CHARTERS_MAX, DOCUMENTS_MAX, PARTIES_MAX,
        REVOCATIONS_PER_KEY_MAX,
    },
    primitives::SignPublic,
};
use std::collections::{BTreeMap, BTreeSet};

/// What a document says.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Accord(AccordText),
    Certificate(CertificateText),
    Contact(ContactText),
    Charter(CharterText),
    Revocation(RevocationText),
    Attestation(AttestationText),
}

impl Text {
    fn read(document: &Document) -> Result<Self, DocumentError> {
        Ok(match document.kind() {
            DocumentKind::Accord => Self::Accord(AccordText::read(document)?),
            DocumentKind::Certificate => Self::Certificate(CertificateText::read(document)?),
            DocumentKind::Contact => Self::Contact(ContactText::read(document)?),
            DocumentKind::Charter => Self::Charter(CharterText::read(document)?),
            DocumentKind::Revocation => Self::Revocation(RevocationText::read(document)?),
            DocumentKind::Attestation => Self::Attestation(AttestationText::read(document)?),
        })
    }

    const fn network(&self) -> Option<NetworkId> {
        match self {
            Self::Accord(text) => text.network,
            Self::Certificate(text) => Some(text.network),
            Self::Contact(text) => Some(text.network),
            Self::Charter(text) => Some(text.network),
            Self::Revocation(text) => Some(text.network),
            Self::Attestation(text) => Some(text.network),
        }
    }

    /// Whose share of the room it takes; `None`: that of all.
    const fn owner(&self) -> Option<&PartyCode> {
        match self {
            Self::Accord(_) | Self::Charter(_) => None,
            Self::Certificate(text) => Some(text.station.party()),
            Self::Contact(text) => Some(text.station.party()),
            Self::Revocation(text) => Some(&text.party),
            Self::Attestation(text) => Some(&text.by),
        }
    }

    /// What it is about, of which a later one takes its place.
    fn topic(&self) -> Topic {
        let none = KeyId([0; KeyId::LEN]);
        match self {
            Self::Accord(_) | Self::Charter(_) => (String::new(), none),
            Self::Certificate(text) => (text.station.to_string(), none),
            Self::Contact(text) => (text.station.to_string(), none),
            Self::Revocation(text) => {
                let station = text.station.as_ref();
                (station.map(ToString::to_string).unwrap_or_default(), text.key)
            }
            Self::Attestation(text) => (text.subject.to_string(), none),
        }
    }

    /// The higher, the newer; accords and charters stay from the lowest on.
    fn rank(&self) -> u64 {
        match self {
            Self::Accord(text) => text.version.into(),
            Self::Charter(text) => text.version.into(),
            Self::Certificate(text) => text.serial,
            Self::Contact(text) => text.serial,
            Self::Revocation(text) => text.made_at.0,
            Self::Attestation(text) => text.made_at.0,
        }
    }
}

/// What a document is about: a station or party by name, and a key where it is about one.
type Topic = (String, KeyId);

/// One document that is held.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) document: Document,
    pub(super) text: Text,
}

#[derive(Clone, Debug)]
pub(super) struct Shelf {
    pub(super) network: NetworkId,
    docs: BTreeMap<Digest, Held>,
    /// By kind, and by owner where one has a share of the room.
    index: BTreeMap<(DocumentKind, Option<PartyCode>), BTreeSet<Digest>>,
    /// Authority keys by party, of every version of the accord that is held.
    keys: BTreeMap<PartyCode, BTreeMap<KeyId, SignPublic>>,
    /// Parties that are STATE in some version.
    states: BTreeSet<PartyCode>,
    /// SIGN keys of every certificate that is held.
    sign_keys: BTreeMap<StationId, BTreeMap<KeyId, SignPublic>>,
}

impl Shelf {
    /// With version 1 of the accord, as a station's own people gave it.
    pub(super) fn new(document: Document) -> Result<Self, DocumentError> {
        let text = AccordText::read(&document)?;
        if text.version != 1 {
            return Err(DocumentError::PredecessorUnknown { version: text.version, have: 0 });
        }
        count_signatures(&document, &text, None)?.complete()?;
        let mut shelf = Self {
            network: NetworkId(document.digest().0),
            docs: BTreeMap::new(),
            index: BTreeMap::new(),
            keys: BTreeMap::new(),
            states: BTreeSet::new(),
            sign_keys: BTreeMap::new(),
        };
        shelf.put(Held { document, text: Text::Accord(text) });
        Ok(shelf)
    }

    /// Takes a document that is well signed, or says why not; nothing is changed then.
    pub(super) fn admit(&mut self, document: Document) -> Result<News, DocumentError> {
        let identity = document.digest();
        let held = self.docs.get(&identity);
        let known: BTreeSet<KeyId> = held.iter().flat_map(|held| held.document.signers()).collect();
        if held.is_some() && document.signers().all(|key| known.contains(&key)) {
            return Ok(News::Known);
        }
        let (text, document) = match held {
            Some(held) => {
                self.check(&document, &held.text)?;
                (held.text.clone(), held.document.clone().with_those_of(&document))
            }
            None => {
                let text = Text::read(&document)?;
                self.check(&document, &text)?;
                (text, document)
            }
        };
        let (kind, owner) = (document.kind(), text.owner().cloned());
        self.put(Held { document, text });
        self.settle(kind, owner);
        match self.docs.get(&identity) {
            Some(held) if held.document.signers().all(|key| known.contains(&key)) => {
                Ok(News::Superseded)
            }
            Some(_) => Ok(News::New),
            None => match kind {
                DocumentKind::Accord => Err(DocumentError::Full("versions of the accord (512)")),
                DocumentKind::Charter => Err(DocumentError::Full("charters (1,024)")),
                DocumentKind::Certificate => {
                    Err(DocumentError::Full("certificates by one authority key (64)"))
                }
                _ => Ok(News::Superseded),
            },
        }
    }

    fn put(&mut self, held: Held) {
        let (identity, kind) = (held.document.digest(), held.document.kind());
        match &held.text {
            Text::Accord(text) => {
                for (code, party) in &text.parties {
                    self.keys.entry(code.clone()).or_default().extend(&party.authority);
                    if party.role == Role::State {
                        self.states.insert(code.clone());
                    }
                }
            }
            Text::Certificate(text) => {
                let id = station_id(&self.network, &text.station);
                let keys = self.sign_keys.entry(id).or_default();
                keys.extend(text.keys.sign.iter().map(|key| (key.id(), *key)));
            }
            _ => {}
        }
        self.index.entry((kind, held.text.owner().cloned())).or_default().insert(identity);
        self.docs.insert(identity, held);
    }

    fn check(&self, document: &Document, text: &Text) -> Result<(), DocumentError> {
        let first = document.digest().0 == self.network.0;
        if text.network() != Some(self.network) && !first {
            return Err(DocumentError::ForeignNetwork);
        }
        match text {
            Text::Accord(text) => self.check_accord(document, text),
            Text::Certificate(text) => self.signed_by_party(document, text.station.party()),
            Text::Contact(text) => self.check_contact(document, text),
            Text::Charter(text) => self.check_charter(document, text),
            Text::Revocation(text) => {
                let keys = self.keys_of(&text.party)?;
                if text.station.is_none() && !keys.contains_key(&text.key) {
                    return Err(DocumentError::UnknownKey(text.key.to_string()));
                }
                self.signed_by_party(document, &text.party)
            }
            Text::Attestation(text) => {
                self.keys_of(&text.subject)?;
                self.signed_by_party(document, &text.by)
            }
        }
    }

    fn check_accord(&self, document: &Document, text: &AccordText) -> Result<(), DocumentError> {
        let version = text.version;
        let Some(previous) = text.previous else {
            return count_signatures(document, text, None)?.complete();
        };
        let before = match self.docs.get(&previous).map(|held| &held.text) {
            Some(Text::Accord(before)) if version == before.version.saturating_add(1) => before,
            Some(_) => return Err(DocumentError::WrongPredecessor { version }),
            // Version 1 is here, and it is what version 2 names.
            None if version == 2 => return Err(DocumentError::WrongPredecessor { version }),
            None => {
                let have = self.accords().map(|(_, text)| text.version).max().unwrap_or(1);
                return Err(DocumentError::PredecessorUnknown { version, have });
            }
        };
        count_signatures(document, text, Some(before))?.complete()
    }

    fn check_contact(&self, document: &Document, text: &ContactText) -> Result<(), DocumentError> {
        let unknown = || DocumentError::UnknownStation(text.station.to_string());
        let id = station_id(&self.network, &text.station);
        let keys = self.sign_keys.get(&id).ok_or_else(unknown)?;
        match document.check(|key| Some((*keys.get(key)?, ()))) {
            Ok(signers) if signers.is_empty() => Err(too_few(&text.station.to_string())),
            // A key of a certificate that is not here yet: one may be on its way.
            Err(DocumentError::NotEntitled { .. }) => Err(unknown()),
            checked => checked.map(drop),
        }
    }

    fn check_charter(&self, document: &Document, text: &CharterText) -> Result<(), DocumentError> {
        let version = text.version;
        for code in &text.members {
            self.keys_of(code)?;
            if !self.states.contains(code) {
                return Err(DocumentError::field("members", "only STATE parties form a group"));
            }
        }
        if let Some(previous) = text.previous {
            match self.docs.get(&previous).map(|held| &held.text) {
                Some(Text::Charter(before)) if version == before.version.saturating_add(1) => {
                    // Nobody takes a group over: most of those who had it go on with it.
                    let staying = before.members.intersection(&text.members).count();
                    if 2 * staying <= before.members.len() {
                        let rule = "more than half of the members of the version before";
                        return Err(DocumentError::field("members", rule));
                    }
                }
                Some(_) => return Err(DocumentError::WrongPredecessor { version }),
                None => {
                    let before = version.saturating_sub(1);
                    return Err(DocumentError::CharterBefore { version, before });
                }
            }
        }
        let mut missing = text.members.clone();
        document.check(|key| {
            let owner = text.members.iter().find_map(|code| self.keys.get(code)?.get(key));
            Some((*owner?, ()))
        })?;
        let signers: BTreeSet<KeyId> = document.signers().collect();
        missing.retain(|code| {
            !self.keys.get(code).is_some_and(|keys| keys.keys().any(|key| signers.contains(key)))
        });
        if missing.is_empty() {
            return Ok(());
        }
        let (need, without) = (text.members.len(), missing.len());
        let missing = missing.iter().map(PartyCode::as_str).collect::<Vec<_>>().join(", ");
        Err(DocumentError::TooFewSignatures { have: need - without, need, missing })
    }

    fn keys_of(&self, party: &PartyCode) -> Result<&BTreeMap<KeyId, SignPublic>, DocumentError> {
        self.keys.get(party).ok_or_else(|| DocumentError::UnknownParty(party.to_string()))
    }

    fn signed_by_party(&self, document: &Document, code: &PartyCode) -> Result<(), DocumentError> {
        let keys = self.keys_of(code)?;
        let signers = document.check(|key| Some((*keys.get(key)?, ())))?;
        if signers.is_empty() { Err(too_few(code.as_str())) } else { Ok(()) }
    }
}

fn too_few(who: &str) -> DocumentError {
    DocumentError::TooFewSignatures { have: 0, need: 1, missing: who.to_owned() }
}

/// Bounds.
impl Shelf {
    /// Lets go of what exceeds a bound, after a document of this kind and owner was put in.
    fn settle(&mut self, kind: DocumentKind, owner: Option<PartyCode>) {
        let share = (kind, owner);
        let Some(digests) = self.index.get(&share) else { return };
        let drop = match kind {
            DocumentKind::Accord => self.beyond(digests, ACCORDS_MAX),
            DocumentKind::Charter => self.beyond(digests, CHARTERS_MAX),
            DocumentKind::Certificate => {
                self.outranked(digests, usize::MAX, CERTIFICATES_PER_KEY_MAX)
            }
            DocumentKind::Contact => self.outranked(digests, 1, CERTIFICATES_PER_KEY_MAX),
            DocumentKind::Revocation => self.outranked(digests, 1, REVOCATIONS_PER_KEY_MAX),
            DocumentKind::Attestation => self.outranked(digests, 1, PARTIES_MAX),
        };
        // Other documents stand on these kinds only.
        let carries = matches!(kind, DocumentKind::Accord | DocumentKind::Certificate);
        let recount = carries && !drop.is_empty();
        for (digest, key) in drop {
            self.unsign(&digest, key);
        }
        if recount || self.docs.len() > DOCUMENTS_MAX {
            self.recount();
        }
    }

    /// Of versions, those beyond the first ones by number and identity: a version is never without
    /// the one before it.
    fn beyond(&self, digests: &BTreeSet<Digest>, max: usize) -> Vec<(Digest, Option<KeyId>)> {
        if digests.len() <= max {
            return Vec::new();
        }
        let mut order: Vec<(u64, Digest)> = digests
            .iter()
            .filter_map(|digest| Some((self.docs.get(digest)?.text.rank(), *digest)))
            .collect();
        order.sort();
        order.into_iter().skip(max).map(|(_, digest)| (digest, None)).collect()
    }

    /// Signatures beyond the bounds. Each key that signs has room of its own, so that a stolen one
    /// pushes out nothing that others signed. In it, the newest about each topic comes first, then
    /// the second of each, and so on, topics by name.
    fn outranked(
        &self,
        digests: &BTreeSet<Digest>,
        per_topic: usize,
        per_key: usize,
    ) -> Vec<(Digest, Option<KeyId>)> {
        let mut by_topic: BTreeMap<(KeyId, Topic), Vec<(u64, Digest)>> = BTreeMap::new();
        for digest in digests {
            let Some(held) = self.docs.get(digest) else { continue };
            for key in held.document.signers() {
                let about = by_topic.entry((key, held.text.topic())).or_default();
                about.push((u64::MAX - held.text.rank(), *digest));
            }
        }
        let mut by_key: BTreeMap<KeyId, Vec<(usize, &Topic, Digest)>> = BTreeMap::new();
        let mut drop = Vec::new();
        for ((key, topic), about) in &mut by_topic {
            about.sort();
            let room = by_key.entry(*key).or_default();
            for (place, (_, digest)) in about.iter().enumerate() {
                match place < per_topic {
                    true => room.push((place, topic, *digest)),
                    false => drop.push((*digest, Some(*key))),
                }
            }
        }
        for (key, mut room) in by_key {
            room.sort();
            drop.extend(room.into_iter().skip(per_key).map(|(_, _, digest)| (digest, Some(key))));
        }
        drop
    }

    /// Takes a signature off a document, or all of them; without one it is not held any more.
    fn unsign(&mut self, digest: &Digest, key: Option<KeyId>) {
        let Some(held) = self.docs.remove(digest) else { return };
        let (kind, owner) = (held.document.kind(), held.text.owner().cloned());
        let document = key.map(|key| held.document.without(&key));
        match document.filter(|document| document.signers().next().is_some()) {
            Some(document) => {
                self.docs.insert(*digest, Held { document, text: held.text });
            }
            None => {
                if let Some(of_owner) = self.index.get_mut(&(kind, owner)) {
                    of_owner.remove(digest);
                }
            }
        }
    }

    /// Everything derived anew after documents left; what stood only on them leaves too.
    fn recount(&mut self) {
        let class = |held: &Held| match held.document.kind() {
            DocumentKind::Accord => 0,
            DocumentKind::Revocation => 1,
            DocumentKind::Certificate => 2,
            DocumentKind::Contact => 3,
            DocumentKind::Charter => 4,
            DocumentKind::Attestation => 5,
        };
        let version = |held: &Held| match held.text {
            Text::Accord(_) | Text::Charter(_) => held.text.rank(),
            _ => 0,
        };
        let mut all: Vec<Held> = std::mem::take(&mut self.docs).into_values().collect();
        all.sort_by_key(|held| (class(held), version(held), held.document.digest()));
        self.index.clear();
        self.keys.clear();
        self.states.clear();
        self.sign_keys.clear();
        for mut held in all.into_iter().take(DOCUMENTS_MAX) {
            if let Text::Contact(text) = &held.text {
                let id = station_id(&self.network, &text.station);
                let gone = |key: &KeyId| {
                    !self.sign_keys.get(&id).is_some_and(|keys| keys.contains_key(key))
                };
                let strangers: Vec<KeyId> = held.document.signers().filter(gone).collect();
                let without = |document: Document, key: &KeyId| document.without(key);
                held.document = strangers.iter().fold(held.document, without);
            }
            if self.check(&held.document, &held.text).is_ok() {
                self.put(held);
            }
        }
    }
}

/// Questions.
impl Shelf {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Digest, &Held)> {
        self.docs.iter()
    }

    pub(super) fn get(&self, digest: &Digest) -> Option<&Held> {
        self.docs.get(digest)
    }

    /// What is held of one kind, by owner and identity.
    pub(super) fn of_kind(&self, kind: DocumentKind) -> impl Iterator<Item = (&Digest, &Held)> {
        let shares = self.index.range((kind, None)..).take_while(move |((k, _), _)| *k == kind);
        shares.flat_map(|(_, digests)| digests).filter_map(|id| self.docs.get_key_value(id))
    }

    pub(super) fn accords(&self) -> impl Iterator<Item = (&Digest, &AccordText)> {
        self.of_kind(DocumentKind::Accord).filter_map(|(digest, held)| match &held.text {
            Text::Accord(text) => Some((digest, text)),
            _ => None,
        })
    }

    pub(super) fn charters(&self) -> impl Iterator<Item = (&Digest, &CharterText)> {
        self.of_kind(DocumentKind::Charter).filter_map(|(digest, held)| match &held.text {
            Text::Charter(text) => Some((digest, text)),
            _ => None,
        })
    }

    /// Who may be given each charter: its members, those of the version before (one who left is to
    /// know it), and those of all that follow (they cannot read theirs without it).
    pub(super) fn readers(&self) -> BTreeMap<Digest, BTreeSet<PartyCode>> {
        let mut readers: BTreeMap<Digest, BTreeSet<PartyCode>> = BTreeMap::new();
        let mut order: Vec<_> = self.charters().collect();
        order.sort_by_key(|(digest, text)| (std::cmp::Reverse(text.version), **digest));
        let before = |text: &CharterText| match &self.docs.get(&text.previous?)?.text {
            Text::Charter(before) => Some(before.members.clone()),
            _ => None,
        };
        let mut coming: BTreeMap<Digest, BTreeSet<PartyCode>> = BTreeMap::new();
        for (digest, text) in order {
            // Those of this version and of all after it.
            let mut members = coming.remove(digest).unwrap_or_default();
            members.extend(text.members.iter().cloned());
            if let Some(previous) = text.previous {
                coming.entry(previous).or_default().extend(members.iter().cloned());
            }
            members.extend(before(text).unwrap_or_default());
            readers.insert(*digest, members);
        }
        readers
    }
}
