//! Area `document`: what a station believes (`docs/spec/documents.md`).
//!
//! `given` names vectors of this area whose `document` is held already, version 1 of the accord
//! first; without `given`, `document` is to become that version 1 itself. For `ok`, `roles` are
//! the stations and their roles afterwards, `ids` and `lane` what is derived from names; `groups`,
//! `conflicts`, `revoked` and `grades` what is believed of them; `none` is an empty list.

use std::fs;

use cbm_proto::accord::{Conflict, Directory, DocumentError, Grade, News};
use cbm_proto::id::hex;
use cbm_proto::keys::{Fingerprint, KeyProblem};
use cbm_proto::wire::DecodeError;

use crate::file::Vector;

#[path = "document/first.rs"]
mod first;
#[path = "document/later.rs"]
mod later;
#[path = "document/taken.rs"]
mod taken;
#[path = "document/world.rs"]
mod world;

use world::{Named, World};

pub(crate) fn check(vector: &Vector) -> Result<String, String> {
    let document = vector.bytes("document")?;
    let mut directory = None;
    for name in vector.word("given").unwrap_or_default().split_whitespace() {
        let bytes = given(name)?;
        match &mut directory {
            None => directory = Some(Directory::new(&bytes).map_err(|e| format!("{name}: {e}"))?),
            Some(known) => {
                known.admit(&bytes).map_err(|e| format!("{name}: {e}"))?;
            }
        }
    }
    let outcome = match &mut directory {
        None => Directory::new(&document).map(|new| {
            directory = Some(new);
            "ok"
        }),
        Some(known) => known.admit(&document).map(|admitted| match admitted.news {
            News::New => "ok",
            News::Known => "known",
            News::Superseded => "superseded",
        }),
    };
    match (outcome, directory) {
        (Ok("ok"), Some(directory)) => Ok(compare(vector, &directory).to_owned()),
        (Ok(word), _) => Ok(word.to_owned()),
        (Err(error), _) => Ok(word(&error).to_owned()),
    }
}

fn given(name: &str) -> Result<Vec<u8>, String> {
    let path = crate::folder().join(format!("{name}.txt"));
    let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
    Vector::parse(&text)?.bytes("document")
}

fn compare(vector: &Vector, directory: &Directory) -> &'static str {
    let differs = |name: &str, found: String| {
        vector.word(name).is_some_and(|wanted| wanted != or_none(found))
    };
    if differs("roles", roles(directory)) {
        "other_roles"
    } else if differs("ids", ids(directory)) {
        "other_ids"
    } else if differs("lane", lane(directory)) {
        "other_lane"
    } else if differs("conflicts", conflicts(directory)) {
        "other_conflicts"
    } else if differs("revoked", revoked(directory)) {
        "other_revoked"
    } else if differs("groups", groups(directory)) {
        "other_groups"
    } else if differs("grades", grades(directory)) {
        "other_grades"
    } else if differs("network", directory.network().to_string()) {
        "other_network"
    } else if differs("words", Fingerprint::head(&directory.network().0).words()) {
        "other_words"
    } else {
        "ok"
    }
}

fn or_none(list: String) -> String {
    if list.is_empty() { "none".to_owned() } else { list }
}

fn roles(directory: &Directory) -> String {
    let mut list: Vec<String> =
        directory.members().map(|m| format!("{}={}", m.name, m.role.word())).collect();
    list.sort();
    list.join(" ")
}

fn ids(directory: &Directory) -> String {
    let mut list: Vec<String> =
        directory.members().map(|m| format!("{}={}", m.name, m.id)).collect();
    list.sort();
    list.join(" ")
}

fn lane(directory: &Directory) -> String {
    directory.groups().last().map(|group| hex(&group.lane.0)).unwrap_or_default()
}

fn conflicts(directory: &Directory) -> String {
    let word = |conflict: &Conflict| match conflict {
        Conflict::Contested { .. } => "contested",
        Conflict::AccordBeside { .. } => "accord_beside",
        Conflict::CharterBeside { .. } => "charter_beside",
        Conflict::SameName { .. } => "same_name",
        Conflict::SameSerial { .. } => "same_serial",
        Conflict::PeerTwice { .. } => "peer_twice",
        Conflict::TooManyStations { .. } => "too_many_stations",
    };
    let mut list: Vec<&str> = directory.conflicts().iter().map(word).collect();
    list.sort_unstable();
    list.join(" ")
}

fn revoked(directory: &Directory) -> String {
    directory.revocations().map(|taken| taken.key.to_string()).collect::<Vec<_>>().join(" ")
}

fn groups(directory: &Directory) -> String {
    directory.groups().map(|group| group.name.clone()).collect::<Vec<_>>().join(" ")
}

/// Of every party about every other one, those that are not unverified.
fn grades(directory: &Directory) -> String {
    let mut list = Vec::new();
    for (me, of) in directory.parties().flat_map(|a| directory.parties().map(move |b| (a, b))) {
        let word = match directory.grade(&me.code, &of.code) {
            Grade::InPerson => "in_person",
            Grade::RegionAndConvener => "region_and_convener",
            Grade::Convener => "convener",
            Grade::Unverified => continue,
        };
        if me.code != of.code {
            list.push(format!("{}:{}={word}", me.code, of.code));
        }
    }
    list.join(" ")
}

fn word(error: &DocumentError) -> &'static str {
    match error {
        DocumentError::Bytes(DecodeError::TooLong { .. }) => "oversize",
        DocumentError::Bytes(DecodeError::Malformed) => "malformed",
        DocumentError::Bytes(DecodeError::NotCanonical) => "not_canonical",
        DocumentError::Newer { .. } => "newer",
        DocumentError::Name(_) => "name",
        DocumentError::Key { problem: KeyProblem::Weak { .. }, .. } => "key_weak",
        DocumentError::Key { problem: KeyProblem::Missing(_), .. } => "key_missing",
        DocumentError::Key { problem: KeyProblem::Twice, .. } => "key_twice",
        DocumentError::Key { .. } => "key",
        DocumentError::Field { .. } => "field",
        DocumentError::SignatureList => "signature_list",
        DocumentError::NotEntitled { .. } => "not_entitled",
        DocumentError::BadSignature { .. } => "bad_signature",
        DocumentError::TooFewSignatures { .. } => "too_few_signatures",
        DocumentError::ForeignNetwork => "foreign_network",
        DocumentError::PredecessorUnknown { .. } => "predecessor_unknown",
        DocumentError::WrongPredecessor { .. } => "wrong_predecessor",
        DocumentError::CharterBefore { .. } => "predecessor_unknown",
        DocumentError::UnknownParty(_) => "unknown_party",
        DocumentError::UnknownStation(_) => "unknown_station",
        DocumentError::UnknownKey(_) => "unknown_key",
        DocumentError::Full(_) => "full",
    }
}

pub(crate) fn make() -> Vec<Named> {
    let world = World::new();
    [
        first::good(&world),
        first::wrapper(&world),
        first::payloads(&world),
        first::first_versions(&world),
        first::authorities(&world),
        later::later_versions(&world),
        later::certificates(&world),
        later::keys(&world),
        later::contacts(&world),
        later::charters(&world),
        taken::revocations(&world),
        taken::of_authorities(&world),
        taken::attestations(&world),
    ]
    .concat()
}
