//! The steps themselves, in the order in which people take them.

use super::{
    AccordShown, CeremonyError, KeysMade, PartyShown, Shown, StationShown, Verified, Written,
    card::{self, AUTHORITY_CARD, STATION_CARD},
    codes, kind_word, role_word,
};
use crate::{
    documents,
    keystore::{Keystore, KeystoreError, Unlock, signer::Signer},
};
use cbm_proto::{
    accord::{
        Directory, Document, DocumentError, DocumentKind, Office, Role, Scopes, count_signatures,
        make::{self, AccordDraft, CertificateDraft, PartyDraft},
        read::{
            AccordText, AttestationText, CertificateText, CharterText, ContactText, RevocationText,
        },
    },
    id::{NetworkId, PartyCode, StationName},
    keys::{AuthorityKeys, Fingerprint, StationKeys},
    primitives::Entropy,
    time::Timestamp,
};
use serde::Deserialize;
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
    KeysMade { owner, keys: keys.to_owned(), card, fingerprint: print.hex(), words: print.words() }
}

/// What `new_accord` reads: who takes part, each by its card.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    threshold: Option<usize>,
    parties: Vec<PartyDescription>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartyDescription {
    name: String,
    role: String,
    /// Path of the authority's card, relative to the description.
    card: PathBuf,
}

/// Draws up version 1 of an accord from a description, still without signatures.
///
/// # Errors
/// The description or a card cannot be used, or the accord would break a rule.
pub fn new_accord(
    description: &Path,
    out: &Path,
    made_at: Timestamp,
) -> Result<AccordShown, CeremonyError> {
    let text: Description = card::read(description)?;
    let folder = description.parent().unwrap_or(Path::new(""));
    let party = |party: &PartyDescription| -> Result<PartyDraft, CeremonyError> {
        let (code, authority) = card::read_authority(&folder.join(&party.card))?;
        let role = Role::from_word(&party.role).ok_or_else(|| CeremonyError::Text {
            path: description.to_owned(),
            cause: format!(
                "role `{}` is none of STATE, OBSERVER, CONVENER, VERIFIER, CONTRIBUTOR",
                party.role
            ),
        })?;
        Ok(PartyDraft { code, name: party.name.clone(), role, authority })
    };
    let parties = text.parties.iter().map(party).collect::<Result<Vec<_>, _>>()?;
    let states = parties.iter().filter(|party| party.role == Role::State).count();
    let draft = AccordDraft {
        name: text.name,
        parties,
        threshold: text.threshold.unwrap_or(states / 2 + 1),
        made_at,
        not_after: None,
        after: None,
    };
    let document = make::accord(&draft)?;
    documents::write(out, document.bytes())?;
    accord_shown(out, &document, None)
}

/// Adds one authority's signature to an accord, in its file. `before`: the version before, for
/// all but version 1.
///
/// # Errors
/// The authority has no say in it.
pub fn sign_accord(
    file: &Path,
    authority: &dyn Signer,
    before: Option<&Path>,
) -> Result<AccordShown, CeremonyError> {
    let document = documents::read(file)?;
    let text = AccordText::read(&document)?;
    let before = before.map(accord_text).transpose()?;
    let entitled = before.as_ref().unwrap_or(&text).state_keys();
    if !entitled.contains_key(&authority.public().id()) {
        let whose = "STATE party of this accord".to_owned();
        return Err(CeremonyError::NoSay { keys: authority.place().to_owned(), whose });
    }
    let signed = authority.sign(document)?;
    let shown = accord_shown(file, &signed, before.as_ref())?;
    documents::write(file, signed.bytes())?;
    Ok(shown)
}

fn accord_text(path: &Path) -> Result<AccordText, CeremonyError> {
    Ok(AccordText::read(&documents::read(path)?)?)
}

/// What an authority certifies.
#[derive(Clone)]
pub struct Certification<'a> {
    /// Version 1 of the accord, complete.
    pub accord: &'a Path,
    /// The station's card.
    pub card: &'a Path,
    /// The authority key of the station's party.
    pub authority: &'a dyn Signer,
    /// Folder of documents to write into.
    pub out: &'a Path,
    /// Higher than that of the certificate before; from 1.
    pub serial: u64,
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
    let mut directory = network(what.accord)?;
    let (station, public) = card::read_station(what.card)?;
    let party = directory.party(station.party());
    if !party.is_some_and(|party| party.authority.contains_key(&what.authority.public().id())) {
        let whose = format!("party {} of this accord", station.party());
        return Err(CeremonyError::NoSay { keys: what.authority.place().to_owned(), whose });
    }
    let statuses = if what.test_only { BTreeSet::from([TEST]) } else { BTreeSet::new() };
    let draft = CertificateDraft {
        station: station.clone(),
        serial: what.serial,
        scopes: Scopes { statuses, types: BTreeSet::new() },
        made_at,
        not_after: what.not_after,
    };
    let document = make::certificate(&directory.network(), &draft, &public)?;
    let document = what.authority.sign(document)?;
    directory.admit(document.bytes())?;
    written(what.out, &document, &station, what.serial, &public.fingerprint())
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

fn network(accord: &Path) -> Result<Directory, CeremonyError> {
    let document = documents::read(accord)?;
    Ok(Directory::new(document.bytes())?)
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
    Ok(Written { file, kind, station: station.to_string(), serial, words: print.words() })
}

/// Shows one document; of an accord also who has signed. `before`: the version before an accord
/// that is not version 1.
///
/// # Errors
/// It is no document, or a signature on an accord does not hold.
pub fn show(file: &Path, before: Option<&Path>) -> Result<Shown, CeremonyError> {
    let document = documents::read(file)?;
    Ok(match document.kind() {
        DocumentKind::Accord => {
            let before = before.map(accord_text).transpose()?;
            Shown::Accord(accord_shown(file, &document, before.as_ref())?)
        }
        DocumentKind::Certificate => certificate_shown(&document)?,
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
            let text = CharterText::read(&document)?;
            let members = codes(&text.members);
            Shown::Charter { name: text.name, version: text.version, members }
        }
        DocumentKind::Revocation => {
            let text = RevocationText::read(&document)?;
            Shown::Revocation { party: text.party.to_string(), key: text.key.to_string() }
        }
        DocumentKind::Attestation => {
            let text = AttestationText::read(&document)?;
            let (by, subject) = (text.by.to_string(), text.subject.to_string());
            Shown::Attestation { by, subject, method: text.method.word().to_owned() }
        }
    })
}

fn certificate_shown(document: &Document) -> Result<Shown, DocumentError> {
    let text = CertificateText::read(document)?;
    Ok(Shown::Certificate {
        station: text.station.to_string(),
        serial: text.serial,
        not_after: text.not_after.map(|end| end.to_string()),
        statuses: text.scopes.statuses.into_iter().collect(),
    })
}

fn accord_shown(
    file: &Path,
    document: &Document,
    before: Option<&AccordText>,
) -> Result<AccordShown, CeremonyError> {
    let text = AccordText::read(document)?;
    let count = count_signatures(document, &text, before)?;
    let print = Fingerprint::head(&document.digest().0);
    let parties = text.parties.iter().map(|(code, party)| PartyShown {
        code: code.to_string(),
        name: party.name.clone(),
        role: role_word(party.role),
    });
    Ok(AccordShown {
        file: file.to_owned(),
        version: text.version,
        network: text.network.unwrap_or(NetworkId(document.digest().0)).to_string(),
        fingerprint: print.hex(),
        words: print.words(),
        parties: parties.collect(),
        complete: count.have.len() >= count.need,
        signed_by: codes(&count.have),
        missing: codes(&count.missing),
        needed: count.need,
        threshold: text.threshold,
        name: text.name,
    })
}

/// Checks a folder of documents as a station would, and shows what it makes of it.
///
/// # Errors
/// There is no complete accord in it. Other documents that are not believed are listed.
pub fn verify(folder: &Path, now: Timestamp) -> Result<Verified, CeremonyError> {
    let loaded = documents::load(folder)?;
    let directory = &loaded.directory;
    let parties = directory.parties().map(|party| PartyShown {
        code: party.code.to_string(),
        name: party.name.clone(),
        role: role_word(party.role),
    });
    let stations = directory.members().map(|member| StationShown {
        station: member.name.to_string(),
        id: member.id.to_string(),
        role: role_word(member.role),
        addresses: member.addresses.clone(),
        expired: member.is_expired(now),
    });
    let mut stations: Vec<_> = stations.collect();
    stations.sort_by(|a, b| a.station.cmp(&b.station));
    Ok(Verified {
        network: directory.network().to_string(),
        words: Fingerprint::head(&directory.network().0).words(),
        accord_version: directory.accord_version(),
        parties: parties.collect(),
        stations,
        refused: loaded.refused.iter().map(ToString::to_string).collect(),
    })
}
