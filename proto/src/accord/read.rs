//! Payloads as checked values: the rules that need nothing but the document itself.
//!
//! Invariants: what is read here came from canonical bytes of one format; every list is in its one
//! order and within its bound; every name obeys its rule. Who may sign, and what a document builds
//! on, is judged by `accord/directory.rs`. Revocations and attestations have files of their own.

pub use super::{attestation::AttestationText, revocation::RevocationText};
use super::{
    document::{Document, DocumentKind},
    error::DocumentError,
    member::{CarryLimits, ClockRow, Clocks, Office, Role, Scopes},
};

use crate::{
    id::{Digest, KeyId, NetworkId, PartyCode, StationName},
    keys::{KeyList, StationPublic},
    limits::{
        CONTACT_ITEMS_MAX, DOCUMENT_MAX, HEADERS_BURST, HEADERS_PER_MINUTE, NAME_MAX, PARTIES_MAX,
    },
    primitives::SignPublic,
    time::Timestamp,
    wire,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const fn field(field: &'static str, rule: &'static str) -> DocumentError {
    DocumentError::field(field, rule)
}

pub(super) fn payload<M: wire::Message + Default>(
    document: &Document,
    kind: DocumentKind,
) -> Result<M, DocumentError> {
    if document.kind() != kind {
        return Err(field("kind", "another kind of document is wanted here"));
    }
    Ok(wire::decode_canonical(document.payload(), DOCUMENT_MAX)?)
}

/// One version of the accord.
#[derive(Clone, Debug)]
pub struct AccordText {
    /// From 1.
    pub version: u32,
    /// `None` in version 1.
    pub network: Option<NetworkId>,
    /// Digest of the version before; `None` in version 1.
    pub previous: Option<Digest>,
    /// What people call the agreement.
    pub name: String,
    /// The parties.
    pub parties: BTreeMap<PartyCode, PartyText>,
    /// STATE parties that must sign the next version.
    pub threshold: usize,
    /// Bounds for carriers.
    pub limits: CarryLimits,
    /// When levels are due.
    pub clocks: Clocks,
    /// The agreement that people signed: language, title, SHA-256.
    pub texts: Vec<(String, String, Digest)>,
    /// When it was drawn up.
    pub made_at: Timestamp,
    /// When it ends; `None`: open.
    pub not_after: Option<Timestamp>,
}

/// One party in one version of the accord.
#[derive(Clone, Debug)]
pub struct PartyText {
    /// What people call it.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its Ed25519 authority keys.
    pub authority: BTreeMap<KeyId, SignPublic>,
}

impl AccordText {
    /// Reads an accord.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn read(document: &Document) -> Result<Self, DocumentError> {
        let pb: wire::Accord = payload(document, DocumentKind::Accord)?;
        let (network, previous) = match pb.version {
            0 => return Err(field("version", "versions begin at 1")),
            1 if pb.network.is_empty() && pb.previous.is_empty() => (None, None),
            1 => return Err(field("previous", "version 1 names neither network nor predecessor")),
            _ => (Some(network(&pb.network)?), Some(digest("previous", &pb.previous)?)),
        };
        let parties = parties(&pb.parties)?;
        let states = parties.values().filter(|party| party.role == Role::State).count();
        let threshold = usize::try_from(pb.threshold).unwrap_or(usize::MAX);
        if threshold == 0 || threshold > states {
            return Err(field("threshold", "between 1 and the number of STATE parties"));
        }
        window(pb.not_before, pb.not_after)?;
        Ok(Self {
            version: pb.version,
            network,
            previous,
            name: name("name", &pb.name)?,
            parties,
            threshold,
            limits: limits(pb.limits.as_ref()),
            clocks: clocks(pb.clocks.unwrap_or_default())?,
            texts: texts(&pb.texts)?,
            made_at: Timestamp(pb.made_at),
            not_after: (pb.not_after != 0).then_some(Timestamp(pb.not_after)),
        })
    }

    /// The authority keys of STATE parties, each with its party.
    #[must_use]
    pub fn state_keys(&self) -> BTreeMap<KeyId, (SignPublic, PartyCode)> {
        let states = self.parties.iter().filter(|(_, party)| party.role == Role::State);
        states
            .flat_map(|(code, party)| {
                party.authority.iter().map(move |(id, key)| (*id, (*key, code.clone())))
            })
            .collect()
    }

    /// STATE parties.
    pub fn states(&self) -> impl Iterator<Item = &PartyCode> {
        self.parties.iter().filter(|(_, party)| party.role == Role::State).map(|(code, _)| code)
    }
}

fn parties(list: &[wire::accord::Party]) -> Result<BTreeMap<PartyCode, PartyText>, DocumentError> {
    if list.is_empty() || list.len() > PARTIES_MAX {
        return Err(field("parties", "between 1 and 240"));
    }
    if !list.windows(2).all(|pair| pair[0].code < pair[1].code) {
        return Err(field("parties", "ascending by code, each once"));
    }
    let mut keys = BTreeSet::new();
    let mut parties = BTreeMap::new();
    for party in list {
        let code = PartyCode::new(&party.code)?;
        let listed = KeyList::read(&party.keys).and_then(KeyList::for_authority);
        let listed = listed.map_err(|problem| key_error(&party.code, problem))?;
        let authority: BTreeMap<_, _> =
            listed.authority.into_iter().map(|key| (key.id(), key)).collect();
        if !authority.keys().all(|id| keys.insert(*id)) {
            return Err(field("parties", "two parties list the same authority key"));
        }
        let text = PartyText {
            name: name("parties.name", &party.name)?,
            role: Role::from_code(party.role),
            authority,
        };
        parties.insert(code, text);
    }
    Ok(parties)
}

fn limits(pb: Option<&wire::accord::Limits>) -> CarryLimits {
    let given = |value: u64, start: u64| if value == 0 { start } else { value };
    let pb = pb.copied().unwrap_or_default();
    CarryLimits {
        headers_per_minute: given(pb.headers_per_minute.into(), HEADERS_PER_MINUTE),
        headers_burst: given(pb.headers_burst.into(), HEADERS_BURST),
        carried_per_day: given(pb.carried_per_day, CARRIED_PER_DAY),
    }
}

/// Bytes of bodies that a carrier takes of one author a day, where the accord says nothing.
pub(super) const CARRIED_PER_DAY: u64 = 64 * 1024 * 1024;

fn clocks(pb: wire::accord::Clocks) -> Result<Clocks, DocumentError> {
    if !pb.rows.windows(2).all(|pair| pair[0].precedence < pair[1].precedence) {
        return Err(field("clocks.rows", "ascending by precedence, each once"));
    }
    if pb.rows.len() > 16 || pb.profile.chars().count() > NAME_MAX {
        return Err(field("clocks", "at most 16 rows and 128 characters of profile"));
    }
    let row = |clock: &wire::accord::Clock| ClockRow {
        stored_within: clock.stored_within,
        received_within: clock.received_within,
        outcome_within: clock.outcome_within,
        answer_within: clock.answer_within,
    };
    Ok(Clocks {
        profile: pb.profile,
        rows: pb.rows.iter().map(|clock| (clock.precedence, row(clock))).collect(),
    })
}

fn texts(list: &[wire::accord::Text]) -> Result<Vec<(String, String, Digest)>, DocumentError> {
    if list.len() > CONTACT_ITEMS_MAX {
        return Err(field("texts", "at most 16"));
    }
    list.iter()
        .map(|text| {
            let title = name("texts.title", &text.title)?;
            Ok((name("texts.language", &text.language)?, title, digest("texts", &text.sha256)?))
        })
        .collect()
}

/// A station's certificate.
#[derive(Clone, Debug)]
pub struct CertificateText {
    /// Whose.
    pub station: StationName,
    /// The network it is for.
    pub network: NetworkId,
    /// The highest is the current one.
    pub serial: u64,
    /// Its keys by role.
    pub keys: KeyList,
    /// What its current key may say: both the certificate and the key must allow it.
    pub scopes: Scopes,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it ends; `None`: open.
    pub not_after: Option<Timestamp>,
}

impl CertificateText {
    /// The station's own public keys, the newest of each role: what a card says. `None` where a
    /// role has none.
    #[must_use]
    pub fn public(&self) -> Option<StationPublic> {
        let KeyList { sign, sign_dsa, peer, seal, .. } = &self.keys;
        Some(StationPublic {
            sign: *sign.last()?,
            dsa: Box::new(*sign_dsa.last()?),
            peer: *peer.last()?,
            epoch: seal.last()?.clone(),
        })
    }

    /// Reads a certificate.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn read(document: &Document) -> Result<Self, DocumentError> {
        let pb: wire::Certificate = payload(document, DocumentKind::Certificate)?;
        let station = StationName::new(PartyCode::new(&pb.party)?, &pb.station)?;
        let listed = KeyList::read(&pb.keys).and_then(KeyList::for_station);
        let keys = listed.map_err(|problem| key_error(&station.to_string(), problem))?;
        if pb.serial == 0 {
            return Err(field("serial", "serials begin at 1"));
        }
        window(pb.not_before, pb.not_after)?;
        Ok(Self {
            network: network(&pb.network)?,
            serial: pb.serial,
            scopes: scopes(pb.scope.as_ref(), keys.sign_scope.as_ref())?,
            made_at: Timestamp(pb.made_at),
            not_after: (pb.not_after != 0).then_some(Timestamp(pb.not_after)),
            station,
            keys,
        })
    }
}

/// What both allow. An empty list allows everything; lists without a common entry would therefore
/// turn into everything, and are refused.
fn scopes(
    station: Option<&wire::Scope>,
    key: Option<&wire::Scope>,
) -> Result<Scopes, DocumentError> {
    let (mut statuses, mut types) = (BTreeSet::new(), BTreeSet::new());
    for scope in [station, key].into_iter().flatten() {
        let ascending = scope.statuses.windows(2).all(|pair| pair[0] < pair[1])
            && scope.types.windows(2).all(|pair| pair[0] < pair[1]);
        let long = scope.types.iter().any(|t| t.len() > NAME_MAX);
        if !ascending || long || scope.types.len() > 128 || scope.statuses.len() > 16 {
            return Err(field("scope", "lists are ascending, bounded, each entry once"));
        }
        narrow(&mut statuses, &scope.statuses)?;
        narrow(&mut types, &scope.types)?;
    }
    Ok(Scopes { statuses, types })
}

fn narrow<T: Ord + Clone>(have: &mut BTreeSet<T>, next: &[T]) -> Result<(), DocumentError> {
    if have.is_empty() {
        have.extend(next.iter().cloned());
    } else if !next.is_empty() {
        have.retain(|entry| next.contains(entry));
        if have.is_empty() {
            return Err(field("scope", "certificate and key allow nothing in common"));
        }
    }
    Ok(())
}

/// A station's contact record.
#[derive(Clone, Debug)]
pub struct ContactText {
    /// Whose.
    pub station: StationName,
    /// The network it is for.
    pub network: NetworkId,
    /// The highest is the current one.
    pub serial: u64,
    /// Multiaddresses, most wanted first.
    pub addresses: Vec<String>,
    /// Who answers.
    pub offices: Vec<Office>,
    /// When the station said so.
    pub made_at: Timestamp,
    /// A PEER key that the station showed to hold.
    pub proven: Option<[u8; 32]>,
}

/// Domain of the signature by which a station shows that it holds a PEER key.
pub(super) const PEER_DOMAIN: &str = "contact-peer/1";

/// What that signature is over. The name comes last: it is of no fixed length.
pub(super) fn peer_claim(network: &NetworkId, station: &StationName) -> Vec<u8> {
    [&network.0[..], station.to_string().as_bytes()].concat()
}

fn proven(
    pb: &wire::Contact,
    network: &NetworkId,
    station: &StationName,
) -> Result<Option<[u8; 32]>, DocumentError> {
    if pb.peer.is_empty() && pb.proof.is_empty() {
        return Ok(None);
    }
    let weak = |problem| key_error(&station.to_string(), problem);
    let bytes: [u8; 32] = pb.peer.as_ref().try_into().map_err(|_| field("peer", "32 bytes"))?;
    let key = SignPublic::check(bytes)
        .map_err(|error| weak(crate::keys::KeyProblem::Weak { role: "PEER", error }))?;
    let proof: [u8; 64] = pb.proof.as_ref().try_into().map_err(|_| field("proof", "64 bytes"))?;
    if !key.verify(PEER_DOMAIN, &peer_claim(network, station), &proof) {
        return Err(field("proof", "the PEER key's signature over network and station"));
    }
    Ok(Some(bytes))
}

impl ContactText {
    /// Reads a contact record.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn read(document: &Document) -> Result<Self, DocumentError> {
        let pb: wire::Contact = payload(document, DocumentKind::Contact)?;
        if pb.serial == 0 {
            return Err(field("serial", "serials begin at 1"));
        }
        if pb.addresses.len() > CONTACT_ITEMS_MAX || pb.offices.len() > CONTACT_ITEMS_MAX {
            return Err(field("addresses", "at most 16 addresses and 16 offices"));
        }
        let address = |text: &String| {
            let good = text.starts_with('/')
                && text.len() <= 2 * NAME_MAX
                && text.bytes().all(|b| b.is_ascii_graphic())
                && !text.contains("/p2p/");
            good.then(|| text.clone())
                .ok_or(field("addresses", "multiaddresses such as /ip4/192.0.2.1/udp/4100/quic-v1"))
        };
        let station = StationName::new(PartyCode::new(&pb.party)?, &pb.station)?;
        let network = network(&pb.network)?;
        Ok(Self {
            proven: proven(&pb, &network, &station)?,
            station,
            network,
            serial: pb.serial,
            addresses: pb.addresses.iter().map(address).collect::<Result<_, _>>()?,
            offices: pb.offices.iter().map(office).collect::<Result<_, _>>()?,
            made_at: Timestamp(pb.made_at),
        })
    }
}

fn office(pb: &wire::contact::Office) -> Result<Office, DocumentError> {
    if pb.languages.len() > CONTACT_ITEMS_MAX || pb.hours.chars().count() > NAME_MAX {
        return Err(field("offices", "at most 16 languages and 128 characters of hours"));
    }
    let languages = pb.languages.iter().map(|l| name("offices.languages", l));
    Ok(Office {
        code: name("offices.code", &pb.code)?,
        title: name("offices.title", &pb.title)?,
        languages: languages.collect::<Result<_, _>>()?,
        hours: pb.hours.clone(),
        always: pb.always,
    })
}

/// A group's charter.
#[derive(Clone, Debug)]
pub struct CharterText {
    /// The network it is for.
    pub network: NetworkId,
    /// What its members call it: lower-case letters, digits and `-`; never `all`.
    pub name: String,
    /// From 1.
    pub version: u32,
    /// Digest of the version before; `None` in version 1.
    pub previous: Option<Digest>,
    /// Who belongs to it.
    pub members: BTreeSet<PartyCode>,
    /// What they agreed on.
    pub rules: String,
}

impl CharterText {
    /// Reads a charter.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn read(document: &Document) -> Result<Self, DocumentError> {
        let pb: wire::Charter = payload(document, DocumentKind::Charter)?;
        let previous = match pb.version {
            0 => return Err(field("version", "versions begin at 1")),
            1 if pb.previous.is_empty() => None,
            1 => return Err(field("previous", "version 1 names no predecessor")),
            _ => Some(digest("previous", &pb.previous)?),
        };
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=32).contains(&pb.name.len()) || !pb.name.bytes().all(plain) || pb.name == "all" {
            return Err(field("name", "1 to 32 characters a-z, 0-9 and -, and not `all`"));
        }
        let ascending = pb.members.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || !(2..=PARTIES_MAX).contains(&pb.members.len()) {
            return Err(field("members", "at least 2, ascending, each once"));
        }
        if pb.rules.chars().count() > 16 * NAME_MAX {
            return Err(field("rules", "at most 2,048 characters"));
        }
        let members = pb.members.iter().map(|code| PartyCode::new(code));
        Ok(Self {
            network: network(&pb.network)?,
            version: pb.version,
            previous,
            members: members.collect::<Result<_, _>>()?,
            name: pb.name,
            rules: pb.rules,
        })
    }
}

fn key_error(whose: &str, problem: crate::keys::KeyProblem) -> DocumentError {
    DocumentError::Key { whose: whose.to_owned(), problem }
}

fn name(which: &'static str, text: &str) -> Result<String, DocumentError> {
    let good =
        (1..=NAME_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    good.then(|| text.to_owned()).ok_or(field(which, "1 to 128 characters, none of them control"))
}

pub(super) fn digest(which: &'static str, bytes: &[u8]) -> Result<Digest, DocumentError> {
    Digest::from_slice(bytes).ok_or(field(which, "a digest of 32 bytes"))
}

pub(super) fn network(bytes: &[u8]) -> Result<NetworkId, DocumentError> {
    NetworkId::from_slice(bytes).ok_or(field("network", "32 bytes"))
}

const fn window(not_before: u64, not_after: u64) -> Result<(), DocumentError> {
    if not_after != 0 && not_after < not_before {
        return Err(field("not_after", "does not lie before not_before"));
    }
    Ok(())
}
