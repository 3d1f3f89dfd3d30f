//! A file that comes from other stations, piece by piece, in order.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use cbm_proto::{
    evidence::{List, pieces, place},
    id::Digest,
};

use super::{About, ShelfError, at, kept, sync};

/// Bytes between two syncs: what a power cut may cost.
const SYNC_EVERY: u64 = 8 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub struct Coming {
    folder: PathBuf,
    /// Which.
    pub root: Digest,
    /// Whose.
    pub about: About,
    list: Option<List>,
    /// Open at the end of what holds.
    file: File,
    have: u64,
    unsynced: u64,
}

impl Coming {
    /// Opens what is here, and cuts off what does not hold.
    pub(super) fn resume(folder: &Path, root: Digest, about: About) -> Result<Self, ShelfError> {
        let list = fs::read(folder.join("list")).ok();
        let list = list.and_then(|bytes| List::read(&root, about.sealed, bytes).ok());
        let path = folder.join("part");
        let open = File::options().read(true).append(true).create(true).mode(0o600).open(&path);
        let mut file = open.map_err(at(&path))?;
        let (mut have, mut piece) = (0, Vec::new());
        if let Some(list) = &list {
            for number in 0..list.pieces() {
                let place = place(about.sealed, number);
                piece.clear();
                let mut next = (&mut file).take(place.end - place.start);
                next.read_to_end(&mut piece).map_err(at(&path))?;
                if !list.holds(number, &piece) {
                    break;
                }
                have = place.end;
            }
        }
        file.set_len(have).map_err(at(&path))?;
        Ok(Self { folder: folder.to_owned(), root, about, list, file, have, unsynced: 0 })
    }

    /// Checked bytes.
    #[must_use]
    pub const fn have(&self) -> u64 {
        self.have
    }

    /// Whether the list is here.
    #[must_use]
    pub const fn has_list(&self) -> bool {
        self.list.is_some()
    }

    /// Bytes of the list, as the letter says.
    #[must_use]
    pub const fn list_length(&self) -> u64 {
        List::length(self.about.sealed)
    }

    /// Bytes of the piece that comes next; 0 when there is none.
    #[must_use]
    pub fn next_piece(&self) -> usize {
        let number = pieces(self.have);
        let place = place(self.about.sealed, number);
        usize::try_from(place.end - place.start).unwrap_or(0)
    }

    /// Takes the list that somebody gave.
    ///
    /// # Errors
    /// It is not the one that the letter names, or the disk.
    pub fn take_list(&mut self, bytes: Vec<u8>) -> Result<(), ShelfError> {
        let list = List::read(&self.root, self.about.sealed, bytes)?;
        kept::replace(&self.folder, "list", list.bytes())?;
        self.list = Some(list);
        Ok(())
    }

    /// Takes the next piece; false if it is not the one that the list names.
    ///
    /// # Errors
    /// The disk.
    pub fn take(&mut self, piece: &[u8]) -> Result<bool, ShelfError> {
        let number = pieces(self.have);
        if !self.list.as_ref().is_some_and(|list| list.holds(number, piece)) {
            return Ok(false);
        }
        let path = || self.folder.join("part");
        self.file.write_all(piece).map_err(|e| at(&path())(e))?;
        self.have += piece.len() as u64;
        self.unsynced += piece.len() as u64;
        if self.unsynced >= SYNC_EVERY {
            self.file.sync_data().map_err(|e| at(&path())(e))?;
            self.unsynced = 0;
        }
        Ok(true)
    }

    /// Everything came: whole from now on.
    ///
    /// # Errors
    /// The disk.
    pub fn finish(&self) -> Result<(), ShelfError> {
        let (part, data) = (self.folder.join("part"), self.folder.join("data"));
        self.file.sync_all().map_err(at(&part))?;
        fs::rename(&part, &data).map_err(at(&data))?;
        sync(&self.folder)
    }
}
