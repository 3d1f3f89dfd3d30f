//! Why the keys cannot be used; each text names the file and the remedy, and never what is in it.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The folder does not exist.
    #[error("no keys at {0}: make them with `cbm keygen`, or correct paths.keys")]
    NoFolder(PathBuf),
    /// One key is not there.
    #[error("the {role} key is missing at {path}: restore the folder from where it was kept")]
    Missing {
        /// Which key.
        role: &'static str,
        /// Where it should be.
        path: PathBuf,
    },
    /// Somebody else could read or change it.
    #[error("{path} has mode {mode:04o}, so others can reach it: run `chmod {want:o} {path}`",
        path = .path.display())]
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// What they should be.
        want: u32,
    },
    /// It belongs to another user.
    #[error("{path} belongs to user {owner}, and this is user {user}: run `chown {user} {path}`",
        path = .path.display())]
    ForeignOwner {
        /// The file or folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// Not one line of the right role.
    #[error("{path} is not a {role} key of this program: put the right file there",
        path = .path.display())]
    NotAKey {
        /// Which key was wanted.
        role: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// More than one epoch key, and nothing says which one counts.
    #[error("{0} holds several epoch keys: leave the one that the certificate names")]
    SeveralEpochs(PathBuf),
    /// The next generation is there already.
    #[error(
        "{0} holds keys that wait for their certificate: have them certified, or remove that \
         folder to make others"
    )]
    NextWaits(PathBuf),
    /// The certificate names a key that is not here.
    #[error(
        "the station's certificate names a {role} key that is not in {folder}, its `next` or its \
         `past`: put the right folder there, or have the party's authority certify these keys",
        folder = .folder.display()
    )]
    NotNamed {
        /// Which key.
        role: &'static str,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// Keys are there already.
    #[error("{0} exists already: choose another folder, keys are never written over")]
    Exists(PathBuf),
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
}

/// The system said no to `what` on `path`.
pub(super) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeystoreError {
    let path = path.to_owned();
    move |error| KeystoreError::Io { what, path, error }
}
