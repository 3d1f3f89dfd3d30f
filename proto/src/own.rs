//! What a station writes of its own doings: records sealed to its archive key.
//!
//! Level 4, called by `Station` when it acts and when it is restored. The journal lies on a disk
//! that others may read; what these records say, file keys among it, is under the archive key, and
//! only the letter's id stands in front of it, for the index (`docs/spec/journal.md`).

use bytes::Bytes;

use crate::id::MsgId;
use crate::journal::{Record, RecordKind};
use crate::primitives::{Entropy, aead_open, aead_seal};
use crate::wire::{self, own::What};

/// Why an own record cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnError {
    /// Shorter than the id in front of it.
    #[error("an own record of the journal is cut short")]
    Short,
    /// Another archive key made it, or it was changed.
    #[error(
        "an own record of the journal does not open: the keystore's archive key is not the one \
         that this data folder was written with; put the right key folder back, or correct \
         paths.data if it is another station's folder"
    )]
    Sealed,
    /// It opened and is not what it should be.
    #[error("an own record of the journal has an unknown form; it was written by a newer version")]
    Form,
}

/// The record of one event, under the archive key.
#[must_use]
pub fn seal(archive: &[u8; 32], entropy: &mut Entropy, msg: Option<MsgId>, what: What) -> Record {
    let kind = match &what {
        What::Sent(_) => RecordKind::Sent,
        What::Opened(_) => RecordKind::Opened,
        What::Taken(_) => RecordKind::Taken,
        What::Incarnation(_) => RecordKind::Incarnation,
        What::Settled(_)
        | What::Receipted(_)
        | What::Spread(_)
        | What::Due(_)
        | What::Checked(_)
        | What::Incident(_)
        | What::Regain(_)
        | What::Listed(_)
        | What::Resent(_)
        | What::Unmatched(_)
        | What::Behind(_)
        | What::Handed(_) => RecordKind::Event,
    };
    let prefix = msg.unwrap_or(MsgId([0; 16])).0;
    let plain = wire::encode(&wire::Own { what: Some(what) });
    let blob = aead_seal(archive, entropy.bytes(), &aad(kind, &prefix), &plain);
    let bytes = Bytes::from([&prefix[..], &blob].concat());
    Record { kind, salt: entropy.bytes(), bytes }
}

/// Opens an own record.
///
/// # Errors
/// [`OwnError`]: cut short, another key, or an unknown form.
pub fn open(archive: &[u8; 32], record: &Record) -> Result<What, OwnError> {
    let (prefix, blob) = record.bytes.split_at_checked(MsgId::LEN).ok_or(OwnError::Short)?;
    let plain = aead_open(archive, &aad(record.kind, prefix), blob).ok_or(OwnError::Sealed)?;
    let own: wire::Own = wire::decode(&plain, plain.len()).map_err(|_| OwnError::Form)?;
    own.what.ok_or(OwnError::Form)
}

/// A record can be moved neither to another letter nor to another kind.
fn aad(kind: RecordKind, prefix: &[u8]) -> Vec<u8> {
    [b"cbm/1/own\0", &[kind.code()][..], prefix].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_record_opens_with_its_key_in_its_place_only() {
        let mut entropy = Entropy::new(&[1; 32]);
        let what = What::Taken(wire::OwnTaken { at: 7, ..Default::default() });
        let record = seal(&[2; 32], &mut entropy, Some(MsgId([3; 16])), what.clone());
        assert_eq!(open(&[2; 32], &record), Ok(what));
        assert_eq!(open(&[9; 32], &record), Err(OwnError::Sealed));
        let other_kind = Record { kind: RecordKind::Event, ..record.clone() };
        assert_eq!(open(&[2; 32], &other_kind), Err(OwnError::Sealed));
        let mut moved = record.bytes.to_vec();
        moved[0] ^= 1;
        let moved = Record { bytes: moved.into(), ..record.clone() };
        assert_eq!(open(&[2; 32], &moved), Err(OwnError::Sealed));
        let short = Record { bytes: record.bytes.slice(..9), ..record };
        assert_eq!(open(&[2; 32], &short), Err(OwnError::Short));
    }
}
