//! The inside of a backup: entries one after the other, the manifest last.
//!
//! Written in one pass and read in one pass; nothing is believed before the manifest has come and
//! every digest agrees, and names are of three forms only, so that no entry lands outside the folder
//! that is restored into. Called by `take`, `put` and the verb `backup verify`.

use std::{
    io::{self, Read, Write},
    path::Path,
};

use cbm_proto::{
    id::hex,
    journal::{HEADER_LEN, SegmentHeader},
    limits::DOCUMENT_MAX,
    primitives::sha256,
};

use super::{
    BackupError,
    manifest::{FORMAT, FileEntry, Manifest},
    sealed::{self, Identity},
};
use crate::store::inspect::{Inspected, Walk};

/// First bytes of the opened file.
pub(super) const MAGIC: [u8; 8] = *b"cbmback\n";
/// An entry follows.
const FILE: u8 = 1;
/// The manifest follows, and then nothing.
const MANIFEST: u8 = 2;
/// Longest name.
const NAME_MAX: usize = 128;
/// Longest manifest: room for more than 100,000 files.
const MANIFEST_MAX: u32 = 64 * 1024 * 1024;
/// Longest file of settings.
pub(super) const CONFIG_MAX: u64 = 1024 * 1024;
/// Longest segment, as the store makes them.
const SEGMENT_MAX: u64 = 1 << 30;

/// What an entry is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A segment of the journal, by its number.
    Segment(u32),
    /// A signed document.
    Document,
    /// The station's settings.
    Config,
}

impl Kind {
    /// What `name` is; `None` for a name that no backup has.
    pub(super) fn of(name: &str) -> Option<Self> {
        let (folder, file) = name.split_once('/')?;
        match folder {
            "journal" => {
                let digits = file.strip_suffix(".seg")?;
                let number = digits.parse().ok().filter(|n| *n > 0)?;
                (format!("{number:08}") == digits).then_some(Self::Segment(number))
            }
            "documents" => plain(file).then_some(Self::Document),
            "config" => (file == "cbm.toml").then_some(Self::Config),
            _ => None,
        }
    }

    fn bound(self) -> u64 {
        match self {
            Self::Segment(_) => SEGMENT_MAX,
            Self::Document => DOCUMENT_MAX as u64,
            Self::Config => CONFIG_MAX,
        }
    }
}

/// Whether a document may keep its name.
pub(super) fn plain(file: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    file.len() <= NAME_MAX - 16
        && file.strip_suffix(".cbm").is_some_and(|stem| !stem.is_empty())
        && !file.starts_with('.')
        && file.chars().all(good)
}

/// Writes entries.
pub(super) struct Writer<W: Write> {
    out: W,
    files: Vec<FileEntry>,
}

impl<W: Write> Writer<W> {
    /// Begins.
    pub(super) fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&MAGIC)?;
        out.write_all(&FORMAT.to_be_bytes())?;
        Ok(Self { out, files: Vec::new() })
    }

    /// One file; `size` is its length as it is restored.
    pub(super) fn file(&mut self, name: &str, size: u64, content: &[u8]) -> io::Result<()> {
        let length = content.len() as u64;
        let name_length = u16::try_from(name.len()).map_err(|_| io::ErrorKind::InvalidFilename)?;
        self.out.write_all(&[FILE])?;
        self.out.write_all(&name_length.to_be_bytes())?;
        self.out.write_all(name.as_bytes())?;
        self.out.write_all(&size.to_be_bytes())?;
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(content)?;
        let sha256 = hex(&sha256(&[content]));
        self.files.push(FileEntry { name: name.to_owned(), size, length, sha256 });
        Ok(())
    }

    /// Ends with the manifest, into which the files are entered.
    pub(super) fn end(mut self, manifest: &mut Manifest) -> io::Result<W> {
        manifest.files = self.files;
        let json = serde_json::to_vec(manifest)?;
        let length = u32::try_from(json.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.out.write_all(&[MANIFEST])?;
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(&json)?;
        Ok(self.out)
    }
}

/// One file as it was read.
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) file: FileEntry,
    pub(super) content: Vec<u8>,
}

/// Reads a whole backup and hands over each file in turn; gives the manifest when everything
/// agrees with it.
pub(super) fn read(
    path: &Path,
    identities: &[Identity],
    each: &mut dyn FnMut(Entry) -> Result<(), BackupError>,
) -> Result<Manifest, BackupError> {
    let broken = |cause: String| BackupError::NotABackup(path.to_owned(), cause);
    let mut input = Input { input: sealed::open(path, identities)?, path };
    if input.array::<8>()? != MAGIC {
        return Err(broken("something else is sealed in it".into()));
    }
    if u32::from_be_bytes(input.array()?) != FORMAT {
        return Err(BackupError::Newer(path.to_owned()));
    }
    let mut files = Vec::new();
    loop {
        match input.array::<1>()? {
            [FILE] => {
                let entry = input.entry()?;
                files.push(entry.file.clone());
                each(entry)?;
            }
            [MANIFEST] => break,
            [other] => return Err(broken(format!("an entry of kind {other}"))),
        }
    }
    let length = u32::from_be_bytes(input.array()?);
    if length > MANIFEST_MAX {
        return Err(broken("its manifest is too long".into()));
    }
    let json = input.bytes(u64::from(length))?;
    if !input.ended()? {
        return Err(broken("something follows the manifest".into()));
    }
    let manifest: Manifest = serde_json::from_slice(&json)
        .map_err(|error| broken(format!("its manifest cannot be read ({error})")))?;
    if manifest.files != files {
        return Err(broken("its files are not those of its manifest".into()));
    }
    Ok(manifest)
}

struct Input<'a, R> {
    input: R,
    path: &'a Path,
}

impl<R: Read> Input<'_, R> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], BackupError> {
        let mut out = [0; N];
        self.input.read_exact(&mut out).map_err(|error| self.cut(&error))?;
        Ok(out)
    }

    fn bytes(&mut self, length: u64) -> Result<Vec<u8>, BackupError> {
        let mut out = Vec::new();
        let read = Read::take(&mut self.input, length).read_to_end(&mut out);
        read.map_err(|error| self.cut(&error))?;
        if out.len() as u64 == length {
            Ok(out)
        } else {
            Err(BackupError::NotABackup(self.path.to_owned(), "it is cut short".into()))
        }
    }

    fn entry(&mut self) -> Result<Entry, BackupError> {
        let broken = |cause: &str| BackupError::NotABackup(self.path.to_owned(), cause.to_owned());
        let name_length = usize::from(u16::from_be_bytes(self.array()?));
        if name_length > NAME_MAX {
            return Err(broken("a name is too long"));
        }
        let name = self.bytes(name_length as u64)?;
        let name = String::from_utf8(name).map_err(|_| broken("a name is no text"))?;
        let kind = Kind::of(&name).ok_or_else(|| broken("a name that no backup has"))?;
        let size = u64::from_be_bytes(self.array()?);
        let length = u64::from_be_bytes(self.array()?);
        if length > size || size > kind.bound() {
            return Err(broken("a file is too long"));
        }
        let content = self.bytes(length)?;
        let sha256 = hex(&sha256(&[&content]));
        Ok(Entry { kind, file: FileEntry { name, size, length, sha256 }, content })
    }

    fn ended(&mut self) -> Result<bool, BackupError> {
        let mut one = [0];
        self.input.read(&mut one).map(|n| n == 0).map_err(|error| self.cut(&error))
    }

    fn cut(&self, error: &io::Error) -> BackupError {
        BackupError::NotABackup(self.path.to_owned(), format!("it is damaged or cut ({error})"))
    }
}

/// Opens a backup and checks everything in it, writing nothing: seal, digests, manifest, and the
/// journal's chain up to the place that the manifest names.
///
/// # Errors
/// It cannot be read, does not open, or is not whole.
pub fn verify(
    path: &Path,
    identities: &[Identity],
    progress: &mut dyn FnMut(u64),
) -> Result<Manifest, BackupError> {
    let broken = |cause: &str| BackupError::NotABackup(path.to_owned(), cause.to_owned());
    let mut walk = Walk::default();
    let manifest = read(path, identities, &mut |entry| {
        if let Kind::Segment(number) = entry.kind {
            walk.segment(number, &entry.content, true, &mut |_, _| {})?;
            let head = SegmentHeader::parse(&entry.content);
            let fits = head.is_ok_and(|head| u64::from(head.size) == entry.file.size);
            if !fits && entry.content.len() >= HEADER_LEN as usize {
                return Err(broken("a segment has another length than its head says"));
            }
        }
        progress(entry.content.len() as u64);
        Ok(())
    })?;
    let found = walk.end();
    if manifest.journal.sound && !agrees(&found, &manifest) {
        return Err(broken("its journal is not the one that its manifest describes"));
    }
    Ok(manifest)
}

fn agrees(found: &Inspected, manifest: &Manifest) -> bool {
    let journal = &manifest.journal;
    found.damage.is_empty()
        && found.name.is_some_and(|name| name.to_string() == journal.name)
        && found.records == journal.records
        && found.end.is_some_and(|end| end.to_string() == journal.end)
        && found.chain.is_some_and(|chain| chain.to_string() == journal.chain)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_the_bytes_of_the_page() {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out).unwrap();
        writer.file("config/cbm.toml", 8, b"a = \"b\"\n").unwrap();
        let page =
            "01000f636f6e6669672f63626d2e746f6d6c0000000000000008000000000000000861203d202262220a";
        assert_eq!(hex(&out), format!("{}{}", "63626d6261636b0a00000001", page));
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for good in ["journal/00000001.seg", "documents/0001.cbm", "config/cbm.toml"] {
            assert!(Kind::of(good).is_some(), "{good}");
        }
        for bad in [
            "journal/1.seg",
            "journal/00000000.seg",
            "journal/+0000001.seg",
            "journal/../../x.seg",
            "documents/../x.cbm",
            "documents/.cbm",
            "documents/.x.cbm",
            "documents/a/b.cbm",
            "documents/x.key",
            "config/other.toml",
            "keys/sign.key",
            "/etc/passwd",
            "",
        ] {
            assert!(Kind::of(bad).is_none(), "{bad}");
        }
    }
}
