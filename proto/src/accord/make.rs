//! Writing documents: from drafts to payloads that every station reads.
//!
//! Invariant: what is returned was read back by the same rules that others apply, so that a
//! mistake is told to the one who makes it and not to the network. Signatures are added by
//! [`Document::signed_by`]. Callers: [`super::Founding`], the shell's `ceremony` and `lab`.

use super::{
    attestation::Method,
    document::{Document, DocumentKind},
    error::DocumentError,
    member::{Office, Role, Scopes},
    read::{
        AccordText, AttestationText, CertificateText, CharterText, ContactText, PEER_DOMAIN,
        RevocationText, peer_claim,
    },
    revocation::Head,
};
use crate::{
    id::{Digest, KeyId, NetworkId, PartyCode, StationName},
    keys::{AuthorityPublic, OfficeKey, StationPublic},
    limits::{HEADERS_BURST, HEADERS_PER_MINUTE},
    primitives::SignSecret,
    time::Timestamp,
    wire,
};

/// One party of a new accord.
#[derive(Clone, Debug)]
pub struct PartyDraft {
    /// Short code.
    pub code: PartyCode,
    /// What people call it, 1 to 128 characters.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its authority's public keys.
    pub authority: AuthorityPublic,
}

/// A new version of the accord.
#[derive(Clone, Debug)]
pub struct AccordDraft {
    /// What people call the agreement, 1 to 128 characters.
    pub name: String,
    /// The parties, in any order.
    pub parties: Vec<PartyDraft>,
    /// STATE parties that must sign the next version.
    pub threshold: usize,
    /// When it is drawn up.
    pub made_at: Timestamp,
    /// When it ends; `None`: open.
    pub not_after: Option<Timestamp>,
    /// Network, number and digest of the version before; `None` for version 1.
    pub after: Option<(NetworkId, u32, Digest)>,
}

/// An accord without signatures.
///
/// # Errors
/// The rule that the draft breaks.
pub fn accord(draft: &AccordDraft) -> Result<Document, DocumentError> {
    let mut parties: Vec<&PartyDraft> = draft.parties.iter().collect();
    parties.sort_by(|a, b| a.code.cmp(&b.code));
    let parties = parties.into_iter().map(|party| wire::accord::Party {
        code: party.code.to_string(),
        role: party.role.code(),
        name: party.name.clone(),
        keys: party.authority.to_wire(),
    });
    let bytes = |id: &[u8]| bytes::Bytes::copy_from_slice(id);
    let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let payload = wire::Accord {
        version: draft.after.map_or(1, |(_, version, _)| version.saturating_add(1)),
        network: draft.after.map(|(network, _, _)| bytes(&network.0)).unwrap_or_default(),
        previous: draft.after.map(|(_, _, previous)| bytes(&previous.0)).unwrap_or_default(),
        name: draft.name.clone(),
        parties: parties.collect(),
        threshold: u32::try_from(draft.threshold).unwrap_or(u32::MAX),
        limits: Some(wire::accord::Limits {
            headers_per_minute: narrow(HEADERS_PER_MINUTE),
            headers_burst: narrow(HEADERS_BURST),
            carried_per_day: super::read::CARRIED_PER_DAY,
        }),
        clocks: Some(wire::accord::Clocks { profile: "standard".to_owned(), rows: Vec::new() }),
        texts: Vec::new(),
        made_at: draft.made_at.0,
        not_before: 0,
        not_after: draft.not_after.map_or(0, |end| end.0),
    };
    let document = Document::unsigned(DocumentKind::Accord, wire::encode(&payload));
    AccordText::read(&document)?;
    Ok(document)
}

/// What a certificate says besides keys.
#[derive(Clone, Debug)]
pub struct CertificateDraft {
    /// Whose.
    pub station: StationName,
    /// From 1, higher than that of the certificate before.
    pub serial: u64,
    /// What the station may say.
    pub scopes: Scopes,
    /// When it is made.
    pub made_at: Timestamp,
    /// When it ends; `None`: open.
    pub not_after: Option<Timestamp>,
}

/// A certificate without its party's signature.
///
/// # Errors
/// The rule that the draft breaks.
pub fn certificate(
    network: &NetworkId,
    draft: &CertificateDraft,
    keys: &StationPublic,
) -> Result<Document, DocumentError> {
    certificate_with_offices(network, draft, keys, &[])
}

/// As [`certificate`], with keys of offices that answer at the station.
///
/// # Errors
/// The rule that the draft breaks.
pub fn certificate_with_offices(
    network: &NetworkId,
    draft: &CertificateDraft,
    keys: &StationPublic,
    offices: &[OfficeKey],
) -> Result<Document, DocumentError> {
    if !offices.iter().all(|key| OfficeKey::is_code(&key.office)) {
        return Err(DocumentError::field("offices", "1 to 128 characters, none of them control"));
    }
    let scope = wire::Scope {
        statuses: draft.scopes.statuses.iter().copied().collect(),
        types: draft.scopes.types.iter().cloned().collect(),
        office: String::new(),
    };
    let payload = wire::Certificate {
        network: network.0.to_vec().into(),
        party: draft.station.party().to_string(),
        station: draft.station.station().to_owned(),
        serial: draft.serial,
        keys: keys.to_wire().into_iter().chain(offices.iter().map(OfficeKey::to_wire)).collect(),
        scope: (draft.scopes != Scopes::default()).then_some(scope),
        made_at: draft.made_at.0,
        not_before: 0,
        not_after: draft.not_after.map_or(0, |end| end.0),
    };
    let document = Document::unsigned(DocumentKind::Certificate, wire::encode(&payload));
    CertificateText::read(&document)?;
    Ok(document)
}

/// A contact record without its station's signature. `serial` is higher than that of the one
/// before; the wall clock in milliseconds will do.
///
/// # Errors
/// The rule that it breaks.
pub fn contact(
    network: &NetworkId,
    station: &StationName,
    serial: u64,
    addresses: &[String],
    offices: &[Office],
    made_at: Timestamp,
) -> Result<Document, DocumentError> {
    let payload = contact_payload(network, station, serial, addresses, offices, made_at);
    let document = Document::unsigned(DocumentKind::Contact, wire::encode(&payload));
    ContactText::read(&document)?;
    Ok(document)
}

/// As [`contact`], with a proof that the station holds this PEER key: it keeps the key even if
/// somebody else has it certified.
///
/// # Errors
/// The rule that it breaks.
pub fn proven_contact(
    network: &NetworkId,
    station: &StationName,
    serial: u64,
    addresses: &[String],
    offices: &[Office],
    made_at: Timestamp,
    peer: &SignSecret,
) -> Result<Document, DocumentError> {
    let mut payload = contact_payload(network, station, serial, addresses, offices, made_at);
    payload.peer = bytes::Bytes::copy_from_slice(peer.public().as_bytes());
    payload.proof = peer.sign(PEER_DOMAIN, &peer_claim(network, station)).to_vec().into();
    let document = Document::unsigned(DocumentKind::Contact, wire::encode(&payload));
    ContactText::read(&document)?;
    Ok(document)
}

fn contact_payload(
    network: &NetworkId,
    station: &StationName,
    serial: u64,
    addresses: &[String],
    offices: &[Office],
    made_at: Timestamp,
) -> wire::Contact {
    let office = |office: &Office| wire::contact::Office {
        code: office.code.clone(),
        title: office.title.clone(),
        languages: office.languages.clone(),
        hours: office.hours.clone(),
        always: office.always,
    };
    wire::Contact {
        network: network.0.to_vec().into(),
        party: station.party().to_string(),
        station: station.station().to_owned(),
        serial,
        addresses: addresses.to_vec(),
        offices: offices.iter().map(office).collect(),
        made_at: made_at.0,
        peer: bytes::Bytes::new(),
        proof: bytes::Bytes::new(),
    }
}

/// What a charter says.
#[derive(Clone, Debug)]
pub struct CharterDraft {
    /// What its members call the group.
    pub name: String,
    /// Who belongs to it, in any order.
    pub members: Vec<PartyCode>,
    /// What they agreed on.
    pub rules: String,
    /// When it is drawn up.
    pub made_at: Timestamp,
    /// Number and digest of the version before; `None` for version 1.
    pub after: Option<(u32, Digest)>,
}

/// A charter without signatures.
///
/// # Errors
/// The rule that the draft breaks.
pub fn charter(network: &NetworkId, draft: &CharterDraft) -> Result<Document, DocumentError> {
    let mut members: Vec<String> = draft.members.iter().map(ToString::to_string).collect();
    members.sort();
    let previous = draft.after.map(|(_, digest)| digest.0.to_vec().into()).unwrap_or_default();
    let payload = wire::Charter {
        network: network.0.to_vec().into(),
        name: draft.name.clone(),
        version: draft.after.map_or(1, |(version, _)| version.saturating_add(1)),
        previous,
        members,
        rules: draft.rules.clone(),
        made_at: draft.made_at.0,
    };
    let document = Document::unsigned(DocumentKind::Charter, wire::encode(&payload));
    CharterText::read(&document)?;
    Ok(document)
}

/// A key that is taken back.
#[derive(Clone, Debug)]
pub struct RevocationDraft {
    /// Whose key.
    pub party: PartyCode,
    /// Whose key within the party; `None`: the party's own.
    pub station: Option<StationName>,
    /// Which key: of SIGN and PEER the id that an Ed25519 key has, of SEAL that of the epoch key.
    pub key: KeyId,
    /// What stays valid, in any order.
    pub heads: Vec<Head>,
    /// Why, in at most 128 characters.
    pub reason: String,
    /// When it is made. Of two revocations of one key the later one is in force.
    pub made_at: Timestamp,
}

/// A revocation without its party's signature.
///
/// # Errors
/// The rule that the draft breaks.
pub fn revocation(network: &NetworkId, draft: &RevocationDraft) -> Result<Document, DocumentError> {
    let mut heads = draft.heads.clone();
    heads.sort();
    heads.dedup();
    let head = |head: &Head| wire::revocation::Head {
        incarnation: head.incarnation.0.to_vec().into(),
        lane: head.lane.0.to_vec().into(),
        seq: head.seq,
        header: head.header.0.to_vec().into(),
    };
    let station = draft.station.as_ref().map(|station| station.station().to_owned());
    if draft.station.as_ref().is_some_and(|station| *station.party() != draft.party) {
        return Err(DocumentError::field("station", "a station of the party"));
    }
    let payload = wire::Revocation {
        network: network.0.to_vec().into(),
        party: draft.party.to_string(),
        station: station.unwrap_or_default(),
        key_id: draft.key.0.to_vec().into(),
        made_at: draft.made_at.0,
        reason: draft.reason.clone(),
        heads: heads.iter().map(head).collect(),
    };
    let document = Document::unsigned(DocumentKind::Revocation, wire::encode(&payload));
    RevocationText::read(&document)?;
    Ok(document)
}

/// What a party says about another one's authority keys.
#[derive(Clone, Debug)]
pub struct AttestationDraft {
    /// Who checked.
    pub by: PartyCode,
    /// Whose keys.
    pub subject: PartyCode,
    /// Ids of the authority keys that were checked, in any order.
    pub keys: Vec<KeyId>,
    /// How.
    pub method: Method,
    /// When. Of two by one party about one, the later one is in force.
    pub made_at: Timestamp,
}

/// An attestation without the signature of the party that checked.
///
/// # Errors
/// The rule that the draft breaks.
pub fn attestation(
    network: &NetworkId,
    draft: &AttestationDraft,
) -> Result<Document, DocumentError> {
    let mut keys = draft.keys.clone();
    keys.sort();
    keys.dedup();
    let payload = wire::Attestation {
        network: network.0.to_vec().into(),
        by: draft.by.to_string(),
        subject: draft.subject.to_string(),
        keys: keys.iter().map(|key| key.0.to_vec().into()).collect(),
        method: draft.method.code(),
        made_at: draft.made_at.0,
    };
    let document = Document::unsigned(DocumentKind::Attestation, wire::encode(&payload));
    AttestationText::read(&document)?;
    Ok(document)
}
