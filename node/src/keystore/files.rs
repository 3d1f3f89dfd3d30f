//! One secret in one file: the only place where a key file is written or read.
//!
//! A file is one line, `cbm/1 ROLE HEX`, so that a file in a wrong place is found out. It is
//! written whole (temporary file, fsync, rename) and never over another; it is read only while
//! nobody but its owner can reach it. Called by [`Keystore`](super::Keystore) for every key.

use super::error::{KeystoreError, io_error};
use cbm_proto::id::{hex, unhex};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Ending of a key file.
pub(super) const ENDING: &str = ".key";

/// Longest key file, bytes: `cbm/1 `, a role, 64 hex digits, a line end.
const FILE_MAX: u64 = 128;

fn path(folder: &Path, stem: &str) -> PathBuf {
    folder.join(format!("{stem}{ENDING}"))
}

/// Writes one secret as `STEM.key`; [`sync`] makes the name of it last.
///
/// # Errors
/// It exists already, or the disk refuses.
pub(super) fn write(
    folder: &Path,
    stem: &str,
    role: &str,
    seed: &[u8; 32],
) -> Result<(), KeystoreError> {
    let path = path(folder, stem);
    if path.exists() {
        return Err(KeystoreError::Exists(path));
    }
    let line = Zeroizing::new(format!("cbm/1 {role} {}\n", *Zeroizing::new(hex(seed))));
    let temporary = folder.join(format!(".{stem}.new"));
    let write = || -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    };
    write().map_err(io_error("write", &path))
}

/// Syncs the folder, so that what was written in it stays.
///
/// # Errors
/// The disk refuses.
pub(super) fn sync(folder: &Path) -> Result<(), KeystoreError> {
    let sync = || File::open(folder)?.sync_all();
    sync().map_err(io_error("sync", folder))
}

/// Reads the secret in `STEM.key`.
///
/// # Errors
/// It is missing, exposed or no key of this role.
pub(super) fn read(
    folder: &Path,
    stem: &str,
    role: &'static str,
) -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
    let path = path(folder, stem);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(KeystoreError::Missing { role, path });
        }
        Err(error) => return Err(io_error("read", &path)(error)),
    };
    // Of the open file, so that nobody swaps it between the look and the reading.
    private(&path, &file.metadata().map_err(io_error("read", &path))?, 0o600)?;
    let mut line = Zeroizing::new(String::with_capacity(FILE_MAX as usize));
    let read = file.take(FILE_MAX).read_to_string(&mut line);
    let seed = match read {
        Ok(_) => parse(&line, role),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
        Err(error) => return Err(io_error("read", &path)(error)),
    };
    seed.ok_or(KeystoreError::NotAKey { role, path })
}

/// The stems of all key files in the folder, sorted.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn stems(folder: &Path) -> Result<Vec<String>, KeystoreError> {
    let mut stems = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error("read", folder))? {
        let name = entry.map_err(io_error("read", folder))?.file_name();
        if let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(ENDING)) {
            stems.push(stem.to_owned());
        }
    }
    stems.sort();
    Ok(stems)
}

fn parse(line: &str, role: &str) -> Option<Zeroizing<[u8; 32]>> {
    let digits = line.strip_prefix("cbm/1 ")?.strip_prefix(role)?.strip_prefix(' ')?;
    let bytes = Zeroizing::new(unhex(digits.strip_suffix('\n').unwrap_or(digits))?);
    let mut seed = Zeroizing::new([0; 32]);
    (bytes.len() == seed.len()).then(|| seed.copy_from_slice(&bytes))?;
    Some(seed)
}

/// Only its owner, who is us or root, can reach it.
///
/// # Errors
/// Somebody else can, or it belongs to somebody else.
pub(super) fn private(path: &Path, meta: &fs::Metadata, want: u32) -> Result<(), KeystoreError> {
    let (mode, owner) = (meta.mode() & 0o7777, meta.uid());
    let user = rustix::process::geteuid().as_raw();
    if owner != user && owner != 0 {
        return Err(KeystoreError::ForeignOwner { path: path.to_owned(), owner, user });
    }
    if mode & 0o077 != 0 {
        return Err(KeystoreError::Exposed { path: path.to_owned(), mode, want });
    }
    Ok(())
}
