//! Membership that changes: documents that people hand in at their station, and the keys to make
//! them with. Used by `histories` and scenario tests.

use std::sync::Arc;

use bytes::Bytes;
use cbm_proto::accord;
use cbm_proto::event::Input;
use cbm_proto::id::StationName;
use cbm_proto::keys::StationKeys;

use super::World;
use crate::network::Ix;

impl World {
    /// People hand these documents in at a station; nothing happens if its machine is off.
    pub fn publish(&mut self, ix: Ix, documents: Vec<Bytes>) {
        let token = self.token(ix);
        self.give(ix, Input::Documents { token, documents });
    }

    /// What was founded, with the authority keys of all parties and without the station keys.
    #[must_use]
    pub const fn practice(&self) -> &accord::Founded {
        &self.founded.practice
    }

    /// As [`World::practice`], for whoever takes the keys out.
    pub const fn practice_mut(&mut self) -> &mut accord::Founded {
        &mut self.founded.practice
    }

    /// The keys that every machine began with.
    #[must_use]
    pub fn station_keys(&self) -> Vec<(StationName, Arc<StationKeys>)> {
        let keys = |name: &StationName| {
            self.founded.keys(accord::station_id(&self.founded.practice.network, name))
        };
        let names = self.machines.iter().map(|machine| machine.name.clone());
        names.filter_map(|name| Some((name.clone(), keys(&name)?))).collect()
    }
}
