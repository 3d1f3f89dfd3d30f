//! What a person sees of documents: shapes for `--json`, and for the text that the verbs print.
//!
//! Invariant: nothing secret is in them. Filled by the steps of `ceremony`, printed by the command
//! line.

use serde::Serialize;
use std::path::PathBuf;

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
    /// Of a key in a token: `true` if it was made now, `false` if it was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_in_token: Option<bool>,
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
    /// What differs from the version before; empty for version 1.
    pub changes: Vec<String>,
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
    /// Fingerprints of its authority keys, in hex, as on its card.
    pub fingerprints: Vec<String>,
    /// Branches of the accord disagree about it: it has no rights until that is settled.
    pub contested: bool,
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
    /// Of a certificate: keys of offices, as `OFFICE ID CODE`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub offices: Vec<String>,
}

/// A key that was taken back.
#[derive(Clone, Debug, Serialize)]
pub struct RevocationShown {
    /// Where it was written; `None` when it is only shown.
    pub file: Option<PathBuf>,
    /// Whose key.
    pub party: String,
    /// `PARTY/station`; `None`: the party's own authority key.
    pub station: Option<String>,
    /// Which, in hex.
    pub key: String,
    /// SIGN, PEER, SEAL, OFFICE or AUTHORITY; `None` where no certificate here lists the key.
    pub role: Option<String>,
    /// Why, in its party's words.
    pub reason: String,
    /// When it was made.
    pub made_at: String,
    /// Feeds (or, of an authority key, documents) that the party stands by.
    pub stands_by: usize,
}

/// What a party says about having checked another one's keys.
#[derive(Clone, Debug, Serialize)]
pub struct AttestationShown {
    /// Where it was written; `None` when it is only shown.
    pub file: Option<PathBuf>,
    /// Who checked.
    pub by: String,
    /// Whose keys.
    pub subject: String,
    /// `IN_PERSON`, `NOTE_VERBALE`, `VOICE` or `OTHER`.
    pub method: String,
    /// Ids of the keys that were checked, in hex.
    pub keys: Vec<String>,
    /// When.
    pub made_at: String,
}

/// A group.
#[derive(Clone, Debug, Serialize)]
pub struct CharterShown {
    /// Where it is; `None` when it is one of many in a folder.
    pub file: Option<PathBuf>,
    /// What its members call it.
    pub name: String,
    /// From 1.
    pub version: u32,
    /// What everybody compares, in hex: 128 bits of this document's digest.
    pub fingerprint: String,
    /// The same in words, to be read aloud.
    pub words: String,
    /// Party codes.
    pub members: Vec<String>,
    /// What they agreed on.
    pub rules: String,
    /// Members whose signature is there.
    pub signed_by: Vec<String>,
    /// Members whose signature is missing.
    pub missing: Vec<String>,
    /// It counts: all have signed, and it follows what is in force.
    pub complete: bool,
    /// Why it does not count, beside missing signatures.
    pub cause: Option<String>,
}

/// A station's certificate.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateShown {
    /// `PARTY/station`.
    pub station: String,
    /// The highest is in force.
    pub serial: u64,
    /// When it ends; `None`: open.
    pub not_after: Option<String>,
    /// Codes of status that it may send; empty: all.
    pub statuses: Vec<u32>,
    /// Its keys, as `ROLE ID`; those of offices as `OFFICE ID CODE`.
    pub keys: Vec<String>,
}

/// Any document, in short.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Shown {
    /// An accord, with who has signed.
    Accord(AccordShown),
    /// A station's certificate.
    Certificate(CertificateShown),
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
    Charter(CharterShown),
    /// A key that was taken back.
    Revocation(RevocationShown),
    /// What a party says about having checked another one's keys.
    Attestation(AttestationShown),
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
    /// Groups with a charter.
    pub groups: Vec<CharterShown>,
    /// Keys that were taken back.
    pub revocations: Vec<RevocationShown>,
    /// Who checked whose keys.
    pub attestations: Vec<AttestationShown>,
    /// Documents that exclude each other, in words.
    pub conflicts: Vec<String>,
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
    /// Serial of its certificate in force.
    pub serial: u64,
    /// Where its contact says it is; empty without one.
    pub addresses: Vec<String>,
    /// Its certificate has ended: marked, not refused.
    pub expired: bool,
    /// Its keys were taken back, and no others are certified: it neither sends nor receives.
    pub silenced: bool,
}
