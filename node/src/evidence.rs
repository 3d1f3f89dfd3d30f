//! Large files on this station's disk: sealed pieces, apart from the journal.
//!
//! `DATA/evidence/ROOT/` holds one file: `about` (whose it is, how large), `list` (digests of its
//! pieces), and `part` while it comes or `data` once it is whole. What lies here is sealed; the keys
//! are in the letters. Invariants: what counts as whole was checked piece by piece, synced and then
//! renamed; a fetch that was cut off anywhere goes on behind the last piece that holds; nothing is
//! given to others that was not checked; each author has a share of the room. Memory is bounded by
//! one piece and one list for each file under way. Format: `docs/spec/evidence.md`. Called by `api`
//! (people bring and take files) and by `runtime`'s courier (stations do).

mod coming;
mod intake;
mod kept;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use cbm_proto::{
    draft::Evidence,
    evidence::{EvidenceError, List, Question, Section},
    id::Digest,
};
use tokio::sync::Notify;

pub use coming::Coming;
pub use intake::Intake;
pub use kept::{About, Wish};

/// Folders of files that are being sealed; what a crash left of them is removed.
const UNFINISHED: &str = "in-";

/// How much room evidence may take, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// All of it.
    pub total: u64,
    /// What one party's letters bring here by themselves.
    pub author: u64,
}

/// Why evidence cannot be kept or given.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The disk.
    #[error("{path}: {cause}; look at the disk")]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// Not what a letter names.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// No room.
    #[error(
        "evidence may take {0} bytes on this station's disk, and this does not fit any more; raise evidence.total_mib"
    )]
    Full(u64),
    /// There is none of that name.
    #[error("that file is not held here; send it anew from the file itself")]
    Unknown,
}

/// How a file stands here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Whole.
    Here,
    /// It is fetched; so many sealed bytes are here.
    Coming {
        /// Checked bytes.
        have: u64,
        /// Why it does not go on, where it does not.
        cause: Option<String>,
    },
    /// It is not fetched before somebody asks for it: its author's share is used up.
    HeldBack,
}

#[derive(Debug)]
struct Entry {
    about: About,
    state: State,
}

/// All evidence of this station.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    quota: Quota,
    entries: Mutex<BTreeMap<Digest, Entry>>,
    /// Something is wanted that was not before.
    pub wanted: Notify,
}

impl Shelf {
    /// Opens what lies in `folder`, or makes it.
    ///
    /// # Errors
    /// The disk.
    pub fn open(folder: &Path, quota: Quota) -> Result<Self, ShelfError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(at(folder))?;
        let mut entries = BTreeMap::new();
        for found in fs::read_dir(folder).map_err(at(folder))? {
            let path = found.map_err(at(folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with(UNFINISHED) {
                fs::remove_dir_all(&path).map_err(at(&path))?;
            } else if let Some(root) = Digest::from_hex(name)
                && let Some(entry) = kept::load(&path)?
            {
                entries.insert(root, entry);
            }
        }
        let (entries, wanted) = (Mutex::new(entries), Notify::new());
        Ok(Self { folder: folder.to_owned(), quota, entries, wanted })
    }

    /// Begins to seal a file of our own.
    ///
    /// # Errors
    /// The disk, no room.
    pub fn intake(&self, key: [u8; 32]) -> Result<Intake<'_>, ShelfError> {
        Intake::begin(self, key)
    }

    /// A letter of ours is about to name this: it is kept from now on.
    ///
    /// # Errors
    /// It is not here, or the disk.
    pub fn keep(&self, root: &Digest) -> Result<(), ShelfError> {
        let mut entries = self.entries();
        let entry = entries.get_mut(root).filter(|entry| entry.state == State::Here);
        let entry = entry.ok_or(ShelfError::Unknown)?;
        if entry.about.wish == Wish::Unnamed {
            let about = About { wish: Wish::Kept, ..entry.about.clone() };
            kept::note(&self.path(root), &about)?;
            entry.about = about;
        }
        Ok(())
    }

    /// A letter names this. It is wanted if its author's share has room, or if somebody asked.
    ///
    /// # Errors
    /// No room at all, or the disk.
    pub fn want(&self, root: &Digest, about: About, asked: bool) -> Result<State, ShelfError> {
        let mut entries = self.entries();
        if let Some(entry) = entries.get(root)
            && (entry.state != State::HeldBack || !asked)
        {
            return Ok(entry.state.clone());
        }
        let used = |mine: bool| -> u64 {
            let counted = entries.values().filter(|e| e.state != State::HeldBack);
            let counted = counted.filter(|e| !mine || e.about.author == about.author);
            counted.map(|e| e.about.sealed).sum()
        };
        let room = self.quota.total.saturating_sub(used(false)) >= about.sealed;
        let share = self.quota.author.saturating_sub(used(true)) >= about.sealed;
        if asked && !room {
            return Err(ShelfError::Full(self.quota.total));
        }
        let (wish, state) = if asked || (room && share) {
            (Wish::Wanted, State::Coming { have: 0, cause: None })
        } else {
            (Wish::HeldBack, State::HeldBack)
        };
        let about = About { wish, ..about };
        kept::note(&self.path(root), &about)?;
        entries.insert(*root, Entry { about, state: state.clone() });
        drop(entries);
        self.wanted.notify_one();
        Ok(state)
    }

    /// How it stands; `None` where no letter has named it yet.
    #[must_use]
    pub fn state(&self, root: &Digest) -> Option<State> {
        self.entries().get(root).map(|entry| entry.state.clone())
    }

    /// What is wanted and not here.
    #[must_use]
    pub fn coming(&self) -> Vec<Digest> {
        let coming = |entry: &Entry| matches!(entry.state, State::Coming { .. });
        self.entries().iter().filter(|(_, e)| coming(e)).map(|(root, _)| *root).collect()
    }

    /// Goes on with a fetch: checks what is here. Reads all of it.
    ///
    /// # Errors
    /// Nothing of that name is wanted, or the disk.
    pub fn resume(&self, root: &Digest) -> Result<Coming, ShelfError> {
        let about = self.entries().get(root).map(|e| e.about.clone()).ok_or(ShelfError::Unknown)?;
        let coming = Coming::resume(&self.path(root), *root, about)?;
        self.came_so_far(&coming);
        Ok(coming)
    }

    /// So much of it is here and checked, and it goes on.
    pub fn came_so_far(&self, coming: &Coming) {
        if let Some(entry) = self.entries().get_mut(&coming.root) {
            entry.state = State::Coming { have: coming.have(), cause: None };
        }
    }

    /// So much of it is here and checked; whole once that is all, and it has its name.
    pub fn came(&self, root: &Digest, have: u64) {
        if let Some(entry) = self.entries().get_mut(root) {
            entry.state = if have == entry.about.sealed {
                State::Here
            } else {
                State::Coming { have, cause: None }
            };
        }
    }

    /// Why it does not go on.
    pub fn stuck(&self, root: &Digest, words: &str) {
        if let Some(entry) = self.entries().get_mut(root)
            && let State::Coming { cause, .. } = &mut entry.state
        {
            *cause = Some(words.to_owned());
        }
    }

    /// What another station asks for, as far as it is here and checked.
    ///
    /// # Errors
    /// The disk.
    pub fn stretch(&self, question: &Question) -> Result<Option<Bytes>, ShelfError> {
        let Some((sealed, state)) = self
            .entries()
            .get(&question.root)
            .map(|entry| (entry.about.sealed, entry.state.clone()))
        else {
            return Ok(None);
        };
        let (have, whole) = match state {
            State::Here => (sealed, true),
            State::Coming { have, .. } => (have, false),
            State::HeldBack => return Ok(None),
        };
        let (name, end) = match question.section {
            // Checked as soon as a piece behind it is.
            Section::List if have > 0 => ("list", List::length(sealed)),
            Section::List => return Ok(None),
            Section::Pieces => (if whole { "data" } else { "part" }, have),
        };
        let end = end.min(question.from.saturating_add(u64::from(question.length)));
        let Some(length) = end.checked_sub(question.from).filter(|length| *length > 0) else {
            return Ok(None);
        };
        let path = self.path(&question.root).join(name);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let file = match File::open(&path) {
            // It became whole in this moment; the asker comes again.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(at(&path))?,
        };
        file.read_exact_at(&mut bytes, question.from).map_err(at(&path))?;
        Ok(Some(bytes.into()))
    }

    /// The sealed file, to be opened for people; `None` unless it is whole.
    ///
    /// # Errors
    /// The disk.
    pub fn whole(&self, evidence: &Evidence) -> Result<Option<File>, ShelfError> {
        if self.state(&evidence.root) != Some(State::Here) {
            return Ok(None);
        }
        let path = self.path(&evidence.root).join("data");
        File::open(&path).map(Some).map_err(at(&path))
    }

    /// Number of the last letter of the inbox that was looked through.
    #[must_use]
    pub fn seen(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join("seen")).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// Notes it. Lost by a crash, letters are looked through again, which does no harm.
    ///
    /// # Errors
    /// The disk.
    pub fn note_seen(&self, number: u64) -> Result<(), ShelfError> {
        kept::replace(&self.folder, "seen", number.to_string().as_bytes())
    }

    fn path(&self, root: &Digest) -> PathBuf {
        self.folder.join(root.to_string())
    }

    /// Held for moments only. A panic elsewhere leaves nothing half done in it.
    fn entries(&self) -> MutexGuard<'_, BTreeMap<Digest, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new file of this user's alone.
fn create(path: &Path) -> Result<File, ShelfError> {
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.map_err(at(path))
}

/// Makes names in a folder durable.
fn sync(folder: &Path) -> Result<(), ShelfError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

fn at(path: &Path) -> impl Fn(io::Error) -> ShelfError {
    let path = path.to_owned();
    move |cause| ShelfError::Io { path: path.clone(), cause }
}
