//! Looking at documents: one file in short, or a whole folder as a station would take it.
//!
//! Invariant: nothing is written and nobody's secrets are read; what is shown of a folder is what
//! [`Directory`] makes of it, the same on every machine that holds the same documents.

use super::{
    AttestationShown, CeremonyError, CertificateShown, CharterShown, PartyShown, RevocationShown,
    Shown, StationShown, Verified,
    accord::{Before, accord_shown, before, hexes},
    charter, codes, fingerprint_of, role_word,
};
use crate::documents;
use cbm_proto::{
    accord::{
        AttestationText, Conflict, Directory, Document, DocumentError, DocumentKind,
        RevocationText, Revoked, fingerprints,
        read::{AccordText, CertificateText, ContactText},
    },
    id::KeyId,
    keys::OfficeKey,
    primitives::SignPublic,
    time::Timestamp,
};
use std::path::Path;

/// Shows one document; of an accord also who has signed and what it changes.
///
/// # Errors
/// It is no document, a signature does not hold, or the version before is not at hand.
pub fn show(file: &Path, against: Before<'_>) -> Result<Shown, CeremonyError> {
    let document = documents::read(file)?;
    Ok(match document.kind() {
        DocumentKind::Accord => {
            let before = before(file, &AccordText::read(&document)?, against)?;
            Shown::Accord(accord_shown(file, &document, before.as_ref())?)
        }
        DocumentKind::Certificate => Shown::Certificate(certificate(&document)?),
        DocumentKind::Contact => {
            let text = ContactText::read(&document)?;
            Shown::Contact {
                station: text.station.to_string(),
                serial: text.serial,
                addresses: text.addresses,
                offices: text.offices.into_iter().map(|office| office.code).collect(),
            }
        }
        DocumentKind::Charter => {
            let directory = against.documents.map(documents::load).transpose()?;
            let directory = directory.map(|loaded| loaded.directory);
            Shown::Charter(charter::shown(Some(file), &document, directory.as_ref())?)
        }
        DocumentKind::Revocation => Shown::Revocation(revocation(&document)?),
        DocumentKind::Attestation => Shown::Attestation(attestation(&document)?),
    })
}

/// The certificate in force of a station.
pub(super) fn in_force(
    directory: &Directory,
    station: &cbm_proto::id::StationName,
) -> Option<CertificateText> {
    let serial = directory.by_name(station)?.serial;
    certified(directory, station).find(|text| text.serial == serial)
}

/// The key of an office, in words.
pub(super) fn office(key: &OfficeKey) -> String {
    format!("OFFICE {} {}", key.key.id(), key.office)
}

/// The keys that a certificate lists, those of offices too, each with its role.
pub(super) fn all_keys(text: &CertificateText) -> Vec<(&'static str, KeyId)> {
    let offices = text.keys.office.iter().map(|key| ("OFFICE", key.key.id()));
    keys(text).into_iter().chain(offices).collect()
}

/// The keys that a certificate lists as the station's own, each with its role.
pub(super) fn keys(text: &CertificateText) -> Vec<(&'static str, KeyId)> {
    let peer = |key: &[u8; 32]| SignPublic::check(*key).ok().map(|key| ("PEER", key.id()));
    let sign = text.keys.sign.iter().map(|key| ("SIGN", key.id()));
    let seal = text.keys.seal.iter().map(|key| ("SEAL", key.id()));
    sign.chain(text.keys.peer.iter().filter_map(peer)).chain(seal).collect()
}

fn certificate(document: &Document) -> Result<CertificateShown, DocumentError> {
    let text = CertificateText::read(document)?;
    let own = keys(&text).into_iter().map(|(role, id)| format!("{role} {id}"));
    Ok(CertificateShown {
        keys: own.chain(text.keys.office.iter().map(office)).collect(),
        station: text.station.to_string(),
        serial: text.serial,
        not_after: text.not_after.map(|end| end.to_string()),
        statuses: text.scopes.statuses.into_iter().collect(),
    })
}

pub(super) fn revocation(document: &Document) -> Result<RevocationShown, DocumentError> {
    let text = RevocationText::read(document)?;
    Ok(RevocationShown {
        file: None,
        role: text.station.is_none().then(|| "AUTHORITY".to_owned()),
        party: text.party.to_string(),
        station: text.station.map(|station| station.to_string()),
        key: text.key.to_string(),
        reason: text.reason,
        made_at: text.made_at.to_string(),
        stands_by: text.heads.len(),
    })
}

pub(super) fn attestation(document: &Document) -> Result<AttestationShown, DocumentError> {
    Ok(attested(&AttestationText::read(document)?))
}

fn attested(text: &AttestationText) -> AttestationShown {
    AttestationShown {
        file: None,
        by: text.by.to_string(),
        subject: text.subject.to_string(),
        method: text.method.word().to_owned(),
        keys: text.keys.iter().map(ToString::to_string).collect(),
        made_at: text.made_at.to_string(),
    }
}

/// Checks a folder of documents as a station would, and shows what it makes of it.
///
/// # Errors
/// There is no complete accord in it. Other documents that are not believed are listed.
pub fn verify(folder: &Path, now: Timestamp) -> Result<Verified, CeremonyError> {
    let loaded = documents::load(folder)?;
    let directory = &loaded.directory;
    let stations = directory.members().map(|member| StationShown {
        station: member.name.to_string(),
        id: member.id.to_string(),
        role: role_word(member.role),
        serial: member.serial,
        addresses: member.addresses.clone(),
        expired: member.is_expired(now),
        silenced: member.silenced,
    });
    let mut stations: Vec<_> = stations.collect();
    stations.sort_by(|a, b| a.station.cmp(&b.station));
    Ok(Verified {
        network: directory.network().to_string(),
        words: fingerprint_of(&cbm_proto::id::Digest(directory.network().0)).words(),
        accord_version: directory.accord_version(),
        parties: parties(directory)?,
        stations,
        groups: groups(directory)?,
        revocations: directory.revocations().map(|r| revoked(directory, r)).collect(),
        attestations: directory.attestations().map(attested).collect(),
        conflicts: directory.conflicts().iter().map(conflict).collect(),
        refused: loaded.refused.iter().map(ToString::to_string).collect(),
    })
}

fn parties(directory: &Directory) -> Result<Vec<PartyShown>, CeremonyError> {
    let accord = directory.document(&directory.accord_digest());
    let prints = accord.map(|bytes| fingerprints(&Document::decode(bytes)?)).transpose()?;
    let prints = prints.unwrap_or_default();
    let shown = directory.parties().map(|party| PartyShown {
        code: party.code.to_string(),
        name: party.name.clone(),
        role: role_word(party.role),
        fingerprints: prints
            .iter()
            .find(|(code, _)| *code == party.code)
            .map_or(vec![], |(_, prints)| hexes(prints)),
        contested: party.contested,
    });
    Ok(shown.collect())
}

fn groups(directory: &Directory) -> Result<Vec<CharterShown>, CeremonyError> {
    let mut shown = Vec::new();
    for group in directory.groups() {
        let charter = group.charter.and_then(|(_, digest)| directory.document(&digest));
        if let Some(bytes) = charter {
            let mut one = charter::shown(None, &Document::decode(bytes)?, Some(directory))?;
            one.name.clone_from(&group.name);
            shown.push(one);
        }
    }
    Ok(shown)
}

fn revoked(directory: &Directory, revoked: &Revoked) -> RevocationShown {
    RevocationShown {
        file: None,
        party: revoked.party.to_string(),
        station: revoked.station.as_ref().map(ToString::to_string),
        key: revoked.key.to_string(),
        role: match &revoked.station {
            None => Some("AUTHORITY".to_owned()),
            Some(station) => certified(directory, station)
                .find_map(|text| all_keys(&text).iter().find(|k| k.1 == revoked.key).map(|k| k.0))
                .map(str::to_owned),
        },
        reason: revoked.reason.clone(),
        made_at: revoked.made_at.to_string(),
        stands_by: revoked.heads.len(),
    }
}

/// Every certificate of a station that the directory holds.
pub(super) fn certified<'a>(
    directory: &'a Directory,
    station: &'a cbm_proto::id::StationName,
) -> impl Iterator<Item = CertificateText> + 'a {
    directory.documents().into_values().filter_map(move |bytes| {
        let document = Document::decode(&bytes).ok()?;
        (document.kind() == DocumentKind::Certificate).then_some(())?;
        CertificateText::read(&document).ok().filter(|text| text.station == *station)
    })
}

/// A conflict in one sentence.
fn conflict(conflict: &Conflict) -> String {
    let short = |digest: &cbm_proto::id::Digest| fingerprint_of(digest).hex();
    match conflict {
        Conflict::Contested { version, heads, parties } => format!(
            "contested: {} versions {version} of the accord, both signed by enough parties ({}); \
             without rights until a version {} follows one of them: {}",
            heads.len(),
            heads.iter().map(short).collect::<Vec<_>>().join(" | "),
            version.saturating_add(1),
            list(&codes(parties)),
        ),
        Conflict::AccordBeside { version, digest, signed_both } => format!(
            "another version {version} of the accord ({}) is not in force; signed both: {}",
            short(digest),
            list(&codes(signed_both)),
        ),
        Conflict::CharterBeside { group, digest } => {
            format!("another last version of charter {group} ({}) is not in force", short(digest))
        }
        Conflict::SameName { name, shown } => {
            format!("two charters are called {name}; the second one is shown as {shown}")
        }
        Conflict::SameSerial { station, serial } => {
            format!("{station} has two certificates of serial {serial}; certify it once more")
        }
        Conflict::PeerTwice { counts, other } => format!(
            "the PEER key of {counts} is certified for {other} too, and does not count there"
        ),
        Conflict::TooManyStations { party, left_out } => {
            let left: Vec<_> = left_out.iter().map(ToString::to_string).collect();
            format!("{party} has more stations than it may; left out: {}", list(&left))
        }
    }
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "nobody".to_owned() } else { words.join(", ") }
}
