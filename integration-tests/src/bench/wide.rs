//! A FLASH to a thousand stations in one process, beside bare gossipsub: the same swarms, the same graph,
//! the same bytes, by turns in one run.
//!
//! Every station has a libp2p swarm of its own, with TLS and yamux over libp2p's memory transport and the
//! node's own settings of gossip ([`cbm_node::mesh::gossip_settings`]), and about [`LINKS`] links. In a bare
//! round whoever hears the message accepts it at once, and that is all. In a round of ours the message is a
//! sealed FLASH and goes through a real [`cbm_proto::station::Station`] in the order that the product keeps:
//! verdict, opening, append and fdatasync, and only then whatever it says. Both end when the last station
//! has it; of ours that means synced to its own file.
//!
//! Left out, because a thousand stations on two cores would do nothing else: timers, and with them beacons,
//! comparisons and repeats, so that what gossip does not bring does not come; the first notices of all
//! stations but the authors'; and what two stations say at meeting. Used by `bench`.

mod gossip;
mod seat;
mod turn;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cbm_proto::draft::Draft;
use cbm_proto::primitives::Entropy;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use self::gossip::Order;
use self::seat::Crew;
use self::turn::ToSeat;
use super::{Failed, crowd, machine, table::Spread, table::Table};

/// Links that each station looks for.
const LINKS: usize = 8;
/// Rounds of each kind.
const ROUNDS: usize = 5;
/// Stations that the FLASH is addressed to: as many as one letter can be, and few.
const READERS: [usize; 2] = [usize::MAX, 1];
/// Between two rounds, so that copies of the one do not weigh on the next.
const PAUSE: Duration = Duration::from_secs(1);
/// No round, and no preparation, may take longer.
const PATIENCE: Duration = Duration::from_secs(180);
/// What waits for one task. More is lost, and the round then says whom the message did not reach.
const WAITING: usize = 4_096;
/// A task that should run has ended, or cannot follow.
const GONE: &str = "a station has stopped";
/// Syncs at once.
const SYNCS: usize = 32;
/// What a bare message begins with; an envelope never does.
const BARE: &[u8] = b"bare gossip ";

/// What both kinds of rounds took with one size of letter.
pub(super) struct Match {
    bare: Spread,
    ours: Spread,
    /// Bytes of the FLASH in gossip, and of a bare message.
    bytes: usize,
    /// Stations that the FLASH is addressed to and that open it.
    readers: usize,
}

/// All of it.
pub(super) struct Wide {
    matches: Vec<Match>,
    /// Resident memory of the process at the end, MB.
    memory: f64,
}

impl Wide {
    /// What it says in the table.
    pub(super) fn rows(&self, stations: usize, table: &mut Table) {
        let ms = |spread: &Spread| spread.at(50).as_secs_f64() * 1e3;
        let all = format!("all of {stations} stations in one process");
        for of in &self.matches {
            let (bare, ours) = (ms(&of.bare), ms(&of.ours));
            let what = format!("bare gossipsub: {} bytes to {all}", of.bytes);
            table.say(&what, &format!("median {bare:.0} ms"));
            let what = format!("cbm: a FLASH of that size to {}, stored by {all}", of.readers);
            let ratio = ours / bare;
            table.say(&what, &format!("median {ours:.0} ms; {ratio:.2} x bare gossipsub"));
        }
        let memory = format!("{:.0} MB", self.memory);
        table.say(&format!("memory of {all}, swarms and stations"), &memory);
    }
}

/// That station `at` has the message of this round, or what went wrong.
type Report = Result<(usize, Instant), String>;

/// The hands of whoever measures.
struct Net {
    orders: Vec<Sender<Order>>,
    seats: Vec<Sender<ToSeat>>,
    reports: Receiver<Report>,
}

/// So many stations; at most 1,200.
///
/// # Errors
/// Too many, a mesh that does not form, or a message that does not reach everybody in time.
pub(super) fn measure(stations: usize) -> Result<Wide, Failed> {
    let folder = tempfile::tempdir()?;
    let begin = Instant::now();
    let links = graph(stations);
    let crew = Crew::found(stations, &links, ROUNDS)?;
    eprintln!("cbm-bench: {stations} stations founded in {:.0?} …", begin.elapsed());
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().max_blocking_threads(SYNCS).build()?;
    let wide = runtime.block_on(run(crew, links, folder.path()));
    runtime.shutdown_background();
    wide
}

/// Random links on a ring, so that it is connected; both ends know each.
fn graph(stations: usize) -> Vec<BTreeSet<usize>> {
    let mut entropy = Entropy::new(&[11; 32]);
    let mut links = vec![BTreeSet::new(); stations];
    for at in 0..stations {
        let mut other = (at + 1) % stations;
        while links[at].len() < LINKS.min(stations - 1) {
            if other != at {
                links[at].insert(other);
                links[other].insert(at);
            }
            other = entropy.below(stations as u64) as usize;
        }
    }
    links
}

async fn run(crew: Crew, links: Vec<BTreeSet<usize>>, folder: &Path) -> Result<Wide, Failed> {
    let begin = Instant::now();
    let stations = links.len();
    let letters = READERS.map(|readers| Letters::of(&crew, readers));
    let letters = letters.into_iter().collect::<Result<Vec<_>, _>>()?;
    let (to_us, reports) = channel(WAITING);
    let (orders, taken): (Vec<_>, Vec<_>) = (0..stations).map(|_| channel(WAITING)).unzip();
    let (seats, inputs): (Vec<_>, Vec<_>) = (0..stations).map(|_| channel(WAITING)).unzip();
    crew.sit_down(folder, inputs, &orders, &seats, &to_us)?;
    gossip::start(&Arc::new(links), taken, &seats, &to_us)?;
    let mut net = Net { orders, seats, reports };
    timeout(PATIENCE, net.grafted()).await.map_err(|_| "the mesh did not form")??;
    eprintln!("cbm-bench: their mesh formed in {:.0?} …", begin.elapsed());
    let mut matches = Vec::new();
    for letters in letters {
        matches.push(net.compare(letters).await?);
    }
    Ok(Wide { matches, memory: machine::memory(std::process::id())? })
}

/// One FLASH of each author.
struct Letters {
    drafts: Vec<Draft>,
    bytes: usize,
    readers: usize,
}

impl Letters {
    fn of(crew: &Crew, readers: usize) -> Result<Self, Failed> {
        let drafts = (0..ROUNDS).map(|author| crew.draft(author, readers));
        let (drafts, bytes) = (drafts.collect::<Result<_, _>>()?, crew.frame_bytes(readers)?);
        Ok(Self { drafts, bytes, readers: crew.readers(readers) })
    }
}

/// What begins a round.
enum Said {
    Bare(Order),
    Ours(ToSeat),
}

impl Net {
    /// Waits until every station has enough neighbours in its mesh.
    async fn grafted(&self) -> Result<(), Failed> {
        for orders in &self.orders {
            while gossip::neighbours(orders).await? < gossip::enough(self.orders.len()) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Bare rounds and ours by turns, each kind first as often as the other.
    async fn compare(&mut self, letters: Letters) -> Result<Match, Failed> {
        let Letters { drafts, bytes, readers } = letters;
        let (mut bare, mut ours) = (Vec::new(), Vec::new());
        for (author, draft) in drafts.into_iter().enumerate() {
            let message = Said::Bare(Order::Publish(bare_message(author, bytes)));
            let flash = Said::Ours(ToSeat::Submit(Box::new(draft)));
            if author % 2 == 0 {
                bare.push(self.round(author, message).await?);
                ours.push(self.round(author, flash).await?);
            } else {
                ours.push(self.round(author, flash).await?);
                bare.push(self.round(author, message).await?);
            }
        }
        Ok(Match { bare: Spread::new(bare), ours: Spread::new(ours), bytes, readers })
    }

    /// From the word of its author until everybody has it.
    async fn round(&mut self, author: usize, said: Said) -> Result<Duration, Failed> {
        tokio::time::sleep(PAUSE).await;
        let mut missing: BTreeSet<usize> = (0..self.orders.len()).collect();
        let (begin, mut last) = (Instant::now(), Instant::now());
        match said {
            Said::Bare(order) => {
                missing.remove(&author);
                self.orders[author].try_send(order).map_err(|_| GONE)?;
            }
            Said::Ours(submit) => self.seats[author].try_send(submit).map_err(|_| GONE)?,
        }
        while !missing.is_empty() {
            let report = timeout(PATIENCE, self.reports.recv()).await;
            let Ok(Some(report)) = report else {
                return Err(format!("{} stations did not get the message", missing.len()).into());
            };
            let (at, when) = report?;
            missing.remove(&at);
            last = last.max(when);
        }
        Ok(last - begin)
    }
}

fn bare_message(round: usize, bytes: usize) -> Vec<u8> {
    let mut entropy = Entropy::new(&[u8::try_from(round).unwrap_or(0); 32]);
    let mut message = [BARE, &bytes.to_be_bytes()].concat();
    while message.len() < bytes {
        message.extend(entropy.bytes::<32>());
    }
    message.truncate(bytes);
    message
}
