//! The stations of `wide`, as they are founded: real ones, each with a task and a file of its own.
//!
//! Invariants: the order of the product's loop is kept (verdicts, settle, append and sync, then speaks), and
//! a station is reported to have a letter after the sync and not before; questions go to linked stations
//! only. Used by `wide`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use cbm_proto::accord::{Directory, Role, sample, station_id};
use cbm_proto::draft::Draft;
use cbm_proto::event::{Input, Token};
use cbm_proto::id::StationName;
use cbm_proto::keys::StationKeys;
use cbm_proto::limits::STANZAS_MAX;
use cbm_proto::primitives::Entropy;
use tokio::sync::mpsc::{Receiver, Sender};

use super::gossip::Order;
use super::turn::{Hands, Names, Seat, ToSeat};
use super::{Failed, Report, crowd};

/// Parties, while each has at most [`NAMES`] stations.
const PARTIES: usize = 200;
/// Short names of a party's stations.
const NAMES: [&str; 6] = ["mfa", "mod", "moi", "cab", "pmo", "emb"];

/// Everybody, before the swarms run.
pub(super) struct Crew {
    seats: Vec<Seat>,
    /// The party of each station.
    parties: Vec<String>,
    /// Stations of one party.
    each: usize,
    names: Arc<Names>,
}

impl Crew {
    /// So many stations with these links, which have met and heard the first notices of the first so many.
    ///
    /// # Errors
    /// More than fit.
    pub(super) fn found(
        count: usize,
        links: &[BTreeSet<usize>],
        authors: usize,
    ) -> Result<Self, Failed> {
        let each = count.div_ceil(PARTIES).max(1);
        if count <= authors || each > NAMES.len() {
            let most = PARTIES * NAMES.len();
            return Err(format!("--stations takes {} to {most}, or 0", authors + 1).into());
        }
        let codes: Vec<String> = (0..count.div_ceil(each)).map(crowd::code).collect();
        let of = |n: usize| &NAMES[..each.min(count - n * each)];
        let plan: Vec<_> =
            codes.iter().enumerate().map(|(n, code)| (&code[..], Role::State, of(n))).collect();
        let founded = sample(&plan, &mut Entropy::new(&[12; 32]))?;
        let mut directory = Directory::new(&founded.accord)?;
        directory.admit_all(founded.documents.iter().map(|document| &document[..]));
        let people: Vec<(StationName, Arc<StationKeys>)> =
            founded.stations.into_iter().map(|(name, keys)| (name, Arc::new(keys))).collect();
        let parties = people.iter().map(|(name, _)| name.party().to_string()).collect();
        let by_number: Vec<_> =
            people.iter().map(|(name, _)| station_id(&founded.network, name)).collect();
        let numbers = by_number.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let names = Arc::new(Names { by_number, numbers });
        let keys: Vec<_> = people.into_iter().map(|(_, keys)| keys).collect();
        let (mut seats, notices) = sit(&keys, &directory, links, &names)?;
        for (author, notice) in notices.into_iter().enumerate().take(authors) {
            let from = names.by_number[author];
            for seat in seats.iter_mut().filter(|seat| seat.at != author) {
                let (token, bytes) = (Token(0), notice.clone());
                seat.quietly(Some(Input::Heard { from, token, bytes }));
            }
        }
        Ok(Self { seats, parties, each, names })
    }

    /// The FLASH of this author to so many stations, or to as many as one letter can be sealed to;
    /// whole parties, at least one.
    pub(super) fn draft(&self, author: usize, readers: usize) -> Result<Draft, Failed> {
        let mut others = self.parties.clone();
        others.dedup();
        others.retain(|party| *party != self.parties[author]);
        others.truncate(self.readers(readers) / self.each);
        crowd::signal(others)
    }

    /// Stations that it is addressed to then.
    pub(super) fn readers(&self, readers: usize) -> usize {
        let others = self.parties.iter().filter(|party| **party != self.parties[0]).count();
        let most = others.min(STANZAS_MAX).min(readers);
        (most / self.each).max(1) * self.each
    }

    /// Bytes of that FLASH in gossip: what a twin of the first station, which nobody hears, says.
    pub(super) fn frame_bytes(&self, readers: usize) -> Result<usize, Failed> {
        let first = self.seats.first().ok_or("nobody is here")?;
        let directory = first.station.directory().clone();
        let keys = Arc::clone(&first.keys);
        let mut twin = Seat::new(0, keys, directory, BTreeSet::new(), &self.names, first.began);
        twin.quietly(None);
        let draft = Box::new(self.draft(0, readers)?);
        let said = twin.quietly(Some(Input::Submit { token: Token(u64::MAX), draft }));
        Ok(said.ok_or("the FLASH was not said")?.len())
    }

    /// Each gets its file and its task.
    pub(super) fn sit_down(
        self,
        folder: &Path,
        inputs: Vec<Receiver<ToSeat>>,
        orders: &[Sender<Order>],
        seats: &[Sender<ToSeat>],
        reports: &Sender<Report>,
    ) -> Result<(), Failed> {
        let seats: Arc<[_]> = seats.into();
        for (seat, inputs) in self.seats.into_iter().zip(inputs) {
            let file = folder.join(seat.at.to_string());
            std::fs::File::create(&file)?.sync_all()?;
            let (orders, seats) = (orders[seat.at].clone(), Arc::clone(&seats));
            let hands = Hands { file, orders, seats, reports: reports.clone() };
            drop(tokio::spawn(seat.run(inputs, hands)));
        }
        Ok(())
    }
}

type Seated = (Vec<Seat>, Vec<Bytes>);

/// Makes the stations, on all cores: each agrees on a secret with each other one.
fn sit(
    keys: &[Arc<StationKeys>],
    directory: &Directory,
    links: &[BTreeSet<usize>],
    names: &Arc<Names>,
) -> Result<Seated, Failed> {
    let began = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let one = |at: usize, keys: &Arc<StationKeys>| {
        let (keys, links) = (Arc::clone(keys), links[at].clone());
        let peers: Vec<_> = links.iter().map(|link| names.by_number[*link]).collect();
        let mut seat = Seat::new(at, keys, directory.clone(), links, names, began);
        let notice = seat.quietly(None).unwrap_or_default();
        for peer in peers {
            seat.quietly(Some(Input::Linked { peer }));
        }
        (seat, notice)
    };
    let share = keys.len().div_ceil(cores);
    let some = |n: usize, keys: &[Arc<StationKeys>]| -> Seated {
        keys.iter().enumerate().map(|(at, keys)| one(n * share + at, keys)).unzip()
    };
    let some = &some;
    let made = std::thread::scope(|scope| {
        let shares = keys.chunks(share).enumerate();
        let threads: Vec<_> = shares.map(|(n, keys)| scope.spawn(move || some(n, keys))).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Result<Vec<_>, _>>()
    });
    let made = made.map_err(|_| "a station could not be made")?;
    let (seats, notices): (Vec<_>, Vec<_>) = made.into_iter().unzip();
    Ok((seats.into_iter().flatten().collect(), notices.into_iter().flatten().collect()))
}
