//! Secret keys on disk: one small file each.
//!
//! Invariants: the folder is 0700 and each file 0600, or the station does not start; a key is
//! written whole and never over another; no key reaches a log, an error text or a backup made by
//! this program. Each file is written and read in `files` alone. Secrets of a station live here,
//! never in the journal or the index. Used by the runtime (load), `ceremony` and `lab` (create).

mod error;
mod files;
pub mod generations;
pub mod signer;

pub use error::KeystoreError;

use cbm_proto::{
    keys::{AuthorityKeys, StationKeys},
    primitives::{DsaSecret, EpochSecret, SignSecret},
};
use error::io_error;
use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

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
        files::private(folder, &meta, 0o700)?;
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
        files::sync(&self.folder)
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
            epoch: EpochSecret::from_seed(&*self.read(&self.epoch_stem()?, "epoch")?),
            older: Vec::new(),
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
        files::sync(&self.folder)
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
    fn epoch_stem(&self) -> Result<String, KeystoreError> {
        let mut epochs =
            files::stems(&self.folder)?.into_iter().filter(|s| s.starts_with("epoch-"));
        let path = || self.folder.join("epoch-….key");
        let first =
            epochs.next().ok_or_else(|| KeystoreError::Missing { role: "epoch", path: path() })?;
        match epochs.next() {
            None => Ok(first),
            Some(_) => Err(KeystoreError::SeveralEpochs(self.folder.clone())),
        }
    }

    /// The same in another folder: one of the station's generations.
    fn within(&self, folder: PathBuf) -> Self {
        Self { folder }
    }

    fn write(&self, stem: &str, role: &str, seed: &[u8; 32]) -> Result<(), KeystoreError> {
        files::write(&self.folder, stem, role, seed)
    }

    fn read(&self, stem: &str, role: &'static str) -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
        files::read(&self.folder, stem, role)
    }
}

#[cfg(test)]
mod tests;
