//! The store of a station: journal, index, marker and lock in one folder.
//!
//! Puts the three together and keeps them in step: the journal first, then the index, then (after
//! a new incarnation) the marker. When the index faults or disagrees with the journal it is put
//! aside as `index.aside` and made again, with a report; the journal is never doubted because of
//! the index. Contract and invariants: [`super::Store`]. Made by `node/src/runtime.rs`.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs::{self, File},
    io,
    ops::ControlFlow,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use cbm_proto::{
    id::{Digest, EnvelopeId, FeedId, MsgId},
    journal::{ALIGN, Keys, Record, RecordKind, index_keys},
    limits::RECORD_MAX,
};
use rustix::fs::{FlockOperation, flock};

use super::{
    Freed, Marker, Page, Position, Report, Store, StoreError,
    index::{Entry, Fault, Index, Indexed},
    journal::Journal,
    marker::{MarkerFile, machine_name},
    segment::{self, at, sync_folder},
};

/// Length of a segment where nothing else is asked for, bytes.
pub const SEGMENT: u32 = 16 * 1024 * 1024;
/// Name of the index's folder.
const INDEX: &str = "index";
/// Records entered into the index at a time.
const BATCH: usize = 1_024;
/// Reports kept until somebody takes them.
const REPORTS_MAX: usize = 256;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Length of new segments, bytes. Brought into 4 KiB to 1 GiB and to a multiple of 64; a
    /// record must fit one, so less than 2 MiB is for tests.
    pub segment: u32,
    /// 32 random bytes that name the journal, used only when there is none yet.
    pub genesis: [u8; 32],
    /// What names the machine; `None` asks the operating system.
    pub machine: Option<String>,
}

impl Options {
    /// The usual options.
    #[must_use]
    pub const fn new(genesis: [u8; 32]) -> Self {
        Self { segment: SEGMENT, genesis, machine: None }
    }
}

const _: () = assert!(SEGMENT as usize > RECORD_MAX + 4 * ALIGN as usize);

/// See the module.
#[derive(Debug)]
pub struct DiskStore {
    folder: PathBuf,
    journal: Journal,
    index: RefCell<Option<Index>>,
    /// Appended, not yet durable.
    pending: Vec<Indexed>,
    /// Durable, not yet in the index: entered before the next read, or when there are many.
    fresh: RefCell<Vec<Indexed>>,
    drawn: bool,
    marker: MarkerFile,
    reports: RefCell<Vec<Report>>,
    holes: RefCell<BTreeSet<Position>>,
    /// Last, so that it is given up last.
    _lock: Lock,
}

impl DiskStore {
    /// Opens the store in `folder`, or makes it. What was found and mended is in
    /// [`Store::take_reports`].
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another process has it; otherwise what the disk says.
    pub fn open(folder: &Path, options: &Options) -> Result<Self, StoreError> {
        // Who talks to whom stands in there in the clear: for this user only.
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(at("making", folder))?;
        let lock = lock(folder)?;
        if let Some(parent) = folder.parent().filter(|parent| parent.is_dir()) {
            sync_folder(parent)?;
        }
        let size = options.segment.clamp(4 * 1024, 1 << 30).next_multiple_of(ALIGN);
        let (path, genesis) = (folder.join("journal"), Digest(options.genesis));
        let mut reports = Vec::new();
        // Before the journal decides what of its end was never acknowledged.
        let index = segment::name(&path)?.map(|name| Index::open(&folder.join(INDEX), name));
        let known = index.as_ref().and_then(|index| Some(index.as_ref().ok()?.next()));
        let known = known.unwrap_or(Position::START);
        let journal = Journal::open(&path, size, genesis, known, &mut reports)?;
        sync_folder(folder)?;
        let machine = options.machine.clone().unwrap_or_else(machine_name);
        let marker = MarkerFile::open(folder, &machine).map_err(at("reading", folder))?;
        let store = Self {
            folder: folder.to_owned(),
            journal,
            index: RefCell::new(None),
            pending: Vec::new(),
            fresh: RefCell::default(),
            drawn: false,
            marker,
            reports: RefCell::default(),
            holes: RefCell::default(),
            _lock: lock,
        };
        store.report(reports);
        let fresh = || Index::open(&store.index_path(), store.journal.genesis());
        match index.unwrap_or_else(fresh).and_then(|index| store.catch_up(index)) {
            Ok((index, _)) => *store.index.borrow_mut() = Some(index),
            Err(fault) => store.rebuild(&fault)?,
        }
        Ok(store)
    }

    fn index_path(&self) -> PathBuf {
        self.folder.join(INDEX)
    }

    /// Enters what the journal holds behind the index's cursor; returns how many records.
    fn catch_up(&self, mut index: Index) -> Result<(Index, u64), Fault> {
        let (from, end) = (index.next(), self.journal.served());
        if from > end {
            // Only durable records are entered: they were there, and are not any more.
            let what = "records at its end that the index knows are gone";
            self.report([Report::Damage { at: end, what }]);
            index.discard();
            return Err(Fault("it knows records that the journal does not hold".into()));
        }
        let (mut batch, mut count, mut fault) = (Vec::new(), 0, None);
        let scanned = self.scan(from, &mut |position, record| {
            batch.push(indexed(position, &record));
            count += 1;
            if batch.len() < BATCH {
                return ControlFlow::Continue(());
            }
            // The record after this one is behind this one's header in any case.
            fault = index.apply(&batch, Position(position.0 + 1), &self.gone()).err();
            batch.clear();
            if fault.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let fault = fault.or_else(|| scanned.err().map(|error| Fault(error.to_string())));
        match fault.map_or_else(|| index.apply(&batch, end, &self.gone()), Err) {
            Ok(()) => Ok((index, count)),
            Err(fault) => {
                index.discard();
                Err(fault)
            }
        }
    }

    /// Puts the index aside and makes it again from the journal.
    fn rebuild(&self, why: &Fault) -> Result<(), StoreError> {
        self.fresh.borrow_mut().clear();
        if let Some(index) = self.index.borrow_mut().take() {
            index.discard();
        }
        let (path, aside) = (self.index_path(), self.folder.join("index.aside"));
        if path.exists() {
            let removed = if aside.exists() { fs::remove_dir_all(&aside) } else { Ok(()) };
            removed.map_err(at("removing", &aside))?;
            fs::rename(&path, &aside).map_err(at("renaming", &path))?;
        }
        let fresh = Index::open(&path, self.journal.genesis());
        let (index, records) = fresh
            .and_then(|index| self.catch_up(index))
            .map_err(|fault| StoreError::Index(fault.0))?;
        *self.index.borrow_mut() = Some(index);
        self.report([Report::IndexRebuilt { why: why.0.clone(), records }]);
        Ok(())
    }

    /// Asks the index; when it faults, makes it again and asks once more.
    fn ask<T>(&self, question: impl Fn(&Index) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.enter()?;
        let answer = self.index.borrow().as_ref().map(&question);
        match answer {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(fault)) => self.rebuild(&fault)?,
            None => self.rebuild(&Fault("it was not open".into()))?,
        }
        let again = self.index.borrow().as_ref().map(question);
        let again = again.unwrap_or_else(|| Err(Fault("it does not open".into())));
        again.map_err(|fault| StoreError::Index(fault.0))
    }

    /// Finds entries and reads their records; when one does not hold what its entry says, the
    /// index is made again and all is done once more, then without what cannot be read.
    fn look_up(
        &self,
        find: impl Fn(&Index) -> Result<Vec<Entry>, Fault>,
        fits: impl Fn(&Record) -> bool,
    ) -> Result<Vec<Record>, StoreError> {
        for last in [false, true] {
            let entries = self.ask(&find)?;
            let mut found = Vec::with_capacity(entries.len());
            let mut lies = false;
            for entry in entries {
                match self.journal.read(entry.position, entry.length)?.filter(&fits) {
                    Some(record) => found.push(record),
                    // After a crash the index may not know yet what was let go last.
                    None => lies |= !self.journal.was_let_go(entry.position)?,
                }
            }
            if last || !lies {
                return Ok(found);
            }
            self.rebuild(&Fault("an entry does not match the journal".into()))?;
        }
        Ok(Vec::new())
    }

    /// Says of a place whether the record there was let go; where the disk does not say, it was not.
    fn gone(&self) -> impl Fn(Position) -> bool {
        |place| self.journal.was_let_go(place).unwrap_or(false)
    }

    /// The kept records at these places, as the index knows them.
    fn kept_at(&self, places: &BTreeSet<Position>) -> Result<Vec<Indexed>, StoreError> {
        let mut found = Vec::with_capacity(places.len());
        for place in places {
            let record = self.journal.read_whole(*place)?;
            found.extend(record.map(|record| indexed(*place, &record)));
        }
        Ok(found)
    }

    /// Enters what stands in the place of records that go, and takes out the names of those. Where
    /// the disk failed half way, the next look finds out which of them went.
    fn replace(&self, stands: &[Indexed], going: &[Indexed], all: bool) -> Result<(), StoreError> {
        let gone: BTreeSet<Position> = going.iter().map(|record| record.position).collect();
        let next = self.journal.served();
        let replaced = match self.index.borrow_mut().as_mut() {
            Some(index) if all => {
                let entered = index.apply(stands, next, &|place| gone.contains(&place));
                entered.and_then(|()| index.forget(going))
            }
            Some(index) => index.apply(stands, next, &self.gone()),
            None => Ok(()),
        };
        replaced.or_else(|fault| self.rebuild(&fault))
    }

    /// Enters what is durable into the index.
    fn enter(&self) -> Result<(), StoreError> {
        let fresh = std::mem::take(&mut *self.fresh.borrow_mut());
        let next = self.journal.served();
        let applied = match self.index.borrow_mut().as_mut() {
            Some(index) if !fresh.is_empty() => index.apply(&fresh, next, &self.gone()),
            _ => Ok(()),
        };
        applied.or_else(|fault| self.rebuild(&fault))
    }

    /// Brings index and marker after the journal. The index is not part of what a sync promises,
    /// so nothing of it stands in the way of an acknowledgement.
    fn follow(&mut self) -> Result<(), StoreError> {
        self.fresh.get_mut().append(&mut self.pending);
        if self.fresh.get_mut().len() >= BATCH
            && let Err(error) = self.enter()
        {
            // The next read tries again.
            self.report([Report::IndexUnusable { why: error.to_string() }]);
        }
        if std::mem::take(&mut self.drawn) {
            let settled = self.marker.settle(&self.holes.borrow());
            settled.map_err(at("writing", &self.folder.join("marker")))?;
        }
        Ok(())
    }

    fn report(&self, fresh: impl IntoIterator<Item = Report>) {
        let mut reports = self.reports.borrow_mut();
        for report in fresh {
            let known = match &report {
                Report::Damage { at, .. } => !self.holes.borrow_mut().insert(*at),
                _ => false,
            };
            if !known && reports.len() < REPORTS_MAX {
                reports.push(report);
            }
        }
    }
}

impl Store for DiskStore {
    fn append(&mut self, records: &[Record]) -> Result<Vec<Position>, StoreError> {
        let positions = self.journal.append(records)?;
        let pairs = positions.iter().zip(records);
        self.pending.extend(pairs.map(|(position, record)| indexed(*position, record)));
        self.drawn |= records.iter().any(|record| record.kind == RecordKind::Incarnation);
        Ok(positions)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let synced = self.journal.sync().and_then(|()| self.follow());
        if synced.is_err() {
            self.journal.poison();
        }
        synced
    }

    fn let_go(&mut self, places: &[Position], instead: &[Record]) -> Result<Freed, StoreError> {
        self.sync()?;
        self.enter()?;
        let stands = self.journal.append(instead)?;
        self.journal.sync().inspect_err(|_| self.journal.poison())?;
        let stands = stands.iter().zip(instead).map(|(place, record)| indexed(*place, record));
        let places: BTreeSet<Position> = places.iter().copied().collect();
        let going = self.kept_at(&places)?;
        let freed = self.journal.let_go(&places);
        // Not before the journal has let go: until then the whole envelope is the better one.
        self.replace(&stands.collect::<Vec<_>>(), &going, freed.is_ok())?;
        freed
    }

    fn scan(
        &self,
        from: Position,
        each: &mut dyn FnMut(Position, Record) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut found = Vec::new();
        let scanned = self.journal.scan(from, &mut found, each);
        self.report(found);
        scanned
    }

    fn envelope(&self, id: &EnvelopeId) -> Result<Option<Bytes>, StoreError> {
        let fits =
            |r: &Record| matches!(index_keys(r), Keys::Envelope { id: found, .. } if found == *id);
        let find = |index: &Index| Ok(index.envelope(id)?.into_iter().collect());
        Ok(self.look_up(find, fits)?.pop().map(|record| record.bytes))
    }

    fn feed(
        &self,
        feed: &FeedId,
        from: u64,
        to: u64,
        max_bytes: usize,
        max_count: usize,
    ) -> Result<Page, StoreError> {
        let more = RefCell::new(false);
        let find = |index: &Index| {
            let mut entries = index.feed(feed, from, to, max_count.saturating_add(1))?;
            let found = entries.len();
            let mut sum = 0_usize;
            let fits = |entry: &&Entry| {
                let first = sum == 0;
                sum = sum.saturating_add(entry.length as usize);
                first || sum <= max_bytes
            };
            let count = entries.iter().take(max_count).take_while(fits).count();
            entries.truncate(count);
            *more.borrow_mut() = entries.len() < found;
            Ok(entries)
        };
        let fits =
            |r: &Record| matches!(index_keys(r), Keys::Envelope { feed: f, .. } if f == *feed);
        let records = self.look_up(find, fits)?;
        let envelopes = records.into_iter().map(|record| record.bytes).collect();
        Ok(Page { envelopes, more: more.into_inner() })
    }

    fn about(&self, letter: &MsgId) -> Result<Vec<Record>, StoreError> {
        let fits = |record: &Record| index_keys(record) == Keys::Letter(*letter);
        self.look_up(|index| index.letter(letter), fits)
    }

    fn marker(&self) -> Marker {
        self.marker.judge(&self.holes.borrow(), self.journal.is_empty())
    }

    fn served(&self) -> Position {
        self.journal.served()
    }

    fn take_reports(&self) -> Vec<Report> {
        std::mem::take(&mut self.reports.borrow_mut())
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        // What cannot be entered now is read from the journal's tail next time.
        let _ = self.enter();
        if let Some(index) = self.index.borrow_mut().take() {
            // An index that does not close in order is counted when it is opened again.
            let _ = index.close();
        }
    }
}

fn indexed(position: Position, record: &Record) -> Indexed {
    let length = u32::try_from(record.bytes.len()).unwrap_or(u32::MAX);
    Indexed { position, length, keys: index_keys(record) }
}

/// The lock on a folder.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child between fork and exec still holds the file.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

pub(super) fn lock(folder: &Path) -> Result<Lock, StoreError> {
    let path = folder.join("lock");
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(at("opening", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::Locked(folder.to_owned())),
        Err(error) => Err(at("locking", &path)(io::Error::from(error))),
    }
}
