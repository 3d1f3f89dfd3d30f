//! What changes after the founding, where one hand holds all keys: later versions of the accord,
//! new keys, revocations, charters, attestations.
//!
//! For practice meshes, simulations and tests. Each document is signed by whom the caller names,
//! so that also those can be made that nobody should believe.

use super::{
    document::Document,
    error::DocumentError,
    founding::Founded,
    make::{
        self, AccordDraft, AttestationDraft, CertificateDraft, CharterDraft, PartyDraft,
        RevocationDraft,
    },
    member::{Role, Scopes},
    revocation::Head,
};
use crate::{
    id::{Digest, KeyId, PartyCode, StationName},
    keys::StationKeys,
    time::Timestamp,
};

/// Later documents.
impl Founded {
    /// A version of the accord after `before` (its number and identity) with these parties, all of
    /// them known here by their authority keys; a name tells versions of one number apart.
    ///
    /// # Errors
    /// A rule that it breaks, or a party without keys here.
    pub fn accord_after(
        &self,
        before: (u32, Digest),
        name: &str,
        parties: &[(PartyCode, Role)],
        threshold: usize,
        signers: &[PartyCode],
    ) -> Result<Document, DocumentError> {
        let party = |(code, role): &(PartyCode, Role)| {
            let unknown = || DocumentError::UnknownParty(code.to_string());
            let keys = self.authorities.get(code).ok_or_else(unknown)?;
            let (code, name) = (code.clone(), format!("Party {code}"));
            Ok(PartyDraft { code, name, role: *role, authority: keys.public() })
        };
        let draft = AccordDraft {
            name: name.to_owned(),
            parties: parties.iter().map(party).collect::<Result<_, DocumentError>>()?,
            threshold,
            made_at: Timestamp(1_700_000_000_000 + u64::from(before.0)),
            not_after: None,
            after: Some((self.network, before.0, before.1)),
        };
        self.signed(make::accord(&draft)?, signers)
    }

    /// A certificate of these keys for a station, signed by its party.
    ///
    /// # Errors
    /// A rule that it breaks, or a party without keys here.
    pub fn certify(
        &self,
        station: &StationName,
        serial: u64,
        keys: &StationKeys,
        made_at: Timestamp,
    ) -> Result<Document, DocumentError> {
        let (station, scopes) = (station.clone(), Scopes::default());
        let party = station.party().clone();
        let draft = CertificateDraft { station, serial, scopes, made_at, not_after: None };
        self.signed(make::certificate(&self.network, &draft, &keys.public())?, &[party])
    }

    /// A key of a station taken back by its party, which stands by these heads.
    ///
    /// # Errors
    /// A rule that it breaks, or a party without keys here.
    pub fn revoke(
        &self,
        station: &StationName,
        key: KeyId,
        heads: Vec<Head>,
        made_at: Timestamp,
    ) -> Result<Document, DocumentError> {
        let draft = RevocationDraft {
            party: station.party().clone(),
            station: Some(station.clone()),
            key,
            heads,
            reason: "lost".to_owned(),
            made_at,
        };
        self.signed(make::revocation(&self.network, &draft)?, &[station.party().clone()])
    }

    /// An authority key taken back by its party, which stands by these documents.
    ///
    /// # Errors
    /// A rule that it breaks, or a party without keys here.
    pub fn revoke_authority(
        &self,
        party: &PartyCode,
        key: KeyId,
        documents: &[Digest],
        made_at: Timestamp,
    ) -> Result<Document, DocumentError> {
        let draft = RevocationDraft {
            party: party.clone(),
            station: None,
            key,
            heads: documents.iter().map(|identity| Head::of_document(*identity)).collect(),
            reason: "stolen".to_owned(),
            made_at,
        };
        self.signed(make::revocation(&self.network, &draft)?, std::slice::from_ref(party))
    }

    /// A charter, signed by each of its members.
    ///
    /// # Errors
    /// A rule that it breaks, or a party without keys here.
    pub fn charter(
        &self,
        name: &str,
        members: &[PartyCode],
        after: Option<(u32, Digest)>,
        made_at: Timestamp,
    ) -> Result<Document, DocumentError> {
        let (name, rules, members_of) = (name.to_owned(), String::new(), members.to_vec());
        let draft = CharterDraft { name, members: members_of, rules, made_at, after };
        self.signed(make::charter(&self.network, &draft)?, members)
    }

    /// A party's word that it checked another one's keys.
    ///
    /// # Errors
    /// A rule that it breaks, or a party without keys here.
    pub fn attest(
        &self,
        by: &PartyCode,
        subject: &PartyCode,
        method: super::Method,
        made_at: Timestamp,
    ) -> Result<Document, DocumentError> {
        let unknown = || DocumentError::UnknownParty(subject.to_string());
        let keys = self.authorities.get(subject).ok_or_else(unknown)?;
        let draft = AttestationDraft {
            by: by.clone(),
            subject: subject.clone(),
            keys: vec![keys.sign.public().id()],
            method,
            made_at,
        };
        self.signed(make::attestation(&self.network, &draft)?, std::slice::from_ref(by))
    }

    /// A document with these parties' signatures.
    ///
    /// # Errors
    /// A party without keys here.
    pub fn signed(
        &self,
        document: Document,
        parties: &[PartyCode],
    ) -> Result<Document, DocumentError> {
        parties.iter().try_fold(document, |document, code| {
            let unknown = || DocumentError::UnknownParty(code.to_string());
            Ok(document.signed_by(&self.authorities.get(code).ok_or_else(unknown)?.sign))
        })
    }
}
