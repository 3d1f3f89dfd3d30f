//! How parties found a network by hand: keys, accord, certificates, contacts.
//!
//! Each step is one function that reads files, writes files and returns what a person should see
//! (`serde::Serialize`, for `--json`). Invariants: secret keys go from one side to no other, only
//! cards (public halves, `ceremony/card.rs`) and documents travel; nothing is written that other
//! stations would not believe. Time and chance are handed in. Used by the command line and `lab`.

pub mod card;
mod rotate;
mod steps;

use crate::{documents::FileError, keystore::KeystoreError};
use cbm_proto::{
    accord::{DocumentError, DocumentKind, Role},
    id::NameError,
};
use serde::Serialize;
use std::path::PathBuf;

pub use rotate::rotate_station;
pub use steps::{
    Announcement, Certification, StationSeal, announce, certify, keygen_authority, keygen_station,
    new_accord, show, sign_accord, verify,
};

/// Why a step cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    /// Something about a file of documents.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something about secret keys.
    #[error(transparent)]
    Keys(#[from] KeystoreError),
    /// A document that nobody would believe.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A name breaks its rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A card or a description cannot be used.
    #[error("{path}: {cause}", path = .path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The authority has no say in what it should sign.
    #[error("the authority keys in {keys} belong to no {whose}: use those of the right party")]
    NoSay {
        /// Where the keys are.
        keys: String,
        /// Who would have a say.
        whose: String,
    },
    /// The station's keys are not those of its certificate.
    #[error("the keys in {keys} are not those that {station} is certified with: certify them first",
        keys = .keys.display())]
    NotCertified {
        /// Where the keys are.
        keys: PathBuf,
        /// The station.
        station: String,
    },
}

/// Keys were made.
#[derive(Clone, Debug, Serialize)]
pub struct KeysMade {
    /// Party code, or `PARTY/station`.
    pub owner: String,
    /// Folder of the secret keys.
    pub keys: PathBuf,
    /// The public halves, to be handed on.
    pub card: PathBuf,
    /// What both sides compare, in hex.
    pub fingerprint: String,
    /// The same in words, to be read aloud.
    pub words: String,
}

/// An accord as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct AccordShown {
    /// Where it is.
    pub file: PathBuf,
    /// From 1.
    pub version: u32,
    /// What people call it.
    pub name: String,
    /// The network id, in hex; for version 1 it is this document's own digest.
    pub network: String,
    /// What everybody compares, in hex: 128 bits of this document's digest.
    pub fingerprint: String,
    /// The same in words, to be read aloud.
    pub words: String,
    /// Who takes part.
    pub parties: Vec<PartyShown>,
    /// STATE parties whose signature is there.
    pub signed_by: Vec<String>,
    /// STATE parties that could still sign.
    pub missing: Vec<String>,
    /// Signatures needed.
    pub needed: usize,
    /// Enough have signed.
    pub complete: bool,
    /// STATE signatures that the next version needs.
    pub threshold: usize,
}

/// A party of an accord.
#[derive(Clone, Debug, Serialize)]
pub struct PartyShown {
    /// Short code.
    pub code: String,
    /// What people call it.
    pub name: String,
    /// STATE, OBSERVER, …
    pub role: String,
}

/// A document that was written.
#[derive(Clone, Debug, Serialize)]
pub struct Written {
    /// Where it is.
    pub file: PathBuf,
    /// What it is.
    pub kind: String,
    /// Whose it is.
    pub station: String,
    /// Its number among those of its kind.
    pub serial: u64,
    /// What both sides compare, in words.
    pub words: String,
}

/// Any document, in short.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Shown {
    /// An accord, with who has signed.
    Accord(AccordShown),
    /// A station's certificate.
    Certificate {
        /// `PARTY/station`.
        station: String,
        /// The highest is in force.
        serial: u64,
        /// When it ends; `None`: open.
        not_after: Option<String>,
        /// Codes of status that it may send; empty: all.
        statuses: Vec<u32>,
    },
    /// A station's contact record.
    Contact {
        /// `PARTY/station`.
        station: String,
        /// The highest is in force.
        serial: u64,
        /// Multiaddresses.
        addresses: Vec<String>,
        /// Codes of the offices there.
        offices: Vec<String>,
    },
    /// A group's charter.
    Charter {
        /// What its members call it.
        name: String,
        /// From 1.
        version: u32,
        /// Party codes.
        members: Vec<String>,
    },
    /// A key that was taken back.
    Revocation {
        /// Whose.
        party: String,
        /// Which, in hex.
        key: String,
    },
    /// What a party says about having checked another one's keys.
    Attestation {
        /// Who checked.
        by: String,
        /// Whose keys.
        subject: String,
        /// How: `IN_PERSON`, `NOTE_VERBALE`, `VOICE` or `OTHER`.
        method: String,
    },
}

/// What a folder of documents is worth.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// The network id, in hex.
    pub network: String,
    /// Version 1's fingerprint in words.
    pub words: String,
    /// The newest version of the accord.
    pub accord_version: u32,
    /// Who takes part.
    pub parties: Vec<PartyShown>,
    /// Stations with a certificate.
    pub stations: Vec<StationShown>,
    /// Documents that are not believed, with the reason.
    pub refused: Vec<String>,
}

/// A station that a folder of documents certifies.
#[derive(Clone, Debug, Serialize)]
pub struct StationShown {
    /// `PARTY/station`.
    pub station: String,
    /// Its id in hex, as logs show it.
    pub id: String,
    /// Role of its party.
    pub role: String,
    /// Where its contact says it is; empty without one.
    pub addresses: Vec<String>,
    /// Its certificate has ended: marked, not refused.
    pub expired: bool,
}

fn role_word(role: Role) -> String {
    match role {
        Role::Unknown(code) => format!("UNKNOWN({code})"),
        known => known.word().to_owned(),
    }
}

fn codes<'a>(parties: impl IntoIterator<Item = &'a cbm_proto::id::PartyCode>) -> Vec<String> {
    parties.into_iter().map(ToString::to_string).collect()
}

fn kind_word(kind: DocumentKind) -> String {
    kind.name().to_owned()
}

#[cfg(test)]
mod tests;
