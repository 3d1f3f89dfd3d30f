//! What people found out about the keys of others, and attempts to pass for somebody else.
//!
//! Both are kept in the journal and shown; neither refuses anything. An incident is counted where
//! the refusal itself happens (`hear`, `open`, `voice`, `spread`), by one line there.

use bytes::Bytes;

use crate::accord::Document;
use crate::accord::read::{CertificateText, ContactText};
use crate::envelope::{Envelope, Refusal};
use crate::event::{Denied, Notice, Speak};
use crate::id::{MsgId, PartyCode, StationId};
use crate::letter::Letter;
use crate::people::{Checked, Checks, Incident, Incidents, Trust, authority};
use crate::terms::{Cause, Method};
use crate::wire::own::What;

use super::{Station, Turn};

impl Station {
    /// What was checked of others' keys here.
    #[must_use]
    pub fn checks(&self) -> &Checks {
        &self.checks
    }

    /// Attempts to pass for somebody else.
    #[must_use]
    pub fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    /// The check of a party's keys that still holds.
    #[must_use]
    pub fn check_of(&self, party: &PartyCode) -> Option<&Checked> {
        self.checks.holds(party, &authority(&self.directory, party))
    }

    /// How well the person behind a party's keys is known here.
    #[must_use]
    pub fn trust(&self, party: &PartyCode) -> Trust {
        let Some(me) = self.directory.member(&self.me) else { return Trust::Unverified };
        if me.name.party() == party {
            return Trust::Own;
        }
        match self.check_of(party) {
            Some(check) if check.method == Method::InPerson => Trust::InPerson,
            // What our own officer heard outweighs what others signed.
            None if self.disagreed(party) => Trust::Unverified,
            _ => Trust::from(self.directory.grade(me.name.party(), party)),
        }
    }

    /// Whether the last comparison of the party's keys of today did not agree.
    #[must_use]
    pub fn disagreed(&self, party: &PartyCode) -> bool {
        self.checks.disagreed(party, &authority(&self.directory, party))
    }

    /// An officer compared fingerprints.
    pub(super) fn check(&mut self, turn: &mut Turn, checked: Checked) -> Result<MsgId, Denied> {
        if self.directory.party(&checked.party).is_none() {
            return Err(Denied::NoSuchParty(checked.party.to_string()));
        }
        let id = checked.id;
        self.note(turn, None, What::Checked(checked.to_wire()));
        if !checked.agreed {
            self.incident(turn, Cause::Mismatch, checked.party.as_str(), None);
        }
        self.checks.note(checked);
        Ok(id)
    }

    /// One attempt; the journal keeps it when its row is new or has doubled.
    pub(super) fn incident(
        &mut self,
        turn: &mut Turn,
        cause: Cause,
        about: &str,
        via: Option<StationId>,
    ) {
        self.incidents_of(turn, cause, about, via, 1);
    }

    /// The same, where a station itself is what it is about.
    pub(super) fn incident_by(&mut self, turn: &mut Turn, cause: Cause, about: StationId) {
        if let Some(name) = self.directory.member(&about).map(|member| member.name.to_string()) {
            self.incident(turn, cause, &name, None);
        }
    }

    /// Strangers whom the mesh has refused.
    pub(super) fn strangers(&mut self, turn: &mut Turn, refused: u64) {
        self.incidents_of(turn, Cause::Stranger, "", None, refused);
    }

    fn incidents_of(
        &mut self,
        turn: &mut Turn,
        cause: Cause,
        about: &str,
        via: Option<StationId>,
        times: u64,
    ) {
        if let Some(row) = self.incidents.count(turn.now.wall, cause, about, via, times) {
            self.note(turn, None, What::Incident(row.to_wire()));
            turn.speak(Speak::Tell(Notice::Incident(cause)));
        }
    }

    /// An envelope was refused: says so where it shows that somebody spoke in another's name.
    pub(super) fn suspect(
        &mut self,
        turn: &mut Turn,
        from: StationId,
        refusal: Refusal,
        bytes: &Bytes,
    ) {
        let another = |key| self.directory.members().any(|m| m.sign_key(&key).is_some());
        let cause = match refusal {
            Refusal::BadSignature => Cause::Signature,
            Refusal::RevokedKey(_) => Cause::RevokedKey,
            // A key of nobody may be one whose certificate is on its way.
            Refusal::UnknownKey(key) if another(key) => Cause::OtherKey,
            _ => return,
        };
        let Ok(envelope) = Envelope::decode(bytes.clone()) else { return };
        let author = self.directory.member(&envelope.header().author);
        let Some(name) = author.map(|member| member.name.to_string()) else { return };
        self.incident(turn, cause, &name, Some(from));
    }

    /// A letter says what its author may not say: in another's name, or out of its scope.
    pub(super) fn pretended(
        &mut self,
        turn: &mut Turn,
        author: StationId,
        cause: Cause,
        letter: &Letter,
    ) {
        match (cause, letter.header.originator()) {
            (Cause::OtherName, Some(named)) => {
                self.incident(turn, cause, &named.to_string(), Some(author));
            }
            _ => self.incident_by(turn, cause, author),
        }
    }

    /// A document that a peer gave and that is not believed: counted for the station in whose name
    /// it stands.
    pub(super) fn doubt(&mut self, turn: &mut Turn, from: StationId, document: &[u8]) {
        let Ok(document) = Document::decode(document) else { return };
        let certificate = CertificateText::read(&document).map(|text| text.station);
        let named = certificate.or_else(|_| ContactText::read(&document).map(|text| text.station));
        if let Ok(station) = named {
            self.incident(turn, Cause::Document, &station.to_string(), Some(from));
        }
    }

    pub(super) fn restore_incident(&mut self, own: &crate::wire::OwnIncident) {
        if let Some(incident) = Incident::from_wire(own) {
            self.incidents.restore(incident);
        }
    }

    pub(super) fn restore_checked(&mut self, own: &crate::wire::OwnChecked) {
        if let Some(checked) = Checked::from_wire(own) {
            self.checks.note(checked);
        }
    }
}
