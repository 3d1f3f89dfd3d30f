//! A snapshot beside the journal: the state that all records before one segment give, as bytes.
//!
//! It is derived from the journal, so nothing rests on it: one that is missing, of another journal,
//! damaged, or made under another key is put aside, and the journal is read from its beginning.
//! Invariants:
//! - it names the segment that it ends before by that segment's number, first index and chain value;
//!   where the journal's own header says otherwise (a rollback, another journal) it is not used;
//! - segments before that one are finished and durable, so a snapshot never knows more than the disk;
//! - written under another name, synced, renamed, folder synced: after a power cut there is the one
//!   before or the new one;
//! - sealed under the archive key: it says who talks to whom (I12).
//!
//! Called by `node/src/runtime/snapshots.rs`, beside the thread that writes the journal.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    ops::ControlFlow,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use cbm_proto::{
    id::Digest,
    journal::{End, Item, Reader, Record, SegmentHeader},
    primitives::{aead_open, aead_seal},
};

use super::{
    Position, StoreError,
    inspect::{journal_folder, segment_numbers},
    segment::{SYNCING, at, head_of, numbers, path_of, sync_folder},
};

/// What the file begins with.
const MAGIC: &[u8; 10] = b"CBM-SNAP\0\x01";
/// Magic, number 4, first index 8, chain 32.
const HEAD: usize = MAGIC.len() + 4 + 8 + 32;

/// The beginning of a segment, and with it everything before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The segment's number.
    pub segment: u32,
    /// Index of its first record.
    pub first: u64,
    /// The chain's value before it.
    pub chain: Digest,
}

/// Why a snapshot is not used; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Disk(#[from] StoreError),
    /// Not a snapshot of this version.
    #[error("it is cut short, or another version of the program wrote it")]
    Form,
    /// It ends at a segment that the journal does not have, or has otherwise.
    #[error("the journal is not the one that it was made from, or went back to before it")]
    Journal,
    /// A bit of it differs, or the archive key.
    #[error("it is damaged, or was made under another archive key")]
    Sealed,
}

impl Place {
    /// Where the records behind it begin.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position::new(self.segment, 0)
    }

    /// Where this segment of the journal in `data` begins, if its head can be read.
    fn begins(data: &Path, segment: u32) -> Result<Option<Self>, StoreError> {
        let head = head_of(&journal_folder(data), segment)?;
        Ok(head.map(|head| Self { segment, first: head.first, chain: head.chain }))
    }

    /// Whether the journal in `data` has it as this says.
    fn stands(&self, data: &Path) -> Result<bool, StoreError> {
        Ok(Self::begins(data, self.segment)? == Some(*self))
    }

    fn head(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.segment.to_be_bytes());
        out.extend(self.first.to_be_bytes());
        out.extend(self.chain.0);
        out
    }

    fn parse(head: &[u8]) -> Option<Self> {
        let rest = head.strip_prefix(MAGIC)?;
        let (segment, rest) = rest.split_first_chunk()?;
        let (first, chain) = rest.split_first_chunk()?;
        let (segment, first) = (u32::from_be_bytes(*segment), u64::from_be_bytes(*first));
        Some(Self { segment, first, chain: Digest::from_slice(chain)? })
    }
}

/// The file, inside a store's folder.
#[must_use]
pub fn path(data: &Path) -> PathBuf {
    data.join("snapshot")
}

/// The segment that is being written; all before it are finished. `None` without a journal.
///
/// # Errors
/// The folder or the segment's head cannot be read.
pub fn newest(data: &Path) -> Result<Option<Place>, StoreError> {
    let Some(number) = segment_numbers(data)?.pop() else { return Ok(None) };
    Place::begins(data, number)
}

/// Where the snapshot in `data` ends, and its length, bytes; `None` where none fits the journal.
///
/// # Errors
/// What the disk says.
pub fn ends_at(data: &Path) -> Result<Option<(Place, u64)>, StoreError> {
    let path = path(data);
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(at("opening", &path))?,
    };
    let length = file.metadata().map_err(at("reading", &path))?.len();
    let mut head = [0; HEAD];
    if file.read_exact(&mut head).is_err() {
        return Ok(None);
    }
    let Some(place) = Place::parse(&head) else { return Ok(None) };
    Ok(place.stands(data)?.then_some((place, length)))
}

/// The snapshot in `data`, if there is one: where it ends, and what was saved.
///
/// # Errors
/// [`Unfit`]: [`set_aside`] it.
pub fn load(data: &Path, key: &[u8; 32]) -> Result<Option<(Place, Vec<u8>)>, Unfit> {
    let path = path(data);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(at("reading", &path))?,
    };
    let (head, sealed) = bytes.split_at_checked(HEAD).ok_or(Unfit::Form)?;
    let place = Place::parse(head).ok_or(Unfit::Form)?;
    if !place.stands(data)? {
        return Err(Unfit::Journal);
    }
    let saved = aead_open(key, &aad(head), sealed).ok_or(Unfit::Sealed)?;
    Ok(Some((place, saved)))
}

/// Puts a snapshot in the place of the one before; returns the file's length, bytes. `nonce`: random
/// and fresh.
///
/// # Errors
/// What the disk says; then the one before is still there.
pub fn save(
    data: &Path,
    key: &[u8; 32],
    nonce: [u8; 24],
    place: &Place,
    state: &[u8],
) -> Result<u64, StoreError> {
    let (path, fresh) = (path(data), data.join("snapshot.tmp"));
    let head = place.head();
    let sealed = aead_seal(key, nonce, &aad(&head), state);
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh);
    let mut file = file.map_err(at("making", &fresh))?;
    let written = file.write_all(&head).and_then(|()| file.write_all(&sealed));
    written.map_err(at("writing", &fresh))?;
    file.sync_all().map_err(at(SYNCING, &fresh))?;
    fs::rename(&fresh, &path).map_err(at("renaming", &fresh))?;
    sync_folder(data)?;
    Ok((head.len() + sealed.len()) as u64)
}

/// Keeps a snapshot that is not used under the name `snapshot.aside`, where nobody takes it up.
///
/// # Errors
/// What the disk says.
pub fn set_aside(data: &Path) -> Result<(), StoreError> {
    let path = path(data);
    match fs::rename(&path, data.join("snapshot.aside")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed.map_err(at("renaming", &path)),
    }
}

/// Bound to its place: it cannot be passed off as one that ends elsewhere.
fn aad(head: &[u8]) -> Vec<u8> {
    [b"cbm/1/snapshot\0", head].concat()
}

/// Hands over every record of the finished segments from `from` (the beginning, if `None`) up to `to`,
/// until told to stop. Returns whether all of them are there, whole; after the first that is not,
/// nothing more is handed over.
///
/// # Errors
/// A file cannot be read, or a segment is of a newer version.
pub fn walk(
    data: &Path,
    from: Option<&Place>,
    to: &Place,
    each: &mut dyn FnMut(Record) -> ControlFlow<()>,
) -> Result<bool, StoreError> {
    let folder = journal_folder(data);
    let first = || Ok::<_, StoreError>(numbers(&folder)?.first().map_or(1, |(number, _)| *number));
    let begin = from.map_or_else(first, |place| Ok(place.segment))?;
    let mut next = from.map(|place| (place.first, place.chain));
    for number in begin..to.segment {
        let mut done = 0;
        let mut read = || segment(&path_of(&folder, number), next, &mut done, each);
        // A record that is let go while it is read looks spoiled; damage does so the next time too.
        let walked = match read()? {
            None => read()?,
            walked => walked,
        };
        next = match walked {
            Some(Walked::To(index, chain)) => Some((index, chain)),
            Some(Walked::Told) => return Ok(true),
            None => return Ok(false),
        };
    }
    Ok(next.is_none_or(|next| next == (to.first, to.chain)))
}

/// How far a walk over one segment came.
enum Walked {
    /// To its end: the next record's index, and the chain there.
    To(u64, Digest),
    /// It was told to stop.
    Told,
}

/// Hands over the records of one segment whose index is above `done`, which goes with them; `None` if
/// the segment is not there whole, or does not follow.
fn segment(
    path: &Path,
    follows: Option<(u64, Digest)>,
    done: &mut u64,
    each: &mut dyn FnMut(Record) -> ControlFlow<()>,
) -> Result<Option<Walked>, StoreError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(at("reading", path))?,
    };
    let Ok(head) = SegmentHeader::parse(&bytes) else { return Ok(None) };
    if follows.map_or(head.first != 0, |next| next != (head.first, head.chain)) {
        return Ok(None);
    }
    let mut reader = Reader::new(&bytes, true)?;
    while let Some(item) = reader.next_item() {
        match item {
            Item::Kept { record, .. } if reader.index() > *done => {
                *done = reader.index();
                if each(record).is_break() {
                    return Ok(Some(Walked::Told));
                }
            }
            Item::Kept { .. } | Item::Dropped { .. } | Item::Run { .. } => {}
            Item::Spoiled { .. } | Item::Gap { .. } => return Ok(None),
        }
    }
    let whole = matches!(reader.end(), Some(End::Clean(_)));
    Ok(whole.then(|| Walked::To(reader.index(), reader.chain())))
}
