//! What the API asks of the runtime, over one bounded channel.
//!
//! Every command is answered through its own one-shot channel, and no sooner than everything that
//! the answer rests on is durable (invariant I1): an id returned by a send survives a power cut. A
//! command that is dropped unanswered means that the node is stopping. Made by `routes`, taken by
//! `runtime`.

use bytes::Bytes;
use cbm_proto::{
    accord::Admitted,
    draft::Draft,
    event::{Act, Denied, Notice, Officer, Signed, Token},
    id::{EnvelopeId, MsgId, StationId},
    journal::Record,
    people::Checked,
    station::Station,
    time::Now,
};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::failure::{Code, Failure};
use crate::store::{Freed, Position};

/// Commands waiting for the runtime. Full: the API waits, and with it the caller.
pub const COMMANDS: usize = 256;
/// Notices kept for a follower that is slow; one that misses some looks at the whole again.
pub const NOTICES: usize = 1_024;

/// How a submit or an act ends.
pub type Outcome = Result<MsgId, Failed>;

/// What became of each of some documents; why one is not believed, in words.
pub type Believed = Vec<Result<Admitted, String>>;

/// Why a submit or an act was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// The station says no.
    #[error("{0}")]
    Denied(#[from] Denied),
    /// The journal did not take it; nothing was sent.
    #[error("{0}")]
    Storage(String),
}

/// Reads something off the station: called once with it, gives the answer to send when what it
/// rests on is durable. Must be quick: the loop waits for it.
pub type Look = Box<dyn FnOnce(&Station, Now) -> Answer + Send>;
/// Sends an answer.
pub type Answer = Box<dyn FnOnce() + Send>;

/// One thing asked of the runtime.
pub enum Command {
    /// A notification to send.
    Submit {
        /// Checked against the catalogue.
        draft: Box<Draft>,
        /// For the outcome.
        reply: oneshot::Sender<Outcome>,
    },
    /// An officer does something with a letter.
    Act {
        /// Which letter.
        msg: MsgId,
        /// What.
        act: Act,
        /// Who.
        by: Officer,
        /// The office's own signature.
        signed: Option<Signed>,
        /// For the outcome.
        reply: oneshot::Sender<Outcome>,
    },
    /// Signed documents to be believed and spread.
    Publish {
        /// As they travel.
        documents: Vec<Bytes>,
        /// For what becomes of each.
        reply: oneshot::Sender<Result<Believed, Failed>>,
    },
    /// An officer compared fingerprints.
    Checked {
        /// What came of it.
        checked: Box<Checked>,
        /// For the outcome.
        reply: oneshot::Sender<Outcome>,
    },
    /// Something about the station is asked.
    Look(Look),
    /// What the store holds of a letter is wanted.
    Stored {
        /// Which letter.
        msg: MsgId,
        /// Its envelope.
        id: EnvelopeId,
        /// For the answer.
        reply: oneshot::Sender<Result<Stored, String>>,
    },
    /// Records are not to be kept any more.
    LetGo {
        /// Where they stand.
        places: Vec<Position>,
        /// What takes their place.
        instead: Vec<Record>,
        /// Envelopes that lose their body by it.
        bodies: Vec<EnvelopeId>,
        /// For what the disk got back.
        reply: oneshot::Sender<Result<Freed, String>>,
    },
    /// How far the journal is durable.
    Durable(oneshot::Sender<Position>),
    /// The links are asked for.
    Links(oneshot::Sender<Links>),
    /// Another station is asked for evidence.
    Fetch {
        /// Whom.
        peer: StationId,
        /// The question.
        bytes: Bytes,
        /// For the answer; dropped where there is none.
        reply: oneshot::Sender<Option<Bytes>>,
    },
    /// Another station gets the answer to its question for evidence.
    Give {
        /// Its question.
        token: Token,
        /// The answer.
        bytes: Bytes,
    },
    /// A link is held down, or let up.
    Hold {
        /// With whom.
        peer: StationId,
        /// Whether it is held.
        on: bool,
        /// When it was handed to the mesh.
        reply: oneshot::Sender<()>,
    },
}

/// What the store holds of one letter.
#[derive(Debug)]
pub struct Stored {
    /// Own records about it, its key among them.
    pub about: Vec<Record>,
    /// Its envelope.
    pub envelope: Option<Bytes>,
}

/// What the runtime knows of the links.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Linked stations, with what the link runs over.
    pub linked: std::collections::BTreeMap<StationId, String>,
    /// Links that the operator holds down.
    pub held: std::collections::BTreeSet<StationId>,
    /// Why a station that is not linked could not be reached last time.
    pub unreached: std::collections::BTreeMap<StationId, String>,
    /// Stations that answer, and run on another network's accord.
    pub other_network: std::collections::BTreeSet<StationId>,
    /// Strangers refused since the start.
    pub strangers: u64,
    /// The journal takes what is written.
    pub storing: bool,
}

/// The API's end of the channel.
#[derive(Clone)]
pub struct Desk {
    commands: mpsc::Sender<Command>,
    notices: broadcast::WeakSender<Notice>,
}

impl Desk {
    /// Both ends; notices that the runtime sends reach every follower that listens by then.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Command>, broadcast::Sender<Notice>) {
        let (commands, taken) = mpsc::channel(COMMANDS);
        let (notices, _) = broadcast::channel(NOTICES);
        (Self { commands, notices: notices.downgrade() }, taken, notices)
    }

    /// Notices from now on, until the node stops.
    ///
    /// # Errors
    /// It is stopping.
    pub fn follow(&self) -> Result<broadcast::Receiver<Notice>, Failure> {
        self.notices.upgrade().map(|sender| sender.subscribe()).ok_or_else(Failure::stopping)
    }

    /// Submits a draft.
    ///
    /// # Errors
    /// The station or the disk refuses, or the node is stopping.
    pub async fn submit(&self, draft: Draft) -> Result<MsgId, Failure> {
        let outcome = self.ask(|reply| Command::Submit { draft: Box::new(draft), reply }).await?;
        outcome.map_err(|e| failed("nothing was sent", &e))
    }

    /// Acts for an officer.
    ///
    /// # Errors
    /// As [`Desk::submit`].
    pub async fn act(
        &self,
        msg: MsgId,
        act: Act,
        by: Officer,
        signed: Option<Signed>,
    ) -> Result<MsgId, Failure> {
        let outcome = self.ask(|reply| Command::Act { msg, act, by, signed, reply }).await?;
        outcome.map_err(|e| failed("the letter is untouched", &e))
    }

    /// Hands in signed documents.
    ///
    /// # Errors
    /// The disk refuses, or the node is stopping.
    pub async fn publish(&self, documents: Vec<Bytes>) -> Result<Believed, Failure> {
        let believed = self.ask(|reply| Command::Publish { documents, reply }).await?;
        believed.map_err(|e| failed("no document was taken", &e))
    }

    /// Takes note of a comparison of fingerprints.
    ///
    /// # Errors
    /// As [`Desk::submit`].
    pub async fn checked(&self, checked: Checked) -> Result<MsgId, Failure> {
        let outcome =
            self.ask(|reply| Command::Checked { checked: Box::new(checked), reply }).await?;
        outcome.map_err(|e| failed("no check was noted", &e))
    }

    /// Reads something off the station.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Station, Now) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        self.ask(|reply| {
            Command::Look(Box::new(move |station, now| {
                let found = read(station, now);
                Box::new(move || drop(reply.send(found)))
            }))
        })
        .await
    }

    /// What the store holds of a letter.
    ///
    /// # Errors
    /// The store cannot be read, or the node is stopping.
    pub async fn stored(&self, msg: MsgId, id: EnvelopeId) -> Result<Stored, Failure> {
        let found = self.ask(|reply| Command::Stored { msg, id, reply }).await?;
        found.map_err(|e| {
            let otherwise = "look at the disk and at the node's log";
            Failure::told(Code::Storage, "the letter could not be read", e, otherwise)
        })
    }

    /// Keeps records no longer.
    ///
    /// # Errors
    /// The disk refuses, or the node is stopping.
    pub async fn let_go(
        &self,
        places: Vec<Position>,
        instead: Vec<Record>,
        bodies: Vec<EnvelopeId>,
    ) -> Result<Freed, Failure> {
        let done = self.ask(|reply| Command::LetGo { places, instead, bodies, reply }).await?;
        done.map_err(|e| {
            let otherwise = "look at the disk and at the node's log";
            Failure::told(Code::Storage, "nothing more was let go", e, otherwise)
        })
    }

    /// How far the journal is durable; everything acknowledged before the call is before it.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn durable(&self) -> Result<Position, Failure> {
        self.ask(Command::Durable).await
    }

    /// The links.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn links(&self) -> Result<Links, Failure> {
        self.ask(Command::Links).await
    }

    /// Asks another station for evidence; `None` without an answer in time.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn fetch(&self, peer: StationId, bytes: Bytes) -> Result<Option<Bytes>, Failure> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Fetch { peer, bytes, reply };
        self.commands.send(command).await.map_err(|_| Failure::stopping())?;
        Ok(answer.await.unwrap_or(None))
    }

    /// Answers another station's question for evidence.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn give(&self, token: Token, bytes: Bytes) -> Result<(), Failure> {
        let command = Command::Give { token, bytes };
        self.commands.send(command).await.map_err(|_| Failure::stopping())
    }

    /// Holds a link down or lets it up.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn hold(&self, peer: StationId, on: bool) -> Result<(), Failure> {
        self.ask(|reply| Command::Hold { peer, on, reply }).await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Failure::stopping())?;
        answer.await.map_err(|_| Failure::unanswered())
    }
}

/// Which denials are a matter of rules, and which of the request.
fn failed(error: &str, failed: &Failed) -> Failure {
    let (code, otherwise) = match failed {
        // A full disk and one that can be read only bring their own remedy.
        Failed::Storage(_) => (
            Code::Storage,
            "nothing was written; look at the disk and the kernel's log (`dmesg`), then try again",
        ),
        Failed::Denied(denied) => match denied {
            Denied::NoSuchLetter(_) => (Code::NotFound, "`cbm inbox` lists what is here"),
            Denied::NoSuchParty(_)
            | Denied::NoSuchGroup { .. }
            | Denied::Past { .. }
            | Denied::NoRecipient
            | Denied::NotInGroup { .. }
            | Denied::TooManyRecipients(_) => (Code::Usage, "`cbm peers` lists the stations"),
            Denied::Role | Denied::Draft(_) => (Code::Refused, "change the letter as said"),
            Denied::Full => (Code::Unavailable, "try again in a minute"),
            Denied::Clone => (Code::Refused, "stop one of the two nodes for good"),
            Denied::Revoked { .. } => (Code::Refused, "have new keys certified"),
            Denied::Office(_) => (Code::Refused, "name the key of your office"),
            Denied::OfficeTime { .. } => (Code::Refused, "set the clock that is wrong"),
            Denied::Seal(_) => (Code::Failed, "look at the node's log"),
        },
    };
    Failure::told(code, error, failed, otherwise)
}
