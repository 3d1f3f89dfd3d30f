//! What stations say to one another about evidence: a stretch of it is asked for, and given or not.

use bytes::Bytes;

use crate::{id::Digest, limits::EVIDENCE_ANSWER_MAX};

/// Bytes of a question.
const QUESTION_LEN: usize = Digest::LEN + 1 + 8 + 4;

/// Of what a stretch is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// The list of digests.
    List,
    /// The sealed pieces.
    Pieces,
}

/// Asks for a stretch of what a root names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Which evidence.
    pub root: Digest,
    /// What of it.
    pub section: Section,
    /// From which byte on.
    pub from: u64,
    /// So many bytes, from 1 to [`EVIDENCE_ANSWER_MAX`].
    pub length: u32,
}

impl Question {
    /// As it travels.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(QUESTION_LEN);
        out.extend_from_slice(self.root.as_bytes());
        out.push(match self.section {
            Section::List => 1,
            Section::Pieces => 2,
        });
        out.extend_from_slice(&self.from.to_be_bytes());
        out.extend_from_slice(&self.length.to_be_bytes());
        out.into()
    }

    /// Reads one; `None` for anything that [`Question::encode`] does not make.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (root, rest) = bytes.split_first_chunk::<{ Digest::LEN }>()?;
        let (section, rest) = rest.split_first()?;
        let (from, rest) = rest.split_first_chunk::<8>()?;
        let length = u32::from_be_bytes(rest.try_into().ok()?);
        let section = match section {
            1 => Section::List,
            2 => Section::Pieces,
            _ => return None,
        };
        let sane = (1..=EVIDENCE_ANSWER_MAX).contains(&(length as usize));
        let from = u64::from_be_bytes(*from);
        sane.then_some(Self { root: Digest(*root), section, from, length })
    }
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is not held, or not so far.
    Nothing,
    /// Not now: letters go first, or others ask. Asked again later.
    Later,
    /// The stretch from where it was asked, whole or its beginning; never empty.
    Bytes(Bytes),
}

impl Answer {
    /// As it travels.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Nothing => Bytes::from_static(&[0]),
            Self::Later => Bytes::from_static(&[1]),
            Self::Bytes(bytes) => [&[2], &bytes[..]].concat().into(),
        }
    }

    /// Reads the answer to a question for `length` bytes; `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &Bytes, length: u32) -> Option<Self> {
        match (bytes.first()?, bytes.len() - 1) {
            (0, 0) => Some(Self::Nothing),
            (1, 0) => Some(Self::Later),
            (2, given) if given > 0 && given <= length as usize => {
                Some(Self::Bytes(bytes.slice(1..)))
            }
            _ => None,
        }
    }
}
