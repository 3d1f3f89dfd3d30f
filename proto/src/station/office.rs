//! Offices sign for themselves (`docs/spec/letter.md`): what this station takes from its own.
//!
//! Invariants: the station holds no key of an office and tells no signature that does not count
//! under its own certificate in force; the time that was signed is the time that is stated.

use crate::event::{Denied, Signed};
use crate::limits::OFFICE_CLOCK;
use crate::receipt::{Entry, Fault, check_office};
use crate::time::Timestamp;

use super::Station;

impl Station {
    /// Puts an office's signature into its slot, if it counts here.
    pub(super) fn sign_entry(
        &self,
        wall: Timestamp,
        entry: &mut Entry,
        signed: Signed,
    ) -> Result<(), Denied> {
        // What the machine says by itself has no slot.
        let Some(statement) = entry.statement() else { return Ok(()) };
        let apart = signed.at.since(wall).max(wall.since(signed.at));
        if self.voice.trusted && apart > OFFICE_CLOCK {
            let (at, now) = (signed.at.to_string(), wall.to_string());
            return Err(Denied::OfficeTime { at, now });
        }
        let me = self.directory.member(&self.me).ok_or(Denied::Office(Fault::NotCertified))?;
        let office = entry.office_code().unwrap_or_default();
        let revoked = |key: &_| self.directory.revoked(&self.me, key).is_some();
        let keys = &me.office_keys;
        let key = check_office(&statement, office, &signed.signature, keys, revoked);
        let key = key.map_err(Denied::Office)?;
        if !me.office_keys.get(&key).is_some_and(|of| of.current) {
            return Err(Denied::Office(Fault::NotCertified));
        }
        entry.signature = Some(signed.signature);
        Ok(())
    }
}
