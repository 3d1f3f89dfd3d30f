//! Whether a journal is what a station wrote: chain, checksums, signatures, own records.
//!
//! One pass, in order. An envelope is held against the keys that its author ever had, as the
//! documents in the folder and in the journal say; an own record is opened under the archive key
//! and thrown away. No content leaves this file, only counts and places.

use std::{collections::BTreeMap, path::Path};

use cbm_proto::{
    accord::Directory,
    envelope::{Envelope, Kind, Refusal},
    id::{EnvelopeId, StationId},
    journal::{Record, RecordKind},
    keys::StationKeys,
    own,
    proof::{Proof, ProofError},
};
use serde::{Deserialize, Serialize};

use crate::{
    config::{Config, OpenedBy},
    keystore::{Keystore, KeystoreError, Unlock},
    store::{
        Position, StoreError,
        inspect::{Inspected, Until, inspect, kind_word},
    },
};

/// What there is to check with; what is missing is not checked, and said so.
#[derive(Default)]
pub struct Glasses<'a> {
    /// Whose journal it is.
    pub me: Option<StationId>,
    /// Who signs with which keys; documents of the journal come on top.
    pub directory: Option<Directory>,
    /// Opens own records.
    pub archive: Option<&'a [u8; 32]>,
}

/// Records of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kinds {
    /// What people call the kind.
    pub kind: String,
    /// How many.
    pub records: u64,
    /// Bytes of their contents.
    pub bytes: u64,
}

/// What was found of envelopes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelopes {
    /// Of this station.
    pub own: u64,
    /// Of others.
    pub heard: u64,
    /// Signed by a key of the author; `null` when there are no documents to hold them against.
    pub signed: Option<u64>,
    /// Signed by a key that no document names.
    pub unknown_key: u64,
    /// Not signed by the key that they name, or no envelopes at all.
    pub bad: u64,
    /// Places of the bad ones, the first few.
    pub bad_at: Vec<String>,
    /// Numbers of our own feeds that two headers have. A feed never forks: this must be 0.
    /// `null` when it is not known which feeds are ours.
    pub own_forks: Option<u64>,
    /// Proofs that an author signed two headers as one. Held against documents where there are any.
    #[serde(default)]
    pub proofs: u64,
}

/// What was found of own records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnRecords {
    /// Open under the archive key; `null` when the key was not at hand.
    pub open: Option<u64>,
    /// Do not.
    pub closed: u64,
    /// Places of the closed ones, the first few.
    pub closed_at: Vec<String>,
}

/// Something damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// `SEGMENT:OFFSET`, or empty.
    pub at: String,
    /// What is wrong there.
    pub what: String,
}

/// The whole verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Nothing that was acknowledged is missing or wrong.
    pub sound: bool,
    /// The chain's first value, which names the journal.
    pub journal: Option<String>,
    /// Segment files.
    pub segments: u64,
    /// Sound records.
    pub records: u64,
    /// Records whose content was dropped on purpose.
    pub dropped: u64,
    /// Where they end.
    pub end: Option<String>,
    /// The chain's value there.
    pub chain: Option<String>,
    /// By kind.
    pub kinds: Vec<Kinds>,
    /// Envelopes.
    pub envelopes: Envelopes,
    /// Own records.
    pub own: OwnRecords,
    /// What is damaged.
    pub damage: Vec<Damage>,
    /// Where unfinished writes of a crash begin; nothing of them was acknowledged.
    pub torn: Option<String>,
    /// The newest time in the header of an own envelope, milliseconds; 0 without any.
    #[serde(skip)]
    pub newest_own: u64,
}

/// The station's keys, opened as its settings say, without asking anybody.
///
/// # Errors
/// They are not there, or do not open.
pub fn keys(config: &Config) -> Result<StationKeys, KeystoreError> {
    let open = |folder: &Path, by: &OpenedBy| {
        let OpenedBy { passphrase_file, identity_file } = by.clone();
        Keystore::open(folder)?.unlock(&Unlock { passphrase_file, identity_file, ask: false })
    };
    let keys = open(&config.keys, &config.opened_by)?;
    let keys = match &config.archive_key {
        Some(folder) => keys.with_archive(open(folder, &config.archive_opened_by)?),
        None => keys,
    };
    keys.load_station()
}

/// Places that are listed one by one.
const PLACES: usize = 16;

/// Checks the journal of the store in `data`.
///
/// # Errors
/// A file cannot be read, or is of a newer version.
pub fn verify(
    data: &Path,
    until: Until,
    glasses: &Glasses<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Verified, StoreError> {
    let mut check = Check::new(glasses);
    let inspected = inspect(data, until, &mut |place, record| {
        check.take(place, &record);
        progress(record.bytes.len() as u64);
    })?;
    Ok(check.end(&inspected))
}

struct Check<'a> {
    glasses: &'a Glasses<'a>,
    directory: Option<Directory>,
    found: Verified,
    kinds: BTreeMap<u8, Kinds>,
    numbers: BTreeMap<([u8; 32], u64), EnvelopeId>,
}

impl<'a> Check<'a> {
    fn new(glasses: &'a Glasses<'a>) -> Self {
        let mut found = Verified::default();
        found.envelopes.signed = glasses.directory.as_ref().map(|_| 0);
        found.envelopes.own_forks = glasses.me.map(|_| 0);
        found.own.open = glasses.archive.map(|_| 0);
        let directory = glasses.directory.clone();
        Self { glasses, directory, found, kinds: BTreeMap::new(), numbers: BTreeMap::new() }
    }

    fn take(&mut self, place: Position, record: &Record) {
        let kinds = self.kinds.entry(record.kind.code()).or_default();
        kinds.kind = kind_word(record.kind).to_owned();
        kinds.records += 1;
        kinds.bytes += record.bytes.len() as u64;
        match record.kind {
            RecordKind::Envelope => self.envelope(place, record),
            RecordKind::Document => {
                if let Some(directory) = &mut self.directory {
                    // One that is not believed signs for nobody.
                    let _ = directory.admit(&record.bytes);
                }
            }
            RecordKind::Proof => self.proof(place, record),
            RecordKind::Note | RecordKind::Unknown(_) => {}
            _ => self.own(place, record),
        }
    }

    fn envelope(&mut self, place: Position, record: &Record) {
        let Ok(envelope) = Envelope::decode(record.bytes.clone()) else {
            return self.bad(place);
        };
        let header = *envelope.header();
        if Some(header.author) == self.glasses.me {
            self.found.envelopes.own += 1;
            self.found.newest_own = self.found.newest_own.max(header.made_at.0);
            if header.kind != Kind::Beacon {
                self.number(&envelope);
            }
        } else {
            self.found.envelopes.heard += 1;
        }
        let Some(directory) = &self.directory else { return };
        let member = directory.member(&header.author);
        let key = member.and_then(|m| envelope.signed_by().find_map(|id| m.sign_key(&id)));
        match key.map(|key| envelope.verify(key)) {
            None => self.found.envelopes.unknown_key += 1,
            Some(Err(_)) => self.bad(place),
            Some(Ok(())) => {
                self.found.envelopes.signed = self.found.envelopes.signed.map(|n| n + 1);
            }
        }
    }

    /// A proof against an author: it must prove what it says. Whose keys no document names is not
    /// judged.
    fn proof(&mut self, place: Position, record: &Record) {
        let proven = Proof::decode(&record.bytes).map(|proof| {
            let held = self.directory.as_ref().map(|directory| proof.check(directory));
            !matches!(held, Some(Err(ProofError::Header(Refusal::BadSignature))))
        });
        match proven {
            Ok(true) => self.found.envelopes.proofs += 1,
            Ok(false) | Err(_) => self.bad(place),
        }
    }

    /// A number of our own feeds, which must have one header.
    fn number(&mut self, envelope: &Envelope) {
        let (header, mut feed) = (envelope.header(), [0; 32]);
        feed[..16].copy_from_slice(header.incarnation.as_bytes());
        feed[16..].copy_from_slice(header.lane.as_bytes());
        let first = *self.numbers.entry((feed, header.seq)).or_insert(envelope.id());
        let forks = &mut self.found.envelopes.own_forks;
        *forks = forks.map(|n| n + u64::from(first != envelope.id()));
    }

    fn bad(&mut self, place: Position) {
        self.found.envelopes.bad += 1;
        note(&mut self.found.envelopes.bad_at, place);
    }

    fn own(&mut self, place: Position, record: &Record) {
        let Some(archive) = self.glasses.archive else { return };
        // A form of a newer version opened, and is no damage.
        if matches!(own::open(archive, record), Ok(_) | Err(own::OwnError::Form)) {
            self.found.own.open = self.found.own.open.map(|n| n + 1);
        } else {
            self.found.own.closed += 1;
            note(&mut self.found.own.closed_at, place);
        }
    }

    fn end(mut self, inspected: &Inspected) -> Verified {
        let damage = inspected.damage.iter().map(|report| match report {
            crate::store::Report::Damage { at, what } => {
                Damage { at: at.to_string(), what: (*what).to_owned() }
            }
            other => Damage { at: String::new(), what: other.to_string() },
        });
        let found = &mut self.found;
        found.damage = damage.collect();
        found.journal = inspected.name.map(|name| name.to_string());
        found.segments = inspected.segments.len() as u64;
        (found.records, found.dropped) = (inspected.records, inspected.dropped);
        found.end = inspected.end.map(|end| end.to_string());
        found.chain = inspected.chain.map(|chain| chain.to_string());
        found.torn = inspected.torn.map(|torn| torn.to_string());
        found.kinds = self.kinds.into_values().collect();
        let whole = found.damage.is_empty() && found.segments > 0;
        let honest = found.envelopes.bad == 0 && found.envelopes.own_forks.is_none_or(|n| n == 0);
        found.sound = whole && honest && found.own.closed == 0;
        self.found
    }
}

fn note(places: &mut Vec<String>, place: Position) {
    if places.len() < PLACES {
        places.push(place.to_string());
    }
}
