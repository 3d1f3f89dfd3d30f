//! Why an envelope is not taken, and whose fault that is.

use crate::id::KeyId;

/// What the mesh is told of one heard message. Exactly one each (invariant I5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Forward it.
    Accept,
    /// Do not forward it; nobody is to blame.
    Ignore,
    /// Do not forward it; whoever sent it should have known.
    Reject,
}

/// Why an envelope is refused. The text is for the local log; nothing of it goes to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not the one encoding that the format allows.
    #[error("malformed envelope ({0}): its sender or a relay does not follow the format")]
    Malformed(&'static str),
    /// A detachable part is not the one that the header names.
    #[error("a part does not belong to its header ({0}): a relay exchanged or damaged it")]
    WrongPart(&'static str),
    /// Longer than any envelope may be.
    #[error("longer than an envelope may be: its sender or a relay does not keep the limits")]
    Oversize,
    /// Framing of another version.
    #[error("framing version {0} is not known here: update this station")]
    UnknownFraming(u8),
    /// A suite that this version cannot read.
    #[error("suite {0} is not known here: update this station")]
    UnknownSuite(u16),
    /// A kind that this version cannot read.
    #[error("kind {0} of suite 1 is not known here: update this station")]
    UnknownKind(u8),
    /// Made for another network.
    #[error("made for another network: check that this station has the right accord")]
    ForeignNetwork,
    /// No certificate of its author is known.
    #[error("its author is not known here: its certificate is being asked for")]
    UnknownAuthor,
    /// Made under an accord version that is not known.
    #[error("made under accord version {0}, not known here: it is being asked for")]
    UnknownVersion(u32),
    /// None of its signatures names a known key of the author.
    #[error("no signature by the author's known key (it has {0:?}): documents are being asked for")]
    UnknownKey(KeyId),
    /// Its author's party may not write letters, as documents say here.
    #[error("its author's role may not write letters: its party left the accord, or only watches")]
    Role,
    /// Signed by a key that its party has taken back, and not among what the party stands by.
    #[error("signed by key {0:?}, which its party has revoked")]
    RevokedKey(KeyId),
    /// A signature under a known key that is wrong.
    #[error("wrong signature under the author's key: forged, or damaged by a relay")]
    BadSignature,
}

impl Refusal {
    /// The verdict that the refusal deserves: an honest forwarder is never punished for an author,
    /// nor for being newer than we are.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Malformed(_)
            | Self::WrongPart(_)
            | Self::Oversize
            | Self::ForeignNetwork
            | Self::BadSignature => Verdict::Reject,
            Self::UnknownFraming(_)
            | Self::UnknownSuite(_)
            | Self::UnknownKind(_)
            | Self::UnknownAuthor
            | Self::UnknownVersion(_)
            | Self::UnknownKey(_)
            | Self::Role
            | Self::RevokedKey(_) => Verdict::Ignore,
        }
    }

    /// Whether documents that are not here yet may make it good.
    #[must_use]
    pub const fn wants_documents(&self) -> bool {
        matches!(self.verdict(), Verdict::Ignore) && !matches!(self, Self::RevokedKey(_))
    }

    /// One word for metrics, vectors and tests; stable.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::WrongPart(_) => "wrong_part",
            Self::Oversize => "oversize",
            Self::UnknownFraming(_) => "unknown_framing",
            Self::UnknownSuite(_) => "unknown_suite",
            Self::UnknownKind(_) => "unknown_kind",
            Self::ForeignNetwork => "foreign_network",
            Self::UnknownAuthor => "unknown_author",
            Self::UnknownVersion(_) => "unknown_version",
            Self::UnknownKey(_) => "unknown_key",
            Self::Role => "role",
            Self::RevokedKey(_) => "revoked_key",
            Self::BadSignature => "bad_signature",
        }
    }
}
