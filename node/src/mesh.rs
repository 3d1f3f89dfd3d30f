//! The mesh: links between stations, gossip, questions and answers. Everything of libp2p is here.
//!
//! One task owns the swarm and only translates: commands come in and events go out over two bounded
//! channels, in the words of the protocol (stations, topics, tokens). It checks no signature, opens
//! nothing and touches no disk.
//!
//! Invariants:
//! - Nobody unlisted speaks (I4): strangers, and links the operator holds, are refused when the
//!   handshake has named them, before a stream opens. A lane's gossip is heard from and spoken to
//!   members of that lane only; whoever subscribes to a lane it is not in is put out.
//! - A peer is in exactly one of two meshes: the message mesh (lanes and beacons, both stations of
//!   role STATE) or the beacon mesh (beacons, all others). Beacons that were accepted cross over.
//! - Each [`MeshEvent::Heard`] waits for exactly one [`MeshCommand::Verdict`] (I5); nothing is
//!   forwarded before it.
//! - Gossip promises nothing. Neither an error nor a success of a publish says anything about
//!   delivery, so none is told; the outbox holds what is owed.
//! - Everything is bounded (I11); the bounds and what happens at them stand in `settings`.
//!
//! Called by `runtime` only.

mod asks;
pub mod codec;
mod door;
mod fetches;
mod gate;
mod links;
mod roster;
mod settings;
mod swarm;
mod task;
#[cfg(test)]
mod tests;
mod turns;

use std::{collections::BTreeSet, ffi::OsStr, fmt, time::Duration};

use bytes::Bytes;
use cbm_proto::{
    event::{RequestId, Token, Topic, Verdict},
    id::{LaneId, NetworkId, StationId},
};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

/// The lowest token that the mesh draws; the shell draws its own below it.
pub const FIRST_TOKEN: u64 = 1 << 63;

/// How the mesh is to run. Constant for one run of the process.
pub struct MeshConfig {
    /// Seed of the Ed25519 key that names this station on the wire (key role PEER).
    pub peer_seed: Zeroizing<[u8; 32]>,
    /// The network; its id is in the name of every topic and stream.
    pub network: NetworkId,
    /// This station.
    pub me: StationId,
    /// Multiaddresses to listen on, such as `/ip4/0.0.0.0/udp/4001/quic-v1`; port 0 takes any.
    pub listen: Vec<String>,
    /// About so many links are kept (30 to 50; all members when there are fewer).
    pub links_target: usize,
    /// About so many stations are in the network; sets the degree of gossip.
    pub members_expected: usize,
    /// Shortest and longest distance between two dials of a member that cannot be reached.
    pub redial: (Duration, Duration),
    /// Interval and patience of pings (5 s). After two failures in a row a connection is closed;
    /// QUIC notices by itself within 4 s, TCP does not.
    pub ping: Duration,
    /// If set, links are made with these stations only, in both directions.
    pub only_links: Option<BTreeSet<StationId>>,
}

impl MeshConfig {
    /// The usual settings, listening nowhere.
    #[must_use]
    pub fn new(peer_seed: Zeroizing<[u8; 32]>, network: NetworkId, me: StationId) -> Self {
        Self {
            peer_seed,
            network,
            me,
            listen: Vec::new(),
            links_target: 40,
            members_expected: 20,
            redial: (Duration::from_millis(500), Duration::from_secs(30)),
            ping: Duration::from_secs(5),
            only_links: None,
        }
    }
}

/// What a station may do with us, by its documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The station.
    pub station: StationId,
    /// Its Ed25519 public keys of role PEER, newest first: it may be known by the one before for a
    /// while after a change.
    pub peers: Vec<[u8; 32]>,
    /// Both of us are of role STATE: it is in the message mesh. If not, in the beacon mesh.
    pub message: bool,
    /// Where it listens, as multiaddresses; those that cannot be read are skipped.
    pub addresses: Vec<String>,
    /// Whether we dial it, if it is chosen; if not, we wait for it to dial us.
    pub dial: bool,
}

/// A group's lane that this station is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Its id.
    pub id: LaneId,
    /// Its members; nobody else may take part.
    pub members: BTreeSet<StationId>,
}

/// Who is in the network, and the lanes of this station. Each replaces the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// All other stations that may link with this one.
    pub grants: Vec<Grant>,
    /// The lanes this station is in; none unless its role is STATE.
    pub lanes: Vec<Lane>,
}

/// What the mesh is told.
#[derive(Debug)]
pub enum MeshCommand {
    /// Replaces the membership. Whoever lost its grant is put out at once.
    Membership(Membership),
    /// Decides about a heard message.
    Verdict(Token, Verdict),
    /// Gossips `bytes` (at most `GOSSIP_MAX`; more is dropped with an error in the log).
    Publish {
        /// On which topic; a beacon goes into both meshes.
        topic: Topic,
        /// The envelope.
        bytes: Bytes,
    },
    /// Asks a linked station; exactly one [`MeshEvent::Answered`] comes back, except when events
    /// are so late that the asker has long given up.
    Request {
        /// Whom.
        peer: StationId,
        /// Comes back with the answer.
        id: RequestId,
        /// At most `FRAME_MAX` bytes.
        bytes: Bytes,
    },
    /// Answers an [`MeshEvent::Asked`]. An answer that comes too late goes nowhere.
    Answer {
        /// The question's token.
        token: Token,
        /// At most `FRAME_MAX` bytes.
        bytes: Bytes,
    },
    /// Asks a linked station for evidence, after all that is asked of it about letters. `None`
    /// comes back, or nothing, where there is no answer in time.
    Fetch {
        /// Whom.
        peer: StationId,
        /// At most `FRAME_MAX` bytes.
        bytes: Bytes,
        /// For the answer.
        reply: oneshot::Sender<Option<Bytes>>,
    },
    /// Answers a [`MeshEvent::Wanted`]. An answer that comes too late goes nowhere.
    Give {
        /// The question's token.
        token: Token,
        /// At most `FRAME_MAX` bytes.
        bytes: Bytes,
    },
    /// Dials a member now, chosen or not, unless it is linked.
    Dial(StationId),
    /// Closes all connections with a station. A chosen one is dialled again.
    Hangup(StationId),
    /// Holds a link down (`on`), in both directions, or lets it be made again.
    Cut {
        /// With whom.
        peer: StationId,
        /// Whether it is held.
        on: bool,
    },
    /// Listens on exactly these addresses from now on. Links stand, but those by QUIC that came over
    /// an address that is given up; they are made anew.
    Listen {
        /// As in [`MeshConfig::listen`].
        addresses: Vec<String>,
        /// Why it cannot; then it listens as before.
        reply: oneshot::Sender<Result<(), MeshError>>,
    },
    /// Closes all connections and ends the task.
    Stop,
}

/// What a link runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// QUIC with TLS 1.3.
    Quic,
    /// TCP with TLS 1.3.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quic => "quic",
            Self::Tcp => "tcp",
        })
    }
}

/// What was refused since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Connections with peers that are no members.
    pub strangers: u64,
    /// Connections with members whose link the operator holds.
    pub held: u64,
    /// Handshakes above the bounds, before anybody was named.
    pub crowded: u64,
    /// Connections above the bounds on connections or memory.
    pub limits: u64,
    /// Subscriptions to, or messages on, a lane by a station that is not in it.
    pub trespass: u64,
}

/// What the mesh tells.
#[derive(Debug)]
pub enum MeshEvent {
    /// Listens on one more address.
    Listening(String),
    /// A link stands: both sides have let each other in.
    Linked {
        /// With whom.
        peer: StationId,
        /// Over what.
        transport: Transport,
    },
    /// The last connection with a linked station is gone.
    Unlinked(StationId),
    /// A gossip message that waits for its verdict. Copies of it are not told.
    Heard {
        /// The neighbour that forwarded it, seldom its author.
        from: StationId,
        /// To be given with the verdict.
        token: Token,
        /// On which topic.
        topic: Topic,
        /// The message, at most `GOSSIP_FRAME_MAX` bytes.
        bytes: Bytes,
    },
    /// A question that waits for [`MeshCommand::Answer`], at most `WANT_WAIT` long.
    Asked {
        /// Who asks; any member may, and what it may ask is the caller's to check.
        peer: StationId,
        /// To be given with the answer.
        token: Token,
        /// At most `FRAME_MAX` bytes.
        bytes: Bytes,
    },
    /// A question for evidence that waits for [`MeshCommand::Give`]. Only members of role STATE
    /// ask, and only while nothing about letters is under way with them.
    Wanted {
        /// To be given with the answer.
        token: Token,
        /// At most `FRAME_MAX` bytes.
        bytes: Bytes,
    },
    /// The answer to a question of ours; `None` when there is none in time.
    Answered {
        /// Who was asked.
        peer: StationId,
        /// The question.
        id: RequestId,
        /// At most `FRAME_MAX` bytes.
        answer: Option<Bytes>,
    },
    /// Gossip for this neighbour was dropped because it does not keep up: catch up with it.
    SlowPeer(StationId),
    /// This member was in a lane that it is no member of, and was put out: to be journalled.
    Trespassed(StationId),
    /// A dial of this member failed, for the operator's eyes; it will be dialled again.
    Unreachable {
        /// Who.
        peer: StationId,
        /// Why, in words.
        cause: String,
    },
    /// A member speaks, but none of this network's protocols: it runs on another accord.
    OtherNetwork(StationId),
    /// Something was refused: the sums since the start. At most once a second.
    Refused(Refusals),
}

/// Why the mesh cannot start.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// Session keys would be written to a file.
    #[error(
        "SSLKEYLOGFILE is set: the keys of every connection would be written to that file; unset it \
         and start again"
    )]
    KeyLog,
    /// An address of the configuration cannot be read.
    #[error(
        "`{address}` is not an address to listen on ({cause}): write it like \
         /ip4/0.0.0.0/udp/4001/quic-v1 or /ip4/0.0.0.0/tcp/4001"
    )]
    BadAddress {
        /// As configured.
        address: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The address cannot be listened on.
    #[error(
        "cannot listen on `{address}`: {cause}; stop whoever has the port \
             (`ss -lnp` lists them), or correct mesh.listen"
    )]
    Listen {
        /// As configured.
        address: String,
        /// What the system says.
        cause: String,
    },
    /// libp2p does not take our settings; a defect.
    #[error("the mesh cannot be set up: {0}")]
    Settings(String),
}

/// The mesh has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mesh has stopped")]
pub struct Stopped;

/// Speaks to the mesh's task. When the last one is dropped the task ends.
#[derive(Clone, Debug)]
pub struct MeshHandle {
    commands: mpsc::Sender<MeshCommand>,
}

impl MeshHandle {
    /// Hands over a command; waits while `COMMANDS` others wait. The task always drains them, also
    /// when nobody takes its events.
    ///
    /// # Errors
    /// [`Stopped`] when the task has ended.
    pub async fn send(&self, command: MeshCommand) -> Result<(), Stopped> {
        self.commands.send(command).await.map_err(|_| Stopped)
    }
}

/// A running mesh.
#[derive(Debug)]
pub struct Mesh {
    /// Where commands go.
    pub handle: MeshHandle,
    /// Where events come from. It ends when the task has ended.
    pub events: mpsc::Receiver<MeshEvent>,
    /// The addresses listened on at the start, at least one for each configured one.
    pub listening: Vec<String>,
}

/// The settings of gossip for a network of about `members` stations with about `links` links each, as
/// the node's own meshes have them: for a bench that stands bare gossip beside the node.
///
/// # Errors
/// libp2p does not take them; a defect.
pub fn gossip_settings(
    members: usize,
    links: usize,
) -> Result<libp2p::gossipsub::Config, MeshError> {
    settings::gossip(members, links).map_err(MeshError::Settings)
}

/// Starts the mesh on the current tokio runtime: returns when all addresses are listened on, with
/// `membership` in force from the first connection on.
///
/// # Errors
/// [`MeshError`] when `SSLKEYLOGFILE` is set or an address cannot be listened on.
pub async fn start(config: MeshConfig, membership: Membership) -> Result<Mesh, MeshError> {
    refuse_key_log(std::env::var_os("SSLKEYLOGFILE").as_deref())?;
    let (handle, commands) = mpsc::channel(settings::COMMANDS);
    let (out, events) = mpsc::channel(settings::EVENTS);
    let mut task = task::Task::new(&config, commands, out)?;
    task.membership(&membership);
    let listening = task.listen(&config.listen).await?;
    tokio::spawn(task.run());
    Ok(Mesh { handle: MeshHandle { commands: handle }, events, listening })
}

/// libp2p's TLS writes session keys to the file that this variable names, in every build.
fn refuse_key_log(variable: Option<&OsStr>) -> Result<(), MeshError> {
    match variable {
        Some(_) => Err(MeshError::KeyLog),
        None => Ok(()),
    }
}
