//! The header of suite 1: a fixed layout with one encoding. Only it is signed.
//!
//! In the clear there is no status, type, precedence, expiry, recipient or recipient's key
//! (invariants I7, I12). What a carrier sees is here: who, on which lane, when, how large.

use super::Refusal;
use crate::id::{Digest, Incarnation, KeyId, LaneId, NetworkId, StationId};
use crate::limits::{BODY_MAX, GOSSIP_BODY_MAX, STANZA_LEN, STANZAS_MAX};
use crate::primitives::{CHUNK_TAG, digest};
use crate::time::Timestamp;

/// The suite that this version makes: `seal/1`, Ed25519, SHA-256.
pub const SUITE: u16 = 1;
/// Plaintext bytes in one chunk of a sealed body.
pub const CHUNK: usize = 64 * 1024;
/// The one sealed piece that stands in place of stanzas under a sender key: content key and status,
/// and a tag; bytes.
pub const SENDER_KEY_PIECE: usize = 33 + 16;
/// Smallest padded plaintext, bytes: a bare receipt and a short letter look alike.
const PAD_MIN: usize = 512;
/// Padding is never finer than this, bytes. Padmé alone is, below 4 KiB, and would let the length of
/// a type's name show.
const PAD_STEP: usize = 256;
/// 9999-12-31T23:59:59.999Z: the last instant that people's notation can say.
const LAST_INSTANT: u64 = 253_402_300_799_999;

/// What an envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A letter, sealed to its recipients.
    Sealed = 1,
    /// Open and numbered in a feed: certificates, notices, proofs, checkpoints.
    Statement = 2,
    /// Open, unnumbered, not journalled: a heartbeat.
    Beacon = 3,
}

impl Kind {
    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Sealed),
            2 => Some(Self::Statement),
            3 => Some(Self::Beacon),
            _ => None,
        }
    }
}

/// How the content key reaches its recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// Not sealed.
    None,
    /// One stanza for each recipient and as many throw-away ones as make a power of two.
    Stanzas(u16),
    /// One piece under the sender key of this id.
    SenderKey(KeyId),
}

impl Recipients {
    /// Length of what stands on the wire in place of stanzas, bytes.
    #[must_use]
    pub const fn stanzas_len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Stanzas(count) => *count as usize * STANZA_LEN,
            Self::SenderKey(_) => SENDER_KEY_PIECE,
        }
    }
}

/// Everything that an author signs; the fields in their order on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: Kind,
    /// Which network it was made for.
    pub network: NetworkId,
    /// Which version of the accord its author stood on; from 1.
    pub accord_version: u32,
    /// Where it travels.
    pub lane: LaneId,
    /// The station that signs.
    pub author: StationId,
    /// The author's incarnation.
    pub incarnation: Incarnation,
    /// Number in the feed, from 1; 0 in a beacon.
    pub seq: u64,
    /// Digest of the feed's header before this one; zero at number 1 and in a beacon.
    pub prev: Digest,
    /// When, by the author's clock.
    pub made_at: Timestamp,
    /// The author's epoch key, which recipients need to open; zero where nothing is sealed.
    pub epoch: KeyId,
    /// Length of the padded plaintext, or of the open body, bytes.
    pub padded_len: u32,
    /// How the content key reaches its recipients.
    pub recipients: Recipients,
    /// Commitment to the content key; zero where nothing is sealed.
    pub fkc: [u8; 32],
    /// Digest of the body.
    pub body: Digest,
    /// Digest of the stanza set; zero where nothing is sealed.
    pub stanzas: Digest,
    /// Content root of the plaintext's parts; zero where nothing is sealed.
    pub root: Digest,
}

impl Header {
    /// The first half, which is known before anything is encrypted and enters every derivation.
    #[must_use]
    pub fn encode_h0(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(320);
        out.extend_from_slice(&SUITE.to_be_bytes());
        out.push(self.kind as u8);
        out.extend_from_slice(&self.network.0);
        out.extend_from_slice(&self.accord_version.to_be_bytes());
        out.extend_from_slice(&self.lane.0);
        out.extend_from_slice(&self.author.0);
        out.extend_from_slice(&self.incarnation.0);
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.prev.0);
        out.extend_from_slice(&self.made_at.0.to_be_bytes());
        out.extend_from_slice(&self.epoch.0);
        out.extend_from_slice(&self.padded_len.to_be_bytes());
        match &self.recipients {
            Recipients::None => out.push(0),
            Recipients::Stanzas(count) => {
                out.push(1);
                out.extend_from_slice(&count.to_be_bytes());
            }
            Recipients::SenderKey(id) => {
                out.push(2);
                out.extend_from_slice(&id.0);
            }
        }
        out
    }

    /// The header's one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.encode_h0();
        out.extend_from_slice(&self.fkc);
        out.extend_from_slice(&self.body.0);
        out.extend_from_slice(&self.stanzas.0);
        out.extend_from_slice(&self.root.0);
        out
    }

    /// Reads a header of suite 1.
    ///
    /// # Errors
    /// [`Refusal::UnknownSuite`] and [`Refusal::UnknownKind`] for what a newer version made,
    /// [`Refusal::Malformed`] for anything that [`Header::encode`] would not have written.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Fields(bytes);
        let suite = u16::from_be_bytes(fields.take()?);
        if suite != SUITE {
            return Err(Refusal::UnknownSuite(suite));
        }
        let [code] = fields.take()?;
        let kind = Kind::from_code(code).ok_or(Refusal::UnknownKind(code))?;
        let header = Self {
            kind,
            network: NetworkId(fields.take()?),
            accord_version: u32::from_be_bytes(fields.take()?),
            lane: LaneId(fields.take()?),
            author: StationId(fields.take()?),
            incarnation: Incarnation(fields.take()?),
            seq: u64::from_be_bytes(fields.take()?),
            prev: Digest(fields.take()?),
            made_at: Timestamp(u64::from_be_bytes(fields.take()?)),
            epoch: KeyId(fields.take()?),
            padded_len: u32::from_be_bytes(fields.take()?),
            recipients: match fields.take()? {
                [0] => Recipients::None,
                [1] => Recipients::Stanzas(u16::from_be_bytes(fields.take()?)),
                [2] => Recipients::SenderKey(KeyId(fields.take()?)),
                _ => return Err(Refusal::Malformed("header: a form of recipients not defined")),
            },
            fkc: fields.take()?,
            body: Digest(fields.take()?),
            stanzas: Digest(fields.take()?),
            root: Digest(fields.take()?),
        };
        if !fields.0.is_empty() {
            return Err(Refusal::Malformed("header: bytes after its end"));
        }
        header.check()?;
        Ok(header)
    }

    /// The rules between fields.
    fn check(&self) -> Result<(), Refusal> {
        let first = self.prev.0 == [0; 32];
        let placed = match self.kind {
            Kind::Beacon => self.seq == 0 && first,
            Kind::Sealed | Kind::Statement => self.seq > 0 && first == (self.seq == 1),
        };
        if !placed {
            return Err(Refusal::Malformed("header: number and predecessor do not fit"));
        }
        if self.accord_version == 0 || self.made_at.0 > LAST_INSTANT {
            return Err(Refusal::Malformed("header: accord version or time out of range"));
        }
        match self.kind {
            Kind::Sealed => self.check_sealed(),
            Kind::Statement | Kind::Beacon => self.check_open(),
        }
    }

    fn check_sealed(&self) -> Result<(), Refusal> {
        match self.recipients {
            Recipients::None => return Err(Refusal::Malformed("header: a letter for nobody")),
            Recipients::Stanzas(count)
                if !count.is_power_of_two() || usize::from(count) > STANZAS_MAX =>
            {
                return Err(Refusal::Malformed("header: stanzas not a power of two up to 256"));
            }
            _ => {}
        }
        let padded = self.padded_len as usize;
        if sealed_len(padded) > BODY_MAX || pad(padded) != padded {
            return Err(Refusal::Malformed("header: not a padded length"));
        }
        Ok(())
    }

    fn check_open(&self) -> Result<(), Refusal> {
        let zero = [0; 32];
        let sealed = self.recipients != Recipients::None || self.epoch.0 != [0; 16];
        if sealed || [self.fkc, self.stanzas.0, self.root.0] != [zero; 3] {
            return Err(Refusal::Malformed("header: fields of a sealed letter in an open one"));
        }
        let most = if self.kind == Kind::Beacon { GOSSIP_BODY_MAX } else { BODY_MAX };
        if self.padded_len as usize > most {
            return Err(Refusal::Malformed("header: body too long for its kind"));
        }
        Ok(())
    }

    /// Length of the body on the wire, bytes.
    #[must_use]
    pub fn body_len(&self) -> usize {
        match self.kind {
            Kind::Sealed => sealed_len(self.padded_len as usize),
            Kind::Statement | Kind::Beacon => self.padded_len as usize,
        }
    }

    /// `H(H0)` of `docs/spec/seal.md`.
    pub(crate) fn h0_digest(&self) -> Digest {
        digest("h0", &[&self.encode_h0()])
    }

    /// `H(H0 ‖ fkc)` of `docs/spec/seal.md`.
    pub(crate) fn context_digest(&self) -> Digest {
        digest("h0-fkc", &[&self.encode_h0(), &self.fkc])
    }
}

/// Takes fixed-length fields from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let (field, rest) =
            self.0.split_first_chunk::<N>().ok_or(Refusal::Malformed("header: cut short"))?;
        self.0 = rest;
        Ok(*field)
    }
}

/// Whether stanzas are in strictly ascending order of their tags.
pub(super) fn tags_ascend(recipients: &Recipients, stanzas: &[u8]) -> bool {
    let Recipients::Stanzas(_) = recipients else { return true };
    let tags: Vec<&[u8]> = stanzas.chunks_exact(STANZA_LEN).map(|s| &s[..16]).collect();
    tags.windows(2).all(|pair| pair[0] < pair[1])
}

/// Padded length of a plaintext of `len` bytes: Padmé (Nikitin et al., PoPETs 2019), at most 12 %
/// more, but never below 512 bytes nor finer than 256.
#[must_use]
pub const fn pad(len: usize) -> usize {
    let len = if len < PAD_MIN { PAD_MIN } else { len.next_multiple_of(PAD_STEP) };
    let exponent = len.ilog2();
    let digits = exponent.ilog2() + 1;
    len.next_multiple_of(1 << (exponent - digits))
}

/// Length of a sealed body whose padded plaintext has `padded` bytes.
#[must_use]
pub const fn sealed_len(padded: usize) -> usize {
    padded + padded.div_ceil(CHUNK) * CHUNK_TAG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_stable_bounded_and_coarse() {
        for len in (0..300_000).step_by(37) {
            let padded = pad(len);
            assert!(padded >= len && pad(padded) == padded, "{len}");
            assert!(padded.is_multiple_of(PAD_STEP) && padded >= PAD_MIN, "{len}");
            assert!(padded <= (len * 112 / 100).max(len.next_multiple_of(256)).max(PAD_MIN));
        }
        assert_eq!([pad(0), pad(513), pad(1_000), pad(5_000)], [512, 768, 1_024, 5_120]);
        // Padmé's own example: 2^20 + 1 grows by 3.1 %.
        assert_eq!(pad((1 << 20) + 1), (1 << 20) + (1 << 15));
    }
}
