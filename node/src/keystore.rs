//! Secret keys on disk: one small file each.
//!
//! Invariants: the folder is 0700 and each file 0600, or the station does not start; a key is
//! written whole (temporary file, fsync, rename, fsync of the folder) and never over another; no
//! key reaches a log, an error text or a backup made by this program. Each file is one line,
//! `cbm/1 ROLE HEX`, so that a file in a wrong place is found out. Secrets of a station live here,
//! never in the journal or the index. Used by the runtime (load), `ceremony` and `lab` (create).

use cbm_proto::{
    id::{hex, unhex},
    keys::{AuthorityKeys, StationKeys},
    primitives::{DsaSecret, EpochSecret, SignSecret},
};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Longest key file, bytes: `cbm/1 `, a role, 64 hex digits, a line end.
const FILE_MAX: u64 = 128;

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

/// A folder of secret keys that only its owner can reach.
#[derive(Debug)]
pub struct Keystore {
    folder: PathBuf,
}

impl Keystore {
    /// The folder at `folder`, if it is fit to hold keys.
    ///
    /// # Errors
    /// It does not exist, belongs to somebody else or is open to others.
    pub fn open(folder: &Path) -> Result<Self, KeystoreError> {
        let found = fs::metadata(folder);
        let meta = match found {
            Ok(meta) if meta.is_dir() => meta,
            Ok(_) => return Err(KeystoreError::NoFolder(folder.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(KeystoreError::NoFolder(folder.to_owned()));
            }
            Err(error) => return Err(io_error("read", folder)(error)),
        };
        private(folder, &meta, 0o700)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// A new folder, or an empty one that is fit to hold keys.
    ///
    /// # Errors
    /// It holds something already, or cannot be made.
    pub fn create(folder: &Path) -> Result<Self, KeystoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(io_error("make", folder))?;
        let mut entries = fs::read_dir(folder).map_err(io_error("read", folder))?;
        if entries.next().is_some() {
            return Err(KeystoreError::Exists(folder.to_owned()));
        }
        Self::open(folder)
    }

    /// Writes a station's keys.
    ///
    /// # Errors
    /// One of them exists already, or the disk refuses.
    pub fn save_station(&self, keys: &StationKeys) -> Result<(), KeystoreError> {
        self.write("sign", "sign", &keys.sign.seed())?;
        self.write("dsa", "dsa", keys.dsa.seed())?;
        self.write("peer", "peer", &keys.peer_seed)?;
        self.write(&format!("epoch-{}", keys.epoch.id()), "epoch", keys.epoch.seed())?;
        self.write("archive", "archive", &keys.archive)?;
        self.sync()
    }

    /// Reads a station's keys.
    ///
    /// # Errors
    /// One is missing, exposed or no key.
    pub fn load_station(&self) -> Result<StationKeys, KeystoreError> {
        Ok(StationKeys {
            sign: SignSecret::from_seed(&*self.read("sign", "sign")?),
            dsa: DsaSecret::from_seed(&*self.read("dsa", "dsa")?),
            peer_seed: self.read("peer", "peer")?,
            epoch: EpochSecret::from_seed(&*self.read(&self.epoch_file()?, "epoch")?),
            archive: self.read("archive", "archive")?,
        })
    }

    /// Writes a party's authority keys.
    ///
    /// # Errors
    /// One of them exists already, or the disk refuses.
    pub fn save_authority(&self, keys: &AuthorityKeys) -> Result<(), KeystoreError> {
        self.write("authority", "authority", &keys.sign.seed())?;
        self.write("authority-dsa", "authority-dsa", keys.dsa.seed())?;
        self.sync()
    }

    /// Reads a party's authority keys.
    ///
    /// # Errors
    /// One is missing, exposed or no key.
    pub fn load_authority(&self) -> Result<AuthorityKeys, KeystoreError> {
        Ok(AuthorityKeys {
            sign: SignSecret::from_seed(&*self.read("authority", "authority")?),
            dsa: DsaSecret::from_seed(&*self.read("authority-dsa", "authority-dsa")?),
        })
    }

    /// Name of the one epoch key.
    fn epoch_file(&self) -> Result<String, KeystoreError> {
        let entries = fs::read_dir(&self.folder).map_err(io_error("read", &self.folder))?;
        let mut found = None;
        for entry in entries {
            let name = entry.map_err(io_error("read", &self.folder))?.file_name();
            let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".key")) else {
                continue;
            };
            if stem.starts_with("epoch-") && found.replace(stem.to_owned()).is_some() {
                return Err(KeystoreError::SeveralEpochs(self.folder.clone()));
            }
        }
        let path = || self.folder.join("epoch-….key");
        found.ok_or_else(|| KeystoreError::Missing { role: "epoch", path: path() })
    }

    fn path(&self, stem: &str) -> PathBuf {
        self.folder.join(format!("{stem}.key"))
    }

    fn write(&self, stem: &str, role: &str, seed: &[u8; 32]) -> Result<(), KeystoreError> {
        let path = self.path(stem);
        if path.exists() {
            return Err(KeystoreError::Exists(path));
        }
        let line = Zeroizing::new(format!("cbm/1 {role} {}\n", *Zeroizing::new(hex(seed))));
        let temporary = self.folder.join(format!(".{stem}.new"));
        let write = || -> io::Result<()> {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(line.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().map_err(io_error("write", &path))
    }

    fn sync(&self) -> Result<(), KeystoreError> {
        let sync = || File::open(&self.folder)?.sync_all();
        sync().map_err(io_error("sync", &self.folder))
    }

    fn read(&self, stem: &str, role: &'static str) -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
        let path = self.path(stem);
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
}

fn parse(line: &str, role: &str) -> Option<Zeroizing<[u8; 32]>> {
    let digits = line.strip_prefix("cbm/1 ")?.strip_prefix(role)?.strip_prefix(' ')?;
    let bytes = Zeroizing::new(unhex(digits.strip_suffix('\n').unwrap_or(digits))?);
    let mut seed = Zeroizing::new([0; 32]);
    (bytes.len() == seed.len()).then(|| seed.copy_from_slice(&bytes))?;
    Some(seed)
}

/// Only its owner, who is us or root, can reach it.
fn private(path: &Path, meta: &fs::Metadata, want: u32) -> Result<(), KeystoreError> {
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

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeystoreError {
    let path = path.to_owned();
    move |error| KeystoreError::Io { what, path, error }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use cbm_proto::primitives::Entropy;
    use std::os::unix::fs::PermissionsExt as _;

    fn saved() -> (tempfile::TempDir, Keystore, StationKeys) {
        let folder = tempfile::tempdir().unwrap();
        let store = Keystore::create(&folder.path().join("keys")).unwrap();
        let keys = StationKeys::generate(&mut Entropy::new(&[5; 32]));
        store.save_station(&keys).unwrap();
        (folder, store, keys)
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_was_saved_is_loaded_and_nobody_else_can_read_it() {
        let (_folder, store, keys) = saved();
        let loaded = Keystore::open(&store.folder).unwrap().load_station().unwrap();
        assert_eq!(loaded.public(), keys.public());
        assert_eq!(*loaded.archive, *keys.archive);
        let mut files = 0;
        for entry in fs::read_dir(&store.folder).unwrap() {
            let meta = entry.unwrap().metadata().unwrap();
            assert_eq!(meta.mode() & 0o7777, 0o600);
            files += 1;
        }
        assert_eq!(files, 5);
        assert_eq!(fs::metadata(&store.folder).unwrap().mode() & 0o7777, 0o700);
    }

    #[test]
    fn exposed_keys_are_refused_with_the_remedy() {
        let (_folder, store, _) = saved();
        let file = store.folder.join("peer.key");
        chmod(&file, 0o640);
        let text = store.load_station().err().unwrap().to_string();
        assert!(text.contains("mode 0640") && text.contains("chmod 600"), "{text}");
        chmod(&file, 0o400);
        assert!(store.load_station().is_ok());
        chmod(&store.folder, 0o755);
        let text = Keystore::open(&store.folder).unwrap_err().to_string();
        assert!(text.contains("chmod 700"), "{text}");
    }

    #[test]
    fn keys_are_never_written_over() {
        let (_folder, store, keys) = saved();
        assert!(matches!(store.save_station(&keys), Err(KeystoreError::Exists(_))));
        assert!(matches!(Keystore::create(&store.folder), Err(KeystoreError::Exists(_))));
        assert!(store.load_station().is_ok());
    }

    #[test]
    fn a_missing_swapped_or_broken_file_is_named_without_its_content() {
        let (_folder, store, _) = saved();
        let (sign, peer) = (store.folder.join("sign.key"), store.folder.join("peer.key"));
        let secret = fs::read_to_string(&peer).unwrap();
        fs::rename(&peer, &sign).unwrap();
        let text = store.load_station().err().unwrap().to_string();
        assert!(text.contains("not a sign key"), "{text}");
        assert!(!text.contains(secret[11..].trim()));
        fs::write(&sign, "cbm/1 sign 00\n").unwrap();
        assert!(matches!(store.load_station(), Err(KeystoreError::NotAKey { role: "sign", .. })));
        fs::remove_file(&sign).unwrap();
        assert!(matches!(store.load_station(), Err(KeystoreError::Missing { role: "sign", .. })));
        let nowhere = store.folder.join("nowhere");
        assert!(matches!(Keystore::open(&nowhere), Err(KeystoreError::NoFolder(_))));
    }

    #[test]
    fn authority_keys_keep_their_own_files() {
        let folder = tempfile::tempdir().unwrap();
        let store = Keystore::create(&folder.path().join("authority")).unwrap();
        let keys = AuthorityKeys::generate(&mut Entropy::new(&[6; 32]));
        store.save_authority(&keys).unwrap();
        assert_eq!(store.load_authority().unwrap().public(), keys.public());
        assert!(matches!(store.load_station(), Err(KeystoreError::Missing { role: "sign", .. })));
    }
}
