//! The letter that asks for letters again after a loss, and the one that answers it
//! (`docs/spec/letter.md`, letters asked again).
//!
//! Both are made by nodes, never receipted and never in an inbox. Callers: `regain`, `Station`.

use bytes::Bytes;

use crate::{
    id::{MsgId, PartyCode},
    letter::{Letter, Origin},
    limits::{RESEND_ENTRIES_MAX, TEXT_MAX},
    terms::Status,
    time::Timestamp,
    wire,
};

use super::ReceiptError;

/// Number of the type `resend`.
pub const RESEND: u32 = 30;

/// What such a letter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resend {
    /// Send again what you wrote to my party.
    Ask {
        /// Made by the author, or stored by the asker, at or after this.
        since: Timestamp,
        /// Of these only those; empty: all.
        only: Vec<MsgId>,
    },
    /// I lack a sender key of yours: what you said to me since then, by stanzas, please.
    Locked {
        /// The first letter under it that I have was made then.
        since: Timestamp,
    },
    /// That is said again now.
    Unlocked,
    /// These I wrote.
    List {
        /// At most [`RESEND_ENTRIES_MAX`].
        entries: Vec<Listed>,
        /// The list goes on in another letter.
        more: bool,
    },
}

/// A letter of the author to the asker's party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub msg: MsgId,
    /// When it was made.
    pub made_at: Timestamp,
    /// Its author still has it, and sends it again.
    pub available: bool,
}

impl Resend {
    /// The letter that carries it.
    #[must_use]
    pub fn letter(&self, origin: &Origin, to: &PartyCode, status: Status) -> Letter {
        let id = |msg: &MsgId| Bytes::copy_from_slice(&msg.0);
        let entry = |listed: &Listed| wire::ResendEntry {
            of: id(&listed.msg),
            made_at: listed.made_at.0,
            available: listed.available,
        };
        let body = match self {
            Self::Ask { since, only } => wire::Resend {
                // 0 marks an answer.
                since: since.0.max(1),
                only: only.iter().map(id).collect(),
                ..wire::Resend::default()
            },
            Self::Locked { since } => {
                wire::Resend { since: since.0.max(1), locked: true, ..wire::Resend::default() }
            }
            Self::Unlocked => wire::Resend { locked: true, ..wire::Resend::default() },
            Self::List { entries, more } => wire::Resend {
                entries: entries.iter().map(entry).collect(),
                more: *more,
                ..wire::Resend::default()
            },
        };
        let header = super::header(RESEND, "resend", to, status);
        Letter::by_node(header, wire::encode(&body).into(), origin)
    }

    /// Reads a letter of type `resend`.
    ///
    /// # Errors
    /// Another type, or a body that cannot be read or says too much.
    pub fn read(letter: &Letter) -> Result<Self, ReceiptError> {
        if letter.header.0.type_number != RESEND {
            return Err(ReceiptError::Type);
        }
        let bad = ReceiptError::Body;
        let body: wire::Resend = wire::decode(&letter.body, TEXT_MAX).map_err(|_| bad)?;
        if body.only.len().max(body.entries.len()) > RESEND_ENTRIES_MAX {
            return Err(bad);
        }
        match (body.locked, body.since) {
            (true, 0) => return Ok(Self::Unlocked),
            (true, since) => return Ok(Self::Locked { since: Timestamp(since) }),
            (false, _) => {}
        }
        let id = |bytes: &Bytes| MsgId::from_slice(bytes).ok_or(bad);
        if body.since > 0 {
            let only = body.only.iter().map(id).collect::<Result<_, _>>()?;
            return Ok(Self::Ask { since: Timestamp(body.since), only });
        }
        let entry = |entry: &wire::ResendEntry| {
            let (made_at, available) = (Timestamp(entry.made_at), entry.available);
            Ok(Listed { msg: id(&entry.of)?, made_at, available })
        };
        let entries = body.entries.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Self::List { entries, more: body.more })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{id::StationName, primitives::Entropy};

    fn carried(resend: &Resend) -> Letter {
        let station = StationName::parse("BBB/mfa").unwrap();
        let origin = Origin { id: MsgId([9; 16]), station, at: Timestamp(1_000) };
        let to = PartyCode::new("AAA").unwrap();
        let letter = resend.letter(&origin, &to, Status::System);
        Letter::from_parts(&letter.parts(&mut Entropy::new(&[1; 32]))).unwrap()
    }

    #[test]
    fn question_and_answer_come_back_as_they_were() {
        let listed = Listed { msg: MsgId([7; 16]), made_at: Timestamp(5), available: true };
        let lost = Listed { msg: MsgId([8; 16]), made_at: Timestamp(6), available: false };
        for resend in [
            Resend::Ask { since: Timestamp(77), only: Vec::new() },
            Resend::Ask { since: Timestamp(77), only: vec![MsgId([7; 16])] },
            Resend::List { entries: vec![listed, lost], more: true },
            Resend::List { entries: Vec::new(), more: false },
        ] {
            assert_eq!(Resend::read(&carried(&resend)), Ok(resend));
        }
    }

    #[test]
    fn what_says_too_much_or_names_no_letter_is_refused() {
        let mut letter = carried(&Resend::List { entries: Vec::new(), more: false });
        let entry = |len| wire::ResendEntry { of: vec![1; len].into(), ..Default::default() };
        for entries in [vec![entry(15)], vec![entry(16); RESEND_ENTRIES_MAX + 1]] {
            letter.body = wire::encode(&wire::Resend { entries, ..Default::default() }).into();
            assert_eq!(Resend::read(&letter), Err(ReceiptError::Body));
        }
        letter.header.0.type_number = 5;
        assert_eq!(Resend::read(&letter), Err(ReceiptError::Type));
    }
}
