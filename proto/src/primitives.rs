//! Cryptographic primitives: the only module, with `keys`, that names a crypto crate.
//!
//! Level 1. Invariants: every hash, derivation and signature carries a domain (`cbm/1/…`), so that
//! bytes made for one purpose mean nothing in another; every key has its own type and is wiped when
//! dropped; a public key is checked once, when it is read, and cannot be weak afterwards. Nothing
//! here reads a clock or the system's random source: chance comes in as [`Entropy`], so that the
//! same seed gives the same bytes (invariant I10). Specified in `docs/spec/primitives.md`. Callers
//! are `accord` and `keys` (documents), `envelope`, `seal`, and `station` (archive).

mod aead;
mod entropy;
mod epoch;
mod noise;
mod sign;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::id::Digest;

pub use aead::{AEAD_OVERHEAD, CHUNK_TAG, aead_open, aead_seal, chunk_open, chunk_seal};
pub use entropy::Entropy;
pub use epoch::{EpochPublic, EpochSecret, KEM_CT_LEN, KEM_PUBLIC_LEN, Shared};
pub use noise::{KPSK0_OVERHEAD, kpsk0_open, kpsk0_seal};
pub use sign::{DSA_PUBLIC_LEN, DsaSecret, SignPublic, SignSecret, ed25519_id, framed};

/// What every domain begins with; the 1 is the version of the protocol's bytes, not of the program.
const PREFIX: &[u8] = b"cbm/1/";

/// Why a public key of somebody is refused when a document that carries it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not the encoding of a point on the curve.
    #[error("not a point on the curve: ask the key's owner to issue the document again")]
    NotAPoint,
    /// A second encoding of a point, which other software may read differently.
    #[error("not the canonical encoding: ask the key's owner to issue the document again")]
    NotCanonical,
    /// In the small subgroup: everyone knows signatures or secrets for it.
    #[error("a point of small order, which protects nothing: treat its document as hostile")]
    SmallOrder,
    /// Partly in the small subgroup: verifiers of different make would disagree.
    #[error("a point of mixed order, which no key generation makes: treat its document as hostile")]
    MixedOrder,
    /// Wrong length.
    #[error("a key of the wrong length: ask the key's owner to issue the document again")]
    Length,
    /// An ML-KEM key with coefficients out of range.
    #[error("not an ML-KEM-768 key (FIPS 203, 7.2): ask the key's owner to issue it again")]
    Kem,
}

fn domain_hash(domain: &str) -> Sha256 {
    Sha256::new().chain_update(PREFIX).chain_update(domain.as_bytes()).chain_update([0])
}

/// SHA-256 of `"cbm/1/" ‖ domain ‖ 0x00 ‖ pieces`. The caller sees to it that the concatenation of
/// `pieces` can be read in one way only (fixed lengths, or a length before each).
#[must_use]
pub fn digest(domain: &str, pieces: &[&[u8]]) -> Digest {
    let mut hash = domain_hash(domain);
    for piece in pieces {
        hash.update(piece);
    }
    Digest(hash.finalize().into())
}

/// Plain SHA-256 of the concatenated pieces, for formats that others define (RFC 6962).
#[must_use]
pub fn sha256(pieces: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update(piece);
    }
    hash.finalize().into()
}

/// Plain SHA-256 of what comes piece by piece.
#[derive(Clone, Default)]
pub struct Sha256Stream(Sha256);

impl Sha256Stream {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Of all that was taken.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// HKDF-SHA-256 (RFC 5869) of one block: info is `"cbm/1/" ‖ domain ‖ 0x00 ‖ info`. As with
/// [`digest`], the pieces of `info` must be readable in one way only.
#[must_use]
pub fn hkdf(ikm: &[u8], salt: &[u8], domain: &str, info: &[&[u8]]) -> [u8; 32] {
    let mut pieces: Vec<&[u8]> = vec![PREFIX, domain.as_bytes(), &[0]];
    pieces.extend_from_slice(info);
    let mut out = [0; 32];
    #[allow(clippy::expect_used, reason = "32 bytes are below RFC 5869's limit of 8,160")]
    Hkdf::<Sha256>::new(Some(salt), ikm)
        .expand_multi_info(&pieces, &mut out)
        .expect("one block is always within the limit");
    out
}

/// HMAC-SHA-256 of `"cbm/1/" ‖ domain ‖ 0x00 ‖ pieces`.
#[must_use]
pub fn hmac(key: &[u8; 32], domain: &str, pieces: &[&[u8]]) -> [u8; 32] {
    #[allow(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    for piece in [PREFIX, domain.as_bytes(), &[0]].iter().chain(pieces) {
        mac.update(piece);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::id::hex;

    #[test]
    fn sha256_is_the_standard_one() {
        // FIPS 180-4, "abc".
        assert_eq!(
            hex(&sha256(&[b"a", b"bc"])),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn domains_separate_and_are_part_of_the_bytes() {
        assert_eq!(digest("a", &[b"x"]).0, sha256(&[b"cbm/1/a\0x"]));
        assert_ne!(digest("a", &[b"x"]), digest("b", &[b"x"]));
        assert_ne!(hkdf(b"k", b"s", "a", &[]), hkdf(b"k", b"s", "b", &[]));
        assert_ne!(hmac(&[1; 32], "a", &[b"x"]), hmac(&[1; 32], "b", &[b"x"]));
        assert_ne!(hmac(&[1; 32], "a", &[b"x"]), hmac(&[2; 32], "a", &[b"x"]));
    }

    #[test]
    fn hkdf_is_rfc_5869_over_our_info() {
        // T(1) = HMAC(HMAC(salt, ikm), info ‖ 0x01), written out by hand.
        let mac = |key: &[u8], message: &[u8]| -> [u8; 32] {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            mac.update(message);
            mac.finalize().into_bytes().into()
        };
        let expected = mac(&mac(b"salt", b"ikm"), b"cbm/1/label\0ab\x01");
        assert_eq!(hkdf(b"ikm", b"salt", "label", &[b"a", b"b"]), expected);
    }
}
