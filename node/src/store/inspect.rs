//! Looks at a journal without changing a byte of it: to verify it, to list it, to back it up.
//!
//! Invariants: no file is written, renamed or cut; a record is handed over only when its digest
//! holds; what is damaged is named and stepped over; where another process writes, nothing is read
//! beyond a position that it gave, or beyond what the segment itself says is durable. Called by
//! `backup` and by the verbs of `cbm journal`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use cbm_proto::{
    id::Digest,
    journal::{End, HEADER_LEN, Item, JournalError, Reader, Record, RecordKind, SegmentHeader},
};

use super::{
    Marker, Position, Report, StoreError,
    disk::{Lock, lock},
    journal::{damage, lost_tail, missing},
    marker::{MarkerFile, machine_name},
    segment::{at, numbers, path_of, taken_by},
};

/// A segment as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentSeen {
    /// Its number.
    pub number: u32,
    /// Length that its header gives, bytes.
    pub size: u32,
    /// Bytes up to the end of its last record; behind them there is nothing to keep.
    pub used: u32,
}

/// What a walk over a whole journal found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// The chain's first value: it names the journal. `None` where no segment can be read.
    pub name: Option<Digest>,
    /// The segments, in order.
    pub segments: Vec<SegmentSeen>,
    /// Records that were handed over.
    pub records: u64,
    /// Records whose content was dropped on purpose.
    pub dropped: u64,
    /// The chain's value at the end.
    pub chain: Option<Digest>,
    /// Where the records end.
    pub end: Option<Position>,
    /// What is damaged.
    pub damage: Vec<Report>,
    /// Where bytes begin that were never acknowledged; ordinary after a power cut.
    pub torn: Option<Position>,
}

/// How far to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// To the end: nobody writes.
    End,
    /// Up to here, as the process that writes says.
    Position(Position),
    /// As far as the newest segment says that it is durable: somebody writes.
    Durable,
}

/// The file of a segment, inside a store's folder.
#[must_use]
pub fn segment_file(data: &Path, number: u32) -> PathBuf {
    path_of(&journal_folder(data), number)
}

/// Keeps other processes out of a store's folder for as long as it lives.
#[derive(Debug)]
pub struct Hold(#[allow(dead_code, reason = "it is held, not read")] Lock);

/// The folder with the segments, inside a store's folder.
#[must_use]
pub fn journal_folder(data: &Path) -> PathBuf {
    data.join("journal")
}

/// Takes the store's folder, which must be there.
///
/// # Errors
/// [`StoreError::Locked`] while a node runs on it; else what the system says.
pub fn hold(data: &Path) -> Result<Hold, StoreError> {
    let journal = journal_folder(data);
    fs::metadata(&journal).map_err(at("reading", &journal))?;
    lock(data).map(Hold)
}

/// Whether the store in `data` is still where it was written.
///
/// # Errors
/// The marker cannot be read.
pub fn marker(data: &Path) -> Result<Marker, StoreError> {
    let machine = machine_name();
    let found = MarkerFile::open(data, &machine).map_err(at("reading", data))?;
    // Damage is what `inspect` looks for; here only the place counts.
    Ok(found.judge(&BTreeSet::new(), false))
}

/// Walks the journal of the store in `data` and hands over every sound record.
///
/// # Errors
/// A file cannot be read, or a segment is of a newer version.
pub fn inspect(
    data: &Path,
    until: Until,
    each: &mut dyn FnMut(Position, Record),
) -> Result<Inspected, StoreError> {
    let folder = journal_folder(data);
    let mut walk = Walk::default();
    let mut files = BTreeMap::new();
    for (number, sound) in numbers(&folder)? {
        if sound {
            files.insert(number, path_of(&folder, number));
        } else {
            walk.damaged(number, 0, "a segment was put aside, because its head cannot be read");
        }
    }
    if let Until::Position(end) = until {
        files.retain(|number, _| *number <= end.segment());
    }
    let newest = files.keys().next_back().copied();
    for (number, path) in files {
        let mut bytes = fs::read(&path).map_err(at("reading", &path))?;
        let last = Some(number) == newest;
        match until {
            Until::Position(end) if end.segment() == number => {
                bytes.truncate(end.offset() as usize);
            }
            Until::Durable if last => {
                let mark = Reader::new(&bytes, false).map(|mut reader| reader.durable_mark());
                bytes.truncate(mark.unwrap_or(HEADER_LEN) as usize);
            }
            _ => {}
        }
        walk.segment(number, &bytes, !last || until != Until::End, each)?;
    }
    Ok(walk.found)
}

/// The numbers of the segments in `data`, in order; none where there is no journal.
///
/// # Errors
/// The folder cannot be read.
pub fn segment_numbers(data: &Path) -> Result<Vec<u32>, StoreError> {
    let folder = journal_folder(data);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    Ok(numbers(&folder)?.into_iter().filter(|(_, sound)| *sound).map(|(n, _)| n).collect())
}

/// Bytes that the journal in `data` takes on the disk; what cannot be read counts nothing.
#[must_use]
pub fn room_taken(data: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(journal_folder(data)) else { return 0 };
    entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|file| taken_by(&file)).sum()
}

/// The sound records of one segment before `until`, of the kinds that `wanted` names.
///
/// # Errors
/// The file cannot be read.
pub fn records_of(
    data: &Path,
    number: u32,
    until: Position,
    wanted: impl Fn(RecordKind) -> bool,
) -> Result<Vec<(Position, Record)>, StoreError> {
    let path = segment_file(data, number);
    let mut bytes = fs::read(&path).map_err(at("reading", &path))?;
    if number == until.segment() {
        bytes.truncate(until.offset() as usize);
    }
    let mut reader = Reader::new(&bytes, true)?;
    let kept = std::iter::from_fn(|| reader.next_item()).filter_map(|item| match item {
        Item::Kept { offset, record } if wanted(record.kind) => {
            Some((Position::new(number, offset), record))
        }
        _ => None,
    });
    Ok(kept.collect())
}

/// A walk over segments, one after the other.
#[derive(Debug, Default)]
pub struct Walk {
    found: Inspected,
    before: Option<(Position, Digest, u64)>,
}

impl Walk {
    /// The next segment, as far as it is to be read. `durable`: all of it was acknowledged, so
    /// that nothing in it may be torn.
    ///
    /// # Errors
    /// It is of a newer version.
    pub fn segment(
        &mut self,
        number: u32,
        bytes: &[u8],
        durable: bool,
        each: &mut dyn FnMut(Position, Record),
    ) -> Result<(), StoreError> {
        let head = match SegmentHeader::parse(bytes) {
            Ok(head) => head,
            Err(error @ JournalError::Version(_)) => return Err(error.into()),
            Err(_) => {
                self.damaged(number, 0, "a segment's head cannot be read");
                return Ok(());
            }
        };
        self.found.name.get_or_insert(head.chain);
        let follows = self.before.map_or(head.first == 0, |(end, chain, index)| {
            end.segment() + 1 == number && chain == head.chain && index == head.first
        });
        if !follows {
            self.found.damage.push(missing(self.before.map(|(end, ..)| end), number));
        }
        let mut reader = Reader::new(bytes, durable)?;
        while let Some(item) = reader.next_item() {
            self.found.damage.extend(damage(number, &item));
            match item {
                Item::Kept { offset, record } => {
                    self.found.records += 1;
                    each(Position::new(number, offset), record);
                }
                Item::Dropped { .. } => self.found.dropped += 1,
                Item::Run { records, .. } => {
                    self.found.dropped = self.found.dropped.saturating_add(records);
                }
                Item::Spoiled { .. } | Item::Gap { .. } => {}
            }
        }
        self.ended(number, &head, &reader);
        Ok(())
    }

    fn ended(&mut self, number: u32, head: &SegmentHeader, reader: &Reader<'_>) {
        let used = reader.end().map_or(0, End::offset);
        match reader.end() {
            Some(End::Torn(offset)) => self.found.torn = Some(Position::new(number, offset)),
            Some(End::Corrupt(offset)) => self.found.damage.push(lost_tail(number, offset)),
            Some(End::Clean(_)) | None => {}
        }
        self.found.chain = Some(reader.chain());
        self.found.end = Some(Position::new(number, used));
        self.found.segments.push(SegmentSeen { number, size: head.size, used });
        self.before = Some((Position::new(number, used), reader.chain(), reader.index()));
    }

    fn damaged(&mut self, number: u32, offset: u32, what: &'static str) {
        self.found.damage.push(Report::Damage { at: Position::new(number, offset), what });
    }

    /// What was found.
    #[must_use]
    pub fn end(self) -> Inspected {
        self.found
    }
}

/// One record by its place, with what it is about; `None` where no sound record begins.
///
/// # Errors
/// A file cannot be read.
pub fn record_at(data: &Path, place: Position) -> Result<Option<Record>, StoreError> {
    let path = path_of(&journal_folder(data), place.segment());
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(at("reading", &path))?,
    };
    let Ok(head) = SegmentHeader::parse(&bytes) else { return Ok(None) };
    let window = bytes.get(place.offset() as usize..);
    Ok(window.and_then(|window| cbm_proto::journal::read_at(window, &head.chain)))
}

/// What people call a kind of record.
#[must_use]
pub const fn kind_word(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Envelope => "envelope",
        RecordKind::Document => "document",
        RecordKind::Sent => "sent",
        RecordKind::Opened => "opened",
        RecordKind::Taken => "taken",
        RecordKind::Event => "event",
        RecordKind::Incarnation => "incarnation",
        RecordKind::Note => "note",
        RecordKind::Proof => "proof",
        RecordKind::Unknown(_) => "newer",
    }
}
