//! The accord that a world's stations run on, and the keys of each.

use std::sync::Arc;

use bytes::Bytes;
use cbm_proto::accord::make::{self, CertificateDraft};
use cbm_proto::accord::{self, Directory, Founding, Role, Scopes};
use cbm_proto::id::{LaneId, PartyCode, StationId, StationName};
use cbm_proto::journal::RecordKind;
use cbm_proto::keys::StationKeys;
use cbm_proto::primitives::{DsaSecret, Entropy, EpochSecret, SignSecret};
use cbm_proto::station::Setup;
use cbm_proto::time::{DAY, Timestamp};

use super::{BEGINNING, Machine};
use crate::chance::Chance;
use crate::disk::Disk;
use crate::invariants::Failure;
use crate::options::Options;

/// Who there is: documents that all have, keys of each.
pub(super) struct Founded {
    /// The documents and the authority keys; the stations' keys are taken out.
    pub(super) practice: accord::Founded,
    directory: Directory,
    keys: Vec<(StationId, Arc<StationKeys>)>,
    /// Later generations: what certifies them, and their seed.
    later: Vec<(StationId, Bytes, [u8; 32])>,
    names: Vec<(StationName, bool)>,
}

impl Founded {
    /// Founds what the options ask for: parties `AAA`, `BBB`, …; stations `mfa`, `cert`; observers
    /// last, from `OBA` on.
    pub(super) fn new(options: &Options) -> Result<Self, Failure> {
        let mut founding = Founding::new("Simulated accord", Timestamp(BEGINNING - 30 * DAY));
        let mut names = Vec::new();
        let states = options.stations.iter().map(|count| (*count, Role::State));
        let all = states.chain((0..options.observers).map(|_| (1, Role::Observer)));
        for (index, (count, role)) in all.enumerate() {
            let party = party(index, role)?;
            founding = founding.party(party.clone(), role, &format!("Party {party}"));
            for short in ["mfa", "cert", "mod"].into_iter().take(count) {
                let name = StationName::new(party.clone(), short).map_err(wrong)?;
                founding = founding.station(name.clone(), Vec::new());
                names.push((name, role != Role::State));
            }
        }
        let mut entropy = Entropy::new(&Chance::new(options.seed, "founding").seed());
        let mut founded = founding.found(&mut entropy).map_err(wrong)?;
        let directory = founded.directory().map_err(wrong)?;
        let network = founded.network;
        let station = |name: &StationName| accord::station_id(&network, name);
        let stations = std::mem::take(&mut founded.stations).into_iter();
        let keys = stations.map(|(name, keys)| (station(&name), keys.into()));
        let keys = keys.collect();
        Ok(Self { practice: founded, directory, keys, later: Vec::new(), names })
    }

    /// The machines of these stations, off and empty; `skew` draws each one's clock.
    pub(super) fn machines(&self, mut skew: impl FnMut() -> u64) -> Vec<Machine> {
        let network = self.directory.network();
        let machine = |(name, watches): &(StationName, bool)| Machine {
            station: accord::station_id(&network, name),
            name: name.clone(),
            watches: *watches,
            disk: Disk::default(),
            run: None,
            moved: false,
            skew: i64::try_from(skew()).unwrap_or(0),
            stalled_until: 0,
            slow: 0,
            runs: 0,
            held: false,
            rests_until: 0,
            rolled_back: false,
            restored: None,
        };
        self.names.iter().map(machine).collect()
    }

    /// What a station is made of at each start: its keys are of the newest generation whose
    /// certificate is on its disk.
    pub(super) fn setup(
        &self,
        me: StationId,
        moved: bool,
        restored: Option<Timestamp>,
        disk: &Disk,
    ) -> Result<Setup, Failure> {
        let first = self.keys(me).ok_or_else(|| Failure::crash(format!("{me:?} has no keys")))?;
        let keys = self.generation(me, disk).map_or(first, Arc::new);
        Ok(Setup { me, keys, directory: self.directory.clone(), moved, restored })
    }

    /// The keys of a station, for tests that forge.
    pub(super) fn keys(&self, me: StationId) -> Option<Arc<StationKeys>> {
        self.keys.iter().find(|(id, _)| *id == me).map(|(_, keys)| Arc::clone(keys))
    }

    /// Draws a station's next generation of keys; its party's certificate for them.
    pub(super) fn next_generation(&mut self, name: &StationName, seed: [u8; 32]) -> Option<Bytes> {
        let me = accord::station_id(&self.practice.network, name);
        let serial = 2 + self.later.iter().filter(|(id, ..)| *id == me).count() as u64;
        let draft = CertificateDraft {
            station: name.clone(),
            serial,
            scopes: Scopes::default(),
            made_at: Timestamp(BEGINNING),
            not_after: None,
        };
        let public = StationKeys::generate(&mut Entropy::new(&seed)).public();
        let document = make::certificate(&self.practice.network, &draft, &public).ok()?;
        let authority = self.practice.authorities.get(name.party())?;
        let document = document.signed_by(&authority.sign).bytes().clone();
        self.later.push((me, document.clone(), seed));
        Some(document)
    }

    /// The newest generation that is certified on this disk, with the epoch keys of all others: a disk
    /// that went back knows fewer certificates than its folder of keys has generations.
    fn generation(&self, me: StationId, disk: &Disk) -> Option<StationKeys> {
        let certified = |document: &Bytes| {
            let mut documents =
                disk.records().iter().filter(|record| record.kind == RecordKind::Document);
            documents.any(|record| record.bytes == *document)
        };
        let first = self.keys(me)?;
        let mine = || self.later.iter().filter(|(id, ..)| *id == me).rev();
        let draw = |seed: &[u8; 32]| StationKeys::generate(&mut Entropy::new(seed));
        let newest = mine().find(|(_, document, _)| certified(document)).map(|(.., seed)| seed);
        let others = mine().map(|(.., seed)| seed).filter(|seed| Some(*seed) != newest);
        let mut older: Vec<_> = others.map(|seed| draw(seed).epoch).collect();
        let mut keys = match newest {
            Some(seed) => draw(seed),
            None if older.is_empty() => return None,
            None => StationKeys {
                sign: SignSecret::from_seed(&first.sign.seed()),
                dsa: DsaSecret::from_seed(first.dsa.seed()),
                peer_seed: first.peer_seed.clone(),
                epoch: EpochSecret::from_seed(first.epoch.seed()),
                older: Vec::new(),
                archive: first.archive.clone(),
            },
        };
        if newest.is_some() {
            older.push(EpochSecret::from_seed(first.epoch.seed()));
        }
        (keys.older, keys.archive) = (older, first.archive.clone());
        Some(keys)
    }

    /// Whether a lane was there from the founding on: everybody's.
    pub(super) fn lane(&self, lane: &LaneId) -> bool {
        self.directory.lane_members(lane).is_some()
    }

    pub(super) const fn directory(&self) -> &Directory {
        &self.directory
    }
}

impl std::fmt::Debug for Founded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Founded({} stations)", self.names.len())
    }
}

fn party(index: usize, role: Role) -> Result<PartyCode, Failure> {
    let letter = |n: usize| char::from(b'A' + u8::try_from(n % 26).unwrap_or(0));
    let (first, last) = (letter(index), letter(index + index / 26));
    let code = match role {
        Role::State => String::from_iter([first, first, last]),
        _ => format!("OB{first}"),
    };
    PartyCode::new(&code).map_err(wrong)
}

fn wrong(error: impl std::fmt::Display) -> Failure {
    Failure::crash(format!("the simulated accord cannot be founded: {error}"))
}
