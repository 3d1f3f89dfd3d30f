//! A whole network at once: keys, accord, certificates, contacts.
//!
//! For practice meshes, simulations and tests, where one hand holds the authority keys of all
//! parties. Real parties make the same documents one by one, each with its own key, through
//! [`super::make`]. Same entropy, same network, byte for byte.

use super::{
    Directory,
    document::Document,
    error::DocumentError,
    make::{self, AccordDraft, CertificateDraft, PartyDraft},
    member::{Office, Role, Scopes},
};
use crate::{
    id::{NetworkId, PartyCode, StationName},
    keys::{AuthorityKeys, StationKeys},
    primitives::Entropy,
    time::Timestamp,
};
use bytes::Bytes;
use std::collections::BTreeMap;

struct StationPlan {
    addresses: Vec<String>,
    scopes: Scopes,
}

struct PartyPlan {
    role: Role,
    name: String,
}

/// What is to be founded.
pub struct Founding {
    name: String,
    made_at: Timestamp,
    threshold: Option<usize>,
    parties: BTreeMap<PartyCode, PartyPlan>,
    stations: BTreeMap<StationName, StationPlan>,
}

/// What was founded: documents for everyone, secrets for their owners.
pub struct Founded {
    /// Version 1, signed by all STATE parties.
    pub accord: Bytes,
    /// Everything: the accord, then certificates, then contacts.
    pub documents: Vec<Bytes>,
    /// Authority keys by party.
    pub authorities: BTreeMap<PartyCode, AuthorityKeys>,
    /// Station keys by name.
    pub stations: BTreeMap<StationName, StationKeys>,
    /// The network.
    pub network: NetworkId,
}

impl Founding {
    /// An accord of this name, drawn up at this moment, still without parties.
    #[must_use]
    pub fn new(name: &str, made_at: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            made_at,
            threshold: None,
            parties: BTreeMap::new(),
            stations: BTreeMap::new(),
        }
    }

    /// Adds a party.
    #[must_use]
    pub fn party(mut self, code: PartyCode, role: Role, name: &str) -> Self {
        self.parties.insert(code, PartyPlan { role, name: name.to_owned() });
        self
    }

    /// Adds a station of a party that was added, with the addresses that its contact announces.
    #[must_use]
    pub fn station(mut self, name: StationName, addresses: Vec<String>) -> Self {
        self.stations.insert(name, StationPlan { addresses, scopes: Scopes::default() });
        self
    }

    /// Narrows what a station that was added may say.
    #[must_use]
    pub fn scope(mut self, name: &StationName, scopes: Scopes) -> Self {
        if let Some(plan) = self.stations.get_mut(name) {
            plan.scopes = scopes;
        }
        self
    }

    /// STATE signatures that version 2 will need; without it, a majority.
    #[must_use]
    pub const fn threshold(mut self, parties: usize) -> Self {
        self.threshold = Some(parties);
        self
    }

    /// Draws all keys and signs all documents.
    ///
    /// # Errors
    /// A rule that the plan breaks, such as no STATE party or a station of no party.
    pub fn found(self, entropy: &mut Entropy) -> Result<Founded, DocumentError> {
        let draw = |code: &PartyCode| (code.clone(), AuthorityKeys::generate(entropy));
        let authorities: BTreeMap<_, _> = self.parties.keys().map(draw).collect();
        let draw = |name: &StationName| (name.clone(), StationKeys::generate(entropy));
        let stations: BTreeMap<_, _> = self.stations.keys().map(draw).collect();
        let accord = self.accord(&authorities)?;
        let network = NetworkId(accord.digest().0);
        let mut documents = vec![accord.bytes().clone()];
        for (name, keys) in &stations {
            documents.push(self.certificate(&network, name, keys, &authorities)?);
        }
        for (name, keys) in &stations {
            let addresses = &self.stations[name].addresses;
            let contact =
                make::contact(&network, name, 1, addresses, &[duty_office()], self.made_at)?;
            documents.push(contact.signed_by(&keys.sign).bytes().clone());
        }
        Ok(Founded { accord: accord.bytes().clone(), documents, authorities, stations, network })
    }

    fn accord(
        &self,
        authorities: &BTreeMap<PartyCode, AuthorityKeys>,
    ) -> Result<Document, DocumentError> {
        let states = self.parties.values().filter(|plan| plan.role == Role::State).count();
        let parties = self.parties.iter().map(|(code, plan)| PartyDraft {
            code: code.clone(),
            name: plan.name.clone(),
            role: plan.role,
            authority: authorities[code].public(),
        });
        let draft = AccordDraft {
            name: self.name.clone(),
            parties: parties.collect(),
            threshold: self.threshold.unwrap_or(states / 2 + 1),
            made_at: self.made_at,
            not_after: None,
            after: None,
        };
        let unsigned = make::accord(&draft)?;
        let signers = self.parties.iter().filter(|(_, plan)| plan.role == Role::State);
        Ok(signers.fold(unsigned, |doc, (code, _)| doc.signed_by(&authorities[code].sign)))
    }

    fn certificate(
        &self,
        network: &NetworkId,
        name: &StationName,
        keys: &StationKeys,
        authorities: &BTreeMap<PartyCode, AuthorityKeys>,
    ) -> Result<Bytes, DocumentError> {
        let unknown = || DocumentError::UnknownParty(name.party().to_string());
        let authority = authorities.get(name.party()).ok_or_else(unknown)?;
        let draft = CertificateDraft {
            station: name.clone(),
            serial: 1,
            scopes: self.stations[name].scopes.clone(),
            made_at: self.made_at,
            not_after: None,
        };
        let certificate = make::certificate(network, &draft, &keys.public())?;
        Ok(certificate.signed_by(&authority.sign).bytes().clone())
    }
}

impl Founded {
    /// A directory that knows all of it.
    ///
    /// # Errors
    /// The first document that is not believed; none of those made here is.
    pub fn directory(&self) -> Result<Directory, DocumentError> {
        let mut directory = Directory::new(&self.accord)?;
        for document in &self.documents {
            directory.admit(document)?;
        }
        Ok(directory)
    }
}

fn duty_office() -> Office {
    Office {
        code: "duty".to_owned(),
        title: "Duty desk".to_owned(),
        languages: vec!["en".to_owned()],
        hours: String::new(),
        always: true,
    }
}

/// A small network for tests: parties with their role and the short names of their stations.
///
/// # Errors
/// A name or a plan that breaks a rule.
pub fn sample(
    parties: &[(&str, Role, &[&str])],
    entropy: &mut Entropy,
) -> Result<Founded, DocumentError> {
    let mut founding = Founding::new("Sample accord", Timestamp(1_700_000_000_000));
    for (code, role, stations) in parties {
        let code = PartyCode::new(code)?;
        founding = founding.party(code.clone(), *role, &format!("Party {code}"));
        for station in *stations {
            founding = founding.station(StationName::new(code.clone(), station)?, Vec::new());
        }
    }
    founding.found(entropy)
}
