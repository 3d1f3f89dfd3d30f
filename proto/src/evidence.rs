//! Large files, sealed in pieces apart from the letter that names them (`docs/spec/evidence.md`).
//!
//! Level 4. A [`Sealer`] cuts a file into pieces, each sealed under a key of this file alone, and
//! lists their digests; the root of that [`List`] stands in the letter. Whoever fetches has the
//! list first, holds it to the root, and then each piece to the list, from whomever it comes; an
//! [`Opener`] makes the file of them again. [`Question`] and [`Answer`] are what stations say to
//! one another. Invariants: a piece that is not the author's is never taken; memory is bounded by
//! one piece and the list (512 KiB for 1 GiB); whoever serves the pieces learns neither content nor
//! exact size. The caller is the node's `evidence`; files and chance are its own.

mod ask;
mod list;
mod open;
mod seal;
#[cfg(test)]
mod tests;

pub use ask::{Answer, Question, Section};
pub use list::List;
pub use open::Opener;
pub use seal::Sealer;

use crate::{
    envelope::{CHUNK, pad, sealed_len},
    limits::EVIDENCE_MAX,
    primitives::CHUNK_TAG,
};

/// Bytes of a sealed piece; the last one may be shorter.
pub const PIECE: usize = CHUNK + CHUNK_TAG;

/// Why something is not the evidence that a letter names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// More than a file may have.
    #[error("the file is larger than {EVIDENCE_MAX} bytes; cut it into several files")]
    TooLarge,
    /// A list that is not the one of this root.
    #[error("the list of pieces is not the one that the letter names; ask another station")]
    List,
    /// A piece that does not open, or opens to something that no sealer makes.
    #[error("a piece does not open with the letter's key; ask its author to send the file again")]
    Piece,
    /// The opened file is not the one whose digest the letter names.
    #[error("the file is not the one that the letter names; ask its author to send it again")]
    File,
}

/// Bytes of all sealed pieces of a file of `size` bytes: padded as letters are, then sealed.
///
/// # Errors
/// [`EvidenceError::TooLarge`].
pub fn sealed_size(size: u64) -> Result<u64, EvidenceError> {
    let size = Some(size).filter(|size| *size <= EVIDENCE_MAX).ok_or(EvidenceError::TooLarge)?;
    let size = usize::try_from(size).map_err(|_| EvidenceError::TooLarge)?;
    Ok(sealed_len(pad(size)) as u64)
}

/// How many pieces that is.
#[must_use]
pub const fn pieces(sealed: u64) -> u64 {
    sealed.div_ceil(PIECE as u64)
}

/// Where piece `number`, from 0, lies among all of them.
#[must_use]
pub fn place(sealed: u64, number: u64) -> std::ops::Range<u64> {
    let from = number.saturating_mul(PIECE as u64).min(sealed);
    from..(from + PIECE as u64).min(sealed)
}
