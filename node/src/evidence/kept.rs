//! What is known of one file beside its pieces, and how small files are replaced.

use std::{
    fs::{self, DirBuilder},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{Entry, ShelfError, State, at, create, sync};

/// Why a file is on the shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Ours, and no letter names it yet; gone at the next start.
    Unnamed,
    /// Ours, and a letter names it.
    Kept,
    /// A letter to us names it.
    Wanted,
    /// The same, and its author's share was used up.
    HeldBack,
}

/// Whose a file is, and who may have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Why it is here.
    pub wish: Wish,
    /// Bytes of all its sealed pieces.
    pub sealed: u64,
    /// The party whose letter named it; empty for our own.
    pub author: String,
    /// The station that the letter came from, in hex; empty for our own.
    pub station: String,
    /// Parties that the letter went to.
    pub parties: Vec<String>,
}

impl About {
    /// Of a file of our own.
    pub(super) fn own(sealed: u64) -> Self {
        let (author, station) = (String::new(), String::new());
        Self { wish: Wish::Unnamed, sealed, author, station, parties: Vec::new() }
    }
}

/// What lies in one folder; `None`, with the folder gone, if nobody misses it.
pub(super) fn load(folder: &Path) -> Result<Option<Entry>, ShelfError> {
    let path = folder.join("about");
    let about: Option<About> = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).ok(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(at(&path)(e)),
    };
    let Some(about) = about.filter(|about| about.wish != Wish::Unnamed) else {
        fs::remove_dir_all(folder).map_err(at(folder))?;
        return Ok(None);
    };
    let length = |name: &str| fs::metadata(folder.join(name)).map_or(0, |data| data.len());
    let state = match about.wish {
        Wish::HeldBack => State::HeldBack,
        _ if length("data") == about.sealed => State::Here,
        // Nothing of it counts before it was checked.
        _ => State::Coming { have: 0, cause: None },
    };
    Ok(Some(Entry { about, state }))
}

/// Notes what is known of a file, durably.
pub(super) fn note(folder: &Path, about: &About) -> Result<(), ShelfError> {
    if !folder.exists() {
        DirBuilder::new().mode(0o700).create(folder).map_err(at(folder))?;
        sync(folder.parent().unwrap_or(folder))?;
    }
    let json = serde_json::to_vec(about).map_err(io::Error::other).map_err(at(folder))?;
    replace(folder, "about", &json)
}

/// Writes a small file whole or not at all.
pub(super) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), ShelfError> {
    let (path, fresh) = (folder.join(name), folder.join(format!("{name}.new")));
    let mut file = create(&fresh)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(&fresh))?;
    fs::rename(&fresh, &path).map_err(at(&path))?;
    sync(folder)
}
