//! Taking keys back, and vouching for those of others: what a party's authority says alone.
//!
//! Invariants: a revocation is written only for a key that the documents show as the party's own,
//! and says outright what stays valid; an attestation names the very keys of the card that was
//! checked, and only if they are those of the accord in force.

use super::{
    AttestationShown, CeremonyError, RevocationShown, card,
    look::{self, all_keys, certified, keys},
};
use crate::{documents, keystore::signer::Signer};
use cbm_proto::{
    accord::{
        Directory, Document, DocumentError, Head, Method,
        make::{self, AttestationDraft, RevocationDraft},
    },
    id::{Digest, Incarnation, KeyId, LaneId, PartyCode, StationName},
    primitives::SignPublic,
    time::Timestamp,
};
use std::path::{Path, PathBuf};

/// Which keys are taken back.
#[derive(Clone, Debug)]
pub enum Taken {
    /// All keys of its own in a station's certificate: of this serial, or of the one in force.
    Certificate(StationName, Option<u64>),
    /// All keys on a station's card.
    Card(PathBuf),
    /// One key of a station.
    Key(StationName, KeyId),
    /// An authority key of the party that signs.
    Authority(KeyId),
}

/// What is taken back, and what stays valid.
#[derive(Clone, Copy)]
pub struct TakeBack<'a> {
    /// Folder of documents; the revocations go there.
    pub documents: &'a Path,
    /// Who signs: an authority key of the party.
    pub authority: &'a dyn Signer,
    /// Which keys.
    pub what: &'a Taken,
    /// Letters that the party stands by: the last header of each feed.
    pub heads: &'a [Head],
    /// Of an authority key: documents that the party stands by.
    pub kept: &'a [(PathBuf, Document)],
    /// Why, in at most 128 characters.
    pub reason: &'a str,
}

/// Writes one revocation for each key.
///
/// # Errors
/// The signer is no authority, or the key is not its party's.
pub fn revoke(
    what: &TakeBack<'_>,
    made_at: Timestamp,
) -> Result<Vec<RevocationShown>, CeremonyError> {
    let mut directory = documents::load(what.documents)?.directory;
    let party = party_of(&directory, what.authority)?;
    let (station, taken) = named(&directory, what.what)?;
    if let Some(station) = station.as_ref().filter(|station| *station.party() != party) {
        let whose = format!("party {}, whose station it is", station.party());
        return Err(CeremonyError::NoSay { keys: what.authority.place().into(), whose });
    }
    let mut written = Vec::new();
    for (role, key) in taken {
        if role == "AUTHORITY" && !owns(&directory, &party, &key) {
            return Err(CeremonyError::UnknownKey {
                key: key.to_string(),
                whose: party.to_string(),
            });
        }
        let heads = match role {
            // What an office signed stands in receipts of its station.
            "SIGN" | "OFFICE" => what.heads.to_vec(),
            "AUTHORITY" => what.kept.iter().map(|(_, d)| Head::of_document(d.digest())).collect(),
            // Nothing is read from what a station links or is sealed to.
            _ => Vec::new(),
        };
        let draft = RevocationDraft {
            party: party.clone(),
            station: station.clone(),
            key,
            heads,
            reason: what.reason.to_owned(),
            made_at,
        };
        let document = what.authority.sign(make::revocation(&directory.network(), &draft)?)?;
        directory.admit(document.bytes())?;
        let whose = station.as_ref().map_or(party.to_string(), |s| s.to_string().replace('/', "-"));
        let short: String = key.to_string().chars().take(8).collect();
        let file = what.documents.join(format!("{whose}-revocation-{short}.{}", documents::ENDING));
        documents::write(&file, document.bytes())?;
        let mut shown = look::revocation(&document)?;
        (shown.file, shown.role) = (Some(file), Some(role.to_owned()));
        written.push(shown);
    }
    Ok(written)
}

type Named = (Option<StationName>, Vec<(&'static str, KeyId)>);

fn named(directory: &Directory, what: &Taken) -> Result<Named, CeremonyError> {
    match what {
        Taken::Authority(key) => Ok((None, vec![("AUTHORITY", *key)])),
        Taken::Card(path) => {
            let (station, public) = card::read_station(path)?;
            let peer = SignPublic::check(public.peer).map(|key| ("PEER", key.id()));
            let mut keys = vec![("SIGN", public.sign.id()), ("SEAL", public.epoch.id())];
            keys.extend(peer.ok());
            Ok((Some(station), keys))
        }
        Taken::Certificate(station, serial) => {
            let unknown = || DocumentError::UnknownStation(station.to_string());
            let member = directory.by_name(station).ok_or_else(unknown)?;
            let serial = serial.unwrap_or(member.serial);
            let text = certified(directory, station).find(|text| text.serial == serial);
            let text = text.ok_or_else(|| CeremonyError::NoSerial {
                station: station.to_string(),
                serial,
                have: member.serial,
            })?;
            Ok((Some(station.clone()), keys(&text)))
        }
        Taken::Key(station, key) => {
            let found = certified(directory, station)
                .find_map(|text| all_keys(&text).into_iter().find(|(_, id)| id == key));
            let found = found.ok_or_else(|| CeremonyError::UnknownKey {
                key: key.to_string(),
                whose: station.to_string(),
            })?;
            Ok((Some(station.clone()), vec![found]))
        }
    }
}

fn owns(directory: &Directory, code: &PartyCode, key: &KeyId) -> bool {
    directory.party(code).is_some_and(|party| party.authority.contains_key(key))
}

/// The party whose authority signs.
pub(super) fn party_of(
    directory: &Directory,
    authority: &dyn Signer,
) -> Result<PartyCode, CeremonyError> {
    let key = authority.public().id();
    let party = directory.parties().find(|party| party.authority.contains_key(&key));
    party.map(|party| party.code.clone()).ok_or_else(|| CeremonyError::NoSay {
        keys: authority.place().into(),
        whose: "party of this accord".to_owned(),
    })
}

/// Says that the keys on a card were checked, and how.
///
/// # Errors
/// The card is not that of a party in the accord, or the signer is no authority of another one.
pub fn attest(
    folder: &Path,
    authority: &dyn Signer,
    card: &Path,
    method: Method,
    made_at: Timestamp,
) -> Result<AttestationShown, CeremonyError> {
    let mut directory = documents::load(folder)?.directory;
    let by = party_of(&directory, authority)?;
    let (subject, public) = card::read_authority(card)?;
    let key = public.sign.id();
    let current = directory.party(&subject).is_some_and(|party| party.current.contains(&key));
    if !current {
        let card = card.to_owned();
        return Err(CeremonyError::NotInForce { card, code: subject.to_string() });
    }
    let draft = AttestationDraft {
        by: by.clone(),
        subject: subject.clone(),
        keys: vec![key],
        method,
        made_at,
    };
    let document = authority.sign(make::attestation(&directory.network(), &draft)?)?;
    directory.admit(document.bytes())?;
    let file = folder.join(format!("{by}-attests-{subject}.{}", documents::ENDING));
    documents::write(&file, document.bytes())?;
    let mut shown = look::attestation(&document)?;
    shown.file = Some(file);
    Ok(shown)
}

/// The heads in a file that `cbm journal heads STATION --json` wrote: one JSON object a line, or
/// a list of them.
///
/// # Errors
/// It cannot be read, or holds something else.
pub fn read_heads(path: &Path) -> Result<Vec<Head>, CeremonyError> {
    let wrong = |cause: &str| super::wrong_text(path, cause);
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    let stream = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
    let values: Vec<_> = stream.collect::<Result<_, _>>().map_err(|e| wrong(&e.to_string()))?;
    let heads = values.into_iter().flat_map(|value| match value {
        serde_json::Value::Array(all) => all,
        serde_json::Value::Object(mut one) => match one.remove("heads") {
            Some(serde_json::Value::Array(all)) => all,
            _ => vec![serde_json::Value::Object(one)],
        },
        other => vec![other],
    });
    heads.map(|value| head(&value).ok_or_else(|| wrong(NO_HEAD))).collect()
}

const NO_HEAD: &str = "is not what `cbm journal heads STATION --json` writes: \
                       incarnation, lane, seq and header in hex";

fn head(value: &serde_json::Value) -> Option<Head> {
    let hex = |key: &str| value.get(key)?.as_str();
    Some(Head {
        incarnation: Incarnation::from_hex(hex("incarnation")?)?,
        lane: LaneId::from_hex(hex("lane")?)?,
        seq: value.get("seq")?.as_u64()?,
        header: Digest::from_hex(hex("header")?)?,
    })
}

/// Documents in a folder or a file, as paths.
///
/// # Errors
/// The folder cannot be read.
fn document_paths(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CeremonyError> {
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            all.extend(documents::list(path)?);
        } else {
            all.push(path.clone());
        }
    }
    Ok(all)
}

/// Documents of paths, each as it travels.
///
/// # Errors
/// One is no document.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Document)>, CeremonyError> {
    let all = document_paths(paths)?;
    all.into_iter().map(|path| Ok((path.clone(), documents::read(&path)?))).collect()
}
