//! Signed documents as files: one document a file, named `*.cbm`.
//!
//! Invariants: a file holds the very bytes that were signed and nothing else; it is written whole
//! (temporary file, fsync, rename, fsync of the folder); a folder is trusted for exactly one
//! version 1 of an accord, because that is what makes a network. Used by the runtime at the
//! start, by `ceremony` and by `lab`.

use bytes::Bytes;
use cbm_proto::{
    accord::{Directory, Document, DocumentError, DocumentKind, read::AccordText},
    limits::DOCUMENT_MAX,
};
use std::{
    fmt,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

/// Ending of a document's file name.
pub const ENDING: &str = "cbm";

/// Why a file of documents cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system said no.
    #[error("cannot {what} {path}: {error}", path = .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Larger than any document.
    #[error("{0} is larger than any document; it is not one: take it away")]
    TooLong(PathBuf),
    /// Not a document, or one that is not believed.
    #[error("{path}: {error}", path = .path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Why.
        error: DocumentError,
    },
    /// Nothing to begin with.
    #[error("no version 1 of an accord in {folder}; put it there as a file that ends in .cbm{unread}",
        folder = .0.display(), unread = .1)]
    NoAccord(PathBuf, Unread),
    /// Two networks in one folder.
    #[error("{one} and {two} found two different networks; keep the one that is meant",
        one = .0.display(), two = .1.display())]
    TwoAccords(PathBuf, PathBuf),
}

/// Files beside that are no documents: perhaps the one that is missing, damaged.
#[derive(Debug)]
pub struct Unread(Vec<FileError>);

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|error| write!(f, " (not read: {error})"))
    }
}

/// What a folder holds.
#[derive(Debug)]
pub struct Loaded {
    /// All that is believed.
    pub directory: Directory,
    /// Files that are not, with the reason; told to the operator, never fatal.
    pub refused: Vec<FileError>,
}

/// Reads one document.
///
/// # Errors
/// It cannot be read, or is no document.
pub fn read(path: &Path) -> Result<Document, FileError> {
    let bytes = read_bytes(path)?;
    Document::decode(&bytes).map_err(|error| FileError::Document { path: path.to_owned(), error })
}

fn read_bytes(path: &Path) -> Result<Bytes, FileError> {
    let io = |error| FileError::Io { what: "read", path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let bound = DOCUMENT_MAX as u64 + 1;
    File::open(path).map_err(io)?.take(bound).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() > DOCUMENT_MAX {
        return Err(FileError::TooLong(path.to_owned()));
    }
    Ok(bytes.into())
}

/// Writes a document whole, over what was there.
///
/// # Errors
/// What the system says.
pub fn write(path: &Path, document: &[u8]) -> Result<(), FileError> {
    write_whole(path, document).map_err(|error| FileError::Io {
        what: "write",
        path: path.to_owned(),
        error,
    })
}

/// Writes a file whole: who looks finds the old content or the new one, also after a power cut.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

/// Paths of the documents in a folder, in the order of their names.
///
/// # Errors
/// The folder cannot be read.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let io = |error| FileError::Io { what: "read", path: folder.to_owned(), error };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Everything in a folder, believed as far as it can be.
///
/// # Errors
/// The folder cannot be read, or holds no version 1 of an accord, one that is not believed, or
/// two of them.
pub fn load(folder: &Path) -> Result<Loaded, FileError> {
    let (mut files, mut refused) = (Vec::new(), Vec::new());
    for path in list(folder)? {
        match read(&path) {
            Ok(document) => files.push((path, document)),
            Err(error) => refused.push(error),
        }
    }
    let mut firsts = files.iter().filter(|(_, document)| is_first(document));
    let Some((path, first)) = firsts.next() else {
        return Err(FileError::NoAccord(folder.to_owned(), Unread(refused)));
    };
    if let Some((other, _)) = firsts.find(|(_, document)| document.digest() != first.digest()) {
        return Err(FileError::TwoAccords(path.clone(), other.clone()));
    }
    let mut directory = Directory::new(first.bytes())
        .map_err(|error| FileError::Document { path: path.clone(), error })?;
    let (_, left) = directory.admit_all(files.iter().map(|(_, d)| d.bytes().as_ref()));
    for (bytes, error) in left {
        let path = files.iter().find(|(_, d)| d.bytes() == bytes).map(|(path, _)| path.clone());
        refused.push(FileError::Document { path: path.unwrap_or_default(), error });
    }
    Ok(Loaded { directory, refused })
}

fn is_first(document: &Document) -> bool {
    document.kind() == DocumentKind::Accord
        && AccordText::read(document).is_ok_and(|text| text.version == 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use cbm_proto::{
        accord::{Founded, Role, sample},
        primitives::Entropy,
    };

    fn founded(seed: u8) -> Founded {
        let parties: [(&str, Role, &[&str]); 1] = [("AAA", Role::State, &["mfa"])];
        sample(&parties, &mut Entropy::new(&[seed; 32])).unwrap()
    }

    #[test]
    fn a_folder_is_believed_whatever_the_names_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let founded = founded(1);
        for (at, document) in founded.documents.iter().enumerate() {
            write(&folder.path().join(format!("{}.cbm", 9 - at)), document).unwrap();
        }
        fs::write(folder.path().join("notes.txt"), "not read").unwrap();
        fs::write(folder.path().join("broken.cbm"), "x").unwrap();
        let loaded = load(folder.path()).unwrap();
        assert_eq!(loaded.directory.members().count(), 1);
        assert_eq!(loaded.refused.len(), 1);
        assert!(loaded.refused[0].to_string().contains("broken.cbm"));
        assert_eq!(list(folder.path()).unwrap().len(), 4, "no temporary file is left");
    }

    #[test]
    fn no_network_and_two_networks_are_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(load(folder.path()), Err(FileError::NoAccord(..))));
        fs::write(folder.path().join("a.cbm"), "damaged").unwrap();
        let words = load(folder.path()).unwrap_err().to_string();
        assert!(words.contains("(not read: ") && words.contains("a.cbm"), "{words}");
        write(&folder.path().join("a.cbm"), &founded(1).accord).unwrap();
        assert!(load(folder.path()).is_ok());
        write(&folder.path().join("b.cbm"), &founded(2).accord).unwrap();
        assert!(matches!(load(folder.path()), Err(FileError::TwoAccords(..))));
        fs::write(folder.path().join("long.cbm"), vec![0; DOCUMENT_MAX + 1]).unwrap();
        let long = read(&folder.path().join("long.cbm"));
        assert!(matches!(long, Err(FileError::TooLong(_))));
    }
}
