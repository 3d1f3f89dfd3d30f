//! The index: where in the journal a name is found. The only file that knows `sled`.
//!
//! Nothing here is needed for durability: all of it follows from the journal. Invariants:
//! - an entry goes in only after its record is durable, in one atomic batch with the cursor and a
//!   fold (count and sum of checksums) over all entries, so that entries missing after a crash or
//!   a flipped bit are noticed;
//! - every call into sled catches panics (a damaged page makes it panic) and swallows no error: a
//!   [`Fault`] makes [`super::disk`] put the index aside and make it again.
//!
//! Keys are fixed-width and big-endian, values begin with a version byte; at most 100 bytes each,
//! far below the size at which sled writes to files that it never syncs.

use std::{
    collections::BTreeMap,
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use cbm_proto::{
    id::{Digest, EnvelopeId, FeedId, MsgId},
    journal::Keys,
};
use rustix::fs::{FlockOperation, flock};

use super::Position;

/// Version byte at the head of every value; another one means: make the index again.
const VERSION: u8 = 1;
/// Memory for sled's pages, bytes.
const CACHE: u64 = 16 * 1024 * 1024;
/// How often sled syncs what it wrote, milliseconds: work for the disk beside the journal's own syncs. What
/// a crash takes of the index is read from the journal again.
const FLUSH_MS: u64 = 2_000;
/// How long the files of an index that was closed may still be held.
const LET_GO: Duration = Duration::from_secs(2);
/// What sled's first byte of a key says.
const ENVELOPE: u8 = b'e';
const FEED: u8 = b'f';
const LETTER: u8 = b'm';
/// The one key that is not an entry.
const CURSOR: &[u8] = b"cursor";

/// Why the index cannot be trusted; words for the report.
#[derive(Debug)]
pub(super) struct Fault(pub(super) String);

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) position: Position,
    pub(super) length: u32,
    parts: u8,
}

/// One durable record to be entered.
#[derive(Clone, Debug)]
pub(super) struct Indexed {
    pub(super) position: Position,
    pub(super) length: u32,
    pub(super) keys: Keys,
}

/// Entries to be written, or taken out.
type Changes = BTreeMap<Vec<u8>, Option<[u8; 14]>>;

/// How far the index has come, and what it should hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    next: Position,
    count: u64,
    sum: u64,
    clean: bool,
}

/// An open index.
#[derive(Debug)]
pub(super) struct Index {
    db: sled::Db,
    genesis: Digest,
    cursor: Cursor,
}

impl Index {
    /// Opens or makes the index in `folder` for the journal named `genesis`.
    pub(super) fn open(folder: &Path, genesis: Digest) -> Result<Self, Fault> {
        let config = sled::Config::new()
            .path(folder)
            .mode(sled::Mode::LowSpace)
            .cache_capacity(CACHE)
            .flush_every_ms(Some(FLUSH_MS));
        wait_until_let_go(folder);
        // Its own thread: what a panic in there leaves half done must not be on our stack.
        let opener = thread::Builder::new().name("index".into());
        let thread = opener.spawn(move || guarded(|| config.open()));
        let thread = thread.map_err(|error| Fault(format!("no thread to open it: {error}")))?;
        let db = thread.join().map_err(|_| Fault("it panicked while opening".into()))??;
        let cursor = guarded(|| db.get(CURSOR))?;
        let cursor = match cursor {
            Some(bytes) => Cursor::parse(&bytes, genesis)?,
            None => Cursor { next: Position::START, count: 0, sum: 0, clean: false },
        };
        let mut index = Self { db, genesis, cursor };
        if !cursor.clean {
            index.check()?;
        }
        index.cursor.clean = false;
        index.put(BTreeMap::new())?;
        Ok(index)
    }

    /// Counts and sums all entries, and compares.
    fn check(&self) -> Result<(), Fault> {
        let (mut count, mut sum) = (0_u64, 0_u64);
        guarded(|| {
            for item in self.db.iter() {
                let (key, value) = item?;
                if key != CURSOR {
                    count += 1;
                    sum = sum.wrapping_add(weight(&key, &value));
                }
            }
            Ok(())
        })?;
        if (count, sum) == (self.cursor.count, self.cursor.sum) {
            Ok(())
        } else {
            Err(Fault(format!("it holds {count} entries where {} belong", self.cursor.count)))
        }
    }

    /// From where the journal is not yet entered.
    pub(super) fn next(&self) -> Position {
        self.cursor.next
    }

    /// Enters durable records; `next` is the place behind the last of them. An envelope with fewer
    /// parts than the one that is entered takes its place only if that was let go, as `gone` says.
    pub(super) fn apply(
        &mut self,
        records: &[Indexed],
        next: Position,
        gone: &dyn Fn(Position) -> bool,
    ) -> Result<(), Fault> {
        let mut fresh = BTreeMap::new();
        for record in records {
            let entry = |parts| Entry { position: record.position, length: record.length, parts };
            match &record.keys {
                Keys::Envelope { id, feed, seq, parts, .. } => {
                    let key = envelope_key(id);
                    let old = self.entry_at(&fresh, &key)?;
                    if old.is_none_or(|old| old.parts <= *parts || gone(old.position)) {
                        fresh.insert(key, Some(entry(*parts).encode()));
                        let feed = feed_key(feed, *seq, Some(id));
                        fresh.insert(feed, Some(entry(*parts).encode()));
                    }
                }
                Keys::Letter(id) => {
                    fresh.insert(letter_key(id, record.position), Some(entry(0).encode()));
                }
                Keys::Document(_) | Keys::None => {}
            }
        }
        self.cursor.next = next;
        self.put(fresh)
    }

    /// Takes out the names of records that were let go, unless something else bears them now.
    pub(super) fn forget(&mut self, records: &[Indexed]) -> Result<(), Fault> {
        let mut gone = Changes::new();
        for record in records {
            match &record.keys {
                Keys::Envelope { id, feed, seq, .. } => {
                    let key = envelope_key(id);
                    if self.entry_at(&gone, &key)?.is_some_and(|e| e.position == record.position) {
                        gone.insert(key, None);
                        gone.insert(feed_key(feed, *seq, Some(id)), None);
                    }
                }
                Keys::Letter(id) => {
                    gone.insert(letter_key(id, record.position), None);
                }
                Keys::Document(_) | Keys::None => {}
            }
        }
        self.put(gone)
    }

    fn entry_at(&self, fresh: &Changes, key: &[u8]) -> Result<Option<Entry>, Fault> {
        if let Some(value) = fresh.get(key) {
            return value.as_ref().map(|value| Entry::parse(value)).transpose();
        }
        let old = guarded(|| self.db.get(key))?;
        old.map(|value| Entry::parse(&value)).transpose()
    }

    fn put(&mut self, changes: Changes) -> Result<(), Fault> {
        let mut cursor = self.cursor;
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            if let Some(old) = guarded(|| self.db.get(&key))? {
                cursor.count = cursor.count.saturating_sub(1);
                cursor.sum = cursor.sum.wrapping_sub(weight(&key, &old));
            }
            match value {
                Some(value) => {
                    cursor.count += 1;
                    cursor.sum = cursor.sum.wrapping_add(weight(&key, &value));
                    batch.insert(key, &value);
                }
                None => batch.remove(key),
            }
        }
        batch.insert(CURSOR, &cursor.encode(self.genesis)[..]);
        guarded(|| self.db.apply_batch(batch))?;
        self.cursor = cursor;
        Ok(())
    }

    /// The entry of an envelope.
    pub(super) fn envelope(&self, id: &EnvelopeId) -> Result<Option<Entry>, Fault> {
        let value = guarded(|| self.db.get(envelope_key(id)))?;
        value.map(|value| Entry::parse(&value)).transpose()
    }

    /// Entries of a feed's numbers `from..=to`, at most `max`.
    pub(super) fn feed(
        &self,
        feed: &FeedId,
        from: u64,
        to: u64,
        max: usize,
    ) -> Result<Vec<Entry>, Fault> {
        if from > to {
            return Ok(Vec::new());
        }
        let low = feed_key(feed, from, None);
        let mut high = feed_key(feed, to, None);
        high.extend([0xff; EnvelopeId::LEN]);
        self.entries(self.db.range(low..=high), max)
    }

    /// Entries of the own records about a letter, in order.
    pub(super) fn letter(&self, id: &MsgId) -> Result<Vec<Entry>, Fault> {
        let prefix = [&[LETTER][..], &id.0].concat();
        self.entries(self.db.scan_prefix(prefix), usize::MAX)
    }

    fn entries(&self, iter: sled::Iter, max: usize) -> Result<Vec<Entry>, Fault> {
        let found = guarded(|| {
            iter.take(max).map(|item| item.map(|(_, value)| value)).collect::<Result<Vec<_>, _>>()
        })?;
        found.iter().map(|value| Entry::parse(value)).collect()
    }

    /// Closes in order: the next opening need not count.
    pub(super) fn close(mut self) -> Result<(), Fault> {
        self.cursor.clean = true;
        self.put(BTreeMap::new())?;
        guarded(|| self.db.flush().map(|_| ()))?;
        self.discard();
        Ok(())
    }

    /// Lets go of the files, whatever state they are in.
    pub(super) fn discard(self) {
        // A panic while sled shuts down says nothing that the fault did not say.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(self)));
    }
}

impl Entry {
    /// version 1 ‖ position 8 ‖ length 4 ‖ parts 1.
    fn encode(&self) -> [u8; 14] {
        let mut out = [VERSION; 14];
        out[1..9].copy_from_slice(&self.position.0.to_be_bytes());
        out[9..13].copy_from_slice(&self.length.to_be_bytes());
        out[13] = self.parts;
        out
    }

    fn parse(value: &[u8]) -> Result<Self, Fault> {
        match value {
            [VERSION, rest @ ..] if rest.len() == 13 => Ok(Self {
                position: Position(number(&rest[..8])),
                length: u32::try_from(number(&rest[8..12])).unwrap_or(u32::MAX),
                parts: rest[12],
            }),
            _ => Err(Fault("an entry has an unknown shape".into())),
        }
    }
}

impl Cursor {
    /// version 1 ‖ clean 1 ‖ next 8 ‖ count 8 ‖ sum 8 ‖ genesis 32.
    fn encode(&self, genesis: Digest) -> Vec<u8> {
        let mut out = vec![VERSION, u8::from(self.clean)];
        out.extend(self.next.0.to_be_bytes());
        out.extend(self.count.to_be_bytes());
        out.extend(self.sum.to_be_bytes());
        out.extend(genesis.0);
        out
    }

    fn parse(value: &[u8], genesis: Digest) -> Result<Self, Fault> {
        match value {
            [VERSION, clean, rest @ ..] if rest.len() == 56 => {
                if rest[24..] != genesis.0 {
                    return Err(Fault("it belongs to another journal".into()));
                }
                let (next, count) = (Position(number(&rest[..8])), number(&rest[8..16]));
                Ok(Self { next, count, sum: number(&rest[16..24]), clean: *clean == 1 })
            }
            _ => Err(Fault("its cursor has an unknown shape".into())),
        }
    }
}

/// Waits a little for one who still holds the files of an index that was closed: sled locks without
/// waiting, and a lock outlives its closing in a child of this process between fork and exec, and
/// in sled's own threads. The folder is locked by us, so nobody else works in it; when the time is
/// over, sled says what is wrong.
fn wait_until_let_go(folder: &Path) {
    let Ok(file) = File::open(folder.join("db")) else { return };
    let (tell, told) = mpsc::sync_channel(1);
    let waiter = thread::Builder::new().name("index".into()).spawn(move || {
        let locked = flock(&file, FlockOperation::LockExclusive);
        // Closing is not enough, see above.
        let unlocked = flock(&file, FlockOperation::Unlock);
        let _ = tell.send(locked.and(unlocked));
    });
    if waiter.is_ok() {
        let _ = told.recv_timeout(LET_GO);
    }
}

/// Runs one piece of work inside sled; an error and a panic come out alike.
fn guarded<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Fault(error.to_string())),
        Err(_) => Err(Fault("it panicked".into())),
    }
}

fn envelope_key(id: &EnvelopeId) -> Vec<u8> {
    [&[ENVELOPE][..], &id.0].concat()
}

fn feed_key(feed: &FeedId, seq: u64, id: Option<&EnvelopeId>) -> Vec<u8> {
    let id = id.map_or(&[][..], |id| &id.0);
    let FeedId { author, incarnation, lane } = feed;
    [&[FEED][..], &author.0, &incarnation.0, &lane.0, &seq.to_be_bytes(), id].concat()
}

fn letter_key(id: &MsgId, position: Position) -> Vec<u8> {
    [&[LETTER][..], &id.0, &position.0.to_be_bytes()].concat()
}

/// What one entry adds to the fold.
fn weight(key: &[u8], value: &[u8]) -> u64 {
    let forwards = crc32c::crc32c_append(crc32c::crc32c(key), value);
    let backwards = crc32c::crc32c_append(crc32c::crc32c(value), key);
    u64::from(forwards) << 32 | u64::from(backwards)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_is_held_a_moment_longer_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let genesis = Digest([3; 32]);
        Index::open(folder.path(), genesis).unwrap().close().unwrap();
        let held = File::open(folder.path().join("db")).unwrap();
        wait_until_let_go(folder.path());
        flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
        let (opened, told) = mpsc::sync_channel(1);
        let path = folder.path().to_owned();
        let opener = thread::spawn(move || opened.send(Index::open(&path, genesis)).unwrap());
        // As long as it is held, nothing is opened and nothing is said to be wrong.
        assert!(told.recv_timeout(Duration::from_millis(200)).is_err());
        flock(&held, FlockOperation::Unlock).unwrap();
        told.recv().unwrap().unwrap().discard();
        opener.join().unwrap();
    }
}
