//! Signatures: Ed25519 by one strict rule, and the ML-DSA-44 key that stands beside it.
//!
//! The rule (`docs/spec/primitives.md`), so that no two implementations ever disagree about one
//! envelope: RFC 8032 with S below the group order, R and A canonical and not of small order, the
//! equation without cofactor. Keys of mixed order are refused when they are read, which closes the
//! last gap between verifiers with and without cofactor. No batch verification.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use ml_dsa::{KeyExport as _, MlDsa44, SigningKey as DsaSigningKey};
use zeroize::Zeroizing;

use super::{KeyError, PREFIX, digest};
use crate::id::KeyId;

/// Length of an ML-DSA-44 public key, bytes (FIPS 204, table 2).
pub const DSA_PUBLIC_LEN: usize = 1_312;

/// What a signature is over: `"cbm/1/" ‖ domain ‖ 0x00 ‖ message`.
#[must_use]
pub fn framed(domain: &str, message: &[u8]) -> Vec<u8> {
    [PREFIX, domain.as_bytes(), &[0], message].concat()
}

/// The short name of an Ed25519 key by its bytes, as [`SignPublic::id`] gives it.
#[must_use]
pub fn ed25519_id(key: &[u8; 32]) -> KeyId {
    key_id("sign-key", key)
}

/// An Ed25519 secret key; wiped when dropped, never printed.
pub struct SignSecret(SigningKey);

impl SignSecret {
    /// The key of RFC 8032's 32-byte seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, for the keystore.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> SignPublic {
        SignPublic(self.0.verifying_key())
    }

    /// Signs `"cbm/1/" ‖ domain ‖ 0x00 ‖ message`.
    #[must_use]
    pub fn sign(&self, domain: &str, message: &[u8]) -> [u8; 64] {
        self.0.sign(&framed(domain, message)).to_bytes()
    }
}

/// An Ed25519 public key that passed [`SignPublic::check`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SignPublic(VerifyingKey);

impl SignPublic {
    /// Reads a public key as it stands in a document.
    ///
    /// # Errors
    /// [`KeyError`] for anything but the canonical encoding of a point of the prime-order group.
    pub fn check(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::NotAPoint)?;
        let point = key.to_edwards();
        if point.compress().to_bytes() != bytes {
            return Err(KeyError::NotCanonical);
        }
        if point.is_small_order() {
            return Err(KeyError::SmallOrder);
        }
        if !point.is_torsion_free() {
            return Err(KeyError::MixedOrder);
        }
        Ok(Self(key))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key's short name: head of `digest("sign-key", bytes)`.
    #[must_use]
    pub fn id(&self) -> KeyId {
        ed25519_id(self.as_bytes())
    }

    /// Whether `signature` is one of this key over `"cbm/1/" ‖ domain ‖ 0x00 ‖ message`, by the
    /// strict rule above.
    #[must_use]
    pub fn verify(&self, domain: &str, message: &[u8], signature: &[u8; 64]) -> bool {
        self.verify_raw(&framed(domain, message), signature)
    }

    /// The strict rule over bare bytes: what published vectors are checked against.
    #[must_use]
    pub fn verify_raw(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl std::fmt::Debug for SignPublic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignPublic({:?})", self.id())
    }
}

/// An ML-DSA-44 secret key, kept as its seed; wiped when dropped. It stands beside each Ed25519 key
/// that signs, so that nothing has to be handed out again when it begins to sign.
pub struct DsaSecret(Zeroizing<[u8; 32]>);

impl DsaSecret {
    /// The key of FIPS 204's 32-byte seed ξ.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*seed))
    }

    /// The seed, for the keystore.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public key. Costs a key generation, about a tenth of a millisecond: ask once.
    #[must_use]
    pub fn public(&self) -> [u8; DSA_PUBLIC_LEN] {
        let key = DsaSigningKey::<MlDsa44>::from_seed(&(*self.0).into());
        key.expanded_key().verifying_key().to_bytes().into()
    }

    /// Short name of an ML-DSA-44 public key: head of `digest("dsa-key", bytes)`.
    #[must_use]
    pub fn id_of(public: &[u8; DSA_PUBLIC_LEN]) -> KeyId {
        key_id("dsa-key", public)
    }
}

/// Head of the digest of a key's bytes.
fn key_id(domain: &str, bytes: &[u8]) -> KeyId {
    let full = digest(domain, &[bytes]);
    let mut head = [0; KeyId::LEN];
    head.copy_from_slice(&full.0[..KeyId::LEN]);
    KeyId(head)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::id::unhex;

    fn point(text: &str) -> [u8; 32] {
        unhex(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn signs_for_one_domain_and_one_message() {
        let secret = SignSecret::from_seed(&[3; 32]);
        let public = SignPublic::check(*secret.public().as_bytes()).unwrap();
        let signature = secret.sign("header", b"bytes");
        assert!(public.verify("header", b"bytes", &signature));
        assert!(!public.verify("accord", b"bytes", &signature));
        assert!(!public.verify("header", b"other", &signature));
        assert!(!SignSecret::from_seed(&[4; 32]).public().verify("header", b"bytes", &signature));
    }

    #[test]
    fn rfc_8032_test_1_verifies() {
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let signature = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33\
                         bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
        let signature = unhex(signature).unwrap().try_into().unwrap();
        let key = SignPublic::check(point(key)).unwrap();
        assert!(key.verify_raw(b"", &signature));
        assert!(!key.verify_raw(b"x", &signature));
    }

    #[test]
    fn weak_and_ambiguous_keys_are_refused() {
        let identity = "0100000000000000000000000000000000000000000000000000000000000000";
        let order_two = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
        let order_eight = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
        for small in [identity, order_two, order_eight] {
            assert_eq!(SignPublic::check(point(small)), Err(KeyError::SmallOrder), "{small}");
        }
        // y = p + 1 is a second encoding of the identity.
        let second = "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
        assert_eq!(SignPublic::check(point(second)), Err(KeyError::NotCanonical));
        let off = "0200000000000000000000000000000000000000000000000000000000000000";
        assert_eq!(SignPublic::check(point(off)), Err(KeyError::NotAPoint));
        // "Taming the many EdDSAs", case 4: A of mixed order.
        let mixed = "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d";
        assert_eq!(SignPublic::check(point(mixed)), Err(KeyError::MixedOrder));
    }

    #[test]
    fn s_above_the_order_is_refused() {
        let secret = SignSecret::from_seed(&[3; 32]);
        let mut signature = secret.sign("header", b"bytes");
        let order = point("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let mut carry = 0_u16;
        for (byte, l) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(l) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        assert!(!secret.public().verify("header", b"bytes", &signature));
    }

    #[test]
    fn dsa_key_follows_from_its_seed() {
        let key = DsaSecret::from_seed(&[1; 32]);
        assert_eq!(key.public(), DsaSecret::from_seed(&[1; 32]).public());
        assert_ne!(key.public(), DsaSecret::from_seed(&[2; 32]).public());
    }
}
