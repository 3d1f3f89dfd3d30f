//! Segment files by name: made whole, listed, put aside when their head cannot be read.
//!
//! A segment is written in full under another name, synced, renamed, and its folder synced, so
//! that a file named `NNNNNNNN.seg` is always complete. Called by [`super::journal`] only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};

use cbm_proto::{
    id::Digest,
    journal::{HEADER_LEN, JournalError, SegmentHeader},
};

use super::{Position, Report, StoreError};

/// Zeros are written in pieces of this size when a segment is made.
const PIECE: usize = 1024 * 1024;
/// A segment is read in pieces of this size.
const READ: usize = 64 * 1024;
/// The verb of errors after which the disk's content is unknown.
pub(super) const SYNCING: &str = "syncing";
/// `stat` counts blocks of this size, bytes.
const STAT_BLOCK: u64 = 512;
/// Name of a segment while it is being made.
const UNFINISHED: &str = "next.tmp";

/// Names what was tried, on which file; tells a full disk and one that can be read only from the rest.
pub(super) fn at(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    let folder = |path: &Path| path.parent().map_or_else(PathBuf::new, Path::to_owned);
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StoreError::Full(folder(&path))
        }
        io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly(folder(&path)),
        _ => StoreError::Io { what, path, source },
    }
}

/// Makes the entries of a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(at(SYNCING, folder))
}

/// Removes what a crash left of a segment being made.
pub(super) fn remove_unfinished(folder: &Path) -> Result<(), StoreError> {
    let path = folder.join(UNFINISHED);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("removing", &path)(error)),
        _ => Ok(()),
    }
}

pub(super) fn path_of(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:08}.seg"))
}

/// Numbers of all segment files, damaged ones put aside included.
pub(super) fn numbers(folder: &Path) -> Result<BTreeSet<(u32, bool)>, StoreError> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(at("reading", folder))? {
        let name = entry.map_err(at("reading", folder))?.file_name();
        let Some((number, rest)) = name.to_str().and_then(|name| name.split_once('.')) else {
            continue;
        };
        if let (Ok(number), true) = (number.parse(), rest == "seg" || rest == "damaged") {
            found.insert((number, rest == "seg"));
        }
    }
    Ok(found)
}

pub(super) fn highest(folder: &Path) -> Result<u32, StoreError> {
    Ok(numbers(folder)?.last().map_or(0, |(number, _)| *number))
}

/// The name of the journal in a folder, the chain's first value, as far as it can be read; a
/// folder that is not there has none.
pub(super) fn name(folder: &Path) -> Result<Option<Digest>, StoreError> {
    if !folder.exists() {
        return Ok(None);
    }
    let sound = numbers(folder)?.into_iter().filter(|(_, sound)| *sound);
    for (number, _) in sound {
        if let Ok(head) = SegmentHeader::parse(&read_head(&path_of(folder, number))?) {
            return Ok(Some(head.chain));
        }
    }
    Ok(None)
}

/// Bytes that a file takes on the disk, holes not counted.
pub(super) fn taken_by(about: &Metadata) -> u64 {
    about.blocks().saturating_mul(STAT_BLOCK)
}

/// The head of a segment; `None` where there is none that can be read.
pub(super) fn head_of(folder: &Path, number: u32) -> Result<Option<SegmentHeader>, StoreError> {
    let path = path_of(folder, number);
    if !path.exists() {
        return Ok(None);
    }
    Ok(SegmentHeader::parse(&read_head(&path)?).ok())
}

/// A whole segment. Its end is zeros until it is written on, often most of it: those are left as memory
/// that was never touched, so that a start does not take the size of a segment for good.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    let told = |error| at("reading", path)(error);
    let mut file = File::open(path).map_err(told)?;
    // No segment is larger than its offsets can say.
    let length = file.metadata().map_err(told)?.len().min(u64::from(u32::MAX)) as usize;
    let mut bytes = vec![0; length];
    let mut piece = vec![0; READ.min(length)];
    for place in bytes.chunks_mut(READ) {
        let piece = &mut piece[..place.len()];
        io::Read::read_exact(&mut file, piece).map_err(told)?;
        if piece.iter().any(|byte| *byte != 0) {
            place.copy_from_slice(piece);
        }
    }
    Ok(bytes)
}

fn read_head(path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(at("opening", path))?;
    io::Read::read_to_end(&mut io::Read::take(file, u64::from(HEADER_LEN)), &mut bytes)
        .map_err(at("reading", path))?;
    Ok(bytes)
}

/// Reads the head of each segment. One that cannot be read is put aside as `N.damaged`, with a
/// report; one of a newer version stops everything.
pub(super) fn read_heads(
    folder: &Path,
    reports: &mut Vec<Report>,
) -> Result<BTreeMap<u32, SegmentHeader>, StoreError> {
    let mut heads = BTreeMap::new();
    for (number, _) in numbers(folder)?.into_iter().filter(|(_, sound)| *sound) {
        let path = path_of(folder, number);
        match SegmentHeader::parse(&read_head(&path)?) {
            Ok(head) => {
                heads.insert(number, head);
            }
            Err(error @ JournalError::Version(_)) => return Err(error.into()),
            Err(_) => {
                let aside = path.with_extension("damaged");
                fs::rename(&path, &aside).map_err(at("renaming", &path))?;
                let what = "a segment's head cannot be read; the file is kept as `.damaged`";
                reports.push(Report::Damage { at: Position::new(number, 0), what });
            }
        }
    }
    Ok(heads)
}

/// A segment made ahead on a thread of its own, while the one before fills up.
#[derive(Debug, Default)]
pub(super) struct Ahead(Option<JoinHandle<Result<File, StoreError>>>);

impl Ahead {
    /// Begins to make one of `size` bytes, unless that was begun. Where no thread can be had, the
    /// segment is made when it is needed.
    pub(super) fn begin(&mut self, folder: &Path, size: u32) {
        if self.0.is_none() {
            let path = folder.join(UNFINISHED);
            let maker = thread::Builder::new().name("segment".into());
            self.0 = maker.spawn(move || fill(&path, size)).ok();
        }
    }

    /// Waits for the one that was begun, or makes one now; then gives it its header and its name,
    /// and syncs file and folder.
    pub(super) fn create(
        &mut self,
        folder: &Path,
        number: u32,
        head: &SegmentHeader,
    ) -> Result<File, StoreError> {
        let (fresh, path) = (folder.join(UNFINISHED), path_of(folder, number));
        let made = self.0.take().and_then(|thread| thread.join().ok());
        let made = made.unwrap_or_else(|| fill(&fresh, head.size)).and_then(|file| {
            file.write_all_at(&head.encode(), 0).map_err(at("writing", &fresh))?;
            file.sync_all().map_err(at(SYNCING, &fresh))?;
            fs::rename(&fresh, &path).map_err(at("renaming", &fresh))?;
            sync_folder(folder)?;
            Ok(file)
        });
        if made.is_err() {
            // Gives the room back; when that fails too, the next start removes it.
            let _ = fs::remove_file(&fresh);
        }
        made
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // It must not write any more once the folder is given up; what it made is removed by
            // the next start.
            let _ = thread.join();
        }
    }
}

/// Writes zeros in full length and makes them durable piece by piece, so that no sync of records
/// has to wait for all of them.
fn fill(path: &Path, size: u32) -> Result<File, StoreError> {
    let mut options = File::options();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(at("making", path))?;
    let (zeros, size) = (vec![0; PIECE.min(size as usize)], size as usize);
    for start in (0..size).step_by(PIECE) {
        let piece = &zeros[..zeros.len().min(size - start)];
        file.write_all_at(piece, start as u64).map_err(at("writing", path))?;
        file.sync_data().map_err(at(SYNCING, path))?;
    }
    Ok(file)
}
