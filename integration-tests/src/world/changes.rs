//! Membership that changes: documents that people hand in at their station, and the keys to make
//! them with. Used by `histories` and scenario tests.

use std::sync::Arc;

use bytes::Bytes;
use cbm_proto::accord;
use cbm_proto::accord::make::{self, AccordDraft, PartyDraft};
use cbm_proto::event::Input;
use cbm_proto::id::StationName;
use cbm_proto::keys::StationKeys;
use cbm_proto::station::Station;
use cbm_proto::time::Timestamp;

use super::{BEGINNING, World};
use crate::network::Ix;

impl World {
    /// People hand these documents in at a station; nothing happens if its machine is off.
    pub fn publish(&mut self, ix: Ix, documents: Vec<Bytes>) {
        let token = self.token(ix);
        self.give(ix, Input::Documents { token, documents });
    }

    /// All parties sign a version of the accord after the one that a station goes by, and hand it in
    /// there.
    pub(super) fn agree_anew(&mut self, ix: Ix) {
        let Some(directory) = self.machines[ix].station().map(Station::directory) else { return };
        let authorities = &self.founded.practice.authorities;
        let parties = directory.parties().filter_map(|party| {
            let (code, name) = (party.code.clone(), party.name.clone());
            let authority = authorities.get(&code)?.public();
            Some(PartyDraft { code, name, role: party.role, authority })
        });
        let version = directory.accord_version();
        let draft = AccordDraft {
            name: format!("Simulated accord {}", version + 1),
            parties: parties.collect(),
            threshold: directory.accord().threshold,
            made_at: Timestamp(BEGINNING),
            not_after: None,
            after: Some((directory.network(), version, directory.accord_digest())),
        };
        let Ok(document) = make::accord(&draft) else { return };
        let all = authorities.values();
        let document = all.fold(document, |document, keys| document.signed_by(&keys.sign));
        self.publish(ix, vec![document.bytes().clone()]);
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
