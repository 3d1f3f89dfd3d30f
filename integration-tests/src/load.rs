//! A load for stores: record `n` of a seed is always the same, so that whoever finds it on a disk
//! can tell whether it is whole.
//!
//! One feed of envelopes, one own record about each, one document: every third record is of each
//! kind. Used by the store's contract tests, the power-loss tests and the store's driver process.

use bytes::Bytes;
use cbm_proto::{
    envelope::Envelope,
    id::{Digest, FeedId, Incarnation, LaneId, MsgId, NetworkId, StationId},
    journal::{Record, RecordKind},
    primitives::{SignSecret, digest},
    seal::{Frame, SealError, statement},
    time::Timestamp,
};

/// The load of one seed.
pub struct Load {
    seed: u64,
    sign: SignSecret,
}

impl Load {
    /// The load of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let digest = digest("test-load", &[&seed.to_be_bytes()]);
        Self { seed, sign: SignSecret::from_seed(&digest.0) }
    }

    /// The one feed of the envelopes.
    #[must_use]
    pub fn feed(&self) -> FeedId {
        FeedId {
            author: StationId([1; 16]),
            incarnation: Incarnation(half(self.bits(0, b"incarnation"))),
            lane: LaneId([3; 16]),
        }
    }

    /// Envelope `seq` of the feed, from 1. `variant` makes another one at the same number.
    ///
    /// # Errors
    /// When the protocol refuses to make it.
    pub fn envelope(&self, seq: u64, variant: u8) -> Result<Envelope, SealError> {
        let feed = self.feed();
        let frame = Frame {
            network: NetworkId([5; 32]),
            accord_version: 1,
            lane: feed.lane,
            author: feed.author,
            incarnation: feed.incarnation,
            seq,
            prev: if seq == 1 { Digest([0; 32]) } else { self.bits(seq - 1, b"prev") },
            made_at: Timestamp(1_795_305_108_000 + seq),
        };
        let fill = self.bits(seq, b"body").0;
        // Mostly small; one in sixteen spans many pages.
        let len = if fill[0] < 16 { 40_000 } else { usize::from(fill[1]) * 8 + 1 };
        let mut body: Vec<u8> = fill.iter().copied().cycle().take(len).collect();
        body.push(variant);
        statement(&frame, &body, &self.sign)
    }

    /// The letter that own records of number `n` are about.
    #[must_use]
    pub fn letter(&self, n: u64) -> MsgId {
        MsgId(half(self.bits(n, b"letter")))
    }

    /// Record `n`, from 0: an envelope, an own record, a document in turn.
    ///
    /// # Errors
    /// When the protocol refuses to make the envelope.
    pub fn record(&self, n: u64) -> Result<Record, SealError> {
        let third = n / 3 + 1;
        let (kind, bytes) = match n % 3 {
            0 => (RecordKind::Envelope, self.envelope(third, 0)?.bytes().clone()),
            1 => (RecordKind::Sent, Bytes::from(self.own(third))),
            _ => (RecordKind::Document, Bytes::copy_from_slice(&self.bits(n, b"document").0)),
        };
        Ok(Record { kind, salt: half(self.bits(n, b"salt")), bytes })
    }

    fn own(&self, n: u64) -> Vec<u8> {
        let blob = self.bits(n, b"own").0.repeat(usize::from(self.bits(n, b"len").0[0] % 40));
        [&self.letter(n).0[..], &blob].concat()
    }

    fn bits(&self, n: u64, what: &[u8]) -> Digest {
        digest("test-load-bits", &[&self.seed.to_be_bytes(), &n.to_be_bytes(), what])
    }
}

fn half(digest: Digest) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&digest.0[..16]);
    out
}
