//! Bytes of a station's state, for snapshots (`docs/spec/journal.md`, snapshots).
//!
//! Level 1. One form for each value: the same state gives the same bytes, and bytes that are not in
//! that form are not read. A type says its fields once ([`dumped`]), so none is forgotten. Numbers are
//! big-endian and of fixed width, lengths 4 bytes; maps and sets ascend. Whoever reads checks each
//! length against what is left before room is made for it. Called by the leaves that hold state, and
//! by `station/snapshot.rs`; what a dump is bound to is said there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::id::{
    Digest, EnvelopeId, FeedId, Incarnation, KeyId, LaneId, MsgId, PartyCode, StationId,
};
use crate::terms::{Cause, Level, Method, Outcome, Precedence, Status};
use crate::time::Timestamp;

/// A value that a dump holds.
pub(crate) trait Dump: Sized {
    /// Writes it.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads it; `None` for bytes that [`Dump::put`] did not write.
    fn take(from: &mut Source<'_>) -> Option<Self>;
}

/// What is left to be read.
pub(crate) struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    /// A count of values of at least one byte each.
    fn count(&mut self) -> Option<usize> {
        let count = u32::take(self)? as usize;
        (count <= self.0.len()).then_some(count)
    }

    /// What is left.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Whether nothing is left.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Says that a type is dumped field by field, in this order; all of its fields must be named.
macro_rules! dumped {
    ($name:ty { $($field:ident),+ $(,)? }) => {
        impl $crate::dump::Dump for $name {
            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field),+ } = self;
                $($crate::dump::Dump::put($field, out);)+
            }

            fn take(from: &mut $crate::dump::Source<'_>) -> Option<Self> {
                Some(Self { $($field: $crate::dump::Dump::take(from)?),+ })
            }
        }
    };
}

/// Says that a type is dumped as bytes that it writes and reads itself.
macro_rules! dumped_as_bytes {
    ($name:ty, $put:expr, $take:expr) => {
        impl $crate::dump::Dump for $name {
            fn put(&self, out: &mut Vec<u8>) {
                let put: fn(&Self) -> bytes::Bytes = $put;
                $crate::dump::Dump::put(&put(self), out);
            }

            fn take(from: &mut $crate::dump::Source<'_>) -> Option<Self> {
                let take: fn(bytes::Bytes) -> Option<Self> = $take;
                take($crate::dump::Dump::take(from)?)
            }
        }
    };
}

/// Says that a type is dumped as the message that it is on the wire.
macro_rules! dumped_as_wire {
    ($name:ty) => {
        $crate::dump::dumped_as_bytes!(
            $name,
            |value| $crate::wire::encode(&value.to_wire()).into(),
            |bytes| Self::from_wire(&$crate::wire::decode(&bytes, bytes.len()).ok()?)
        );
    };
}

/// Says that types are dumped as the one value that they wrap.
macro_rules! dumped_inside {
    ($($name:ty)+) => {$(
        impl $crate::dump::Dump for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $crate::dump::Dump::put(&self.0, out);
            }

            fn take(from: &mut $crate::dump::Source<'_>) -> Option<Self> {
                $crate::dump::Dump::take(from).map(Self)
            }
        }
    )+};
}

pub(crate) use {dumped, dumped_as_bytes, dumped_as_wire, dumped_inside};

macro_rules! numbers {
    ($($name:ty)+) => {$(
        impl Dump for $name {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }

            fn take(from: &mut Source<'_>) -> Option<Self> {
                from.array().map(Self::from_be_bytes)
            }
        }
    )+};
}

numbers!(u8 u32 u64);

macro_rules! ids {
    ($($name:ident)+) => {$(
        impl Dump for $name {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.0);
            }

            fn take(from: &mut Source<'_>) -> Option<Self> {
                from.array().map(Self)
            }
        }
    )+};
}

ids!(Digest EnvelopeId Incarnation KeyId LaneId MsgId StationId);

macro_rules! terms {
    ($($name:ident)+) => {$(
        impl Dump for $name {
            fn put(&self, out: &mut Vec<u8>) {
                out.push(self.code());
            }

            fn take(from: &mut Source<'_>) -> Option<Self> {
                Self::from_code(u8::take(from)?)
            }
        }
    )+};
}

terms!(Cause Level Method Outcome Precedence Status);

dumped!(FeedId { author, incarnation, lane });
dumped_as_bytes!(PartyCode, |party| Bytes::copy_from_slice(party.as_str().as_bytes()), |bytes| {
    Self::new(std::str::from_utf8(&bytes).ok()?).ok()
});

dumped_inside!(Timestamp);

impl Dump for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Dump for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        out.extend_from_slice(self);
    }

    /// A copy: a slice would keep the whole dump in memory.
    fn take(from: &mut Source<'_>) -> Option<Self> {
        let count = from.count()?;
        from.bytes(count).map(Self::copy_from_slice)
    }
}

impl Dump for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let count = from.count()?;
        std::str::from_utf8(from.bytes(count)?).ok().map(str::to_owned)
    }
}

impl<T: Dump> Dump for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        if bool::take(from)? { T::take(from).map(Some) } else { Some(None) }
    }
}

impl<T: Dump> Dump for Box<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        T::take(from).map(Self::new)
    }
}

impl<A: Dump, B: Dump> Dump for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

/// Values one after the other, behind their count.
pub(crate) fn put_all<'a, T: Dump + 'a>(
    all: impl ExactSizeIterator<Item = &'a T>,
    out: &mut Vec<u8>,
) {
    put_count(all.len(), out);
    all.for_each(|one| one.put(out));
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    // A state of 2^32 values does not fit any memory that this runs in; it would not be read again.
    u32::try_from(count).unwrap_or(u32::MAX).put(out);
}

impl<T: Dump> Dump for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_all(self.iter(), out);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let count = from.count()?;
        // Room is made as values are read: a count alone takes none.
        let mut all = Self::new();
        for _ in 0..count {
            all.push(T::take(from)?);
        }
        Some(all)
    }
}

impl<T: Dump> Dump for VecDeque<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_all(self.iter(), out);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        Vec::take(from).map(Self::from)
    }
}

impl<T: Dump + Ord> Dump for BTreeSet<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_all(self.iter(), out);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let all = Vec::take(from)?;
        all.is_sorted_by(|a, b| a < b).then(|| all.into_iter().collect())
    }
}

impl<K: Dump + Ord, V: Dump> Dump for BTreeMap<K, V> {
    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let all = Vec::<(K, V)>::take(from)?;
        all.is_sorted_by(|a, b| a.0 < b.0).then(|| all.into_iter().collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    type Held = BTreeMap<u32, (Option<String>, VecDeque<bool>)>;

    fn held() -> Held {
        [(1, (None, VecDeque::new())), (7, (Some("x".to_owned()), VecDeque::from([true, false])))]
            .into()
    }

    fn read(bytes: &[u8]) -> Option<Held> {
        let mut source = Source::new(bytes);
        Dump::take(&mut source).filter(|_| source.is_empty())
    }

    #[test]
    fn what_was_put_is_taken_and_no_other_form_of_it() {
        let mut bytes = Vec::new();
        held().put(&mut bytes);
        assert_eq!(read(&bytes), Some(held()));
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), None, "{cut}");
        }
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            let mut again = Vec::new();
            if let Some(value) = read(&other) {
                value.put(&mut again);
                assert_eq!(again, other, "one value, one form");
            }
        }
    }

    #[test]
    fn a_map_that_does_not_ascend_is_refused() {
        let mut bytes = Vec::new();
        vec![(2_u32, true), (1, true)].put(&mut bytes);
        assert!(BTreeMap::<u32, bool>::take(&mut Source::new(&bytes)).is_none());
        let mut twice = Vec::new();
        vec![1_u32, 1].put(&mut twice);
        assert!(<BTreeSet<u32> as Dump>::take(&mut Source::new(&twice)).is_none());
    }

    #[test]
    fn a_count_without_values_makes_no_room() {
        let bytes = u32::MAX.to_be_bytes();
        assert!(Vec::<u64>::take(&mut Source::new(&bytes)).is_none());
        assert!(Bytes::take(&mut Source::new(&bytes)).is_none());
    }
}
