//! The journal's bytes: records, the chain over them, segments
//! (`docs/spec/journal.md`).
//!
//! Level 3, pure: slices in, values out. A segment is a file made at its full length beforehand:
//! one [`SegmentHeader`], then records at multiples of [`ALIGN`], then zeros. Invariants:
//! - a record header never straddles a disk sector, and its checksum is keyed by the segment's
//!   chain value, so that neither stale bytes nor bytes a correspondent chose pass for a record;
//! - the chain runs over (kind, length, digest): bytes of carried records can be dropped later
//!   without breaking it, and many dropped envelopes in a row become one run ([`Letting`]);
//! - every record says how much of its segment was durable when it was written, so that a torn
//!   tail (allowed after a power cut) is told from damage to acknowledged records (never allowed).
//!
//! Written and read by `node/src/store` only; the simulator's disk keeps [`Record`]s as they are.

mod keys;
mod letting;
mod reader;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use self::keys::{Keys, index_keys, msg_id_of};
pub use self::letting::{HeaderBytes, Letting, Plan, Standing};
pub use self::reader::{End, Item, Reader};
use crate::id::Digest;
use crate::limits::RECORD_MAX;
use crate::primitives::digest;

/// First bytes of every segment.
pub const MAGIC: [u8; 8] = *b"cbmjrnl\n";
/// The format of a segment as it is made.
pub const VERSION: u32 = 1;
/// The same with runs in it: a program that does not know them must not take them for damage.
pub const VERSION_RUNS: u32 = 2;
/// Records and headers start at multiples of this many bytes: a header never straddles a sector.
pub const ALIGN: u32 = 64;
/// Length of a segment header and of a record header, bytes.
pub const HEADER_LEN: u32 = 64;
/// Where the checksum of either header stands; everything before it is covered.
const SUM_AT: usize = 60;
/// The bytes follow.
const KEPT: u8 = 1;
/// The bytes were dropped; a hole of their length stands in their place.
const DROPPED: u8 = 2;
/// A run: this record and those behind it, all envelopes, were dropped with their headers.
const RUN: u8 = 3;

/// What a record is about. Numbers are those of `docs/spec/journal.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// 1: a whole envelope, own or heard, exactly as received.
    Envelope,
    /// 2: a signed document (accord, certificate, contact record, charter), exactly as received.
    Document,
    /// 3: what this station sent, under its archive key.
    Sent,
    /// 4: what this station opened, under its archive key.
    Opened,
    /// 5: a draft that waits until the station may speak, under its archive key.
    Taken,
    /// 6: any other own event, under the archive key.
    Event,
    /// 7: an incarnation drawn, with why.
    Incarnation,
    /// 8: a note for the operator.
    Note,
    /// 9: a proof that an author wrote twice, as it travels.
    Proof,
    /// A kind of a newer version: kept and chained, not understood. Never 0.
    Unknown(u8),
}

impl RecordKind {
    /// The kind with this number; `None` for 0, which marks the end of a segment.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => return None,
            1 => Self::Envelope,
            2 => Self::Document,
            3 => Self::Sent,
            4 => Self::Opened,
            5 => Self::Taken,
            6 => Self::Event,
            7 => Self::Incarnation,
            8 => Self::Note,
            9 => Self::Proof,
            other => Self::Unknown(other),
        })
    }

    /// The number written in the record's header.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Envelope => 1,
            Self::Document => 2,
            Self::Sent => 3,
            Self::Opened => 4,
            Self::Taken => 5,
            Self::Event => 6,
            Self::Incarnation => 7,
            Self::Note => 8,
            Self::Proof => 9,
            Self::Unknown(code) => code,
        }
    }

    /// Whether the record is the station's own (kinds 3 to 8): its bytes begin with a message id.
    #[must_use]
    pub const fn is_own(self) -> bool {
        matches!(self.code(), 3..=8)
    }
}

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is about.
    pub kind: RecordKind,
    /// 16 random bytes: they blind the record's leaf in the log.
    pub salt: [u8; 16],
    /// The content, at most [`RECORD_MAX`] bytes. Own records: message id (16, zeros if none),
    /// then a blob under the archive key.
    pub bytes: Bytes,
}

/// Why bytes are not a segment, or a record cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Shorter than a segment header.
    #[error("a segment of {0} bytes is shorter than its header: restore the file from a backup")]
    Short(usize),
    /// Another file, or the header is damaged.
    #[error("not a journal segment, or its header is damaged: restore the file from a backup")]
    NotASegment,
    /// Written by a newer program.
    #[error(
        "the segment has format version {0}, this program knows {VERSION_RUNS}: use a newer one"
    )]
    Version(u32),
    /// Too large to be recorded.
    #[error("a record of {0} bytes is above the bound of {RECORD_MAX}: send it in pieces")]
    TooLarge(usize),
}

/// Head of a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Full length of the file, bytes; a multiple of [`ALIGN`].
    pub size: u32,
    /// How many records stand in the segments before.
    pub first: u64,
    /// The chain's value before the first record here. In segment 1: 32 random bytes, drawn when
    /// the journal was made.
    pub chain: Digest,
}

impl SegmentHeader {
    /// magic 8 ‖ version 4 ‖ size 4 ‖ first 8 ‖ chain 32 ‖ zero 4 ‖ crc32c of the 60 before.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN as usize] {
        self.encode_as(VERSION)
    }

    /// The same for a segment with runs in it, of version [`VERSION_RUNS`].
    #[must_use]
    pub fn encode_with_runs(&self) -> [u8; HEADER_LEN as usize] {
        self.encode_as(VERSION_RUNS)
    }

    fn encode_as(&self, version: u32) -> [u8; HEADER_LEN as usize] {
        let mut out = [0; HEADER_LEN as usize];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&version.to_be_bytes());
        out[12..16].copy_from_slice(&self.size.to_be_bytes());
        out[16..24].copy_from_slice(&self.first.to_be_bytes());
        out[24..56].copy_from_slice(&self.chain.0);
        let sum = crc32c::crc32c(&out[..SUM_AT]);
        out[SUM_AT..].copy_from_slice(&sum.to_be_bytes());
        out
    }

    /// Reads the head of a segment.
    ///
    /// # Errors
    /// [`JournalError`] says what is wrong: too short, damaged or another file, a newer version.
    pub fn parse(bytes: &[u8]) -> Result<Self, JournalError> {
        let head = bytes.get(..HEADER_LEN as usize).ok_or(JournalError::Short(bytes.len()))?;
        let sum = u32_at(head, SUM_AT);
        if head[..8] != MAGIC || crc32c::crc32c(&head[..SUM_AT]) != sum {
            return Err(JournalError::NotASegment);
        }
        if !matches!(u32_at(head, 8), VERSION | VERSION_RUNS) {
            return Err(JournalError::Version(u32_at(head, 8)));
        }
        let size = u32_at(head, 12);
        if head[56..SUM_AT] != [0; 4] || size < HEADER_LEN || !size.is_multiple_of(ALIGN) {
            return Err(JournalError::NotASegment);
        }
        let first = u64::from_be_bytes(array(&head[16..24]));
        Ok(Self { size, first, chain: Digest(array(&head[24..56])) })
    }
}

/// Head of one record, as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RecordHeader {
    length: u32,
    kind: RecordKind,
    state: u8,
    durable: u32,
    salt: [u8; 16],
    digest: Digest,
}

impl RecordHeader {
    /// length 4 ‖ kind 1 ‖ state 1 ‖ zero 2 ‖ durable 4 ‖ salt 16 ‖ digest 32 ‖ checksum 4.
    fn encode(&self, key: &Digest) -> [u8; HEADER_LEN as usize] {
        let mut out = [0; HEADER_LEN as usize];
        out[..4].copy_from_slice(&self.length.to_be_bytes());
        out[4] = self.kind.code();
        out[5] = self.state;
        out[8..12].copy_from_slice(&self.durable.to_be_bytes());
        out[12..28].copy_from_slice(&self.salt);
        out[28..SUM_AT].copy_from_slice(&self.digest.0);
        let sum = keyed_sum(key, &out[..SUM_AT]);
        out[SUM_AT..].copy_from_slice(&sum.to_be_bytes());
        out
    }

    /// Reads the header at `offset` of a segment; `None` unless every rule holds.
    fn parse(segment: &[u8], offset: u32, key: &Digest) -> Option<Self> {
        let start = offset as usize;
        let head = segment.get(start..start + HEADER_LEN as usize)?;
        Self::read(head.try_into().ok()?, offset, segment.len(), key)
    }

    /// Reads a header that stands at `offset` of a segment of `size` bytes.
    fn read(
        head: &[u8; HEADER_LEN as usize],
        offset: u32,
        size: usize,
        key: &Digest,
    ) -> Option<Self> {
        if u32_at(head, SUM_AT) != keyed_sum(key, &head[..SUM_AT]) {
            return None;
        }
        let header = Self {
            length: u32_at(head, 0),
            kind: RecordKind::from_code(head[4])?,
            state: head[5],
            durable: u32_at(head, 8),
            salt: array(&head[12..28]),
            digest: Digest(array(&head[28..SUM_AT])),
        };
        let end = offset as usize + HEADER_LEN as usize + header.length as usize;
        let good = head[6..8] == [0; 2] && end <= size && header.durable >= HEADER_LEN;
        let known = match header.state {
            KEPT | DROPPED => header.length as usize <= RECORD_MAX && header.durable <= offset,
            // What a run covers was durable, all of it.
            RUN => {
                let whole = end.is_multiple_of(ALIGN as usize) && header.durable as usize <= end;
                whole && header.kind == RecordKind::Envelope && header.covers() > 0
            }
            _ => false,
        };
        (good && known).then_some(header)
    }

    /// How many records this header stands for. A run has the number where others have their salt.
    fn covers(&self) -> u64 {
        match self.state {
            RUN if self.salt[8..] == [0; 8] => u64::from_be_bytes(array(&self.salt[..8])),
            RUN => 0,
            _ => 1,
        }
    }

    /// The chain's value behind what this header stands for. A run has it for its digest.
    fn chain_after(&self, before: &Digest) -> Digest {
        match self.state {
            RUN => self.digest,
            _ => chain_next(before, self.kind, self.length, &self.digest),
        }
    }
}

/// Where in the file the next record starts after one of `length` bytes at `offset`.
#[must_use]
pub const fn next_offset(offset: u32, length: u32) -> u32 {
    (offset + HEADER_LEN + length).next_multiple_of(ALIGN)
}

/// The chain's value after a record: digest of the value before, kind, length and digest.
#[must_use]
pub fn chain_next(chain: &Digest, kind: RecordKind, length: u32, content: &Digest) -> Digest {
    let pieces: [&[u8]; 4] = [&chain.0, &[kind.code()], &length.to_be_bytes(), &content.0];
    digest("journal-chain", &pieces)
}

/// The digest that a record's header and its leaf in the log carry.
#[must_use]
pub fn content_digest(bytes: &[u8]) -> Digest {
    digest("journal-record", &[bytes])
}

/// Appends records to one segment: knows the chain, not the file.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    key: Digest,
    chain: Digest,
    offset: u32,
    index: u64,
}

impl Writer {
    /// Starts behind the header of an empty segment.
    #[must_use]
    pub const fn new(header: &SegmentHeader) -> Self {
        Self { key: header.chain, chain: header.chain, offset: HEADER_LEN, index: header.first }
    }

    /// Where the next record goes, bytes from the start of the segment.
    #[must_use]
    pub const fn offset(&self) -> u32 {
        self.offset
    }

    /// How many records stand before the next one, over all segments.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The chain's value so far.
    #[must_use]
    pub const fn chain(&self) -> Digest {
        self.chain
    }

    /// Appends the record's bytes, padded with zeros to [`ALIGN`], to `out`. `durable`: how many
    /// bytes of this segment are known to survive a power cut now; at least [`HEADER_LEN`].
    ///
    /// # Errors
    /// [`JournalError::TooLarge`]; nothing is written then.
    pub fn encode(
        &mut self,
        record: &Record,
        durable: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), JournalError> {
        let length = u32::try_from(record.bytes.len())
            .ok()
            .filter(|length| *length as usize <= RECORD_MAX)
            .ok_or(JournalError::TooLarge(record.bytes.len()))?;
        let (kind, salt) = (record.kind, record.salt);
        let digest = content_digest(&record.bytes);
        let header = RecordHeader { length, kind, state: KEPT, durable, salt, digest };
        let next = next_offset(self.offset, length);
        let end = out.len() + (next - self.offset) as usize;
        out.extend_from_slice(&header.encode(&self.key));
        out.extend_from_slice(&record.bytes);
        out.resize(end, 0);
        self.chain = chain_next(&self.chain, kind, length, &digest);
        self.offset = next;
        self.index += 1;
        Ok(())
    }
}

/// Reads one record of a segment by its place, verified; for reads through an index.
/// `segment` may be a window of the file: it must begin with the record's header, and `offset`
/// says where that stands in the file. `key` is the segment header's chain value.
#[must_use]
pub fn read_at(window: &[u8], key: &Digest) -> Option<Record> {
    let head = window.get(..HEADER_LEN as usize)?;
    if u32_at(head, SUM_AT) != keyed_sum(key, &head[..SUM_AT]) || head[5] != KEPT {
        return None;
    }
    let length = u32_at(head, 0) as usize;
    let bytes = window.get(HEADER_LEN as usize..(HEADER_LEN as usize).checked_add(length)?)?;
    let kind = RecordKind::from_code(head[4])?;
    (content_digest(bytes).0 == head[28..SUM_AT]).then(|| Record {
        kind,
        salt: array(&head[12..28]),
        bytes: Bytes::copy_from_slice(bytes),
    })
}

fn keyed_sum(key: &Digest, head: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&key.0), head)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(&bytes[at..at + 4]))
}

/// The callers slice exactly `N` bytes.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(bytes);
    out
}
