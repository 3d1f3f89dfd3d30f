//! What a foe says on streams: claims without measure, requests without end.

use cbm_proto::feeds::Run;
use cbm_proto::id::{Digest, EnvelopeId, FeedId};
use cbm_proto::sync::{Ask, DaySets, Entry, Numbers, Say};

/// An entry that claims these runs of a feed.
#[must_use]
pub fn claims(feed: FeedId, above: &[Run]) -> Entry {
    Entry { mark: 0, head: None, above: above.to_vec(), ..entry(feed) }
}

/// An entry that holds up to a mark, with a head of its choice.
#[must_use]
pub fn holds(feed: FeedId, mark: u64, head: EnvelopeId) -> Entry {
    Entry { mark, head: Some(head), ..entry(feed) }
}

fn entry(feed: FeedId) -> Entry {
    Entry { feed, mark: 0, head: None, above: Vec::new(), more: false, proven: false }
}

/// An answer of these entries.
#[must_use]
pub fn answer(entries: Vec<Entry>) -> Say {
    Say::Entries { entries, carried: DaySets::new(), more: false, echoes: Vec::new() }
}

/// An answer that claims so many carried envelopes that do not exist.
#[must_use]
pub fn phantoms(count: u32) -> Say {
    let id = |n: u32| {
        let mut id = [0xfe; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        EnvelopeId(id)
    };
    let carried = DaySets::from([(20_000, (0..count).map(id).collect())]);
    Say::Entries { entries: Vec::new(), carried, more: false, echoes: Vec::new() }
}

/// Everything of a feed, from the first number to the last there can be.
#[must_use]
pub fn everything(feed: FeedId) -> Ask {
    Ask::Want(vec![Numbers { feed, from: 1, to: u64::MAX }], Vec::new())
}

/// Asks for a comparison that never agrees.
#[must_use]
pub const fn never_the_same() -> Ask {
    Ask::Summary(Digest([0; 32]))
}
