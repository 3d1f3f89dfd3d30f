//! Numbers in an order that somebody else knows, in little more than their own four bytes.
//!
//! Level 1, a room of [`super`]. A row of short rows: what goes in between moves only the short one.
//! Whoever calls compares what a number stands for with what it looks for.

use std::cmp::Ordering;

/// A row that is longer is parted in two.
const ROW: usize = 512;

/// Numbers in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    /// None is empty.
    rows: Vec<Vec<u32>>,
}

impl Order {
    /// These numbers, which are in order.
    pub(crate) fn of(numbers: impl Iterator<Item = u32>) -> Self {
        let mut rows = Vec::<Vec<u32>>::new();
        for number in numbers {
            match rows.last_mut().filter(|row| row.len() < ROW) {
                Some(row) => row.push(number),
                None => {
                    let mut row = Vec::with_capacity(ROW);
                    row.push(number);
                    rows.push(row);
                }
            }
        }
        Self { rows }
    }

    /// Enters a number behind all that are not greater than it.
    pub(crate) fn insert(&mut self, number: u64, compare: impl Fn(u64) -> Ordering) {
        let Ok(number) = u32::try_from(number) else { return };
        let before = |other: &u32| compare(u64::from(*other)) != Ordering::Greater;
        let after = self.rows.partition_point(|row| row.first().is_some_and(before));
        let at = after.saturating_sub(1);
        let Some(row) = self.rows.get_mut(at) else {
            self.rows.push(vec![number]);
            return;
        };
        row.insert(row.partition_point(before), number);
        if row.len() > ROW {
            let rest = row.split_off(ROW / 2);
            self.rows.insert(at + 1, rest);
        }
    }

    /// The numbers from the first one on that is not less.
    pub(crate) fn from(&self, compare: impl Fn(u64) -> Ordering) -> impl Iterator<Item = u64> {
        let less = |other: &u32| compare(u64::from(*other)) == Ordering::Less;
        let row = self.rows.partition_point(|row| row.last().is_some_and(less));
        let at = self.rows.get(row).map_or(0, |row| row.partition_point(less));
        self.rows.iter().skip(row).flatten().skip(at).map(|number| u64::from(*number))
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        self.rows.iter().flatten().map(|number| u64::from(*number))
    }
}
