//! Documents that parties of the hall make while stations run.
#![allow(dead_code, reason = "each test binary uses its own half of it")]

use bytes::Bytes;
use cbm_proto::accord::make::{
    self, AccordDraft, CertificateDraft, CharterDraft, PartyDraft, RevocationDraft,
};
use cbm_proto::accord::{Head, Role};
use cbm_proto::event::{Act, Input};
use cbm_proto::id::{KeyId, MsgId, PartyCode, StationName};
use cbm_proto::keys::{OfficeKey, StationKeys};
use cbm_proto::terms::Level;
use cbm_proto::time::Timestamp;

use super::hall::{Hall, officer};

/// When all of them are made.
const MADE_AT: Timestamp = Timestamp(1_800_000_000_000);

pub(crate) fn party(code: &str) -> PartyCode {
    PartyCode::new(code).unwrap()
}

/// What people do, and what they see.
impl Hall {
    pub(crate) fn send(&mut self, from: &str, type_name: &str, to: &[&str]) -> MsgId {
        let draft = Self::draft(type_name, to);
        self.command(from, |token| Input::Submit { token, draft: Box::new(draft) }).unwrap()
    }

    pub(crate) fn act(&mut self, at: &str, msg: MsgId, act: Act) {
        let by = officer();
        self.command(at, |token| Input::Act { token, msg, act, by, signed: None }).unwrap();
    }

    pub(crate) fn level(
        &self,
        from: &str,
        msg: MsgId,
    ) -> (Option<Level>, &'static str, Option<String>) {
        let status = self.station(from).status(self.now(), &msg).unwrap();
        let one = &status.addressees[0];
        (one.level, one.state.word(), one.path.clone())
    }

    pub(crate) fn inbox(&self, at: &str) -> Vec<MsgId> {
        self.station(at).inbox().map(|letter| letter.msg).collect()
    }
}

impl Hall {
    /// The next accord after the one that a station believes, with these parties, signed by all
    /// STATE parties of the one before.
    pub(crate) fn next_accord(&self, at: &str, parties: &[(&str, Role)]) -> Bytes {
        let directory = self.station(at).directory();
        let listed = |(code, role): &(&str, Role)| PartyDraft {
            code: party(code),
            name: format!("Party {code}"),
            role: *role,
            authority: self.authorities[&party(code)].public(),
        };
        let before = directory.accord();
        let draft = AccordDraft {
            name: "Sample accord".into(),
            parties: parties.iter().map(listed).collect(),
            threshold: 1,
            made_at: MADE_AT,
            not_after: None,
            after: Some((directory.network(), before.version, directory.accord_digest())),
        };
        let signers = before.states().map(|code| &self.authorities[code]);
        let unsigned = make::accord(&draft).unwrap();
        signers.fold(unsigned, |doc, keys| doc.signed_by(&keys.sign)).bytes().clone()
    }

    /// A contact record of a station, with one address.
    pub(crate) fn contact(&self, name: &str, serial: u64, address: &str) -> Bytes {
        let network = self.network();
        let station = StationName::parse(name).unwrap();
        let addresses = [address.to_owned()];
        let contact = make::contact(&network, &station, serial, &addresses, &[], MADE_AT);
        contact.unwrap().signed_by(&self.keys(name).sign).bytes().clone()
    }

    /// The first version of a charter, signed by its members.
    pub(crate) fn charter(&self, name: &str, members: &[&str]) -> Bytes {
        let members: Vec<PartyCode> = members.iter().map(|code| party(code)).collect();
        let draft = CharterDraft {
            name: name.into(),
            members: members.clone(),
            rules: "Calls are answered.".into(),
            made_at: MADE_AT,
            after: None,
        };
        let unsigned = make::charter(&self.network(), &draft).unwrap();
        let signers = members.iter().map(|code| &self.authorities[code]);
        signers.fold(unsigned, |doc, keys| doc.signed_by(&keys.sign)).bytes().clone()
    }

    /// A key of a station, taken back by its party.
    pub(crate) fn revocation(&self, name: &str, key: KeyId, heads: Vec<Head>) -> Bytes {
        let station = StationName::parse(name).unwrap();
        let draft = RevocationDraft {
            party: station.party().clone(),
            station: Some(station.clone()),
            key,
            heads,
            reason: "stolen".into(),
            made_at: MADE_AT,
        };
        let unsigned = make::revocation(&self.network(), &draft).unwrap();
        unsigned.signed_by(&self.authorities[station.party()].sign).bytes().clone()
    }

    /// A certificate for a station, by its party.
    pub(crate) fn certificate(&self, name: &str, serial: u64, keys: &StationKeys) -> Bytes {
        self.certificate_with(name, serial, keys, &[])
    }

    /// A certificate for a station and its offices, by its party.
    pub(crate) fn certificate_with(
        &self,
        name: &str,
        serial: u64,
        keys: &StationKeys,
        offices: &[OfficeKey],
    ) -> Bytes {
        let station = StationName::parse(name).unwrap();
        let authority = &self.authorities[station.party()];
        let draft = CertificateDraft {
            station,
            serial,
            scopes: Default::default(),
            made_at: MADE_AT,
            not_after: None,
        };
        let (network, public) = (self.network(), keys.public());
        let unsigned = make::certificate_with_offices(&network, &draft, &public, offices).unwrap();
        unsigned.signed_by(&authority.sign).bytes().clone()
    }
}
