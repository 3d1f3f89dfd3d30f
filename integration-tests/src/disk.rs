//! One station's disk: records appended, a prefix of them durable, and what misfortune leaves.
//!
//! Has the contract of the node's journal (`docs/spec/journal.md`): after a crash a prefix of what
//! was appended is left, at least all that a successful sync covered. Beyond that contract it can
//! go back in time, as a restored backup or a rolled-back virtual machine does. Used by `world`.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cbm_proto::envelope::{Envelope, Kind};
use cbm_proto::id::{EnvelopeId, FeedId, MsgId, StationId};
use cbm_proto::journal::{Record, RecordKind};
use cbm_proto::limits::{BATCH_BYTES, BATCH_COUNT};
use cbm_proto::sync::Numbers;

/// A sync as the past of a disk: how many records it covered, and when it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// Records covered.
    pub length: usize,
    /// Virtual time, milliseconds.
    pub at: u64,
}

/// Records, and how many of them survive a power cut now.
#[derive(Debug, Default)]
pub struct Disk {
    records: Vec<Record>,
    synced: usize,
    images: Vec<Image>,
    envelopes: BTreeMap<EnvelopeId, usize>,
    places: BTreeMap<(FeedId, u64), usize>,
    opened: BTreeMap<MsgId, usize>,
    sent: BTreeMap<MsgId, usize>,
    sealed: usize,
}

impl Disk {
    /// Everything that is there, durable or not, in order: what a restart reads.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Records that are not durable.
    #[must_use]
    pub const fn unsynced(&self) -> usize {
        self.records.len() - self.synced
    }

    /// Appends one record; it is not durable yet.
    pub fn append(&mut self, record: Record) {
        self.index(self.records.len(), &record);
        self.records.push(record);
    }

    /// Makes everything durable, at this virtual time.
    pub fn sync(&mut self, at: u64) {
        self.synced = self.records.len();
        if self.images.last().is_none_or(|image| image.length < self.synced) {
            self.images.push(Image { length: self.synced, at });
        }
    }

    /// A crash: of what was not durable the first `kept` records are left.
    pub fn crash(&mut self, kept: usize) {
        self.cut(self.synced + kept.min(self.unsynced()));
        self.synced = self.records.len();
    }

    /// Earlier states that this disk could silently go back to, oldest first.
    #[must_use]
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// Goes back in time to an image; returns the sent letters that are forgotten thereby.
    pub fn roll_back(&mut self, image: Image) -> Vec<MsgId> {
        let length = image.length.min(self.records.len());
        let forgotten =
            self.sent.iter().filter(|(_, at)| **at >= length).map(|(msg, _)| *msg).collect();
        self.images.retain(|image| image.length <= length);
        self.cut(length);
        self.synced = length;
        forgotten
    }

    /// A copy of what is durable: what a cloned machine starts with.
    #[must_use]
    pub fn copy(&self) -> Self {
        let mut out = Self::default();
        for record in &self.records[..self.synced] {
            out.append(record.clone());
        }
        out.sync(0);
        out
    }

    /// The station's own records of a letter, in order.
    #[must_use]
    pub fn about(&self, msg: &MsgId) -> Vec<Record> {
        let named = |r: &&Record| r.kind.is_own() && r.bytes.starts_with(&msg.0);
        self.records.iter().filter(named).cloned().collect()
    }

    /// Whether the station durably recorded that it opened this letter.
    #[must_use]
    pub fn opened(&self, msg: &MsgId) -> bool {
        self.opened.get(msg).is_some_and(|at| *at < self.synced)
    }

    /// Whether the station durably recorded that it took or sent this letter.
    #[must_use]
    pub fn sent(&self, msg: &MsgId) -> bool {
        self.sent.get(msg).is_some_and(|at| *at < self.synced)
    }

    /// Whether the envelope is durable here.
    #[must_use]
    pub fn keeps(&self, id: &EnvelopeId) -> bool {
        self.envelopes.get(id).is_some_and(|at| *at < self.synced)
    }

    /// Sealed envelopes held. An observer must have none.
    #[must_use]
    pub const fn sealed(&self) -> usize {
        self.sealed
    }

    /// The envelope's bytes.
    #[must_use]
    pub fn envelope(&self, id: &EnvelopeId) -> Option<Bytes> {
        self.envelopes.get(id).map(|at| self.records[*at].bytes.clone())
    }

    /// The envelope under this number of a feed.
    #[must_use]
    pub fn numbered(&self, feed: FeedId, seq: u64) -> Option<Bytes> {
        self.places.get(&(feed, seq)).map(|at| self.records[*at].bytes.clone())
    }

    /// The largest durable number of each feed of an author.
    #[must_use]
    pub fn ends(&self, author: StationId) -> BTreeMap<FeedId, u64> {
        let durable = |(place, at): (&(FeedId, u64), &usize)| (*at < self.synced).then_some(*place);
        self.places.iter().filter_map(durable).filter(|(feed, _)| feed.author == author).collect()
    }

    /// Earlier states in which a draft waited.
    #[must_use]
    pub fn waiting_images(&self) -> Vec<Image> {
        let mut waits = BTreeSet::new();
        let mut images = self.images.iter();
        let mut out = Vec::new();
        let mut next = images.next();
        for (at, record) in self.records.iter().enumerate() {
            while let Some(image) = next.filter(|image| image.length <= at) {
                out.extend((!waits.is_empty()).then_some(*image));
                next = images.next();
            }
            let msg = record.bytes.get(..MsgId::LEN);
            match record.kind {
                RecordKind::Taken => drop(waits.insert(msg)),
                RecordKind::Sent => drop(waits.remove(&msg)),
                _ => {}
            }
        }
        out
    }

    /// Answers a want as the node's store does: in order, bounded, and whether more is held.
    #[must_use]
    pub fn read(&self, numbers: &[Numbers], single: &[EnvelopeId]) -> (Vec<Bytes>, bool) {
        let runs = numbers.iter().flat_map(|run| {
            let (from, to) = ((run.feed, run.from), (run.feed, run.to));
            self.places.range(from..=to).map(|(_, at)| *at)
        });
        let mut wanted = runs.chain(single.iter().filter_map(|id| self.envelopes.get(id).copied()));
        let (mut out, mut size) = (Vec::new(), 0);
        for at in wanted.by_ref() {
            let bytes = &self.records[at].bytes;
            size += bytes.len();
            if !out.is_empty() && (size > BATCH_BYTES || out.len() == BATCH_COUNT) {
                return (out, true);
            }
            out.push(bytes.clone());
        }
        (out, false)
    }

    fn cut(&mut self, length: usize) {
        let mut kept = std::mem::take(&mut self.records);
        kept.truncate(length);
        self.envelopes.clear();
        self.places.clear();
        self.opened.clear();
        self.sent.clear();
        self.sealed = 0;
        kept.into_iter().for_each(|record| self.append(record));
    }

    fn index(&mut self, at: usize, record: &Record) {
        let msg = || record.bytes.get(..MsgId::LEN).and_then(MsgId::from_slice);
        match record.kind {
            RecordKind::Envelope => self.index_envelope(at, &record.bytes),
            RecordKind::Opened => {
                msg().map(|msg| self.opened.entry(msg).or_insert(at));
            }
            // Either is the promise that `send` gave.
            RecordKind::Sent | RecordKind::Taken => {
                msg().map(|msg| self.sent.entry(msg).or_insert(at));
            }
            _ => {}
        }
    }

    fn index_envelope(&mut self, at: usize, bytes: &Bytes) {
        let Ok(envelope) = Envelope::decode(bytes.clone()) else { return };
        // A header may have come before its body: the fuller record counts.
        let fuller = envelope.has_body();
        let id = envelope.id();
        if fuller || !self.envelopes.contains_key(&id) {
            self.envelopes.insert(id, at);
        }
        let place = (envelope.feed(), envelope.header().seq);
        let first = self.places.get(&place).copied();
        let same = |at: usize| {
            Envelope::decode(self.records[at].bytes.clone()).is_ok_and(|e| e.id() == id)
        };
        if first.is_none_or(|first| fuller && same(first)) {
            self.places.insert(place, at);
        }
        if envelope.header().kind == Kind::Sealed {
            self.sealed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(name: u8) -> Record {
        Record {
            kind: RecordKind::Sent,
            salt: [0; 16],
            bytes: Bytes::copy_from_slice(&[name; MsgId::LEN]),
        }
    }

    #[test]
    fn a_crash_leaves_a_prefix_that_holds_all_that_was_synced() {
        let mut disk = Disk::default();
        disk.append(sent(1));
        disk.sync(5);
        disk.append(sent(2));
        disk.append(sent(3));
        assert!(disk.sent(&MsgId([1; 16])) && !disk.sent(&MsgId([2; 16])));
        disk.crash(1);
        assert_eq!(disk.records().len(), 2);
        assert!(disk.sent(&MsgId([2; 16])) && !disk.sent(&MsgId([3; 16])));
    }

    #[test]
    fn going_back_in_time_forgets_what_came_after_the_image() {
        let mut disk = Disk::default();
        disk.append(sent(1));
        disk.sync(5);
        disk.append(sent(2));
        disk.sync(9);
        let image = disk.images()[0];
        assert_eq!(disk.roll_back(image), vec![MsgId([2; 16])]);
        assert_eq!(disk.images().len(), 1);
        assert!(disk.sent(&MsgId([1; 16])) && !disk.sent(&MsgId([2; 16])));
    }
}
