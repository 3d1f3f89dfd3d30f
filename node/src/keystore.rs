//! Secret keys on disk: one small file each.
//!
//! Invariants: the folder is 0700 and each file 0600, or the station does not start; a key is
//! written whole and never over another; no key reaches a log, an error text or a backup made by
//! this program. Each file is written and read in `files` alone; in a sealed folder (`seal`) it
//! opens for whoever has the passphrase or the identity. Secrets of a station live here,
//! never in the journal or the index. Used by the runtime (load), `ceremony` and `lab` (create).

mod convert;
mod error;
mod files;
pub mod generations;
mod prompt;
mod seal;
pub mod signer;
pub mod token;
mod uri;

pub use convert::Inventory;
pub use error::KeystoreError;
pub use seal::{Unlock, new_identity};

use cbm_proto::{
    keys::{AuthorityKeys, StationKeys, StationPublic},
    primitives::{DsaSecret, EpochSecret, SignSecret},
};
use error::io_error;
use seal::Seal;
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
    /// What its files are sealed to.
    seal: Option<Seal>,
    /// Where the archive key lies, if not here.
    archive: Option<Box<Keystore>>,
}

impl Keystore {
    /// The folder at `folder`, if it is fit to hold keys. What is sealed in it stays sealed until
    /// [`Keystore::unlock`].
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
        Ok(Self { folder: folder.to_owned(), seal: Seal::of(folder)?, archive: None })
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

    /// The same, sealed: every key that is written into it is. `how` names the new passphrase, or
    /// the identity that is kept elsewhere.
    ///
    /// # Errors
    /// As [`Keystore::create`], and for a passphrase or an identity that cannot be used.
    pub fn create_sealed(folder: &Path, how: &Unlock) -> Result<Self, KeystoreError> {
        let mut store = Self::create(folder)?;
        store.seal = Some(Seal::create(folder, how)?);
        Ok(store)
    }

    /// Opens the seal, if there is one.
    ///
    /// # Errors
    /// Passphrase or identity are missing or not those of this folder; then nothing is opened.
    pub fn unlock(mut self, how: &Unlock) -> Result<Self, KeystoreError> {
        if let Some(seal) = &mut self.seal {
            seal.unlock(&self.folder, how)?;
        }
        Ok(self)
    }

    /// Whether its files are sealed.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.seal.is_some()
    }

    /// Takes the archive key from another folder than the others, with a seal of its own.
    #[must_use]
    pub fn with_archive(mut self, archive: Self) -> Self {
        self.archive = Some(Box::new(archive));
        self
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
        match &self.archive {
            Some(apart) => apart.save_archive(&keys.archive)?,
            None => self.write("archive", "archive", &keys.archive)?,
        }
        files::sync(&self.folder)
    }

    /// Reads a station's keys.
    ///
    /// # Errors
    /// One is missing, exposed or no key.
    pub fn load_station(&self) -> Result<StationKeys, KeystoreError> {
        self.load_with(|| self.read_archive())
    }

    fn load_with(
        &self,
        archive: impl FnOnce() -> Result<Zeroizing<[u8; 32]>, KeystoreError>,
    ) -> Result<StationKeys, KeystoreError> {
        Ok(StationKeys {
            sign: SignSecret::from_seed(&*self.read("sign", "sign")?),
            dsa: DsaSecret::from_seed(&*self.read("dsa", "dsa")?),
            peer_seed: self.read("peer", "peer")?,
            epoch: EpochSecret::from_seed(&*self.read(&self.epoch_stem()?, "epoch")?),
            older: Vec::new(),
            archive: archive()?,
        })
    }

    /// What a station announces itself with: the key that signs, and all public halves. The
    /// archive key is left where it is.
    ///
    /// # Errors
    /// As [`Keystore::load_station`].
    pub fn load_announcing(&self) -> Result<(SignSecret, StationPublic), KeystoreError> {
        let keys = self.load_with(|| Ok(Zeroizing::new([0; 32])))?;
        let public = keys.public();
        Ok((keys.sign, public))
    }

    fn save_archive(&self, seed: &[u8; 32]) -> Result<(), KeystoreError> {
        self.write("archive", "archive", seed)?;
        files::sync(&self.folder)
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

    /// Writes the ML-DSA companion of an authority key that is kept in a token.
    ///
    /// # Errors
    /// As [`Keystore::save_authority`].
    pub fn save_companion(&self, dsa: &DsaSecret) -> Result<(), KeystoreError> {
        self.write("authority-dsa", "authority-dsa", dsa.seed())?;
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

    /// Writes the key of an office.
    ///
    /// # Errors
    /// It exists already, or the disk refuses.
    pub fn save_office(&self, sign: &SignSecret) -> Result<(), KeystoreError> {
        self.write("office", "office", &sign.seed())?;
        files::sync(&self.folder)
    }

    /// Reads the key of an office.
    ///
    /// # Errors
    /// It is missing, exposed or no key.
    pub fn load_office(&self) -> Result<SignSecret, KeystoreError> {
        Ok(SignSecret::from_seed(&*self.read("office", "office")?))
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

    /// The same in another folder, under the same seal: one of the station's generations.
    fn within(&self, folder: PathBuf) -> Self {
        Self { folder, seal: self.seal.clone(), archive: None }
    }

    /// The archive key, wherever it lies.
    fn read_archive(&self) -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
        self.archive.as_deref().unwrap_or(self).read("archive", "archive")
    }

    fn write(&self, stem: &str, role: &str, seed: &[u8; 32]) -> Result<(), KeystoreError> {
        files::write(&self.folder, stem, role, seed, self.seal.as_ref())
    }

    fn read(&self, stem: &str, role: &'static str) -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
        files::read(&self.folder, stem, role, self.seal.as_ref())
    }
}

#[cfg(test)]
mod tests;
