//! Bytes that are meant to cost their reader more than their writer: deep nesting, lengths without
//! measure, counts without end. Whoever reads them must refuse them by a bound, before memory.

use bytes::Bytes;

/// A protobuf message with this field opened inside itself so many times.
#[must_use]
pub fn nested(field: u32, depth: usize) -> Bytes {
    let mut inside: Vec<u8> = Vec::new();
    for _ in 0..depth {
        let mut outer = tag(field, 2);
        outer.extend(varint(inside.len() as u64));
        outer.extend(&inside);
        inside = outer;
    }
    inside.into()
}

/// Groups (a form of protobuf that nothing here uses) opened so many times and never closed.
#[must_use]
pub fn groups(field: u32, depth: usize) -> Bytes {
    tag(field, 3).repeat(depth).into()
}

/// A field of bytes that claims this length and brings none of it.
#[must_use]
pub fn claims_length(field: u32, length: u64) -> Bytes {
    [tag(field, 2), varint(length)].concat().into()
}

/// One empty message, repeated in this field so many times: two bytes each.
#[must_use]
pub fn repeated(field: u32, count: usize) -> Bytes {
    [tag(field, 2), vec![0]].concat().repeat(count).into()
}

/// A field that holds another message.
#[must_use]
pub fn within(field: u32, message: &[u8]) -> Bytes {
    [&tag(field, 2)[..], &varint(message.len() as u64), message].concat().into()
}

fn tag(field: u32, wire: u32) -> Vec<u8> {
    varint(u64::from(field << 3 | wire))
}

fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n >= 0x80 {
        out.push(n.to_le_bytes()[0] | 0x80);
        n >>= 7;
    }
    out.push(n.to_le_bytes()[0]);
    out
}
