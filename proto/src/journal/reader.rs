//! Walks one segment: yields its records, names what is damaged, finds its end.
//!
//! Invariant: nothing is yielded as kept whose digest does not hold. After a power cut the tail of
//! the newest segment may be torn in any way, valid records behind a hole included; nothing of it
//! was acknowledged. Anything before the largest `durable` mark of the segment was, so damage
//! there is reported and stepped over, never cut off. Called by `node/src/store/journal.rs` when
//! the store opens and for every scan.

use bytes::Bytes;

use super::{
    HEADER_LEN, JournalError, KEPT, RUN, Record, RecordHeader, RecordKind, SegmentHeader,
    content_digest, next_offset,
};
use crate::id::Digest;

/// One thing found while walking a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A record, verified.
    Kept {
        /// Where it starts, bytes from the start of the segment.
        offset: u32,
        /// The record; its bytes are a copy.
        record: Record,
    },
    /// A record whose bytes were dropped on purpose; the chain goes on.
    Dropped {
        /// Where it starts.
        offset: u32,
        /// What it was about.
        kind: RecordKind,
        /// How many bytes it had.
        length: u32,
        /// Their digest.
        digest: Digest,
    },
    /// Envelopes in a row that were dropped with their headers; the chain goes on behind them.
    Run {
        /// Where the first of them started.
        offset: u32,
        /// How many they were.
        records: u64,
        /// Where reading goes on.
        until: u32,
    },
    /// An acknowledged record whose bytes no longer match their digest; the chain goes on.
    Spoiled {
        /// Where it starts.
        offset: u32,
    },
    /// Acknowledged bytes in which not even headers can be read; the chain is broken here.
    Gap {
        /// First unreadable byte.
        offset: u32,
        /// Where reading goes on.
        until: u32,
    },
}

/// Where a segment's records end, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Only zeros follow, or nothing.
    Clean(u32),
    /// What follows was never acknowledged: cut it off.
    Torn(u32),
    /// What follows was acknowledged and cannot be read.
    Corrupt(u32),
}

impl End {
    /// Offset behind the last readable record.
    #[must_use]
    pub const fn offset(self) -> u32 {
        match self {
            Self::Clean(at) | Self::Torn(at) | Self::Corrupt(at) => at,
        }
    }
}

/// The walk. Call [`Reader::next_item`] until it returns `None`, then ask [`Reader::end`].
#[derive(Debug)]
pub struct Reader<'a> {
    segment: &'a [u8],
    header: SegmentHeader,
    chain: Digest,
    offset: u32,
    index: u64,
    whole: bool,
    durable: Option<u32>,
    end: Option<End>,
}

impl<'a> Reader<'a> {
    /// Starts behind the segment's header. `whole` says that a later segment exists: then all of
    /// this one was durable before that one was made, and nothing in it may be torn.
    ///
    /// # Errors
    /// [`JournalError`] when the header cannot be read.
    pub fn new(segment: &'a [u8], whole: bool) -> Result<Self, JournalError> {
        let header = SegmentHeader::parse(segment)?;
        let segment = &segment[..segment.len().min(header.size as usize)];
        Ok(Self {
            segment,
            header,
            chain: header.chain,
            offset: HEADER_LEN,
            index: header.first,
            whole,
            durable: None,
            end: None,
        })
    }

    /// The segment's header.
    #[must_use]
    pub const fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// The chain's value behind what was read so far.
    #[must_use]
    pub const fn chain(&self) -> Digest {
        self.chain
    }

    /// Records before the next one, over all segments; records lost in a gap are not counted.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How the records end; `None` until the walk is over.
    #[must_use]
    pub const fn end(&self) -> Option<End> {
        self.end
    }

    /// A writer that goes on where the walk ended.
    #[must_use]
    pub fn into_writer(self) -> super::Writer {
        super::Writer {
            key: self.header.chain,
            chain: self.chain,
            offset: self.offset,
            index: self.index,
        }
    }

    /// The next thing found; `None` at the end.
    pub fn next_item(&mut self) -> Option<Item> {
        if self.end.is_some() {
            return None;
        }
        let offset = self.offset;
        if self.only_zeros_from(offset) {
            let gone = self.durable.is_some_and(|mark| offset < mark);
            return self.finish(if gone { End::Corrupt(offset) } else { End::Clean(offset) });
        }
        let Some(head) = RecordHeader::parse(self.segment, offset, &self.header.chain) else {
            return self.step_over(offset);
        };
        let start = (offset + HEADER_LEN) as usize;
        let bytes = &self.segment[start..start + head.length as usize];
        let good = head.state != KEPT || content_digest(bytes) == head.digest;
        if !good && !self.was_durable(offset) {
            return self.finish(End::Torn(offset));
        }
        self.offset = next_offset(offset, head.length);
        self.index = self.index.saturating_add(head.covers());
        self.chain = head.chain_after(&self.chain);
        let RecordHeader { kind, length, digest, salt, .. } = head;
        Some(match (head.state, good) {
            (KEPT, false) => Item::Spoiled { offset },
            (KEPT, true) => {
                let bytes = Bytes::copy_from_slice(bytes);
                Item::Kept { offset, record: Record { kind, salt, bytes } }
            }
            (RUN, _) => Item::Run { offset, records: head.covers(), until: self.offset },
            _ => Item::Dropped { offset, kind, length, digest },
        })
    }

    fn finish(&mut self, end: End) -> Option<Item> {
        self.end = Some(end);
        None
    }

    /// No header can be read here: a torn tail, or damage to be stepped over.
    fn step_over(&mut self, offset: u32) -> Option<Item> {
        if !self.was_durable(offset) {
            return self.finish(End::Torn(offset));
        }
        let until = self.headers().map(|(at, _)| at).find(|at| *at > offset);
        match until {
            Some(until) => {
                self.offset = until;
                Some(Item::Gap { offset, until })
            }
            None => self.finish(End::Corrupt(offset)),
        }
    }

    /// How much of the segment is known to have been durable: the largest mark of any header in
    /// it. Costs one checksum for each [`super::ALIGN`] bytes, once.
    pub fn durable_mark(&mut self) -> u32 {
        let marks = |reader: &Self| reader.headers().map(|(_, head)| head.durable).max();
        let mark = self.durable.or_else(|| marks(self)).unwrap_or(HEADER_LEN);
        *self.durable.insert(mark)
    }

    /// Something outside the segment knows that it was durable up to `offset`: nothing before that
    /// is torn, and zeros there are damage. To be said before the walk.
    pub fn known_durable(&mut self, offset: u32) {
        let mark = self.durable_mark().max(offset);
        self.durable = Some(mark);
    }

    fn was_durable(&mut self, offset: u32) -> bool {
        self.whole || offset < self.durable_mark()
    }

    /// Every place of the segment where a header can be read.
    fn headers(&self) -> impl Iterator<Item = (u32, RecordHeader)> + '_ {
        let last = u32::try_from(self.segment.len()).unwrap_or(u32::MAX);
        (HEADER_LEN..last)
            .step_by(super::ALIGN as usize)
            .filter_map(|at| Some((at, RecordHeader::parse(self.segment, at, &self.header.chain)?)))
    }

    fn only_zeros_from(&self, offset: u32) -> bool {
        let rest = self.segment.get(offset as usize..).unwrap_or(&[]);
        // The first word decides in nearly every call; the rest is read at the end only.
        rest.iter().take(8).all(|b| *b == 0) && rest.iter().all(|b| *b == 0)
    }
}
