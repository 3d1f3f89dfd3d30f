//! One secret in one file: the only place where a key file is written or read.
//!
//! A file is one line, `cbm/1 ROLE HEX`, so that a file in a wrong place is found out; in a sealed
//! folder that line is inside `STEM.key.age`. It is written whole (temporary file, fsync, rename)
//! and never over another; it is read only while nobody but its owner can reach it. Called by
//! [`Keystore`](super::Keystore) for every key.

use super::{
    error::{KeystoreError, io_error},
    seal::Seal,
};
use cbm_proto::id::{hex, unhex};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Ending of a key file.
const ENDING: &str = ".key";

/// Longest key file, bytes: `cbm/1 `, a role, 64 hex digits, a line end.
pub(super) const FILE_MAX: u64 = 128;

/// Longest sealed key file, bytes: age adds a header of about 200.
pub(super) const SEALED_MAX: u64 = 2_048;

/// What a sealed file has behind its name.
const SEALED: &str = ".key.age";

/// The file of a secret, plain or sealed.
pub(super) fn path(folder: &Path, stem: &str, sealed: bool) -> PathBuf {
    folder.join(format!("{stem}{}", if sealed { SEALED } else { ENDING }))
}

/// The file in which a secret lies; `None`: in none.
pub(super) fn found(folder: &Path, stem: &str) -> Option<PathBuf> {
    [true, false].into_iter().map(|sealed| path(folder, stem, sealed)).find(|path| path.exists())
}

/// Writes one secret as `STEM.key`, or sealed as `STEM.key.age`; [`sync`] makes the name last.
///
/// # Errors
/// It exists already, or the disk refuses.
pub(super) fn write(
    folder: &Path,
    stem: &str,
    role: &str,
    seed: &[u8; 32],
    seal: Option<&Seal>,
) -> Result<(), KeystoreError> {
    for path in [path(folder, stem, false), path(folder, stem, true)] {
        if path.exists() {
            return Err(KeystoreError::Exists(path));
        }
    }
    let line = Zeroizing::new(format!("cbm/1 {role} {}\n", *Zeroizing::new(hex(seed))));
    let path = path(folder, stem, seal.is_some());
    match seal {
        Some(seal) => put(&path, &seal.seal(line.as_bytes(), &path)?),
        None => put(&path, line.as_bytes()),
    }
}

/// Writes a file whole, for its owner alone, in place of the one before.
///
/// # Errors
/// The disk refuses.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<(), KeystoreError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.new"));
    let write = || -> io::Result<()> {
        // One that a crash left behind.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(io_error("write", path))
}

/// Syncs the folder, so that what was written in it stays.
///
/// # Errors
/// The disk refuses.
pub(super) fn sync(folder: &Path) -> Result<(), KeystoreError> {
    let sync = || File::open(folder)?.sync_all();
    sync().map_err(io_error("sync", folder))
}

/// Reads a secret from `STEM.key.age`, or from `STEM.key` where there is no sealed one.
///
/// # Errors
/// It is missing, exposed, sealed or no key of this role.
pub(super) fn read(
    folder: &Path,
    stem: &str,
    role: &'static str,
    seal: Option<&Seal>,
) -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
    let sealed = path(folder, stem, true);
    let (path, line) = match (sealed.exists(), seal) {
        (true, None) => return Err(KeystoreError::NotOpened(sealed)),
        (true, Some(seal)) => {
            let line = seal.open(&read_private(&sealed, SEALED_MAX)?, &sealed)?;
            (sealed, line)
        }
        (false, _) => {
            let path = path(folder, stem, false);
            let line = match read_private(&path, FILE_MAX) {
                Err(KeystoreError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(KeystoreError::Missing { role, path });
                }
                line => line?,
            };
            (path, line)
        }
    };
    parse(&line, role).ok_or(KeystoreError::NotAKey { role, path })
}

/// The bytes of a file that nobody but its owner can reach, at most `most` of them.
///
/// # Errors
/// It is not there, or exposed.
pub(super) fn read_private(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
    let file = File::open(path).map_err(io_error("read", path))?;
    // Of the open file, so that nobody swaps it between the look and the reading.
    private(path, &file.metadata().map_err(io_error("read", path))?, 0o600)?;
    // Of its full size from the start: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most as usize + 1));
    file.take(most).read_to_end(&mut bytes).map_err(io_error("read", path))?;
    Ok(bytes)
}

/// The stems of all key files in the folder, sorted.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn stems(folder: &Path) -> Result<Vec<String>, KeystoreError> {
    let mut stems = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error("read", folder))? {
        let name = entry.map_err(io_error("read", folder))?.file_name();
        if let Some(stem) = name
            .to_str()
            .and_then(|name| name.strip_suffix(SEALED).or_else(|| name.strip_suffix(ENDING)))
        {
            stems.push(stem.to_owned());
        }
    }
    stems.sort();
    stems.dedup();
    Ok(stems)
}

fn parse(line: &[u8], role: &str) -> Option<Zeroizing<[u8; 32]>> {
    let line = std::str::from_utf8(line).ok()?;
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
    // The credential store of systemd gives one user a right of its own beside root's, which looks
    // like a right of root's group.
    let credential = owner == 0 && meta.gid() == 0 && mode == 0o440;
    if mode & 0o077 != 0 && !credential {
        return Err(KeystoreError::Exposed { path: path.to_owned(), mode, want });
    }
    Ok(())
}
