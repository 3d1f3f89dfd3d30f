//! The journal's files: segments made at full length, one writer, one `fdatasync` per batch.
//!
//! Invariants:
//! - a segment is complete and durable, its name included, before a record goes into it, and the
//!   one before it is durable to its end before that;
//! - an append that fails leaves nothing behind; when even that cannot be had, or a sync fails,
//!   the journal is poisoned;
//! - on opening, the tail that a crash left unconfirmed is written once more before it is trusted:
//!   a page whose write-back failed looks clean to the next process.
//!
//! Knows bytes and offsets, not what records mean. Called by [`super::disk`] only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    ops::ControlFlow,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use cbm_proto::{
    id::Digest,
    journal::{
        End, HEADER_LEN, Item, JournalError, Reader, Record, SegmentHeader, Standing, Writer,
    },
    journal::{next_offset, read_at},
};

use super::{
    Freed, Position, Report, StoreError, holes,
    segment::{
        self, Ahead, SYNCING, at, highest, path_of, read_heads, remove_unfinished, sync_folder,
    },
};

/// The segment files of one folder.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    size: u32,
    heads: BTreeMap<u32, SegmentHeader>,
    current: u32,
    file: File,
    writer: Writer,
    durable: u32,
    /// Behind the last record that a sync covered: reads end here.
    served: Position,
    ahead: Ahead,
    poisoned: bool,
}

/// What to go back to when an append fails half way.
struct Mark {
    current: u32,
    writer: Writer,
    durable: u32,
}

impl Journal {
    /// Opens the journal in `folder`, or makes it with `genesis` as the chain's first value.
    /// `size`: length of new segments, bytes, a multiple of 64. `known`: all before this place was
    /// durable, says the index. What was mended is reported.
    pub(super) fn open(
        folder: &Path,
        size: u32,
        genesis: Digest,
        known: Position,
        reports: &mut Vec<Report>,
    ) -> Result<Self, StoreError> {
        fs::create_dir_all(folder).map_err(at("making", folder))?;
        remove_unfinished(folder)?;
        let mut heads = read_heads(folder, reports)?;
        let newest = highest(folder)?;
        let mut ahead = Ahead::default();
        let (current, head, file) = match heads.last_key_value() {
            Some((&number, &head)) => {
                let path = path_of(folder, number);
                let options = File::options().read(true).write(true).open(&path);
                (number, head, options.map_err(at("opening", &path))?)
            }
            None => {
                let head = SegmentHeader { size, first: 0, chain: genesis };
                let file = ahead.create(folder, newest + 1, &head)?;
                heads.insert(newest + 1, head);
                (newest + 1, head, file)
            }
        };
        let (folder, writer) = (folder.to_owned(), Writer::new(&head));
        let (durable, served, poisoned) = (HEADER_LEN, Position::START, false);
        let mut journal =
            Self { folder, size, heads, current, file, writer, durable, served, ahead, poisoned };
        let sound = journal.recover(known, reports)?;
        if !sound || newest > current {
            // What is damaged is left as it is, and never written to again.
            journal.roll()?;
        }
        journal.served = journal.end();
        Ok(journal)
    }

    /// Walks the newest segment, cuts off what was never confirmed, confirms the rest. Returns
    /// whether the segment can be written on.
    fn recover(&mut self, known: Position, reports: &mut Vec<Report>) -> Result<bool, StoreError> {
        let mut bytes = self.read_segment(self.current)?;
        let stood = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        let mut sound = bytes.len() == self.head().size as usize;
        let mut reader = Reader::new(&bytes, false)?;
        if known.segment() == self.current {
            // The last batch is in no mark: without the index a turned bit in it looks torn.
            reader.known_durable(known.offset());
        }
        while let Some(item) = reader.next_item() {
            sound &= !matches!(item, Item::Gap { .. });
            reports.extend(damage(self.current, &item));
        }
        let (end, confirmed) = (reader.end(), reader.durable_mark() as usize);
        self.writer = reader.into_writer();
        match end {
            Some(End::Torn(cut)) => {
                reports.push(Report::TailCut { at: Position::new(self.current, cut) });
                bytes[cut as usize..].fill(0);
            }
            Some(End::Corrupt(from)) => {
                reports.push(lost_tail(self.current, from));
                sound = false;
            }
            Some(End::Clean(_)) | None => {}
        }
        if sound && confirmed < stood {
            let tail = &bytes[confirmed..stood];
            self.file.write_all_at(tail, confirmed as u64).map_err(self.at("writing"))?;
        }
        self.file.sync_data().map_err(self.at(SYNCING))?;
        sync_folder(&self.folder)?;
        self.durable = self.writer.offset();
        Ok(sound)
    }

    /// Behind the last record that a sync covered.
    pub(super) fn served(&self) -> Position {
        self.served
    }

    /// The place of the next record.
    fn end(&self) -> Position {
        Position::new(self.current, self.writer.offset())
    }

    /// Whether no record was ever written.
    pub(super) fn is_empty(&self) -> bool {
        self.writer.index() == 0
    }

    /// The chain's first value: it names this journal.
    pub(super) fn genesis(&self) -> Digest {
        self.heads.first_key_value().map_or(Digest([0; 32]), |(_, head)| head.chain)
    }

    /// See [`super::Store::append`].
    pub(super) fn append(&mut self, records: &[Record]) -> Result<Vec<Position>, StoreError> {
        self.healthy()?;
        let (current, writer, durable) = (self.current, self.writer, self.durable);
        let mark = Mark { current, writer, durable };
        self.write(records).inspect_err(|error| {
            // After a failed sync nobody knows what the disk holds; undoing would be guessing.
            self.poisoned |= matches!(error, StoreError::Io { what: SYNCING, .. });
            if !self.poisoned {
                self.undo(&mark);
            }
        })
    }

    fn write(&mut self, records: &[Record]) -> Result<Vec<Position>, StoreError> {
        let mut buffer = Vec::new();
        let mut start = self.writer.offset();
        let mut positions = Vec::with_capacity(records.len());
        for record in records {
            let length = u32::try_from(record.bytes.len()).unwrap_or(u32::MAX - 2 * HEADER_LEN);
            if length > self.size - 2 * HEADER_LEN {
                return Err(JournalError::TooLarge(record.bytes.len()).into());
            }
            if next_offset(self.writer.offset(), length) > self.head().size {
                self.write_at(&mut buffer, start)?;
                self.roll()?;
                start = self.writer.offset();
            }
            positions.push(self.end());
            self.writer.encode(record, self.durable, &mut buffer)?;
        }
        self.write_at(&mut buffer, start)?;
        if self.writer.offset() > self.head().size / 2 {
            self.ahead.begin(&self.folder, self.size);
        }
        Ok(positions)
    }

    fn write_at(&mut self, buffer: &mut Vec<u8>, start: u32) -> Result<(), StoreError> {
        self.file.write_all_at(buffer, u64::from(start)).map_err(self.at("writing"))?;
        buffer.clear();
        Ok(())
    }

    /// Takes back what a failed append wrote. Newer segments first, so that no crash in between
    /// leaves a segment whose predecessor is not whole.
    fn undo(&mut self, mark: &Mark) {
        self.poisoned = self.try_undo(mark).is_err();
    }

    fn try_undo(&mut self, mark: &Mark) -> Result<(), StoreError> {
        let end = if self.current == mark.current { self.writer.offset() } else { u32::MAX };
        while self.current > mark.current {
            let path = self.path();
            fs::remove_file(&path).map_err(at("removing", &path))?;
            self.heads.remove(&self.current);
            self.current = self.heads.last_key_value().map_or(mark.current, |(n, _)| *n);
        }
        sync_folder(&self.folder)?;
        let path = self.path();
        let options = File::options().read(true).write(true).open(&path);
        self.file = options.map_err(at("opening", &path))?;
        (self.writer, self.durable) = (mark.writer, mark.durable);
        let from = mark.writer.offset();
        let mut stands = vec![0; end.min(self.head().size).saturating_sub(from) as usize];
        self.file.read_exact_at(&mut stands, u64::from(from)).map_err(self.at("reading"))?;
        if stands.iter().all(|byte| *byte == 0) {
            // A disk that takes nothing has nothing to take back: it may take the next batch.
            return Ok(());
        }
        stands.fill(0);
        self.file.write_all_at(&stands, u64::from(from)).map_err(self.at("writing"))
    }

    /// See [`super::Store::sync`].
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        self.healthy()?;
        if self.durable != self.writer.offset() {
            self.confirm()?;
        }
        self.served = self.end();
        Ok(())
    }

    /// From now on every call errs.
    pub(super) fn poison(&mut self) {
        self.poisoned = true;
    }

    fn confirm(&mut self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|error| {
            self.poisoned = true;
            self.at(SYNCING)(error)
        })?;
        self.durable = self.writer.offset();
        Ok(())
    }

    /// Closes the current segment and makes the next one.
    fn roll(&mut self) -> Result<(), StoreError> {
        self.confirm()?;
        let number = highest(&self.folder)?.max(self.current) + 1;
        let (first, chain) = (self.writer.index(), self.writer.chain());
        let head = SegmentHeader { size: self.size, first, chain };
        self.file = self.ahead.create(&self.folder, number, &head)?;
        self.heads.insert(number, head);
        (self.current, self.writer, self.durable) = (number, Writer::new(&head), HEADER_LEN);
        Ok(())
    }

    /// The record of `length` content bytes at `position`, if a sound one stands there.
    pub(super) fn read(
        &self,
        position: Position,
        length: u32,
    ) -> Result<Option<Record>, StoreError> {
        let Some(head) = self.heads.get(&position.segment()) else { return Ok(None) };
        let end = u64::from(position.offset()) + u64::from(HEADER_LEN) + u64::from(length);
        if position >= self.served || end > u64::from(head.size) {
            return Ok(None);
        }
        let path = path_of(&self.folder, position.segment());
        let mut window = vec![0; (HEADER_LEN + length) as usize];
        let opened;
        let file = if position.segment() == self.current {
            &self.file
        } else {
            opened = File::open(&path).map_err(at("opening", &path))?;
            &opened
        };
        match file.read_exact_at(&mut window, u64::from(position.offset())) {
            Ok(()) => Ok(read_at(&window, &head.chain)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(at("reading", &path)(error)),
        }
    }

    /// The record at `position` by its place alone, if a sound one stands there.
    pub(super) fn read_whole(&self, position: Position) -> Result<Option<Record>, StoreError> {
        let path = path_of(&self.folder, position.segment());
        if !self.heads.contains_key(&position.segment()) {
            return Ok(None);
        }
        let mut length = [0; 4];
        let file = File::open(&path).map_err(at("opening", &path))?;
        match file.read_exact_at(&mut length, u64::from(position.offset())) {
            Ok(()) => self.read(position, u32::from_be_bytes(length).min(self.size)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(at("reading", &path)(error)),
        }
    }

    /// Keeps the contents of the records at these places no longer. All that is to stand in their
    /// place must be durable.
    pub(super) fn let_go(&mut self, places: &BTreeSet<Position>) -> Result<Freed, StoreError> {
        self.healthy()?;
        let mut by_segment: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for place in places.iter().filter(|place| **place < self.served) {
            by_segment.entry(place.segment()).or_default().insert(place.offset());
        }
        let mut freed = Freed::default();
        for (number, offsets) in by_segment {
            freed += self.let_go_in(number, &offsets).inspect_err(|error| {
                self.poisoned |= matches!(error, StoreError::Io { what: SYNCING, .. });
            })?;
        }
        Ok(freed)
    }

    fn let_go_in(&self, number: u32, offsets: &BTreeSet<u32>) -> Result<Freed, StoreError> {
        let Some(head) = self.heads.get(&number) else { return Ok(Freed::default()) };
        let path = path_of(&self.folder, number);
        let file = File::options().read(true).write(true).open(&path);
        let file = file.map_err(at("opening", &path))?;
        let letting = holes::read(&file, &path, head, self.served_in(number))?;
        let mut plan = letting.plan(offsets);
        if plan.records == 0 {
            return Ok(Freed::default());
        }
        let next = self.heads.get(&(number + 1));
        if next.is_some_and(|next| next.chain == letting.chain()) && letting.end() < head.size {
            // The next segment says that no record was missed: only zeros are left here.
            plan.holes.push((letting.end(), head.size));
        }
        Ok(Freed { records: plan.records, bytes: holes::make(&file, &path, head, &plan)? })
    }

    /// How much of a segment is served, bytes.
    fn served_in(&self, number: u32) -> u32 {
        if number == self.served.segment() { self.served.offset() } else { u32::MAX }
    }

    /// Whether a record at this place was let go.
    pub(super) fn was_let_go(&self, position: Position) -> Result<bool, StoreError> {
        let Some(head) = self.heads.get(&position.segment()) else { return Ok(false) };
        let path = path_of(&self.folder, position.segment());
        let file = File::open(&path).map_err(at("opening", &path))?;
        let found = holes::read(&file, &path, head, self.served_in(position.segment()))?;
        Ok(found.at(position.offset()) == Standing::Dropped)
    }

    /// Walks all durable records from `from` on; damage goes to `found`.
    pub(super) fn scan(
        &self,
        from: Position,
        found: &mut Vec<Report>,
        each: &mut dyn FnMut(Position, Record) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        if from >= self.served {
            return Ok(());
        }
        let mut before: Option<(Position, Digest, u64)> = None;
        for (&number, head) in self.heads.range(from.segment()..=self.served.segment()) {
            if let Some((end, chain, index)) = before
                && (end.segment() + 1 != number || chain != head.chain || index != head.first)
            {
                found.push(missing(Some(end), number));
            }
            let mut bytes = self.read_segment(number)?;
            if number == self.served.segment() {
                bytes.truncate(self.served.offset() as usize);
            }
            let mut reader = Reader::new(&bytes, true)?;
            while let Some(item) = reader.next_item() {
                found.extend(damage(number, &item));
                if let Item::Kept { offset, record } = item
                    && Position::new(number, offset) >= from
                    && each(Position::new(number, offset), record).is_break()
                {
                    return Ok(());
                }
            }
            if let Some(End::Corrupt(offset)) = reader.end() {
                found.push(lost_tail(number, offset));
            }
            let end = Position::new(number, reader.end().map_or(0, End::offset));
            before = Some((end, reader.chain(), reader.index()));
        }
        Ok(())
    }

    fn read_segment(&self, number: u32) -> Result<Vec<u8>, StoreError> {
        segment::read(&path_of(&self.folder, number))
    }

    fn head(&self) -> SegmentHeader {
        let none = SegmentHeader { size: self.size, first: 0, chain: Digest([0; 32]) };
        self.heads.get(&self.current).copied().unwrap_or(none)
    }

    fn healthy(&self) -> Result<(), StoreError> {
        if self.poisoned { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    fn path(&self) -> PathBuf {
        path_of(&self.folder, self.current)
    }

    fn at(&self, what: &'static str) -> impl FnOnce(io::Error) -> StoreError + use<> {
        let path = self.path();
        move |error| at(what, &path)(error)
    }
}

pub(super) fn damage(segment: u32, item: &Item) -> Option<Report> {
    let (offset, what) = match item {
        Item::Spoiled { offset } => (*offset, "a record's bytes do not match their digest"),
        Item::Gap { offset, .. } => (*offset, "records cannot be told apart"),
        Item::Kept { .. } | Item::Dropped { .. } | Item::Run { .. } => return None,
    };
    Some(Report::Damage { at: Position::new(segment, offset), what })
}

/// Records are missing between the `end` of what was read and segment `number`.
pub(super) fn missing(end: Option<Position>, number: u32) -> Report {
    match end {
        Some(end) if end.segment() + 1 == number => {
            let what = "records between here and the next segment are missing";
            Report::Damage { at: end, what }
        }
        _ => {
            let what = "records before this segment are missing";
            Report::Damage { at: Position::new(number, 0), what }
        }
    }
}

pub(super) fn lost_tail(segment: u32, offset: u32) -> Report {
    let at = Position::new(segment, offset);
    Report::Damage { at, what: "the end of the segment cannot be read" }
}
