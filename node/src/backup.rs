//! Proof and copies of the journal: verify it, back it up, restore it (`docs/spec/journal.md`).
//!
//! Invariants: nothing here changes a byte of a running station's folder; no secret key enters a
//! backup, and what a restore reads from elsewhere is verified before a file is written; a backup
//! or a restore that was interrupted leaves nothing that looks whole. Nothing of a letter is opened
//! or printed. Works on files, beside a node or without one; whoever calls has asked the node how
//! far its journal is durable. Called by the verbs `journal`, `backup`, `restore` and `keygen`, and
//! by the runtime, which asks whether its folder was restored.

mod archive;
pub mod check;
pub mod heads;
pub mod manifest;
pub mod put;
pub mod records;
pub mod restored;
pub mod sealed;
pub mod take;

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::store::StoreError;

pub use archive::verify;

/// Why a backup cannot be made, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The system said no.
    #[error("cannot {what} {path}: {error}", path = .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Something is there.
    #[error("{0} is there already; name another one, nothing is ever written over")]
    Exists(PathBuf),
    /// A folder to restore into holds something.
    #[error("{0} is not empty; name a new folder, a restore never mixes with what is there")]
    NotEmpty(PathBuf),
    /// Not `age1…`.
    #[error("`{0}` is no recipient; write the line of `backup.recipient`, which begins with age1")]
    Recipient(String),
    /// A file without recipients.
    #[error("{0} names no recipient; it has one a line, each begins with age1")]
    NoRecipient(PathBuf),
    /// None, or too many.
    #[error("a backup is sealed to between 1 and {0} recipients; name them with --to")]
    Recipients(usize),
    /// Not a file of identities.
    #[error(
        "{0} holds no identity that opens backups; name the file `backup.identity` that \
         `cbm keygen backup` made"
    )]
    Identity(PathBuf),
    /// Others can read an identity.
    #[error("{path} has mode {mode:04o}, so others can read it; run `chmod 600 {path}`",
        path = .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Sealed to somebody else.
    #[error("{0} is not sealed to this identity; name the one whose recipient it was made for")]
    WrongIdentity(PathBuf),
    /// Another file, or a damaged one.
    #[error("{path} is not a whole backup: {cause}; take another copy of it, or an older backup",
        path = .0.display(), cause = .1)]
    NotABackup(PathBuf, String),
    /// Made by a newer program.
    #[error("{0} is of a newer version of this program; use that one")]
    Newer(PathBuf),
    /// What a restore wrote beside the journal was changed.
    #[error(
        "{0}, the note of a restore, is damaged; restore the backup once more into another folder, \
         or, where `cbm restore report` had said that everything was back, remove this one file"
    )]
    Note(PathBuf),
    /// The journal cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The documents are of no use.
    #[error(transparent)]
    Documents(#[from] crate::documents::FileError),
    /// The settings are of no use.
    #[error(
        "the configuration in the backup cannot be read ({0}); write one by hand beside `data`"
    )]
    Config(String),
    /// The keys are not those of the station.
    #[error("the keys in {keys} do not fit this backup: {cause}; name the station's own key folder",
        keys = .0.display(), cause = .1)]
    Keys(PathBuf, String),
}

impl BackupError {
    /// What was tried, on what.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::Io { what, path, error }
    }
}
