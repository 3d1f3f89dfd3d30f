//! What goes into a `Station` and what comes out: one `Input`, one `Effects` (invariants I1, I5).
//!
//! Level 4. The shell hands in an [`Input`] with the time and fresh entropy and gets [`Effects`],
//! which it must carry out **by phase**, over the whole batch that it drained:
//!
//! 1. every verdict (the mesh forwards what was accepted),
//! 2. then `Station::settle`, once for the batch, which opens what was heard and adds effects,
//! 3. every append, in order, and one sync of the journal,
//! 4. every [`Speak`], in order.
//!
//! If 3 fails nothing of 4 happens: the shell throws the `Station` away and restores it from
//! the store. So "stored before spoken" is the order of one list, which a test can look at.

use bytes::Bytes;

use crate::accord::Admitted;
use crate::draft::{Draft, original};
pub use crate::envelope::Verdict;
use crate::id::{EnvelopeId, Incarnation, LaneId, MsgId, StationId};
use crate::journal::Record;
use crate::people::Checked;
use crate::receipt::{Entry, OfficeSignature};
pub use crate::receipt::{Fault, Officer};
use crate::sync::Numbers;
use crate::terms::{Cause, Level, Outcome, Reason};
use crate::time::Timestamp;

/// Names one question from the shell that wants an answer: a heard message, a stream, a command.
/// Drawn by the shell, unique within one run of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Names one question of ours to another station; its answer comes back with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Where a gossip message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// A group's lane: its members, all of role STATE.
    Lane(LaneId),
    /// Beacons: every role.
    Beacon,
}

/// One thing that happened to the station.
pub enum Input {
    /// A person, or a program for one, submits a draft. Answered by [`Speak::Reply`].
    Submit {
        /// For the answer.
        token: Token,
        /// Checked against the catalogue by whoever built it.
        draft: Box<Draft>,
    },
    /// An officer does something with a letter that was received. Answered by [`Speak::Reply`].
    Act {
        /// For the answer.
        token: Token,
        /// Which letter.
        msg: MsgId,
        /// What.
        act: Act,
        /// Who does it, and for which office. The shell knows it from the Unix user.
        by: Officer,
        /// The office's own signature, of an act that states something in its name.
        signed: Option<Signed>,
    },
    /// An officer compared the fingerprints of a party's keys. Answered by [`Speak::Reply`] with the
    /// check's own id.
    Checked {
        /// For the answer.
        token: Token,
        /// What came of it.
        checked: Box<Checked>,
    },
    /// The mesh refused nodes that no certificate names.
    Strangers {
        /// How many since it last said so.
        refused: u64,
    },
    /// A message came by gossip. Yields exactly one verdict.
    Heard {
        /// The neighbour that it came from (not its author).
        from: StationId,
        /// For the verdict.
        token: Token,
        /// Exactly as received.
        bytes: Bytes,
    },
    /// A peer is connected, and its handshake named it.
    Linked {
        /// Who.
        peer: StationId,
    },
    /// The last connection to a peer is gone.
    Unlinked {
        /// Who.
        peer: StationId,
    },
    /// A peer asks something over a stream. Answered by [`Speak::Answer`] or [`Speak::Serve`].
    Asked {
        /// Who asks.
        peer: StationId,
        /// For the answer.
        token: Token,
        /// An encoded `Ask`.
        bytes: Bytes,
    },
    /// A peer answered a question of ours, or did not.
    Answered {
        /// Who was asked.
        peer: StationId,
        /// Which question.
        id: RequestId,
        /// An encoded `Say`; `None` when the question failed or timed out.
        answer: Option<Bytes>,
    },
    /// Our own people hand in signed documents, each as it travels, in any order. Answered by
    /// [`Speak::Documents`].
    Documents {
        /// For the answer.
        token: Token,
        /// Accords, certificates, contacts, charters, revocations, attestations.
        documents: Vec<Bytes>,
    },
    /// What the store holds of a letter of ours that was asked for by [`Speak::Recall`].
    Recalled {
        /// Which letter; `None`: the envelope alone.
        msg: Option<MsgId>,
        /// Own records about it.
        about: Vec<Record>,
        /// Its envelope, if it is held.
        envelope: Option<Bytes>,
    },
    /// `Station::deadline` has passed.
    Tick,
}

/// An office's signature over what an act states; made where the officer is, never by a station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The time that was signed, and is stated.
    pub at: Timestamp,
    /// The signature.
    pub signature: OfficeSignature,
}

/// What an officer can do with a letter.
pub enum Act {
    /// It is on a logged-in screen: level L3.
    Show,
    /// "Received; does not indicate concurrence": level L4, or L5 with an outcome.
    Ack {
        /// Stated outcome, if any.
        outcome: Option<Outcome>,
        /// Free text beside the fixed one.
        text: String,
    },
    /// Level L5, declined.
    Decline {
        /// Why, from the list.
        reason: Reason,
        /// Free text beside it.
        text: String,
    },
    /// A letter in answer: level L6 for the one it answers.
    Reply {
        /// Refers to the letter; addressed to its author's party when it names nobody.
        draft: Box<Draft>,
    },
}

/// Everything that one input, or one batch, asks the shell to do. See the module's words on order.
#[derive(Debug, Default)]
pub struct Effects {
    /// Phase 1.
    pub verdicts: Vec<(Token, Verdict)>,
    /// Phase 3, then one sync when it is not empty.
    pub appends: Vec<Record>,
    /// Phase 4.
    pub speaks: Vec<Speak>,
}

impl Act {
    /// What it states of a letter in the name of an office, beside what its machine says: the one
    /// rule for the station that tells it and for whoever signs it.
    #[must_use]
    pub fn entry(&self, machine: Entry, at: Timestamp, by: &Officer) -> Entry {
        let words = |text: &str| match text {
            "" => Vec::new(),
            text => vec![original("und", text)],
        };
        match self {
            Self::Show => machine,
            Self::Ack { outcome: None, text } => {
                Entry { text: words(text), ..machine.by_officer(Level::L4, at, by) }
            }
            Self::Ack { outcome: Some(outcome), text } => {
                machine.with_outcome(*outcome, None, words(text), at, by)
            }
            Self::Decline { reason, text } => {
                machine.with_outcome(Outcome::Declined, Some(*reason), words(text), at, by)
            }
            Self::Reply { .. } => machine.by_officer(Level::L6, at, by),
        }
    }
}

impl Effects {
    /// Adds the effects of the next input of the same batch.
    pub fn absorb(&mut self, next: Self) {
        self.verdicts.extend(next.verdicts);
        self.appends.extend(next.appends);
        self.speaks.extend(next.speaks);
    }
}

/// One thing to do once everything before it is durable.
#[derive(Clone, Debug, PartialEq)]
pub enum Speak {
    /// Put bytes into gossip. A failure is not a failure of sending: the outbox holds it.
    Publish {
        /// Where.
        topic: Topic,
        /// An envelope.
        bytes: Bytes,
    },
    /// Ask a linked peer. Always ends in one [`Input::Answered`].
    Request {
        /// Whom.
        peer: StationId,
        /// For the answer.
        id: RequestId,
        /// An encoded `Ask`.
        bytes: Bytes,
    },
    /// Read this envelope from the store and ask a linked peer to take it (`Ask::Push`). Always ends
    /// in one [`Input::Answered`].
    Push {
        /// Whom.
        peer: StationId,
        /// For the answer.
        id: RequestId,
        /// Which envelope.
        envelope: EnvelopeId,
    },
    /// Read a letter of ours from the store: own records about it, and this envelope. Ends in one
    /// [`Input::Recalled`].
    Recall {
        /// Which letter; `None`: the envelope alone.
        msg: Option<MsgId>,
        /// Its envelope.
        envelope: EnvelopeId,
    },
    /// Answer a peer's question.
    Answer {
        /// The question.
        token: Token,
        /// An encoded `Say`.
        bytes: Bytes,
    },
    /// Read these from the store, within `BATCH_BYTES` and `BATCH_COUNT`, and answer with
    /// `sync::serve`. Numbers that are not held are left out.
    Serve {
        /// The question.
        token: Token,
        /// Runs of feeds, in order.
        numbers: Vec<Numbers>,
        /// Single envelopes.
        envelopes: Vec<EnvelopeId>,
    },
    /// Try to connect to a peer now.
    Dial {
        /// Whom.
        peer: StationId,
    },
    /// Close the connections to a peer; it is dialled again by the ordinary rules.
    Hangup {
        /// Whom.
        peer: StationId,
    },
    /// The answer to [`Input::Documents`]: what became of each, in the order in which they came;
    /// why one is not believed stands in words.
    Documents {
        /// The question.
        token: Token,
        /// One for each document.
        results: Vec<Result<Admitted, String>>,
    },
    /// The directory changed: who may connect, and which topics there are, must be read anew.
    Membership,
    /// Something that people may want to know.
    Tell(Notice),
    /// The answer to a submit or an act.
    Reply {
        /// The command.
        token: Token,
        /// Its outcome.
        result: Result<MsgId, Denied>,
    },
}

/// Why the station does not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No letter of this id in the inbox.
    #[error("no letter {0} was received here; `cbm inbox` lists those that were")]
    NoSuchLetter(MsgId),
    /// A recipient is not a party of the accord.
    #[error("`{0}` is not a party of this accord; `cbm peers` lists the stations it knows")]
    NoSuchParty(String),
    /// The group is unknown here, or we are not in it.
    #[error(
        "this station is in no group named `{name}`; leave --group out to write in the whole accord, \
         or name a group that it is in: {ours}"
    )]
    NoSuchGroup {
        /// What was named.
        name: String,
        /// The groups that this station is in.
        ours: String,
    },
    /// A recipient is not a member of the group, or may not receive letters.
    #[error(
        "{party} is not a member of the group `{group}` and would not get the letter; write to it in \
         a group of both (`cbm charter show` tells the members; without --group it is the whole \
         accord), or leave it out"
    )]
    NotInGroup {
        /// The recipient.
        party: String,
        /// The group.
        group: String,
    },
    /// An answer is wanted, or the letter ends, at a time that is over.
    #[error(
        "{field} is {at}, which is over by this machine's clock; name a time that is still to come, or \
         leave it out"
    )]
    Past {
        /// The field.
        field: &'static str,
        /// What it says.
        at: Timestamp,
    },
    /// Nobody to send to.
    #[error(
        "the letter names no recipient but this station's own party; name another party with --to"
    )]
    NoRecipient,
    /// Our own role may not send letters.
    #[error("this station's role may watch the lines but not send letters")]
    Role,
    /// Too many recipients for one envelope.
    #[error("{0} recipient stations are more than one envelope can carry; send to fewer parties")]
    TooManyRecipients(usize),
    /// The letter breaks a rule of the catalogue.
    #[error("{0}")]
    Draft(String),
    /// Too many drafts wait.
    #[error("the station may not speak yet and too many drafts wait; try again in a minute")]
    Full,
    /// Another node speaks with our keys.
    #[error(
        "CLONE: another node speaks with this station's keys, so this one is silent. Stop one of \
         the two for good, then start this one again"
    )]
    Clone,
    /// Our party has revoked the key that we sign with.
    #[error(
        "the key that this station signs with was revoked by its party on {at} ({reason}), so it says \
         nothing any more; have new keys certified, as the handbook's page on revoking says"
    )]
    Revoked {
        /// When, as the party says.
        at: String,
        /// Why, in the party's words.
        reason: String,
    },
    /// The office's signature does not count under this station's own certificate.
    #[error("the office's signature does not count: {}", .0.at_home())]
    Office(Fault),
    /// The signed time is too far from this station's clock.
    #[error(
        "the office's statement says {at}, and this station's clock says {now}; set the clock that \
         is wrong, then repeat the command"
    )]
    OfficeTime {
        /// What was signed.
        at: String,
        /// The station's time.
        now: String,
    },
    /// The letter could not be sealed; nothing was sent.
    #[error("the letter could not be sealed: {0}")]
    Seal(String),
}

/// What people may want to know, without bodies and names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A letter is in the inbox.
    Letter(MsgId),
    /// A letter of ours came further at one addressee.
    Settled {
        /// The letter.
        msg: MsgId,
        /// The addressee.
        station: StationId,
        /// How far.
        level: Level,
    },
    /// The station may speak.
    Speaks(Incarnation),
    /// Another node speaks with our keys; we are silent from here on.
    Clone,
    /// Our party has revoked the key that we sign with; we are silent from here on.
    Revoked,
    /// An author signed two headers under one number, or denied its own predecessor: a proof of it is
    /// held.
    Forked(StationId),
    /// An envelope addressed to us did not open, or its author may not say this.
    Refused(EnvelopeId),
    /// Our clock is in doubt, or no longer.
    ClockInDoubt(bool),
    /// A neighbour defers our envelopes: we are over the accord's rate.
    OverRate,
    /// Somebody tried to pass for somebody else; the row of it is new or has doubled.
    Incident(Cause),
    /// A document was refused; the text says why.
    Document(String),
}
