//! Receipts: how far letters came, who says so, and what it means for their sender.
//!
//! Level 3. A receipt is a letter of type `ack` whose body holds entries, each sealed as a part of
//! its own (`docs/spec/letter.md`). It names only letters that were opened, and is never receipted
//! itself. Receipt is not agreement: the wording of L4 is fixed here for every language
//! (invariant I8). Callers: `Station`, the node's API.

use bytes::Bytes;

use crate::{
    catalogue::catalogue,
    draft::original,
    dump::dumped_as_bytes,
    id::{Digest, EnvelopeId, MsgId, PartyCode},
    letter::{Letter, Origin},
    limits::{RECEIPT_ENTRIES_MAX, TEXT_MAX},
    terms::{Action, Level, Outcome, Precedence, Reason, Status, Tlp},
    time::Timestamp,
    wire::{self, receipt_entry::by::Code as WireBy},
};

mod delivery;
mod office;
mod resend;

/// Header of a letter that the node makes of itself, about letters, to one party.
fn header(number: u32, name: &str, to: &PartyCode, status: Status) -> wire::LetterHeader {
    wire::LetterHeader {
        type_number: number,
        type_version: catalogue().by_number(number).map_or(1, |info| info.version),
        r#type: name.into(),
        status: status.code().into(),
        action: Action::New.code().into(),
        precedence: Precedence::Routine.code().into(),
        tlp: Tlp::Red.code().into(),
        to_action: vec![to.as_str().to_owned()],
        ..wire::LetterHeader::default()
    }
}

#[cfg(test)]
mod tests;
mod wording;

pub use delivery::{Course, State, due_at, overdue, state};
pub use office::{Fault, OFFICE_DOMAIN, OfficeSignature, Proof, Stated, check_office};
pub use resend::{Listed, RESEND, Resend};
pub use wording::{LANGUAGES, fixed_text};

/// Number of the type `ack`.
pub const ACK: u32 = 5;

/// What is said of one letter.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// The letter.
    pub of: MsgId,
    /// Digest of the header of the envelope that brought it.
    pub digest: EnvelopeId,
    /// Root over its content, as it was opened.
    pub content_root: Digest,
    /// How far it came.
    pub level: Level,
    /// When, by the clock of whoever says so.
    pub at: Timestamp,
    /// What will be done with it; stated with L5.
    pub outcome: Option<Outcome>,
    /// Why.
    pub reason: Option<Reason>,
    /// Who is competent instead; empty if nobody is named.
    pub referred_to: String,
    /// When more will be said.
    pub next_contact_by: Option<Timestamp>,
    /// In words, per language.
    pub text: Vec<wire::Text>,
    /// The office that says so, per language; empty: the station by itself.
    pub office: Vec<wire::Text>,
    /// The person standing in the office; empty if not named.
    pub officer: String,
    /// The office's own signature over [`Entry::statement`]; `None`: the station says so for it.
    pub signature: Option<OfficeSignature>,
    /// The letter that answers it (L6).
    pub answer: Option<MsgId>,
    /// The station does not report L3, by national policy.
    pub l3_withheld: bool,
    /// The station could not trust its clock when it said so.
    pub clock_in_doubt: bool,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({:?} {})", self.of, self.level)
    }
}

/// An officer and the office in which they stand.
#[derive(Clone, PartialEq, Eq)]
pub struct Officer {
    /// The person.
    pub name: String,
    /// The office, in the language of the station.
    pub office: String,
}

/// Some entries from one letter.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// What is said.
    pub entries: Vec<Entry>,
    /// It also says something that this version does not know.
    pub newer: bool,
}

/// Why a letter is not a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Another type.
    #[error("the letter is not a receipt; read it as what it is")]
    Type,
    /// Its body cannot be read or says too much.
    #[error("the receipt cannot be read; its author's software must be mended")]
    Body,
}

dumped_as_bytes!(Entry, |entry| entry.to_bytes(), |bytes| Self::from_bytes(&bytes));

impl Entry {
    /// What the station says by itself: L1 stored, L2 in the inbox, L3 shown.
    #[must_use]
    pub const fn by_station(
        of: MsgId,
        digest: EnvelopeId,
        content_root: Digest,
        level: Level,
        at: Timestamp,
    ) -> Self {
        Self {
            of,
            digest,
            content_root,
            level,
            at,
            outcome: None,
            reason: None,
            referred_to: String::new(),
            next_contact_by: None,
            text: Vec::new(),
            office: Vec::new(),
            officer: String::new(),
            signature: None,
            answer: None,
            l3_withheld: false,
            clock_in_doubt: false,
        }
    }

    /// The same letter at `level`, said by an officer: L4 received, L6 answered.
    #[must_use]
    pub fn by_officer(mut self, level: Level, at: Timestamp, officer: &Officer) -> Self {
        self.level = level;
        self.at = at;
        self.officer.clone_from(&officer.name);
        self.office = vec![original("und", &officer.office)];
        self
    }

    /// An outcome (L5), said by an officer, with a reason and words if they are given.
    #[must_use]
    pub fn with_outcome(
        self,
        outcome: Outcome,
        reason: Option<Reason>,
        text: Vec<wire::Text>,
        at: Timestamp,
        officer: &Officer,
    ) -> Self {
        let outcome = Some(outcome);
        Self { outcome, reason, text, ..self.by_officer(Level::L5, at, officer) }
    }

    /// An officer of an office says it, not the station by itself.
    #[must_use]
    pub fn is_by_office(&self) -> bool {
        !self.office.is_empty()
    }

    /// Level and outcome as far as whoever states them can: a machine by itself says no more than that
    /// the letter was shown, whatever it writes. From L4 on a human in an office speaks.
    #[must_use]
    pub fn said(&self) -> (Level, Option<Outcome>) {
        if self.is_by_office() {
            (self.level, self.outcome)
        } else {
            (self.level.min(Level::L3), None)
        }
    }

    /// The entry as it is kept, to be said again (message `ReceiptEntry`).
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        wire::encode(&self.to_wire()).into()
    }

    /// Reads what [`Entry::to_bytes`] wrote; `None` for anything else, and for a level that this
    /// version does not know.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_wire(wire::decode(bytes, TEXT_MAX).ok()?).ok().flatten()
    }

    /// The entry as it is kept, without the letter and the envelope that it names.
    pub(crate) fn nameless(&self) -> Bytes {
        let (of, digest, content_root) = Default::default();
        wire::encode(&wire::ReceiptEntry { of, digest, content_root, ..self.to_wire() }).into()
    }

    /// The entry as it is kept, out of what [`Entry::nameless`] wrote.
    pub(crate) fn named(
        nameless: &[u8],
        of: MsgId,
        digest: EnvelopeId,
        content_root: Digest,
    ) -> Option<Bytes> {
        let mut entry: wire::ReceiptEntry = wire::decode(nameless, TEXT_MAX).ok()?;
        entry.of = copy(of.as_bytes());
        entry.digest = copy(digest.as_bytes());
        entry.content_root = copy(content_root.as_bytes());
        Some(wire::encode(&entry).into())
    }

    fn to_wire(&self) -> wire::ReceiptEntry {
        let by = if self.is_by_office() { WireBy::Office } else { WireBy::Station };
        wire::ReceiptEntry {
            of: copy(self.of.as_bytes()),
            digest: copy(self.digest.as_bytes()),
            content_root: copy(self.content_root.as_bytes()),
            level: self.level.code().into(),
            at: self.at.0,
            by: by.into(),
            outcome: self.outcome.map_or(0, |outcome| outcome.code().into()),
            reason: self.reason.map_or(0, |reason| reason.code().into()),
            referred_to: self.referred_to.clone(),
            next_contact_by: self.next_contact_by.map_or(0, |at| at.0),
            text: self.text.clone(),
            office: self.office.clone(),
            officer: self.officer.clone(),
            office_signature: self.signature.as_ref().map(OfficeSignature::to_wire),
            l3_withheld: self.l3_withheld,
            answer: self.answer.map_or_else(Bytes::new, |id| copy(id.as_bytes())),
            clock_in_doubt: self.clock_in_doubt,
        }
    }

    /// `Ok(None)` for a level that this version does not know.
    fn from_wire(entry: wire::ReceiptEntry) -> Result<Option<Self>, ReceiptError> {
        let bad = ReceiptError::Body;
        let of = MsgId::from_slice(&entry.of).ok_or(bad)?;
        let digest = EnvelopeId::from_slice(&entry.digest).ok_or(bad)?;
        let content_root = Digest::from_slice(&entry.content_root).ok_or(bad)?;
        let Some(level) = Level::from_code(entry.level) else { return Ok(None) };
        Ok(Some(Self {
            of,
            digest,
            content_root,
            level,
            at: Timestamp(entry.at),
            outcome: Outcome::from_code(entry.outcome),
            reason: Reason::from_code(entry.reason),
            referred_to: entry.referred_to,
            next_contact_by: Some(Timestamp(entry.next_contact_by)).filter(|at| at.0 > 0),
            text: entry.text,
            office: entry.office,
            officer: entry.officer,
            signature: entry.office_signature.as_ref().map(OfficeSignature::from_wire),
            answer: MsgId::from_slice(&entry.answer),
            l3_withheld: entry.l3_withheld,
            clock_in_doubt: entry.clock_in_doubt,
        }))
    }
}

impl Receipt {
    /// A receipt of what this version knows. At most `RECEIPT_ENTRIES_MAX` entries travel; the
    /// caller makes further receipts of the rest.
    #[must_use]
    pub const fn new(entries: Vec<Entry>) -> Self {
        Self { entries, newer: false }
    }

    /// The letter that carries it to the party whose letters it names.
    #[must_use]
    pub fn letter(&self, origin: &Origin, to: &PartyCode, status: Status) -> Letter {
        let entries = self.entries.iter().take(RECEIPT_ENTRIES_MAX).map(Entry::to_wire).collect();
        let body = wire::Acknowledgement { entries, marks: Vec::new() };
        let header = header(ACK, "ack", to, status);
        Letter::by_node(header, wire::encode(&body).into(), origin)
    }

    /// Reads a letter of type `ack`. Entries with a level of a newer version are left out, and
    /// told by `newer`.
    ///
    /// # Errors
    /// Another type, too many entries, or one that names no letter.
    pub fn read(letter: &Letter) -> Result<Self, ReceiptError> {
        if letter.header.0.type_number != ACK {
            return Err(ReceiptError::Type);
        }
        let body: wire::Acknowledgement =
            wire::decode(&letter.body, TEXT_MAX).map_err(|_| ReceiptError::Body)?;
        if body.entries.len() > RECEIPT_ENTRIES_MAX {
            return Err(ReceiptError::Body);
        }
        let mut receipt = Self { entries: Vec::new(), newer: letter.newer };
        for entry in body.entries {
            match Entry::from_wire(entry)? {
                Some(entry) => receipt.entries.push(entry),
                None => receipt.newer = true,
            }
        }
        Ok(receipt)
    }
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
