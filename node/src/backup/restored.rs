//! The note that a restore leaves beside the journal, for the next start and for the report.
//!
//! It lies in the store's folder without a marker beside it, so that the station takes a new
//! incarnation before it speaks; and it says since when letters may be missing, so that they are
//! asked for again. It stays: the journal knows what was asked for already.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use cbm_proto::primitives::digest;
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

/// What the note in the store's folder says; `None` where no restore made the folder. Its second
/// line is the digest of the first: a wrong `newest` would leave letters unasked for.
///
/// # Errors
/// It is there and cannot be read, or is damaged.
pub fn read(data: &Path) -> Result<Option<Restored>, BackupError> {
    let path = path(data);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(BackupError::io("read", &path))?,
    };
    let damaged = || BackupError::Note(path.clone());
    let note = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if bytes != summed(note) {
        return Err(damaged());
    }
    serde_json::from_slice(note).map(Some).map_err(|_| damaged())
}

pub(super) fn write(data: &Path, restored: &Restored) -> Result<(), BackupError> {
    let path = path(data);
    let write = || write_whole(&path, &summed(&serde_json::to_vec(restored)?));
    write().map_err(BackupError::io("write", &path))
}

/// The note with the line of its digest behind it.
fn summed(note: &[u8]) -> Vec<u8> {
    [note, format!("\n{}\n", digest("restored", &[note])).as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_or_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), None);
        let note = Restored { newest: 1_795_305_108_000, records: 7, ..Restored::default() };
        write(folder.path(), &note).unwrap();
        assert_eq!(read(folder.path()).unwrap(), Some(note));
        let whole = fs::read(path(folder.path())).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(path(folder.path()), bytes).unwrap();
            let words = read(folder.path()).unwrap_err().to_string();
            assert!(words.contains("restored") && words.contains("damaged"), "{bit}: {words}");
        }
        for length in 0..whole.len() {
            fs::write(path(folder.path()), &whole[..length]).unwrap();
            assert!(read(folder.path()).is_err(), "cut to {length} bytes");
        }
    }
}
