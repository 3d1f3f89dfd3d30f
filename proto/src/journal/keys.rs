//! What an index derives from a record: the names under which it is found again.
//!
//! A pure function, so that an index kept live and one rebuilt from the journal agree (tested in
//! `integration-tests/tests/store_contract.rs`). Called by both stores and by the simulator's disk.

use super::{Record, RecordKind, content_digest};
use crate::envelope::Envelope;
use crate::id::{Digest, EnvelopeId, FeedId, MsgId};
use crate::time::Timestamp;

/// The names of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// An envelope: by its id, and by its number in its feed.
    Envelope {
        /// Digest of its header.
        id: EnvelopeId,
        /// The feed it belongs to.
        feed: FeedId,
        /// Its number there.
        seq: u64,
        /// When its author says it was made.
        made_at: Timestamp,
        /// Which detachable parts are there: 1 stanzas, 2 body. One with more is never replaced
        /// by one with less.
        parts: u8,
    },
    /// A signed document, by the digest of its bytes.
    Document(Digest),
    /// An own record about a letter.
    Letter(MsgId),
    /// Found by reading the journal only.
    None,
}

/// The message id at the head of an own record (kinds 3 to 8); `None` for other kinds, for a
/// record shorter than an id, and for the id of zeros, which means "about no letter".
#[must_use]
pub fn msg_id_of(record: &Record) -> Option<MsgId> {
    let id = record.bytes.get(..MsgId::LEN).and_then(MsgId::from_slice)?;
    (record.kind.is_own() && id != MsgId([0; MsgId::LEN])).then_some(id)
}

/// The names of `record`. An envelope that cannot be read has none: it is kept and not served.
#[must_use]
pub fn index_keys(record: &Record) -> Keys {
    match record.kind {
        RecordKind::Envelope => envelope_keys(record).unwrap_or(Keys::None),
        RecordKind::Document => Keys::Document(content_digest(&record.bytes)),
        _ => msg_id_of(record).map_or(Keys::None, Keys::Letter),
    }
}

fn envelope_keys(record: &Record) -> Option<Keys> {
    let envelope = Envelope::decode(record.bytes.clone()).ok()?;
    let header = envelope.header();
    Some(Keys::Envelope {
        id: envelope.id(),
        feed: envelope.feed(),
        seq: header.seq,
        made_at: header.made_at,
        parts: u8::from(envelope.has_stanzas()) | u8::from(envelope.has_body()) << 1,
    })
}
