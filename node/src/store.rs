//! Where the node keeps what it must not forget: the journal is the truth, the index a convenience.
//!
//! One contract, [`Store`], two keepers: [`disk::DiskStore`] for stations, [`memory::MemoryStore`]
//! for tests that inject failures. Both pass `integration-tests/tests/store_contract.rs`.
//! Invariants:
//! - what a read shows is durable (I1): records between [`Store::append`] and [`Store::sync`] are
//!   not served, and after a crash a prefix of them may be there, never one without its
//!   predecessors;
//! - nothing is served whose digest does not hold;
//! - a failed sync is final: every later call errs, and the process must end;
//! - what was let go ([`Store::let_go`]) is no damage, and the chain over it holds.
//!
//! Called from one writer thread (`node/src/perform.rs`); nothing here is async.

pub mod disk;
mod holes;
mod index;
pub mod inspect;
mod journal;
mod marker;
pub mod memory;
mod segment;
pub mod snapshot;

use std::{fmt, io, ops::ControlFlow, path::PathBuf};

use bytes::Bytes;
use cbm_proto::{
    id::{EnvelopeId, FeedId, MsgId},
    journal::{JournalError, Record},
};

pub use marker::Marker;

/// Where a record stands: segment and offset, ordered as the records are. Stable for good.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// Before the first record.
    pub const START: Self = Self(0);

    /// The place `offset` bytes into segment `segment`.
    #[must_use]
    pub const fn new(segment: u32, offset: u32) -> Self {
        Self((segment as u64) << 32 | offset as u64)
    }

    /// Number of the segment, from 1.
    #[must_use]
    pub const fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Bytes from the start of the segment.
    #[must_use]
    pub const fn offset(self) -> u32 {
        (self.0 & 0xffff_ffff) as u32
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment(), self.offset())
    }
}

impl std::str::FromStr for Position {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once(':').and_then(|(segment, offset)| {
            Some(Self::new(segment.parse().ok()?, offset.parse().ok()?))
        });
        parts.ok_or("a place in the journal is written SEGMENT:OFFSET, such as 1:64")
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What [`Store::feed`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Envelopes by number; two of one number (an equivocation) stand side by side.
    pub envelopes: Vec<Bytes>,
    /// Whether a bound ended the page before the range did.
    pub more: bool,
}

/// What [`Store::let_go`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Records whose content is not kept any more.
    pub records: u64,
    /// By how much less the journal takes on the disk, bytes; what was put in their place is not
    /// taken off, and a file system that makes no holes gives 0.
    pub bytes: u64,
}

impl std::ops::AddAssign for Freed {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

/// Why the store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder is in use.
    #[error("{0} is in use by another process: stop that one, or give this station its own folder")]
    Locked(PathBuf),
    /// No room; nothing was written.
    #[error("no room left in {0}: free some space; nothing was written, try again then")]
    Full(PathBuf),
    /// The system lets nobody write there, mostly since an error of the disk; nothing was written.
    #[error(
        "{0} can be read only: the system lets nobody write there; nothing was written. Look at the \
         kernel's log (`dmesg`), stop the node, have the disk checked and mounted for writing, start again"
    )]
    ReadOnly(PathBuf),
    /// The operating system refused.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was tried, a verb such as `writing`.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// An earlier sync failed: what the disk holds is unknown from then on.
    #[error(
        "an earlier write to the disk could not be confirmed: end the process, check the disk, \
         start again"
    )]
    Poisoned,
    /// A record does not fit, or a segment cannot be read.
    #[error(transparent)]
    Format(#[from] JournalError),
    /// The index failed twice in a row.
    #[error("the index cannot be rebuilt ({0}): check the disk, then remove the folder `index`")]
    Index(String),
}

/// Words for the operator about something found or mended. Never a name or a text of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Acknowledged records cannot be read; the rest is served.
    Damage {
        /// Where.
        at: Position,
        /// What is wrong there.
        what: &'static str,
    },
    /// Bytes that were never acknowledged were cut off after a crash. Ordinary after a power cut.
    TailCut {
        /// From where.
        at: Position,
    },
    /// The index was put aside and made again from the journal.
    IndexRebuilt {
        /// Why it was not trusted.
        why: String,
        /// Records read for the new one.
        records: u64,
    },
    /// The index cannot be used or made again now; records are kept, reads fail.
    IndexUnusable {
        /// Why.
        why: String,
    },
}

impl Report {
    /// Whether acknowledged records are gone: the station must not continue its feeds.
    #[must_use]
    pub const fn is_loss(&self) -> bool {
        matches!(self, Self::Damage { .. })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damage { at, what } => write!(
                f,
                "journal damaged at {at}: {what}. What can be read is served; the rest is asked of \
                 the others again. Check the disk"
            ),
            Self::TailCut { at } => {
                write!(f, "unfinished writes cut off the journal at {at}; nothing acknowledged")
            }
            Self::IndexRebuilt { why, records } => write!(
                f,
                "index made again from {records} journal records ({why}); the old one is kept as \
                 `index.aside`"
            ),
            Self::IndexUnusable { why } => write!(f, "records are kept but not found: {why}"),
        }
    }
}

/// What the node asks of its keeper.
pub trait Store: Send {
    /// Appends records in order. They are neither durable nor served before [`Store::sync`].
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of this call is kept.
    fn append(&mut self, records: &[Record]) -> Result<Vec<Position>, StoreError>;

    /// Makes all that was appended survive a power cut at the next instant.
    ///
    /// # Errors
    /// Any error is final: nothing is acknowledged after it, and every later call errs.
    fn sync(&mut self) -> Result<(), StoreError>;

    /// Keeps the contents of these records no longer. First appends `instead` and makes it durable;
    /// an envelope in it with fewer parts takes the place of the one that goes. Names that nothing
    /// bears any more are not found any more. Places where no kept record begins are passed over.
    /// A power cut at any instant leaves each record whole or let go, and `instead` before that.
    ///
    /// # Errors
    /// [`StoreError`]; then some of the records may be let go, `instead` is kept or not as after
    /// [`Store::append`], and after a failed sync every later call errs.
    fn let_go(&mut self, places: &[Position], instead: &[Record]) -> Result<Freed, StoreError>;

    /// Hands over every durable record from `from` on, verified, in order, until told to stop.
    /// Damage is stepped over and goes into [`Store::take_reports`].
    ///
    /// # Errors
    /// When a file cannot be read at all.
    fn scan(
        &self,
        from: Position,
        each: &mut dyn FnMut(Position, Record) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// The envelope of that id, with its body if it was ever kept with it.
    ///
    /// # Errors
    /// When the disk or the index fails.
    fn envelope(&self, id: &EnvelopeId) -> Result<Option<Bytes>, StoreError>;

    /// Envelopes `from..=to` of a feed: at most `max_count`, and at most `max_bytes` in sum, but
    /// one in any case.
    ///
    /// # Errors
    /// When the disk or the index fails.
    fn feed(
        &self,
        feed: &FeedId,
        from: u64,
        to: u64,
        max_bytes: usize,
        max_count: usize,
    ) -> Result<Page, StoreError>;

    /// The own records (kinds 3 to 8) about a letter, in order.
    ///
    /// # Errors
    /// When the disk or the index fails.
    fn about(&self, letter: &MsgId) -> Result<Vec<Record>, StoreError>;

    /// Whether these are the files this station last drew an incarnation on, and whole. Ask after
    /// a scan: damage that the scan finds makes it [`Marker::Moved`]. A synced record of kind
    /// `Incarnation` makes it [`Marker::Same`].
    fn marker(&self) -> Marker;

    /// Behind the last durable record: what stands before this place stays as it is.
    fn served(&self) -> Position;

    /// What was found or mended since the last call.
    fn take_reports(&self) -> Vec<Report>;
}
