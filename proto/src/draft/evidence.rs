//! Where the content of an attachment lies: inside the letter, or sealed apart from it.

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::{id::Digest, limits::EVIDENCE_MAX, wire};

/// What a file holds.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// The bytes travel with the letter.
    Inside(Bytes),
    /// The bytes travel apart, and the letter says how to get and open them.
    Apart(Evidence),
}

/// A file whose sealed pieces travel apart from the letter (`docs/spec/evidence.md`).
#[derive(Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Names the sealed pieces and holds whoever serves them to these.
    pub root: Digest,
    /// Opens them. Random, for this file alone.
    pub key: Zeroizing<[u8; 32]>,
    /// Bytes of all sealed pieces.
    pub sealed: u64,
    /// Bytes of the file.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Evidence({:?}, {} bytes)", self.root, self.sealed)
    }
}

impl Evidence {
    pub(super) fn to_wire(&self) -> wire::Evidence {
        wire::Evidence {
            root: Bytes::copy_from_slice(self.root.as_bytes()),
            key: Bytes::copy_from_slice(&*self.key),
            sealed: self.sealed,
        }
    }

    /// What a header says; `None` if it cannot be.
    fn read(info: &wire::AttachmentInfo, apart: &wire::Evidence) -> Option<Self> {
        let size = u64::from(info.size);
        let fits = size <= EVIDENCE_MAX && size < apart.sealed;
        fits.then_some(Self {
            root: Digest::from_slice(&apart.root)?,
            key: Zeroizing::new(apart.key.as_ref().try_into().ok()?),
            sealed: apart.sealed,
            size,
            sha256: info.sha256.as_ref().try_into().ok()?,
        })
    }
}

impl Content {
    /// Where it lies, if apart.
    #[must_use]
    pub const fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Inside(_) => None,
            Self::Apart(evidence) => Some(evidence),
        }
    }

    /// What a header names, with the next content of the letter where it lies inside; `None` where
    /// there is none, or where it cannot be.
    pub(crate) fn read(
        info: &wire::AttachmentInfo,
        next: impl FnOnce() -> Option<Bytes>,
    ) -> Option<Self> {
        match &info.evidence {
            Some(apart) => Evidence::read(info, apart).map(Self::Apart),
            None => next().map(Self::Inside),
        }
    }
}
