//! What an office itself says of a letter, signed with a key that no station holds.
//!
//! Invariants: what is signed is one row of bytes, made in one place for whoever signs and whoever
//! checks (`docs/spec/letter.md`); a signature counts only under a key that the station's party
//! certified for that very office and did not take back; one that does not count makes nothing
//! untrue, the statement is then the station's alone. Callers: `Station`, the command line.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    accord::{Directory, OfficeOf},
    dump::dumped_as_wire,
    envelope::Envelope,
    id::{Digest, EnvelopeId, FeedId, Incarnation, KeyId, LaneId, StationId},
    keys::{ALG_ED25519, OfficeKey},
    limits::{NAME_MAX, OFFICE_SIGNATURE_MAX},
    primitives::{SignPublic, digest},
    wire,
};

use super::{Entry, copy};

/// Domain of an office's signature.
pub const OFFICE_DOMAIN: &str = "office-statement/1";

/// Domain of the digest over words that go with a statement.
const WORDS_DOMAIN: &str = "office-words/1";

/// A signature in an entry's slot, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficeSignature {
    /// Which key; `None`: something that is no id of a key.
    pub key: Option<KeyId>,
    /// Which algorithm; 1 is Ed25519.
    pub alg: u32,
    /// At most [`OFFICE_SIGNATURE_MAX`].
    pub bytes: Bytes,
}

impl OfficeSignature {
    /// An Ed25519 signature under this key.
    #[must_use]
    pub fn ed25519(key: &SignPublic, signature: &[u8; 64]) -> Self {
        let bytes = Bytes::copy_from_slice(signature);
        Self { key: Some(key.id()), alg: ALG_ED25519, bytes }
    }

    /// As it stands on the wire.
    #[must_use]
    pub fn to_wire(&self) -> wire::OfficeSignature {
        let key_id = self.key.map(|key| copy(&key.0)).unwrap_or_default();
        wire::OfficeSignature { key_id, alg: self.alg, bytes: self.bytes.clone() }
    }

    /// Reads it; what is too long is kept as a signature that cannot hold.
    #[must_use]
    pub fn from_wire(pb: &wire::OfficeSignature) -> Self {
        let fits = pb.bytes.len() <= OFFICE_SIGNATURE_MAX;
        let bytes = if fits { Bytes::copy_from_slice(&pb.bytes) } else { Bytes::new() };
        Self { key: KeyId::from_slice(&pb.key_id), alg: pb.alg, bytes }
    }
}

/// What a station stated in the name of an office, as its receipt brought it: kept by the author of
/// the letter, and judged whenever it is asked for, because keys come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// What the office would sign; [`Entry::statement`].
    pub statement: Bytes,
    /// The office's code.
    pub office: String,
    /// The person who stood in it, as the station says; empty if not named.
    pub officer: String,
    /// The office's own signature.
    pub signature: Option<OfficeSignature>,
    /// The receipt's place in its author's feed.
    pub place: (FeedId, u64),
    /// The receipt.
    pub receipt: EnvelopeId,
}

dumped_as_wire!(Stated);

impl Stated {
    /// What an entry of a receipt states; `None` for what the station says by itself.
    #[must_use]
    pub fn of(entry: &Entry, receipt: &Envelope) -> Option<Self> {
        let statement = entry.statement()?.into();
        let office = entry.office_code()?.to_owned();
        Some(Self {
            statement,
            office,
            officer: entry.officer.chars().take(NAME_MAX).collect(),
            signature: entry.signature.clone(),
            place: (receipt.feed(), receipt.header().seq),
            receipt: receipt.id(),
        })
    }

    /// As it is kept beside the level (message `OwnStated`).
    #[must_use]
    pub fn to_wire(&self) -> wire::OwnStated {
        let (feed, seq) = &self.place;
        wire::OwnStated {
            statement: self.statement.clone(),
            office: self.office.clone(),
            officer: self.officer.clone(),
            signature: self.signature.as_ref().map(OfficeSignature::to_wire),
            author: copy(&feed.author.0),
            incarnation: copy(&feed.incarnation.0),
            lane: copy(&feed.lane.0),
            seq: *seq,
            receipt: copy(&self.receipt.0),
        }
    }

    /// Reads what [`Stated::to_wire`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_wire(own: &wire::OwnStated) -> Option<Self> {
        let feed = FeedId {
            author: StationId::from_slice(&own.author)?,
            incarnation: Incarnation::from_slice(&own.incarnation)?,
            lane: LaneId::from_slice(&own.lane)?,
        };
        Some(Self {
            statement: copy(&own.statement),
            office: own.office.clone(),
            officer: own.officer.clone(),
            signature: own.signature.as_ref().map(OfficeSignature::from_wire),
            place: (feed, own.seq),
            receipt: EnvelopeId::from_slice(&own.receipt)?,
        })
    }

    /// What its signature is worth by what is known of its station now. A key that was taken back
    /// counts for receipts that its party stands by.
    #[must_use]
    pub fn proof(&self, directory: &Directory) -> Proof {
        let Some(signature) = &self.signature else { return Proof::Unsigned };
        let (feed, seq) = &self.place;
        let Some(member) = directory.member(&feed.author) else {
            return Proof::Void(Fault::NotCertified);
        };
        let header = Digest(self.receipt.0);
        let revoked = |key: &KeyId| {
            let revoked = directory.revoked(&feed.author, key);
            revoked.is_some_and(|revoked| !revoked.stands_by(feed, *seq, &header))
        };
        let keys = &member.office_keys;
        let checked = check_office(&self.statement, &self.office, signature, keys, revoked);
        checked.map_or_else(Proof::Void, Proof::Signed)
    }
}

/// What a signature in the slot is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// There is none: the station states what the office says.
    Unsigned,
    /// The office signed with this key.
    Signed(KeyId),
    /// There is one, and it shows nothing.
    Void(Fault),
}

/// Why an office's signature does not count. The texts are for whoever reads the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No certificate of the station lists the key.
    #[error("its party certified no such key for this station")]
    NotCertified,
    /// The key belongs to another office.
    #[error("the key belongs to another office")]
    OtherOffice,
    /// The party took the key back.
    #[error("its party has taken the key back")]
    Revoked,
    /// It is no signature over this statement.
    #[error("it does not belong to this statement")]
    Mismatch,
    /// An algorithm of a newer version.
    #[error("it was made by a newer version and cannot be checked by this one")]
    Newer,
}

impl Fault {
    /// The same for the officer at the station itself, with what to do.
    #[must_use]
    pub const fn at_home(self) -> &'static str {
        match self {
            Self::NotCertified => {
                "no certificate in force of this station lists the key; have the party's authority \
                 certify it (`cbm accord certify --office CODE=CARD`), or name the right key"
            }
            Self::OtherOffice => {
                "the key belongs to another office than the one that you act for here; name the key \
                 of your office, or have the operator correct `office` under [officers]"
            }
            Self::Revoked => {
                "the party has taken the key back; use the office's new key, or leave --office-key \
                 out: then the station states what you say"
            }
            Self::Mismatch => {
                "it does not belong to what is stated of this letter; repeat the command, and look \
                 at the letter again if this stays"
            }
            Self::Newer => "its algorithm is unknown here; use an Ed25519 key",
        }
    }
}

impl Entry {
    /// The bytes that the office signs: which letter, as it was opened, and what is said of it.
    /// `None` where the station speaks by itself, or for something that is no office.
    #[must_use]
    pub fn statement(&self) -> Option<Vec<u8>> {
        let office = self.office_code()?;
        let mut out = Vec::with_capacity(123 + office.len());
        out.extend_from_slice(&self.of.0);
        out.extend_from_slice(&self.digest.0);
        out.extend_from_slice(&self.content_root.0);
        out.push(self.level.code());
        out.push(self.outcome.map_or(0, |outcome| outcome.code()));
        out.push(self.reason.map_or(0, |reason| reason.code()));
        out.extend_from_slice(&self.at.0.to_be_bytes());
        out.extend_from_slice(&words(&self.text));
        out.extend_from_slice(office.as_bytes());
        Some(out)
    }

    /// The office in whose name it stands; `None` for the station by itself, and for a text that
    /// can be no code.
    #[must_use]
    pub fn office_code(&self) -> Option<&str> {
        let code = self.office.first().map(|text| text.text.as_str());
        code.filter(|code| OfficeKey::is_code(code))
    }
}

/// Digest over the words beside a statement; zeros where there are none.
fn words(texts: &[wire::Text]) -> [u8; 32] {
    if texts.is_empty() {
        return [0; 32];
    }
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for text in texts {
        for piece in [&text.bcp47, &text.text] {
            // A text is bounded by `TEXT_MAX`, far below 4 GiB.
            let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            pieces.push(length.to_be_bytes().to_vec());
            pieces.push(piece.as_bytes().to_vec());
        }
    }
    let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    digest(WORDS_DOMAIN, &pieces).0
}

/// Checks a signature over a statement in the name of `office` against the keys that the station's
/// certificates list. Whether the key was taken back is asked of `revoked`.
///
/// # Errors
/// [`Fault`]: why it does not count.
pub fn check_office(
    statement: &[u8],
    office: &str,
    signature: &OfficeSignature,
    certified: &BTreeMap<KeyId, OfficeOf>,
    revoked: impl FnOnce(&KeyId) -> bool,
) -> Result<KeyId, Fault> {
    if signature.alg != ALG_ED25519 {
        return Err(Fault::Newer);
    }
    let key = signature.key.ok_or(Fault::NotCertified)?;
    let certified = certified.get(&key).ok_or(Fault::NotCertified)?;
    if certified.key.office != office {
        return Err(Fault::OtherOffice);
    }
    let bytes: [u8; 64] = signature.bytes.as_ref().try_into().map_err(|_| Fault::Mismatch)?;
    if !certified.key.key.verify(OFFICE_DOMAIN, statement, &bytes) {
        return Err(Fault::Mismatch);
    }
    if revoked(&key) { Err(Fault::Revoked) } else { Ok(key) }
}
