//! Charters: a group of parties, drawn up by one, signed by each, kept among its members.
//!
//! Invariants: a charter names STATE parties of the accord in force, and its next version follows
//! the one in force; whether it counts is asked of the [`Directory`], which decides for stations
//! too.

use super::{CeremonyError, CharterShown, codes, fingerprint_of};
use crate::{documents, keystore::signer::Signer};
use cbm_proto::{
    accord::{
        Directory, Document, DocumentError, DocumentKind, Role,
        make::{self, CharterDraft},
        read::CharterText,
    },
    id::{KeyId, PartyCode},
    time::Timestamp,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// What a new charter says.
#[derive(Clone, Debug)]
pub struct CharterPlan<'a> {
    /// Folder of documents with the accord.
    pub documents: &'a Path,
    /// What its members call it.
    pub name: &'a str,
    /// Who belongs to it.
    pub members: Vec<PartyCode>,
    /// What they agreed on.
    pub rules: String,
}

/// What changes in a charter's next version.
#[derive(Clone, Debug)]
pub struct CharterChange<'a> {
    /// Folder of documents with the accord and the charter in force.
    pub documents: &'a Path,
    /// Which group.
    pub name: &'a str,
    /// Who joins.
    pub add: Vec<PartyCode>,
    /// Who leaves.
    pub remove: Vec<PartyCode>,
    /// Other rules.
    pub rules: Option<String>,
}

/// Draws up version 1 of a charter, without signatures.
///
/// # Errors
/// The name is taken, or a member is no STATE party.
pub fn new_charter(
    plan: &CharterPlan<'_>,
    out: &Path,
    made_at: Timestamp,
) -> Result<CharterShown, CeremonyError> {
    let directory = documents::load(plan.documents)?.directory;
    if directory.group(plan.name).is_some_and(|group| group.charter.is_some()) {
        return Err(CeremonyError::GroupExists { name: plan.name.to_owned() });
    }
    let draft = CharterDraft {
        name: plan.name.to_owned(),
        members: plan.members.clone(),
        rules: plan.rules.clone(),
        made_at,
        after: None,
    };
    draw_up(&directory, &draft, out)
}

/// Draws up the version after the one in force, without signatures.
///
/// # Errors
/// There is no such group, a member is no STATE party, or nothing would change.
pub fn update_charter(
    change: &CharterChange<'_>,
    out: &Path,
    made_at: Timestamp,
) -> Result<CharterShown, CeremonyError> {
    let directory = documents::load(change.documents)?.directory;
    let no_group = || CeremonyError::NoGroup {
        name: change.name.to_owned(),
        folder: change.documents.to_owned(),
    };
    let held = directory.group(change.name).and_then(|group| group.charter).ok_or_else(no_group)?;
    let bytes = directory.document(&held.1).ok_or_else(no_group)?;
    let text = CharterText::read(&Document::decode(bytes)?)?;
    let mut members = text.members.clone();
    members.extend(change.add.iter().cloned());
    members.retain(|code| !change.remove.contains(code));
    let rules = change.rules.clone().unwrap_or_else(|| text.rules.clone());
    if members == text.members && rules == text.rules {
        return Err(CeremonyError::NothingChanges);
    }
    let members = members.into_iter().collect();
    let draft = CharterDraft { name: text.name, members, rules, made_at, after: Some(held) };
    draw_up(&directory, &draft, out)
}

fn draw_up(
    directory: &Directory,
    draft: &CharterDraft,
    out: &Path,
) -> Result<CharterShown, CeremonyError> {
    for code in &draft.members {
        let party = directory.party(code);
        let party = party.ok_or_else(|| DocumentError::UnknownParty(code.to_string()))?;
        if party.role != Role::State {
            return Err(CeremonyError::NoState { code: code.to_string() });
        }
    }
    let document = make::charter(&directory.network(), draft)?;
    documents::write(out, document.bytes())?;
    shown(Some(out), &document, Some(directory))
}

/// Adds one member's signature to a charter, in its file.
///
/// # Errors
/// The authority belongs to no member.
pub fn sign_charter(
    file: &Path,
    folder: &Path,
    authority: &dyn Signer,
) -> Result<CharterShown, CeremonyError> {
    let (document, text) = charter_file(file)?;
    let directory = documents::load(folder)?.directory;
    own_network(file, folder, &text, &directory)?;
    let key = authority.public().id();
    if !text.members.iter().any(|code| owns(&directory, code, &key)) {
        let whose = format!("member of charter {}", text.name);
        return Err(CeremonyError::NoSay { keys: authority.place().into(), whose });
    }
    let signed = authority.sign(document)?;
    let shown = shown(Some(file), &signed, Some(&directory))?;
    documents::write(file, signed.bytes())?;
    Ok(shown)
}

/// Joins the signatures of copies of one charter that were signed apart.
///
/// # Errors
/// They are not one document.
pub fn merge_charters(
    files: &[PathBuf],
    folder: &Path,
    out: &Path,
) -> Result<CharterShown, CeremonyError> {
    let Some((first, others)) = files.split_first() else {
        return Err(CeremonyError::NothingChanges);
    };
    let directory = documents::load(folder)?.directory;
    let (mut joined, text) = charter_file(first)?;
    own_network(first, folder, &text, &directory)?;
    for file in others {
        let two = || CeremonyError::TwoDocuments { one: first.clone(), two: file.clone() };
        joined = joined.joined(&charter_file(file)?.0).ok_or_else(two)?;
    }
    let shown = shown(Some(out), &joined, Some(&directory))?;
    documents::write(out, joined.bytes())?;
    Ok(shown)
}

/// A charter against a folder of documents: who has signed, and whether it counts.
///
/// # Errors
/// It is no charter, or belongs to another network.
pub fn check_charter(file: &Path, folder: &Path) -> Result<CharterShown, CeremonyError> {
    let (document, text) = charter_file(file)?;
    let directory = documents::load(folder)?.directory;
    own_network(file, folder, &text, &directory)?;
    shown(Some(file), &document, Some(&directory))
}

fn charter_file(path: &Path) -> Result<(Document, CharterText), CeremonyError> {
    let document = documents::read(path)?;
    if document.kind() != DocumentKind::Charter {
        let (path, is) = (path.to_owned(), document.kind().name());
        return Err(CeremonyError::OtherKind { path, is, wanted: "charter" });
    }
    let text = CharterText::read(&document)?;
    Ok((document, text))
}

fn own_network(
    file: &Path,
    folder: &Path,
    text: &CharterText,
    directory: &Directory,
) -> Result<(), CeremonyError> {
    if text.network == directory.network() {
        return Ok(());
    }
    Err(CeremonyError::ForeignNetwork { path: file.to_owned(), folder: folder.to_owned() })
}

fn owns(directory: &Directory, code: &PartyCode, key: &KeyId) -> bool {
    directory.party(code).is_some_and(|party| party.authority.contains_key(key))
}

/// A charter for people; without a directory nothing is known of its signatures.
pub(super) fn shown(
    file: Option<&Path>,
    document: &Document,
    directory: Option<&Directory>,
) -> Result<CharterShown, CeremonyError> {
    let text = CharterText::read(document)?;
    let signers: BTreeSet<KeyId> = document.signers().collect();
    let signed = |code: &&PartyCode| {
        directory.is_some_and(|directory| signers.iter().any(|key| owns(directory, code, key)))
    };
    let signed_by: BTreeSet<&PartyCode> = text.members.iter().filter(signed).collect();
    let missing = text.members.iter().filter(|code| !signed_by.contains(code));
    // The clone takes the question, the directory stays as it is.
    let verdict = directory.map(|directory| directory.clone().admit(document.bytes()));
    let cause = match &verdict {
        None => Some("the documents that it is judged by are not named".to_owned()),
        Some(Ok(_) | Err(DocumentError::TooFewSignatures { .. })) => None,
        Some(Err(error)) => Some(error.to_string()),
    };
    let print = fingerprint_of(&document.digest());
    Ok(CharterShown {
        file: file.map(Path::to_owned),
        name: text.name.clone(),
        version: text.version,
        fingerprint: print.hex(),
        words: print.words(),
        members: codes(&text.members),
        rules: text.rules.clone(),
        missing: codes(missing),
        signed_by: codes(signed_by.iter().copied()),
        complete: matches!(verdict, Some(Ok(_))),
        cause,
    })
}
