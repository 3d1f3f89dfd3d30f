//! People who change who belongs: one hand with every key, which draws what happens next.
//!
//! A change is drawn from what one station believes at that moment, as its people would see it, so
//! that two sides of a partition change the same thing in different ways. Some changes are wrong
//! on purpose: too few signatures, keys of others, serials that are used already. Used by
//! `histories`.

use std::collections::BTreeSet;
use std::sync::Arc;

use cbm_proto::accord::make::{
    self, AccordDraft, AttestationDraft, CertificateDraft, CharterDraft, PartyDraft,
    RevocationDraft,
};
use cbm_proto::accord::read::AccordText;
use cbm_proto::accord::{
    Directory, Document, DocumentError, DocumentKind, Head, Member, Method, Role, Scopes,
};
use cbm_proto::id::{Digest, KeyId, PartyCode, StationName};
use cbm_proto::keys::{AuthorityKeys, StationKeys};
use cbm_proto::primitives::{Entropy, SignSecret, ed25519_id};
use cbm_proto::time::Timestamp;

use crate::chance::Chance;
use crate::world::BEGINNING;

/// Something that people made: documents, and at whose stations they hand them in.
pub(super) struct Change {
    pub(super) what: &'static str,
    pub(super) documents: Vec<Document>,
    /// Empty: anywhere.
    pub(super) at: BTreeSet<PartyCode>,
}

/// Every key there is, and the chance that moves the hand.
pub(super) struct Hands {
    pub(super) chance: Chance,
    authorities: Vec<(PartyCode, AuthorityKeys)>,
    stations: Vec<(StationName, Arc<StationKeys>)>,
    moment: u64,
}

impl Hands {
    pub(super) fn new(
        chance: Chance,
        authorities: Vec<(PartyCode, AuthorityKeys)>,
        stations: Vec<(StationName, Arc<StationKeys>)>,
    ) -> Self {
        Self { chance, authorities, stations, moment: BEGINNING }
    }

    /// What is drawn next; `None` if it cannot be done, for example if nobody is left to do it.
    pub(super) fn change(&mut self, view: &Directory) -> Option<Change> {
        // Now and then two things are made at one moment.
        self.moment += self.chance.below(3);
        let drawn = self.chance.below(100);
        let (what, made) = match drawn {
            0..25 => ("accord", self.accord(view)),
            25..45 => ("certificate", self.certificate(view)),
            45..58 => ("contact", self.contact(view)),
            58..72 => return self.charter(view),
            72..84 => ("revocation", self.revocation(view)),
            84..90 => ("authority revoked", self.authority_revoked(view)),
            _ => ("attestation", self.attestation(view)),
        };
        Some(Change { what, documents: made?, at: BTreeSet::new() })
    }

    fn one<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.chance.index(list.len()))
    }

    fn entropy(&mut self) -> Entropy {
        Entropy::new(&self.chance.seed())
    }

    fn signed(&self, document: Document, keys: &[KeyId]) -> Document {
        let held =
            |key: &KeyId| self.authorities.iter().find(|(_, held)| held.sign.public().id() == *key);
        let secrets = keys.iter().filter_map(held);
        secrets.fold(document, |document, (_, keys)| document.signed_by(&keys.sign))
    }

    /// Any of a party's keys, also one that was replaced or taken back.
    fn key_of(&mut self, party: &PartyCode) -> Option<KeyId> {
        let own = self.authorities.iter().filter(|(code, _)| code == party);
        let keys: Vec<KeyId> = own.map(|(_, keys)| keys.sign.public().id()).collect();
        self.one(&keys).copied()
    }

    fn party(&mut self, view: &Directory) -> Option<PartyCode> {
        let codes: Vec<PartyCode> = view.parties().map(|party| party.code.clone()).collect();
        self.one(&codes).cloned()
    }

    fn accord(&mut self, view: &Directory) -> Option<Vec<Document>> {
        let all: Vec<(Digest, AccordText)> = view
            .documents()
            .into_iter()
            .filter_map(|(id, bytes)| Some((id, Document::decode(&bytes).ok()?)))
            .filter_map(|(id, document)| Some((id, AccordText::read(&document).ok()?)))
            .collect();
        let late = self.chance.happens(200);
        let base = if late { self.one(&all)?.0 } else { view.accord_digest() };
        let (_, text) = all.iter().find(|(id, _)| *id == base)?;
        let rotating = self.party(view).filter(|_| self.chance.happens(250));
        if let Some(code) = &rotating {
            let keys = AuthorityKeys::generate(&mut self.entropy());
            self.authorities.push((code.clone(), keys));
        }
        let mut parties = Vec::new();
        for (code, entry) in &text.parties {
            if rotating.as_ref() != Some(code) && self.chance.happens(150) {
                continue;
            }
            let newest = rotating.as_ref() == Some(code);
            let listed = |(other, keys): &&(PartyCode, AuthorityKeys)| {
                other == code && (newest || entry.authority.contains_key(&keys.sign.public().id()))
            };
            let authority = self.authorities.iter().rfind(listed)?.1.public();
            let other = self.chance.happens(60);
            let role = if other { Role::Observer } else { entry.role };
            let name = format!("Party {code}");
            parties.push(PartyDraft { code: code.clone(), name, role, authority });
        }
        for (code, keys) in &self.authorities {
            let missing = parties.iter().all(|party| party.code != *code);
            if missing && !text.parties.contains_key(code) && self.chance.happens(400) {
                let (name, authority) = (format!("Party {code}"), keys.public());
                let role = Role::State;
                parties.push(PartyDraft { code: code.clone(), name, role, authority });
            }
        }
        let states = parties.iter().filter(|party| party.role == Role::State).count();
        let draft = AccordDraft {
            name: format!("Accord {}", self.chance.below(1_000)),
            parties,
            threshold: self.chance.index(states) + 1,
            made_at: Timestamp(self.moment),
            not_after: None,
            after: Some((view.network(), text.version, base)),
        };
        let document = make::accord(&draft).ok()?;
        Some(self.gathered(text, document))
    }

    /// The version after `text` with enough signatures, now and then with too few or in two copies.
    fn gathered(&mut self, text: &AccordText, document: Document) -> Vec<Document> {
        let states: Vec<&PartyCode> = text.states().collect();
        let few = usize::from(self.chance.happens(50));
        let more = usize::from(self.chance.happens(300));
        let order = self.chance.order(states.len());
        let by = order
            .into_iter()
            .take(text.threshold + more - few)
            .filter_map(|at| text.parties.get(*states.get(at)?)?.authority.keys().next().copied());
        let by: Vec<KeyId> = by.collect();
        let mut made = vec![self.signed(document.clone(), &by)];
        if self.chance.happens(100) {
            // The same version, gathered by other people with other signatures.
            let by: Vec<KeyId> = text.state_keys().into_keys().rev().take(text.threshold).collect();
            made.push(self.signed(document, &by));
        }
        made
    }

    fn station(&mut self, view: &Directory) -> Option<StationName> {
        let all: Vec<StationName> = view.members().map(|member| member.name.clone()).collect();
        self.one(&all).cloned()
    }

    fn certificate(&mut self, view: &Directory) -> Option<Vec<Document>> {
        let station = if self.chance.happens(400) {
            let party = self.party(view)?;
            StationName::new(party, &format!("x{}", self.chance.below(3))).ok()?
        } else {
            self.station(view)?
        };
        let held = view.by_name(&station).map_or(0, |member| member.serial);
        let keys = match self.chance.happens(150) {
            // Somebody else's keys.
            true => Arc::clone(&self.one(&self.stations.clone())?.1),
            false => Arc::new(StationKeys::generate(&mut self.entropy())),
        };
        self.stations.push((station.clone(), Arc::clone(&keys)));
        let draft = CertificateDraft {
            station: station.clone(),
            serial: (held + self.chance.below(3)).max(1),
            scopes: Scopes::default(),
            made_at: Timestamp(self.moment),
            not_after: None,
        };
        let document = make::certificate(&view.network(), &draft, &keys.public()).ok()?;
        let mut by = vec![self.key_of(station.party())?];
        if self.chance.happens(200) {
            by.extend(self.key_of(station.party()));
        }
        Some(vec![self.signed(document, &by)])
    }

    fn contact(&mut self, view: &Directory) -> Option<Vec<Document>> {
        let (station, keys) = self.one(&self.stations.clone())?.clone();
        let serial = 1 + self.chance.below(6);
        let addresses = [format!("/ip4/192.0.2.{}/udp/4100/quic-v1", self.chance.below(200))];
        let (network, at) = (view.network(), Timestamp(self.moment));
        let peer = SignSecret::from_seed(&keys.peer_seed);
        let made = if self.chance.happens(400) {
            make::proven_contact(&network, &station, serial, &addresses, &[], at, &peer)
        } else {
            make::contact(&network, &station, serial, &addresses, &[], at)
        };
        Some(vec![made.ok()?.signed_by(&keys.sign)])
    }

    fn charter(&mut self, view: &Directory) -> Option<Change> {
        let groups: Vec<_> = view.groups().filter_map(|g| Some((g.charter?, g.clone()))).collect();
        let goes_on = self.chance.happens(600);
        let base = self.one(&groups).filter(|_| goes_on).cloned();
        let states = view.parties().filter(|party| party.charter_role == Role::State);
        let states: Vec<PartyCode> = states.map(|party| party.code.clone()).collect();
        let mut members: BTreeSet<PartyCode> = match &base {
            Some((_, group)) => group.parties.clone(),
            None => states.iter().filter(|_| self.chance.happens(600)).cloned().collect(),
        };
        let (leaves, comes) = (self.one(&states)?.clone(), self.one(&states)?.clone());
        if self.chance.happens(400) {
            members.remove(&leaves);
        }
        if self.chance.happens(400) {
            members.insert(comes);
        }
        let draft = CharterDraft {
            name: if self.chance.happens(500) { "north" } else { "south" }.to_owned(),
            members: members.iter().cloned().collect(),
            rules: format!("Rule {}", self.chance.below(1_000)),
            made_at: Timestamp(self.moment),
            after: base.as_ref().map(|(after, _)| *after),
        };
        let document = make::charter(&view.network(), &draft).ok()?;
        let by: Option<Vec<KeyId>> = members.iter().map(|code| self.key_of(code)).collect();
        let documents = vec![self.signed(document, &by?)];
        Some(Change { what: "charter", documents, at: members })
    }

    fn revocation(&mut self, view: &Directory) -> Option<Vec<Document>> {
        let machine = |member: &&Member| !member.name.station().starts_with('x');
        let real = self.chance.happens(300);
        let all: Vec<&Member> = view.members().filter(|m| real || !machine(m)).collect();
        let member = *self.one(&all)?;
        let kind = self.chance.below(3);
        let keys: Vec<KeyId> = match kind {
            0 => member.sign_keys.keys().copied().collect(),
            1 => member.epochs.keys().copied().collect(),
            _ => member.peers.iter().map(ed25519_id).collect(),
        };
        let key = *self.one(&keys)?;
        let head = |n: u64| Head {
            incarnation: cbm_proto::id::Incarnation([1; 16]),
            lane: cbm_proto::id::LaneId([2; 16]),
            seq: n,
            header: Digest([3; 32]),
        };
        let draft = RevocationDraft {
            party: member.name.party().clone(),
            station: Some(member.name.clone()),
            key,
            heads: (0..self.chance.below(3)).map(head).collect(),
            reason: format!("case {}", self.chance.below(100)),
            made_at: Timestamp(self.moment),
        };
        let document = make::revocation(&view.network(), &draft).ok()?;
        let by = self.key_of(&draft.party)?;
        Some(vec![self.signed(document, &[by])])
    }

    fn authority_revoked(&mut self, view: &Directory) -> Option<Vec<Document>> {
        let party = self.party(view)?;
        let key = self.key_of(&party)?;
        let names = self.chance.happens(700);
        let by_key = |(id, bytes): (Digest, _)| -> Option<Digest> {
            let document = Document::decode(bytes).ok()?;
            document.signers().any(|signer| signer == key).then_some(id)
        };
        let documents = view.documents();
        let named = documents.iter().map(|(id, bytes)| (*id, &bytes[..])).filter_map(by_key);
        let draft = RevocationDraft {
            party: party.clone(),
            station: None,
            key,
            heads: named.filter(|_| names).map(Head::of_document).collect(),
            reason: String::new(),
            made_at: Timestamp(self.moment),
        };
        let document = make::revocation(&view.network(), &draft).ok()?;
        let by = self.key_of(&party)?;
        Some(vec![self.signed(document, &[by])])
    }

    fn attestation(&mut self, view: &Directory) -> Option<Vec<Document>> {
        let (by, subject) = (self.party(view)?, self.party(view)?);
        let methods = [Method::InPerson, Method::NoteVerbale, Method::Voice, Method::Other];
        let method = *self.one(&methods)?;
        let keys = view.party(&subject)?.authority.keys().copied().collect();
        let made_at = Timestamp(self.moment);
        let draft = AttestationDraft { by: by.clone(), subject, keys, method, made_at };
        let document: Result<Document, DocumentError> = make::attestation(&view.network(), &draft);
        let key = self.key_of(&by)?;
        Some(vec![self.signed(document.ok()?, &[key])])
    }
}

/// The kinds of documents in a set, for people who read about a history.
pub(super) fn kinds(directory: &Directory) -> String {
    let all = directory.documents();
    let decoded: Vec<_> = all.values().filter_map(|bytes| Document::decode(bytes).ok()).collect();
    let count = |kind: DocumentKind| decoded.iter().filter(|d| d.kind() == kind).count();
    format!(
        "{} accords, {} certificates, {} contacts, {} charters, {} revocations, {} attestations",
        count(DocumentKind::Accord),
        count(DocumentKind::Certificate),
        count(DocumentKind::Contact),
        count(DocumentKind::Charter),
        count(DocumentKind::Revocation),
        count(DocumentKind::Attestation)
    )
}
