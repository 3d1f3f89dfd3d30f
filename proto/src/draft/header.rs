//! The common header with its terms read: what all letters share (`docs/message-types.md`).
//!
//! The wire message is kept as it is, so that nothing is lost between draft and letter. Numbers
//! that this version does not know are read to the safe side: an unknown precedence rings as FLASH,
//! an unknown marking binds as RED.

use crate::{
    id::{MsgId, PartyCode, StationName},
    terms::{Action, Level, Precedence, Relation, Status, Tlp},
    time::Timestamp,
    wire,
};

/// A letter's common header.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header(pub wire::LetterHeader);

impl Header {
    /// The letter's name; `None` in a draft.
    #[must_use]
    pub fn id(&self) -> Option<MsgId> {
        MsgId::from_slice(&self.0.id)
    }

    /// Name of the type, as its author wrote it.
    #[must_use]
    pub fn type_name(&self) -> &str {
        &self.0.r#type
    }

    /// Status as written inside; it must equal what is sealed with the key.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        Status::from_code(self.0.status)
    }

    /// Precedence for action addressees.
    #[must_use]
    pub fn precedence(&self) -> Precedence {
        Precedence::from_code(self.0.precedence).unwrap_or(Precedence::Flash)
    }

    /// Precedence for copies: ROUTINE unless the author says otherwise.
    #[must_use]
    pub fn info_precedence(&self) -> Precedence {
        match self.0.info_precedence {
            0 => Precedence::Routine,
            code => Precedence::from_code(code).unwrap_or(Precedence::Flash),
        }
    }

    /// What it does to what went before; an unknown action reads as NEW.
    #[must_use]
    pub fn action(&self) -> Action {
        Action::from_code(self.0.action).unwrap_or(Action::New)
    }

    /// How far it may go.
    #[must_use]
    pub fn tlp(&self) -> Tlp {
        Tlp::from_code(self.0.tlp).unwrap_or(Tlp::Red)
    }

    /// Parties that owe an answer. What is not a party's code is left out.
    #[must_use]
    pub fn to(&self) -> Vec<PartyCode> {
        parties(&self.0.to_action)
    }

    /// Parties that get a copy.
    #[must_use]
    pub fn info(&self) -> Vec<PartyCode> {
        parties(&self.0.to_info)
    }

    /// Members of the group left out on purpose.
    #[must_use]
    pub fn exempted(&self) -> Vec<PartyCode> {
        parties(&self.0.exempted)
    }

    /// Group that it is sent to, if one was named.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        Some(self.0.group.as_str()).filter(|name| !name.is_empty())
    }

    /// Letters that it refers to; a relation of a newer version is `None`.
    #[must_use]
    pub fn refs(&self) -> Vec<(MsgId, Option<Relation>)> {
        let read = |one: &wire::Reference| {
            Some((MsgId::from_slice(&one.id)?, Relation::from_code(one.relation)))
        };
        self.0.refs.iter().filter_map(read).collect()
    }

    /// The letter that this one answers, if any.
    #[must_use]
    pub fn replies_to(&self) -> Option<MsgId> {
        let mut refs = self.refs().into_iter();
        refs.find(|(_, relation)| *relation == Some(Relation::Replies)).map(|(id, _)| id)
    }

    /// When it was released.
    #[must_use]
    pub fn origin_time(&self) -> Option<Timestamp> {
        time(self.0.origin_time)
    }

    /// When an answer is wanted.
    #[must_use]
    pub fn reply_by(&self) -> Option<Timestamp> {
        time(self.0.reply_by)
    }

    /// When it is repeated no more and shown grey.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        time(self.0.expires_at)
    }

    /// The level that its author wants, if it says so.
    #[must_use]
    pub fn wants(&self) -> Option<Level> {
        self.0.ack_want.as_ref().and_then(|want| Level::from_code(want.level))
    }

    /// The station that it says it comes from; the caller compares it with the envelope's author.
    #[must_use]
    pub fn originator(&self) -> Option<StationName> {
        let from = self.0.originator.as_ref()?;
        StationName::new(PartyCode::new(&from.party).ok()?, &from.station).ok()
    }

    /// The subject in its original language, empty if there is none.
    #[must_use]
    pub fn subject(&self) -> &str {
        original_of(&self.0.subject)
    }
}

/// The original among texts of several languages; the first if none is marked; empty if none is.
#[must_use]
pub(crate) fn original_of(texts: &[wire::Text]) -> &str {
    let marked = texts.iter().find(|text| text.kind() == wire::text::kind::Code::Original);
    marked.or(texts.first()).map_or("", |text| &text.text)
}

fn parties(codes: &[String]) -> Vec<PartyCode> {
    codes.iter().filter_map(|code| PartyCode::new(code).ok()).collect()
}

fn time(ms: u64) -> Option<Timestamp> {
    Some(Timestamp(ms)).filter(|at| at.0 > 0)
}
