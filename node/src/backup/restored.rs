//! The note that a restore leaves beside the journal, for the next start and for the report.
//!
//! It lies in the store's folder without a marker beside it, so that the station takes a new
//! incarnation before it speaks; and it says since when letters may be missing, so that they are
//! asked for again. It stays: the journal knows what was asked for already.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::BackupError;
use crate::documents::write_whole;

/// What is known of the restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// When the backup was made.
    pub made_at: String,
    /// The newest time in an envelope of it, milliseconds; what came later may be missing.
    pub newest: u64,
    /// When it was restored.
    pub restored_at: String,
    /// Records in it.
    pub records: u64,
    /// Letters received that are in it, where they were counted.
    pub received: Option<u64>,
    /// Letters sent, likewise.
    pub sent: Option<u64>,
}

fn path(data: &Path) -> PathBuf {
    data.join("restored")
}

/// What the note in the store's folder says; `None` where no restore made the folder.
///
/// # Errors
/// It is there and cannot be read.
pub fn read(data: &Path) -> Result<Option<Restored>, BackupError> {
    let path = path(data);
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BackupError::io("read", &path)(error)),
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| BackupError::io("read", &path)(error.into())),
    }
}

pub(super) fn write(data: &Path, restored: &Restored) -> Result<(), BackupError> {
    let path = path(data);
    let write = || write_whole(&path, &serde_json::to_vec(restored)?);
    write().map_err(BackupError::io("write", &path))
}
