//! Sealed pieces become the file again.

use zeroize::Zeroizing;

use super::{EvidenceError, pieces, sealed_size};
use crate::{
    draft::Evidence,
    primitives::{Sha256Stream, chunk_open},
    seal::stream::nonce,
};

/// Opens the pieces of one file in their order. Holds one piece.
pub struct Opener {
    key: Zeroizing<[u8; 32]>,
    number: u64,
    pieces: u64,
    left: u64,
    sha256: [u8; 32],
    seen: Sha256Stream,
}

impl Opener {
    /// For the file that a letter names.
    ///
    /// # Errors
    /// [`EvidenceError::Piece`] when no sealer makes so many bytes of such a file.
    pub fn new(evidence: &Evidence) -> Result<Self, EvidenceError> {
        if sealed_size(evidence.size)? != evidence.sealed {
            return Err(EvidenceError::Piece);
        }
        Ok(Self {
            key: evidence.key.clone(),
            number: 0,
            pieces: pieces(evidence.sealed),
            left: evidence.size,
            sha256: evidence.sha256,
            seen: Sha256Stream::default(),
        })
    }

    /// Opens the next piece; gives what of the file is in it, which is nothing where it only pads.
    ///
    /// # Errors
    /// [`EvidenceError::Piece`], or [`EvidenceError::File`] with the last one.
    pub fn next(&mut self, piece: &[u8]) -> Result<Vec<u8>, EvidenceError> {
        let last = self.number + 1 == self.pieces;
        let mut plain = Vec::with_capacity(piece.len());
        let opens = self.number < self.pieces
            && chunk_open(&self.key, &nonce(self.number, last), piece, &mut plain);
        let content = usize::try_from(self.left).unwrap_or(usize::MAX).min(plain.len());
        if !opens || plain.iter().skip(content).any(|byte| *byte != 0) {
            return Err(EvidenceError::Piece);
        }
        plain.truncate(content);
        self.seen.push(&plain);
        self.number += 1;
        self.left -= content as u64;
        if last && (self.left > 0 || self.seen.clone().finish() != self.sha256) {
            return Err(EvidenceError::File);
        }
        Ok(plain)
    }

    /// Number of the piece that is opened next.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }
}
