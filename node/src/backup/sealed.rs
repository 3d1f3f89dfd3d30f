//! The seal of a backup: a file in the format of age, to X25519 recipients.
//!
//! Invariants: an identity never reaches a log or an error text; its file is for its owner only;
//! a backup is sealed to the named recipients and to one throw-away identity that lives in this
//! process alone, so that what was written can be opened and compared before it gets its name.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    str::FromStr as _,
};

use age::{
    Decryptor, Encryptor,
    secrecy::{ExposeSecret as _, SecretString},
    stream::{StreamReader, StreamWriter},
    x25519,
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::BackupError;

/// Longest file of recipients or identities, bytes.
const FILE_MAX: u64 = 64 * 1024;
/// Recipients of one backup, at most.
const RECIPIENTS_MAX: usize = 16;

/// To whom a backup is sealed.
#[derive(Clone)]
pub struct Recipient(x25519::Recipient);

/// Who opens backups.
pub struct Identity(x25519::Identity);

/// A pair that was made.
#[derive(Clone, Debug, Serialize)]
pub struct PairMade {
    /// The public half, for `--to`.
    pub recipient: String,
    /// A file with it, for `--recipient-file`.
    pub recipient_file: PathBuf,
    /// The secret half; it belongs where the backups are not.
    pub identity_file: PathBuf,
}

impl Recipient {
    /// Reads `age1…`.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, BackupError> {
        let text = text.trim();
        let good = x25519::Recipient::from_str(text).map(Self);
        good.map_err(|_| BackupError::Recipient(shorten(text)))
    }

    /// Reads a file with one a line; empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// It cannot be read, or names none.
    pub fn read(path: &Path) -> Result<Vec<Self>, BackupError> {
        let text = read_text(path)?;
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        let all: Vec<Self> = lines.map(Self::parse).collect::<Result<_, _>>()?;
        if all.is_empty() {
            return Err(BackupError::NoRecipient(path.to_owned()));
        }
        Ok(all)
    }
}

/// What a person may have pasted by mistake is not repeated.
fn shorten(text: &str) -> String {
    text.chars().take(8).chain("…".chars()).collect()
}

impl Identity {
    /// One that ends with this process.
    #[must_use]
    pub fn throw_away() -> Self {
        Self(x25519::Identity::generate())
    }

    /// Its public half.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }

    /// Reads a file of identities, as `cbm keygen backup` and `age-keygen` write it.
    ///
    /// # Errors
    /// It cannot be read, others can read it too, or it holds none.
    pub fn read(path: &Path) -> Result<Vec<Self>, BackupError> {
        let meta = fs::metadata(path).map_err(BackupError::io("read", path))?;
        if meta.mode() & 0o077 != 0 {
            let mode = meta.mode() & 0o7777;
            return Err(BackupError::Exposed { path: path.to_owned(), mode });
        }
        let text = read_text(path)?;
        let lines = text.lines().map(str::trim).filter(|l| l.starts_with("AGE-SECRET-KEY-"));
        let good = lines.map(|line| x25519::Identity::from_str(line).map(Self));
        let all: Vec<Self> =
            good.collect::<Result<_, _>>().map_err(|_| BackupError::Identity(path.to_owned()))?;
        if all.is_empty() {
            return Err(BackupError::Identity(path.to_owned()));
        }
        Ok(all)
    }
}

fn read_text(path: &Path) -> Result<Zeroizing<String>, BackupError> {
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).map_err(BackupError::io("read", path))?;
    file.take(FILE_MAX).read_to_string(&mut text).map_err(BackupError::io("read", path))?;
    Ok(text)
}

/// Makes a pair in a folder, which is made when missing.
///
/// # Errors
/// One of the files is there already, or cannot be written.
pub fn keygen(folder: &Path) -> Result<PairMade, BackupError> {
    fs::create_dir_all(folder).map_err(BackupError::io("make", folder))?;
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let secret: SecretString = identity.to_string();
    let recipient_file = folder.join("backup.recipient");
    let identity_file = folder.join("backup.identity");
    let text =
        Zeroizing::new(format!("# opens backups of {recipient}\n{}\n", secret.expose_secret()));
    write_new(&identity_file, 0o600, text.as_bytes())?;
    write_new(&recipient_file, 0o644, format!("{recipient}\n").as_bytes())?;
    File::open(folder).and_then(|f| f.sync_all()).map_err(BackupError::io("sync", folder))?;
    Ok(PairMade { recipient, recipient_file, identity_file })
}

fn write_new(path: &Path, mode: u32, content: &[u8]) -> Result<(), BackupError> {
    let file = File::options().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(path.to_owned()),
        _ => BackupError::io("write", path)(error),
    })?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(BackupError::io("write", path))
}

/// What is written comes out sealed. Call `finish` at the end.
///
/// # Errors
/// No recipient, too many, or the output fails.
pub fn seal<W: Write>(recipients: &[Recipient], output: W) -> Result<StreamWriter<W>, BackupError> {
    if recipients.is_empty() || recipients.len() > RECIPIENTS_MAX {
        return Err(BackupError::Recipients(RECIPIENTS_MAX));
    }
    let all = recipients.iter().map(|r| &r.0 as &dyn age::Recipient);
    let encryptor =
        Encryptor::with_recipients(all).map_err(|_| BackupError::Recipients(RECIPIENTS_MAX))?;
    encryptor.wrap_output(output).map_err(BackupError::io("write", Path::new("the backup")))
}

/// What is read comes out opened; every byte of it was checked.
///
/// # Errors
/// The file cannot be read, is no sealed file, or none of the identities opens it.
pub fn open(
    path: &Path,
    identities: &[Identity],
) -> Result<StreamReader<impl BufRead + use<>>, BackupError> {
    let file = File::open(path).map_err(BackupError::io("read", path))?;
    let reader = BufReader::with_capacity(1 << 16, file);
    let sealed = Decryptor::new_buffered(reader)
        .map_err(|_| BackupError::NotABackup(path.to_owned(), "it is not sealed by age".into()))?;
    let all = identities.iter().map(|identity| &identity.0 as &dyn age::Identity);
    sealed.decrypt(all).map_err(|error| match error {
        age::DecryptError::NoMatchingKeys | age::DecryptError::DecryptionFailed => {
            BackupError::WrongIdentity(path.to_owned())
        }
        other => BackupError::NotABackup(path.to_owned(), other.to_string()),
    })
}
