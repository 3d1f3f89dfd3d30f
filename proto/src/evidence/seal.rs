//! A file becomes sealed pieces and the list of their digests.

use zeroize::Zeroizing;

use super::{EvidenceError, List};
use crate::{
    draft::Evidence,
    envelope::{CHUNK, pad},
    limits::EVIDENCE_MAX,
    primitives::{Sha256Stream, chunk_seal},
    seal::stream::nonce,
};

/// Seals a file that comes in runs of any length. Holds one piece.
pub struct Sealer {
    key: Zeroizing<[u8; 32]>,
    /// What was not sealed yet: never empty once something came, for the last piece is marked.
    plain: Zeroizing<Vec<u8>>,
    pub(super) size: u64,
    sha256: Sha256Stream,
    list: List,
}

impl Sealer {
    /// With a fresh random key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key: Zeroizing::new(key),
            plain: Zeroizing::new(Vec::with_capacity(CHUNK)),
            size: 0,
            sha256: Sha256Stream::default(),
            list: List::default(),
        }
    }

    /// Takes the next bytes of the file; each piece that is ready goes to `sink`.
    ///
    /// # Errors
    /// The file is too large, or the sink's own.
    pub fn push<E: From<EvidenceError>>(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.size += bytes.len() as u64;
        if self.size > EVIDENCE_MAX {
            return Err(EvidenceError::TooLarge.into());
        }
        self.sha256.push(bytes);
        self.fill(bytes, sink)
    }

    /// Pads the file and seals what is left.
    ///
    /// # Errors
    /// The sink's own.
    pub fn finish<E: From<EvidenceError>>(
        mut self,
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(Evidence, List), E> {
        let size = usize::try_from(self.size).map_err(|_| EvidenceError::TooLarge)?;
        let mut padding = pad(size) - size;
        while padding > 0 {
            let run = padding.min(CHUNK);
            self.fill(&[0; CHUNK][..run], sink)?;
            padding -= run;
        }
        self.piece(true, sink)?;
        let (sha256, list) = (self.sha256.finish(), self.list);
        let (root, sealed) = (list.root(), list.sealed());
        Ok((Evidence { root, key: self.key, sealed, size: self.size, sha256 }, list))
    }

    fn fill<E>(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.plain.len() == CHUNK {
                self.piece(false, sink)?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.plain.len()));
            self.plain.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn piece<E>(
        &mut self,
        last: bool,
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut sealed = Vec::with_capacity(super::PIECE);
        let number = self.list.pieces();
        chunk_seal(&self.key, &nonce(number, last), &self.plain, &mut sealed);
        self.plain.clear();
        self.list.push(&sealed);
        sink(&sealed)
    }
}
