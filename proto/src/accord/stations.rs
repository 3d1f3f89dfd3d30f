//! Stations as their certificates and contact records show them.
//!
//! Invariants: the newest certificate by serial is in force, of equal ones the lower identity; the
//! keys of all of them stay known; what a station uses now is never revoked while it has another
//! key; a PEER key counts for one station. Caller: `view`.

use super::{
    conflict::Conflict,
    directory::station_id,
    document::DocumentKind,
    judge::{Judge, signers},
    member::{Member, OfficeOf, Role},
    read::{CertificateText, ContactText},
    revocation::Revoked,
    shelf::{Shelf, Text},
};
use crate::{
    id::{Digest, KeyId, PartyCode, StationId},
    limits::STATIONS_PER_PARTY_MAX,
    primitives::{EpochPublic, SignPublic, ed25519_id},
    time::Timestamp,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Station keys that are taken back.
pub(super) type StationKeysRevoked = BTreeMap<(StationId, KeyId), Revoked>;

/// Certificates of one station that count, the one in force first.
type Certificates<'a> = Vec<(Reverse<u64>, Digest, &'a CertificateText)>;

/// Who claims a PEER key, the best claim lowest: proven, by an older certificate.
type Claim = (bool, Timestamp, Digest, StationId);

#[derive(Clone, Debug, Default)]
pub(super) struct Stations {
    pub(super) members: BTreeMap<StationId, Member>,
    /// The newest certificate of each.
    pub(super) in_force: BTreeMap<StationId, Digest>,
    pub(super) peers: BTreeMap<[u8; 32], StationId>,
    pub(super) of_party: BTreeMap<PartyCode, BTreeSet<StationId>>,
}

/// The revocations of station keys that count: of one key the latest, then the lowest identity.
pub(super) fn revoked(shelf: &Shelf, judge: &Judge<'_>) -> StationKeysRevoked {
    let mut best: BTreeMap<(StationId, KeyId), (Reverse<Timestamp>, Digest, Revoked)> =
        BTreeMap::new();
    for (id, held) in shelf.of_kind(DocumentKind::Revocation) {
        let Text::Revocation(text) = &held.text else { continue };
        let Some(station) = &text.station else { continue };
        if !judge.signed_by(&text.party, id) {
            continue;
        }
        let (key, rank) = ((station_id(&shelf.network, station), text.key), Reverse(text.made_at));
        if best.get(&key).is_none_or(|(made_at, other, _)| (rank, id) < (*made_at, other)) {
            best.insert(key, (rank, *id, Revoked::from(text)));
        }
    }
    best.into_iter().map(|(key, (_, _, revoked))| (key, revoked)).collect()
}

impl Stations {
    pub(super) fn of(
        shelf: &Shelf,
        judge: &Judge<'_>,
        revoked: &StationKeysRevoked,
        conflicts: &mut Vec<Conflict>,
    ) -> Self {
        let certificates = certificates(shelf, judge);
        let contacts = contacts(shelf, &certificates, revoked);
        let mut candidates: BTreeMap<PartyCode, Vec<Member>> = BTreeMap::new();
        for (id, list) in &certificates {
            let contact = contacts.get(id).map(|(_, _, text)| *text);
            let Some(member) = member(*id, list, contact, revoked) else { continue };
            if let [first, second, ..] = &list[..]
                && first.0 == second.0
            {
                let (station, serial) = (member.name.clone(), first.0.0);
                conflicts.push(Conflict::SameSerial { station, serial });
            }
            candidates.entry(member.name.party().clone()).or_default().push(member);
        }
        let mut stations = Self::default();
        let newest = certificates.iter().filter_map(|(id, list)| Some((*id, list.first()?.1)));
        stations.in_force = newest.collect();
        for (party, mut list) in candidates {
            list.sort_by(|a, b| (a.silenced, &a.name).cmp(&(b.silenced, &b.name)));
            let left_out = list.split_off(list.len().min(STATIONS_PER_PARTY_MAX));
            if !left_out.is_empty() {
                let left_out = left_out.into_iter().map(|member| member.name).collect();
                conflicts.push(Conflict::TooManyStations { party: party.clone(), left_out });
            }
            stations.of_party.insert(party, list.iter().map(|member| member.id).collect());
            stations.members.extend(list.into_iter().map(|member| (member.id, member)));
        }
        stations.settle_peers(&certificates, &contacts, conflicts);
        stations
    }

    /// A PEER key counts for one station: for the one that showed to hold it, else for the one
    /// whose certificate is older.
    fn settle_peers(
        &mut self,
        certificates: &BTreeMap<StationId, Certificates<'_>>,
        contacts: &BTreeMap<StationId, Contact<'_>>,
        conflicts: &mut Vec<Conflict>,
    ) {
        let mut claims: BTreeMap<[u8; 32], Vec<Claim>> = BTreeMap::new();
        for member in self.members.values() {
            let proven = contacts.get(&member.id).and_then(|(_, _, text)| text.proven);
            for peer in &member.peers {
                let of_peer = certificates.get(&member.id).into_iter().flatten();
                let first = of_peer
                    .filter(|(_, _, text)| text.keys.peer.contains(peer))
                    .map(|(_, digest, text)| (text.made_at, *digest))
                    .min();
                let Some((made_at, digest)) = first else { continue };
                let claim = (proven != Some(*peer), made_at, digest, member.id);
                claims.entry(*peer).or_default().push(claim);
            }
        }
        for (peer, mut list) in claims {
            list.sort();
            let Some(((_, _, _, holder), others)) = list.split_first() else { continue };
            self.peers.insert(peer, *holder);
            for (_, _, _, other) in others {
                let Some(counts) = self.members.get(holder).map(|m| m.name.clone()) else { break };
                let Some(member) = self.members.get_mut(other) else { continue };
                member.peers.retain(|held| *held != peer);
                conflicts.push(Conflict::PeerTwice { counts, other: member.name.clone() });
            }
        }
    }
}

fn certificates<'a>(shelf: &'a Shelf, judge: &Judge<'_>) -> BTreeMap<StationId, Certificates<'a>> {
    let mut all: BTreeMap<StationId, Certificates<'a>> = BTreeMap::new();
    for (digest, held) in shelf.of_kind(DocumentKind::Certificate) {
        let Text::Certificate(text) = &held.text else { continue };
        if judge.signed_by(text.station.party(), digest) {
            let id = station_id(&shelf.network, &text.station);
            all.entry(id).or_default().push((Reverse(text.serial), *digest, text));
        }
    }
    for list in all.values_mut() {
        list.sort_by_key(|(serial, digest, _)| (*serial, *digest));
    }
    all
}

type Contact<'a> = (Reverse<u64>, Digest, &'a ContactText);

/// The contact records in force: signed with a key of a certificate that counts, not revoked; the
/// highest serial, of equal ones the lower identity.
fn contacts<'a>(
    shelf: &'a Shelf,
    certificates: &BTreeMap<StationId, Certificates<'_>>,
    revoked: &StationKeysRevoked,
) -> BTreeMap<StationId, Contact<'a>> {
    let mut best: BTreeMap<StationId, Contact<'a>> = BTreeMap::new();
    for (digest, held) in shelf.of_kind(DocumentKind::Contact) {
        let Text::Contact(text) = &held.text else { continue };
        let id = station_id(&shelf.network, &text.station);
        let own = |key: &KeyId| {
            let list = certificates.get(&id).into_iter().flatten();
            list.flat_map(|(_, _, text)| &text.keys.sign).any(|sign| sign.id() == *key)
        };
        let counts =
            signers(shelf, digest).any(|key| !revoked.contains_key(&(id, key)) && own(&key));
        let rank = (Reverse(text.serial), *digest);
        let newer = best.get(&id).is_none_or(|(serial, other, _)| rank < (*serial, *other));
        if counts && newer {
            best.insert(id, (rank.0, rank.1, text));
        }
    }
    best
}

/// A station by its certificates; `None` without the keys that reading made sure of.
fn member(
    id: StationId,
    list: &Certificates<'_>,
    contact: Option<&ContactText>,
    revoked: &StationKeysRevoked,
) -> Option<Member> {
    let good = |key: KeyId| !revoked.contains_key(&(id, key));
    let newest = list.first().map(|(_, _, text)| *text)?;
    let mut silenced = false;
    let sign_of = |text: &CertificateText| -> Option<SignPublic> {
        text.keys.sign.iter().rev().find(|key| good(key.id())).copied()
    };
    let signing = list.iter().find_map(|(_, _, text)| Some((*text, sign_of(text)?)));
    let (current, sign) = match signing {
        Some(found) => found,
        None => {
            silenced = true;
            (newest, *newest.keys.sign.last()?)
        }
    };
    let seal_of = |text: &CertificateText| -> Option<EpochPublic> {
        text.keys.seal.iter().rev().find(|key| good(key.id())).cloned()
    };
    let epoch = match list.iter().find_map(|(_, _, text)| seal_of(text)) {
        Some(epoch) => epoch,
        None => {
            silenced = true;
            newest.keys.seal.last()?.clone()
        }
    };
    let mut peers: Vec<[u8; 32]> = Vec::new();
    for peer in list.iter().take(2).flat_map(|(_, _, text)| &text.keys.peer) {
        if good(ed25519_id(peer)) && !peers.contains(peer) {
            peers.push(*peer);
        }
    }
    let texts = || list.iter().map(|(_, _, text)| *text);
    Some(Member {
        id,
        role: Role::Unknown(0),
        sign,
        sign_key_id: sign.id(),
        sign_keys: texts().flat_map(|t| &t.keys.sign).map(|key| (key.id(), *key)).collect(),
        peer: peers.first().copied().or(newest.keys.peer.first().copied())?,
        peers,
        epoch_id: epoch.id(),
        epoch,
        epochs: texts().flat_map(|t| &t.keys.seal).map(|key| (key.id(), key.clone())).collect(),
        office_keys: office_keys(list),
        scopes: current.scopes.clone(),
        addresses: contact.map(|text| text.addresses.clone()).unwrap_or_default(),
        offices: contact.map(|text| text.offices.clone()).unwrap_or_default(),
        contact_at: contact.map(|text| text.made_at),
        serial: current.serial,
        not_after: current.not_after,
        silenced,
        name: current.station.clone(),
    })
}

/// Office keys of every certificate, those of the one in force marked.
fn office_keys(list: &Certificates<'_>) -> BTreeMap<KeyId, OfficeOf> {
    let mut keys = BTreeMap::new();
    for (age, (_, _, text)) in list.iter().enumerate() {
        for key in &text.keys.office {
            let of = OfficeOf { key: key.clone(), current: age == 0 };
            keys.entry(key.key.id()).or_insert(of);
        }
    }
    keys
}
