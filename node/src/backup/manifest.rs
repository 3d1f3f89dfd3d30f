//! What a backup says about itself: the last entry in it (`docs/spec/journal.md`).

use serde::{Deserialize, Serialize};

/// The format described on the page.
pub const FORMAT: u32 = 1;

/// The whole manifest. A key of a newer version is not an error: it says more, not less.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The program that made it.
    pub program: String,
    /// `PARTY/station`.
    pub station: String,
    /// The network id, in hex.
    pub network: String,
    /// When the cut was made, by the station's clock.
    pub made_at: String,
    /// The newest time in the header of an envelope, not later than `made_at`; milliseconds.
    pub newest: u64,
    /// The journal.
    pub journal: JournalPart,
    /// Letters received that are in it, where a running node counted them.
    pub received: Option<u64>,
    /// Letters sent, likewise.
    pub sent: Option<u64>,
    /// All other entries, in their order.
    pub files: Vec<FileEntry>,
}

/// The journal in a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalPart {
    /// The chain's first value, in hex.
    pub name: String,
    /// Sound records.
    pub records: u64,
    /// Where they end.
    pub end: String,
    /// The chain's value there, in hex.
    pub chain: String,
    /// Nothing was damaged when it was read.
    pub sound: bool,
}

/// One file in a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// `journal/00000001.seg`, `documents/NAME.cbm` or `config/cbm.toml`.
    pub name: String,
    /// Length of the file as it is restored; behind its content it is filled with zeros.
    pub size: u64,
    /// Length of its content in the backup.
    pub length: u64,
    /// SHA-256 of its content, in hex.
    pub sha256: String,
}
