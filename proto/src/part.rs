//! One salted piece of a letter's plaintext.
//!
//! Level 1. A letter is sealed as a list of parts; each is a leaf of the content root, so that a
//! proof can disclose one part with its salt and path and nothing else (`docs/spec/letter.md`,
//! `docs/spec/envelope.md`). What the bytes mean is the letter's business; `seal` only carries and
//! hashes them.

use bytes::Bytes;

/// Length of a part's salt, bytes: enough that a hidden part cannot be guessed from its leaf.
pub const SALT_LEN: usize = 16;

/// One leaf of a letter: salted, typed, opaque to everything below the letter.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// Random; drawn anew for each part of each letter.
    pub salt: [u8; SALT_LEN],
    /// What the bytes are; unknown kinds are kept and carried.
    pub kind: u8,
    /// The content. Never in logs: `Debug` shows its length only.
    pub bytes: Bytes,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Part(kind {}, {} bytes)", self.kind, self.bytes.len())
    }
}
