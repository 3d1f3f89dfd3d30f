//! The documents of a running node as files, for those who sign on other machines.
//!
//! Invariants: what is in the folder already is not written again, whatever its name; no file that
//! holds something else is written over, but a contact record or an attestation by its newer one.

use super::CeremonyError;
use crate::documents::{self, ENDING};
use cbm_proto::{
    accord::{
        AttestationText, Document, DocumentError, DocumentKind, RevocationText,
        read::{AccordText, CertificateText, CharterText, ContactText},
    },
    id::{Digest, StationName},
};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Exported {
    /// Where.
    pub folder: PathBuf,
    /// New files, in the order of their names.
    pub written: Vec<PathBuf>,
    /// Documents that were in the folder already.
    pub known: usize,
}

/// Writes documents into a folder, each under its name.
///
/// # Errors
/// The folder cannot be read or written, or one of them is no document.
pub fn export(folder: &Path, all: &[Vec<u8>]) -> Result<Exported, CeremonyError> {
    let mut here = BTreeSet::new();
    for path in documents::list(folder)? {
        // What is no document takes a name and nothing else.
        here.extend(documents::read(&path).ok().map(|document| document.digest()));
    }
    let mut written = Vec::new();
    let mut known = 0;
    for bytes in all {
        let document = Document::decode(bytes)?;
        if here.contains(&document.digest()) {
            known += 1;
            continue;
        }
        let path = free(folder, &document)?;
        documents::write(&path, bytes)?;
        written.push(path);
    }
    written.sort();
    Ok(Exported { folder: folder.to_owned(), written, known })
}

/// A path that nothing else has, but an older one of a kind of which only the newest counts.
fn free(folder: &Path, document: &Document) -> Result<PathBuf, CeremonyError> {
    let name = name(document)?;
    let path = folder.join(format!("{name}.{ENDING}"));
    let replaces = matches!(document.kind(), DocumentKind::Contact | DocumentKind::Attestation);
    if replaces || !path.exists() {
        return Ok(path);
    }
    Ok(folder.join(format!("{name}-{}.{ENDING}", short(&document.digest()))))
}

fn short(digest: &Digest) -> String {
    digest.to_string().chars().take(8).collect()
}

/// The name of a document's file, without its ending.
fn name(document: &Document) -> Result<String, DocumentError> {
    let of = |station: &StationName| station.to_string().replace('/', "-");
    Ok(match document.kind() {
        DocumentKind::Accord => format!("accord-{}", AccordText::read(document)?.version),
        DocumentKind::Certificate => {
            let text = CertificateText::read(document)?;
            match text.serial {
                1 => format!("{}-certificate", of(&text.station)),
                serial => format!("{}-certificate-{serial}", of(&text.station)),
            }
        }
        DocumentKind::Contact => format!("{}-contact", of(&ContactText::read(document)?.station)),
        DocumentKind::Charter => {
            let text = CharterText::read(document)?;
            format!("charter-{}-{}", text.name, text.version)
        }
        DocumentKind::Revocation => {
            let text = RevocationText::read(document)?;
            let whose = text.station.as_ref().map_or(text.party.to_string(), of);
            let key: String = text.key.to_string().chars().take(8).collect();
            format!("{whose}-revocation-{key}")
        }
        DocumentKind::Attestation => {
            let text = AttestationText::read(document)?;
            format!("{}-attests-{}", text.by, text.subject)
        }
    })
}
