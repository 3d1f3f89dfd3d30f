//! The seal of a keystore: an age identity, and how somebody comes by it.
//!
//! A sealed folder holds `recipient.txt` (public: new keys are sealed to it without asking
//! anybody) and, if a passphrase opens it, `identity.age`: the identity sealed by that passphrase.
//! Without `identity.age` the identity is kept elsewhere and handed in as a file, as the credential
//! store of systemd does. The formats are those of age, so other tools open them too. Invariants:
//! passphrase and identity come from a file that nobody else reads or from the terminal, never
//! from the environment or an argument; an identity that is not the folder's opens nothing. Only
//! this module names `age` here; called by [`Keystore`](super::Keystore).

use super::{
    error::{KeystoreError, io_error},
    files, prompt,
};
use age::{
    Decryptor, Encryptor,
    secrecy::{ExposeSecret as _, SecretString},
    x25519,
};
use std::{
    fmt, fs, io,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Public: what keys are sealed to.
pub(super) const RECIPIENT: &str = "recipient.txt";
/// The identity, sealed by a passphrase.
pub(super) const IDENTITY: &str = "identity.age";

/// Work of one guess at a passphrase: scrypt with N = 2^17, r = 8 takes 128 MiB and about half a
/// second.
const WORK: u8 = 17;
/// Most work that a file may ask of us: 1 GiB.
const WORK_MAX: u8 = 20;
/// Longest identity file, bytes: comments are allowed.
const IDENTITY_MAX: u64 = 4_096;
/// Fewest characters of a new passphrase.
pub(super) const PASSPHRASE_MIN: usize = 12;
/// Longest passphrase, bytes.
pub(super) const PASSPHRASE_MAX: u64 = 1_024;
/// Longest secret that is sealed or opened, bytes.
const SECRET_MAX: usize = 4_096;

/// How somebody comes by the identity of a sealed folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlock {
    /// File with the passphrase, in its first line.
    pub passphrase_file: Option<PathBuf>,
    /// File with the identity itself.
    pub identity_file: Option<PathBuf>,
    /// With neither: ask for the passphrase on the terminal.
    pub ask: bool,
}

impl Unlock {
    /// Asks on the terminal.
    #[must_use]
    pub fn ask() -> Self {
        Self { ask: true, ..Self::default() }
    }
}

/// What a folder is sealed to, and the identity once it is there.
#[derive(Clone)]
pub(super) struct Seal {
    recipient: x25519::Recipient,
    identity: Option<x25519::Identity>,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal(opened: {})", self.identity.is_some())
    }
}

impl Seal {
    /// The seal of `folder`; `None`: the folder is not sealed.
    pub(super) fn of(folder: &Path) -> Result<Option<Self>, KeystoreError> {
        let path = folder.join(RECIPIENT);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        match text.trim().parse() {
            Ok(recipient) => Ok(Some(Self { recipient, identity: None })),
            Err(_) => Err(KeystoreError::NotASeal(path)),
        }
    }

    /// A new seal for `folder`, with its two files written; `how` says who will open it.
    pub(super) fn create(folder: &Path, how: &Unlock) -> Result<Self, KeystoreError> {
        let identity = match &how.identity_file {
            Some(file) => read_identity(file)?,
            None => {
                let passphrase = new_passphrase(how, folder)?;
                let identity = x25519::Identity::generate();
                write_identity(folder, &identity, &passphrase)?;
                identity
            }
        };
        let recipient = identity.to_public();
        let line = format!("{recipient}\n");
        files::put(&folder.join(RECIPIENT), line.as_bytes())?;
        files::sync(folder)?;
        Ok(Self { recipient, identity: Some(identity) })
    }

    /// The public half, as it stands in `recipient.txt`.
    pub(super) fn recipient(&self) -> String {
        self.recipient.to_string()
    }

    /// Takes the identity from where `how` says.
    pub(super) fn unlock(&mut self, folder: &Path, how: &Unlock) -> Result<(), KeystoreError> {
        let identity = match &how.identity_file {
            Some(file) => read_identity(file)?,
            None => open_identity(folder, how)?,
        };
        if identity.to_public().to_string() != self.recipient.to_string() {
            return Err(KeystoreError::WrongIdentity(folder.to_owned()));
        }
        self.identity = Some(identity);
        Ok(())
    }

    /// Seals the identity by another passphrase, in place of the one before.
    pub(super) fn change(&self, folder: &Path, new: &Unlock) -> Result<(), KeystoreError> {
        let identity = self.identity(folder)?;
        write_identity(folder, identity, &new_passphrase(new, folder)?)?;
        files::sync(folder)
    }

    /// `secret` in a form that only the identity opens.
    pub(super) fn seal(&self, secret: &[u8], path: &Path) -> Result<Vec<u8>, KeystoreError> {
        sealed_to(&self.recipient, secret).map_err(io_error("seal", path))
    }

    /// What [`Seal::seal`] sealed. `path` is named in errors.
    pub(super) fn open(
        &self,
        sealed: &[u8],
        path: &Path,
    ) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let identity = self.identity(path.parent().unwrap_or(path))?;
        opened_by(identity, sealed).ok_or_else(|| KeystoreError::NotOpened(path.to_owned()))
    }

    fn identity(&self, folder: &Path) -> Result<&x25519::Identity, KeystoreError> {
        self.identity.as_ref().ok_or_else(|| KeystoreError::Sealed(folder.to_owned()))
    }
}

/// Makes an identity that is kept elsewhere, such as in the credential store of systemd; returns
/// the public half.
///
/// # Errors
/// The file exists already, or cannot be written.
pub fn new_identity(out: &Path) -> Result<String, KeystoreError> {
    if out.exists() {
        return Err(KeystoreError::Exists(out.to_owned()));
    }
    let identity = x25519::Identity::generate();
    let line = Zeroizing::new(format!("{}\n", identity.to_string().expose_secret()));
    files::put(out, line.as_bytes())?;
    Ok(identity.to_public().to_string())
}

fn read_identity(file: &Path) -> Result<x25519::Identity, KeystoreError> {
    let text = files::read_private(file, IDENTITY_MAX)?;
    parse_identity(&text).ok_or_else(|| KeystoreError::NotAnIdentity(file.to_owned()))
}

/// The first line that is no comment.
fn parse_identity(text: &[u8]) -> Option<x25519::Identity> {
    let text = std::str::from_utf8(text).ok()?;
    text.lines().map(str::trim).find(|line| line.starts_with("AGE-SECRET-KEY-1"))?.parse().ok()
}

fn open_identity(folder: &Path, how: &Unlock) -> Result<x25519::Identity, KeystoreError> {
    let path = folder.join(IDENTITY);
    if !path.exists() {
        return Err(KeystoreError::IdentityElsewhere(folder.to_owned()));
    }
    let sealed = files::read_private(&path, IDENTITY_MAX)?;
    let passphrase = match &how.passphrase_file {
        Some(file) => read_passphrase(file)?,
        None if how.ask => prompt::secret(&format!("Passphrase of {}: ", folder.display()))?,
        None => return Err(KeystoreError::Sealed(folder.to_owned())),
    };
    let mut identity = age::scrypt::Identity::new(secret(&passphrase));
    identity.set_max_work_factor(WORK_MAX);
    let text = opened_by(&identity, &sealed)
        .ok_or_else(|| KeystoreError::WrongPassphrase(folder.to_owned()))?;
    parse_identity(&text).ok_or(KeystoreError::NotAnIdentity(path))
}

fn write_identity(
    folder: &Path,
    identity: &x25519::Identity,
    passphrase: &str,
) -> Result<(), KeystoreError> {
    let path = folder.join(IDENTITY);
    let mut recipient = age::scrypt::Recipient::new(secret(passphrase));
    recipient.set_work_factor(WORK);
    let line = Zeroizing::new(format!("{}\n", identity.to_string().expose_secret()));
    let sealed = sealed_to(&recipient, line.as_bytes()).map_err(io_error("seal", &path))?;
    files::put(&path, &sealed)
}

/// A copy that wipes itself as well.
fn secret(passphrase: &str) -> SecretString {
    SecretString::from(passphrase.to_owned())
}

/// The first line of the file.
pub(super) fn read_passphrase(file: &Path) -> Result<Zeroizing<String>, KeystoreError> {
    let bytes = files::read_private(file, PASSPHRASE_MAX)?;
    let line = std::str::from_utf8(&bytes).ok().and_then(|text| text.lines().next());
    match line.map(|line| line.trim_end_matches('\r')) {
        Some(line) if !line.is_empty() => Ok(Zeroizing::new(line.to_owned())),
        _ => Err(KeystoreError::NoPassphrase(file.to_owned())),
    }
}

fn new_passphrase(how: &Unlock, folder: &Path) -> Result<Zeroizing<String>, KeystoreError> {
    let passphrase = match &how.passphrase_file {
        Some(file) => read_passphrase(file)?,
        None if how.ask => {
            let first = prompt::secret(&format!("New passphrase of {}: ", folder.display()))?;
            let again = prompt::secret("The same again: ")?;
            if *first != *again {
                return Err(KeystoreError::NotTheSame);
            }
            first
        }
        None => return Err(KeystoreError::Sealed(folder.to_owned())),
    };
    if passphrase.chars().count() < PASSPHRASE_MIN {
        return Err(KeystoreError::ShortPassphrase);
    }
    Ok(passphrase)
}

fn sealed_to(recipient: &dyn age::Recipient, secret: &[u8]) -> io::Result<Vec<u8>> {
    let encryptor =
        Encryptor::with_recipients(std::iter::once(recipient)).map_err(io::Error::other)?;
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed)?;
    writer.write_all(secret)?;
    writer.finish()?;
    Ok(sealed)
}

/// `None`: not sealed to this identity, damaged, or too long. Why, nobody needs to know.
fn opened_by(identity: &dyn age::Identity, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let decryptor = Decryptor::new_buffered(sealed).ok()?;
    let mut reader = decryptor.decrypt(std::iter::once(identity)).ok()?;
    // Of its full size from the start: a buffer that grows leaves copies behind.
    let mut buffer = Zeroizing::new(vec![0; SECRET_MAX]);
    let mut length = 0;
    loop {
        let read = reader.read(buffer.get_mut(length..)?).ok()?;
        if read == 0 {
            break;
        }
        length += read;
    }
    (length < SECRET_MAX).then(|| buffer.truncate(length))?;
    Some(buffer)
}
