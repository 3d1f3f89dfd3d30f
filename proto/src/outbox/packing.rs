//! A letter of ours, in few bytes: ids in full, the rest by name or as a difference.
//!
//! Level 4, a room of [`super`]. Nothing is left out.

use std::collections::{BTreeMap, VecDeque};

use crate::dump::{Dump, Source};
use crate::id::{EnvelopeId, MsgId, StationId};
use crate::packed::{
    KEY, Names, Pack, bits, optional, put_number, put_signed, take_number, take_signed,
};
use crate::terms::{Level, Outcome};
use crate::time::Timestamp;

use super::{Copy, Outgoing, Owed, Path};

/// A letter under its id.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) msg: MsgId,
    pub(super) letter: Outgoing,
}

/// What a letter has, a bit each.
const ENVELOPE: u8 = 1;
const WANTS: u8 = 1 << 1;
const REPLY_BY: u8 = 1 << 2;
const COPIES: u8 = 1 << 3;

/// What an addressee has or is, a bit each.
const INFO: u8 = 1;
const UNSEALED: u8 = 1 << 1;
const UNMATCHED: u8 = 1 << 2;
const OUTCOME: u8 = 1 << 3;
const STATED: u8 = 1 << 4;
const AT: u8 = 1 << 5;
const STORED: u8 = 1 << 6;
const PATH: u8 = 1 << 7;

impl Pack for Sent {
    fn key(&self) -> [u8; KEY] {
        self.msg.0
    }

    /// Nobody has to be given it any more.
    fn is_settled(&self) -> bool {
        let all = |owed: &Owed| owed.stored() && !owed.unmatched;
        self.letter.envelope.is_some() && self.letter.owed.iter().all(|(_, owed)| all(owed))
    }

    fn pack(&self, names: &mut Names, out: &mut Vec<u8>) {
        let letter = &self.letter;
        self.msg.put(out);
        out.push(bits([
            (letter.envelope.is_some(), ENVELOPE),
            (letter.wants.is_some(), WANTS),
            (letter.reply_by.is_some(), REPLY_BY),
            (!letter.copies.is_empty(), COPIES),
        ]));
        letter.envelope.iter().for_each(|id| id.put(out));
        letter.content_root.put(out);
        names.put(&letter.lane, out);
        names.put(&letter.type_name, out);
        letter.precedence.put(out);
        letter.status.put(out);
        put_number(letter.made_at.0, out);
        put_signed(letter.expires_at.0, letter.made_at.0, out);
        letter.wants.iter().for_each(|level| level.put(out));
        letter.reply_by.iter().for_each(|at| put_signed(at.0, letter.made_at.0, out));
        put_number(letter.owed.iter().count() as u64, out);
        for (station, owed) in letter.owed.iter() {
            names.put(station, out);
            owed.pack(letter.made_at, names, out);
        }
        if !letter.copies.is_empty() {
            letter.copies.put(out);
        }
    }

    fn unpack(_: u64, names: &Names, from: &mut Source<'_>) -> Option<Self> {
        let msg = MsgId::take(from)?;
        let bits = u8::take(from)?;
        let envelope = optional(bits, ENVELOPE, || EnvelopeId::take(from))?;
        let (content_root, lane) = (Dump::take(from)?, names.take(from)?);
        let type_name = names.take(from)?;
        let (precedence, status) = (Dump::take(from)?, Dump::take(from)?);
        let made_at = Timestamp(take_number(from)?);
        let expires_at = Timestamp(take_signed(made_at.0, from)?);
        let wants = optional(bits, WANTS, || Level::take(from))?;
        let reply_by = optional(bits, REPLY_BY, || take_signed(made_at.0, from).map(Timestamp))?;
        let mut owed = BTreeMap::new();
        for _ in 0..take_number(from)? {
            let station: StationId = names.take(from)?;
            owed.insert(station, Owed::unpack(made_at, names, from)?);
        }
        let copies = optional(bits, COPIES, || VecDeque::<Copy>::take(from))?.unwrap_or_default();
        let letter = Outgoing {
            envelope,
            content_root,
            lane,
            type_name,
            precedence,
            status,
            made_at,
            expires_at,
            wants,
            reply_by,
            owed: owed.into(),
            copies,
        };
        Some(Self { msg, letter })
    }
}

impl Owed {
    fn pack(&self, made_at: Timestamp, names: &mut Names, out: &mut Vec<u8>) {
        out.push(bits([
            (self.info, INFO),
            (self.unsealed, UNSEALED),
            (self.unmatched, UNMATCHED),
            (self.outcome.is_some(), OUTCOME),
            (self.stated.is_some(), STATED),
            (self.at.is_some(), AT),
            (self.stored_at.is_some(), STORED),
            (self.path.is_some(), PATH),
        ]));
        self.level.put(out);
        self.outcome.iter().for_each(|outcome| outcome.put(out));
        self.stated.iter().for_each(|stated| stated.put(out));
        self.at.iter().for_each(|at| put_signed(at.0, made_at.0, out));
        let near = self.at.unwrap_or(made_at);
        self.stored_at.iter().for_each(|at| put_signed(at.0, near.0, out));
        self.path.iter().for_each(|path| names.put(path, out));
        put_number(u64::from(self.attempts), out);
    }

    fn unpack(made_at: Timestamp, names: &Names, from: &mut Source<'_>) -> Option<Self> {
        let bits = u8::take(from)?;
        let level = Dump::take(from)?;
        let outcome = optional(bits, OUTCOME, || Outcome::take(from))?;
        let stated = optional(bits, STATED, || Dump::take(from))?;
        let at = optional(bits, AT, || take_signed(made_at.0, from).map(Timestamp))?;
        let near = at.unwrap_or(made_at);
        let stored_at = optional(bits, STORED, || take_signed(near.0, from).map(Timestamp))?;
        Some(Self {
            info: bits & INFO != 0,
            level,
            outcome,
            stated,
            at,
            stored_at,
            path: optional(bits, PATH, || names.take::<Path>(from))?,
            attempts: u32::try_from(take_number(from)?).ok()?,
            unsealed: bits & UNSEALED != 0,
            unmatched: bits & UNMATCHED != 0,
        })
    }
}
