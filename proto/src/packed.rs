//! Very many things of which hardly any changes: each in few bytes, opened when it is asked for.
//!
//! Level 1. A thing that is [`Pack::is_settled`] is held packed, and comes out as a copy; one that is
//! not, or that was opened to be changed, is held as it is until it is settled again. Which of them are
//! packed is nobody's business: it is never to be seen in a question, nor in a dump. Things have
//! numbers from 1 and are found by their key. Called by the inbox and the outbox.

mod names;
mod order;
mod shelf;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::dump::{Dump, Source};

pub(crate) use self::names::{Names, put_number, put_signed, take_number, take_signed};
pub(crate) use self::order::Order;
use self::shelf::Shelf;

/// Bytes of a key; what is packed begins with it.
pub(crate) const KEY: usize = 16;

/// A byte of what is so, a bit each.
pub(crate) fn bits<const N: usize>(all: [(bool, u8); N]) -> u8 {
    all.into_iter().filter(|(set, _)| *set).fold(0, |sum, (_, bit)| sum | bit)
}

/// Reads a value that is there if `bit` is set.
pub(crate) fn optional<T>(
    bits: u8,
    bit: u8,
    take: impl FnOnce() -> Option<T>,
) -> Option<Option<T>> {
    if bits & bit == 0 { Some(None) } else { take().map(Some) }
}

/// A thing that can be packed.
pub(crate) trait Pack: Clone {
    /// What it is looked up by. Several things may have the same one.
    fn key(&self) -> [u8; KEY];
    /// Whether no change is expected soon.
    fn is_settled(&self) -> bool;
    /// Writes all of it, beginning with the key.
    fn pack(&self, names: &mut Names, out: &mut Vec<u8>);
    /// Reads what [`Pack::pack`] wrote.
    fn unpack(number: u64, names: &Names, from: &mut Source<'_>) -> Option<Self>;
}

/// How a thing is held now.
pub(crate) enum Held<'a, T> {
    /// As it was packed.
    Packed(&'a [u8]),
    /// As it is.
    Open(&'a T),
}

/// All things of one kind. 4 billion of them have room.
#[derive(Clone, Debug)]
pub(crate) struct Packed<T> {
    names: Names,
    shelf: Shelf,
    /// Where each stands on the shelf; [`OPEN`] for those that do not.
    places: Vec<u32>,
    open: BTreeMap<u64, Box<T>>,
    /// Those that are open and came, or were opened, since the shelf was last filled.
    touched: BTreeSet<u64>,
    by_key: Order,
}

/// Not on the shelf.
const OPEN: u32 = u32::MAX;

impl<T> Default for Packed<T> {
    fn default() -> Self {
        Self {
            names: Names::default(),
            shelf: Shelf::default(),
            places: Vec::new(),
            open: BTreeMap::new(),
            touched: BTreeSet::new(),
            by_key: Order::default(),
        }
    }
}

impl<T: Pack> Packed<T> {
    /// How many there are, which is the number of the last one.
    pub(crate) const fn len(&self) -> u64 {
        self.places.len() as u64
    }

    /// Enters one more, and gives its number.
    pub(crate) fn push(&mut self, value: T) -> u64 {
        self.pack_settled();
        let (number, key) = (self.len() + 1, value.key());
        self.open.insert(number, Box::new(value));
        self.places.push(OPEN);
        self.touched.insert(number);
        let mut by_key = std::mem::take(&mut self.by_key);
        by_key.insert(number, |other| self.compare(other, &key));
        self.by_key = by_key;
        number
    }

    /// One of them.
    pub(crate) fn get(&self, number: u64) -> Option<Cow<'_, T>> {
        match self.held(number)? {
            Held::Open(value) => Some(Cow::Borrowed(value)),
            Held::Packed(bytes) => {
                T::unpack(number, &self.names, &mut Source::new(bytes)).map(Cow::Owned)
            }
        }
    }

    /// One of them, to be changed. Its key stays.
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        self.pack_settled();
        if let Held::Packed(_) = self.held(number)? {
            let value = self.get(number)?.into_owned();
            let place = self.places.get_mut(index(number)?)?;
            self.shelf.let_go(std::mem::replace(place, OPEN));
            self.open.insert(number, Box::new(value));
        }
        self.touched.insert(number);
        self.open.get_mut(&number).map(|value| &mut **value)
    }

    /// How one of them is held.
    pub(crate) fn held(&self, number: u64) -> Option<Held<'_, T>> {
        match *self.places.get(index(number)?)? {
            OPEN => self.open.get(&number).map(|value| Held::Open(&**value)),
            place => self.shelf.get(place).map(Held::Packed),
        }
    }

    /// The numbers of those with this key, ascending.
    pub(crate) fn with_key(&self, key: [u8; KEY]) -> impl Iterator<Item = u64> {
        let from = self.by_key.from(move |other| self.compare(other, &key));
        from.take_while(move |number| self.compare(*number, &key) == Ordering::Equal)
    }

    /// Every number, in the order of the keys.
    pub(crate) fn by_key(&self) -> impl Iterator<Item = u64> {
        self.by_key.iter()
    }

    /// Those that are not packed: at least all that are not settled.
    pub(crate) fn open(&self) -> impl Iterator<Item = &T> {
        self.open.values().map(|value| &**value)
    }

    fn compare(&self, number: u64, key: &[u8; KEY]) -> Ordering {
        match self.held(number) {
            Some(Held::Packed(bytes)) => bytes.get(..KEY).cmp(&Some(&key[..])),
            Some(Held::Open(value)) => value.key().cmp(key),
            None => Ordering::Less,
        }
    }

    fn pack_settled(&mut self) {
        let mut bytes = Vec::new();
        for number in std::mem::take(&mut self.touched) {
            let settled = self.open.get(&number).filter(|value| value.is_settled());
            let place = index(number).and_then(|at| self.places.get_mut(at));
            let (Some(value), Some(place)) = (settled, place) else { continue };
            bytes.clear();
            value.pack(&mut self.names, &mut bytes);
            *place = self.shelf.put(&bytes);
            self.open.remove(&number);
        }
        if self.shelf.is_mostly_gone() {
            let mut shelf = Shelf::default();
            for place in self.places.iter_mut().filter(|place| **place != OPEN) {
                *place = shelf.put(self.shelf.get(*place).unwrap_or_default());
            }
            self.shelf = shelf;
        }
    }

    /// Writes all of them in the order of these numbers, the same whatever is packed here.
    pub(crate) fn put_in(&self, order: impl Iterator<Item = u64>, out: &mut Vec<u8>) {
        let mut names = Names::default();
        self.len().put(out);
        // How long they are stands before them, and what they are called behind them.
        let before = out.len();
        0_u64.put(out);
        let begin = out.len();
        for value in order.filter_map(|number| self.get(number)) {
            value.pack(&mut names, out);
        }
        let length = (out.len() - begin) as u64;
        if let Some(room) = out.get_mut(before..begin) {
            room.copy_from_slice(&length.to_be_bytes());
        }
        names.put_all(out);
    }

    /// Reads what [`Packed::put_in`] wrote, numbered anew in the order in which they were written, and
    /// shows each one.
    pub(crate) fn take_all(from: &mut Source<'_>, mut each: impl FnMut(u64, &T)) -> Option<Self> {
        let count = u64::take(from)?;
        let length = usize::try_from(u64::take(from)?).ok()?;
        let mut bytes = Source::new(from.bytes(length)?);
        let mut all = Self { names: Names::take_all(from)?, ..Self::default() };
        let mut keys = Vec::new();
        for number in 1..=count {
            let before = bytes.rest();
            let value = T::unpack(number, &all.names, &mut bytes)?;
            each(number, &value);
            keys.push((value.key(), u32::try_from(number).ok()?));
            let one = before.get(..before.len() - bytes.rest().len())?;
            if value.is_settled() {
                all.places.push(all.shelf.put(one));
            } else {
                all.open.insert(number, Box::new(value));
                all.places.push(OPEN);
            }
        }
        keys.sort_unstable();
        all.by_key = Order::of(keys.into_iter().map(|(_, number)| number));
        bytes.is_empty().then_some(all)
    }
}

fn index(number: u64) -> Option<usize> {
    usize::try_from(number.checked_sub(1)?).ok()
}

#[cfg(test)]
mod tests;
