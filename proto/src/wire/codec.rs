//! Bounded, canonical reading and writing of the generated messages.
//!
//! Invariant: the length is checked before a decoder allocates anything, and what
//! [`decode_canonical`] returns encodes to exactly the bytes that it was read from: one document
//! has one form, and a field that this version does not know cannot hide in it. Used by the
//! documents (level 2) and, through [`decode`], by everything that comes over a stream.

use prost::Message;

/// Why bytes are not the message they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than the bound.
    #[error("{len} bytes where at most {max} are allowed")]
    TooLong {
        /// Bytes that came.
        len: usize,
        /// Bytes that are allowed.
        max: usize,
    },
    /// Not this message at all.
    #[error("the bytes are not the protobuf message they should be")]
    Malformed,
    /// Fields unknown, repeated, out of order, at their default value or in a longer form.
    #[error("the bytes are not in canonical form: unknown, repeated or badly ordered fields")]
    NotCanonical,
}

/// Reads a message of at most `max` bytes; unknown fields are dropped.
///
/// # Errors
/// [`DecodeError::TooLong`] or [`DecodeError::Malformed`].
pub fn decode<M: Message + Default>(bytes: &[u8], max: usize) -> Result<M, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLong { len: bytes.len(), max });
    }
    M::decode(bytes).map_err(|_| DecodeError::Malformed)
}

/// Reads a message of at most `max` bytes that encodes to exactly these bytes again.
///
/// # Errors
/// Each [`DecodeError`].
pub fn decode_canonical<M: Message + Default>(bytes: &[u8], max: usize) -> Result<M, DecodeError> {
    let message: M = decode(bytes, max)?;
    if encode(&message) == bytes { Ok(message) } else { Err(DecodeError::NotCanonical) }
}

/// The canonical bytes of a message.
#[must_use]
pub fn encode<M: Message>(message: &M) -> Vec<u8> {
    message.encode_to_vec()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::wire::Range;

    #[test]
    fn only_the_one_form_is_read() {
        let good = encode(&Range { from: 1, to: 300 });
        assert_eq!(decode_canonical::<Range>(&good, 64).unwrap().to, 300);
        let unknown = [&good[..], &[0x18, 1]].concat();
        let swapped = [&good[2..], &good[..2]].concat();
        let default = [&[0x08, 0], &good[2..]].concat();
        let long_varint = [&[0x08, 0x81, 0x00], &good[2..]].concat();
        for bad in [unknown, swapped, default, long_varint] {
            assert_eq!(decode_canonical::<Range>(&bad, 64), Err(DecodeError::NotCanonical));
            assert!(decode::<Range>(&bad, 64).is_ok());
        }
        assert_eq!(decode::<Range>(&good, 4), Err(DecodeError::TooLong { len: 5, max: 4 }));
        assert_eq!(decode::<Range>(&good[..4], 64), Err(DecodeError::Malformed));
    }
}
