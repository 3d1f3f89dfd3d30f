//! How far a station's feeds are held, for a revocation that says what it stands by.
//!
//! The journal is read in the order in which things came; of each feed the highest number is the
//! head, with the digest of its header. Where a stolen key may have spoken already, the heads of a
//! time before it are asked for: then a feed counts up to the last envelope in front of the first
//! one that says it was made later.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use cbm_proto::{
    envelope::{Envelope, Kind},
    id::{EnvelopeId, FeedId, StationId},
    journal::RecordKind,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::store::{
    StoreError,
    inspect::{Until, inspect},
};

/// The head of one feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The feed's incarnation, 32 hex digits.
    pub incarnation: String,
    /// Its lane, 32 hex digits.
    pub lane: String,
    /// The highest number that is held.
    pub seq: u64,
    /// Digest of the header at that number, 64 hex digits: the envelope's id.
    pub header: String,
    /// When its author says that it was made.
    pub made_at: String,
    /// Numbers below it that are not held; what is stood by covers them too.
    pub missing: u64,
    /// A second header was seen for one of the numbers.
    pub forked: bool,
}

#[derive(Default)]
struct Feed {
    numbers: BTreeMap<u64, (EnvelopeId, Timestamp)>,
    forked: bool,
}

/// The heads of all feeds of `author` in the journal of the store in `data`; of those made up to
/// `before`, where that is said.
///
/// # Errors
/// A file cannot be read, or is of a newer version.
pub fn heads(
    data: &Path,
    until: Until,
    author: StationId,
    before: Option<Timestamp>,
) -> Result<Vec<Head>, StoreError> {
    let mut feeds: BTreeMap<FeedId, Feed> = BTreeMap::new();
    inspect(data, until, &mut |_, record| {
        let envelope = (record.kind == RecordKind::Envelope).then_some(record.bytes);
        let Some(Ok(envelope)) = envelope.map(Envelope::decode) else { return };
        let header = envelope.header();
        if header.author == author && header.kind != Kind::Beacon {
            let feed = feeds.entry(envelope.feed()).or_default();
            let held = (envelope.id(), header.made_at);
            let first = *feed.numbers.entry(header.seq).or_insert(held);
            feed.forked |= first.0 != envelope.id();
        }
    })?;
    Ok(feeds.into_iter().filter_map(|(id, feed)| head(id, &feed, before)).collect())
}

fn head(id: FeedId, feed: &Feed, before: Option<Timestamp>) -> Option<Head> {
    let early = |made: &Timestamp| before.is_none_or(|before| *made <= before);
    let counted = feed.numbers.iter().take_while(|(_, (_, made))| early(made));
    let held: BTreeSet<u64> = counted.clone().map(|(seq, _)| *seq).collect();
    let (seq, (header, made_at)) = counted.last()?;
    Some(Head {
        incarnation: id.incarnation.to_string(),
        lane: id.lane.to_string(),
        seq: *seq,
        header: header.to_string(),
        made_at: made_at.to_string(),
        missing: seq.saturating_sub(held.len() as u64),
        forked: feed.forked,
    })
}
