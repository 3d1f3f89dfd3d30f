//! A file of our own, sealed while it comes in, and whole on the disk before it has its name.

use std::{
    fs::{self, DirBuilder, File},
    io::{BufWriter, Write},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use cbm_proto::{draft::Evidence, evidence::Sealer};

use super::{About, Entry, Shelf, ShelfError, State, UNFINISHED, at, create, kept, sync};

/// See the module. Dropped unfinished it leaves nothing behind.
pub struct Intake<'a> {
    shelf: &'a Shelf,
    folder: PathBuf,
    file: BufWriter<File>,
    sealer: Option<Sealer>,
    room: u64,
}

impl<'a> Intake<'a> {
    pub(super) fn begin(shelf: &'a Shelf, key: [u8; 32]) -> Result<Self, ShelfError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = shelf.folder.join(format!("{UNFINISHED}{number}"));
        DirBuilder::new().mode(0o700).create(&folder).map_err(at(&folder))?;
        let file = BufWriter::new(create(&folder.join("data"))?);
        let held = shelf.entries().values().map(|entry| entry.about.sealed).sum();
        let room = shelf.quota.total.saturating_sub(held);
        Ok(Self { shelf, folder, file, sealer: Some(Sealer::new(key)), room })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The file is too large, there is no room, or the disk.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ShelfError> {
        let Self { shelf, folder, file, sealer, room } = self;
        let mut sink = |piece: &[u8]| {
            let full = ShelfError::Full(shelf.quota.total);
            *room = room.checked_sub(piece.len() as u64).ok_or(full)?;
            file.write_all(piece).map_err(at(folder))
        };
        sealer.as_mut().map_or(Ok(()), |sealer| sealer.push(bytes, &mut sink))
    }

    /// All of it came: durable under its root when this returns.
    ///
    /// # Errors
    /// There is no room, or the disk.
    pub fn finish(mut self) -> Result<Evidence, ShelfError> {
        let folder = self.folder.clone();
        let sealer = self.sealer.take().ok_or(ShelfError::Unknown)?;
        let file = &mut self.file;
        let mut sink = |piece: &[u8]| file.write_all(piece).map_err(at(&folder));
        let (evidence, list) = sealer.finish(&mut sink)?;
        file.flush().and_then(|()| file.get_ref().sync_all()).map_err(at(&folder))?;
        kept::replace(&folder, "list", list.bytes())?;
        let about = About::own(evidence.sealed);
        kept::note(&folder, &about)?;
        let path = self.shelf.path(&evidence.root);
        fs::rename(&folder, &path).map_err(at(&path))?;
        sync(&self.shelf.folder)?;
        self.shelf.entries().insert(evidence.root, Entry { about, state: State::Here });
        Ok(evidence)
    }
}

impl Drop for Intake<'_> {
    fn drop(&mut self) {
        // Renamed when it was finished; what else stays is removed at the next start.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
