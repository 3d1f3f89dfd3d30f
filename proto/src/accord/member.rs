//! What the documents say, in checked form: roles, scopes, members, groups.
//!
//! Invariant: these values are made by `accord/read.rs` and `accord/directory.rs` from verified
//! documents only; everything above reads them and nothing changes them.

use crate::{
    id::{Digest, KeyId, LaneId, PartyCode, StationId, StationName},
    keys::OfficeKey,
    primitives::{EpochPublic, SignPublic},
    time::Timestamp,
    wire,
};
use std::collections::{BTreeMap, BTreeSet};

/// What a party is in the accord. A role decides which meshes and streams it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sends, receives, carries; its authority counts for the next accord.
    State,
    /// Sees whether lines are up, and nothing else.
    Observer,
    /// Runs checks and exercises.
    Convener,
    /// Checks proofs.
    Verifier,
    /// Brings in reports.
    Contributor,
    /// A role of a newer version, or none (0: removed from the accord): no rights at all.
    Unknown(u32),
}

impl Role {
    /// The role with a number of the schema.
    #[must_use]
    pub fn from_code(code: i32) -> Self {
        match wire::accord::Role::try_from(code) {
            Ok(wire::accord::Role::State) => Self::State,
            Ok(wire::accord::Role::Observer) => Self::Observer,
            Ok(wire::accord::Role::Convener) => Self::Convener,
            Ok(wire::accord::Role::Verifier) => Self::Verifier,
            Ok(wire::accord::Role::Contributor) => Self::Contributor,
            // Also a negative number, which no version will use, is only a role without rights.
            Ok(wire::accord::Role::Unspecified) | Err(_) => Self::Unknown(code.unsigned_abs()),
        }
    }

    /// The number in the schema.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::State => wire::accord::Role::State.into(),
            Self::Observer => wire::accord::Role::Observer.into(),
            Self::Convener => wire::accord::Role::Convener.into(),
            Self::Verifier => wire::accord::Role::Verifier.into(),
            Self::Contributor => wire::accord::Role::Contributor.into(),
            Self::Unknown(code) => i32::try_from(code).unwrap_or(i32::MAX),
        }
    }

    /// Whether its stations join the message mesh; all others join the beacon mesh at most.
    #[must_use]
    pub const fn carries(self) -> bool {
        matches!(self, Self::State)
    }

    /// The role in one word, as people write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::State => "STATE",
            Self::Observer => "OBSERVER",
            Self::Convener => "CONVENER",
            Self::Verifier => "VERIFIER",
            Self::Contributor => "CONTRIBUTOR",
            Self::Unknown(_) => "UNKNOWN",
        }
    }

    /// Reads [`Role::word`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::State, Self::Observer, Self::Convener, Self::Verifier, Self::Contributor]
            .into_iter()
            .find(|role| role.word() == word)
    }
}

/// What a station's key may say. An empty set: everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    /// Codes of status (1 ACTUAL, 2 EXERCISE, 3 TEST, 4 SYSTEM).
    pub statuses: BTreeSet<u32>,
    /// Names of message types.
    pub types: BTreeSet<String>,
}

impl Scopes {
    /// Whether a letter of this status may come from it.
    #[must_use]
    pub fn allows_status(&self, code: u8) -> bool {
        self.statuses.is_empty() || self.statuses.contains(&u32::from(code))
    }

    /// Whether a letter of this type may come from it.
    #[must_use]
    pub fn allows_type(&self, name: &str) -> bool {
        self.types.is_empty() || self.types.contains(name)
    }
}

/// Who answers at a station, as its contact record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Office {
    /// Short code, such as `duty`.
    pub code: String,
    /// What people call it.
    pub title: String,
    /// BCP 47.
    pub languages: Vec<String>,
    /// When it answers, in words; empty when `always`.
    pub hours: String,
    /// Somebody answers at any hour.
    pub always: bool,
}

/// An office key of a station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficeOf {
    /// The key and its office.
    pub key: OfficeKey,
    /// The certificate in force lists it. One that only an earlier certificate lists counts for
    /// what it signed, and signs nothing new.
    pub current: bool,
}

/// One station as the documents show it now.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its identity for good.
    pub id: StationId,
    /// `PARTY/station`.
    pub name: StationName,
    /// The role of its party; [`Role::Unknown`] once the party is in neither accord nor charter.
    pub role: Role,
    /// The key it signs with now.
    pub sign: SignPublic,
    /// Short name of `sign`.
    pub sign_key_id: KeyId,
    /// Every key it signed with under any certificate, for what is older than the current one.
    pub sign_keys: BTreeMap<KeyId, SignPublic>,
    /// Its newest libp2p Ed25519 public key.
    pub peer: [u8; 32],
    /// Its libp2p keys that are let in: of the current certificate and of the one before, none
    /// revoked, newest first.
    pub peers: Vec<[u8; 32]>,
    /// The key that letters to it are sealed to now.
    pub epoch: EpochPublic,
    /// Short name of `epoch`.
    pub epoch_id: KeyId,
    /// Every epoch key of any certificate.
    pub epochs: BTreeMap<KeyId, EpochPublic>,
    /// Keys of its offices under any certificate. Of a key that two certificates list for different
    /// offices, what the newer one says.
    pub office_keys: BTreeMap<KeyId, OfficeOf>,
    /// What its current key may say.
    pub scopes: Scopes,
    /// Multiaddresses without a peer id, most wanted first; empty until its contact is known.
    pub addresses: Vec<String>,
    /// Who answers there.
    pub offices: Vec<Office>,
    /// When the station said both; `None` until its contact is known.
    pub contact_at: Option<Timestamp>,
    /// Serial of the current certificate.
    pub serial: u64,
    /// When the current certificate ends; `None`: open. An expired one is marked, not refused.
    pub not_after: Option<Timestamp>,
    /// All its SIGN keys or all its SEAL keys are revoked: nothing is sealed to it and nothing new
    /// of it is accepted, until its party certifies others.
    pub silenced: bool,
}

impl Member {
    /// Whether its certificate has ended: shown, never a reason to refuse.
    #[must_use]
    pub fn is_expired(&self, at: Timestamp) -> bool {
        self.not_after.is_some_and(|end| end < at)
    }

    /// The key with this id that it signs with, or signed with under an earlier certificate.
    #[must_use]
    pub fn sign_key(&self, id: &KeyId) -> Option<&SignPublic> {
        self.sign_keys.get(id)
    }
}

/// Parties that share a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `all`, or the charter's name; `name~xxxx` where another charter has the name.
    pub name: String,
    /// Identity of the charter's version 1, which names the group for good; `None` for `all`.
    pub anchor: Option<Digest>,
    /// Version and identity of the charter in force; `None` for `all`.
    pub charter: Option<(u32, Digest)>,
    /// Where its envelopes travel.
    pub lane: LaneId,
    /// Who belongs to it.
    pub parties: BTreeSet<PartyCode>,
}

/// One party as the latest accord that lists it shows it.
#[derive(Clone, Debug)]
pub struct Party {
    /// Short code.
    pub code: PartyCode,
    /// What people call it.
    pub name: String,
    /// Its role in the current accord; [`Role::Unknown`] (0) when that no longer lists it.
    pub role: Role,
    /// Its role in the last version that lists it: what it is in a charter that outlives that.
    pub charter_role: Role,
    /// Ed25519 authority keys of every version on the way to the one in force, by id.
    pub authority: BTreeMap<KeyId, SignPublic>,
    /// Those of `authority` that the version in force lists and that are not revoked.
    pub current: BTreeSet<KeyId>,
    /// Branches of the accord disagree about it; it has no rights until that is settled.
    pub contested: bool,
}

/// Bounds that the accord sets for carriers (docs/spec/documents.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarryLimits {
    /// Headers per author and minute.
    pub headers_per_minute: u64,
    /// Headers at once above that rate.
    pub headers_burst: u64,
    /// Bytes of bodies per author and day.
    pub carried_per_day: u64,
}

/// Times within which levels are due, where the accord sets its own; milliseconds, 0: by profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockRow {
    /// Until L1.
    pub stored_within: u64,
    /// Until L4.
    pub received_within: u64,
    /// Until L5.
    pub outcome_within: u64,
    /// Until L6.
    pub answer_within: u64,
}

/// The accord's clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// Name of the table that holds where no row says otherwise.
    pub profile: String,
    /// By code of precedence.
    pub rows: BTreeMap<u32, ClockRow>,
}
