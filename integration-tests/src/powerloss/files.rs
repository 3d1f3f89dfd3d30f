//! One file and one folder of the model: what is seen, and what is durable.

use std::collections::{BTreeMap, BTreeSet};

use super::Cut;

/// Smallest piece that is written wholly or not at all, bytes.
pub(super) const SECTOR: usize = 512;
/// Sectors in a page.
pub(super) const PAGE: usize = 8;

/// Why the drive refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No such file.
    NoEntry,
    /// There is one of that name.
    Exists,
    /// The folder is not empty.
    NotEmpty,
    /// A folder where a file belongs, or the reverse.
    Kind,
    /// No room.
    NoSpace,
    /// The drive failed.
    Io,
}

/// Dice by seed (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(super) fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap_or(0)
    }
}

/// A file.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) live: Vec<u8>,
    safe: Vec<u8>,
    /// Sectors that differ from `safe` and that the next fsync writes.
    dirty: BTreeSet<usize>,
    /// Pages that have room on the drive.
    pages: BTreeSet<usize>,
}

impl File {
    /// Writes as much as `room` pages allow; returns bytes and pages taken.
    pub(super) fn write(&mut self, offset: usize, data: &[u8], room: usize) -> (usize, usize) {
        let (mut end, mut taken) = (offset, 0);
        while end < offset + data.len() {
            let page = end / (SECTOR * PAGE);
            if !self.pages.contains(&page) {
                if taken == room {
                    break;
                }
                self.pages.insert(page);
                taken += 1;
            }
            end = ((page + 1) * SECTOR * PAGE).min(offset + data.len());
        }
        if end > offset {
            if self.live.len() < end {
                self.live.resize(end, 0);
            }
            self.live[offset..end].copy_from_slice(&data[..end - offset]);
            self.dirty.extend(offset / SECTOR..=(end - 1) / SECTOR);
        }
        (end - offset, taken)
    }

    /// Sets the length; returns the pages given back.
    pub(super) fn resize(&mut self, len: usize) -> usize {
        self.dirty.extend(len / SECTOR..self.live.len().max(self.safe.len()).div_ceil(SECTOR));
        self.live.resize(len, 0);
        let kept = self.pages.len();
        self.pages.retain(|page| page * SECTOR * PAGE < len);
        kept - self.pages.len()
    }

    /// Pages with room.
    pub(super) fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Makes the file durable.
    pub(super) fn sync(&mut self) {
        self.safe.resize(self.live.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            copy(&self.live, &mut self.safe, sector);
        }
    }

    /// A failed fsync as Linux has it: the pages count as written, and are not.
    pub(super) fn sync_failed(&mut self) {
        self.dirty.clear();
    }

    /// The file after a power cut.
    pub(super) fn cut(&self, cut: Cut, dice: &mut Dice) -> Self {
        let mut data = self.safe.clone();
        match cut {
            Cut::Unsynced | Cut::NamesFirst => {}
            Cut::Lengths => {
                self.dirty.iter().for_each(|sector| copy(&self.live, &mut data, *sector));
            }
            Cut::Pages | Cut::Sectors => {
                if dice.coin() {
                    data.resize(self.live.len(), 0);
                }
                let unit = if cut == Cut::Pages { PAGE } else { 1 };
                let units: BTreeSet<_> = self.dirty.iter().map(|sector| sector / unit).collect();
                for unit_number in units.into_iter().filter(|_| dice.coin()).collect::<Vec<_>>() {
                    let sectors = unit_number * unit..(unit_number + 1) * unit;
                    sectors.for_each(|sector| copy(&self.live, &mut data, sector));
                }
            }
        }
        Self { live: data.clone(), safe: data, dirty: BTreeSet::new(), pages: self.pages.clone() }
    }
}

/// Copies one sector as far as both have it.
fn copy(from: &[u8], to: &mut [u8], sector: usize) {
    let start = sector * SECTOR;
    let end = (start + SECTOR).min(from.len()).min(to.len());
    if start < end {
        to[start..end].copy_from_slice(&from[start..end]);
    }
}

/// A folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Folder {
    pub(super) live: BTreeMap<String, u64>,
    safe: BTreeMap<String, u64>,
    /// Changes since the last fsync, in order; each happens wholly or not at all.
    changes: Vec<Vec<(String, Option<u64>)>>,
}

impl Folder {
    /// Applies one atomic change: names set to nodes, or removed.
    pub(super) fn change(&mut self, change: Vec<(String, Option<u64>)>) {
        apply(&mut self.live, &change);
        self.changes.push(change);
    }

    /// Makes all entries durable.
    pub(super) fn sync(&mut self) {
        self.safe = self.live.clone();
        self.changes.clear();
    }

    /// The folder after a power cut: changes survive in order, up to some instant.
    pub(super) fn cut(&self, cut: Cut, dice: &mut Dice) -> Self {
        let survive = match cut {
            Cut::Unsynced | Cut::Lengths => 0,
            Cut::Pages | Cut::Sectors => dice.below(self.changes.len() + 1),
            Cut::NamesFirst => self.changes.len(),
        };
        let mut names = self.safe.clone();
        self.changes[..survive].iter().for_each(|change| apply(&mut names, change));
        Self { live: names.clone(), safe: names, changes: Vec::new() }
    }
}

fn apply(names: &mut BTreeMap<String, u64>, change: &[(String, Option<u64>)]) {
    for (name, node) in change {
        match node {
            Some(node) => names.insert(name.clone(), *node),
            None => names.remove(name),
        };
    }
}
