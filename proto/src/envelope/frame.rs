//! The framing around a header: magic, lengths, signatures, detachable parts. Independent of the
//! suite, so that a station can hold and name what it cannot read.

use std::ops::Range;

use bytes::Bytes;

use super::Refusal;
use super::header::SUITE;
use crate::id::KeyId;
use crate::limits::{BODY_MAX, HEADER_MAX, SIGNATURES_MAX, STANZA_LEN, STANZAS_MAX};

/// What every envelope begins with.
const MAGIC: &[u8; 3] = b"CBM";
/// Version of this framing.
const FRAMING: u8 = 1;
/// Flag: the stanza set follows.
pub(super) const HAS_STANZAS: u8 = 1;
/// Flag: the body follows.
pub(super) const HAS_BODY: u8 = 2;

/// Algorithm number of Ed25519; its signature has 64 bytes.
pub const ALG_ED25519: u8 = 1;
/// Algorithm number of ML-DSA-44; its signature has 2,420 bytes.
pub const ALG_ML_DSA_44: u8 = 2;
/// Longest signature that any algorithm may have, bytes.
const SIGNATURE_MAX: usize = 2_500;

/// One signature over a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// Short name of the key that made it.
    pub key: KeyId,
    /// [`ALG_ED25519`] or [`ALG_ML_DSA_44`].
    pub alg: u8,
    /// The signature itself.
    pub bytes: &'a [u8],
}

/// Walks over the framing; every step checks that the bytes are there.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn range(&mut self, len: usize) -> Result<Range<usize>, Refusal> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(Refusal::Malformed("framing: cut short"))?;
        let range = self.at..end;
        self.at = end;
        Ok(range)
    }

    fn number(&mut self, len: usize) -> Result<usize, Refusal> {
        let range = self.range(len)?;
        Ok(self.bytes[range].iter().fold(0, |n, b| n << 8 | usize::from(*b)))
    }

    /// Magic, version and flags; gives the flags.
    pub(super) fn preamble(&mut self) -> Result<u8, Refusal> {
        if &self.bytes[self.range(MAGIC.len())?] != MAGIC {
            return Err(Refusal::Malformed("framing: not an envelope"));
        }
        let version = self.bytes[self.range(1)?][0];
        if version != FRAMING {
            return Err(Refusal::UnknownFraming(version));
        }
        let flags = self.bytes[self.range(1)?][0];
        if flags & !(HAS_STANZAS | HAS_BODY) != 0 {
            return Err(Refusal::Malformed("framing: a flag that is not defined"));
        }
        Ok(flags)
    }

    /// The header's bytes.
    pub(super) fn header(&mut self) -> Result<Range<usize>, Refusal> {
        let len = self.number(2)?;
        if len > HEADER_MAX {
            return Err(Refusal::Malformed("header: too long"));
        }
        self.range(len)
    }

    /// The signatures, count and all; in bounds, and not yet checked for the suite's rules.
    pub(super) fn signatures(&mut self) -> Result<Range<usize>, Refusal> {
        let start = self.at;
        let count = self.number(1)?;
        if count == 0 || count > SIGNATURES_MAX {
            return Err(Refusal::Malformed("signatures: none or too many"));
        }
        for _ in 0..count {
            self.range(KeyId::LEN + 1)?;
            let len = self.number(2)?;
            if len > SIGNATURE_MAX {
                return Err(Refusal::Malformed("signatures: one is too long"));
            }
            self.range(len)?;
        }
        Ok(start..self.at)
    }

    /// A detachable part, if the flag says that it is there.
    pub(super) fn part(&mut self, present: bool) -> Result<Option<Range<usize>>, Refusal> {
        if !present {
            return Ok(None);
        }
        let len = self.number(4)?;
        if len > (STANZAS_MAX * STANZA_LEN).max(BODY_MAX) {
            return Err(Refusal::Oversize);
        }
        self.range(len).map(Some)
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), Refusal> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(Refusal::Malformed("framing: bytes after the end"))
        }
    }
}

/// Suite 1 knows two algorithms, wants Ed25519 among them, and orders by (algorithm, key).
pub(super) fn check_signatures(bytes: &[u8]) -> Result<(), Refusal> {
    let mut last: Option<(u8, KeyId)> = None;
    for Signature { key, alg, bytes } in signatures(bytes) {
        let length = match alg {
            ALG_ED25519 => 64,
            ALG_ML_DSA_44 => 2_420,
            _ => return Err(Refusal::Malformed("signatures: an algorithm that suite 1 lacks")),
        };
        if bytes.len() != length {
            return Err(Refusal::Malformed("signatures: one of the wrong length"));
        }
        if last.is_some_and(|last| last >= (alg, key)) {
            return Err(Refusal::Malformed("signatures: not in ascending order"));
        }
        last = Some((alg, key));
    }
    match signatures(bytes).next() {
        Some(first) if first.alg == ALG_ED25519 => Ok(()),
        _ => Err(Refusal::Malformed("signatures: none by Ed25519")),
    }
}

/// Walks over signatures that [`Reader::signatures`] found in bounds.
pub(super) fn signatures(bytes: &[u8]) -> impl Iterator<Item = Signature<'_>> {
    let mut rest = bytes.get(1..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (key, after) = rest.split_first_chunk::<{ KeyId::LEN }>()?;
        let (&[alg, high, low], after) = after.split_first_chunk::<3>()?;
        let (bytes, after) =
            after.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
        rest = after;
        Some(Signature { key: KeyId(*key), alg, bytes })
    })
}

/// Count and signatures as they stand on the wire.
pub(super) fn encode_signatures(signatures: &[Signature<'_>]) -> Vec<u8> {
    let mut out = vec![u8::try_from(signatures.len()).unwrap_or(u8::MAX)];
    for Signature { key, alg, bytes } in signatures {
        out.extend_from_slice(&key.0);
        out.push(*alg);
        out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(bytes);
    }
    out
}

/// The whole envelope. Lengths above a field's range end as its maximum, and are refused when the
/// result is decoded, which every caller does or has done.
pub(super) fn encode(
    header: &[u8],
    signatures: &[u8],
    stanzas: Option<&[u8]>,
    body: Option<&[u8]>,
) -> Bytes {
    let parts = [stanzas, body].map(|part| part.map_or(0, |bytes| bytes.len() + 4));
    let mut out = Vec::with_capacity(7 + header.len() + signatures.len() + parts[0] + parts[1]);
    out.extend_from_slice(MAGIC);
    out.push(FRAMING);
    let flag = |present: bool, flag: u8| if present { flag } else { 0 };
    out.push(flag(stanzas.is_some(), HAS_STANZAS) | flag(body.is_some(), HAS_BODY));
    out.extend_from_slice(&u16::try_from(header.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(header);
    out.extend_from_slice(signatures);
    for part in [stanzas, body].into_iter().flatten() {
        out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(part);
    }
    out.into()
}

const _: () = assert!(SUITE == 1, "check_signatures states the rules of suite 1");
