//! Who waits for the station's answer to a command, by the token that the answer will carry.
//!
//! Each gets exactly one answer: the station's, or words that the store took nothing. Used by the
//! loop alone.

use std::collections::BTreeMap;

use cbm_proto::{
    event::{Denied, Token},
    id::MsgId,
};
use tokio::sync::oneshot;

use crate::api::command::{Believed, Failed, Outcome};

/// Whoever waits.
pub(super) enum Asker {
    /// For a submit or an act.
    Person(oneshot::Sender<Outcome>),
    /// For what becomes of documents.
    Publisher(oneshot::Sender<Result<Believed, Failed>>),
}

/// All of them.
#[derive(Default)]
pub(super) struct Waiting {
    askers: BTreeMap<Token, Asker>,
    last: u64,
}

impl Waiting {
    /// A token for a new one.
    pub(super) fn enter(&mut self, asker: Asker) -> Token {
        self.last += 1;
        let token = Token(self.last);
        self.askers.insert(token, asker);
        token
    }

    /// The station answered a submit or an act.
    pub(super) fn replied(&mut self, token: Token, result: Result<MsgId, Denied>) {
        if let Some(Asker::Person(reply)) = self.askers.remove(&token) {
            // Whoever asked may be gone.
            let _ = reply.send(result.map_err(Failed::Denied));
        }
    }

    /// The station said what became of documents.
    pub(super) fn believed(&mut self, token: Token, results: Believed) {
        if let Some(Asker::Publisher(reply)) = self.askers.remove(&token) {
            // Whoever asked may be gone.
            let _ = reply.send(Ok(results));
        }
    }

    /// The store took nothing: everybody is told.
    pub(super) fn fail(&mut self, words: &str) {
        for (_, asker) in std::mem::take(&mut self.askers) {
            asker.fail(words);
        }
    }
}

impl Asker {
    /// The store takes nothing.
    pub(super) fn fail(self, words: &str) {
        let failed = Failed::Storage(words.to_owned());
        match self {
            // Whoever asked may be gone.
            Self::Person(reply) => drop(reply.send(Err(failed))),
            Self::Publisher(reply) => drop(reply.send(Err(failed))),
        }
    }
}
