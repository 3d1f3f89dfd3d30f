//! How parties found a network by hand: keys, accord, certificates, contacts.
//!
//! Each step is one function that reads files, writes files and returns what a person should see
//! (`serde::Serialize`, for `--json`). Invariants: secret keys go from one side to no other, only
//! cards (public halves, `ceremony/card.rs`) and documents travel; nothing is written that other
//! stations would not believe. Time and chance are handed in. Used by the command line and `lab`.

mod accord;
pub mod card;
mod charter;
mod export;
mod look;
mod rotate;
mod shown;
mod steps;
mod takeback;

use crate::{documents::FileError, keystore::KeystoreError};
use cbm_proto::{
    accord::{DocumentError, DocumentKind, Role},
    id::{Digest, NameError},
    keys::Fingerprint,
};
use std::path::{Path, PathBuf};

pub use accord::{Before, Changes, merge_accords, new_accord, sign_accord, update_accord};
pub use charter::{
    CharterChange, CharterPlan, check_charter, merge_charters, new_charter, sign_charter,
    update_charter,
};
pub use export::{Exported, export};
pub use look::{show, verify};
pub use rotate::rotate_station;
pub use shown::{
    AccordShown, AttestationShown, CertificateShown, CharterShown, KeysMade, PartyShown,
    RevocationShown, Shown, StationShown, Verified, Written,
};
pub use steps::{
    Announcement, Base, Certification, StationSeal, Whose, announce, certify, keygen_authority,
    keygen_authority_in_token, keygen_office, keygen_office_in_token, keygen_station,
};
pub use takeback::{TakeBack, Taken, attest, read_all, read_heads, revoke};

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
    #[error("the authority keys in {keys} belong to no {whose}; use those of the right party")]
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
    /// Another kind of document than the step works on.
    #[error("{path} is a {is}; name the file of the {wanted}", path = .path.display())]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// What it holds.
        is: &'static str,
        /// What was wanted.
        wanted: &'static str,
    },
    /// A later version of an accord, without the one before.
    #[error("{path} is version {version}, which is judged by the version before; name the folder \
        of documents that holds that with --documents, or its file with --before",
        path = .path.display())]
    NoBefore {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Another version before than the one that is named in the document.
    #[error("{path} is version {version}, and what it follows is not {named}; bring that folder \
        up to date with `cbm accord export`, or ask who drew it up which version it follows",
        path = .path.display(), named = .named.display())]
    NotBefore {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// What was named as the version before, or as the folder that holds it.
        named: PathBuf,
    },
    /// A document of another network than the folder's.
    #[error("{path} belongs to another network than the documents in {folder}; compare the \
        fingerprints of both accords' first versions, and name the folder that belongs to it",
        path = .path.display(), folder = .folder.display())]
    ForeignNetwork {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// Two files that should be copies are not.
    #[error("{one} and {two} are different documents, their signatures cannot be joined; \
        compare their fingerprints with `cbm accord show`, and sign one of them again",
        one = .one.display(), two = .two.display())]
    TwoDocuments {
        /// One.
        one: PathBuf,
        /// The other.
        two: PathBuf,
    },
    /// A next version that says what the one before says.
    #[error("nothing would change; name what should, such as --admit CARD, --remove CODE")]
    NothingChanges,
    /// Two versions are in force beside each other, and it is not said which one is to be followed.
    #[error("there are several last versions of the accord in {folder} ({heads}); name the one to \
        follow with --before FILE: the next version settles it", folder = .folder.display())]
    Contested {
        /// Where.
        folder: PathBuf,
        /// Their fingerprints.
        heads: String,
    },
    /// A second version of one number.
    #[error("another version {version} of the accord is in {folder}, and whoever signs a second one \
        makes it contested; draw up a version that follows the one there", folder = .folder.display())]
    SecondVersion {
        /// Its number.
        version: u32,
        /// Where the other one is.
        folder: PathBuf,
    },
    /// A party that should come in is there.
    #[error("{code} is in the accord already; for another authority key use --rekey {card}",
        card = .card.display())]
    Already {
        /// Its card.
        card: PathBuf,
        /// Its code.
        code: String,
    },
    /// A group of this name is there.
    #[error(
        "there is a group {name} already; choose another name, or draw up its next version \
        with `cbm charter update`"
    )]
    GroupExists {
        /// Its name.
        name: String,
    },
    /// No group of this name is there.
    #[error("no charter {name} is in force in {folder}; `cbm accord verify` lists the groups",
        folder = .folder.display())]
    NoGroup {
        /// Its name.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// Only STATE parties form groups.
    #[error("{code} is no STATE party of the accord; a group has STATE parties only")]
    NoState {
        /// Its code.
        code: String,
    },
    /// A key that no document here shows as this one's.
    #[error(
        "no document here lists key {key} of {whose}; `cbm accord show` of a certificate lists \
        its keys, and `cbm accord export` brings the folder up to date"
    )]
    UnknownKey {
        /// The key.
        key: String,
        /// Party or station.
        whose: String,
    },
    /// An office that should go and is not there.
    #[error(
        "the certificate in force of {station} lists no key of an office `{code}`; \
        `cbm accord show` of it lists those that it has"
    )]
    NoOffice {
        /// The station.
        station: String,
        /// The office.
        code: String,
    },
    /// No certificate of this serial.
    #[error(
        "no certificate {serial} of {station} is here, the one in force is {have}; \
        leave --serial out for that one"
    )]
    NoSerial {
        /// The station.
        station: String,
        /// What was asked for.
        serial: u64,
        /// What is in force.
        have: u64,
    },
    /// The card's keys are not those of the accord in force.
    #[error("the keys on {card} are not those of {code} in the accord in force; compare both with \
        `cbm accord verify`: either the card is old, or somebody exchanged one of them",
        card = .card.display())]
    NotInForce {
        /// The card.
        card: PathBuf,
        /// The party.
        code: String,
    },
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

/// What people compare of a document.
fn fingerprint_of(digest: &Digest) -> Fingerprint {
    Fingerprint::head(&digest.0)
}

fn wrong_text(path: &Path, cause: &str) -> CeremonyError {
    CeremonyError::Text { path: path.to_owned(), cause: cause.to_owned() }
}

fn kind_word(kind: DocumentKind) -> String {
    kind.name().to_owned()
}

#[cfg(test)]
mod tests;
