//! What an index derives from a record: the names under which it is found again.
//!
//! A pure function, so that an index kept live and one rebuilt from the journal agree (tested in
//! `integration-tests/tests/store_contract.rs`). Called by both stores and by the simulator's disk.

use super::{Record, RecordKind, content_digest};
use crate::id::{Digest, MsgId};

/// The names of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
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

/// The names of `record`.
#[must_use]
pub fn index_keys(record: &Record) -> Keys {
    match record.kind {
        RecordKind::Document => Keys::Document(content_digest(&record.bytes)),
        _ => msg_id_of(record).map_or(Keys::None, Keys::Letter),
    }
}
