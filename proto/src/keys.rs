//! Keys by role: a station's secrets, the public halves that documents carry, fingerprints.
//!
//! Level 1. Invariants: a key read from a document is checked before it is used (`primitives`
//! refuses weak ones), no key stands twice in one list, and keys of an unknown role or algorithm
//! are passed over, because a newer version wrote them; secrets have no `Debug` and are wiped when
//! dropped. Callers: `accord` reads and writes lists of keys, the shell's keystore holds secrets,
//! `station` uses them. Specified in `docs/spec/documents.md`.

mod office;
mod words;

pub use office::OfficeKey;
pub use words::{word_of, words_of};

use crate::{
    id::hex,
    limits::{EPOCHS_OWN_MAX, KEYS_MAX},
    primitives::{
        DSA_PUBLIC_LEN, DsaSecret, Entropy, EpochPublic, EpochSecret, KEM_PUBLIC_LEN, KeyError,
        SignPublic, SignSecret, digest,
    },
    wire::{self, public_key::Role},
};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// Number of Ed25519 in documents and envelopes: 32-byte keys, 64-byte signatures.
pub const ALG_ED25519: u32 = 1;
/// Number of ML-DSA-44: 1,312-byte keys, 2,420-byte signatures.
pub const ALG_ML_DSA_44: u32 = 2;
/// Number of the hybrid that letters are sealed to: X25519, then ML-KEM-768.
pub const ALG_X25519_ML_KEM_768: u32 = 3;

/// What is wrong with a list of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// One of them is weak or malformed.
    #[error("its {role} key is {error}")]
    Weak {
        /// The key's role.
        role: &'static str,
        /// What is wrong with it.
        error: KeyError,
    },
    /// A role needs a key and has none, or has an Ed25519 key without its ML-DSA-44 companion.
    #[error("it lacks a {0} key: generate the keys again with this version")]
    Missing(&'static str),
    /// The same key stands twice; keys by role are different keys.
    #[error("one key stands twice: each role needs its own")]
    Twice,
    /// An algorithm that the role cannot use.
    #[error("its {0} key is of an algorithm that this role cannot use")]
    WrongUse(&'static str),
    /// A key whose time ends before it begins.
    #[error("its {0} key ends before it begins")]
    Window(&'static str),
    /// More keys than `KEYS_MAX`.
    #[error("it lists more than 24 keys")]
    TooMany,
}

/// A station's secret keys. Wiped when dropped, never printed.
pub struct StationKeys {
    /// Signs envelopes and contact records.
    pub sign: SignSecret,
    /// Stands beside `sign`; signs in a later suite.
    pub dsa: DsaSecret,
    /// Seed of the libp2p Ed25519 key.
    pub peer_seed: Zeroizing<[u8; 32]>,
    /// What letters to this station are sealed to.
    pub epoch: EpochSecret,
    /// Epoch keys of other generations, newest first: what is sealed to one of them opens, and no
    /// new letter is sealed from it.
    pub older: Vec<EpochSecret>,
    /// What the station's own records are sealed to.
    pub archive: Zeroizing<[u8; 32]>,
}

impl StationKeys {
    /// Draws a new set.
    #[must_use]
    pub fn generate(entropy: &mut Entropy) -> Self {
        Self {
            sign: SignSecret::from_seed(&entropy.bytes()),
            dsa: DsaSecret::from_seed(&entropy.bytes()),
            peer_seed: Zeroizing::new(entropy.bytes()),
            epoch: EpochSecret::from_seed(&entropy.bytes()),
            older: Vec::new(),
            archive: Zeroizing::new(entropy.bytes()),
        }
    }

    /// Every epoch key that is held, the one in use first, at most [`EPOCHS_OWN_MAX`].
    pub fn epochs(&self) -> impl Iterator<Item = &EpochSecret> {
        std::iter::once(&self.epoch).chain(&self.older).take(EPOCHS_OWN_MAX)
    }

    /// The public halves, as a certificate lists them.
    #[must_use]
    pub fn public(&self) -> StationPublic {
        StationPublic {
            sign: self.sign.public(),
            dsa: Box::new(self.dsa.public()),
            peer: *SignSecret::from_seed(&self.peer_seed).public().as_bytes(),
            epoch: self.epoch.public().clone(),
        }
    }
}

/// The public halves of a station's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StationPublic {
    /// Ed25519, signs.
    pub sign: SignPublic,
    /// ML-DSA-44, beside it.
    pub dsa: Box<[u8; DSA_PUBLIC_LEN]>,
    /// Ed25519 of libp2p.
    pub peer: [u8; 32],
    /// X25519 and ML-KEM-768.
    pub epoch: EpochPublic,
}

impl StationPublic {
    /// As a certificate lists them.
    #[must_use]
    pub fn to_wire(&self) -> Vec<wire::PublicKey> {
        let seal = [&self.epoch.x()[..], &self.epoch.kem()[..]].concat();
        vec![
            public_key(Role::Peer, ALG_ED25519, &self.peer),
            public_key(Role::Sign, ALG_ED25519, self.sign.as_bytes()),
            public_key(Role::Sign, ALG_ML_DSA_44, &self.dsa[..]),
            public_key(Role::Seal, ALG_X25519_ML_KEM_768, &seal),
        ]
    }

    /// What two people compare: digest over all keys.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let (x, kem) = (self.epoch.x(), self.epoch.kem());
        let pieces: [&[u8]; 5] = [self.sign.as_bytes(), &self.dsa[..], &self.peer, x, kem];
        Fingerprint::of("station-keys", &pieces)
    }
}

/// A party's authority keys, kept off line. Wiped when dropped, never printed.
pub struct AuthorityKeys {
    /// Signs documents.
    pub sign: SignSecret,
    /// Stands beside it; signs in a later format.
    pub dsa: DsaSecret,
}

impl AuthorityKeys {
    /// Draws a new pair.
    #[must_use]
    pub fn generate(entropy: &mut Entropy) -> Self {
        Self {
            sign: SignSecret::from_seed(&entropy.bytes()),
            dsa: DsaSecret::from_seed(&entropy.bytes()),
        }
    }

    /// The public halves.
    #[must_use]
    pub fn public(&self) -> AuthorityPublic {
        AuthorityPublic { sign: self.sign.public(), dsa: Box::new(self.dsa.public()) }
    }
}

/// The public halves of a party's authority keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityPublic {
    /// Ed25519.
    pub sign: SignPublic,
    /// ML-DSA-44, beside it.
    pub dsa: Box<[u8; DSA_PUBLIC_LEN]>,
}

impl AuthorityPublic {
    /// As an accord lists them.
    #[must_use]
    pub fn to_wire(&self) -> Vec<wire::PublicKey> {
        vec![
            public_key(Role::Authority, ALG_ED25519, self.sign.as_bytes()),
            public_key(Role::Authority, ALG_ML_DSA_44, &self.dsa[..]),
        ]
    }

    /// What two people compare: digest over both keys.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_authority(self.sign.as_bytes(), &self.dsa[..])
    }
}

fn public_key(role: Role, alg: u32, bytes: &[u8]) -> wire::PublicKey {
    wire::PublicKey {
        role: role.into(),
        alg,
        bytes: bytes.to_vec().into(),
        not_before: 0,
        not_after: 0,
        scope: None,
    }
}

/// 128 bits of a digest of keys or of a document, for people to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    fn of(domain: &str, pieces: &[&[u8]]) -> Self {
        Self::head(&digest(domain, pieces).0)
    }

    /// Of an authority's Ed25519 key and the ML-DSA-44 key beside it.
    #[must_use]
    pub fn of_authority(sign: &[u8], dsa: &[u8]) -> Self {
        Self::of("authority-keys", &[sign, dsa])
    }

    /// The first 16 of a digest's 32 bytes.
    #[must_use]
    pub fn head(digest: &[u8; 32]) -> Self {
        let mut head = [0; 16];
        head.copy_from_slice(&digest[..16]);
        Self(head)
    }

    /// Eight groups of four hex digits.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.chunks(2).map(hex).collect::<Vec<_>>().join(" ")
    }

    /// Sixteen words, one a byte, to be read aloud.
    #[must_use]
    pub fn words(&self) -> String {
        words_of(&self.0)
    }
}

/// Keys of known roles and algorithms from one list, each checked.
#[derive(Clone, Debug, Default)]
pub struct KeyList {
    /// Ed25519 keys of an authority.
    pub authority: Vec<SignPublic>,
    /// Ed25519 keys that sign envelopes; the newest last.
    pub sign: Vec<SignPublic>,
    /// What the newest of `sign` may say.
    pub sign_scope: Option<wire::Scope>,
    /// libp2p keys.
    pub peer: Vec<[u8; 32]>,
    /// Keys that letters are sealed to; the newest last.
    pub seal: Vec<EpochPublic>,
    /// Keys of offices that answer at the station.
    pub office: Vec<OfficeKey>,
    /// ML-DSA-44 keys beside those of `sign`; the newest last.
    pub sign_dsa: Vec<[u8; DSA_PUBLIC_LEN]>,
    authority_dsa: usize,
}

impl KeyList {
    /// Reads the keys of a document.
    ///
    /// # Errors
    /// [`KeyProblem`] for the first key that cannot be used.
    pub fn read(keys: &[wire::PublicKey]) -> Result<Self, KeyProblem> {
        if keys.len() > KEYS_MAX {
            return Err(KeyProblem::TooMany);
        }
        let mut seen = BTreeSet::new();
        let mut list = Self::default();
        let mut by_age: Vec<&wire::PublicKey> = keys.iter().collect();
        by_age.sort_by_key(|key| key.not_before);
        for key in by_age {
            if !seen.insert(&key.bytes) {
                return Err(KeyProblem::Twice);
            }
            if let Ok(role) = Role::try_from(key.role) {
                list.take(role, key)?;
            }
        }
        Ok(list)
    }

    fn take(&mut self, role: Role, key: &wire::PublicKey) -> Result<(), KeyProblem> {
        let name = role_word(role);
        if key.not_after != 0 && key.not_after < key.not_before {
            return Err(KeyProblem::Window(name));
        }
        let weak = |error| KeyProblem::Weak { role: name, error };
        match key.alg {
            ALG_ED25519 => {
                let bytes: [u8; 32] =
                    key.bytes.as_ref().try_into().map_err(|_| weak(KeyError::Length))?;
                let public = SignPublic::check(bytes).map_err(weak)?;
                self.take_ed25519(role, public, key)
            }
            ALG_ML_DSA_44 => {
                let bytes: [u8; DSA_PUBLIC_LEN] =
                    key.bytes.as_ref().try_into().map_err(|_| weak(KeyError::Length))?;
                match role {
                    Role::Authority => self.authority_dsa += 1,
                    Role::Sign => self.sign_dsa.push(bytes),
                    Role::Peer | Role::Seal => return Err(KeyProblem::WrongUse(name)),
                    _ => {}
                }
                Ok(())
            }
            ALG_X25519_ML_KEM_768 if role == Role::Seal => {
                if key.bytes.len() != 32 + KEM_PUBLIC_LEN {
                    return Err(weak(KeyError::Length));
                }
                let (x, kem) = key.bytes.split_at(32);
                self.seal.push(EpochPublic::check(x, kem).map_err(weak)?);
                Ok(())
            }
            ALG_X25519_ML_KEM_768 => Err(KeyProblem::WrongUse(name)),
            // An algorithm of a newer version.
            _ => Ok(()),
        }
    }

    fn take_ed25519(
        &mut self,
        role: Role,
        public: SignPublic,
        key: &wire::PublicKey,
    ) -> Result<(), KeyProblem> {
        match role {
            Role::Authority => self.authority.push(public),
            Role::Peer => self.peer.push(*public.as_bytes()),
            Role::Sign => {
                self.sign.push(public);
                self.sign_scope.clone_from(&key.scope);
            }
            Role::Seal => return Err(KeyProblem::WrongUse("SEAL")),
            Role::Office => self.office.extend(OfficeKey::read(public, key)),
            Role::Unspecified | Role::Log | Role::Witness => {}
        }
        Ok(())
    }

    /// A party's list: at least one authority key, each with its companion.
    ///
    /// # Errors
    /// [`KeyProblem::Missing`].
    pub fn for_authority(self) -> Result<Self, KeyProblem> {
        if self.authority.is_empty() || self.authority.len() != self.authority_dsa {
            return Err(KeyProblem::Missing("AUTHORITY (Ed25519 and ML-DSA-44)"));
        }
        Ok(self)
    }

    /// A station's list: one PEER key, at least one SIGN key, each with its companion, and at
    /// least one SEAL key.
    ///
    /// # Errors
    /// [`KeyProblem::Missing`].
    pub fn for_station(self) -> Result<Self, KeyProblem> {
        if self.peer.len() != 1 {
            return Err(KeyProblem::Missing("single PEER"));
        }
        if self.sign.is_empty() || self.sign.len() != self.sign_dsa.len() {
            return Err(KeyProblem::Missing("SIGN (Ed25519 and ML-DSA-44)"));
        }
        if self.seal.is_empty() {
            return Err(KeyProblem::Missing("SEAL"));
        }
        Ok(self)
    }
}

/// The name of a role as the schema writes it.
#[must_use]
pub const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Unspecified => "UNSPECIFIED",
        Role::Authority => "AUTHORITY",
        Role::Peer => "PEER",
        Role::Sign => "SIGN",
        Role::Seal => "SEAL",
        Role::Log => "LOG",
        Role::Witness => "WITNESS",
        Role::Office => "OFFICE",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn station() -> StationPublic {
        StationKeys::generate(&mut Entropy::new(&[7; 32])).public()
    }

    #[test]
    fn a_generated_set_is_a_good_certificate_list() {
        let public = station();
        let list = KeyList::read(&public.to_wire()).unwrap().for_station().unwrap();
        assert_eq!(list.sign, [public.sign]);
        assert_eq!(list.peer, [public.peer]);
        assert_eq!(list.seal, [public.epoch]);
    }

    #[test]
    fn the_newest_key_is_the_last_one_whatever_the_order() {
        let (old, new) = (station(), StationKeys::generate(&mut Entropy::new(&[8; 32])).public());
        let mut keys = new.to_wire();
        keys.iter_mut().for_each(|key| key.not_before = 5);
        keys.extend(old.to_wire());
        let list = KeyList::read(&keys).unwrap();
        assert_eq!(list.sign.last(), Some(&new.sign));
        assert_eq!(list.seal.last(), Some(&new.epoch));
        assert_eq!(list.clone().for_station().unwrap_err(), KeyProblem::Missing("single PEER"));
    }

    #[test]
    fn what_lacks_repeats_or_misuses_a_key_is_refused() {
        let good = station().to_wire();
        for (at, role) in [(0, "single PEER"), (2, "SIGN (Ed25519 and ML-DSA-44)"), (3, "SEAL")] {
            let mut keys = good.clone();
            keys.remove(at);
            let problem = KeyList::read(&keys).unwrap().for_station().unwrap_err();
            assert_eq!(problem, KeyProblem::Missing(role));
        }
        let mut twice = good.clone();
        twice[1].bytes = twice[0].bytes.clone();
        assert_eq!(KeyList::read(&twice).unwrap_err(), KeyProblem::Twice);
        let mut misused = good.clone();
        misused[3].role = Role::Peer.into();
        assert_eq!(KeyList::read(&misused).unwrap_err(), KeyProblem::WrongUse("PEER"));
        let mut weak = good.clone();
        weak[0].bytes = [&[1_u8][..], &[0; 31]].concat().into();
        let expected = KeyProblem::Weak { role: "PEER", error: KeyError::SmallOrder };
        assert_eq!(KeyList::read(&weak).unwrap_err(), expected);
        let mut window = good;
        (window[0].not_before, window[0].not_after) = (2, 1);
        assert_eq!(KeyList::read(&window).unwrap_err(), KeyProblem::Window("PEER"));
    }

    #[test]
    fn roles_and_algorithms_of_a_newer_version_are_passed_over() {
        let mut keys = station().to_wire();
        keys.push(wire::PublicKey { role: 99, alg: 1, bytes: vec![1].into(), ..<_>::default() });
        keys.push(wire::PublicKey { role: 3, alg: 99, bytes: vec![2].into(), ..<_>::default() });
        assert!(KeyList::read(&keys).unwrap().for_station().is_ok());
    }

    #[test]
    fn words_are_sorted_and_differ_in_their_first_three_letters() {
        assert!(words::WORDS.windows(2).all(|pair| pair[0][..3] < pair[1][..3]));
        let print = Fingerprint([0, 1, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert!(print.words().starts_with("acorn active zebra acorn"));
        assert!(print.hex().starts_with("0001 ff00"));
    }
}
