//! What a restore knows of pair lanes, as bytes (`docs/spec/journal.md`, snapshots).
//!
//! All that begins with the start is left out: what is pending, due, or was said just now. Called by
//! `station/snapshot.rs` through [`Dump`].

use crate::dump::{Dump, Source};
use crate::envelope::Envelope;

use super::{Pairs, Pending};

impl Dump for Pending {
    fn put(&self, out: &mut Vec<u8>) {
        self.peer.put(out);
        self.envelope.bytes().put(out);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let peer = Dump::take(from)?;
        Some(Self { peer, envelope: Envelope::decode(Dump::take(from)?).ok()? })
    }
}

/// What a restore knows of it.
impl Dump for Pairs {
    fn put(&self, out: &mut Vec<u8>) {
        self.ends.put(out);
        self.spread.put(out);
        self.ours.put(out);
        self.stated.put(out);
        self.unsure.put(out);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let (ends, spread, ours) = (Dump::take(from)?, Dump::take(from)?, Dump::take(from)?);
        let (stated, unsure) = (Dump::take(from)?, Dump::take(from)?);
        let mut pairs = Self { ends, spread, ours, stated, unsure, ..Self::default() };
        pairs.count_shares();
        Some(pairs)
    }
}
