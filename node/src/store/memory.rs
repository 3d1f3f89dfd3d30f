//! The same contract in memory, with failures on demand.
//!
//! A [`MemoryDisk`] stands for the drive, a [`MemoryStore`] for one process's use of it: dropping
//! the store is a crash, and what was not synced is gone. Appends and syncs can be made to fail,
//! a prefix of unsynced records can survive, and the drive can go back to an older image. Used by
//! tests of the shell; contract and invariants: [`super::Store`].

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use cbm_proto::{
    id::{EnvelopeId, FeedId, MsgId},
    journal::{JournalError, Keys, Record, RecordKind, index_keys},
    limits::RECORD_MAX,
};

use super::{Freed, Marker, Page, Position, Report, Store, StoreError};

/// What a drive holds; a clone is an image to go back to.
#[derive(Clone, Debug, Default)]
pub struct Image {
    records: Vec<Record>,
    gone: BTreeSet<usize>,
    settled: bool,
    moved: bool,
}

impl Image {
    /// What was not let go, with its number.
    fn kept(&self) -> impl Iterator<Item = (usize, &Record)> {
        self.records.iter().enumerate().filter(|(number, _)| !self.gone.contains(number))
    }
}

#[derive(Debug, Default)]
struct Drive {
    image: Image,
    append_fails_in: Option<u64>,
    sync_fails_in: Option<u64>,
}

/// A drive that outlives the stores opened on it.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<Drive>>);

impl MemoryDisk {
    /// An empty drive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a process on the drive.
    #[must_use]
    pub fn open(&self) -> MemoryStore {
        let mut store = MemoryStore {
            disk: self.clone(),
            unsynced: Vec::new(),
            tables: Tables::default(),
            poisoned: false,
        };
        store.tables = Tables::of(&self.drive().image);
        store
    }

    /// The `n`-th append from now (1 is the next) finds no room; later ones work again.
    pub fn fail_append(&self, n: u64) {
        self.drive().append_fails_in = Some(n);
    }

    /// The `n`-th sync from now (1 is the next) fails, which is final for its store.
    pub fn fail_sync(&self, n: u64) {
        self.drive().sync_fails_in = Some(n);
    }

    /// What is durable now.
    #[must_use]
    pub fn image(&self) -> Image {
        self.drive().image.clone()
    }

    /// Goes back to an older image, as a restored virtual machine does: nobody is told. Stores
    /// opened before must be dropped first.
    pub fn restore(&self, image: Image) {
        self.drive().image = image;
    }

    /// A copy of the folder elsewhere: the store opened on it knows that it was moved.
    #[must_use]
    pub fn copy(&self) -> Self {
        let image = Image { moved: true, ..self.image() };
        Self(Arc::new(Mutex::new(Drive { image, ..Drive::default() })))
    }

    fn drive(&self) -> MutexGuard<'_, Drive> {
        // Nothing panics while it is held; a test that did elsewhere still sees a whole drive.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One process's store on a [`MemoryDisk`].
#[derive(Debug)]
pub struct MemoryStore {
    disk: MemoryDisk,
    unsynced: Vec<Record>,
    tables: Tables,
    poisoned: bool,
}

/// What the index of a [`super::disk::DiskStore`] holds.
#[derive(Debug, Default)]
struct Tables {
    envelopes: BTreeMap<EnvelopeId, (usize, u8)>,
    feeds: BTreeMap<(FeedId, u64, EnvelopeId), usize>,
    letters: BTreeMap<MsgId, Vec<usize>>,
}

impl Tables {
    fn of(image: &Image) -> Self {
        let mut tables = Self::default();
        for (number, record) in image.kept() {
            tables.enter(number, record);
        }
        tables
    }

    fn enter(&mut self, number: usize, record: &Record) {
        match index_keys(record) {
            Keys::Envelope { id, feed, seq, parts, .. } => {
                if self.envelopes.get(&id).is_none_or(|(_, old)| *old <= parts) {
                    self.envelopes.insert(id, (number, parts));
                    self.feeds.insert((feed, seq, id), number);
                }
            }
            Keys::Letter(id) => self.letters.entry(id).or_default().push(number),
            Keys::Document(_) | Keys::None => {}
        }
    }
}

impl MemoryStore {
    /// Ends the process in a crash after which the first `keep` unsynced records are there.
    pub fn crash(mut self, keep: usize) {
        self.unsynced.truncate(keep);
        let survivors = std::mem::take(&mut self.unsynced);
        self.disk.drive().image.records.extend(survivors);
    }

    fn healthy(&self) -> Result<(), StoreError> {
        if self.poisoned { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    fn records(&self, numbers: impl IntoIterator<Item = usize>) -> Vec<Record> {
        let drive = self.disk.drive();
        numbers.into_iter().filter_map(|n| drive.image.records.get(n).cloned()).collect()
    }
}

impl Store for MemoryStore {
    fn append(&mut self, records: &[Record]) -> Result<Vec<Position>, StoreError> {
        self.healthy()?;
        if let Some(big) = records.iter().map(|r| r.bytes.len()).find(|len| *len > RECORD_MAX) {
            return Err(JournalError::TooLarge(big).into());
        }
        if due(&mut self.disk.drive().append_fails_in) {
            return Err(StoreError::Full(PathBuf::from("memory")));
        }
        let first = self.disk.drive().image.records.len() + self.unsynced.len();
        self.unsynced.extend_from_slice(records);
        Ok((first..first + records.len()).map(position).collect())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.healthy()?;
        let mut drive = self.disk.drive();
        if due(&mut drive.sync_fails_in) {
            drop(drive);
            self.poisoned = true;
            return Err(StoreError::Poisoned);
        }
        for record in self.unsynced.drain(..) {
            self.tables.enter(drive.image.records.len(), &record);
            if record.kind == RecordKind::Incarnation {
                (drive.image.settled, drive.image.moved) = (true, false);
            }
            drive.image.records.push(record);
        }
        Ok(())
    }

    fn let_go(&mut self, places: &[Position], instead: &[Record]) -> Result<Freed, StoreError> {
        self.append(instead)?;
        self.sync()?;
        let mut drive = self.disk.drive();
        let image = &mut drive.image;
        let mut freed = Freed::default();
        for number in places.iter().map(|place| place.offset() as usize) {
            if let Some(record) = image.records.get(number)
                && !image.gone.contains(&number)
            {
                freed += Freed { records: 1, bytes: record.bytes.len() as u64 };
                image.gone.insert(number);
            }
        }
        self.tables = Tables::of(image);
        Ok(freed)
    }

    fn scan(
        &self,
        from: Position,
        each: &mut dyn FnMut(Position, Record) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let image = self.disk.image();
        for (number, record) in image.kept() {
            let at = position(number);
            if at >= from && each(at, record.clone()).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn envelope(&self, id: &EnvelopeId) -> Result<Option<Bytes>, StoreError> {
        let number = self.tables.envelopes.get(id).map(|(number, _)| *number);
        Ok(self.records(number).pop().map(|record| record.bytes))
    }

    fn feed(
        &self,
        feed: &FeedId,
        from: u64,
        to: u64,
        max_bytes: usize,
        max_count: usize,
    ) -> Result<Page, StoreError> {
        let mut page = Page::default();
        if from > to {
            return Ok(page);
        }
        let ends = (*feed, from, EnvelopeId([0; 32]))..=(*feed, to, EnvelopeId([0xff; 32]));
        let mut sum = 0_usize;
        for record in self.records(self.tables.feeds.range(ends).map(|(_, number)| *number)) {
            sum = sum.saturating_add(record.bytes.len());
            let first = page.envelopes.is_empty();
            page.more = page.envelopes.len() >= max_count || (sum > max_bytes && !first);
            if page.more {
                break;
            }
            page.envelopes.push(record.bytes);
        }
        Ok(page)
    }

    fn about(&self, letter: &MsgId) -> Result<Vec<Record>, StoreError> {
        let numbers = self.tables.letters.get(letter).into_iter().flatten().copied();
        Ok(self.records(numbers))
    }

    fn marker(&self) -> Marker {
        match self.disk.drive().image {
            Image { moved: true, .. } => Marker::Moved,
            Image { settled: true, .. } => Marker::Same,
            Image { ref records, .. } if records.is_empty() => Marker::New,
            Image { .. } => Marker::Moved,
        }
    }

    fn served(&self) -> Position {
        position(self.disk.drive().image.records.len())
    }

    fn take_reports(&self) -> Vec<Report> {
        Vec::new()
    }
}

fn position(number: usize) -> Position {
    Position::new(1, u32::try_from(number).unwrap_or(u32::MAX))
}

/// Counts down to a failure.
fn due(left: &mut Option<u64>) -> bool {
    match left {
        Some(1) => {
            *left = None;
            true
        }
        Some(n) => {
            *n = n.saturating_sub(1);
            false
        }
        None => false,
    }
}
