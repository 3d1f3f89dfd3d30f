//! The toy beside the system: which letters people began, what `send` promised, what officers do.
//!
//! Knows nothing of envelopes, feeds or receipts. `invariants` compares the stations with it; the
//! rules are only these: a letter appears where it was addressed and nowhere else, once, as it was
//! written; and once `send` has returned an id, it arrives.

use std::collections::{BTreeMap, BTreeSet};

use cbm_proto::event::{Denied, Token};
use cbm_proto::id::{MsgId, PartyCode};
use cbm_proto::terms::{Precedence, Status};

use crate::network::Ix;

/// A letter that a person began to send.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Stands in the letter's text, so that it is known again wherever it appears.
    pub number: usize,
    /// On which machine.
    pub author: Ix,
    /// Parties that owe answers.
    pub to: Vec<PartyCode>,
    /// Parties that get a copy.
    pub info: Vec<PartyCode>,
    /// Its precedence.
    pub precedence: Precedence,
    /// Its status.
    pub status: Status,
    /// Its text.
    pub text: String,
    /// Its id, once `send` returned it or it appeared in an inbox.
    pub msg: Option<MsgId>,
    /// `send` returned the id: it must arrive.
    pub promised: bool,
    /// The disk that kept the promise went back in time: nobody can know of it.
    pub forgotten: bool,
}

/// What an officer does with a letter. Depends on the letter alone, so that the same is done
/// again when a crash swallowed the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// "Received", no more.
    Acknowledge,
    /// Received, and it will be dealt with.
    Accept,
    /// It will not be dealt with.
    Decline,
}

/// All that people began.
#[derive(Debug, Default)]
pub struct Model {
    letters: Vec<Letter>,
    by_msg: BTreeMap<MsgId, usize>,
    waiting: BTreeMap<(Ix, u64, Token), usize>,
    denied: Vec<Denied>,
    acting: BTreeMap<(Ix, u64, Token), MsgId>,
    acted: BTreeSet<(Ix, MsgId)>,
}

impl Decision {
    /// What every officer does with this letter.
    #[must_use]
    pub const fn of(msg: &MsgId) -> Self {
        match msg.0[0] % 3 {
            0 => Self::Acknowledge,
            1 => Self::Accept,
            _ => Self::Decline,
        }
    }
}

impl Model {
    /// The number that the next letter will have.
    #[must_use]
    pub const fn next(&self) -> usize {
        self.letters.len()
    }

    /// A person began to send; the command's answer will carry this token of this run.
    pub fn begin(&mut self, letter: Letter, run: u64, token: Token) {
        self.waiting.insert((letter.author, run, token), letter.number);
        self.letters.push(letter);
    }

    /// `send` returned. Answers to other commands are passed over.
    ///
    /// # Errors
    /// What is wrong with the id.
    pub fn returned(
        &mut self,
        at: (Ix, u64, Token),
        result: Result<MsgId, Denied>,
    ) -> Result<(), String> {
        if let (Some(msg), Ok(_)) = (self.acting.remove(&at), &result) {
            self.acted.insert((at.0, msg));
        }
        let Some(number) = self.waiting.remove(&at) else { return Ok(()) };
        match result {
            Ok(msg) => {
                self.letters[number].promised = true;
                self.appeared(msg, number)
            }
            Err(denied) => {
                self.denied.push(denied);
                Ok(())
            }
        }
    }

    /// A letter with this number in its text is known by this id.
    ///
    /// # Errors
    /// The number or the id belongs to another letter, or no `send` began it.
    pub fn appeared(&mut self, msg: MsgId, number: usize) -> Result<(), String> {
        let Some(letter) = self.letters.get_mut(number) else {
            return Err(format!("letter {msg:?} has number {number}, which nobody wrote"));
        };
        match letter.msg {
            Some(known) if known != msg => {
                return Err(format!("letter {number} has two ids, {known:?} and {msg:?}"));
            }
            _ => letter.msg = Some(msg),
        }
        match self.by_msg.insert(msg, number) {
            Some(other) if other != number => {
                Err(format!("letters {other} and {number} have the same id {msg:?}"))
            }
            _ => Ok(()),
        }
    }

    /// An officer answers a letter; the command's answer will carry this token of this run.
    pub fn acts(&mut self, at: (Ix, u64, Token), msg: MsgId) {
        self.acting.insert(at, msg);
    }

    /// Whether an officer was told that the answer is given: nobody will give it again.
    #[must_use]
    pub fn acted(&self, ix: Ix, msg: MsgId) -> bool {
        self.acted.contains(&(ix, msg))
    }

    /// A disk went back to before it kept these, and before officers there did what they did.
    pub fn forget(&mut self, author: Ix, msgs: &[MsgId]) {
        self.acted.retain(|(ix, _)| *ix != author);
        for letter in &mut self.letters {
            let named = letter.msg.is_some_and(|msg| msgs.contains(&msg));
            letter.forgotten |= letter.author == author && named;
        }
    }

    /// The letter of this id.
    #[must_use]
    pub fn letter(&self, msg: &MsgId) -> Option<&Letter> {
        self.by_msg.get(msg).map(|number| &self.letters[*number])
    }

    /// All letters that were begun.
    #[must_use]
    pub fn letters(&self) -> &[Letter] {
        &self.letters
    }

    /// Letters that must arrive.
    pub fn promised(&self) -> impl Iterator<Item = (&Letter, MsgId)> {
        let owed = self.letters.iter().filter(|letter| letter.promised && !letter.forgotten);
        owed.filter_map(|letter| letter.msg.map(|msg| (letter, msg)))
    }

    /// Why letters were not taken, oldest first.
    #[must_use]
    pub fn denied(&self) -> &[Denied] {
        &self.denied
    }
}
