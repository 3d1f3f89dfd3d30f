//! Epoch keys: X25519 and ML-KEM-768 side by side, what letters are sealed to.
//!
//! Both halves come from one 32-byte seed, which is all that the keystore holds. A public key is
//! checked once, when the document that carries it is read: X25519 canonical and not of low order,
//! ML-KEM by FIPS 203's modulus check. The parsed key is shared between clones.

use std::sync::Arc;

use ml_kem::kem::{Decapsulate as _, Encapsulate as _, KeyExport as _};
use ml_kem::{DecapsulationKey, EncapsulationKey, MlKem768};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{Entropy, KeyError, digest, hkdf};
use crate::id::{Digest, KeyId};

/// Length of an ML-KEM-768 public key, bytes.
pub const KEM_PUBLIC_LEN: usize = 1_184;
/// Length of an ML-KEM-768 ciphertext, bytes.
pub const KEM_CT_LEN: usize = 1_088;

/// A shared secret of either half; wiped when dropped.
pub type Shared = Zeroizing<[u8; 32]>;

/// The public half of an epoch key; cheap to clone.
#[derive(Clone)]
pub struct EpochPublic(Arc<Public>);

struct Public {
    x: [u8; 32],
    kem: [u8; KEM_PUBLIC_LEN],
    parsed: EncapsulationKey<MlKem768>,
    kem_digest: Digest,
    id: KeyId,
}

impl EpochPublic {
    /// Reads an epoch key as it stands in a document.
    ///
    /// # Errors
    /// [`KeyError`]: wrong length, X25519 not canonical or of low order, ML-KEM out of range.
    pub fn check(x: &[u8], kem: &[u8]) -> Result<Self, KeyError> {
        let x: [u8; 32] = x.try_into().map_err(|_| KeyError::Length)?;
        let kem: [u8; KEM_PUBLIC_LEN] = kem.try_into().map_err(|_| KeyError::Length)?;
        if !canonical(&x) {
            return Err(KeyError::NotCanonical);
        }
        // Any clamped scalar sends a point of low order to zero.
        if dh(&StaticSecret::from([0x42; 32]), &x).is_none() {
            return Err(KeyError::SmallOrder);
        }
        let parsed = EncapsulationKey::<MlKem768>::new((&kem).into()).map_err(|_| KeyError::Kem)?;
        Ok(Self::assemble(x, kem, parsed))
    }

    fn assemble(
        x: [u8; 32],
        kem: [u8; KEM_PUBLIC_LEN],
        parsed: EncapsulationKey<MlKem768>,
    ) -> Self {
        let full = digest("epoch-key", &[&x, &kem]);
        let mut id = [0; KeyId::LEN];
        id.copy_from_slice(&full.0[..KeyId::LEN]);
        let kem_digest = digest("kem-key", &[&kem]);
        Self(Arc::new(Public { x, kem, parsed, kem_digest, id: KeyId(id) }))
    }

    /// The X25519 half, 32 bytes.
    #[must_use]
    pub fn x(&self) -> &[u8; 32] {
        &self.0.x
    }

    /// The ML-KEM-768 half, 1,184 bytes.
    #[must_use]
    pub fn kem(&self) -> &[u8; KEM_PUBLIC_LEN] {
        &self.0.kem
    }

    /// The key's short name: head of `digest("epoch-key", x ‖ kem)`.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.0.id
    }

    /// `digest("kem-key", kem)`, which stanzas bind.
    #[must_use]
    pub fn kem_digest(&self) -> &Digest {
        &self.0.kem_digest
    }

    /// A fresh secret for the owner of this key, and the ciphertext that carries it.
    #[must_use]
    pub fn encapsulate(&self, entropy: &mut Entropy) -> ([u8; KEM_CT_LEN], Shared) {
        let (ct, shared) = self.0.parsed.encapsulate_with_rng(entropy);
        (ct.into(), Zeroizing::new(shared.into()))
    }
}

impl PartialEq for EpochPublic {
    fn eq(&self, other: &Self) -> bool {
        self.0.x == other.0.x && self.0.kem == other.0.kem
    }
}

impl Eq for EpochPublic {}

impl std::fmt::Debug for EpochPublic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EpochPublic({:?})", self.0.id)
    }
}

/// The secret half of an epoch key; wiped when dropped, never printed.
pub struct EpochSecret {
    seed: Zeroizing<[u8; 32]>,
    x: StaticSecret,
    kem: Box<DecapsulationKey<MlKem768>>,
    public: EpochPublic,
}

impl EpochSecret {
    /// Both halves from one seed: X25519 from `hkdf(seed, "", "epoch-x25519")`, ML-KEM's d and z
    /// from `"epoch-kem-d"` and `"epoch-kem-z"`.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let x = StaticSecret::from(hkdf(seed, &[], "epoch-x25519", &[]));
        let mut dz = Zeroizing::new([0; 64]);
        dz[..32].copy_from_slice(&hkdf(seed, &[], "epoch-kem-d", &[]));
        dz[32..].copy_from_slice(&hkdf(seed, &[], "epoch-kem-z", &[]));
        let kem = Box::new(DecapsulationKey::<MlKem768>::from_seed((*dz).into()));
        let parsed = kem.encapsulation_key().clone();
        let public =
            EpochPublic::assemble(PublicKey::from(&x).to_bytes(), parsed.to_bytes().into(), parsed);
        Self { seed: Zeroizing::new(*seed), x, kem, public }
    }

    /// The seed, for the keystore.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &EpochPublic {
        &self.public
    }

    /// Short name of the public half.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.public.id()
    }

    /// X25519 with somebody's epoch key; `None` if the result does not depend on our secret, which a
    /// checked key never causes.
    #[must_use]
    pub fn agree(&self, peer: &EpochPublic) -> Option<Shared> {
        dh(&self.x, peer.x())
    }

    /// The secret inside an ML-KEM ciphertext. Never fails (FIPS 203's implicit rejection): a
    /// ciphertext for another key gives a secret that opens nothing.
    #[must_use]
    pub fn decapsulate(&self, ct: &[u8; KEM_CT_LEN]) -> Shared {
        Zeroizing::new(self.kem.decapsulate(ct.into()).into())
    }

    /// The X25519 secret, for the Noise pattern only.
    pub(super) fn x_secret(&self) -> &StaticSecret {
        &self.x
    }
}

/// X25519; `None` where the result is zero, so that it depends on no secret.
fn dh(secret: &StaticSecret, public: &[u8; 32]) -> Option<Shared> {
    let shared = secret.diffie_hellman(&PublicKey::from(*public));
    shared.was_contributory().then(|| Zeroizing::new(shared.to_bytes()))
}

/// Whether a u-coordinate is below 2^255 - 19 with its top bit clear (RFC 7748 would mask it).
fn canonical(x: &[u8; 32]) -> bool {
    let p_tail = x[31] == 0x7f && x[1..31].iter().all(|b| *b == 0xff) && x[0] >= 0xed;
    x[31] & 0x80 == 0 && !p_tail
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::id::unhex;

    #[test]
    fn both_halves_agree_between_two_stations() {
        let (a, b) = (EpochSecret::from_seed(&[1; 32]), EpochSecret::from_seed(&[2; 32]));
        let read = EpochPublic::check(b.public().x(), b.public().kem()).unwrap();
        assert_eq!(read.id(), b.id());
        assert_eq!(a.agree(&read).unwrap(), b.agree(a.public()).unwrap());
        let (ct, shared) = read.encapsulate(&mut Entropy::new(&[9; 32]));
        assert_eq!(b.decapsulate(&ct), shared);
        assert_ne!(a.decapsulate(&ct), shared);
    }

    #[test]
    fn points_of_low_order_are_refused() {
        let kem = *EpochSecret::from_seed(&[1; 32]).public().kem();
        // RFC 7748, section 6.1 and the list at cr.yp.to/ecdh.html: 0, 1, two of order 8, p - 1.
        for low in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ] {
            let x = unhex(low).unwrap();
            assert_eq!(EpochPublic::check(&x, &kem), Err(KeyError::SmallOrder), "{low}");
        }
        // p and p + 1 are second encodings of 0 and 1; the top bit would be masked away.
        for second in [(0xed, 0x7f), (0xee, 0x7f)] {
            let mut x = [0xff; 32];
            (x[0], x[31]) = second;
            assert_eq!(EpochPublic::check(&x, &kem), Err(KeyError::NotCanonical));
        }
        assert_eq!(EpochPublic::check(&[0x80; 32], &kem), Err(KeyError::NotCanonical));
    }

    #[test]
    fn a_kem_key_out_of_range_or_length_is_refused() {
        let good = EpochSecret::from_seed(&[1; 32]);
        let (x, mut kem) = (*good.public().x(), *good.public().kem());
        assert_eq!(EpochPublic::check(&x, &kem[1..]), Err(KeyError::Length));
        // The first coefficient becomes 4,095, above q = 3,329.
        kem[0] = 0xff;
        kem[1] |= 0x0f;
        assert_eq!(EpochPublic::check(&x, &kem), Err(KeyError::Kem));
    }
}
