//! The network of the vectors, and how its documents are changed before or after signing.

use cbm_proto::accord::{Document, DocumentKind, Founded, Role, sample};
use cbm_proto::id::{PartyCode, StationName};
use cbm_proto::keys::StationKeys;
use cbm_proto::primitives::{Entropy, SignSecret};
use cbm_proto::wire;

use crate::file::Vector;

pub(super) const V1: &str = "document_ok_accord";
pub(super) const V2: &str = "document_ok_accord_2";
pub(super) const CERTIFICATE: &str = "document_ok_certificate";
pub(super) const CONTACT: &str = "document_ok_contact";
pub(super) const CONTESTED: &str = "document_accord_2_contested";
pub(super) const REVOCATION: &str = "document_ok_revocation";
pub(super) const ATTESTATION: &str = "document_ok_attestation";
pub(super) const CHARTER: &str = "document_ok_charter";

/// Two states with one station each, and an observer without one.
pub(super) struct World(pub(super) Founded);

impl World {
    pub(super) fn new() -> Self {
        let parties: [(&str, Role, &[&str]); 3] = [
            ("AAA", Role::State, &["mfa"]),
            ("BBB", Role::State, &["mfa"]),
            ("OB1", Role::Observer, &[]),
        ];
        Self(sample(&parties, &mut Entropy::new(&[0x11; 32])).unwrap())
    }

    /// Authority keys by code, station keys by name.
    pub(super) fn secret(&self, who: &str) -> &SignSecret {
        match StationName::parse(who) {
            Ok(name) => &self.0.stations[&name].sign,
            Err(_) => &self.0.authorities[&PartyCode::new(who).unwrap()].sign,
        }
    }

    pub(super) fn signed(&self, kind: DocumentKind, payload: Vec<u8>, by: &[&str]) -> Vec<u8> {
        let unsigned = Document::unsigned(kind, payload);
        let signed = by.iter().fold(unsigned, |doc, who| doc.signed_by(self.secret(who)));
        signed.bytes().to_vec()
    }

    pub(super) fn payload<M: wire::Message + Default>(&self, at: usize) -> M {
        let document = Document::decode(&self.0.documents[at]).unwrap();
        wire::decode(document.payload(), usize::MAX).unwrap()
    }

    pub(super) fn accord(&self, by: &[&str], change: impl FnOnce(&mut wire::Accord)) -> Vec<u8> {
        let mut accord = self.payload(0);
        change(&mut accord);
        self.signed(DocumentKind::Accord, wire::encode(&accord), by)
    }

    /// Version 2: only its name and what it must name are new.
    pub(super) fn second(&self, by: &[&str], change: impl FnOnce(&mut wire::Accord)) -> Vec<u8> {
        self.accord(by, |accord| {
            accord.version = 2;
            accord.name = "Second".to_owned();
            accord.network = self.0.network.0.to_vec().into();
            accord.previous = self.0.network.0.to_vec().into();
            change(accord);
        })
    }

    /// Version 3, after the version 2 of [`V2`].
    pub(super) fn third(&self, by: &[&str]) -> Vec<u8> {
        let second = Document::decode(&self.second(by, |_| ())).unwrap().digest();
        self.second(by, |accord| {
            (accord.version, accord.previous) = (3, second.0.to_vec().into());
        })
    }

    /// Adds the proof that a station's PEER key makes for `AAA/mfa`.
    pub(super) fn prove(&self, contact: &mut wire::Contact, holder: &str) {
        let keys = |who: &str| &self.0.stations[&StationName::parse(who).unwrap()];
        let secret = SignSecret::from_seed(&keys(holder).peer_seed);
        let claim = [&self.0.network.0[..], b"AAA/mfa"].concat();
        contact.peer = keys("AAA/mfa").public().peer.to_vec().into();
        contact.proof = secret.sign("contact-peer/1", &claim).to_vec().into();
    }

    /// The names of the groups that these charters form, with `all`.
    pub(super) fn shown(&self, charters: &[&[u8]]) -> String {
        let mut directory = self.0.directory().unwrap();
        for charter in charters {
            directory.admit(charter).unwrap();
        }
        super::groups(&directory)
    }

    pub(super) fn revocation(
        &self,
        by: &[&str],
        change: impl FnOnce(&mut wire::Revocation),
    ) -> Vec<u8> {
        let head = |byte: u8| wire::revocation::Head {
            incarnation: vec![1; 16].into(),
            lane: vec![byte; 16].into(),
            seq: 7,
            header: vec![3; 32].into(),
        };
        let mut revocation = wire::Revocation {
            network: self.0.network.0.to_vec().into(),
            party: "AAA".to_owned(),
            station: "mfa".to_owned(),
            key_id: self.secret("AAA/mfa").public().id().0.to_vec().into(),
            made_at: 1_700_000_000_000,
            reason: "lost".to_owned(),
            heads: vec![head(2), head(4)],
        };
        change(&mut revocation);
        self.signed(DocumentKind::Revocation, wire::encode(&revocation), by)
    }

    /// A revocation of a party's own key.
    pub(super) fn of_authority(
        &self,
        party: &str,
        by: &[&str],
        change: impl FnOnce(&mut wire::Revocation),
    ) -> Vec<u8> {
        self.revocation(by, |revocation| {
            revocation.party = party.to_owned();
            revocation.station = String::new();
            revocation.key_id = self.secret(party).public().id().0.to_vec().into();
            revocation.heads = Vec::new();
            change(revocation);
        })
    }

    pub(super) fn attestation(
        &self,
        by: &[&str],
        change: impl FnOnce(&mut wire::Attestation),
    ) -> Vec<u8> {
        let mut attestation = wire::Attestation {
            network: self.0.network.0.to_vec().into(),
            by: "AAA".to_owned(),
            subject: "BBB".to_owned(),
            keys: vec![self.secret("BBB").public().id().0.to_vec().into()],
            method: 1,
            made_at: 1_700_000_000_000,
        };
        change(&mut attestation);
        self.signed(DocumentKind::Attestation, wire::encode(&attestation), by)
    }

    pub(super) fn certificate(
        &self,
        by: &[&str],
        change: impl FnOnce(&mut wire::Certificate),
    ) -> Vec<u8> {
        let mut certificate = self.payload(1);
        change(&mut certificate);
        self.signed(DocumentKind::Certificate, wire::encode(&certificate), by)
    }

    pub(super) fn contact(&self, by: &[&str], change: impl FnOnce(&mut wire::Contact)) -> Vec<u8> {
        let mut contact: wire::Contact = self.payload(3);
        contact.addresses = vec!["/dns4/cbm.example/udp/4100/quic-v1".to_owned()];
        contact.serial = 5;
        change(&mut contact);
        self.signed(DocumentKind::Contact, wire::encode(&contact), by)
    }

    pub(super) fn charter(&self, by: &[&str], change: impl FnOnce(&mut wire::Charter)) -> Vec<u8> {
        let mut charter = wire::Charter {
            network: self.0.network.0.to_vec().into(),
            name: "north".to_owned(),
            version: 1,
            members: vec!["AAA".to_owned(), "BBB".to_owned()],
            rules: "Each answers within an hour.".to_owned(),
            made_at: 1_700_000_000_000,
            ..wire::Charter::default()
        };
        change(&mut charter);
        self.signed(DocumentKind::Charter, wire::encode(&charter), by)
    }
}

pub(super) fn fresh(seed: u8) -> Vec<wire::PublicKey> {
    StationKeys::generate(&mut Entropy::new(&[seed; 32])).public().to_wire()
}

/// The wrapper, changed after signing.
pub(super) fn rewrapped(bytes: &[u8], change: impl FnOnce(&mut wire::Signed)) -> Vec<u8> {
    let mut signed: wire::Signed = wire::decode(bytes, usize::MAX).unwrap();
    change(&mut signed);
    wire::encode(&signed)
}

pub(super) fn flip(bytes: &[u8]) -> bytes::Bytes {
    let mut flipped = bytes.to_vec();
    flipped[7] ^= 1;
    flipped.into()
}

pub(super) type Named = (&'static str, Vector);

pub(super) fn vector(expect: &str, note: &str, given: &[&str], document: Vec<u8>) -> Vector {
    let vector = Vector::new(expect, note);
    let vector =
        if given.is_empty() { vector } else { vector.with_word("given", &given.join(" ")) };
    vector.with("document", document)
}
