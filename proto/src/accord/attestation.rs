//! What parties say about having checked one another's keys, and the trust that follows.
//!
//! Invariant: an attestation says something about the authority keys that it names and about no
//! others: once the subject has a key that nobody checked, its grade falls. Grades inform people;
//! no rule of the protocol depends on them.

use super::{
    document::{Document, DocumentKind},
    error::DocumentError,
    read::{field, network, payload},
};
use crate::{
    id::{KeyId, NetworkId, PartyCode},
    limits::KEYS_MAX,
    time::Timestamp,
    wire,
};
use std::collections::BTreeSet;

/// How the keys were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Face to face.
    InPerson,
    /// On paper between ministries.
    NoteVerbale,
    /// Read aloud over a line where the voice was known.
    Voice,
    /// In another way, also one that a newer version writes.
    Other,
}

impl Method {
    /// The method in one word, as the schema writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::InPerson => "IN_PERSON",
            Self::NoteVerbale => "NOTE_VERBALE",
            Self::Voice => "VOICE",
            Self::Other => "OTHER",
        }
    }

    /// Reads [`Method::word`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::InPerson, Self::NoteVerbale, Self::Voice, Self::Other]
            .into_iter()
            .find(|method| method.word() == word)
    }

    pub(super) fn code(self) -> i32 {
        use wire::attestation::Method as Code;
        match self {
            Self::InPerson => Code::InPerson,
            Self::NoteVerbale => Code::NoteVerbale,
            Self::Voice => Code::Voice,
            Self::Other => Code::Other,
        }
        .into()
    }

    fn from_code(code: i32) -> Option<Self> {
        use wire::attestation::Method as Code;
        match Code::try_from(code) {
            Ok(Code::Unspecified) => None,
            Ok(Code::InPerson) => Some(Self::InPerson),
            Ok(Code::NoteVerbale) => Some(Self::NoteVerbale),
            Ok(Code::Voice) => Some(Self::Voice),
            Ok(Code::Other) | Err(_) => Some(Self::Other),
        }
    }
}

/// How far a party's keys were checked, from most to least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// By our own people, face to face.
    InPerson,
    /// By a party that shares a charter with both, and by a convener.
    RegionAndConvener,
    /// By a convener.
    Convener,
    /// Not in a way that is known here.
    Unverified,
}

/// An attestation as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestationText {
    /// The network it is for.
    pub network: NetworkId,
    /// Who checked.
    pub by: PartyCode,
    /// Whose keys.
    pub subject: PartyCode,
    /// Ids of the authority keys that were checked.
    pub keys: BTreeSet<KeyId>,
    /// How.
    pub method: Method,
    /// When.
    pub made_at: Timestamp,
}

impl AttestationText {
    /// Reads an attestation.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn read(document: &Document) -> Result<Self, DocumentError> {
        let pb: wire::Attestation = payload(document, DocumentKind::Attestation)?;
        let (by, subject) = (PartyCode::new(&pb.by)?, PartyCode::new(&pb.subject)?);
        if by == subject {
            return Err(field("subject", "another party than the one that checked"));
        }
        let ascending = pb.keys.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || !(1..=KEYS_MAX).contains(&pb.keys.len()) {
            return Err(field("keys", "1 to 24 ids, ascending, each once"));
        }
        let keys = pb.keys.iter().map(|id| KeyId::from_slice(id).ok_or(field("keys", "16 bytes")));
        Ok(Self {
            network: network(&pb.network)?,
            by,
            subject,
            keys: keys.collect::<Result<_, _>>()?,
            method: Method::from_code(pb.method).ok_or(field("method", "how it was checked"))?,
            made_at: Timestamp(pb.made_at),
        })
    }
}
