//! The body: STREAM (Hoang et al., 2015) over ChaCha20-Poly1305 in chunks of 64 KiB.
//!
//! A chunk's nonce is its number, 11 bytes big-endian, and a byte that is 1 in the last chunk: none
//! can be dropped, moved, repeated or made the last. The key serves one body only.

use zeroize::Zeroizing;

use crate::envelope::{CHUNK, sealed_len};
use crate::primitives::{CHUNK_TAG, chunk_open, chunk_seal};

/// The nonce of one chunk, which `evidence` uses for its pieces as well.
pub(crate) fn nonce(number: u64, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = u8::from(last);
    nonce
}

/// Seals a padded plaintext, which is never empty.
pub(super) fn seal(key: &[u8; 32], plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(sealed_len(plain.len()));
    let last = plain.len().div_ceil(CHUNK).saturating_sub(1);
    for (number, chunk) in plain.chunks(CHUNK).enumerate() {
        chunk_seal(key, &nonce(number as u64, number == last), chunk, &mut out);
    }
    out
}

/// Opens a body whole or not at all.
pub(super) fn open(key: &[u8; 32], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(sealed.len()));
    let size = CHUNK + CHUNK_TAG;
    let last = sealed.len().div_ceil(size).checked_sub(1)?;
    for (number, chunk) in sealed.chunks(size).enumerate() {
        if !chunk_open(key, &nonce(number as u64, number == last), chunk, &mut out) {
            return None;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const KEY: [u8; 32] = [1; 32];
    const SIZE: usize = CHUNK + CHUNK_TAG;

    #[test]
    fn chunks_cannot_be_dropped_moved_or_repeated() {
        let plain: Vec<u8> = (0..3 * CHUNK - 7).map(|n| n.to_le_bytes()[1]).collect();
        let sealed = seal(&KEY, &plain);
        assert_eq!(sealed.len(), sealed_len(plain.len()));
        assert_eq!(open(&KEY, &sealed).unwrap().as_slice(), plain);
        let chunk = |n: usize| &sealed[n * SIZE..sealed.len().min((n + 1) * SIZE)];
        assert!(open(&KEY, &sealed[..2 * SIZE]).is_none(), "without the last");
        assert!(open(&KEY, &sealed[SIZE..]).is_none(), "without the first");
        assert!(open(&KEY, &[chunk(1), chunk(0), chunk(2)].concat()).is_none(), "moved");
        assert!(open(&KEY, &[chunk(0), chunk(0), chunk(2)].concat()).is_none(), "repeated");
        assert!(open(&KEY, &[chunk(0), chunk(2)].concat()).is_none(), "middle dropped");
        assert!(open(&KEY, &sealed[..sealed.len() - 1]).is_none(), "cut");
        assert!(open(&[2; 32], &sealed).is_none(), "other key");
        assert!(open(&KEY, &[]).is_none(), "empty");
    }

    #[test]
    fn a_whole_number_of_chunks_has_no_empty_one_at_the_end() {
        let sealed = seal(&KEY, &vec![3; 2 * CHUNK]);
        assert_eq!(sealed.len(), 2 * SIZE);
        assert_eq!(open(&KEY, &sealed).unwrap().len(), 2 * CHUNK);
    }
}
