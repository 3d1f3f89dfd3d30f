//! Cards: the public halves of keys as a small TOML file, to be handed to another party.
//!
//! Invariant: a card that was read holds keys that passed the same checks as in a document, and
//! its fingerprint is the one that its keys have: a card that was changed on the way, or by hand,
//! is refused. It proves nothing about its owner; people compare fingerprints by voice.

use super::CeremonyError;
use cbm_proto::{
    id::{PartyCode, StationName, hex, unhex},
    keys::{AuthorityPublic, Fingerprint, OfficeKey, StationPublic},
    primitives::{DSA_PUBLIC_LEN, EpochPublic, SignPublic},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{fs, path::Path};

/// File name of an authority's card in the folder of its keys.
pub const AUTHORITY_CARD: &str = "authority.toml";
/// File name of a station's card in the folder of its keys.
pub const STATION_CARD: &str = "station.toml";

/// File name of an office's card in the folder of its key.
pub const OFFICE_CARD: &str = "office.toml";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfficeText {
    fingerprint: String,
    words: String,
    office_ed25519: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorityText {
    party: String,
    fingerprint: String,
    words: String,
    ed25519: String,
    ml_dsa_44: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StationText {
    station: String,
    fingerprint: String,
    words: String,
    peer: String,
    sign: String,
    sign_ml_dsa_44: String,
    seal_x25519: String,
    seal_ml_kem_768: String,
}

/// Writes an authority's card.
///
/// # Errors
/// What the system says.
pub fn write_authority(
    path: &Path,
    party: &PartyCode,
    keys: &AuthorityPublic,
) -> Result<(), CeremonyError> {
    let print = keys.fingerprint();
    let text = AuthorityText {
        party: party.to_string(),
        fingerprint: print.hex(),
        words: print.words(),
        ed25519: hex(keys.sign.as_bytes()),
        ml_dsa_44: hex(&keys.dsa[..]),
    };
    write(path, &text)
}

/// Reads an authority's card.
///
/// # Errors
/// It is not one, a key is weak, or the fingerprint is not that of its keys.
pub fn read_authority(path: &Path) -> Result<(PartyCode, AuthorityPublic), CeremonyError> {
    let text: AuthorityText = read(path)?;
    let keys = AuthorityPublic {
        sign: sign_key(path, "ed25519", &text.ed25519)?,
        dsa: dsa_key(path, "ml_dsa_44", &text.ml_dsa_44)?,
    };
    compare(path, &keys.fingerprint(), &text.fingerprint, &text.words)?;
    Ok((PartyCode::new(&text.party)?, keys))
}

/// Writes an office's card. It names no office: for which one the key stands, the certificate says.
///
/// # Errors
/// What the system says.
pub fn write_office(path: &Path, key: &SignPublic) -> Result<(), CeremonyError> {
    let print = OfficeKey::fingerprint(key);
    let office_ed25519 = hex(key.as_bytes());
    write(path, &OfficeText { fingerprint: print.hex(), words: print.words(), office_ed25519 })
}

/// Reads an office's card.
///
/// # Errors
/// It is not one, the key is weak, or the fingerprint is not that of the key.
pub fn read_office(path: &Path) -> Result<SignPublic, CeremonyError> {
    let text: OfficeText = read(path)?;
    let key = sign_key(path, "office_ed25519", &text.office_ed25519)?;
    compare(path, &OfficeKey::fingerprint(&key), &text.fingerprint, &text.words)?;
    Ok(key)
}

/// Writes a station's card.
///
/// # Errors
/// What the system says.
pub fn write_station(
    path: &Path,
    station: &StationName,
    keys: &StationPublic,
) -> Result<(), CeremonyError> {
    let print = keys.fingerprint();
    let text = StationText {
        station: station.to_string(),
        fingerprint: print.hex(),
        words: print.words(),
        peer: hex(&keys.peer),
        sign: hex(keys.sign.as_bytes()),
        sign_ml_dsa_44: hex(&keys.dsa[..]),
        seal_x25519: hex(keys.epoch.x()),
        seal_ml_kem_768: hex(keys.epoch.kem()),
    };
    write(path, &text)
}

/// Reads a station's card.
///
/// # Errors
/// It is not one, a key is weak, or the fingerprint is not that of its keys.
pub fn read_station(path: &Path) -> Result<(StationName, StationPublic), CeremonyError> {
    let text: StationText = read(path)?;
    let half = |key, value: &str| unhex(value).ok_or_else(|| wrong(path, key, "is not hex"));
    let x = half("seal_x25519", &text.seal_x25519)?;
    let kem = half("seal_ml_kem_768", &text.seal_ml_kem_768)?;
    let keys = StationPublic {
        peer: *sign_key(path, "peer", &text.peer)?.as_bytes(),
        sign: sign_key(path, "sign", &text.sign)?,
        dsa: dsa_key(path, "sign_ml_dsa_44", &text.sign_ml_dsa_44)?,
        epoch: EpochPublic::check(&x, &kem)
            .map_err(|error| wrong(path, "seal", &error.to_string()))?,
    };
    compare(path, &keys.fingerprint(), &text.fingerprint, &text.words)?;
    Ok((StationName::parse(&text.station)?, keys))
}

fn sign_key(path: &Path, key: &str, value: &str) -> Result<SignPublic, CeremonyError> {
    let bytes: [u8; 32] = unhex(value)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| wrong(path, key, "is not 64 hex digits"))?;
    SignPublic::check(bytes).map_err(|error| wrong(path, key, &error.to_string()))
}

fn dsa_key(
    path: &Path,
    key: &str,
    value: &str,
) -> Result<Box<[u8; DSA_PUBLIC_LEN]>, CeremonyError> {
    let bytes: Option<[u8; DSA_PUBLIC_LEN]> = unhex(value).and_then(|bytes| bytes.try_into().ok());
    bytes.map(Box::new).ok_or_else(|| wrong(path, key, "is not 2,624 hex digits"))
}

fn compare(path: &Path, print: &Fingerprint, hex: &str, words: &str) -> Result<(), CeremonyError> {
    if print.hex() == hex && print.words() == words {
        return Ok(());
    }
    Err(wrong(path, "fingerprint", "is not that of the keys below it: ask for the card again"))
}

fn wrong(path: &Path, key: &str, rule: &str) -> CeremonyError {
    CeremonyError::Text { path: path.to_owned(), cause: format!("{key} {rule}") }
}

pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, CeremonyError> {
    let text = |cause| CeremonyError::Text { path: path.to_owned(), cause };
    let content = fs::read_to_string(path).map_err(|error| text(error.to_string()))?;
    toml::from_str(&content).map_err(|error| text(error.to_string()))
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), CeremonyError> {
    let text = |cause| CeremonyError::Text { path: path.to_owned(), cause };
    let content = toml::to_string(value).map_err(|error| text(error.to_string()))?;
    crate::documents::write_whole(path, content.as_bytes()).map_err(|error| text(error.to_string()))
}
