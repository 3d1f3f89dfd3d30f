//! The folder that suffers: made by real nodes, kept in small segments, put back after each fault.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use cbm_integration_tests::{
    chance::Chance,
    processes::{Lab, Node},
};
use cbm_node::{
    config::Config,
    store::{
        Position, Store as _,
        disk::{DiskStore, Options},
        inspect::{Until, inspect},
    },
};
use cbm_proto::journal::Record;
use tempfile::TempDir;

/// Small, so that there are closed segments and a newest one.
pub(crate) const SEGMENT: u32 = 24 * 1024;

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Bit 0 to 7 of the byte is turned.
    Flip(u8),
    /// The file ends before the byte.
    Cut,
}

/// Where it happens.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Relative to the store's folder.
    pub(crate) file: String,
    /// Byte in the file.
    pub(crate) at: u64,
    pub(crate) fault: Fault,
}

impl Place {
    /// No fault at all.
    pub(crate) fn nowhere() -> Self {
        Self { file: String::new(), at: 0, fault: Fault::Cut }
    }

    pub(crate) fn is(&self, file: &str) -> bool {
        self.file == file
    }

    pub(crate) fn is_segment(&self) -> bool {
        self.file.starts_with("journal/")
    }

    /// The kind of file, for the sum.
    pub(crate) fn what(&self) -> &'static str {
        match self.file.split('/').next() {
            Some("journal") => "journal",
            Some("index") => "index",
            _ => "marker",
        }
    }

    /// How words about a segment begin to name the place.
    pub(crate) fn named(&self) -> String {
        let number: u32 = self.file.split(['/', '.']).nth(1).unwrap().parse().unwrap();
        format!("journal damaged at {number}:")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at byte {} of {}", self.fault, self.at, self.file)
    }
}

/// A station's folder, and every file of it as it was.
pub(crate) struct Content {
    pub(crate) folder: TempDir,
    pub(crate) config: Config,
    /// Where each record begins, and the byte behind its content.
    pub(crate) records: Vec<(Position, u32)>,
    saved: BTreeMap<String, Vec<u8>>,
    _lab: Lab,
}

/// Two nodes, what they write to each other, and a clean end.
pub(crate) fn correspondence(letters: u32) -> Lab {
    let lab = Lab::new(2);
    let (mut a, mut b) = (lab.start("AAA"), lab.start("BBB"));
    for n in 0..letters {
        let (from, to, there) = if n % 3 == 2 { (&b, "AAA", &a) } else { (&a, "BBB", &b) };
        let id = send(&lab, from, to, n);
        from.await_status(&id, to, |status| status["level"] == "L2");
        if n % 4 == 0 {
            let _ = there.text(&["ack", &id]);
            from.await_status(&id, to, |status| status["level"] == "L4");
        }
    }
    assert_eq!(a.stop().code(), Some(0));
    assert_eq!(b.stop().code(), Some(0));
    lab
}

fn send(lab: &Lab, from: &Node, to: &str, n: u32) -> String {
    let subject = format!("letter {n}");
    let file = lab.letter("operator-note", |l| l["subject"][0]["text"] = subject[..].into());
    let mut args = vec!["send", "operator-note", "--to", to, "--file", &file];
    let attachment = lab.file("attached.txt", &subject.repeat(2_000));
    if n % 4 == 1 {
        args.extend(["--attach", &attachment]);
    }
    from.text(&args)
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

impl Content {
    /// Made by two nodes; the journal of one of them is written once more, in small segments.
    pub(crate) fn make() -> Self {
        let lab = correspondence(12);
        let file = lab.station("BBB").join("cbm.toml");
        let config = Config::load(&file, [], &[]).unwrap();
        let mut records = Vec::new();
        inspect(&config.data, Until::End, &mut |_, record| records.push(record)).unwrap();
        let folder = TempDir::new().unwrap();
        let places = write(folder.path(), &records);
        let saved = files(folder.path());
        let mut content = Self { folder, config, records: places, saved, _lab: lab };
        // The folder's own files are written over from now on, so that they stay the same files.
        content.saved = files(content.folder.path());
        content
    }

    pub(crate) fn options(&self) -> Options {
        super::picture::options()
    }

    /// Everything as it was, in the same files.
    pub(crate) fn reset(&self) {
        for file in files(self.folder.path()).keys() {
            if !self.saved.contains_key(file) {
                fs::remove_file(self.path(file)).unwrap();
            }
        }
        for (file, bytes) in &self.saved {
            fs::create_dir_all(self.path(file).parent().unwrap()).unwrap();
            // A new file: who panicked over the old one may hold its lock for ever.
            if file.starts_with("index/") {
                fs::remove_file(self.path(file)).or_else(absent).unwrap();
            }
            fs::write(self.path(file), bytes).unwrap();
        }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Turns a bit or cuts an end off.
    pub(crate) fn strike(&self, place: &Place) {
        let mut bytes = self.saved[&place.file].clone();
        match place.fault {
            Fault::Flip(bit) => bytes[usize::try_from(place.at).unwrap()] ^= 1 << bit,
            Fault::Cut => bytes.truncate(usize::try_from(place.at).unwrap()),
        }
        fs::write(self.path(&place.file), bytes).unwrap();
    }

    /// Six of ten in the journal, three in the index, one in the marker; nine of ten where something is
    /// written, else anywhere in the file.
    pub(crate) fn draw(&self, chance: &mut Chance, cut: bool) -> Place {
        let folder = match chance.below(10) {
            0..6 => "journal/",
            6..9 => "index/",
            _ => "marker",
        };
        let all: Vec<_> = self.saved.iter().filter(|(name, _)| name.starts_with(folder)).collect();
        let (file, bytes) = all[chance.index(all.len())];
        let used = bytes.iter().rposition(|b| *b != 0).map_or(1, |last| last + 1);
        let until = if chance.below(10) < 9 { used } else { bytes.len().max(1) };
        let fault = if cut { Fault::Cut } else { Fault::Flip(chance.below(8) as u8) };
        Place { file: file.clone(), at: chance.below(until as u64), fault }
    }

    /// The record whose head or content holds the place.
    pub(crate) fn record_at(&self, place: &Place) -> Option<Position> {
        let number: u32 = place.file.split(['/', '.']).nth(1)?.parse().ok()?;
        let holds = |(at, end): &&(Position, u32)| {
            at.segment() == number && (u64::from(at.offset())..u64::from(*end)).contains(&place.at)
        };
        self.records.iter().find(holds).map(|(at, _)| *at)
    }
}

/// Batches of one to four records, each synced; closed in order.
fn write(folder: &Path, records: &[Record]) -> Vec<(Position, u32)> {
    let mut store = DiskStore::open(folder, &super::picture::options()).unwrap();
    let mut places = Vec::new();
    let mut rest = records;
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(rest.len().min(1 + places.len() % 4));
        let at = store.append(batch).unwrap();
        let end = |(at, record): (&Position, &Record)| {
            (*at, at.offset() + 64 + u32::try_from(record.bytes.len()).unwrap())
        };
        places.extend(at.iter().zip(batch).map(end));
        store.sync().unwrap();
        rest = after;
    }
    places
}

/// Every file of a folder but the lock, by its name relative to it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                open.push(path);
            } else if name != "lock" {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}
