//! Documents as text for people: what was drawn up, who signed, what a folder is worth.
//!
//! Fingerprints stand in words in two lines of eight, to be read aloud; lines end at 80 columns.

use serde::Serialize;

use super::print;
use crate::ceremony::{
    AccordShown, AttestationShown, CertificateShown, CharterShown, Exported, PartyShown,
    RevocationShown, Shown, StationShown, Verified, Written,
};

/// What became of a document that was published.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Fate {
    /// Its file.
    pub file: String,
    /// What it is.
    pub kind: String,
    /// `new`, `known`, `superseded` or `refused`.
    pub fate: String,
    /// Why it was refused.
    pub cause: Option<String>,
}

/// A fingerprint in words, in two lines of eight.
pub(super) fn words(words: &str) -> String {
    let all: Vec<&str> = words.split(' ').collect();
    all.chunks(8).map(|line| format!("  {}", line.join(" "))).collect::<Vec<_>>().join("\n")
}

pub(super) fn accord(shown: &AccordShown) -> String {
    let mut out = Vec::new();
    print::wrap(&mut out, "accord ", &format!("{}, version {}", shown.name, shown.version));
    out.push(format!("in {}", shown.file.display()));
    out.push(format!("fingerprint {}", shown.fingerprint));
    out.push(words(&shown.words));
    out.push(parties(&shown.parties));
    if !shown.changes.is_empty() {
        out.push(format!("changes against version {}:", shown.version.saturating_sub(1)));
    }
    for change in &shown.changes {
        print::wrap(&mut out, "  ", change);
    }
    signed(&mut out, &shown.signed_by, &shown.missing, shown.needed, shown.complete);
    let states = shown.parties.iter().filter(|party| party.role == "STATE").count();
    let (next, needed) = (shown.version.saturating_add(1), shown.threshold);
    out.push(format!("version {next} will need {needed} of {states} STATE parties"));
    out.join("\n")
}

fn signed(out: &mut Vec<String>, by: &[String], missing: &[String], needed: usize, whole: bool) {
    let nobody = || "nobody".to_owned();
    print::wrap(out, "signed by ", &if by.is_empty() { nobody() } else { by.join(", ") });
    if whole {
        out.push(format!("complete: {} of {needed} signatures", by.len()));
        return;
    }
    let lacks = needed.saturating_sub(by.len());
    let rest = format!("{lacks} more of {needed} needed, by {}", missing.join(", "));
    print::wrap(out, "not complete: ", &rest);
}

fn parties(parties: &[PartyShown]) -> String {
    let row = |party: &PartyShown| {
        let role = if party.contested { "contested" } else { &party.role };
        let keys = party.fingerprints.join(", ");
        vec![party.code.clone(), role.to_owned(), print::shorten(&party.name, 18), keys]
    };
    let rows: Vec<_> = parties.iter().map(row).collect();
    print::table(&["PARTY", "ROLE", "NAME", "AUTHORITY KEY"], &rows)
}

pub(super) fn written(shown: &Written) -> String {
    let Written { file, kind, station, serial, words: print, offices } = shown;
    let file = file.display();
    let mut out =
        format!("{kind} of {station}, serial {serial}\nin {file}\nkeys\n{}", words(print));
    offices.iter().for_each(|office| out.extend(["\n  ", office.as_str()]));
    out
}

pub(super) fn revocations(all: &[RevocationShown]) -> String {
    all.iter().map(revocation).collect::<Vec<_>>().join("\n")
}

fn revocation(shown: &RevocationShown) -> String {
    let mut out = Vec::new();
    let whose = shown.station.as_ref().unwrap_or(&shown.party);
    let role = shown.role.as_deref().unwrap_or("a");
    out.push(format!("revoked: {role} key {} of {whose}", shown.key));
    if let Some(file) = &shown.file {
        out.push(format!("in {}", file.display()));
    }
    if !shown.reason.is_empty() {
        print::wrap(&mut out, "reason: ", &shown.reason);
    }
    match role {
        "SIGN" | "OFFICE" => out.push(format!("stands by {} feeds of it", shown.stands_by)),
        "AUTHORITY" => out.push(format!("stands by {} documents of it", shown.stands_by)),
        _ => {}
    }
    out.join("\n")
}

pub(super) fn attestation(shown: &AttestationShown) -> String {
    let how = shown.method.to_lowercase().replace('_', " ");
    let mut out = format!("{} checked the authority key of {}: {how}", shown.by, shown.subject);
    if let Some(file) = &shown.file {
        out = format!("{out}\nin {}", file.display());
    }
    out
}

pub(super) fn charter(shown: &CharterShown) -> String {
    let mut out = vec![format!("charter {}, version {}", shown.name, shown.version)];
    if let Some(file) = &shown.file {
        out.push(format!("in {}", file.display()));
    }
    out.push(format!("fingerprint {}", shown.fingerprint));
    out.push(words(&shown.words));
    print::wrap(&mut out, "members ", &shown.members.join(", "));
    if !shown.rules.is_empty() {
        print::wrap(&mut out, "rules ", &shown.rules);
    }
    signed(&mut out, &shown.signed_by, &shown.missing, shown.members.len(), shown.complete);
    if let Some(cause) = &shown.cause {
        print::wrap(&mut out, "does not count: ", cause);
    }
    out.join("\n")
}

fn certificate(shown: &CertificateShown) -> String {
    let mut out = vec![format!("certificate of {}, serial {}", shown.station, shown.serial)];
    if let Some(end) = &shown.not_after {
        out.push(format!("ends {end}"));
    }
    if !shown.statuses.is_empty() {
        let codes: Vec<_> = shown.statuses.iter().map(u32::to_string).collect();
        out.push(format!("may send letters of status {} only", codes.join(", ")));
    }
    out.extend(shown.keys.iter().map(|key| format!("  {key}")));
    out.join("\n")
}

pub(super) fn document(shown: &Shown) -> String {
    match shown {
        Shown::Accord(shown) => accord(shown),
        Shown::Certificate(shown) => certificate(shown),
        Shown::Contact { station, serial, addresses, offices } => {
            let mut out = vec![format!("contact record of {station}, serial {serial}")];
            out.extend(addresses.iter().map(|address| format!("  {address}")));
            print::wrap(&mut out, "offices ", &offices.join(", "));
            out.join("\n")
        }
        Shown::Charter(shown) => charter(shown),
        Shown::Revocation(shown) => revocation(shown),
        Shown::Attestation(shown) => attestation(shown),
    }
}

pub(super) fn folder(shown: &Verified) -> String {
    let mut out = vec!["network".to_owned(), words(&shown.words)];
    out.push(format!("accord version {} in force", shown.accord_version));
    out.push(parties(&shown.parties));
    let rows: Vec<_> = shown.stations.iter().map(station).collect();
    out.push(print::table(&["STATION", "ROLE", "SERIAL", "STATE", "ADDRESS"], &rows));
    for group in &shown.groups {
        let members = group.members.join(", ");
        let head = format!("group {}, version {}: ", group.name, group.version);
        print::wrap(&mut out, &head, &members);
    }
    out.extend(shown.revocations.iter().map(revocation));
    out.extend(shown.attestations.iter().map(attestation));
    for conflict in &shown.conflicts {
        print::wrap(&mut out, "conflict: ", conflict);
    }
    for refused in &shown.refused {
        print::wrap(&mut out, "not believed: ", refused);
    }
    out.join("\n")
}

fn station(shown: &StationShown) -> Vec<String> {
    let state = match (shown.silenced, shown.expired) {
        (true, _) => "revoked",
        (false, true) => "expired",
        (false, false) => "-",
    };
    let address = shown.addresses.first().cloned().unwrap_or_else(|| "-".to_owned());
    let serial = shown.serial.to_string();
    vec![shown.station.clone(), shown.role.clone(), serial, state.to_owned(), address]
}

pub(super) fn fates(all: &[Fate]) -> String {
    let wide =
        |of: fn(&Fate) -> &str| all.iter().map(|one| of(one).len()).max().unwrap_or(0).max(4);
    let (fate, kind) = (wide(|one| &one.fate), wide(|one| &one.kind));
    let mut out = vec![format!("{:fate$}  {:kind$}  FILE", "FATE", "KIND")];
    for one in all {
        out.push(format!("{:fate$}  {:kind$}  {}", one.fate, one.kind, one.file));
        if let Some(cause) = &one.cause {
            print::wrap(&mut out, "  cause: ", cause);
        }
    }
    out.join("\n")
}

pub(super) fn exported(shown: &Exported) -> String {
    let (new, folder) = (shown.written.len(), shown.folder.display());
    let mut out = vec![format!("{new} new documents in {folder}, {} were there", shown.known)];
    out.extend(shown.written.iter().map(|path| format!("  {}", path.display())));
    out.join("\n")
}
