//! Letting go of records: which headers are written anew, and which bytes may become a hole.
//!
//! Pure: reads the headers of one segment, plans, writes nothing. Invariants:
//! - every change is one header of [`ALIGN`] bytes in its place, which a power cut leaves old or
//!   new; whichever of them are new, the segment is readable, and the chain behind it is the same;
//! - nothing is planned behind a place where no header can be read;
//! - only envelopes disappear into runs: of every other record kind, length and digest stay.
//!
//! Two envelopes or more in a row become one run, so that their headers cost no room either: on
//! most file systems a hole gives room back by blocks of 4 KiB only. Called by
//! `node/src/store/journal.rs`.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::{
    ALIGN, DROPPED, HEADER_LEN, KEPT, RUN, RecordHeader, RecordKind, SegmentHeader, next_offset,
};
use crate::id::Digest;

/// A header as it stands in a file.
pub type HeaderBytes = [u8; HEADER_LEN as usize];

/// What stands at a place of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A record with its content.
    Kept,
    /// A record whose content was dropped, or one inside a run.
    Dropped,
    /// No record begins there, or it cannot be read.
    Nothing,
}

/// The headers of one segment, in order, as far as they can be read.
#[derive(Debug)]
pub struct Letting {
    segment: SegmentHeader,
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    offset: u32,
    next: u32,
    head: RecordHeader,
    /// The chain's value behind it.
    chain: Digest,
}

/// What is to be done to a segment: first all of `headers`, then a sync, then the holes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Headers to be written, each at its offset.
    pub headers: Vec<(u32, HeaderBytes)>,
    /// Bytes that nobody reads any more, from the first up to the second place. Those of earlier
    /// plans are among them: a power cut may have kept a hole from being made.
    pub holes: Vec<(u32, u32)>,
    /// Records whose content is let go by it.
    pub records: u64,
}

impl Letting {
    /// Reads the headers of a segment up to `end`; `read` gives the bytes at an offset.
    ///
    /// # Errors
    /// Whatever `read` says.
    pub fn read<E>(
        segment: SegmentHeader,
        end: u32,
        mut read: impl FnMut(u32) -> Result<HeaderBytes, E>,
    ) -> Result<Self, E> {
        let (mut offset, mut chain, mut places) = (HEADER_LEN, segment.chain, Vec::new());
        while offset.saturating_add(HEADER_LEN) <= end {
            let bytes = read(offset)?;
            let size = segment.size as usize;
            let Some(head) = RecordHeader::read(&bytes, offset, size, &segment.chain) else {
                break;
            };
            chain = head.chain_after(&chain);
            let next = next_offset(offset, head.length);
            places.push(Place { offset, next, head, chain });
            offset = next;
        }
        Ok(Self { segment, places })
    }

    /// Where the headers that can be read end.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.places.last().map_or(HEADER_LEN, |place| place.next)
    }

    /// The chain's value behind them.
    #[must_use]
    pub fn chain(&self) -> Digest {
        self.places.last().map_or(self.segment.chain, |place| place.chain)
    }

    /// What stands at a place.
    #[must_use]
    pub fn at(&self, offset: u32) -> Standing {
        let found = self.places.iter().find(|p| (p.offset..p.next).contains(&offset));
        match found {
            Some(place) if place.head.state == RUN => Standing::Dropped,
            Some(place) if place.offset != offset => Standing::Nothing,
            Some(place) if place.head.state == KEPT => Standing::Kept,
            Some(_) => Standing::Dropped,
            None => Standing::Nothing,
        }
    }

    /// How to let go of the records at these places. Places where no kept record begins are
    /// passed over.
    #[must_use]
    pub fn plan(&self, go: &BTreeSet<u32>) -> Plan {
        let mut plan = Plan::default();
        let mut row: Vec<&Place> = Vec::new();
        for place in &self.places {
            if !self.goes(place, go) {
                self.end_row(&mut row, &mut plan);
            } else if place.head.kind == RecordKind::Envelope {
                row.push(place);
            } else {
                self.end_row(&mut row, &mut plan);
                self.end_row(&mut vec![place], &mut plan);
            }
        }
        self.end_row(&mut row, &mut plan);
        plan
    }

    fn goes(&self, place: &Place, go: &BTreeSet<u32>) -> bool {
        place.head.state != KEPT || go.contains(&place.offset)
    }

    /// What becomes of places in a row of which nothing is kept.
    fn end_row(&self, row: &mut Vec<&Place>, plan: &mut Plan) {
        let places = std::mem::take(row);
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return };
        let fresh = places.iter().filter(|place| place.head.state == KEPT).count() as u64;
        plan.records += fresh;
        if fresh > 0 || places.len() > 1 {
            let head = match places.len() {
                1 => RecordHeader { state: DROPPED, ..first.head },
                _ => run(&places, last),
            };
            plan.headers.push((first.offset, head.encode(&self.segment.chain)));
        }
        let from = first.offset + HEADER_LEN;
        if last.next > from {
            plan.holes.push((from, last.next));
        }
    }
}

impl Plan {
    /// Whether a run is among the headers, so that the segment is one of `VERSION_RUNS`.
    #[must_use]
    pub fn has_runs(&self) -> bool {
        self.headers.iter().any(|(_, head)| head[5] == RUN)
    }
}

/// One header for all of these. It says that all of it was durable, as the headers in it did.
fn run(places: &[&Place], last: &Place) -> RecordHeader {
    let first = places.first().map_or(last, |place| *place);
    let records: u64 = places.iter().map(|place| place.head.covers()).sum();
    let mut salt = [0; 16];
    salt[..8].copy_from_slice(&records.to_be_bytes());
    RecordHeader {
        length: last.next - first.offset - HEADER_LEN,
        kind: RecordKind::Envelope,
        state: RUN,
        durable: last.next,
        salt,
        digest: last.chain,
    }
}

const _: () = assert!(HEADER_LEN == ALIGN);
