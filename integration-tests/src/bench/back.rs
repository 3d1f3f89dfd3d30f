//! A station that comes back: letters that it carries for others, taken in from a peer as fast as it can
//! check and keep them, beside nothing but the verification of their signatures.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use cbm_node::store::{
    Store as _,
    disk::{DiskStore, Options},
};
use cbm_proto::accord::{ALL, Directory, Founded, Role, sample, station_id};
use cbm_proto::envelope::Envelope;
use cbm_proto::event::{Effects, Input, Speak};
use cbm_proto::id::{Digest, FeedId, Incarnation, StationId, StationName};
use cbm_proto::keys::StationKeys;
use cbm_proto::part::Part;
use cbm_proto::primitives::{Entropy, SignPublic};
use cbm_proto::seal::{self, Frame, PairSecret, Recipient};
use cbm_proto::station::{Setup, Station};
use cbm_proto::sync::{self, Ask, DaySets, Entry, Say};
use cbm_proto::terms::Status;
use cbm_proto::time::{Mono, Now, Timestamp};

use super::{Failed, machine};

/// What a catch-up took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Back {
    /// Letters a second, checked, kept and synced.
    pub(super) rate: f64,
    /// Signatures a second on as many threads as there are cores, and nothing else.
    pub(super) verified: f64,
    /// Bytes on the disk for each byte of the envelopes.
    pub(super) disk: f64,
}

/// Who there is: an author, the one that it writes to, and the one that was away.
struct Cast {
    directory: Directory,
    author: (StationId, StationKeys),
    reader: StationKeys,
    away: (StationId, StationKeys),
}

/// Takes in `count` letters of so many bytes.
///
/// # Errors
/// The disk, or letters that do not come in.
pub(super) fn measure(count: usize, text: usize) -> Result<Back, Failed> {
    let cast = cast()?;
    let (letters, feed) = cast.letters(count, text)?;
    let verified = verify_alone(&letters, &cast.author.1.sign.public())?;
    let bytes: u64 = letters.iter().map(|letter| letter.len() as u64).sum();
    let folder = tempfile::Builder::new().prefix("cbm-bench-").tempdir()?;
    let begin = Instant::now();
    take_in(cast, &letters, feed, folder.path())?;
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    let disk = machine::disk_use(folder.path())? as f64 / bytes as f64;
    Ok(Back { rate, verified, disk })
}

fn cast() -> Result<Cast, Failed> {
    let plan = ["AAA", "BBB", "CCC"].map(|party| (party, Role::State, &["mfa"][..]));
    let founded: Founded = sample(&plan, &mut Entropy::new(&[9; 32]))?;
    let mut directory = Directory::new(&founded.accord)?;
    directory.admit_all(founded.documents.iter().map(|document| &document[..]));
    let id = |name: &StationName| station_id(&founded.network, name);
    let mut all: Vec<_> = founded.stations.into_iter().map(|(n, keys)| (id(&n), keys)).collect();
    let (Some(away), Some((_, reader)), Some(author)) = (all.pop(), all.pop(), all.pop()) else {
        return Err("not three stations".into());
    };
    Ok(Cast { directory, author, reader, away })
}

impl Cast {
    /// A feed of letters to the reader, on the lane of all.
    fn letters(&self, count: usize, text: usize) -> Result<(Vec<Bytes>, FeedId), Failed> {
        let (author, keys) = &self.author;
        let lane = self.directory.group(ALL).ok_or("no group of all")?.lane;
        let feed = FeedId { author: *author, incarnation: Incarnation([7; 16]), lane };
        let network = self.directory.network();
        let pair = PairSecret::new(&keys.epoch, self.reader.epoch.public(), &network);
        let to = [Recipient { epoch: self.reader.epoch.public(), pair: &pair }];
        let (mut entropy, mut prev) = (Entropy::new(&[8; 32]), Digest([0; 32]));
        let mut letters = Vec::with_capacity(count);
        for seq in 1..=count as u64 {
            let frame = Frame {
                network,
                accord_version: 1,
                lane,
                author: *author,
                incarnation: feed.incarnation,
                seq,
                prev,
                made_at: Timestamp(1_800_000_000_000 + seq),
            };
            let parts = [Part { salt: entropy.bytes(), kind: 1, bytes: vec![b'x'; text].into() }];
            let (from, sign) = (&keys.epoch, &keys.sign);
            let (envelope, _) =
                seal::seal(&frame, Status::Actual, &parts, from, &to, sign, &mut entropy)?;
            prev = Digest(envelope.id().0);
            letters.push(envelope.bytes().clone());
        }
        Ok((letters, feed))
    }
}

fn verify_alone(letters: &[Bytes], key: &SignPublic) -> Result<f64, Failed> {
    let decoded: Vec<Envelope> = letters
        .iter()
        .take(20_000)
        .map(|bytes| Envelope::decode(bytes.clone()))
        .collect::<Result<_, _>>()?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let begin = Instant::now();
    let good: usize = thread::scope(|scope| {
        let share = decoded.len().div_ceil(cores).max(1);
        let count = |all: &[Envelope]| all.iter().filter(|e| e.verify(key).is_ok()).count();
        let threads: Vec<_> =
            decoded.chunks(share).map(|all| scope.spawn(move || count(all))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).sum()
    });
    if good != decoded.len() {
        return Err("a letter does not verify".into());
    }
    Ok(good as f64 / begin.elapsed().as_secs_f64())
}

/// A station as the node's loop has it: what it asks of the peer that has the letters is answered at
/// once, what it appends is synced before anything else is done.
fn take_in(
    cast: Cast,
    letters: &[Bytes],
    feed: FeedId,
    folder: &std::path::Path,
) -> Result<(), Failed> {
    let mut store = DiskStore::open(&folder.join("data"), &Options::new([4; 32]))?;
    let (me, keys) = cast.away;
    let directory = cast.directory;
    let setup = Setup { me, keys: Arc::new(keys), directory, moved: false, restored: None };
    let mut station = Station::new(setup);
    let (peer, count, begin) = (feed.author, letters.len() as u64, Instant::now());
    let head = letters.last().map(|bytes| Envelope::decode(bytes.clone())).transpose()?;
    let entry = Entry {
        feed,
        mark: count,
        head: head.map(|envelope| envelope.id()),
        above: Vec::new(),
        more: false,
        proven: false,
    };
    let now = || {
        let ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { wall: Timestamp(1_800_100_000_000 + ms), mono: Mono(ms) }
    };
    let mut entropy = Entropy::new(&[3; 32]);
    let mut inputs: VecDeque<Input> = VecDeque::from([Input::Linked { peer }]);
    let mut effects = station.start(now(), &entropy.bytes());
    let mut kept = 0;
    loop {
        kept += keep(&mut store, &effects)?;
        answer(&effects, letters, &entry, &mut inputs);
        if kept >= count {
            return Ok(());
        }
        let input = inputs.pop_front().unwrap_or(Input::Tick);
        if let Input::Answered { answer: Some(bytes), .. } = &input {
            cbm_node::runtime::ahead::verify(&mut station, bytes);
        }
        effects = station.handle(now(), &entropy.bytes(), input);
        effects.absorb(station.settle(now(), &entropy.bytes()));
        if begin.elapsed().as_secs() > 600 {
            return Err(format!("{kept} of {count} letters came in").into());
        }
    }
}

fn keep(store: &mut DiskStore, effects: &Effects) -> Result<u64, Failed> {
    if effects.appends.is_empty() {
        return Ok(0);
    }
    store.append(&effects.appends)?;
    store.sync()?;
    let envelope =
        |r: &&cbm_proto::journal::Record| r.kind == cbm_proto::journal::RecordKind::Envelope;
    Ok(effects.appends.iter().filter(envelope).count() as u64)
}

fn answer(effects: &Effects, letters: &[Bytes], entry: &Entry, inputs: &mut VecDeque<Input>) {
    for speak in &effects.speaks {
        let Speak::Request { peer, id, bytes } = speak else { continue };
        let answer = match Ask::decode(bytes) {
            Ok(Ask::Summary(_)) => Some(
                Say::Entries {
                    entries: vec![entry.clone()],
                    carried: DaySets::new(),
                    more: false,
                    echoes: Vec::new(),
                }
                .encode(),
            ),
            Ok(Ask::Want(numbers, _)) => {
                let numbers = numbers.iter().flat_map(|n| n.from..=n.to);
                let letter = |n: u64| letters.get(usize::try_from(n).ok()?.checked_sub(1)?);
                Some(sync::serve(numbers.filter_map(letter).cloned().collect(), false))
            }
            _ => None,
        };
        inputs.push_back(Input::Answered { peer: *peer, id: *id, answer });
    }
}
