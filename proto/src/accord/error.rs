//! Why a document is not believed, and what to do about it.
//!
//! Every error names its cause; [`DocumentError::class`] says what the one who received the
//! document does: ask for others first, keep calm because a newer version wrote it, or refuse.

use crate::{id::NameError, keys::KeyProblem, wire::DecodeError};

/// What follows from a [`DocumentError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It may be good, but what it builds on is not here yet: ask for documents, offer it again.
    Missing,
    /// Made by a newer version: ignore it, without a word against who sent it.
    Future,
    /// Never good.
    Refused,
}

/// Why a document was not admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The wrapper or the payload is not in its one form.
    #[error("not a document: {0}")]
    Bytes(#[from] DecodeError),
    /// A kind or a format that this version does not know.
    #[error("the document (kind {kind}, format {format}) was made by a newer version: update cbm")]
    Newer {
        /// Number of the kind.
        kind: i32,
        /// Number of the format.
        format: u32,
    },
    /// A name breaks its rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A key in the document cannot be used.
    #[error("{whose}: {problem}")]
    Key {
        /// Party or station that the key belongs to.
        whose: String,
        /// What is wrong with it.
        problem: KeyProblem,
    },
    /// A field is missing, out of bounds, out of order or given twice.
    #[error("{field}: {rule}")]
    Field {
        /// The field, as it is named in the schema.
        field: &'static str,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// Signatures out of order, of a wrong length, or too many.
    #[error("the list of signatures is not in its one form")]
    SignatureList,
    /// Signed by a key that has no say in this document.
    #[error("signed by a key that may not sign this {kind}: {key}")]
    NotEntitled {
        /// The kind of document.
        kind: &'static str,
        /// Which key, in hex.
        key: String,
    },
    /// A signature does not hold: the document was forged or damaged.
    #[error("a signature on this {kind} does not hold: it was forged or damaged")]
    BadSignature {
        /// The kind of document.
        kind: &'static str,
    },
    /// Fewer signatures than are needed.
    #[error("{have} of {need} needed signatures; missing: {missing}")]
    TooFewSignatures {
        /// Parties whose signature counts and is there.
        have: usize,
        /// How many are needed.
        need: usize,
        /// Who could still sign.
        missing: String,
    },
    /// Made for another network.
    #[error("the document belongs to another network")]
    ForeignNetwork,
    /// A version whose predecessor is not known here.
    #[error("version {version} cannot follow: version {have} is the last one known here")]
    PredecessorUnknown {
        /// The version that came.
        version: u32,
        /// The last version known.
        have: u32,
    },
    /// It names another predecessor than the one that is held.
    #[error("version {version} names another predecessor than a version before it")]
    WrongPredecessor {
        /// The version that came.
        version: u32,
    },
    /// The party is in no accord known here.
    #[error("party {0} is in no version of the accord that is known here")]
    UnknownParty(String),
    /// A charter whose version before is not known here.
    #[error(
        "version {version} of the charter cannot follow: its version {before} is not known here"
    )]
    CharterBefore {
        /// The version that came.
        version: u32,
        /// The version that is missing.
        before: u32,
    },
    /// A key of the party that no accord known here lists.
    #[error("no version of the accord that is known here lists key {0} for its party")]
    UnknownKey(String),
    /// No certificate of this station is known here.
    #[error("no certificate of station {0} is known here")]
    UnknownStation(String),
    /// A bound is reached, and what came does not rank before what is held.
    #[error("there is no room for more {0}")]
    Full(&'static str),
}

impl DocumentError {
    /// What follows from this error.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::PredecessorUnknown { .. }
            | Self::CharterBefore { .. }
            | Self::UnknownParty(_)
            | Self::UnknownKey(_)
            | Self::UnknownStation(_) => Class::Missing,
            Self::Newer { .. } => Class::Future,
            _ => Class::Refused,
        }
    }

    pub(super) const fn field(field: &'static str, rule: &'static str) -> Self {
        Self::Field { field, rule }
    }
}
