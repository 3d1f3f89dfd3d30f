//! Who there is in the world of a body: an accord of three states and an observer, and all their keys.
//!
//! Founded once a process from a fixed seed, because the making of keys takes longer than most bodies.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use cbm_proto::accord::{Directory, Founded, Role, sample, station_id};
use cbm_proto::id::{LaneId, PartyCode, StationId, StationName};
use cbm_proto::keys::StationKeys;
use cbm_proto::primitives::Entropy;
use cbm_proto::station::{Setup, Station};

/// The accord and everybody's keys.
pub(super) struct World {
    /// Documents and authority keys.
    pub(super) founded: Founded,
    /// What all believe at the start.
    pub(super) directory: Directory,
    /// Every station, in the order of [`NAMES`].
    pub(super) stations: Vec<(StationName, StationId, Arc<StationKeys>)>,
}

/// The stations: the one that is looked at first, the observer last.
pub(super) const NAMES: [&str; 4] = ["AAA/mfa", "BBB/mfa", "CCC/mfa", "OBS/mfa"];

/// The world; the same in every process.
pub(super) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let plan = NAMES.map(|name| {
            let role = if name.starts_with("OBS") { Role::Observer } else { Role::State };
            (&name[..3], role, &["mfa"][..])
        });
        let mut founded = sample(&plan, &mut Entropy::new(&[0xf2; 32])).expect("founded");
        let directory = founded.directory().expect("believed");
        let mut keys: BTreeMap<StationName, StationKeys> = std::mem::take(&mut founded.stations);
        let stations = NAMES.map(|name| {
            let name = StationName::parse(name).expect("a name");
            let keys = Arc::new(keys.remove(&name).expect("keys"));
            (name.clone(), station_id(&founded.network, &name), keys)
        });
        World { directory, stations: stations.into(), founded }
    })
}

impl World {
    /// The station at this place of [`NAMES`].
    pub(super) fn id(&self, at: usize) -> StationId {
        self.stations[at].1
    }

    /// Its keys.
    pub(super) fn keys(&self, at: usize) -> &StationKeys {
        &self.stations[at].2
    }

    /// Its party.
    pub(super) fn party(&self, at: usize) -> &PartyCode {
        self.stations[at].0.party()
    }

    /// The accord-wide lane.
    pub(super) fn lane(&self) -> LaneId {
        self.directory.group(cbm_proto::accord::ALL).expect("the group of all").lane
    }

    /// A station without a past.
    pub(super) fn station(&self, at: usize) -> Station {
        let (_, me, keys) = &self.stations[at];
        let directory = self.directory.clone();
        Station::new(Setup { me: *me, keys: keys.clone(), directory, moved: false, restored: None })
    }
}
