//! Two stations that write to one another as fast as they can, and the store of one of them.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cbm_node::config::Config;
use cbm_node::documents;
use cbm_node::keystore::Keystore;
use cbm_node::store::Store as _;
use cbm_node::store::disk::{DiskStore, Options};
use cbm_proto::accord::station_id;
use cbm_proto::event::{Effects, Input, RequestId, Speak, Token, Topic};
use cbm_proto::id::{PartyCode, StationId};
use cbm_proto::journal::{Record, RecordKind};
use cbm_proto::primitives::digest;
use cbm_proto::station::{Setup, Station};
use cbm_proto::time::{Mono, Now, Timestamp};

use super::{Failed, RENEWED};
use crate::world::Written;

/// Letters of one batch, half in each direction.
const BATCH: usize = 64;
/// Distance between two batches, by the clock on the wall: a million letters take half a year.
const STEP: u64 = 1_000_000;

/// What was filled in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filled {
    /// Letters, half of them received.
    pub letters: usize,
    /// Records.
    pub records: u64,
    /// Bytes of the envelopes among them.
    pub envelopes: u64,
}

/// What two nodes and the network between them do.
struct Two {
    setups: [Setup; 2],
    stations: [Station; 2],
    queue: VecDeque<(usize, Input)>,
    asked: BTreeMap<u64, (usize, RequestId)>,
    tokens: u64,
    wall: u64,
    mono: u64,
    drawn: u64,
    store: DiskStore,
    filled: Filled,
}

pub(super) fn fill(lab: &Path, letters: usize) -> Result<Filled, Failed> {
    let stations = ["AAA-mfa", "BBB-mfa"].map(|name| lab.join(name));
    let (data, mine) = setup(&stations[0])?;
    let (_, theirs) = setup(&stations[1])?;
    let store = DiskStore::open(&data, &Options::new([7; 32]))?;
    let setups = [mine, theirs];
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis();
    let past = (letters / BATCH) as u64 * STEP;
    let mut two = Two {
        stations: setups.clone().map(Station::new),
        setups,
        queue: VecDeque::new(),
        asked: BTreeMap::new(),
        tokens: 0,
        wall: u64::try_from(now)?.saturating_sub(past),
        mono: 0,
        drawn: 0,
        store,
        filled: Filled::default(),
    };
    while two.filled.letters < letters {
        if two.filled.letters.is_multiple_of(RENEWED) {
            two.begin()?;
        }
        two.batch((letters - two.filled.letters).min(BATCH))?;
    }
    two.store.sync()?;
    Ok(two.filled)
}

fn setup(station: &Path) -> Result<(std::path::PathBuf, Setup), Failed> {
    let config = Config::load(&station.join("cbm.toml"), [], &[])?;
    let directory = documents::load(&config.documents)?.directory;
    let me = station_id(&directory.network(), &config.station);
    let keys = Arc::new(Keystore::open(&config.keys)?.load_station()?);
    Ok((config.data, Setup { me, keys, directory, moved: false, restored: None }))
}

impl Two {
    fn id(&self, side: usize) -> StationId {
        self.setups[side].me
    }

    fn now(&self) -> Now {
        Now { mono: Mono(self.mono), wall: Timestamp(self.wall) }
    }

    fn entropy(&mut self) -> [u8; 32] {
        self.drawn += 1;
        digest("kept-entropy", &[&self.drawn.to_be_bytes()]).0
    }

    /// Both anew, and linked.
    fn begin(&mut self) -> Result<(), Failed> {
        self.stations = self.setups.clone().map(Station::new);
        self.asked.clear();
        for side in [0, 1] {
            let (now, entropy) = (self.now(), self.entropy());
            let effects = self.stations[side].start(now, &entropy);
            self.perform(side, effects)?;
        }
        for side in [0, 1] {
            self.queue.push_back((side, Input::Linked { peer: self.id(1 - side) }));
        }
        self.pump()
    }

    fn batch(&mut self, count: usize) -> Result<(), Failed> {
        for n in 0..count {
            let side = n % 2;
            let to = PartyCode::new(["BBB", "AAA"][side])?;
            let written = Written { words: 30, ..Written::note(vec![to]) };
            let (draft, _) = written.draft(self.filled.letters, 1).map_err(|e| format!("{e:?}"))?;
            let token = self.token();
            self.queue.push_back((side, Input::Submit { token, draft: Box::new(draft) }));
            self.filled.letters += 1;
        }
        self.pump()?;
        // The machine's L2 is told a moment after its L1.
        self.mono += 1_000;
        self.wall += STEP;
        (0..2).for_each(|side| self.queue.push_back((side, Input::Tick)));
        self.pump()?;
        Ok(self.store.sync()?)
    }

    fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    /// Batch by batch, until nobody has anything to say.
    fn pump(&mut self) -> Result<(), Failed> {
        while !self.queue.is_empty() {
            for side in [0, 1] {
                let waits = std::mem::take(&mut self.queue);
                let (mine, others): (VecDeque<_>, _) =
                    waits.into_iter().partition(|(to, _)| *to == side);
                self.queue = others;
                let mut effects = Effects::default();
                for (_, input) in mine {
                    let (now, entropy) = (self.now(), self.entropy());
                    effects.absorb(self.stations[side].handle(now, &entropy, input));
                }
                let (now, entropy) = (self.now(), self.entropy());
                effects.absorb(self.stations[side].settle(now, &entropy));
                self.perform(side, effects)?;
            }
        }
        Ok(())
    }

    fn perform(&mut self, side: usize, effects: Effects) -> Result<(), Failed> {
        if side == 0 {
            self.keep(&effects.appends)?;
        }
        for speak in effects.speaks {
            self.speak(side, speak);
        }
        Ok(())
    }

    fn keep(&mut self, records: &[Record]) -> Result<(), Failed> {
        self.filled.records += records.len() as u64;
        let envelopes = records.iter().filter(|record| record.kind == RecordKind::Envelope);
        self.filled.envelopes += envelopes.map(|record| record.bytes.len() as u64).sum::<u64>();
        self.store.append(records)?;
        Ok(())
    }

    fn speak(&mut self, side: usize, speak: Speak) {
        let (from, other) = (self.id(side), 1 - side);
        match speak {
            Speak::Publish { topic: Topic::Lane(_), bytes } => {
                let token = self.token();
                self.queue.push_back((other, Input::Heard { from, token, bytes }));
            }
            Speak::Request { id, bytes, .. } => {
                let token = self.token();
                self.asked.insert(token.0, (side, id));
                self.queue.push_back((other, Input::Asked { peer: from, token, bytes }));
            }
            Speak::Answer { token, bytes } => self.answer(side, token, Some(bytes)),
            Speak::Serve { token, .. } => self.answer(side, token, None),
            Speak::Push { peer, id, .. } => {
                self.queue.push_back((side, Input::Answered { peer, id, answer: None }));
            }
            _ => {}
        }
    }

    fn answer(&mut self, side: usize, token: Token, answer: Option<Bytes>) {
        if let Some((to, id)) = self.asked.remove(&token.0) {
            let peer = self.id(side);
            self.queue.push_back((to, Input::Answered { peer, id, answer }));
        }
    }
}
