//! Seals a folder of keys, unseals it, changes its passphrase, and says what lies in it.
//!
//! Invariants: a key file goes only after the one that takes its place was synced and read back;
//! a change that was cut short leaves every key readable, and the same verb finishes it. Folders
//! inside (generations to come and past) go along. Called by `cbm keys`.

use super::{
    Keystore, Unlock,
    error::{KeystoreError, io_error},
    files,
    seal::{IDENTITY, RECIPIENT, Seal},
};
use serde::Serialize;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What lies in a folder of keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// The folder.
    pub folder: PathBuf,
    /// What keys are sealed to; `None`: it is not sealed.
    pub recipient: Option<String>,
    /// What opens it: `passphrase`, `identity`, or `nothing is needed`.
    pub opens_by: &'static str,
    /// Names of sealed files.
    pub sealed: Vec<String>,
    /// Names of files that open for whoever can read them.
    pub plain: Vec<String>,
}

impl Keystore {
    /// What lies in it; needs no passphrase.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn inventory(&self) -> Result<Inventory, KeystoreError> {
        let (mut sealed, mut plain) = (Vec::new(), Vec::new());
        for folder in self.folders()? {
            for stem in files::stems(&folder)? {
                for (path, list) in [
                    (files::path(&folder, &stem, true), &mut sealed),
                    (files::path(&folder, &stem, false), &mut plain),
                ] {
                    if path.exists() {
                        let name = path.strip_prefix(&self.folder).unwrap_or(&path);
                        list.push(name.to_string_lossy().into_owned());
                    }
                }
            }
        }
        let opens_by = match &self.seal {
            None => "nothing is needed",
            Some(_) if self.folder.join(IDENTITY).exists() => "passphrase",
            Some(_) => "identity",
        };
        Ok(Inventory {
            folder: self.folder.clone(),
            recipient: self.seal.as_ref().map(Seal::recipient),
            opens_by,
            sealed,
            plain,
        })
    }

    /// Seals every key in it. On a folder that is sealed already, the key files that are still
    /// plain.
    ///
    /// # Errors
    /// Nothing is left to seal, passphrase or identity cannot be used, or the disk refuses.
    pub fn seal(mut self, how: &Unlock) -> Result<Inventory, KeystoreError> {
        if self.seal.is_some() {
            if self.inventory()?.plain.is_empty() {
                return Err(KeystoreError::SealedAlready(self.folder));
            }
            self = self.unlock(how)?;
        } else {
            self.seal = Some(Seal::create(&self.folder, how)?);
        }
        let Some(seal) = &self.seal else { return Err(KeystoreError::NotSealed(self.folder)) };
        for folder in self.folders()? {
            seal_files(&folder, seal)?;
        }
        self.inventory()
    }

    /// Takes the seal off.
    ///
    /// # Errors
    /// It is not sealed, passphrase or identity are not those of the folder, or the disk refuses.
    pub fn unseal(self, how: &Unlock) -> Result<Inventory, KeystoreError> {
        let mut store = self.sealed()?.unlock(how)?;
        let Some(seal) = store.seal.take() else {
            return Err(KeystoreError::NotSealed(store.folder));
        };
        for folder in store.folders()? {
            unseal_files(&folder, &seal)?;
        }
        remove(&store.folder.join(RECIPIENT))?;
        remove(&store.folder.join(IDENTITY))?;
        files::sync(&store.folder)?;
        store.inventory()
    }

    /// Has the identity opened by `new` instead of `old`.
    ///
    /// # Errors
    /// It is not sealed, or one of the two cannot be used.
    pub fn passwd(self, old: &Unlock, new: &Unlock) -> Result<Inventory, KeystoreError> {
        let store = self.sealed()?.unlock(old)?;
        if let Some(seal) = &store.seal {
            seal.change(&store.folder, new)?;
        }
        store.inventory()
    }

    fn sealed(self) -> Result<Self, KeystoreError> {
        if self.is_sealed() { Ok(self) } else { Err(KeystoreError::NotSealed(self.folder)) }
    }

    /// This folder and those inside it, down to `past/N`.
    fn folders(&self) -> Result<Vec<PathBuf>, KeystoreError> {
        let mut all = vec![self.folder.clone()];
        for _ in 0..2 {
            for folder in all.clone() {
                for inner in inner(&folder)? {
                    if !all.contains(&inner) {
                        all.push(inner);
                    }
                }
            }
        }
        Ok(all)
    }
}

fn inner(folder: &Path) -> Result<Vec<PathBuf>, KeystoreError> {
    let mut inner = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error("read", folder))? {
        let path = entry.map_err(io_error("read", folder))?.path();
        if path.is_dir() {
            inner.push(path);
        }
    }
    inner.sort();
    Ok(inner)
}

fn seal_files(folder: &Path, seal: &Seal) -> Result<(), KeystoreError> {
    let plain = |stem: &String| files::path(folder, stem, false);
    let stems = files::stems(folder)?;
    let stems: Vec<_> = stems.into_iter().filter(|stem| plain(stem).exists()).collect();
    for stem in &stems {
        let (from, to) = (plain(stem), files::path(folder, stem, true));
        let line = files::read_private(&from, files::FILE_MAX)?;
        let sealed = seal.seal(&line, &to)?;
        if *seal.open(&sealed, &to)? != *line {
            return Err(KeystoreError::NotOpened(to));
        }
        files::put(&to, &sealed)?;
    }
    files::sync(folder)?;
    for stem in &stems {
        remove(&plain(stem))?;
    }
    files::sync(folder)
}

fn unseal_files(folder: &Path, seal: &Seal) -> Result<(), KeystoreError> {
    let sealed = |stem: &String| files::path(folder, stem, true);
    let stems = files::stems(folder)?;
    let stems: Vec<_> = stems.into_iter().filter(|stem| sealed(stem).exists()).collect();
    for stem in &stems {
        let from = sealed(stem);
        let line = seal.open(&files::read_private(&from, files::SEALED_MAX)?, &from)?;
        files::put(&files::path(folder, stem, false), &line)?;
    }
    files::sync(folder)?;
    for stem in &stems {
        remove(&sealed(stem))?;
    }
    files::sync(folder)
}

/// Takes a file away, if it is there.
fn remove(path: &Path) -> Result<(), KeystoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove", path)(error))
        }
        _ => Ok(()),
    }
}
