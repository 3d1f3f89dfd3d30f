//! What store and station show of a folder: everything that a person, a peer or a restart would see.

use std::{collections::BTreeMap, ops::ControlFlow};

use cbm_node::{
    documents,
    keystore::Keystore,
    store::{
        Marker, Position, Report, Store,
        disk::{DiskStore, Options},
    },
};
use cbm_proto::{
    accord::station_id,
    id::MsgId,
    journal::{Keys, Record, index_keys},
    primitives::digest,
    station::{Setup, Station},
};

use super::content::{Content, Place};

/// Everything that is shown. Values are texts, so that what differs can be read.
#[derive(Debug, PartialEq)]
pub(crate) struct Picture {
    /// Letters received and sent, with their content, or that it cannot be read.
    pub(crate) letters: BTreeMap<String, String>,
    /// How far each letter of ours came, and what was said of each letter to us.
    pub(crate) levels: BTreeMap<String, String>,
    /// Envelopes, as peers are served by number.
    pub(crate) served: BTreeMap<String, String>,
    /// Records, as a scan yields them, by their place.
    pub(crate) records: BTreeMap<Position, String>,
    /// What is believed.
    pub(crate) believed: String,
    pub(crate) marker: Marker,
    pub(crate) reports: Vec<Report>,
}

/// In place of a content that is lost.
const UNREADABLE: &str = "cannot be read";

fn name(record: &Record) -> String {
    format!("{:?} {}", record.kind, digest("flips", &[&record.bytes]))
}

impl Picture {
    /// Opens what is in the folder and looks at everything.
    pub(crate) fn take(content: &Content) -> Result<Self, String> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let config = &content.config;
        let mut store = DiskStore::open(content.folder.path(), &content.options())
            .map_err(|error| words(&error))?;
        let loaded = documents::load(&config.documents).unwrap();
        let me = station_id(&loaded.directory.network(), &config.station);
        let keys = Keystore::open(&config.keys).unwrap().load_station().unwrap();
        let mut records = BTreeMap::new();
        let each = &mut |at, record: Record| {
            records.insert(at, record);
            ControlFlow::Continue(())
        };
        store.scan(Position::START, each).map_err(|error| words(&error))?;
        let marker = store.marker();
        let setup = Setup {
            me,
            keys: keys.into(),
            directory: loaded.directory,
            moved: marker == Marker::Moved,
            restored: None,
        };
        let mut station = Station::new(setup);
        for record in records.values() {
            station.restore(record).map_err(|error| words(&error))?;
        }
        let mut picture = Self {
            letters: BTreeMap::new(),
            levels: BTreeMap::new(),
            served: served(&store, &records)?,
            records: records.iter().map(|(at, record)| (*at, name(record))).collect(),
            believed: station.directory().view_text(),
            marker,
            reports: Vec::new(),
        };
        picture.letters(&mut store, &station)?;
        picture.reports = store.take_reports();
        Ok(picture)
    }

    fn letters(&mut self, store: &mut dyn Store, station: &Station) -> Result<(), String> {
        let received = station.inbox().map(|letter| {
            let level = format!("{:?} {:?}", letter.level, letter.outcome);
            (letter.msg, format!("from {:?}", letter.author), level)
        });
        let sent = station.sent().map(|(msg, letter)| {
            let owed = letter.owed.iter().map(|(id, owed)| format!("{id:?} {:?}", owed.level));
            (msg, "sent".to_owned(), owed.collect::<Vec<_>>().join(" "))
        });
        let all: Vec<(MsgId, String, String)> = received.chain(sent).collect();
        for (msg, whose, level) in all {
            let shown = show(store, station, msg)?;
            self.letters.insert(format!("{msg}"), format!("{whose}: {shown}"));
            self.levels.insert(format!("{msg}"), level);
        }
        Ok(())
    }

    /// The content is enough to lose something of every kind.
    pub(crate) fn is_worth_it(&self) {
        assert!(self.reports.is_empty(), "{:?}", self.reports);
        assert_eq!(self.marker, Marker::Same);
        assert!(self.letters.len() >= 10 && self.served.len() >= 20, "{self:?}");
        assert!(!self.letters.values().any(|text| text.contains(UNREADABLE)));
        for kind in ["Envelope", "Sent", "Opened", "Event", "Incarnation"] {
            assert!(self.records.values().any(|name| name.starts_with(kind)), "no {kind}");
        }
        assert!(self.records.keys().next_back().unwrap().segment() >= 4, "several segments");
    }

    /// Whatever is shown now was shown before, in the same words.
    pub(crate) fn shows_nothing_that_was_not_in(&self, before: &Self, place: &Place) {
        for (id, text) in &self.letters {
            let was = before.letters.get(id);
            let was = was.unwrap_or_else(|| panic!("{id} was never there: {place}"));
            let lost =
                text.ends_with(UNREADABLE) && text.split(':').next() == was.split(':').next();
            assert!(text == was || lost, "{id}: {text}, and was {was}: {place}");
        }
        for (number, envelope) in &self.served {
            assert_eq!(before.served.get(number), Some(envelope), "{number}: {place}");
        }
        for (at, record) in &self.records {
            assert_eq!(before.records.get(at), Some(record), "{at}: {place}");
        }
    }

    pub(crate) fn shows_as_much_as(&self, before: &Self) -> bool {
        self.letters == before.letters
            && self.levels == before.levels
            && self.served == before.served
            && self.records == before.records
            && self.believed == before.believed
    }
}

/// The content of a letter as `cbm show` reads it.
fn show(store: &mut dyn Store, station: &Station, msg: MsgId) -> Result<String, String> {
    let Some(id) = station.envelope_of(&msg) else { return Ok(UNREADABLE.to_owned()) };
    let about = store.about(&msg).map_err(|error| error.to_string())?;
    let envelope = store.envelope(&id).map_err(|error| error.to_string())?;
    let opened = envelope.and_then(|envelope| station.reopen(&about, envelope).ok());
    Ok(opened.map_or_else(
        || UNREADABLE.to_owned(),
        |letter| {
            let inside = letter.attachments.iter().filter_map(|file| file.inside());
            let files = inside.map(|bytes| digest("flips", &[bytes]));
            format!("{} {:?}", letter.to_json(), files.collect::<Vec<_>>())
        },
    ))
}

/// What peers get by number, of every feed that the journal has.
fn served(
    store: &DiskStore,
    records: &BTreeMap<Position, Record>,
) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for record in records.values() {
        let Keys::Envelope { feed, .. } = index_keys(record) else { continue };
        let page = store.feed(&feed, 0, u64::MAX, usize::MAX, usize::MAX - 1);
        for bytes in page.map_err(|error| error.to_string())?.envelopes {
            let of = digest("flips", &[&bytes]);
            found.insert(format!("{feed:?} {of}"), of.to_string());
        }
    }
    Ok(found)
}

/// As a real station opens its store, with small segments.
pub(crate) fn options() -> Options {
    Options { segment: super::content::SEGMENT, ..Options::new([7; 32]) }
}
