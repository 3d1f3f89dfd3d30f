//! The digests of all pieces of one file, and the root over them.

use super::{EvidenceError, pieces};
use crate::{id::Digest, primitives::digest};

/// The list: what a root stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    sealed: u64,
    digests: Vec<u8>,
}

impl List {
    /// Bytes of the list of a file with so many sealed bytes.
    #[must_use]
    pub const fn length(sealed: u64) -> u64 {
        pieces(sealed) * Digest::LEN as u64
    }

    /// Reads a list that somebody gave, for the root and the size that a letter names.
    ///
    /// # Errors
    /// [`EvidenceError::List`] for any other.
    pub fn read(root: &Digest, sealed: u64, digests: Vec<u8>) -> Result<Self, EvidenceError> {
        let list = Self { sealed, digests };
        let fits = list.digests.len() as u64 == Self::length(sealed) && list.root() == *root;
        if fits { Ok(list) } else { Err(EvidenceError::List) }
    }

    /// Notes the next piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.sealed += piece.len() as u64;
        self.digests.extend_from_slice(of(piece).as_bytes());
    }

    /// The name of all of it.
    #[must_use]
    pub fn root(&self) -> Digest {
        digest("evidence-root", &[&self.sealed.to_be_bytes(), &self.digests])
    }

    /// Bytes of all sealed pieces.
    #[must_use]
    pub const fn sealed(&self) -> u64 {
        self.sealed
    }

    /// Number of pieces.
    #[must_use]
    pub const fn pieces(&self) -> u64 {
        (self.digests.len() / Digest::LEN) as u64
    }

    /// As it is kept and travels.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.digests
    }

    /// Whether these bytes are piece `number`.
    #[must_use]
    pub fn holds(&self, number: u64, piece: &[u8]) -> bool {
        let at = usize::try_from(number).ok().and_then(|n| n.checked_mul(Digest::LEN));
        let listed = at.and_then(|at| self.digests.get(at..at + Digest::LEN));
        listed.is_some_and(|listed| listed == of(piece).as_bytes())
    }
}

fn of(piece: &[u8]) -> Digest {
    digest("evidence-piece", &[piece])
}
