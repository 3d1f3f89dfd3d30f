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
    /// A sealed folder, and nothing that opens it.
    #[error(
        "the keys in {0} are sealed, and there is no terminal to ask at; name the file with \
             their passphrase (--passphrase-file, keys.passphrase_file) or with their identity \
             (--identity-file, keys.identity_file)"
    )]
    Sealed(PathBuf),
    /// The identity is not in the folder.
    #[error(
        "the identity that opens {0} is kept elsewhere; name its file (--identity-file, \
             keys.identity_file)"
    )]
    IdentityElsewhere(PathBuf),
    /// The passphrase does not open the identity.
    #[error(
        "this is not the passphrase of {0}: nothing was opened; try again, and mind the \
             layout of the keyboard"
    )]
    WrongPassphrase(PathBuf),
    /// The identity is one of other keys.
    #[error(
        "this identity does not open {0}: nothing was opened; name the one that its \
             recipient.txt was made from"
    )]
    WrongIdentity(PathBuf),
    /// A sealed file that the folder's identity does not open.
    #[error("{0} was changed, or sealed to another identity; restore it from where it was kept")]
    NotOpened(PathBuf),
    /// `recipient.txt` holds no recipient.
    #[error("{0} is no age recipient; restore it from where it was kept")]
    NotASeal(PathBuf),
    /// A file that should hold an identity.
    #[error("{0} holds no age identity (AGE-SECRET-KEY-1…); name the right file")]
    NotAnIdentity(PathBuf),
    /// A file that should hold a passphrase.
    #[error("the first line of {0} holds no passphrase; write it there")]
    NoPassphrase(PathBuf),
    /// Too easy to guess.
    #[error("the passphrase is shorter than 12 characters; take five or more unrelated words")]
    ShortPassphrase,
    /// The two answers differ.
    #[error("the two passphrases differ; do it again")]
    NotTheSame,
    /// Nobody can be asked.
    #[error("there is no terminal to ask at; name a file with the passphrase instead")]
    NoTerminal,
    /// The answer was empty.
    #[error("nothing was typed; do it again")]
    NothingTyped,
    /// The folder is sealed already.
    #[error("{0} is sealed already; `cbm keys passwd` changes its passphrase")]
    SealedAlready(PathBuf),
    /// The folder is not sealed.
    #[error("{0} is not sealed; `cbm keys seal` seals it")]
    NotSealed(PathBuf),
    /// A token that does not do what it should.
    #[error("the token of {place}: {cause}")]
    Token {
        /// Its URI, without what stands behind the `?`.
        place: String,
        /// What is wrong, and what to do.
        cause: String,
    },
    /// A `pkcs11:` URI that cannot be used.
    #[error(
        "{place} names no key: {cause}; write \
             pkcs11:token=LABEL;object=LABEL?module-path=/FILE.so&pin-source=FILE"
    )]
    TokenUri {
        /// The URI, without what stands behind the `?`.
        place: String,
        /// What is wrong with it.
        cause: String,
    },
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
