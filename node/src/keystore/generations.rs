//! Generations of a station's keys: in use, made and not certified yet, out of use.
//!
//! ```text
//! KEYS/           sign dsa peer epoch-ID archive   in use
//! KEYS/next/      sign dsa peer epoch-ID           made by `cbm keygen station --rotate`
//! KEYS/past/N/    sign dsa peer epoch-ID           out of use; letters sealed to them still open
//! ```
//!
//! Invariants: which key counts is said by the station's certificate alone, wherever in these
//! folders it lies, so that a crash between two moves does no harm; no key is ever deleted or
//! written over; the archive key has no generations. The PEER key in use may be an earlier one that
//! the certificates still allow: it is changed last, when everybody knows the new one. Called by
//! the runtime (load, move), `ceremony` (make).

use super::{Keystore, KeystoreError, error::io_error, files};
use cbm_proto::{
    id::KeyId,
    keys::StationKeys,
    primitives::{DsaSecret, Entropy, EpochSecret, SignPublic, SignSecret},
};
use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Folder of the generation that waits for its certificate.
pub const NEXT: &str = "next";
/// Folder of those that are out of use.
const PAST: &str = "past";

/// The keys that a station's certificates name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What it signs with by the certificate in force.
    pub sign: SignPublic,
    /// What letters to it are sealed to by the certificate in force.
    pub epoch: KeyId,
    /// By which it is let in, the newest first.
    pub peers: Vec<[u8; 32]>,
}

impl Keystore {
    /// Draws the next generation into `next/`; it is of no use before it is certified.
    ///
    /// # Errors
    /// One waits there already, or the disk refuses.
    pub fn make_next(
        &self,
        entropy: &mut Entropy,
    ) -> Result<(PathBuf, StationKeys), KeystoreError> {
        // Whoever has no keys here is in the wrong folder.
        if !files::stems(&self.folder)?.iter().any(|stem| stem == "sign") {
            let path = files::path(&self.folder, "sign", self.is_sealed());
            return Err(KeystoreError::Missing { role: "sign", path });
        }
        let next = self.folder.join(NEXT);
        if next.exists() {
            return Err(KeystoreError::NextWaits(next));
        }
        DirBuilder::new().mode(0o700).create(&next).map_err(io_error("make", &next))?;
        let keys = StationKeys::generate(entropy);
        let store = self.within(next.clone());
        store.write("sign", "sign", &keys.sign.seed())?;
        store.write("dsa", "dsa", keys.dsa.seed())?;
        store.write("peer", "peer", &keys.peer_seed)?;
        store.write(&epoch_stem(&keys.epoch.id()), "epoch", keys.epoch.seed())?;
        files::sync(&next)?;
        files::sync(&self.folder)?;
        Ok((next, keys))
    }

    /// The keys that the certificate names, with every other epoch key as an older one. The PEER
    /// key is the one that lies in the folder itself, as long as it is allowed.
    ///
    /// # Errors
    /// One that is named is nowhere, or a file cannot be used.
    pub fn load_named(&self, named: &Named) -> Result<StationKeys, KeystoreError> {
        let stores = self.generations()?;
        let missing = |role| KeystoreError::NotNamed { role, folder: self.folder.clone() };
        let is = |seed: &[u8; 32]| SignSecret::from_seed(seed).public() == named.sign;
        let (home, sign) = find(&stores, "sign", is)?.ok_or_else(|| missing("sign"))?;
        // It moves before `sign` does.
        let dsa = match home.read("dsa", "dsa") {
            Err(KeystoreError::Missing { .. }) => self.read("dsa", "dsa")?,
            read => read?,
        };
        let mut epochs = Vec::new();
        for store in &stores {
            for stem in store.epoch_stems()? {
                epochs.push(EpochSecret::from_seed(&*store.read(&stem, "epoch")?));
            }
        }
        let at = epochs.iter().position(|epoch| epoch.id() == named.epoch);
        let epoch = epochs.remove(at.ok_or_else(|| missing("epoch"))?);
        let peer = |seed: &[u8; 32]| named.peers.contains(&peer_of(seed));
        let (_, peer_seed) = find(&stores, "peer", peer)?.ok_or_else(|| missing("peer"))?;
        Ok(StationKeys {
            sign: SignSecret::from_seed(&sign),
            dsa: DsaSecret::from_seed(&dsa),
            peer_seed,
            epoch,
            older: epochs,
            archive: self.read_archive()?,
        })
    }

    /// The newest PEER key that the certificates name, if it is here and not the one in use.
    ///
    /// # Errors
    /// A file cannot be used.
    pub fn coming_peer(
        &self,
        named: &Named,
        in_use: &[u8; 32],
    ) -> Result<Option<Zeroizing<[u8; 32]>>, KeystoreError> {
        let newest = |seed: &[u8; 32]| named.peers.first() == Some(&peer_of(seed));
        let found = find(&self.generations()?, "peer", newest)?.map(|(_, seed)| seed);
        Ok(found.filter(|seed| **seed != *in_use))
    }

    /// Moves the keys in use into the folder itself, and those that lay there to `past/`.
    ///
    /// # Errors
    /// The disk refuses; the keys are usable all the same.
    pub fn tidy(&self, named: &Named, peer_seed: &[u8; 32]) -> Result<(), KeystoreError> {
        let stores = self.generations()?;
        let is = |seed: &[u8; 32]| SignSecret::from_seed(seed).public() == named.sign;
        if let Some((home, _)) = find(&stores, "sign", is)? {
            let epoch = epoch_stem(&named.epoch);
            // `sign` last: where it lies, the others are looked for.
            for (role, stem) in [("dsa", "dsa"), ("epoch-", epoch.as_str()), ("sign", "sign")] {
                self.bring(home, role, stem)?;
            }
        }
        let is = |seed: &[u8; 32]| seed == peer_seed;
        if let Some((home, _)) = find(&stores, "peer", is)? {
            self.bring(home, "peer", "peer")?;
            self.clear_next()?;
        }
        files::sync(&self.folder)
    }

    /// Takes one key from `home` into the folder itself, after what lies there in its role.
    fn bring(&self, home: &Self, role: &str, stem: &str) -> Result<(), KeystoreError> {
        if home.folder == self.folder {
            return Ok(());
        }
        let Some(new) = files::found(&home.folder, stem) else { return Ok(()) };
        let here = files::stems(&self.folder)?.into_iter();
        for old in here.filter(|here| here == role || (role == "epoch-" && here.starts_with(role)))
        {
            let shelf = self.shelf(role)?;
            if let Some(old) = files::found(&self.folder, &old) {
                into(&old, &shelf)?;
            }
            files::sync(&shelf)?;
        }
        into(&new, &self.folder)
    }

    /// The first of `past/1`, `past/2`, … that has no key of this role; made if it is not there.
    fn shelf(&self, role: &str) -> Result<PathBuf, KeystoreError> {
        let past = self.folder.join(PAST);
        let mut number = 1_u32;
        loop {
            let shelf = past.join(number.to_string());
            let make = DirBuilder::new().recursive(true).mode(0o700).create(&shelf);
            make.map_err(io_error("make", &shelf))?;
            if !files::stems(&shelf)?.iter().any(|stem| stem.starts_with(role)) {
                return Ok(shelf);
            }
            number += 1;
        }
    }

    /// Takes `next/` away once no key is left in it; its card takes the place of the one before.
    fn clear_next(&self) -> Result<(), KeystoreError> {
        let next = self.folder.join(NEXT);
        if !next.exists() || !files::stems(&next)?.is_empty() {
            return Ok(());
        }
        for entry in fs::read_dir(&next).map_err(io_error("read", &next))? {
            into(&entry.map_err(io_error("read", &next))?.path(), &self.folder)?;
        }
        fs::remove_dir(&next).map_err(io_error("remove", &next))
    }

    /// The folder itself, `next/`, and those of `past/` from the latest on.
    fn generations(&self) -> Result<Vec<Self>, KeystoreError> {
        let mut folders = vec![self.folder.clone(), self.folder.join(NEXT)];
        let past = self.folder.join(PAST);
        if past.exists() {
            let mut numbers = Vec::new();
            for entry in fs::read_dir(&past).map_err(io_error("read", &past))? {
                let name = entry.map_err(io_error("read", &past))?.file_name();
                numbers.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
            }
            numbers.sort_unstable();
            folders.extend(numbers.iter().rev().map(|number| past.join(number.to_string())));
        }
        let there = folders.into_iter().filter(|folder| folder.exists());
        Ok(there.map(|folder| self.within(folder)).collect())
    }

    fn epoch_stems(&self) -> Result<Vec<String>, KeystoreError> {
        let all = files::stems(&self.folder)?;
        Ok(all.into_iter().filter(|stem| stem.starts_with("epoch-")).collect())
    }
}

/// The first folder with a key of this role that is wanted, and the key.
#[allow(clippy::type_complexity, reason = "two values that no other place speaks of")]
fn find<'a>(
    stores: &'a [Keystore],
    role: &'static str,
    wanted: impl Fn(&[u8; 32]) -> bool,
) -> Result<Option<(&'a Keystore, Zeroizing<[u8; 32]>)>, KeystoreError> {
    for store in stores {
        match store.read(role, role) {
            Ok(seed) if wanted(&seed) => return Ok(Some((store, seed))),
            Ok(_) | Err(KeystoreError::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn epoch_stem(id: &KeyId) -> String {
    format!("epoch-{id}")
}

fn peer_of(seed: &[u8; 32]) -> [u8; 32] {
    *SignSecret::from_seed(seed).public().as_bytes()
}

/// Moves a file into a folder, under its name.
fn into(file: &Path, folder: &Path) -> Result<(), KeystoreError> {
    rename(file, &folder.join(file.file_name().unwrap_or_default()))
}

fn rename(from: &Path, to: &Path) -> Result<(), KeystoreError> {
    fs::rename(from, to).map_err(io_error("move", from))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn named(keys: &StationKeys, peers: &[&StationKeys]) -> Named {
        let public = keys.public();
        let peers = peers.iter().map(|keys| keys.public().peer).collect();
        Named { sign: public.sign, epoch: public.epoch.id(), peers }
    }

    fn first() -> (tempfile::TempDir, Keystore, StationKeys) {
        let folder = tempfile::tempdir().unwrap();
        let store = Keystore::create(&folder.path().join("keys")).unwrap();
        let keys = StationKeys::generate(&mut Entropy::new(&[5; 32]));
        store.save_station(&keys).unwrap();
        (folder, store, keys)
    }

    #[test]
    fn a_generation_is_taken_when_the_certificate_names_it_and_its_peer_key_last() {
        let (_folder, store, one) = first();
        let (_, two) = store.make_next(&mut Entropy::new(&[6; 32])).unwrap();
        let waits = store.make_next(&mut Entropy::new(&[7; 32])).err().unwrap();
        assert!(waits.to_string().contains("next"), "{waits}");
        let before = store.load_named(&named(&one, &[&one])).unwrap();
        assert_eq!(before.public(), one.public());
        assert_eq!(before.older.len(), 1, "what is sealed to the coming one opens, too");

        let both = named(&two, &[&two, &one]);
        let after = store.load_named(&both).unwrap();
        assert_eq!((after.public().sign, after.epoch.id()), (two.public().sign, two.epoch.id()));
        assert_eq!(after.public().dsa, two.public().dsa);
        assert_eq!(after.public().peer, one.public().peer, "still let in with it");
        assert_eq!(*after.archive, *one.archive);
        store.tidy(&both, &after.peer_seed).unwrap();
        assert!(store.folder.join("next/peer.key").exists());
        assert!(store.folder.join("past/1/sign.key").exists());

        let coming = store.coming_peer(&both, &after.peer_seed).unwrap().unwrap();
        assert_eq!(*coming, *two.peer_seed);
        store.tidy(&both, &coming).unwrap();
        assert!(!store.folder.join(NEXT).exists());
        let last = store.load_station().unwrap();
        assert_eq!(last.public(), two.public());
        assert_eq!(store.coming_peer(&both, &last.peer_seed).unwrap(), None);
    }

    #[test]
    fn a_crash_between_two_moves_leaves_every_key_to_be_found() {
        for moves in 0..8 {
            let (_folder, store, one) = first();
            let (next, two) = store.make_next(&mut Entropy::new(&[6; 32])).unwrap();
            let epochs = [epoch_stem(&one.epoch.id()), epoch_stem(&two.epoch.id())];
            let (past, own) = (store.folder.join("past/1"), store.folder.clone());
            fs::create_dir_all(&past).unwrap();
            let order =
                [("dsa", "dsa"), (&epochs[0], &epochs[1]), ("sign", "sign"), ("peer", "peer")];
            let steps = order.iter().flat_map(|(old, new)| {
                [(&own, &past, format!("{old}.key")), (&next, &own, format!("{new}.key"))]
            });
            for (from, to, file) in steps.take(moves) {
                rename(&from.join(&file), &to.join(&file)).unwrap();
            }
            let both = named(&two, &[&two, &one]);
            let keys = store.load_named(&both).unwrap();
            assert_eq!(keys.public().sign, two.public().sign, "{moves}");
            assert_eq!(keys.public().dsa, two.public().dsa, "{moves}");
            assert_eq!(keys.epoch.id(), two.epoch.id());
            store.tidy(&both, &two.peer_seed).unwrap();
            assert_eq!(store.load_station().unwrap().public(), two.public(), "{moves}");
            assert_eq!(files::stems(&past).unwrap().len(), 4, "{moves}");
        }
    }

    #[test]
    fn two_rotations_keep_both_generations_before_and_foreign_keys_are_told() {
        let (_folder, store, one) = first();
        let mut all = vec![one];
        for n in 0..2 {
            let (_, keys) = store.make_next(&mut Entropy::new(&[40 + n; 32])).unwrap();
            let only = named(&keys, &[&keys]);
            let keys = store.load_named(&only).unwrap();
            store.tidy(&only, &keys.peer_seed).unwrap();
            all.push(keys);
        }
        let last = store.load_named(&named(&all[2], &[&all[2], &all[1]])).unwrap();
        let older: Vec<KeyId> = last.older.iter().map(EpochSecret::id).collect();
        assert_eq!(older, [all[1].epoch.id(), all[0].epoch.id()], "the latest first");
        assert!(store.folder.join("past/2/sign.key").exists());
        let stranger = StationKeys::generate(&mut Entropy::new(&[9; 32]));
        let text = store.load_named(&named(&stranger, &[])).err().unwrap().to_string();
        assert!(text.contains("certificate names") && text.contains("authority"), "{text}");
    }
}
