//! The plaintext: parts in a frame with one form, padded with zeros, under an RFC 6962 root.
//!
//! `count u16 ‖ count × (salt 16 ‖ kind u8 ‖ length u32 ‖ bytes) ‖ zeros` up to the padded length.

use bytes::Bytes;
use zeroize::Zeroizing;

use super::OpenError;
use crate::envelope::pad;
use crate::id::Digest;
use crate::limits::PARTS_MAX;
use crate::part::{Part, SALT_LEN};
use crate::primitives::sha256;

/// Bytes before the content of one part.
const PART_HEAD: usize = SALT_LEN + 1 + 4;

/// Length before padding, bytes.
pub(super) fn framed_len(parts: &[Part]) -> usize {
    2 + parts.iter().map(|part| PART_HEAD + part.bytes.len()).sum::<usize>()
}

/// Frames and pads. The caller has checked number and size.
pub(super) fn encode(parts: &[Part]) -> Zeroizing<Vec<u8>> {
    let padded = pad(framed_len(parts));
    let mut out = Zeroizing::new(Vec::with_capacity(padded));
    out.extend_from_slice(&u16::try_from(parts.len()).unwrap_or(u16::MAX).to_be_bytes());
    for Part { salt, kind, bytes } in parts {
        out.extend_from_slice(salt);
        out.push(*kind);
        out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(bytes);
    }
    out.resize(padded, 0);
    out
}

/// Reads what [`encode`] wrote, and nothing else.
pub(super) fn decode(plain: &[u8]) -> Result<Vec<Part>, OpenError> {
    let short = OpenError::Plaintext("cut short");
    let (count, mut rest) = plain.split_first_chunk::<2>().ok_or(short)?;
    let count = usize::from(u16::from_be_bytes(*count));
    if count == 0 || count > PARTS_MAX {
        return Err(OpenError::Plaintext("number of parts"));
    }
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let (salt, after) = rest.split_first_chunk::<SALT_LEN>().ok_or(short)?;
        let (&[kind, a, b, c, d], after) = after.split_first_chunk::<5>().ok_or(short)?;
        let len = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| short)?;
        let (bytes, after) = after.split_at_checked(len).ok_or(short)?;
        parts.push(Part { salt: *salt, kind, bytes: Bytes::copy_from_slice(bytes) });
        rest = after;
    }
    if rest.iter().any(|byte| *byte != 0) {
        return Err(OpenError::Plaintext("padding is not zero"));
    }
    if pad(framed_len(&parts)) != plain.len() {
        return Err(OpenError::Plaintext("padded to another length"));
    }
    Ok(parts)
}

/// Root over the parts: RFC 6962, 2.1, with `salt ‖ kind ‖ bytes` as the data of a leaf.
#[must_use]
pub fn content_root(parts: &[Part]) -> Digest {
    let leaves: Vec<[u8; 32]> =
        parts.iter().map(|part| sha256(&[&[0], &part.salt, &[part.kind], &part.bytes])).collect();
    Digest(tree(&leaves))
}

fn tree(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => sha256(&[]),
        [leaf] => *leaf,
        _ => {
            // The largest power of two below the number of leaves.
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            sha256(&[&[1], &tree(left), &tree(right)])
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    fn part(kind: u8, bytes: &[u8]) -> Part {
        Part { salt: [kind; SALT_LEN], kind, bytes: Bytes::copy_from_slice(bytes) }
    }

    #[test]
    fn root_is_the_tree_of_rfc_6962() {
        let leaf = |part: &Part| sha256(&[&[0], &part.salt, &[part.kind], &part.bytes]);
        let [a, b, c] = [part(1, b"a"), part(2, b""), part(3, b"c")];
        let node = |l: [u8; 32], r: [u8; 32]| sha256(&[&[1], &l, &r]);
        let expected = node(node(leaf(&a), leaf(&b)), leaf(&c));
        assert_eq!(content_root(&[a.clone(), b.clone(), c.clone()]).0, expected);
        assert_eq!(content_root(std::slice::from_ref(&a)).0, leaf(&a));
        assert_ne!(content_root(&[a.clone(), b.clone()]), content_root(&[b, a]));
    }

    #[test]
    fn a_second_form_of_the_same_parts_is_refused() {
        let good = encode(&[part(1, b"text")]);
        let mut padding = good.to_vec();
        *padding.last_mut().unwrap() = 1;
        assert_eq!(decode(&padding), Err(OpenError::Plaintext("padding is not zero")));
        let mut longer = good.to_vec();
        longer.resize(768, 0);
        assert_eq!(decode(&longer), Err(OpenError::Plaintext("padded to another length")));
        let mut none = good.to_vec();
        none[..2].fill(0);
        assert_eq!(decode(&none), Err(OpenError::Plaintext("number of parts")));
        let mut beyond = good.to_vec();
        beyond[2 + SALT_LEN + 1] = 0xff;
        assert_eq!(decode(&beyond), Err(OpenError::Plaintext("cut short")));
    }

    proptest! {
        #[test]
        fn parts_survive_the_frame(
            contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..700), 1..9)
        ) {
            let parts: Vec<Part> = contents.iter().map(|bytes| part(9, bytes)).collect();
            let plain = encode(&parts);
            prop_assert_eq!(plain.len(), pad(framed_len(&parts)));
            prop_assert_eq!(decode(&plain).unwrap(), parts);
        }

        #[test]
        fn no_plaintext_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = decode(&bytes);
        }
    }
}
