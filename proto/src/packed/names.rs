//! What many packed things have in common, written once; and numbers in few bytes.
//!
//! Level 1, a room of [`super`]. Who writes to us is few, but one author can draw a new name for each
//! letter: names beyond [`NAMES_MAX`] stand in the thing itself.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::dump::{Dump, Source};
use crate::limits::NAMES_MAX;

/// Values that are named by a number from 1.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    all: Vec<Bytes>,
    numbers: BTreeMap<Bytes, u64>,
}

impl Names {
    /// Writes a value by its number, which it gets if there is room; else 0 and the value.
    pub(crate) fn put<T: Dump>(&mut self, value: &T, out: &mut Vec<u8>) {
        let mut bytes = Vec::new();
        value.put(&mut bytes);
        let known = self.numbers.get(&bytes[..]).copied();
        let new = || (self.all.len() < NAMES_MAX).then_some(self.all.len() as u64 + 1);
        match known.or_else(new) {
            Some(number) => put_number(number, out),
            None => {
                out.push(0);
                out.extend_from_slice(&bytes);
                return;
            }
        }
        if known.is_none() {
            self.enter(bytes.into());
        }
    }

    /// Reads what [`Names::put`] wrote.
    pub(crate) fn take<T: Dump>(&self, from: &mut Source<'_>) -> Option<T> {
        match take_number(from)? {
            0 => T::take(from),
            number => {
                let at = usize::try_from(number - 1).ok()?;
                T::take(&mut Source::new(self.all.get(at)?))
            }
        }
    }

    fn enter(&mut self, bytes: Bytes) {
        self.all.push(bytes.clone());
        self.numbers.insert(bytes, self.all.len() as u64);
    }

    /// Writes the names themselves.
    pub(crate) fn put_all(&self, out: &mut Vec<u8>) {
        self.all.put(out);
    }

    /// Reads what [`Names::put_all`] wrote.
    pub(crate) fn take_all(from: &mut Source<'_>) -> Option<Self> {
        let mut names = Self::default();
        Vec::<Bytes>::take(from)?.into_iter().for_each(|bytes| names.enter(bytes));
        (names.all.len() == names.numbers.len()).then_some(names)
    }
}

/// A number, seven bits a byte, the lowest first.
pub(crate) fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads what [`put_number`] wrote.
pub(crate) fn take_number(from: &mut Source<'_>) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = u8::take(from)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// How far a number is from another one, either way.
pub(crate) fn put_signed(number: u64, from: u64, out: &mut Vec<u8>) {
    let far = number.wrapping_sub(from).cast_signed();
    put_number((far << 1 ^ far >> 63).cast_unsigned(), out);
}

/// Reads what [`put_signed`] wrote.
pub(crate) fn take_signed(near: u64, from: &mut Source<'_>) -> Option<u64> {
    let far = take_number(from)?;
    Some(near.wrapping_add(far >> 1 ^ 0_u64.wrapping_sub(far & 1)))
}
