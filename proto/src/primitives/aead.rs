//! Authenticated encryption: XChaCha20-Poly1305 for the archive, ChaCha20-Poly1305 for one chunk of
//! a letter's body.
//!
//! The archive draws a random 24-byte nonce and carries it in front. A chunk's nonce is its place in
//! the body and its key is used for one body only, so both are the caller's ([`crate::seal`]).

use chacha20poly1305::aead::{Aead as _, AeadInOut as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, XChaCha20Poly1305};

/// What [`aead_seal`] adds to a plaintext: nonce 24, tag 16, bytes.
pub const AEAD_OVERHEAD: usize = 24 + 16;
/// What [`chunk_seal`] adds: the tag, bytes.
pub const CHUNK_TAG: usize = 16;

/// Seals `plain` under a long-lived key, bound to `aad`. `nonce` must be random and fresh; it is the
/// first 24 bytes of the result.
#[must_use]
pub fn aead_seal(key: &[u8; 32], nonce: [u8; 24], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(plain.len() + AEAD_OVERHEAD);
    out.extend_from_slice(&nonce);
    #[allow(clippy::expect_used, reason = "fails above 256 GiB only; records are below 1 MiB")]
    let sealed = XChaCha20Poly1305::new(key.into())
        .encrypt(&nonce.into(), Payload { msg: plain, aad })
        .expect("plaintext is below the cipher's limit");
    out.extend_from_slice(&sealed);
    out
}

/// Opens what [`aead_seal`] made; `None` if key, `aad` or a byte differ.
#[must_use]
pub fn aead_open(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, msg) = sealed.split_first_chunk::<24>()?;
    XChaCha20Poly1305::new(key.into()).decrypt(nonce.into(), Payload { msg, aad }).ok()
}

/// Seals one chunk and appends ciphertext and tag to `out`.
pub fn chunk_seal(key: &[u8; 32], nonce: &[u8; 12], plain: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(plain);
    #[allow(clippy::expect_used, reason = "fails above 256 GiB only; a chunk has 64 KiB")]
    let tag = ChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(nonce.into(), &[], (&mut out[start..]).into())
        .expect("a chunk is below the cipher's limit");
    out.extend_from_slice(&tag);
}

/// Opens one chunk and appends its plaintext to `out`; `false`, with `out` as it was, if key, nonce
/// or a byte differ.
#[must_use]
pub fn chunk_open(key: &[u8; 32], nonce: &[u8; 12], sealed: &[u8], out: &mut Vec<u8>) -> bool {
    let Some((cipher, tag)) = sealed.split_last_chunk::<CHUNK_TAG>() else { return false };
    let start = out.len();
    out.extend_from_slice(cipher);
    let opened = ChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(nonce.into(), &[], (&mut out[start..]).into(), tag.into())
        .is_ok();
    if !opened {
        out.truncate(start);
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_opens_with_its_key_and_context_only() {
        let sealed = aead_seal(&[1; 32], [2; 24], b"context", b"plain");
        assert_eq!(sealed.len(), 5 + AEAD_OVERHEAD);
        assert_eq!(aead_open(&[1; 32], b"context", &sealed).as_deref(), Some(&b"plain"[..]));
        assert_eq!(aead_open(&[3; 32], b"context", &sealed), None);
        assert_eq!(aead_open(&[1; 32], b"other", &sealed), None);
        assert_eq!(aead_open(&[1; 32], b"context", &sealed[..20]), None);
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert_eq!(aead_open(&[1; 32], b"context", &bad), None, "byte {at}");
        }
    }

    #[test]
    fn a_chunk_that_does_not_open_leaves_nothing_behind() {
        let (mut sealed, mut out) = (Vec::new(), b"kept".to_vec());
        chunk_seal(&[1; 32], &[0; 12], b"plain", &mut sealed);
        assert!(!chunk_open(&[1; 32], &[1; 12], &sealed, &mut out));
        assert_eq!(out, b"kept");
        assert!(chunk_open(&[1; 32], &[0; 12], &sealed, &mut out));
        assert_eq!(out, b"keptplain");
    }
}
