//! Sender keys: one sealed piece in place of stanzas, for exactly the readers of an earlier letter.
//!
//! A letter whose stanzas say so hands its readers a key: from its content key follows a chain, one
//! link for each later number of the same feed, each a hash of the one before. The piece of a letter
//! is sealed under the link of its number together with its header, so a link serves one letter even
//! if its author should use a number twice. Links that were used or passed over by the feed's mark
//! are forgotten; a chain ends after [`SENDER_KEY_LETTERS`] numbers. Signatures stay as they are:
//! who can read cannot forge. Specified in `docs/spec/seal.md`; kept by `station`.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{FileKey, OpenError, Opened, open_with};
use crate::envelope::{Envelope, Header, Recipients, SENDER_KEY_PIECE};
use crate::id::KeyId;
use crate::limits::SENDER_KEY_LETTERS;
use crate::primitives::{chunk_open, chunk_seal, hkdf, hmac};
use crate::terms::Status;

/// What a piece carries: content key and status, bytes.
const PAYLOAD_LEN: usize = 33;
/// A link serves one header, so the nonce need not differ.
const NONCE: [u8; 12] = [0; 12];

type Link = Zeroizing<[u8; 32]>;

/// The chain of one hand-out; wiped when dropped, never printed.
pub struct SenderKey {
    id: KeyId,
    /// Number of the letter that handed it out.
    from: u64,
    /// Number that `link` is for.
    next: u64,
    link: Link,
    /// Links of numbers that were passed over.
    passed: BTreeMap<u64, Link>,
}

impl SenderKey {
    /// The key that a letter hands to its readers: of its header and its content key.
    #[must_use]
    pub fn handed_out(header: &Header, key: &FileKey) -> Self {
        let context = header.context_digest();
        let derive = |domain| hkdf(key.as_bytes(), context.as_bytes(), domain, &[]);
        let mut id = KeyId([0; 16]);
        id.0.copy_from_slice(&derive("sender-key-id")[..16]);
        Self::from_parts(id, header.seq, Zeroizing::new(derive("sender-chain")))
    }

    /// A key as it was when it was handed out, from the archive: id, number, first link.
    #[must_use]
    pub const fn from_parts(id: KeyId, from: u64, first: Zeroizing<[u8; 32]>) -> Self {
        Self { id, from, next: from + 1, link: first, passed: BTreeMap::new() }
    }

    /// What headers name it by.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Number of the letter that handed it out.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.from
    }

    /// The link that is next, which is the first one until the key is used. For the archive.
    #[must_use]
    pub fn link(&self) -> &[u8; 32] {
        &self.link
    }

    /// Whether a letter of this number can be under it.
    #[must_use]
    pub const fn reaches(&self, seq: u64) -> bool {
        seq > self.from && seq - self.from <= SENDER_KEY_LETTERS
    }

    /// Whether its author can seal a letter of this number under it.
    #[must_use]
    pub const fn serves(&self, seq: u64) -> bool {
        self.reaches(seq) && seq >= self.next
    }

    /// Forgets the links of numbers up to a feed's mark: their letters are all here.
    pub fn forget(&mut self, mark: u64) {
        self.passed = self.passed.split_off(&mark.saturating_add(1));
    }

    /// The piece of a letter. `header` is complete but for the stanzas' digest. `None` for a number
    /// that this key does not reach, or that it has served.
    pub(super) fn seal(
        &mut self,
        header: &Header,
        key: &FileKey,
        status: Status,
    ) -> Option<Vec<u8>> {
        let walk = self.walk(header.seq)?;
        let mut payload = Zeroizing::new([0; PAYLOAD_LEN]);
        payload[..32].copy_from_slice(key.as_bytes());
        payload[32] = status.code();
        let mut out = Vec::with_capacity(SENDER_KEY_PIECE);
        chunk_seal(&piece_key(&walk.link, header), &NONCE, &payload[..], &mut out);
        self.commit(header.seq, walk);
        // An author's numbers only rise.
        self.passed.clear();
        Some(out)
    }

    /// Content key and status of a letter under this key; `None` if it is not, or was opened before.
    fn open_piece(&mut self, header: &Header, piece: &[u8]) -> Option<(FileKey, u8)> {
        let walk = self.walk(header.seq)?;
        let mut payload = Zeroizing::new(Vec::with_capacity(PAYLOAD_LEN));
        if !chunk_open(&piece_key(&walk.link, header), &NONCE, piece, &mut payload) {
            return None;
        }
        self.commit(header.seq, walk);
        let (key, &[status]) = payload.split_first_chunk::<32>()? else { return None };
        Some((FileKey::from_bytes(key), status))
    }

    /// The link of a number, and what lies before it; nothing is changed.
    fn walk(&self, seq: u64) -> Option<Walk> {
        if !self.reaches(seq) {
            return None;
        }
        if seq < self.next {
            let link = self.passed.get(&seq)?.clone();
            return Some(Walk { link, between: Vec::new() });
        }
        let (mut link, mut between) = (self.link.clone(), Vec::new());
        for number in self.next..seq {
            let after = follow(&link);
            between.push((number, std::mem::replace(&mut link, after)));
        }
        Some(Walk { link, between })
    }

    fn commit(&mut self, seq: u64, walk: Walk) {
        self.passed.remove(&seq);
        if seq >= self.next {
            self.passed.extend(walk.between);
            self.link = follow(&walk.link);
            self.next = seq + 1;
        }
    }
}

struct Walk {
    link: Link,
    between: Vec<(u64, Link)>,
}

fn follow(link: &Link) -> Link {
    Zeroizing::new(hmac(link, "sender-next", &[]))
}

fn piece_key(link: &Link, header: &Header) -> Link {
    let context = header.context_digest();
    Zeroizing::new(hkdf(&**link, context.as_bytes(), "sender-piece", &[&header.body.0]))
}

/// Opens a letter under a sender key; `None` if it is not under this one, or not any more.
///
/// # Errors
/// [`OpenError`] where the piece opens and still not everything holds.
pub fn open_under(
    envelope: &Envelope,
    sender: &mut SenderKey,
) -> Result<Option<Opened>, OpenError> {
    let header = envelope.header();
    if header.recipients != Recipients::SenderKey(sender.id()) {
        return Ok(None);
    }
    let piece = envelope.stanzas().ok_or(OpenError::Incomplete)?;
    if envelope.body().is_none() {
        return Err(OpenError::Incomplete);
    }
    let Some((key, status)) = sender.open_piece(header, piece) else { return Ok(None) };
    let status = Status::from_code(status).ok_or(OpenError::Status(status))?;
    open_with(envelope, &key, status).map(Some)
}

impl std::fmt::Debug for SenderKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SenderKey({:?}, from {})", self.id, self.from)
    }
}

#[cfg(test)]
mod tests;
