//! The accord: drawn up, amended, signed in turns by people who pass files, joined, shown.
//!
//! Invariants: an accord is drawn up and amended without anybody's secrets; who signs sees what
//! changes against a version before that its own folder believes; copies are joined only when they
//! are one document, and every signature in the result was checked.

use super::{
    AccordShown, CeremonyError, PartyShown, card, codes, fingerprint_of, role_word, wrong_text,
};
use crate::{
    documents::{self, Loaded},
    keystore::signer::Signer,
};
use cbm_proto::{
    accord::{
        Amendment, Conflict, Document, DocumentError, DocumentKind, Role, amend, authorities,
        count_signatures, fingerprints,
        make::{self, AccordDraft, PartyDraft},
        read::AccordText,
    },
    id::{NetworkId, PartyCode},
    keys::Fingerprint,
    time::Timestamp,
};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Who takes part, each by its card; in an update also by its code alone.
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
    /// Of a party that stays as it stands.
    code: Option<String>,
    name: Option<String>,
    role: Option<String>,
    /// Path of the authority's card, relative to the description.
    card: Option<PathBuf>,
}

/// What changes in the next version.
#[derive(Clone, Debug, Default)]
pub struct Changes<'a> {
    /// The whole next version as a description; parties that it does not name leave.
    pub description: Option<&'a Path>,
    /// Parties that come in: card, role, name.
    pub admit: Vec<(PathBuf, String, String)>,
    /// Parties with another authority key: their new cards.
    pub rekey: Vec<PathBuf>,
    /// Parties that leave.
    pub remove: Vec<PartyCode>,
    /// Signatures that the version after needs.
    pub threshold: Option<usize>,
}

/// What a version after the first is read against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before<'a> {
    /// The file of the version before.
    pub file: Option<&'a Path>,
    /// A folder of documents that holds it.
    pub documents: Option<&'a Path>,
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
    let one = |party: &PartyDescription| {
        draft(description, party)?.ok_or_else(|| {
            wrong_text(description, "a party of version 1 needs `name`, `role` and `card`")
        })
    };
    let parties = text.parties.iter().map(one).collect::<Result<Vec<_>, _>>()?;
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

/// A party by its card; `None` for one that is named by its code alone.
fn draft(file: &Path, party: &PartyDescription) -> Result<Option<PartyDraft>, CeremonyError> {
    let (Some(name), Some(role), Some(path)) = (&party.name, &party.role, &party.card) else {
        return Ok(None);
    };
    let folder = file.parent().unwrap_or(Path::new(""));
    let (code, authority) = card::read_authority(&folder.join(path))?;
    if party.code.as_ref().is_some_and(|named| named != code.as_str()) {
        let cause = format!("{} is the card of {code}, not of the party named", path.display());
        return Err(wrong_text(file, &cause));
    }
    let role = role_of(role).map_err(|cause: String| wrong_text(file, &cause))?;
    Ok(Some(PartyDraft { code, name: name.clone(), role, authority }))
}

fn role_of(word: &str) -> Result<Role, String> {
    Role::from_word(word).ok_or_else(|| {
        format!("role `{word}` is none of STATE, OBSERVER, CONVENER, VERIFIER, CONTRIBUTOR")
    })
}

/// Draws up the version after the one in force in `folder`, or after the one in `before`; still
/// without signatures.
///
/// # Errors
/// Nothing would change, a party or a card is the wrong one, or a rule would be broken.
pub fn update_accord(
    folder: &Path,
    before: Option<&Path>,
    changes: &Changes<'_>,
    out: &Path,
    made_at: Timestamp,
) -> Result<AccordShown, CeremonyError> {
    let loaded = documents::load(folder)?;
    let before = match before {
        Some(file) => accord_file(file)?.0,
        None => in_force(&loaded, folder)?,
    };
    let text = AccordText::read(&before)?;
    let mut amendment = match changes.description {
        Some(file) => described(file, &text)?,
        None => Amendment {
            name: None,
            put: Vec::new(),
            remove: changes.remove.clone(),
            threshold: changes.threshold,
            made_at,
        },
    };
    amendment.made_at = made_at;
    for (card, word, name) in &changes.admit {
        let (code, authority) = card::read_authority(card)?;
        if text.parties.contains_key(&code) {
            return Err(CeremonyError::Already { card: card.clone(), code: code.to_string() });
        }
        let role = role_of(word).map_err(|cause: String| wrong_text(card, &cause))?;
        amendment.put.push(PartyDraft { code, name: name.clone(), role, authority });
    }
    for card in &changes.rekey {
        let (code, authority) = card::read_authority(card)?;
        let party = text.parties.get(&code);
        let party = party.ok_or_else(|| DocumentError::UnknownParty(code.to_string()))?;
        let (name, role) = (party.name.clone(), party.role);
        amendment.put.push(PartyDraft { code, name, role, authority });
    }
    let document = amend(&before, &amendment)?;
    let shown = accord_shown(out, &document, Some(&before))?;
    if shown.changes.is_empty() {
        return Err(CeremonyError::NothingChanges);
    }
    documents::write(out, document.bytes())?;
    Ok(shown)
}

fn described(file: &Path, before: &AccordText) -> Result<Amendment, CeremonyError> {
    let text: Description = card::read(file)?;
    let (mut put, mut stays) = (Vec::new(), Vec::new());
    for party in &text.parties {
        match (draft(file, party)?, &party.code) {
            (Some(draft), _) => {
                stays.push(draft.code.clone());
                put.push(draft);
            }
            (None, Some(code)) => {
                let code = PartyCode::new(code)?;
                if !before.parties.contains_key(&code) {
                    let cause = format!("{code} is not in the version before: give its card");
                    return Err(wrong_text(file, &cause));
                }
                stays.push(code);
            }
            (None, None) => {
                let cause = "a party needs `code` if it stays as it stands, \
                             or `name`, `role` and `card`";
                return Err(wrong_text(file, cause));
            }
        }
    }
    let remove = before.parties.keys().filter(|code| !stays.contains(code)).cloned().collect();
    let (name, threshold) = (Some(text.name), text.threshold);
    Ok(Amendment { name, put, remove, threshold, made_at: Timestamp(0) })
}

fn in_force(loaded: &Loaded, folder: &Path) -> Result<Document, CeremonyError> {
    let directory = &loaded.directory;
    for conflict in directory.conflicts() {
        if let Conflict::Contested { heads, .. } = conflict {
            let heads: Vec<_> = heads.iter().map(|head| fingerprint_of(head).hex()).collect();
            let heads = heads.join(" | ");
            return Err(CeremonyError::Contested { folder: folder.to_owned(), heads });
        }
    }
    let bytes = directory.document(&directory.accord_digest());
    Ok(Document::decode(bytes.map_or(&[], |bytes| &bytes[..]))?)
}

/// The accord in a file.
pub(super) fn accord_file(path: &Path) -> Result<(Document, AccordText), CeremonyError> {
    let document = documents::read(path)?;
    if document.kind() != DocumentKind::Accord {
        return Err(CeremonyError::OtherKind {
            path: path.to_owned(),
            is: document.kind().name(),
            wanted: "accord",
        });
    }
    let text = AccordText::read(&document)?;
    Ok((document, text))
}

/// The version before, as far as one is needed.
///
/// # Errors
/// It is not named, is not in the folder, or is not the one that `text` names.
pub(super) fn before(
    path: &Path,
    text: &AccordText,
    before: Before<'_>,
) -> Result<Option<Document>, CeremonyError> {
    let Some(previous) = text.previous else { return Ok(None) };
    let version = text.version;
    if let Some(file) = before.file {
        let (document, _) = accord_file(file)?;
        if document.digest() == previous {
            return Ok(Some(document));
        }
        return Err(CeremonyError::NotBefore {
            path: path.to_owned(),
            version,
            named: file.into(),
        });
    }
    let Some(folder) = before.documents else {
        return Err(CeremonyError::NoBefore { path: path.to_owned(), version });
    };
    let loaded = documents::load(folder)?;
    if text.network != Some(loaded.directory.network()) {
        return Err(CeremonyError::ForeignNetwork { path: path.into(), folder: folder.into() });
    }
    second(path, text.version, &loaded, folder)?;
    match loaded.directory.document(&previous) {
        Some(bytes) => Ok(Some(Document::decode(bytes)?)),
        None => {
            let named = folder.to_owned();
            Err(CeremonyError::NotBefore { path: path.to_owned(), version, named })
        }
    }
}

/// Refuses a version whose number another one has that is believed already.
fn second(path: &Path, version: u32, loaded: &Loaded, folder: &Path) -> Result<(), CeremonyError> {
    let digest = documents::read(path)?.digest();
    for bytes in loaded.directory.documents().values() {
        let other = Document::decode(bytes)?;
        if other.kind() != DocumentKind::Accord || other.digest() == digest {
            continue;
        }
        if AccordText::read(&other)?.version == version {
            return Err(CeremonyError::SecondVersion { version, folder: folder.to_owned() });
        }
    }
    Ok(())
}

/// Adds one authority's signature to an accord, in its file.
///
/// # Errors
/// The authority has no say in it.
pub fn sign_accord(
    file: &Path,
    authority: &dyn Signer,
    against: Before<'_>,
) -> Result<AccordShown, CeremonyError> {
    let (document, text) = accord_file(file)?;
    let before = before(file, &text, against)?;
    let says = before.as_ref().map(AccordText::read).transpose()?;
    if !says.as_ref().unwrap_or(&text).state_keys().contains_key(&authority.public().id()) {
        let whose = match &before {
            None => "STATE party of this accord".to_owned(),
            Some(_) => format!("STATE party of version {}, the one before", text.version - 1),
        };
        return Err(CeremonyError::NoSay { keys: authority.place().into(), whose });
    }
    let signed = authority.sign(document)?;
    let shown = accord_shown(file, &signed, before.as_ref())?;
    documents::write(file, signed.bytes())?;
    Ok(shown)
}

/// Joins the signatures of copies of one accord that were signed apart.
///
/// # Errors
/// They are not one document, or a signature does not hold.
pub fn merge_accords(
    files: &[PathBuf],
    against: Before<'_>,
    out: &Path,
) -> Result<AccordShown, CeremonyError> {
    let Some((first, others)) = files.split_first() else {
        return Err(CeremonyError::NothingChanges);
    };
    let (mut joined, text) = accord_file(first)?;
    let before = before(first, &text, against)?;
    for file in others {
        let (other, _) = accord_file(file)?;
        let two = || CeremonyError::TwoDocuments { one: first.clone(), two: file.clone() };
        // Checked alone first, so that an error names the file that brought it.
        accord_shown(file, &other, before.as_ref())?;
        joined = joined.joined(&other).ok_or_else(two)?;
    }
    let shown = accord_shown(out, &joined, before.as_ref())?;
    documents::write(out, joined.bytes())?;
    Ok(shown)
}

/// An accord for people. `before`: the version before, for all but version 1.
pub(super) fn accord_shown(
    file: &Path,
    document: &Document,
    before: Option<&Document>,
) -> Result<AccordShown, CeremonyError> {
    let text = AccordText::read(document)?;
    let says = before.map(AccordText::read).transpose()?;
    let at = |error| documents::FileError::Document { path: file.to_owned(), error };
    let count = count_signatures(document, &text, says.as_ref()).map_err(at)?;
    let print = fingerprint_of(&document.digest());
    let keys = fingerprints(document)?;
    let parties = text.parties.iter().map(|(code, party)| PartyShown {
        code: code.to_string(),
        name: party.name.clone(),
        role: role_word(party.role),
        fingerprints: keys.iter().find(|(c, _)| c == code).map_or(vec![], |(_, f)| hexes(f)),
        contested: false,
    });
    let changes = match (before, &says) {
        (Some(document_before), Some(text_before)) => {
            changes(document_before, text_before, document, &text)?
        }
        _ => Vec::new(),
    };
    Ok(AccordShown {
        file: file.to_owned(),
        version: text.version,
        network: text.network.unwrap_or(NetworkId(document.digest().0)).to_string(),
        fingerprint: print.hex(),
        words: print.words(),
        parties: parties.collect(),
        changes,
        complete: count.have.len() >= count.need,
        signed_by: codes(&count.have),
        missing: codes(&count.missing),
        needed: count.need,
        threshold: text.threshold,
        name: text.name,
    })
}

pub(super) fn hexes(prints: &[Fingerprint]) -> Vec<String> {
    prints.iter().map(Fingerprint::hex).collect()
}

/// What a version changes, one sentence each.
fn changes(
    old: &Document,
    before: &AccordText,
    new: &Document,
    after: &AccordText,
) -> Result<Vec<String>, CeremonyError> {
    let (old_keys, new_keys) = (authorities(old)?, authorities(new)?);
    let mut out = Vec::new();
    for (code, party) in &after.parties {
        let Some(was) = before.parties.get(code) else {
            out.push(format!("{code} ({}) comes in as {}", party.name, role_word(party.role)));
            continue;
        };
        if was.role != party.role {
            let (from, to) = (role_word(was.role), role_word(party.role));
            out.push(format!("{code} is {to}, was {from}"));
        }
        if was.name != party.name {
            out.push(format!("{code} is called {}, was {}", party.name, was.name));
        }
        let keys = |all: &[(PartyCode, Vec<_>)]| all.iter().find(|(c, _)| c == code).cloned();
        if keys(&old_keys) != keys(&new_keys) || was.authority != party.authority {
            out.push(format!("{code} has another authority key"));
        }
    }
    let gone = before.parties.keys().filter(|code| !after.parties.contains_key(*code));
    out.extend(gone.map(|code| format!("{code} leaves")));
    if before.threshold != after.threshold {
        let (now, was) = (after.threshold, before.threshold);
        out.push(format!("the next version needs {now} signatures, was {was}"));
    }
    if before.name != after.name {
        out.push(format!("its name is {}, was {}", after.name, before.name));
    }
    if (&before.limits, &before.clocks, &before.texts, before.not_after)
        != (&after.limits, &after.clocks, &after.texts, after.not_after)
    {
        out.push("limits, clocks, texts or its end are others".to_owned());
    }
    Ok(out)
}
