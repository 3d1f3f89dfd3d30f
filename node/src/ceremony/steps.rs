//! The steps themselves, in the order in which people take them.

use super::{
    CeremonyError, KeysMade, Written,
    card::{self, AUTHORITY_CARD, OFFICE_CARD, STATION_CARD},
    kind_word, look,
};
use crate::{
    documents,
    keystore::{Keystore, KeystoreError, Unlock, signer::Signer, token},
};
use cbm_proto::{
    accord::{
        Directory, Document, DocumentError, DocumentKind, Office, Scopes,
        make::{self, CertificateDraft},
        station_id,
    },
    id::{PartyCode, StationName},
    keys::{AuthorityKeys, AuthorityPublic, Fingerprint, OfficeKey, StationKeys, StationPublic},
    primitives::{DsaSecret, Entropy, SignPublic, SignSecret},
    time::Timestamp,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Makes a party's authority keys in a new folder, with a card for the others beside them. `seal`:
/// what opens them from now on; `None`: they are left open.
///
/// # Errors
/// The folder holds something, or cannot be written.
pub fn keygen_authority(
    folder: &Path,
    party: &PartyCode,
    seal: Option<&Unlock>,
    entropy: &mut Entropy,
) -> Result<KeysMade, CeremonyError> {
    let keys = AuthorityKeys::generate(entropy);
    keystore(folder, seal)?.save_authority(&keys)?;
    let card = folder.join(AUTHORITY_CARD);
    card::write_authority(&card, party, &keys.public())?;
    Ok(made(party.to_string(), folder, card, &keys.public().fingerprint()))
}

/// The same with the signing key in a token, where it is made if it is not there yet; the folder gets
/// its ML-DSA companion, which no token holds so far, and the card.
///
/// # Errors
/// As [`keygen_authority`], and when the token does not do it.
pub fn keygen_authority_in_token(
    folder: &Path,
    party: &PartyCode,
    uri: &str,
    seal: Option<&Unlock>,
    entropy: &mut Entropy,
) -> Result<KeysMade, CeremonyError> {
    let store = keystore(folder, seal)?;
    let (sign, made_now) = token::make(uri, entropy.bytes())?;
    let dsa = DsaSecret::from_seed(&entropy.bytes());
    store.save_companion(&dsa)?;
    let public = AuthorityPublic { sign, dsa: Box::new(dsa.public()) };
    let card = folder.join(AUTHORITY_CARD);
    card::write_authority(&card, party, &public)?;
    let keys = made(party.to_string(), folder, card, &public.fingerprint());
    Ok(KeysMade { made_in_token: Some(made_now), ..keys })
}

/// Makes the key of an office in a new folder, with a card for the party's authority beside it.
///
/// # Errors
/// As [`keygen_authority`].
pub fn keygen_office(
    folder: &Path,
    seal: Option<&Unlock>,
    entropy: &mut Entropy,
) -> Result<KeysMade, CeremonyError> {
    let secret = SignSecret::from_seed(&entropy.bytes());
    keystore(folder, seal)?.save_office(&secret)?;
    office_made(folder, &secret.public())
}

/// The same in a token, where the key is made if it is not there yet; the folder gets the card alone.
///
/// # Errors
/// As [`keygen_office`], and when the token does not do it.
pub fn keygen_office_in_token(
    folder: &Path,
    uri: &str,
    entropy: &mut Entropy,
) -> Result<KeysMade, CeremonyError> {
    keystore(folder, None)?;
    let (key, made_now) = token::make(uri, entropy.bytes())?;
    Ok(KeysMade { made_in_token: Some(made_now), ..office_made(folder, &key)? })
}

fn office_made(folder: &Path, key: &SignPublic) -> Result<KeysMade, CeremonyError> {
    let card = folder.join(OFFICE_CARD);
    card::write_office(&card, key)?;
    Ok(made("an office".to_owned(), folder, card, &OfficeKey::fingerprint(key)))
}

/// Where a station's new keys go, and what opens them.
#[derive(Clone, Copy, Debug, Default)]
pub struct StationSeal<'a> {
    /// What opens them; `None`: they are left open.
    pub keys: Option<&'a Unlock>,
    /// Folder of the archive key, where it is kept apart.
    pub archive: Option<&'a Path>,
    /// What opens that one.
    pub archive_keys: Option<&'a Unlock>,
}

fn keystore(folder: &Path, seal: Option<&Unlock>) -> Result<Keystore, KeystoreError> {
    match seal {
        Some(how) => Keystore::create_sealed(folder, how),
        None => Keystore::create(folder),
    }
}

/// Makes a station's keys in a new folder, with a card for its authority beside them.
///
/// # Errors
/// The folder holds something, or cannot be written.
pub fn keygen_station(
    folder: &Path,
    station: &StationName,
    seal: &StationSeal<'_>,
    entropy: &mut Entropy,
) -> Result<KeysMade, CeremonyError> {
    let keys = StationKeys::generate(entropy);
    let mut store = keystore(folder, seal.keys)?;
    if let Some(archive) = seal.archive {
        store = store.with_archive(keystore(archive, seal.archive_keys)?);
    }
    store.save_station(&keys)?;
    let card = folder.join(STATION_CARD);
    card::write_station(&card, station, &keys.public())?;
    Ok(made(station.to_string(), folder, card, &keys.public().fingerprint()))
}

fn made(owner: String, keys: &Path, card: PathBuf, print: &Fingerprint) -> KeysMade {
    let (fingerprint, words) = (print.hex(), print.words());
    KeysMade { owner, keys: keys.to_owned(), card, fingerprint, words, made_in_token: None }
}

/// By what it is known who may certify.
#[derive(Clone, Copy, Debug)]
pub enum Base<'a> {
    /// Version 1 of the accord, complete; enough for the parties of that version.
    Accord(&'a Path),
    /// A folder of documents.
    Folder(&'a Path),
}

/// The station that is certified.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// With the keys on this card.
    Card(&'a Path),
    /// With the keys of its certificate in force.
    Known(&'a StationName),
}

/// What an authority certifies.
#[derive(Clone)]
pub struct Certification<'a> {
    /// By what it is known who may certify.
    pub base: Base<'a>,
    /// Which station, and with which keys.
    pub whose: Whose<'a>,
    /// Offices that answer there and sign, each with the card of a key; they stand beside those of
    /// the certificate in force.
    pub offices: &'a [(String, PathBuf)],
    /// Offices whose keys the certificate in force lists and the new one does not.
    pub dropped: &'a [String],
    /// The authority key of the station's party.
    pub authority: &'a dyn Signer,
    /// Folder of documents to write into.
    pub out: &'a Path,
    /// Higher than that of the certificate before, from 1; `None`: the next one.
    pub serial: Option<u64>,
    /// The station may send no more than TEST letters.
    pub test_only: bool,
    /// When it ends; `None`: open.
    pub not_after: Option<Timestamp>,
}

/// Code of status TEST.
const TEST: u32 = 3;

/// Certifies a station.
///
/// # Errors
/// The accord is incomplete, or the keys are not those of the station's party.
pub fn certify(what: &Certification<'_>, made_at: Timestamp) -> Result<Written, CeremonyError> {
    let mut directory = network(what.base)?;
    let (station, public) = whose(&directory, what.whose)?;
    let party = directory.party(station.party());
    if !party.is_some_and(|party| party.authority.contains_key(&what.authority.public().id())) {
        let whose = format!("party {} of this accord", station.party());
        return Err(CeremonyError::NoSay { keys: what.authority.place().to_owned(), whose });
    }
    let statuses = if what.test_only { BTreeSet::from([TEST]) } else { BTreeSet::new() };
    let held = directory.by_name(&station).map_or(0, |member| member.serial);
    let serial = what.serial.unwrap_or(held.saturating_add(1));
    let draft = CertificateDraft {
        station: station.clone(),
        serial,
        scopes: Scopes { statuses, types: BTreeSet::new() },
        made_at,
        not_after: what.not_after,
    };
    let offices = offices(&directory, &station, what)?;
    let network = directory.network();
    let document = make::certificate_with_offices(&network, &draft, &public, &offices)?;
    let document = what.authority.sign(document)?;
    directory.admit(document.bytes())?;
    let shown = written(what.out, &document, &station, serial, &public.fingerprint())?;
    Ok(Written { offices: offices.iter().map(look::office).collect(), ..shown })
}

fn whose(
    directory: &Directory,
    whose: Whose<'_>,
) -> Result<(StationName, StationPublic), CeremonyError> {
    match whose {
        Whose::Card(path) => card::read_station(path),
        Whose::Known(station) => {
            let unknown = || DocumentError::UnknownStation(station.to_string());
            let text = look::in_force(directory, station).ok_or_else(unknown)?;
            Ok((station.clone(), text.public().ok_or_else(unknown)?))
        }
    }
}

/// Those of the certificate in force that were neither dropped nor taken back, and the new ones.
fn offices(
    directory: &Directory,
    station: &StationName,
    what: &Certification<'_>,
) -> Result<Vec<OfficeKey>, CeremonyError> {
    let text = look::in_force(directory, station);
    let mut keys = text.map(|text| text.keys.office).unwrap_or_default();
    if let Some(code) = what.dropped.iter().find(|c| keys.iter().all(|key| key.office != **c)) {
        let (station, code) = (station.to_string(), code.clone());
        return Err(CeremonyError::NoOffice { station, code });
    }
    let id = station_id(&directory.network(), station);
    keys.retain(|key| {
        !what.dropped.contains(&key.office) && directory.revoked(&id, &key.key.id()).is_none()
    });
    for (office, path) in what.offices {
        let new = OfficeKey { office: office.clone(), key: card::read_office(path)? };
        if !keys.contains(&new) {
            keys.push(new);
        }
    }
    Ok(keys)
}

/// What a station announces.
#[derive(Clone, Debug)]
pub struct Announcement<'a> {
    /// Folder of documents with the accord and the station's certificate; the contact goes there.
    pub documents: &'a Path,
    /// Folder of the station's keys.
    pub keys: &'a Path,
    /// What opens them.
    pub unlock: &'a Unlock,
    /// Which station.
    pub station: &'a StationName,
    /// Multiaddresses without a peer id, most wanted first.
    pub addresses: &'a [String],
    /// Who answers there.
    pub offices: &'a [Office],
}

/// Writes a station's contact record; its serial is the time, so that the newest one stands.
///
/// # Errors
/// The station is not certified with these keys, or an address is none.
pub fn announce(what: &Announcement<'_>, made_at: Timestamp) -> Result<Written, CeremonyError> {
    let mut directory = documents::load(what.documents)?.directory;
    let (sign, public) = Keystore::open(what.keys)?.unlock(what.unlock)?.load_announcing()?;
    let certified = directory
        .by_name(what.station)
        .is_some_and(|member| member.sign_keys.contains_key(&sign.public().id()));
    if !certified {
        let station = what.station.to_string();
        return Err(CeremonyError::NotCertified { keys: what.keys.to_owned(), station });
    }
    let (network, serial) = (directory.network(), made_at.0.max(1));
    let document =
        make::contact(&network, what.station, serial, what.addresses, what.offices, made_at)?
            .signed_by(&sign);
    directory.admit(document.bytes())?;
    written(what.documents, &document, what.station, serial, &public.fingerprint())
}

fn network(base: Base<'_>) -> Result<Directory, CeremonyError> {
    match base {
        Base::Accord(file) => Ok(Directory::new(documents::read(file)?.bytes())?),
        Base::Folder(folder) => Ok(documents::load(folder)?.directory),
    }
}

fn written(
    folder: &Path,
    document: &Document,
    station: &StationName,
    serial: u64,
    print: &Fingerprint,
) -> Result<Written, CeremonyError> {
    let kind = match document.kind() {
        DocumentKind::Contact => "contact",
        _ => "certificate",
    };
    // A later certificate stands beside the earlier ones: what was signed by their keys is read by
    // them. A contact record takes the place of the one before.
    let number = match document.kind() {
        DocumentKind::Certificate if serial > 1 => format!("-{serial}"),
        _ => String::new(),
    };
    let (party, short, ending) = (station.party(), station.station(), documents::ENDING);
    let name = format!("{party}-{short}-{kind}{number}.{ending}");
    let file = folder.join(name);
    documents::write(&file, document.bytes())?;
    let kind = kind_word(document.kind());
    let (station, words) = (station.to_string(), print.words());
    Ok(Written { file, kind, station, serial, words, offices: Vec::new() })
}
