//! Checks of keys and of signed documents, as they lie in their folders.

use cbm_proto::{
    accord::{Directory, Member},
    time::Timestamp,
};

use super::{Check, days};
use crate::{
    config::Config,
    documents,
    keystore::{Keystore, KeystoreError, Unlock},
};

/// So many days before an end somebody should act.
const SOON: i64 = 30;
/// A contact record older than this may no longer be true.
const OLD: i64 = 180;

pub(super) fn look(config: &Config, now: Timestamp, checks: &mut Vec<Check>) {
    let keys = open(config);
    checks.push(key_files(config, &keys));
    let loaded = match documents::load(&config.documents) {
        Ok(loaded) => loaded,
        Err(error) => {
            checks.push(Check::fail("documents", error, "correct paths.documents"));
            checks.push(Check::skipped("certificate", "the documents cannot be read"));
            checks.push(Check::skipped("end dates", "the documents cannot be read"));
            return;
        }
    };
    checks.push(match loaded.refused.first() {
        None => Check::ok("documents", format!("{} believed", loaded.directory.documents().len())),
        Some(first) => {
            let found = format!("{} not believed, the first: {first}", loaded.refused.len());
            let remedy = "take away what does not belong there; `cbm accord verify` names each";
            Check::warn("documents", found.replace("; ", ", "), remedy)
        }
    });
    let member = loaded.directory.by_name(&config.station);
    checks.push(certificate(config, member, &keys));
    checks.push(end_dates(&loaded.directory, member, now));
}

/// The keystore, opened as `run` opens it but without asking anybody.
fn open(config: &Config) -> Result<Keystore, KeystoreError> {
    let store = Keystore::open(&config.keys)?;
    let by = &config.opened_by;
    if !store.is_sealed() || (by.passphrase_file.is_none() && by.identity_file.is_none()) {
        return Ok(store);
    }
    let (passphrase_file, identity_file) = (by.passphrase_file.clone(), by.identity_file.clone());
    store.unlock(&Unlock { passphrase_file, identity_file, ask: false })
}

fn key_files(config: &Config, keys: &Result<Keystore, KeystoreError>) -> Check {
    let name = "key files";
    let inventory = keys.as_ref().map_err(ToString::to_string).and_then(|store| {
        store.inventory().map_err(|error| error.to_string()).map(|inventory| (store, inventory))
    });
    let (store, inventory) = match inventory {
        Ok(both) => both,
        Err(error) => {
            return Check::fail(name, error, "do what stands before, or correct paths.keys");
        }
    };
    let asks =
        config.opened_by.passphrase_file.is_none() && config.opened_by.identity_file.is_none();
    if store.is_sealed() && asks {
        let found = format!("sealed, opened by {}, which `run` asks for", inventory.opens_by);
        let remedy = "name keys.passphrase_file or keys.identity_file if it must start alone";
        return Check::warn(name, found, remedy);
    }
    let apart = config.archive_key.is_some();
    if let Err(error) = store.load_announcing() {
        return Check::fail(name, error, "do what stands before, or correct paths.keys");
    }
    match (store.is_sealed(), apart) {
        (true, _) => Check::ok(name, format!("sealed and opened by {}", inventory.opens_by)),
        (false, _) => Check::warn(
            name,
            "plain files of this user alone: whoever reads this disk has the keys",
            "`cbm keys seal` seals them, or keep them on an encrypted disk",
        ),
    }
}

fn certificate(
    config: &Config,
    member: Option<&Member>,
    keys: &Result<Keystore, KeystoreError>,
) -> Check {
    let name = "certificate";
    let Some(member) = member else {
        let found = format!("none for {} among the documents", config.station);
        let remedy =
            "have the party's authority certify the station, and put the certificate there";
        return Check::fail(name, found, remedy);
    };
    if member.silenced {
        let found = "its keys are revoked: others accept nothing of this station";
        return Check::fail(name, found, "make new keys and have the authority certify them");
    }
    let Some((_, mine)) = keys.as_ref().ok().and_then(|store| store.load_announcing().ok()) else {
        return Check::skipped(name, "there is one; the keys cannot be read to compare");
    };
    if mine.sign != member.sign || mine.peer != member.peer {
        let found = "the keys are not those that the certificate names";
        let remedy = "put the right keys there, or have the party's authority certify these";
        return Check::fail(name, found, remedy);
    }
    Check::ok(name, format!("serial {}, and the keys are those it names", member.serial))
}

fn end_dates(directory: &Directory, member: Option<&Member>, now: Timestamp) -> Check {
    let name = "end dates";
    let ends = [
        ("the certificate", member.and_then(|member| member.not_after)),
        ("the accord", directory.accord().not_after),
    ];
    let mut found = Vec::new();
    let mut soon = false;
    for (what, end) in ends {
        let Some(end) = end else { continue };
        let left = days(now, end);
        soon |= left < SOON;
        found.push(match left {
            ..0 => format!("{what} ended {} days ago", -left),
            _ => format!("{what} ends in {left} days"),
        });
    }
    match (found.is_empty(), soon) {
        (true, _) => Check::ok(name, "open ended"),
        (false, false) => Check::ok(name, found.join(", ")),
        (false, true) => {
            let remedy = "have the authority certify anew; an end warns and cuts no line";
            Check::warn(name, found.join(", "), remedy)
        }
    }
}

/// Whether the others are known to be where they say.
pub(super) fn contacts(config: &Config, now: Timestamp) -> Check {
    let name = "contacts";
    let Ok(loaded) = documents::load(&config.documents) else {
        return Check::skipped(name, "the documents cannot be read");
    };
    let (mut none, mut old, mut count) = (Vec::new(), Vec::new(), 0);
    for member in loaded.directory.members().filter(|m| m.name != config.station) {
        count += 1;
        match member.contact_at {
            None => none.push(member.name.to_string()),
            Some(at) if days(at, now) > OLD => old.push(member.name.to_string()),
            Some(_) => {}
        }
    }
    if none.is_empty() && old.is_empty() {
        return Check::ok(name, format!("{count} stations, none older than {OLD} days"));
    }
    let found = [("without contact record", none), ("not renewed for long", old)]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what}: {}", names.join(", ")))
        .collect::<Vec<_>>();
    let remedy = "ask them to announce themselves again, by telephone if need be";
    Check::warn(name, found.join(". "), remedy)
}
